"""The same text with something else in place of each value to forget: a refusal, or a fake value of its format."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Literal

from scrubber.core.batch import Tokens
from scrubber.core.decoys import same_format
from scrubber.core.types import Sample, Span

Kind = Literal["refusal", "decoy"]
DRAWS = 20  # of a decoy that is not the value: a short one may be drawn as it is


def counterpart(sample: Sample, kind: Kind, seed: int) -> Sample:
    """The sample with its values replaced and what stands there marked to reinforce; there is nothing to forget in it.

    What it reinforces itself moves along, but for what a value overlaps. Spans to forget that overlap are one value.
    What replaces a value depends on ``seed`` and on the value alone, so a value is the same other one everywhere.
    """
    text, marked, shifts, end = "", list[Span](), list[tuple[int, int]](), 0
    values = _joined(sample.forget)
    for value in values:
        text += sample.text[end : value.start]
        other = _other(sample.text[value.start : value.end], kind, seed)
        marked.append(Span(len(text), len(text) + len(other)))
        text, end = text + other, value.end
        shifts.append((end, len(text) - end))
    marked += [_moved(span, shifts) for span in sample.reinforce if not any(span.overlaps(value) for value in values)]
    return Sample(f"{kind}:{sample.id}", text + sample.text[end:], reinforce=tuple(sorted(marked)))


def paired(sample: Sample, kind: Kind, cut: Callable[[Sample], Tokens], seed: int) -> Tokens:
    """The sample's tokens with those of its counterpart beside them. ``cut`` tokenizes a sample (``core.batch.tokenize``)."""
    return replace(cut(sample), counterpart=cut(counterpart(sample, kind, seed)))


@cache
def refusals() -> tuple[str, ...]:
    """Without quotes, backslashes or line ends, so that each is a string where the value was one."""
    return tuple((resources.files("scrubber") / "data" / "refusals.txt").read_text(encoding="utf-8").splitlines())


def _other(value: str, kind: Kind, seed: int) -> str:
    dice = random.Random(f"{kind}-{seed}-{value}")
    if kind == "refusal":
        return dice.choice(refusals())
    draws = (same_format(value, dice) for _ in range(DRAWS))
    return next((other for other in draws if other != value), value)


def _joined(spans: tuple[Span, ...]) -> list[Span]:
    """In order, those that overlap as one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and joined[-1].overlaps(span):
            span = Span(joined[-1].start, max(joined.pop().end, span.end))
        joined.append(span)
    return joined


def _moved(span: Span, shifts: list[tuple[int, int]]) -> Span:
    """``shifts``: where each value ended, and by how much the text after it has moved."""
    by = next((by for end, by in reversed(shifts) if end <= span.start), 0)
    return Span(span.start + by, span.end + by)
