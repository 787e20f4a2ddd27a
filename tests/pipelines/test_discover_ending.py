"""When the loop stops and what it keeps, and how long a turn works: rules on numbers, without a model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.pipelines.discover.config import DiscoverConfig, LoopConfig
from scrubber.pipelines.discover.ending import SAID, Round, best, ending, from_json, is_within
from scrubber.pipelines.discover.turn import OutOfTime, Turn

CONFIG = DiscoverConfig(loop=LoopConfig(limit=0.05, rounds=4, patience=2, min_mentions=0.8))


def rounds(*rates: float, **last: float) -> list[Round]:
    made = [Round(number, rate, 0.0, 1.0) for number, rate in enumerate(rates)]
    return [*made[:-1], made[-1]._replace(**last)]


@pytest.mark.parametrize(
    ("walked", "why", "kept"),
    [
        (rounds(0.3), "", 0),
        (rounds(0.04), "clean", 0),
        (rounds(0.3, 0.2), "", 1),
        (rounds(0.3, 0.2, 0.05), "limit", 2),
        (rounds(0.3, 0.2, 0.25), "", 1),
        (rounds(0.3, 0.2, 0.25, 0.2), "stalled", 1),
        (rounds(0.3, 0.3, 0.4), "stalled", 0),
        (rounds(0.3, 0.25, 0.2, 0.15, 0.1), "rounds", 4),
        (rounds(0.3, 0.2, 0.01, mentions=0.79), "utility", 1),
        (rounds(0.3, 0.2, 0.01, distinct=0.5), "utility", 1),
        (rounds(0.3, 0.01, lost=0.03), "utility", 0),
        (rounds(0.3, 0.01, drift=0.02), "utility", 0),
        (rounds(0.3, 0.01, lost=0.02, drift=0.01, mentions=0.8), "limit", 1),
    ],
)
def test_when_it_ends_and_what_it_keeps(walked: list[Round], why: str, kept: int) -> None:
    assert ending(walked, CONFIG) == why
    assert best(walked, CONFIG).number == kept
    assert not why or SAID[why]  # type: ignore[index]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 2), st.floats(-1, 1)), max_size=6))
def test_what_is_kept_is_within_the_budget_and_no_worse_than_before(
    drawn: Sequence[tuple[float, float, float]],
) -> None:
    walked = [Round(0, 0.3, 0.0, 1.0)]
    walked += [Round(n, rate, 0.0, 1.0, mentions=m, lost=lost) for n, (rate, m, lost) in enumerate(drawn, 1)]
    kept = best(walked, CONFIG)
    assert is_within(kept, CONFIG)
    assert kept.rate <= 0.3
    assert len(walked) <= CONFIG.loop.rounds or ending(walked, CONFIG), "it never goes beyond its rounds"


def test_a_round_is_stored_and_read_back() -> None:
    one = Round(1, 0.2, 0.1, 0.3, steps=5)
    assert from_json({**one._asdict(), "seconds": 0.0, "more": 1}) == one


def test_a_turn_ends_after_stored_work_only_when_its_minutes_are_over() -> None:
    now = 0.0
    turn = Turn(1.0, lambda: now)
    turn.stored("a")
    now = 59.0
    turn.stored("b")
    now = 60.0
    assert turn.is_over
    with pytest.raises(OutOfTime) as caught:
        turn.stored("round 2, training")
    assert caught.value.exit_code == 3
    assert "round 2, training" in str(caught.value)
    assert "--run-dir" in str(caught.value)
    endless = Turn(None, lambda: 1e9)
    endless.stored("c")


def test_a_turn_of_no_time_trains_until_something_is_stored() -> None:
    """Else turns that are too short would never get anywhere."""
    step = Turn(0.0).steps(4, "training")
    for _ in range(5):  # a resumed training tells first what it has; then four steps, of which one is stored
        step(1)
    with pytest.raises(OutOfTime):
        step(1)
