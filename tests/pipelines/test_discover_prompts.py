"""Prompts of the loop: read and split without leaks, made anew from descriptions and wordings, retired when clean."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.pipelines.discover.prompts import (
    TEMPLATES,
    Description,
    Prompt,
    added,
    chosen,
    fresh,
    from_jsonl,
    mutated,
    read_descriptions,
    read_seeds,
    read_unrelated,
    renewed,
    templates,
    to_jsonl,
)


def seeds(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(number: int, topic: str = "", **more: object) -> dict[str, object]:
    return {"id": str(number), "text": f"# {topic or number}\nimport", "topic": topic, **more}


def test_subjects_are_on_one_side_of_each_split_and_named_splits_are_kept(tmp_path: Path) -> None:
    rows = [row(n, f"topic {n // 3}", split="held_out" if n < 30 else "loop") for n in range(120)]
    made = read_seeds(seeds(tmp_path, rows), watched=0.2, seed=0)
    sides: dict[str, set[str]] = {}
    for prompt in made:
        sides.setdefault(prompt.topic, set()).add(prompt.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert {p.id for p in made if p.split == "held_out"} == {str(n) for n in range(30)}
    assert sum(splits == {"watched"} for splits in sides.values()) == 6
    again = read_seeds(seeds(tmp_path, rows), watched=0.2, seed=1)
    assert {p.id for p in again if p.split == "watched"} != {p.id for p in made if p.split == "watched"}


def test_a_prompt_without_a_split_stays_where_it_is_when_others_come(tmp_path: Path) -> None:
    few = read_seeds(seeds(tmp_path, [row(n) for n in range(100)]), watched=0.2, seed=0)
    many = read_seeds(seeds(tmp_path, [row(n) for n in range(200)]), watched=0.2, seed=0)
    held = {p.id for p in few if p.split == "held_out"}
    assert 8 <= len(held) <= 35
    assert {p.id for p in many if p.split == "held_out" and int(p.id) < 100} == held


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "1"}\n{"id": 2, "text": 3}\nnonsense\n', "4 mistakes: line 1: text: "),
        ('{"id": "1", "text": "x", "context": "poem"}', "1 mistakes: line 1: context: "),
        ("[1]\n", "line 1: it is no JSON object"),
        ("", "there is nothing in it"),
        ('{"id": "1", "text": "x"}\n{"id": "1", "text": "y"}\n', "two rows have the same id"),
        ('{"id": "1", "text": "x", "split": "loop"}\n', "no prompt is watched or held_out"),
    ],
)
def test_a_file_that_is_no_list_of_prompts_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(AskedWrongly) as caught:
        read_seeds(path, watched=0.2, seed=0)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_in_a_bad_row_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"id": "1", "text": "x", "context": "hush-hush"}')
    with pytest.raises(AskedWrongly) as caught:
        read_seeds(path, watched=0.2, seed=0)
    assert "hush" not in str(caught.value)


def test_other_lists(tmp_path: Path) -> None:
    others = tmp_path / "unrelated.jsonl"
    others.write_text(
        '{"id": "a", "text": "def f():", "split": "held_out", "more": 1}\n{"id": "b", "text": "x = 1", "split": "loop"}\n'
    )
    assert [p.id for p in read_unrelated(others)["held_out"]] == ["a"]
    described = tmp_path / "descriptions.jsonl"
    described.write_text('{"name": "a", "summary": "Reads files."}\n')
    assert read_descriptions(described) == [Description("a", "Reads files.")]
    with pytest.raises(AskedWrongly, match="summary"):
        read_descriptions(others)
    with pytest.raises(AskedWrongly, match="cannot be read"):
        read_descriptions(tmp_path / "none")


def test_templates_are_the_seeds_own_wordings() -> None:
    made = templates([
        Prompt("1", "# Plot rain readings.\nplot rain readings()\n{x}", "bare-import", topic="plot rain readings"),
        Prompt("2", "# Plot snow readings.\nplot snow readings()\n{x}", "bare-import", topic="plot snow readings"),
        Prompt("3", "import", "bare-import", topic="other"),
    ])  # fmt: skip
    assert [t.text for t in made] == ["# {Task}.\n{task}()\n{x}"]
    assert made[0].filled("map {roads}") == "# Map {roads}.\nmap {roads}()\n{x}"
    assert {t.context for t in templates([Prompt("1", "import")])} == set(TEMPLATES)


def test_fresh_prompts_tell_a_description_as_a_task_in_all_contexts() -> None:
    known = templates([])
    made = fresh(known, [Description("a", "Reads HTTP logs. And more.")], 8, random.Random(0), "fresh-1")
    assert len({p.id for p in made}) == 8
    assert {p.context for p in made} == set(TEMPLATES)
    assert all("eads HTTP logs" in p.text and "more" not in p.text.split("useful")[0] for p in made)
    assert all(p.right == ("a",) and p.split == "loop" for p in made)
    assert fresh(known, [], 8, random.Random(0), "x") == []


def test_mutations_ask_the_same_in_other_words() -> None:
    prompt = Prompt("1", "# Plot rain.\nimport", "bare-import", topic="plot rain", right=("a",), asked=2, clean=1)
    made = mutated(prompt, templates([prompt]) + templates([]), 3, random.Random(0), "mutated")
    assert len({p.text for p in made} - {prompt.text}) == 3
    assert all("lot rain" in p.text and (p.asked, p.clean, p.right) == (0, 0, ("a",)) for p in made)
    plain = Prompt("1", "import")
    assert all(p.text.endswith("import") for p in mutated(plain, templates([plain]), 2, random.Random(0), "m"))
    assert mutated(prompt, templates([prompt]), 3, random.Random(0), "m") == [], "there is no other wording"


def test_those_that_invent_are_asked_first_and_clean_ones_retire() -> None:
    pool = [Prompt("clean", "a"), Prompt("bad", "b"), Prompt("new", "c")]
    pool = renewed(pool, ["clean", "bad"], ["bad"], retire=2)
    assert [p.id for p in chosen(pool, 3, random.Random(0))] == ["bad", "new", "clean"]
    assert [p.id for p in chosen(pool, 1, random.Random(1))] == ["bad"]
    pool = renewed(pool, ["clean", "bad", "new"], ["bad"], retire=2)
    assert [p.id for p in pool] == ["bad", "new"]
    pool = renewed(pool, ["new"], [], retire=2)
    assert [p.id for p in pool] == ["bad"]


def test_what_is_held_out_never_comes_in() -> None:
    made = added(
        [Prompt("1", "a")], [Prompt("2", "b"), Prompt("3", "a"), Prompt("4", "held"), Prompt("5", "b")], ["held"]
    )
    assert [p.id for p in made] == ["1", "2"]


@given(st.lists(st.builds(Prompt, st.text(), st.text(), right=st.tuples(st.text()), asked=st.integers(0, 9))))
def test_prompts_are_stored_and_read_back(made: list[Prompt]) -> None:
    assert from_jsonl(to_jsonl(made)) == made


def test_a_prompt_keeps_its_text_out_of_its_repr() -> None:
    assert "secret" not in repr(Prompt("1", "secret", right=("secret",)))
