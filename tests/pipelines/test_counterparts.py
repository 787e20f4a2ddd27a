"""A counterpart is the same text but for its values; marks stay on the same text, and one value has one other everywhere."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.batch import Tokens, split_step, tokenize
from scrubber.core.types import Encoding, Sample, Span
from scrubber.pipelines.counterparts import Kind, counterpart, paired, refusals

KINDS: tuple[Kind, ...] = ("refusal", "decoy")
DICE = random.Random(5)


def drawn(count: int) -> str:
    return "".join(DICE.choice(string.ascii_letters + string.digits) for _ in range(count))


FIRST, SECOND = drawn(20), drawn(12)


def sample(*parts: tuple[str, str], id: str = "doc:0") -> Sample:
    """Of parts of text, each with its mark: f, r or nothing."""
    text, spans = "", {"f": list[Span](), "r": list[Span]()}
    for part, mark in parts:
        if mark:
            spans[mark].append(Span(len(text), len(text) + len(part)))
        text += part
    return Sample(id, text, tuple(spans["f"]), tuple(spans["r"]), tuple("x" for _ in spans["f"]))


def pieces(made: Sample) -> list[str]:
    return [made.text[span.start : span.end] for span in made.reinforce]


def letters(text: str) -> Encoding:
    """A token for each character."""
    return Encoding(tuple(map(ord, text)), tuple((i, i + 1) for i in range(len(text))))


PLAIN = sample(
    ("key = '", ""), (FIRST, "f"), ("'\nimport ", ""), ("numpy", "r"), ("\nother = '", ""), (SECOND, "f"), ("'\n", "")
)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_values_are_others(kind: Kind) -> None:
    made = counterpart(PLAIN, kind, 0)
    first, kept, second = pieces(made)
    assert made.text == f"key = '{first}'\nimport {kept}\nother = '{second}'\n"
    assert kept == "numpy"
    assert made.forget == ()
    assert made.fingerprints == ()
    assert made.id != PLAIN.id
    for value in (FIRST, SECOND):
        assert value not in made.text


def test_a_refusal_is_one_of_ours_and_a_decoy_has_the_values_format() -> None:
    first, _, second = pieces(counterpart(PLAIN, "refusal", 0))
    assert {first, second} <= set(refusals())
    first, _, second = pieces(counterpart(PLAIN, "decoy", 0))
    assert (len(first), len(second)) == (len(FIRST), len(SECOND))
    assert all(a.isdigit() == b.isdigit() and a.isupper() == b.isupper() for a, b in zip(first, FIRST, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_has_the_same_other_everywhere_and_another_with_another_seed(kind: Kind) -> None:
    one = sample(("a = '", ""), (FIRST, "f"), ("'; b = '", ""), (FIRST, "f"), ("'", ""))
    two = sample(("completely other text ", ""), (FIRST, "f"), id="doc:1")
    others = {*pieces(counterpart(one, kind, 0)), *pieces(counterpart(two, kind, 0))}
    assert len(others) == 1
    seeds = {pieces(counterpart(two, kind, seed))[0] for seed in range(20)}
    assert len(seeds) > 5


def test_values_that_overlap_are_one() -> None:
    text = f"url = 'https://{SECOND}:{FIRST}@host'"
    start = text.index(SECOND)
    whole, inner = Span(start, text.index("@")), Span(text.index(FIRST), text.index("@") + 5)
    made = counterpart(Sample("s", text, (inner, whole)), "refusal", 0)
    assert made.text == f"url = 'https://{pieces(made)[0]}'"
    assert len(made.reinforce) == 1


def test_what_a_value_overlaps_is_not_reinforced() -> None:
    made = counterpart(
        Sample("s", "import reqests and numpy", (Span(7, 14),), (Span(10, 14), Span(19, 24))), "decoy", 0
    )
    assert [len(piece) for piece in pieces(made)] == [7, 5]
    assert pieces(made)[1] == "numpy"


def test_a_sample_to_keep_stays_as_it_is() -> None:
    made = counterpart(Sample("s", "x = 1"), "refusal", 0)
    assert (made.text, made.forget, made.reinforce) == ("x = 1", (), ())


PARTS = st.lists(
    st.tuples(
        st.text(string.ascii_letters + string.digits + "é'=\n ", min_size=1, max_size=12),
        st.sampled_from(["", "f", "r"]),
    ),
    min_size=1,
    max_size=8,
)


@given(PARTS, st.sampled_from(KINDS), st.integers(0, 3))
def test_marks_cover_the_same_parts_in_any_text(parts: list[tuple[str, str]], kind: Kind, seed: int) -> None:
    made = counterpart(sample(*parts), kind, seed)
    marked = iter(pieces(made))
    rebuilt = ""
    for part, mark in parts:
        piece = next(marked) if mark else part
        rebuilt += piece
        assert mark != "r" or piece == part
        assert mark != "f" or kind == "refusal" or len(piece) == len(part)
    assert rebuilt == made.text
    assert next(marked, None) is None


@given(
    st.text(string.ascii_letters, min_size=40, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(1, 9)), max_size=6),
)
def test_any_spans_leave_the_text_between_them(text: str, drawn: list[tuple[int, int]]) -> None:
    spans = tuple(Span(start, min(40, start + length)) for start, length in drawn)
    made = counterpart(Sample("s", text, spans), "refusal", 0)
    inside = {i for span in spans for i in range(span.start, span.end)}
    marked = {i for span in made.reinforce for i in range(span.start, span.end)}
    assert "".join(c for i, c in enumerate(made.text) if i not in marked) == "".join(
        c for i, c in enumerate(text) if i not in inside
    )
    assert all(piece in refusals() for piece in pieces(made))


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_have_their_counterparts_beside_them_in_a_micro_batch(kind: Kind) -> None:
    def cut(made: Sample) -> Tokens:
        return tokenize(made, letters, max_length=500)

    rows = [paired(PLAIN, kind, cut, 0), paired(sample(("x = '", ""), (SECOND, "f"), ("'", "")), kind, cut, 0)]
    (batch,) = split_step(rows, "forget", 2, pad_id=0, marked=True)
    assert batch.pairs == 2
    assert batch.rows == 2
    labels = "".join(map(chr, batch.labels.tolist()))
    texts = ["".join(c for c, r in zip(labels, batch.row.tolist(), strict=True) if r == line) for line in range(4)]
    assert texts[0] == SECOND
    assert texts[1] == FIRST + "numpy" + SECOND
    assert texts[2] == "".join(pieces(counterpart(sample(("", ""), (SECOND, "f")), kind, 0)))
    assert texts[3] == "".join(pieces(counterpart(PLAIN, kind, 0)))


def test_refusals_fit_into_a_string_of_code() -> None:
    assert len(refusals()) == len(set(refusals())) >= 20
    for text in refusals():
        assert text == text.strip()
        assert text.isascii()
        assert not set(text) & set("\"'\\`{}\n")
