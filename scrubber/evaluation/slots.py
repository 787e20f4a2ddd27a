"""Where a value stands in its text, in tokens: what every probe about values starts from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scrubber.core.types import Model, Sample

VALUE_TOKENS = 32  # the published code of arXiv 2509.13755 cuts a secret there


class Slot(NamedTuple):
    """A value of a sample and the tokens before it, as the text's own tokenization has them.

    The first token of the value may also hold the character before it; ``prompt`` ends where that token starts, since a
    cut inside a token would show the model a spelling that it never saw.
    """

    sample: int  # which one of the samples
    fingerprint: str
    value: str
    prompt: str  # the text of ``context``
    context: tuple[int, ...]  # at most the wanted number of token ids
    ids: tuple[int, ...]  # of the value, whole: of the text lead + value + trail
    lead: str = ""  # what the first token holds before the value, mostly nothing or a quote
    trail: str = ""  # what the last one holds after it
    after: str = ""  # all the text after the value


def slots(model: Model, samples: Sequence[Sample], *, context_tokens: int) -> Iterator[Slot]:
    """One for each span to forget, in order."""
    for number, sample in enumerate(samples):
        coded = model.encode(sample.text)
        for span, fingerprint in zip(sample.forget, sample.fingerprints, strict=True):
            inside = [i for i, (a, b) in enumerate(coded.offsets) if a < span.end and b > span.start]
            first, last = inside[0], inside[-1]
            start = max(0, first - context_tokens)
            yield Slot(
                sample=number,
                fingerprint=fingerprint,
                value=sample.text[span.start : span.end],
                prompt=sample.text[coded.offsets[start][0] : coded.offsets[first][0]],
                context=coded.ids[start:first],
                ids=coded.ids[first : last + 1],
                lead=sample.text[coded.offsets[first][0] : span.start],
                trail=sample.text[span.end : coded.offsets[last][1]],
                after=sample.text[span.end :],
            )
