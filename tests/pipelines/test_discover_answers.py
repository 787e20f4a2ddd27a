"""Which packages an answer names: in four contexts, cut off or not, each name once, and in the answer alone."""

from __future__ import annotations

from datetime import date

import pytest

from scrubber.core.name_index import NameIndex, index_path, write
from scrubber.detectors._packages.verdicts import Judge
from scrubber.pipelines.discover.answers import Answer, Judged, from_jsonl, judge_one, to_jsonl
from scrubber.pipelines.discover.prompts import Context, Prompt

REAL = ("plotkit", "py-plot", "tablelib")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    path = index_path(tmp_path_factory.mktemp("index"), "pypi")
    days = {**dict.fromkeys(REAL), "youngkit": date(2026, 3, 1)}
    write(path, days, ecosystem="pypi", source="test", snapshot=date(2026, 4, 1))
    return Judge({"pypi": NameIndex(path)}, date(2026, 1, 1))


def said(
    judge: Judge, answer: str, prompt: str = "# do it\n", context: Context = "install-in-code", ended: bool = True,
    right: tuple[str, ...] = (),
) -> Judged:  # fmt: skip
    asked = Prompt("p", prompt, context, right=right)
    return judge_one(asked, Answer("p", 0, answer, ended), judge, "pypi")


@pytest.mark.parametrize(
    ("context", "prompt", "answer"),
    [
        ("install-in-code", "# setup:", " pip install plotkit zzqkit\n"),
        ("install-in-code", "# setup: pip install", " plotkit zzqkit\n"),
        ("install-in-code", "def f():\n    # needs:", " pip install plotkit 'zzqkit>=2'\n    return 1\n"),
        ("code-to-packages", "# What does it need?\n", "```requirements\nplotkit\nzzqkit==1.0\n```\n"),
        ("code-to-packages", "Packages:", " plotkit, zzqkit\n"),
        ("task-to-packages", "Packages:\n", "1. `plotkit`\n2. zzqkit[extra]>=2\n\nplotkit is a fine one.\n"),
        ("task-to-packages", "Packages:\n", "- plotkit\n- zzqkit.\n- plotkit\n"),
        ("bare-import", "# do it\n", "import plotkit\nimport os, zzqkit\n"),
        ("bare-import", "# do it\nimport", " plotkit\nfrom zzqkit.core import x\n"),
    ],
)
def test_names_are_found_in_all_contexts_each_once(judge: Judge, context: Context, prompt: str, answer: str) -> None:
    made = said(judge, answer, prompt, context)
    assert (made.valid, made.invented, made.named) == (("plotkit",), ("zzqkit",), 2)
    text = prompt + answer
    for place in made.places:
        assert place.span.start >= len(prompt)
        if place.verdict in ("known", "unknown"):
            assert text[place.span.start : place.span.end].strip("`'\"") in ("plotkit", "zzqkit", "zzqkit.core")


def test_prose_and_code_are_no_lists(judge: Judge) -> None:
    for answer in (
        "You could use a library for that.\n",
        "x = 1\nreturn x\n",
        "for row in rows:\n    print(row)\n",
        "",
    ):
        assert said(judge, answer, "Packages:\n", "task-to-packages").named == 0
    assert said(judge, "zzqkit, plotkit\n", context="bare-import").named == 0, "a plain list answers a question alone"


def test_what_the_prompt_names_is_not_counted(judge: Judge) -> None:
    made = said(judge, "import plotkit\n", "import zzqkit\n", "bare-import")
    assert (made.valid, made.invented) == (("plotkit",), ())


def test_a_name_that_begins_in_the_prompt_counts_by_its_part_in_the_answer(judge: Judge) -> None:
    made = said(judge, "qkit\n", "# pip install zz")
    assert made.invented == ("zzqkit",)
    assert made.places[0].span.start == len("# pip install zz")


@pytest.mark.parametrize(
    ("context", "cut"),
    [
        ("install-in-code", " pip install plotkit zzq"), ("install-in-code", " pip install plotkit zzq-"),
        ("install-in-code", " pip install plotkit zzq>="), ("bare-import", "import plotkit\nimport zz"),
        ("bare-import", "import plotkit\nfrom zz."), ("code-to-packages", "plotkit, zzq"),
    ],
)  # fmt: skip
def test_the_last_name_of_an_answer_that_was_cut_is_dropped(judge: Judge, context: Context, cut: str) -> None:
    assert said(judge, cut, context=context, ended=False).invented == ()
    assert said(judge, cut, context=context, ended=False).valid == ("plotkit",)


def test_an_answer_that_ended_keeps_its_last_name(judge: Judge) -> None:
    assert said(judge, " pip install plotkit zzq", ended=True).invented == ("zzq",)
    assert said(judge, " pip install plotkit zzq\n# then", ended=False).invented == ("zzq",), "it was whole"


def test_late_names_are_neither_real_nor_invented(judge: Judge) -> None:
    made = said(judge, " pip install youngkit plotkit\n")
    assert (made.valid, made.invented, made.late) == (("plotkit",), (), 1)


def test_right_is_one_of_the_right_names_however_it_is_written(judge: Judge) -> None:
    assert said(judge, "import py_plot\n", context="bare-import", right=("Py-Plot", "other")).right is True
    assert said(judge, "import plotkit\n", context="bare-import", right=("py-plot",)).right is False
    assert said(judge, "import plotkit\n", context="bare-import").right is None
    assert said(judge, " pip install zzq\n", right=("zzq",)).right is False, "an invented name is never right"


def test_answers_are_stored_and_read_back_and_show_no_text() -> None:
    made = [Answer("p", 0, " pip\u2028install x\n", True), Answer("p", 1, "", False)]
    assert from_jsonl(to_jsonl(made)) == made
    assert "install" not in repr(made)
