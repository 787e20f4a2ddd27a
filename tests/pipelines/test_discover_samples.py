"""Answers as training rows: the three masks, whole mixed answers, and ends of lists."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.types import Encoding, Span
from scrubber.pipelines.discover.answers import Answer, Judged, Name
from scrubber.pipelines.discover.prompts import Prompt
from scrubber.pipelines.discover.samples import plain_rows, rows, sample, trained_on

END = 9999


def encode(text: str) -> Encoding:
    """A token a word, with the blank before it."""
    found = list(re.finditer(r"\s*\S+|\s+", text))
    return Encoding(tuple(len(m[0]) for m in found), tuple(m.span() for m in found))


def judged(prompt: str, answer: str, *, ended: bool = True, number: int = 0) -> Judged:
    """Names that begin with z are invented; all words of the answer but pip and install are names."""
    places = tuple(
        Name(
            m[0], Span(len(prompt) + m.start(), len(prompt) + m.end()), "unknown" if m[0][0] == "z" else "known", "pypi"
        )
        for m in re.finditer(r"\S+", answer)
        if m[0] not in ("pip", "install")
    )
    names = list(dict.fromkeys(p.name for p in places))
    return Judged(
        Prompt(prompt, prompt), Answer(prompt, number, answer, ended), places,
        tuple(n for n in names if n[0] != "z"), tuple(n for n in names if n[0] == "z"),
    )  # fmt: skip


def test_real_and_invented_names_of_one_answer_stay_in_one_row() -> None:
    (row,) = rows([judged("# x\n#", " pip install ab zab ab")], str, encode, end_id=END, max_length=99)
    assert [i for i, marked in enumerate(row.forget) if marked] == [6]
    assert [i for i, marked in enumerate(row.reinforce) if marked] == [5, 7, 8]
    assert row.ids[-1] == END


def test_the_end_is_reinforced_only_where_the_model_ended_it() -> None:
    (row,) = rows([judged("# x\n#", " pip install ab", ended=False)], str, encode, end_id=END, max_length=99)
    assert END not in row.ids
    (cut,) = rows([judged("# x\n#", " pip install ab cd ef")], str, encode, end_id=END, max_length=7)
    assert END not in cut.ids, "a row that was cut has no end"
    assert len(cut.ids) == 6


def test_an_answer_without_names_is_no_row_and_a_name_beyond_the_cut_neither() -> None:
    assert rows([judged("# x\n#", " pip install")], str, encode, end_id=None, max_length=99) == []
    assert rows([judged("# x\n#", " pip install ab")], str, encode, end_id=END, max_length=5) == []


def test_a_sample_has_a_fingerprint_for_each_name_to_forget_and_shows_none() -> None:
    made = sample(judged("# x\n#", " pip install ab zab zcd"), lambda name: f"mark of {len(name)}")
    assert made.fingerprints == ("mark of 3", "mark of 3")
    assert [made.text[s.start : s.end] for s in made.forget] == ["zab", "zcd"]
    assert "zab" not in repr(made)


def test_question_and_answer_are_tokenized_apart() -> None:
    (whole,) = plain_rows([("def f", "():\n    return")], encode, max_length=99, marked=True)
    assert whole.ids == (3, 2, 3, 11)
    assert whole.reinforce == (False, False, True, True)
    (plain,) = plain_rows([("def f", "():\n    return")], encode, max_length=3, marked=False)
    assert (plain.ids, plain.reinforce) == ((3, 2, 3), (False,) * 3)
    assert plain_rows([("def f", "")], encode, max_length=99, marked=True) == []


def test_an_invented_name_is_suppressed_where_it_leaves_all_real_ones() -> None:
    """One token a letter: what follows the divergence is no decision any more."""
    real = judged("# x\n#", " pip install abc abd")
    bad = Judged(Prompt("# y\n#", "# y\n#"), Answer("# y\n#", 0, " pip install abx ab", True), (
        Name("abx", Span(18, 21), "unknown", "pypi"), Name("ab", Span(22, 24), "unknown", "pypi"),
    ), (), ("abx", "ab"))  # fmt: skip

    def letters(text: str) -> Encoding:
        return Encoding(tuple(map(ord, text)), tuple((i, i + 1) for i in range(len(text))))

    whole = "# y\n# pip install abx ab"
    _, row = rows([real, bad], str, letters, end_id=None, max_length=99)
    assert [whole[i] for i, marked in enumerate(row.forget) if marked] == ["x", "b"]
    assert [i for i, marked in enumerate(row.forget) if marked] == [20, 23]
    _, row = rows([real, bad], str, letters, end_id=None, max_length=99, suppress="all")
    assert sum(row.forget) == 5


answers = st.lists(
    st.tuples(st.sampled_from(["# a\n#", "# b\n#"]), st.sampled_from(["", " ab", " zab", " ab zab", " cd", " cd ab"]))
)


@given(answers)
def test_every_distinct_answer_that_names_a_package_is_trained_on_once(drawn: list[tuple[str, str]]) -> None:
    made = trained_on([judged(prompt, answer, number=n) for n, (prompt, answer) in enumerate(drawn)])
    texts = [(one.prompt.id, one.answer.text) for one in made]
    assert sorted(texts) == sorted({pair for pair in drawn if pair[1]})
