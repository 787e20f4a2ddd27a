"""Every part of every shelf says what it is, has the shape of its shelf, and stands in docs/parts.md."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from scrubber.cli import app
from scrubber.core.errors import AskedWrongly
from scrubber.core.model.reference import Needs
from scrubber.core.parts import described, load, names
from scrubber.core.types import Detector

ROOT = Path(__file__).parents[1]
SHELVES = {  # package and the callable that makes a file there a part
    "detectors": ("scrubber.detectors", "detector"),
    "methods": ("scrubber.unlearning.methods", "loss"),
    "probes": ("scrubber.evaluation.probes", "ask"),
    "metrics": ("scrubber.evaluation.metrics", "score"),
    "benchmarks": ("scrubber.evaluation.benchmarks", "tasks"),
}
PARAMETERS = {
    "detectors": [],
    "methods": ["outputs", "reference", "batch", "settings"],
    "probes": ["model", "samples", "subset", "context_tokens"],
    "metrics": ["trials", "stage", "subset"],
    "benchmarks": ["subset", "n"],
}
PARTS = [
    (shelf, name)
    for shelf, (package, mark) in SHELVES.items()
    for name in described(package, f"scrubber.{shelf}", mark)
]
OF = {shelf: [name for kind, name in PARTS if kind == shelf] for shelf in SHELVES}


def part(shelf: str, name: str) -> ModuleType:
    module = load(SHELVES[shelf][0], f"scrubber.{shelf}", name)
    assert isinstance(module, ModuleType)
    return module


def sections() -> dict[str, dict[str, str]]:
    """Text by heading of the third level, by heading of the second, of docs/parts.md."""
    shelves: dict[str, dict[str, str]] = {}
    for chapter in re.split(r"^## ", (ROOT / "docs" / "parts.md").read_text(encoding="utf-8"), flags=re.M)[1:]:
        title, *rest = re.split(r"^### ", chapter, flags=re.M)
        shelves[title.partition("\n")[0].lower()] = dict(text.split("\n", 1) for text in rest)
    return shelves


def test_the_command_line_lists_these_parts() -> None:
    listed = json.loads(CliRunner().invoke(app, ["parts", "--format", "json"]).output)
    assert {shelf: sorted(rows) for shelf, rows in listed.items()} == {
        shelf: sorted(rows) for shelf, rows in OF.items()
    }
    assert all(OF.values())


@pytest.mark.parametrize(("shelf", "name"), PARTS)
def test_a_part_says_what_it_is(shelf: str, name: str) -> None:
    first = (part(shelf, name).__doc__ or "").partition("\n")[0]
    assert len(first) > 30
    assert first.endswith(".")
    assert first[0].isupper()


@pytest.mark.parametrize(("shelf", "name"), PARTS)
def test_a_part_has_the_callable_of_its_shelf(shelf: str, name: str) -> None:
    call = getattr(part(shelf, name), SHELVES[shelf][1])
    assert inspect.getdoc(call), "its callable has no docstring"
    signature = inspect.signature(call)
    wanted, known = PARAMETERS[shelf], list(signature.parameters)
    assert [p for p in known if p in wanted] == wanted
    extra = [p for p in signature.parameters.values() if p.name not in wanted and p.default is inspect.Parameter.empty]
    assert not extra or (name, [p.name for p in extra]) == ("extraction_likelihood", ["n"])
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", OF["methods"])
def test_a_method_declares_what_it_needs(name: str) -> None:
    method = part("methods", name)
    assert isinstance(method.needs(method.Settings()), Needs)
    assert dataclasses.is_dataclass(method.Settings)
    assert method.Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]
    method.Settings()  # every setting has a default
    assert re.search(r"arXiv \d{4}\.\d{5}", method.__doc__ or ""), "its paper is not named"
    text = sections()["methods"][name]
    assert not [f.name for f in dataclasses.fields(method.Settings) if f"`{f.name}`" not in text]


@pytest.mark.parametrize("name", OF["detectors"])
def test_a_detector_is_one_and_has_patterns_that_compile(name: str) -> None:
    made: Detector = part("detectors", name).detector()
    assert made.kind in ("secret", "pii", "package")
    patterns = made.patterns()
    assert patterns
    for pattern in patterns:
        re.compile(pattern.regex)


@pytest.mark.parametrize(("shelf", "name"), PARTS)
def test_a_part_stands_in_the_docs(shelf: str, name: str) -> None:
    assert len(sections()[shelf][name].split()) > 10


def test_the_docs_describe_no_part_that_is_not_there() -> None:
    assert {shelf: sorted(rows) for shelf, rows in sections().items()} == {
        shelf: sorted(rows) for shelf, rows in OF.items()
    }


@pytest.mark.parametrize(
    ("shelf", "asked", "meant"),
    [("methods", "codeerazer", "codeeraser"), ("detectors", "secret", "secrets"), ("metrics", "leakrate", "leak_rate")],
)
def test_an_unknown_name_is_answered_with_the_nearest_ones(shelf: str, asked: str, meant: str) -> None:
    with pytest.raises(AskedWrongly) as caught:
        part(shelf, asked)
    assert repr(asked) in caught.value.what
    assert meant in caught.value.mend
    assert caught.value.exit_code == 2


def test_a_name_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(AskedWrongly) as caught:
        part("methods", "zzzz")
    assert all(name in caught.value.mend for name in OF["methods"])


def test_a_shelf_that_is_not_there_has_no_names() -> None:
    assert names("scrubber.no_such_shelf", "scrubber.no_such_group") == []
    with pytest.raises(AskedWrongly, match="None is installed"):
        load("scrubber.no_such_shelf", "scrubber.no_such_group", "x")


def test_private_modules_of_a_shelf_are_no_parts() -> None:
    assert not [name for name in names("scrubber.detectors", "scrubber.detectors") if name.startswith("_")]


def test_a_method_says_its_paper_its_needs_its_cost_and_what_is_reconstructed() -> None:
    done = CliRunner().invoke(app, ["parts", "methods", "--format", "json"])
    cards = json.loads(done.stdout)["methods"]
    assert sorted(cards) == names("scrubber.unlearning.methods", "scrubber.methods")
    for name, card in cards.items():
        assert set(card) == {"about", "paper", "needs", "cost", "reconstructed"}, name
        assert re.search(r"arXiv \d{4}\.\d{5}", card["paper"]), name
        assert all(card.values()), name
    assert "the model before" in cards["codeeraser"]["needs"]
    assert "texts to keep" in cards["codeeraser"]["needs"]
    assert cards["ga"]["needs"] == "nothing but texts to forget"
