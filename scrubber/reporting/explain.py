"""What each rule of a verdict rests on, in sentences for a person: figures, least n, and what more would decide it."""

from __future__ import annotations

import textwrap

from scrubber.core.gate import rule_name
from scrubber.core.types import Report, Rule, RuleOutcome
from scrubber.reporting.rows import headline, limit, number, plain

WIDTH = 78


def explain(report: Report) -> str:
    """Rule by rule: outcome, measured, bound, limit, n, the gate's reason, what would decide it, and why it is asked.

    Lines of at most 78 columns, unless a name is longer. Holds numbers and names only.
    """
    blocks = [_block(outcome) for outcome in report.verdict.rules]
    verdict = f"{report.verdict.outcome.upper()} (exit {report.verdict.exit_code}): {headline(report)}"
    return "\n\n".join([*("\n".join(block) for block in blocks), "\n".join(_wrapped(verdict, ""))]) + "\n"


def _block(outcome: RuleOutcome) -> list[str]:
    rule = outcome.rule
    figures = f"measured {number(outcome.measured)}, bound {number(outcome.bound)}, limit {_limits(outcome)}, "
    lines = [f"{outcome.outcome:<9}  {plain(rule_name(rule))}"]
    lines += _wrapped(f"{figures}n {outcome.n} (at least {max(1, rule.least_n)})")
    lines += _wrapped("; ".join(filter(None, [_said(outcome), _advice(outcome)])))
    lines += _wrapped(f"why: {rule.why}") if rule.why else []
    return lines


def _limits(outcome: RuleOutcome) -> str:
    """Both limits of a rule that has two; else the one, with its direction."""
    rule = outcome.rule
    if rule.at_most is None or rule.at_least is None:
        return limit(outcome)
    return f"from {number(rule.at_least)} to {number(rule.at_most)}"


def _said(outcome: RuleOutcome) -> str:
    """The gate's reason without what stands above and below it: name, figures and advice."""
    said = outcome.reason.removeprefix(f"{rule_name(outcome.rule)}: ")
    before, mark, after = said.partition(" (measured ")
    rest = after.partition(")")[2] if mark else ""
    return before + rest.partition(f"; {outcome.more_needed} more would")[0]


def _advice(outcome: RuleOutcome) -> str:
    if outcome.outcome != "undecided":
        return ""
    if outcome.measured is None or outcome.bound is None:
        return "more samples are no answer here"
    if outcome.more_needed is None:
        return "it is so near the limit that no sensible number of samples would decide it"
    where = ", over all its open strata," if "*" in outcome.rule.subset else ""
    then = "pass" if _inside(outcome.rule, outcome.measured) else "be refused"
    return f"{outcome.more_needed:,} more{where} would decide it if they gave the same: it would then {then}"


def _inside(rule: Rule, value: float) -> bool:
    return (rule.at_most is None or value <= rule.at_most) and (rule.at_least is None or value >= rule.at_least)


def _wrapped(text: str, indent: str = " " * 11) -> list[str]:
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
