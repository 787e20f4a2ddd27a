"""Answers as training rows with three masks: tokens of invented names, tokens of real ones, everything else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Literal

from scrubber.core.batch import Tokens, tokenize
from scrubber.core.types import Encoding, Sample, Span
from scrubber.pipelines.discover.answers import INVENTED, VALID, Judged


def sample(one: Judged, mark: Callable[[str], str]) -> Sample:
    """Real and invented names of one answer stay together. ``mark``: the fingerprint of a name."""
    bad = [place for place in one.places if place.verdict in INVENTED]
    return Sample(
        f"{one.answer.prompt}/{one.answer.number}",
        one.prompt.text + one.answer.text,
        forget=tuple(place.span for place in bad),
        reinforce=tuple(place.span for place in one.places if place.verdict in VALID),
        fingerprints=tuple(mark(place.name) for place in bad),
    )


def trained_on(judged: Iterable[Judged]) -> list[Judged]:
    """Every distinct answer that names a package, in the shares in which the model gives them: what it names rightly is
    reinforced as often as it says so."""
    return list({(one.prompt.id, one.answer.text): one for one in judged if one.named}.values())


def rows(
    judged: Iterable[Judged],
    mark: Callable[[str], str],
    encode: Callable[[str], Encoding],
    *,
    end_id: int | None,
    max_length: int,
    suppress: Literal["divergent", "all"] = "divergent",
) -> list[Tokens]:
    """Tokens with their masks, of answers that name a package. An answer that ended by itself ends with the token
    ``end_id``, to be reinforced: lists do end.

    ``suppress``: of an invented name, the first token at which it leaves all real names of these answers, or all tokens.
    What follows that token is no decision any more: to suppress it, too, teaches other ways to end an invented name.
    """
    cut = [(one, _apart(one, encode)) for one in judged]
    real = {
        ids[:end]
        for one, coded in cut
        for place in one.places
        if place.verdict in VALID
        for ids in [tuple(coded.ids[i] for i in _tokens_of(place.span, coded))]
        for end in range(len(ids) + 1)
    }
    made = []
    for one, coded in cut:
        row = tokenize(sample(one, mark), lambda text, coded=coded: coded, max_length=max_length - 1)  # type: ignore[misc]
        if suppress == "divergent":
            chosen = {_divergent(place.span, coded, real) for place in one.places if place.verdict in INVENTED}
            row = Tokens(row.ids, tuple(i in chosen for i in range(len(row.ids))), row.reinforce)
        if end_id is not None and one.answer.ended and len(row.ids) < max_length - 1:
            row = Tokens((*row.ids, end_id), (*row.forget, False), (*row.reinforce, True))
        if any(row.forget[1:]) or any(row.reinforce[1:]):
            made.append(row)
    return made


def plain_rows(
    texts: Iterable[tuple[str, str]], encode: Callable[[str], Encoding], *, max_length: int, marked: bool
) -> list[Tokens]:
    """Questions with their answers; ``marked``: the answer's tokens are marked, which are those that drift is a mean of."""
    made = []
    for question, answer in texts:
        given, new = encode(question).ids, encode(answer).ids
        ids = (*given, *new)[:max_length]
        marks = ((False,) * len(given) + (marked,) * len(new))[:max_length]
        if len(ids) > 1 and (not marked or any(marks[1:])):
            made.append(Tokens(ids, (False,) * len(ids), marks))
    return made


def _apart(one: Judged, encode: Callable[[str], Encoding]) -> Encoding:
    """Prompt and answer tokenized apart, as they were when the model answered."""
    given, new, split = encode(one.prompt.text), encode(one.answer.text), len(one.prompt.text)
    return Encoding((*given.ids, *new.ids), (*given.offsets, *((a + split, b + split) for a, b in new.offsets)))


def _tokens_of(span: Span, coded: Encoding) -> list[int]:
    """Indices of the tokens that share a character with the span."""
    return [i for i, (start, end) in enumerate(coded.offsets) if start < span.end and span.start < end]


def _divergent(span: Span, coded: Encoding, real: Collection[tuple[int, ...]]) -> int:
    """The index of the first token with which a name is the beginning of no real one; else its last."""
    tokens = _tokens_of(span, coded)
    for count, index in enumerate(tokens, 1):
        if tuple(coded.ids[i] for i in tokens[:count]) not in real:
            return index
    return tokens[-1]
