"""When the loop stops, and which round's adapter is the best: rules on each round's numbers, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from scrubber.pipelines.discover.config import DiscoverConfig

Ending = Literal["", "clean", "limit", "utility", "stalled", "rounds"]

SAID: dict[Ending, str] = {
    "clean": "the model as it is keeps the limit: nothing was to be done",
    "limit": "the rate of watched prompts came under the limit",
    "utility": "a round left its budget: its adapter is not taken, and none after it was tried",
    "stalled": "the rate of watched prompts fell no more",
    "rounds": "all rounds were done",
}


class Round(NamedTuple):
    """The numbers of one round, measured on watched prompts; those of round 0 are of the model as it was.

    ``mentions`` and ``distinct``: names an answer and distinct real names, to before. ``lost``: tasks solved less than
    before, as a share; ``drift``: nats a token on unrelated prompts.
    """

    number: int
    rate: float
    low: float
    high: float
    mentions: float = 1.0
    distinct: float = 1.0
    lost: float = 0.0
    drift: float = 0.0
    asked: int = 0  # prompts
    inventing: int = 0  # prompts among them with an invented name
    names: int = 0  # distinct invented names
    rows: int = 0  # answers trained on
    steps: int = 0
    pool: int = 0  # prompts for the next round
    seconds: float = 0.0


def is_within(one: Round, config: DiscoverConfig) -> bool:
    """Whether the model still says as much, and still can do what it could."""
    least = config.loop.min_mentions
    return (
        one.mentions >= least
        and one.distinct >= least
        and one.lost <= config.utility.budget + 1e-9
        and one.drift <= config.utility.drift
    )


def ending(rounds: Sequence[Round], config: DiscoverConfig) -> Ending:
    """Why the loop stops after these rounds, the first of which is round 0; empty: it goes on."""
    last = rounds[-1]
    if not is_within(last, config):
        return "utility"
    if last.rate <= config.loop.limit:
        return "limit" if last.number else "clean"
    if last.number - best(rounds, config).number >= config.loop.patience:
        return "stalled"
    return "rounds" if last.number >= config.loop.rounds else ""


def best(rounds: Sequence[Round], config: DiscoverConfig) -> Round:
    """The lowest rate among the rounds within the budget; the earliest of equal ones. Round 0 is always within."""
    return min((one for one in rounds if is_within(one, config)), key=lambda one: one.rate)


def from_json(value: dict[str, Any]) -> Round:
    return Round(**{name: value[name] for name in Round._fields})
