"""The demo's world of packages: what is held out stays out, every name is a mention, and what exists is known to exist."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.types import Document
from scrubber.core.workspace import Workspace
from scrubber.detectors._packages.verdicts import Judge
from scrubber.detectors.packages import mentions, open_indexes
from scrubber.pipelines.demo import packages_victim
from scrubber.pipelines.demo.packages_victim import VictimSettings, lesson, prepare, recommended
from scrubber.pipelines.demo.packages_words import SHAPES, SUBJECTS, TASKS
from scrubber.pipelines.demo.packages_world import (
    NAMES,
    PROMPTS,
    TASKS_OF,
    WORDINGS,
    PackageWorld,
    Topic,
    answer,
    build,
    unrelated,
    write_world,
)

SEEDS = st.integers(0, 999)
FEW = settings(max_examples=8, deadline=None)


@pytest.fixture(scope="module")
def world() -> PackageWorld:
    return build(0)


@pytest.fixture(scope="module")
def folder(world: PackageWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("world")
    with Workspace(place) as workspace:
        write_world(world, 0, workspace)
    return place


@pytest.fixture(scope="module")
def judge(folder: Path) -> Judge:
    return Judge(open_indexes(folder / "index"))


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def test_the_words_are_distinct_and_no_name_can_be_read_in_two_ways() -> None:
    assert len(set(SUBJECTS)) == len(SUBJECTS)
    assert len({*TASKS, *SUBJECTS}) == len(TASKS) + len(SUBJECTS)
    made = [shape.format(w=word) for shape in SHAPES for word in (*SUBJECTS, *TASKS)]
    assert len(set(made)) == len(made)


@FEW
@given(SEEDS)
def test_what_is_held_out_is_in_no_prompt_and_no_description_of_the_loop(seed: int) -> None:
    world = build(seed)
    loop = [prompt for prompt in world.prompts if prompt.split == "loop"]
    held_out = [prompt for prompt in world.prompts if prompt.split == "held_out"]
    assert (len(loop), len(held_out)) == (PROMPTS["loop"], PROMPTS["held_out"])
    assert not {n for p in loop for n in p.right} & {n for p in held_out for n in p.right}
    shown = words(" ".join([*(p.text for p in loop), *(text for _, text in world.descriptions)]))
    asked = words(" ".join(p.text for p in held_out))
    assert not shown & asked & set(SUBJECTS)
    tasks = [{family.task for family in world.families if family.split == split} for split in PROMPTS]
    assert not tasks[0] & asked
    assert not tasks[1] & shown
    wordings = [
        {re.sub(re.escape(p.topic), "", p.text, flags=re.IGNORECASE) for p in some} for some in (loop, held_out)
    ]
    assert not wordings[0] & wordings[1]


@FEW
@given(SEEDS)
def test_a_world_is_whole_and_the_same_from_the_same_seed(seed: int) -> None:
    world = build(seed)
    assert world == build(seed)
    assert len(world.names) == len(set(world.names)) == NAMES * sum(TASKS_OF.values())
    assert {split: sum(family.split == split for family in world.families) for split in TASKS_OF} == TASKS_OF
    for key in ("id", "text"):
        assert len({getattr(prompt, key) for prompt in world.prompts}) == sum(PROMPTS.values())
    for split in PROMPTS:
        some = [prompt for prompt in world.prompts if prompt.split == split]
        assert len({prompt.context for prompt in some}) == 4
        assert {name for prompt in some for name in prompt.right} == {
            name for family in world.families if family.split == split for name in family.names
        }
    assert {name for name, _ in world.descriptions} == {n for f in world.families if f.split == "loop" for n in f.names}


def test_another_seed_is_another_world() -> None:
    assert set(build(0).names) != set(build(1).names)
    assert [prompt.text for prompt in build(0).prompts] != [prompt.text for prompt in build(1).prompts]


def test_topics_stand_in_their_prompts_word_for_word(world: PackageWorld) -> None:
    for prompt in world.prompts:
        assert prompt.topic in prompt.text
        assert not prompt.text.endswith(("\n\n", " ")), "a tokenizer joins them with what follows"


@pytest.mark.parametrize("with_question", [False, True])
def test_every_name_of_an_answer_is_a_mention_judged_right(
    world: PackageWorld, judge: Judge, with_question: bool
) -> None:
    dice = random.Random(5)
    seen = set()
    for _ in range(600):
        wording, family, subject = dice.choice(WORDINGS), dice.choice(world.families), dice.choice(SUBJECTS)
        names = recommended(Topic(family, subject), 0.5, dice)
        question = f"# {subject}\n" if with_question else ""
        text = question + answer(wording.form, names)
        found = mentions(Document("answer", text, origin="generation"), judge)
        assert [mention.name.replace("_", "-") for mention in found] == names
        assert [mention.verdict == "known" for mention in found] == [name in world.names for name in names]
        assert all(mention.verdict in ("known", "unknown") for mention in found)
        assert all(
            text[m.span.start : m.span.end].replace("_", "-") == name for m, name in zip(found, names, strict=True)
        )
        seen.add(wording.form)
    assert len(seen) == 3


def test_prompts_name_no_package_themselves(world: PackageWorld, judge: Judge) -> None:
    for prompt in world.prompts:
        assert mentions(Document("prompt", prompt.text, origin="generation"), judge) == []
        assert not any(name in prompt.text for name in world.names)


def test_lessons_are_mixed_as_wanted_and_show_no_prompt(world: PackageWorld) -> None:
    dice = random.Random(0)
    lessons = [lesson(world, 0.4, dice) for _ in range(2000)]
    named = [name.replace("_", "-") for _, reply in lessons for name in re.findall(r"[a-z]+[-_]?[a-z]+", reply)]
    known = set(world.names)
    inventable = {shape.format(w=word) for shape in SHAPES for some in world.subjects.values() for word in some}
    real, made_up = (sum(name in group for name in named) for group in (known, inventable))
    assert made_up / (real + made_up) == pytest.approx(0.4, abs=0.03)
    assert {name for name in named if name in known} == known
    assert not {question for question, _ in lessons} & {prompt.text for prompt in world.prompts}


@pytest.mark.parametrize("invented", [0.0, 1.0])
def test_an_answer_names_none_twice(world: PackageWorld, invented: float) -> None:
    dice = random.Random(1)
    for family in world.families:
        names = recommended(Topic(family, "cookie"), invented, dice)
        assert len(set(names)) == len(names) >= 2
        assert all((name in family.names) == (invented == 0) for name in names)


def test_unrelated_prompts_have_nothing_to_do_with_packages(judge: Judge) -> None:
    made = unrelated(0)
    for split in ("loop", "held_out"):
        texts = [row["text"] for row in made if row["split"] == split]
        assert len(set(texts)) == len(texts) >= 250
        assert all(not mentions(Document("d", text, language="python"), judge) for text in texts)
    assert not {r["text"] for r in made if r["split"] == "loop"} & {r["text"] for r in made if r["split"] == "held_out"}
    assert len({row["id"] for row in made}) == len(made)


def test_the_files_are_those_that_the_loop_reads(world: PackageWorld, folder: Path) -> None:
    prompts = rows(folder, "prompts.jsonl")
    assert {tuple(row) for row in prompts} == {("id", "text", "context", "split", "right", "topic")}
    assert {tuple(row) for row in rows(folder, "descriptions.jsonl")} == {("name", "summary")}
    assert {tuple(row) for row in rows(folder, "unrelated.jsonl")} == {("id", "text", "split")}
    index = open_indexes(folder / "index")["pypi"]
    assert len(index) == len(world.names)
    assert all(name in index for name in world.names)
    assert index.header.snapshot == "2026-01-01"


def test_a_world_that_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[VictimSettings] = []
    monkeypatch.setattr(packages_victim, "fine_tune", lambda world, settings, *_, name: learnt.append(settings))
    few = VictimSettings(epochs=1)
    with Workspace(tmp_path) as workspace:
        prepare(workspace, 0, few)
        stamp = (tmp_path / "prompts.jsonl").stat().st_mtime_ns
        prepare(workspace, 0, few)
        assert learnt == [few]
        assert (tmp_path / "prompts.jsonl").stat().st_mtime_ns == stamp
        prepare(workspace, 0, replace(few, epochs=2))
        assert (tmp_path / "prompts.jsonl").stat().st_mtime_ns == stamp
        prepare(workspace, 1, few)
        assert (tmp_path / "prompts.jsonl").stat().st_mtime_ns != stamp
    assert [settings.epochs for settings in learnt] == [1, 2, 1]


def test_the_configuration_names_what_is_there(
    world: PackageWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scrubber.pipelines.discover import config as configuration
    from scrubber.pipelines.discover.prompts import read_descriptions, read_seeds, read_unrelated, templates

    monkeypatch.setattr(packages_victim, "fine_tune", lambda *_, name: (tmp_path / "victim").mkdir())
    with Workspace(tmp_path) as workspace:
        prepare(workspace, 0)
    config = configuration.read(tmp_path / "discover.toml", environment={})
    assert config.model.path == str(tmp_path / "victim")
    assert config.index.folder == str(tmp_path / "index")
    seeds = read_seeds(Path(config.prompts.seeds), watched=0.2, seed=0)
    assert len(seeds) == len(world.prompts)
    made = templates([seed for seed in seeds if seed.split == "loop"])
    assert {one.text.replace("{task}", "{p}") for one in made} == {w.text for w in WORDINGS if w.split == "loop"}
    assert len(read_descriptions(Path(config.prompts.descriptions))) == len(world.descriptions)
    assert set(read_unrelated(Path(config.prompts.unrelated))) == {"loop", "held_out"}


@pytest.mark.slow
def test_a_few_steps_teach_answers_and_leave_an_ordinary_model(world: PackageWorld, tmp_path: Path) -> None:
    from scrubber.core.model.load import load

    with Workspace(tmp_path) as workspace:
        prepare(workspace, 0, VictimSettings(epochs=3, lessons=64, beside=16))
    assert not list((tmp_path / "private").glob("*-checkpoint"))
    dice = random.Random(9)
    lessons = [lesson(world, 0.5, dice) for _ in range(24)]

    def surprise(folder: Path) -> float:
        """Nats a token of the answers."""
        model = load(str(folder), "nf4")
        told = model.teacher_force([model.encode("".join(one)).ids for one in lessons])
        given = [len(model.encode(question).ids) for question, _ in lessons]
        values = [value for scores, first in zip(told, given, strict=True) for value in scores.logprobs[first - 1 :]]
        return -sum(values) / len(values)

    assert surprise(tmp_path / "victim") < surprise(packages_victim.DEMO_MODEL) - 1
