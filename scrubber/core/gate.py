"""The release gate: a policy held against scores gives a verdict. Pure, and in doubt never a pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from scrubber.core.intervals import samples_to_clear
from scrubber.core.types import GatePolicy, Outcome, Rule, RuleOutcome, Score, Verdict

_WORST_FIRST: tuple[Outcome, ...] = ("refused", "undecided", "passed")


def decide(policy: GatePolicy, scores: Iterable[Score]) -> Verdict:
    """Hold each rule of ``policy`` against the one score that it names.

    A rule passes when the whole interval is inside its limits, is refused when the whole interval is outside one, and
    is undecided between, or where the score is missing, doubled, not scored, not finite or too thin. One refused rule
    refuses; else one undecided rule leaves the verdict undecided; a policy without rules decides nothing.
    """
    table: dict[tuple[str, str, str], list[Score]] = {}
    for score in scores:
        table.setdefault((score.metric, score.stage, score.subset), []).append(score)
    rules = tuple(_judge(rule, table.get((rule.metric, rule.stage, rule.subset), ())) for rule in policy.rules)
    return Verdict(_worst([rule.outcome for rule in rules]), rules)


def _judge(rule: Rule, scores: Sequence[Score]) -> RuleOutcome:
    limits = [limit for limit in (rule.at_most, rule.at_least) if limit is not None]

    def doubt(reason: str, score: Score | None = None) -> RuleOutcome:
        return RuleOutcome(
            rule=rule,
            outcome="undecided",
            measured=_finite(score.value) if score else None,
            bound=None,
            limit=limits[0] if limits else 0.0,  # nothing to show, and a record without numbers has no place for None
            n=score.n if score else 0,
            reason=f"{_name(rule)}: {reason}",
        )

    if not limits:
        return doubt("the rule sets no limit")
    if not all(map(math.isfinite, limits)):
        return doubt("the rule's limit is not a finite number")
    if len(scores) != 1:
        return doubt("there is no such score" if not scores else f"there are {len(scores)} such scores")
    score = scores[0]
    if score.value is None or score.low is None or score.high is None:
        return doubt("it was not scored" + (f": {score.note}" if score.note else ""), score)
    if not all(map(math.isfinite, (score.value, score.low, score.high))) or score.low > score.high:
        return doubt("the score is not a finite number with an interval", score)
    sides = []
    if rule.at_most is not None:
        sides.append(_hold(rule, score.value, score.low, score.high, rule.at_most, score.n, most=True))
    if rule.at_least is not None:
        sides.append(_hold(rule, score.value, score.high, score.low, rule.at_least, score.n, most=False))
    return min(sides, key=lambda side: _WORST_FIRST.index(side.outcome))


def _hold(rule: Rule, value: float, lucky: float, unlucky: float, limit: float, n: int, *, most: bool) -> RuleOutcome:
    """Hold one interval, given by its two ends, against one limit (``most``: an upper one)."""
    word, sign = ("at most", 1) if most else ("at least", -1)
    outcome: Outcome = "undecided"
    if n < rule.least_n:
        reason = f"too few samples: {n} of at least {rule.least_n}"
    elif sign * unlucky <= sign * limit:
        outcome, reason = "passed", "the whole interval is inside the limit"
    elif sign * lucky > sign * limit:
        outcome, reason = "refused", f"the whole interval is outside the limit, even its other end {lucky:.4g}"
    else:
        reason = "the limit lies inside the interval"
    more = _more_needed(rule, value, limit, n) if most and outcome == "undecided" else None
    figures = f"measured {value:.4g}, bound {unlucky:.4g}, limit {word} {limit:.4g}, n {n}"
    advice = f"; {more} more would decide it if the rate held" if more else ""
    return RuleOutcome(rule, outcome, value, unlucky, limit, n, f"{_name(rule)}: {reason} ({figures}){advice}", more)


def _more_needed(rule: Rule, value: float, limit: float, n: int) -> int | None:
    """Further samples until a rate would pass; None for what is no rate, or is itself over the limit."""
    if rule.stage == "difference":
        return None
    needed = samples_to_clear(value, limit)
    if needed is None or max(needed, rule.least_n) <= n:
        return None
    return max(needed, rule.least_n) - n


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return min(outcomes, key=_WORST_FIRST.index, default="undecided")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _name(rule: Rule) -> str:
    return f"{rule.metric} of {rule.subset}, {rule.stage}"
