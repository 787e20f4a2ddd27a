"""What a method says of itself to somebody who chooses one."""

from __future__ import annotations

from typing import Any, NamedTuple

from scrubber.core.model.reference import Needs


class About(NamedTuple):
    paper: str
    cost: str  # beside training itself
    reconstructed: str = ""  # what is ours, or our reading where the paper is silent


def card(method: Any) -> dict[str, str]:
    """Paper, needs, cost and what is reconstructed; of a method of another package whatever it says."""
    about: About = getattr(method, "ABOUT", About("not said", "not said"))
    return {
        "paper": about.paper,
        "needs": ", ".join(asked_for(method.needs(method.Settings()))) or "nothing but texts to forget",
        "cost": about.cost,
        "reconstructed": about.reconstructed or "nothing",
    }


def asked_for(needs: Needs) -> list[str]:
    """With a method's default settings."""
    wanted = {
        "texts to keep": needs.retain,
        "the model before": needs.reference,
        "spans": needs.positions == "marked",
        f"{needs.counterpart}s in place of values": bool(needs.counterpart),
    }
    return [name for name, asked in wanted.items() if asked]
