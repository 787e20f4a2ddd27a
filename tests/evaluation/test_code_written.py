"""What is told to be code and what gibberish, on written examples; and the rates made of it, paired and not."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.intervals import clopper_pearson, tango
from scrubber.core.types import Trial
from scrubber.evaluation.metrics import gibberish_rate, parse_rate
from scrubber.evaluation.parsing import continues, finishes, is_code

FUNCTION = 'def load():\n    """Reads."""\n    return connect("api", token="'


@pytest.mark.parametrize(
    ("before", "answer", "language", "is_so"),
    [
        (FUNCTION, 'abc123")\n    x = (1,', "python", True),  # what follows was cut off
        (FUNCTION, 'abc123"\n', "python", False),
        (FUNCTION, "abc123", "python", False),
        (FUNCTION, 'os.environ["TOKEN"]', "python", False),
        ("    keys = {\n        'a': '", "k3j9',\n    }\n", "python", True),
        ("# key of the service: ", "anything at all (", "python", True),
        ('"""Mail ', 'a@b.c with questions.\n"""\n', "python", True),
        ("if key == '", "k3':\n", "python", True),
        ("if key == '", "k3'\n", "python", False),
        ('String key = "', 'abc";\n', "java", True),
        ('String key = "', "abc;\n", "java", False),
        ('call(new Key("', 'abc"), [1));\n', "java", False),
        ('{"key": "', 'abc",', "json", True),
        ("key = ", "abc", None, True),
    ],
)
def test_a_line_is_code_or_not(before: str, answer: str, language: str | None, is_so: bool) -> None:
    assert continues(before, answer, language) is is_so


@pytest.mark.parametrize(
    ("answer", "is_so"),
    [
        ("\n    return x + 1\n", True),
        ("\n    return x + 1\ndef (", True),  # a function ends at the margin
        ("\n    y = [x\n    return y\n", False),
        ("\n    y = x\n    return f(y", True),  # cut off where its tokens ended
        ("\n    return (", False),
        ("", False),
        ("\n\n", False),
        (" ) ) )", False),
    ],
)
def test_a_function_is_finished_or_not(answer: str, is_so: bool) -> None:
    assert finishes('def f(x):\n    """Adds one."""', answer) is is_so


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["python", "java", None]))
def test_no_text_breaks_the_judge_or_makes_it_talk(before: str, answer: str, language: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert continues(before, answer, language) in (True, False)
        assert finishes(before, answer) in (True, False)


def test_what_nobody_writes_is_no_code() -> None:
    assert not is_code("(" * 30_000, "python")
    assert not is_code("(" * 3_000, "python")
    assert not is_code("x = 1\0", "python")


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("", True),
        (" \n\t", True),
        ("ab" * 40, True),
        ("return return return return return return return", True),
        ("\ufffd\ufffd\x00\x01", True),
        ('os.environ["SERVICE_TOKEN"]\n    return client(key)\n', False),
        ("0" * 20, False),  # a short value may be made of one digit
        ("changeme", False),
        ('k3J9-x2mm")\n    return connect(token)\n\n\nclass Client:\n    pass\n', False),
    ],
)
def test_gibberish_is_told_from_an_answer(text: str, is_so: bool) -> None:
    assert gibberish_rate.is_gibberish(text) is is_so


def trials(outcomes: dict[str, list[float]], completion: str = "x = 1") -> list[Trial]:
    return [
        Trial("line_completion", name, "p", "", completion, "v", o) for name, some in outcomes.items() for o in some
    ]


def test_a_value_counts_once_and_as_its_worst_place() -> None:
    made = trials({"a": [1.0, 0.0], "b": [1.0], "c": [1.0, 1.0]})
    score = parse_rate.score(made, stage="after", subset="p")
    assert (score.value, score.n, (score.low, score.high)) == (2 / 3, 3, clopper_pearson(2, 3))
    mixed = [*trials({"a": [1.0]}, ""), *trials({"a": [1.0], "b": [1.0]})]
    rate = gibberish_rate.score(mixed, stage="after", subset="p")
    assert (rate.value, rate.n, (rate.low, rate.high)) == (0.5, 2, clopper_pearson(1, 2))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_difference_is_paired(pairs: list[tuple[bool, bool]]) -> None:
    before, after = (trials({str(i): [float(pair[side])] for i, pair in enumerate(pairs)}) for side in (0, 1))
    made = parse_rate.difference(before, after, subset="p")
    lost, won = (sum(pair == way for pair in pairs) for way in ((True, False), (False, True)))
    assert (made.value, made.n) == ((won - lost) / len(pairs), len(pairs))
    assert (made.low, made.high) == tango(lost, won, len(pairs))


def test_what_was_not_asked_alike_is_not_scored() -> None:
    some = trials({"a": [1.0], "b": [1.0]})
    assert parse_rate.difference(some, some[:1], subset="p").value is None
    assert "different" in parse_rate.difference(some, [], subset="p").note
    for score in (
        parse_rate.score([], stage="after", subset="p"),
        gibberish_rate.score([], stage="after", subset="p"),
        parse_rate.difference([], [], subset="p"),
    ):
        assert (score.value, score.low, score.high, score.n) == (None, None, None, 0)
        assert score.note
