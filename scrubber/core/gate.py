"""The release gate: a policy held against scores gives a verdict. Pure, and in doubt never a pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from scrubber.core.intervals import (
    Z,
    clopper_pearson,
    critical_distance,
    holm,
    if_it_held,
    least_size,
    mover,
    rate_counts,
)
from scrubber.core.types import GatePolicy, Outcome, Rule, RuleOutcome, Score, Verdict

Table = Mapping[tuple[str, str], Mapping[str, Sequence[Score]]]  # scores by metric and stage, then by subset
_WORST_FIRST: tuple[Outcome, ...] = ("refused", "undecided", "passed")
_MOST_NAMES = 5  # of thin strata, in a reason


class _Number(NamedTuple):
    """A score that is known to be finite numbers."""

    subset: str
    value: float
    low: float
    high: float
    n: int


class _Measured(NamedTuple):
    """A number with its interval, or the difference of two: what is held against a limit."""

    subset: str
    value: float
    low: float
    high: float
    n: int
    at: Callable[[int], tuple[float, float]]  # the interval that so many units would give if the value held
    beside: str = ""  # both figures of a difference: a baseline is never subtracted silently


class _Doubt(NamedTuple):
    """Why there is nothing to hold against a limit."""

    subset: str
    reason: str
    score: Score | None = None


def decide(policy: GatePolicy, scores: Iterable[Score]) -> Verdict:
    """Hold each rule of ``policy`` against the score that it names, or against each of the family that it names.

    A rule passes when the whole interval is inside its limits, is refused when the whole interval is outside one, and
    is undecided between, or where the score is missing, doubled, not scored, not finite or too thin. One refused rule
    refuses; else one undecided rule leaves the verdict undecided; a policy without rules decides nothing.
    """
    table: dict[tuple[str, str], dict[str, list[Score]]] = {}
    for score in scores:
        table.setdefault((score.metric, score.stage), {}).setdefault(score.subset, []).append(score)
    rules = tuple(_judge(rule, table) for rule in policy.rules)
    return Verdict(min((rule.outcome for rule in rules), key=_WORST_FIRST.index, default="undecided"), rules)


def rule_name(rule: Rule) -> str:
    """What a rule looks at, and what it is compared with: ``leak_rate of audited, after, less decoys``."""
    return f"{rule.metric} of {rule.subset}, {rule.stage}" + (f", less {rule.against}" if rule.against else "")


def _judge(rule: Rule, table: Table) -> RuleOutcome:
    if not _limits(rule):
        return _undecided(rule, _Doubt("", "the rule sets no limit"))
    if not all(math.isfinite(limit) for limit, _ in _limits(rule)):
        return _undecided(rule, _Doubt("", "the rule's limit is not a finite number"))
    named = table.get((rule.metric, rule.stage), {})
    family = "*" in rule.subset
    subsets = sorted(subset for subset in named if fnmatchcase(subset, rule.subset)) if family else [rule.subset]
    read = [_read(subset, named.get(subset, ())) for subset in subsets]
    numbers = [one for one in read if isinstance(one, _Number)]
    found = [_compared(rule, one, table) for one in (_merged(numbers, rule.least_n) if family else numbers)]
    measured = [one for one in found if isinstance(one, _Measured)]
    thick = [one for one in measured if one.n >= _least_n(rule)]
    # To pass, each stratum must by itself: no correction. To refuse for one of many: by chance alone one may be outside.
    sure = [True] if len(thick) == 1 else holm([_distance(rule, one) for one in thick])
    outcomes = [_undecided(rule, one) for one in (*read, *found) if isinstance(one, _Doubt)]
    outcomes += [_hold(rule, one, among=len(measured)) for one in measured if one.n < _least_n(rule)]
    outcomes += [_hold(rule, one, among=len(thick), sure=is_sure) for one, is_sure in zip(thick, sure, strict=True)]
    if not outcomes:
        return _undecided(rule, _Doubt("", "there is no such score"))
    worst = min(outcomes, key=lambda one: (_WORST_FIRST.index(one.outcome), _margin(one)))
    needed = [one.more_needed for one in outcomes if one.outcome == "undecided"]
    more = None if worst.outcome != "undecided" or None in needed else sum(filter(None, needed))
    start = f"{rule_name(rule)}: "
    reason = start + (f"worst of {len(outcomes)}, " if family else "") + worst.reason.removeprefix(start)
    advice = f"; {more} more would decide it if the rate held" if more else ""
    return replace(worst, reason=reason + advice, more_needed=more)


def _read(subset: str, scores: Sequence[Score]) -> _Number | _Doubt:
    if len(scores) != 1:
        return _Doubt(subset, "there is no such score" if not scores else f"there are {len(scores)} such scores")
    score = scores[0]
    if score.value is None or score.low is None or score.high is None:
        return _Doubt(subset, "it was not scored" + (f": {score.note}" if score.note else ""), score)
    if not all(map(math.isfinite, (score.value, score.low, score.high))) or score.low > score.high:
        return _Doubt(subset, "the score is not a finite number with an interval", score)
    if score.n < 1:
        return _Doubt(subset, "it rests on nothing", score)
    return _Number(subset, score.value, score.low, score.high, score.n)


def _merged(strata: Sequence[_Number], least_n: int) -> list[_Number]:
    """The strata of a family, those of fewer than ``least_n`` values as one; with the smallest other if still too few.

    That other is judged by itself as well, so that no merging can hide it. Only rates can be put together, of which the
    counts are known: other thin strata stay as they are. Strata of one family must not share values.
    """
    thick = sorted((one for one in strata if one.n >= least_n), key=lambda one: one.n)
    thin = [one for one in strata if one.n < least_n]
    together = [*thin, *thick[:1]] if sum(one.n for one in thin) < least_n else thin
    counts = [rate_counts(one.value, one.low, one.high, one.n) for one in together]
    if not thin or None in counts:
        return [*strata]
    successes, n = sum(filter(None, counts)), sum(one.n for one in together)
    names = ", ".join(one.subset for one in together[:_MOST_NAMES]) + ", ..." * (len(together) > _MOST_NAMES)
    name = f"{names} together" if len(together) > 1 else names
    return [*thick, _Number(name, successes / n, *clopper_pearson(successes, n), n)]


def _compared(rule: Rule, one: _Number, table: Table) -> _Measured | _Doubt:
    """The number as it is, or its difference from the score that the rule names as its baseline."""
    at = if_it_held(one.value, one.low, one.high, one.n)
    if not rule.against:
        return _Measured(*one, at)
    stage, subset = ("before", one.subset) if rule.against == "before" else (rule.stage, rule.against)
    if (stage, subset) == (rule.stage, one.subset):
        return _Doubt(one.subset, "it is its own baseline")
    other = _read(subset, table.get((rule.metric, stage), {}).get(subset, ()))
    if isinstance(other, _Doubt):
        return _Doubt(one.subset, f"of its baseline, {rule.against}, {other.reason}")
    n, other_at = min(one.n, other.n), if_it_held(other.value, other.low, other.high, other.n)

    def difference_at(size: int) -> tuple[float, float]:  # the larger of the two grows in proportion
        own, its = (at_size(round(size * of.n / n)) for at_size, of in ((at, one), (other_at, other)))
        return mover(one.value, *own, other.value, *its)

    interval = mover(one.value, one.low, one.high, other.value, other.low, other.high)
    beside = f"{one.value:.4g} less {other.value:.4g} of {rule.against}"
    return _Measured(one.subset, one.value - other.value, *interval, n, difference_at, beside)


def _hold(rule: Rule, one: _Measured, *, among: int, sure: bool = True) -> RuleOutcome:
    """Hold one interval against the limits; ``sure``: whether what is outside is so when ``among`` many are compared."""
    outcome: Outcome = "undecided"
    limit, sign = min(_limits(rule), key=lambda side: side[1] * (side[0] - _end(one, side[1])))
    bound, lucky = _end(one, sign), _end(one, -sign)
    found = _outcome(rule, one.low, one.high)
    if one.n < _least_n(rule):
        reason = f"too few samples: {one.n} of at least {rule.least_n}"
    elif found == "passed":
        outcome, reason = "passed", "the whole interval is inside the limit"
    elif found == "refused" and sure:
        outcome, reason = "refused", f"the whole interval is outside the limit, even its other end {lucky:.4g}"
    elif found == "refused":
        reason = f"outside the limit by itself, but not surely where {among} are compared"
    else:
        reason = "the limit lies inside the interval"
    more = _more_needed(rule, one, among) if outcome == "undecided" else None
    figures = f"measured {one.value:.4g}, bound {bound:.4g}, limit {'at most' if sign > 0 else 'at least'} {limit:.4g}"
    beside = f"; {one.beside}" if one.beside else ""
    text = f"{_subject(rule, one.subset)}{reason} ({figures}, n {one.n}){beside}"
    return RuleOutcome(rule, outcome, one.value, bound, limit, one.n, text, more)


def _outcome(rule: Rule, low: float, high: float) -> Outcome:
    """What an interval says of a rule's limits."""
    if (rule.at_most is not None and low > rule.at_most) or (rule.at_least is not None and high < rule.at_least):
        return "refused"
    inside = (rule.at_most is None or high <= rule.at_most) and (rule.at_least is None or low >= rule.at_least)
    return "passed" if inside else "undecided"


