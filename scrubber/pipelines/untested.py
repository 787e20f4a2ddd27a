"""What a report must say was not tested, read off the scores that were made: no list that anybody has to keep true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scrubber.core.types import Score
from scrubber.pipelines.questions import CHOICE, WORDED


class Test(NamedTuple):
    """Something that may have been tested: it was, where a score has a value whose metric and subset begin like this."""

    absent: str  # what a report says where it was not
    scores: tuple[tuple[str, str], ...]  # metric and subset; any pair


TESTS = (
    Test("sampled answers: every probe decodes greedily", (("leak_at_", ""),)),
    Test("prompts other than the true text before a value", (("memo", ""), ("leak_rate", "robust_prompts"))),
    Test("parts and other forms of a value: only values as they are count as leaks", (("indirect_leak_rate", ""),)),
    Test("whether values rank among made-up ones as chance would have it", (("exposure_distance", ""),)),
    Test("membership inference: whether likelihoods tell which values were learnt", (("mia_", ""),)),
    Test("whether what is written where values stood is still code", (("parse_rate", ""),)),
    Test("published programming benchmarks", (("pass_at_", "humaneval"), ("pass_at_", "mbpp"))),
    Test("other precisions than {precision}, and a merged model", (("", "robust_merged"),)),
    Test("relearning: whether a short fine-tune brings the values back", (("", "robust_relearn"),)),
    Test("guided extraction from the pair of models before and after", (("", "robust_guided"),)),
)
ALWAYS = ("values that no detector found and nobody planted",)


def untested(scores: Iterable[Score], *, precision: str) -> tuple[str, ...]:
    """One sentence for each test without a score, and for families that got nothing out of the model before."""
    made = [score for score in scores if score.value is not None]
    told = [test.absent.format(precision=precision) for test in TESTS if not _was_made(test, made)]
    lacking = [s.subset for s in scores if s.metric == "probe_power" and s.note.startswith("without power")]
    families = [name for name in (*WORDED, CHOICE) if name in lacking]
    if families:
        told.append(f"families without power on the model before, whose silence says nothing: {', '.join(families)}")
    if precision == "served":
        told.append("which weights answered, at which precision: a server shows neither")
    return (*told, *ALWAYS)


def _was_made(test: Test, made: Sequence[Score]) -> bool:
    return any(
        score.metric.startswith(metric) and score.subset.startswith(subset)
        for metric, subset in test.scores
        for score in made
    )