def _more_needed(rule: Rule, one: _Measured, among: int) -> int | None:
    """Further units until the rule would pass or be refused, had they the same value; None for more than is sensible."""

    def decided(size: int) -> bool:
        low, high = one.at(size)
        if _outcome(rule, low, high) != "refused":
            return _outcome(rule, low, high) == "passed"
        return among == 1 or _distance(rule, one._replace(low=low, high=high)) > critical_distance(among)

    size = least_size(decided, max(one.n, _least_n(rule)))
    return size - one.n if size is not None and size > one.n else None


def _distance(rule: Rule, one: _Measured) -> float:
    """How far the value is outside a limit, in standard errors: its arm towards the limit is 1.96 of them long.

    Farther out a rate's own arm grows less than that: a family of rates is refused a little later than exact tests would.
    """

    def outside(limit: float, sign: int) -> float:
        arm = sign * (one.value - _end(one, -sign))
        arm = arm if arm > 0 else (one.high - one.low) / 2
        gap = sign * (one.value - limit)
        return Z * gap / arm if arm else math.copysign(math.inf, gap)

    return max(outside(limit, sign) for limit, sign in _limits(rule))


def _limits(rule: Rule) -> list[tuple[float, int]]:
    """The limits of a rule, each with its sign: +1 where more is worse, -1 where less is."""
    return [(limit, sign) for limit, sign in ((rule.at_most, 1), (rule.at_least, -1)) if limit is not None]


def _end(one: _Measured, sign: int) -> float:
    return one.high if sign > 0 else one.low


def _margin(outcome: RuleOutcome) -> float:
    """How far the bound is inside the limit; what has no bound counts as farthest out."""
    if outcome.bound is None:
        return -math.inf
    return min(sign * (limit - outcome.bound) for limit, sign in _limits(outcome.rule) if limit == outcome.limit)


def _least_n(rule: Rule) -> int:
    return max(1, rule.least_n)


def _undecided(rule: Rule, doubt: _Doubt) -> RuleOutcome:
    limits = [limit for limit, _ in _limits(rule)]
    value = doubt.score.value if doubt.score else None
    return RuleOutcome(
        rule=rule,
        outcome="undecided",
        measured=value if value is not None and math.isfinite(value) else None,
        bound=None,
        limit=limits[0] if limits else 0.0,  # nothing to show, and a record without numbers has no place for None
        n=doubt.score.n if doubt.score else 0,
        reason=_subject(rule, doubt.subset) + doubt.reason,
    )


def _subject(rule: Rule, subset: str) -> str:
    """How a reason begins: the rule's name, and the stratum where that says more."""
    return f"{rule_name(rule)}: " + (f"{subset}: " if subset not in ("", rule.subset) else "")
