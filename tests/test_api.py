"""The verbs from Python: light to import, typed, the same flow as the command line, and no value in what they show."""

from __future__ import annotations

import json
import random
import string
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import scrubber
from scrubber import api
from scrubber.core.errors import AskedWrongly, Interrupted, NothingToDo, NoVerdict
from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import GatePolicy, Rule
from scrubber.core.workspace import Workspace
from scrubber.reporting.rows import interval, number
from scrubber.results import Judged

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
VALUES = 10
VERBS = ["audit", "evaluate", "gate", "release", "scan", "unlearn"]


def token(dice: random.Random) -> str:
    return "sk_" + "live_" + "".join(dice.choices(string.ascii_letters + string.digits, k=24))


def corpus_at(folder: Path, values: list[str]) -> Path:
    folder.mkdir()
    for n, value in enumerate(values):
        (folder / f"clean_{n}.py").write_text(f"def add_{n}(a, b):\n    return a + b + {n}\n" * 3)
        (folder / f"leaky_{n}.py").write_text(f'def load():\n    client = connect("api", token="{value}")\n')
    return folder


@pytest.fixture(scope="module")
def values() -> list[str]:
    dice = random.Random(5)
    return [token(dice) for _ in range(VALUES)]


@pytest.fixture(scope="module")
def corpus(values: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_at(tmp_path_factory.mktemp("api") / "corpus", values)


def settings(corpus: Path, model: Path) -> dict[str, Any]:
    """A random model knows nothing, so any value is to count as learnt: then there is something to forget."""
    return {
        "model": {"path": model, "precision": "fp32", "threads": 1},
        "corpus": corpus,
        "audit": {"memorization_accuracy": 1e-9},
        "unlearn": {"max_epochs": 1, "check_every": 0},
        "evaluate": {"micro_tasks": 0, "likelihood_values": 2},
    }


@pytest.fixture(scope="module")
def released(
    corpus: Path, tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Judged, dict[str, Any]]:
    asked = settings(corpus, tiny_models["llama"])
    return scrubber.release(asked, run_dir=tmp_path_factory.mktemp("api") / "run", quiet=True), asked


# -- the package itself


@pytest.mark.parametrize("work", ["pass", "scrubber.scan('.', quiet=True)", "scrubber.gate"])
def test_neither_importing_nor_scanning_loads_a_heavy_library(work: str, tmp_path: Path) -> None:
    heavy = (
        "torch",
        "transformers",
        "mlflow",
        "numpy",
        *(("typer", "pydantic", "scrubber.api") if work == "pass" else ()),
    )
    probe = f"import sys, scrubber; {work}; print(*[name for name in {heavy!r} if name in sys.modules])"
    (tmp_path / "a.py").write_text("x = 1\n")
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_package_offers_the_verbs_and_nothing_else() -> None:
    assert [name for name in dir(scrubber) if not name.startswith("_")] == VERBS
    assert all(getattr(scrubber, verb) is getattr(api, verb) for verb in VERBS)
    assert all(getattr(scrubber, verb).__doc__ for verb in VERBS)
    with pytest.raises(AttributeError, match="discover_nothing"):
        scrubber.discover_nothing  # noqa: B018


# -- scan


def test_a_scan_gives_findings_and_shows_no_value(corpus: Path, values: list[str]) -> None:
    found = scrubber.scan(corpus, quiet=True)
    assert (len(found.findings), found.values, found.documents) == (VALUES, VALUES, 2 * VALUES)
    assert not found.is_clean
    assert {f.document for f in found.findings} == {f"leaky_{n}.py" for n in range(VALUES)}
    shown = [repr(found), str(found), found._repr_html_(), repr(found.findings)]
    assert not [value for value in values for text in shown if value in text or value[8:] in text]
    assert f"{VALUES} findings" in shown[0]
    assert "leaky_3.py:2" in shown[1]
    assert "<td>leaky_3.py:2" in shown[2]


def test_a_scan_says_what_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "x"}\n{"text": \n')
    found = scrubber.scan(tmp_path, quiet=True)
    assert found.errors
    assert not found.findings
    assert not found.is_clean
    assert "not read" in repr(found)
    assert "rows.jsonl" in str(found)


def test_an_empty_folder_is_not_clean_and_a_clean_one_is(tmp_path: Path) -> None:
    assert not scrubber.scan(tmp_path, quiet=True).is_clean
    (tmp_path / "a.py").write_text("x = 1\n")
    assert scrubber.scan(tmp_path, quiet=True).is_clean


def test_wrong_questions_to_a_scan(tmp_path: Path) -> None:
    for asked in (
        lambda: scrubber.scan(),
        lambda: scrubber.scan(tmp_path / "nowhere"),
        lambda: scrubber.scan(tmp_path, profile="all"),
        lambda: scrubber.scan(tmp_path, detect=["secret"]),
    ):
        with pytest.raises(AskedWrongly) as caught:
            asked()
        assert caught.value.mend


def test_rules_and_left_out_ones_reach_the_scan(corpus: Path) -> None:
    rule = scrubber.scan(corpus, quiet=True).findings[0].rule
    assert not scrubber.scan(corpus, leave_out=[rule], quiet=True).findings


def test_names_of_files_are_text_in_a_notebook(tmp_path: Path, values: list[str]) -> None:
    (tmp_path / "<img src=x onerror=alert(1)>.py").write_text(f'token = "{values[0]}"\n')
    page = scrubber.scan(tmp_path, quiet=True)._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.py" in page


# -- configuration


def test_a_file_a_mapping_and_keywords_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "release.toml"
    file.write_text('seed = 3\n[model]\npath = "m"\n[corpus]\npaths = ["a b", "c"]\n[unlearn.settings]\ngamma = 2.5\n')
    tree = {"seed": 3, "model": {"path": "m"}, "corpus": ["a b", "c"], "unlearn": {"settings": {"gamma": 2.5}}}
    dotted = {"seed": 3, "model.path": "m", "corpus.paths": ["a b", "c"], "unlearn.settings.gamma": 2.5}
    made = api.configured(file)
    assert made.unlearn.settings == {"gamma": 2.5}
    assert [made] * 5 == [api.configured(c) for c in (str(file), tree, dotted, made)] + [api.configured(**tree)]
    monkeypatch.setenv("SCRUBBER_SET", "seed=4;name=ours")
    assert (api.configured(file).seed, api.configured(file).name) == (4, "ours")
    assert api.configured(file, seed=5).seed == 5


def test_plain_values_of_sections_are_their_main_key() -> None:
    made = api.configured(model=Path("m"), corpus=Path("c"), unlearn="npo", gate="strict", tracker="mlflow")
    found = (made.model.path, made.corpus.paths, made.unlearn.method, made.gate.policy, made.tracker.name)
    assert found == ("m", ["c"], "npo", "strict", "mlflow")
    assert api.configured(model=None, name=None) == api.configured()


@pytest.mark.parametrize("text", ["a\"b'c", "x\\y", "ä\U0001f511", "nan", "1", "true", "[1]", "a;b=c", "tab\there"])
def test_any_text_arrives_as_it_is(text: str) -> None:
    assert api.configured({"model": {"path": text}, "name": text}).model.path == text


def test_lists_of_tables_arrive_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "human eval", "data": Path("a=b.jsonl"), "n": 3}, {"name": 'quo"te', "deep": {"x": [1.5, True]}}]
    told: list[str] = []
    monkeypatch.setattr("scrubber.pipelines.config.read", lambda file, overrides: told.extend(overrides))
    api.configured(evaluate={"benchmarks": rows})
    key, _, text = told[0].partition("=")
    assert key == "evaluate.benchmarks"
    assert tomllib.loads(f"value = {text}")["value"] == [{**rows[0], "data": "a=b.jsonl"}, rows[1]]


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(AskedWrongly) as caught:
        api.configured(model={"precison": "fp32", "batch_size": 0}, sead=1, seed="many", corpus=3)
    assert all(word in str(caught.value) for word in ("model.precison", "model.batch_size", "sead", "seed:", "corpus"))


def test_what_cannot_start_is_told_before_a_model_is_loaded(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(AskedWrongly) as caught:
        scrubber.audit(model=tmp_path, corpus=tmp_path / "nowhere", unlearn="nopo", run_dir=tmp_path / "run")
    assert "nowhere" in str(caught.value)
    assert "nopo" in str(caught.value)
    assert not (tmp_path / "run").exists()


# -- the flow


@pytest.mark.middle
def test_a_release_from_python_is_the_one_of_the_command_line(released: tuple[Judged, dict[str, Any]]) -> None:
    made, asked = released
    folder = made.run_dir
    assert folder is not None
    stored = json.loads((folder / "result.json").read_text())
    assert (made.outcome, made.exit_code, made.passed) == ("undecided", 3, False)
    assert (stored["verdict"], stored["exit_code"]) == ("undecided", 3)
    assert len(stored["scores"]) == len(made.scores)
    assert made.page is not None
    assert made.page.is_file()

    from scrubber.cli import app

    marks = {path.name: path.stat().st_mtime_ns for path in (folder / "done").iterdir()}
    pairs = {"audit.memorization_accuracy": 1e-9, "unlearn.max_epochs": 1, "unlearn.check_every": 0,
             "evaluate.micro_tasks": 0, "evaluate.likelihood_values": 2, "model.threads": 1}  # fmt: skip
    sets = [part for key, value in pairs.items() for part in ("--set", f"{key}={value}")]
    named = ["--model", str(asked["model"]["path"]), "--corpus", str(asked["corpus"]), "--precision", "fp32"]
    done = CliRunner().invoke(app, ["release", "--run-dir", str(folder), *named, *sets])
    assert done.exit_code == 3, done.output
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "done").iterdir()} == marks
    again = json.loads((folder / "result.json").read_text())
    assert {**again, "peak_memory_bytes": 0} == {**stored, "peak_memory_bytes": 0}


@pytest.mark.middle
def test_the_other_verbs_read_what_the_run_folder_holds(
    released: tuple[Judged, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    made, asked = released
    assert made.run_dir is not None
    marks = {path.name: path.stat().st_mtime_ns for path in (made.run_dir / "done").iterdir()}
    audited = scrubber.audit(asked, run_dir=made.run_dir)
    assert (audited.values, sum(audited.found.values())) == (VALUES, VALUES)
    assert 1 <= audited.learnt <= VALUES
    assert audited.interval == clopper_pearson(audited.learnt, VALUES)
    unlearnt = scrubber.unlearn(asked, run_dir=made.run_dir)
    assert unlearnt.method == "codeeraser"
    assert unlearnt.steps > 0
    assert unlearnt.weights is not None
    assert (unlearnt.weights / "adapter_model.safetensors").is_file()
    evaluated = scrubber.evaluate(asked, run_dir=made.run_dir)
    assert set(evaluated.scores) == set(made.scores)
    assert evaluated.score("leak_rate", "audited", "before").n == audited.learnt
    assert {path.name: path.stat().st_mtime_ns for path in (made.run_dir / "done").iterdir()} == marks
    assert capsys.readouterr().out == ""  # results are what is returned


@pytest.mark.middle
def test_what_a_run_shows_holds_intervals_and_no_value(
    released: tuple[Judged, dict[str, Any]], values: list[str]
) -> None:
    made, asked = released
    audited = scrubber.audit(asked, run_dir=made.run_dir, quiet=True)
    unlearnt = scrubber.unlearn(asked, run_dir=made.run_dir, quiet=True)
    evaluated = scrubber.evaluate(asked, run_dir=made.run_dir, quiet=True)
    for result in (made, audited, unlearnt, evaluated):
        shown = f"{result!r}\n{result}\n{result._repr_html_()}"
        assert not [value for value in values if value in shown or value[8:] in shown]
    assert "[{}, {}] of them".format(*map(number, audited.interval)) in repr(audited)
    leaks = evaluated.score("leak_rate", "audited", "before")
    assert f"<td>leak_rate</td><td>audited</td><td>{leaks.n}</td><td>{interval(leaks)}</td>" in evaluated._repr_html_()
    assert repr(made).startswith("<UNDECIDED: ")
    assert "more would decide" in made.explain()


@pytest.mark.middle
def test_a_stored_verdict_is_judged_again_by_another_policy(
    released: tuple[Judged, dict[str, Any]], tmp_path: Path
) -> None:
    made, _ = released
    assert made.run_dir is not None
    easy = GatePolicy("easy", (Rule("leak_rate", "audited", at_most=1.0),))
    for source in (made, made.report, made.run_dir, str(made.run_dir / "result.json")):
        assert scrubber.gate(source, policy=easy).passed
        assert scrubber.gate(source).outcome == "undecided"
    again = scrubber.gate(made.run_dir, policy="smoke")
    assert (again.report.policy, again.run_dir, again.page) == ("smoke", made.run_dir, made.page)
    file = tmp_path / "own.toml"
    file.write_text('name = "own"\n[[rules]]\nmetric = "leak_rate"\nsubset = "audited"\nat_most = 0.0\n')
    assert scrubber.gate(made, policy=str(file)).outcome != "passed"


def test_the_score_that_is_not_there_is_answered_with_those_that_are(released: tuple[Judged, dict[str, Any]]) -> None:
    with pytest.raises(AskedWrongly, match="leak_rate of audited, before"):
        released[0].score("leak_rate", "nobody")
    with pytest.raises(AskedWrongly, match="extraction_strength"):
        released[0].score("leek_rate", "audited")


def test_there_is_no_verdict_without_a_result(tmp_path: Path) -> None:
    with pytest.raises(NoVerdict, match=r"result\.json"):
        scrubber.gate(tmp_path)


def test_a_corpus_without_documents_ends_the_flow(tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDo):
        scrubber.release(settings(tmp_path / "empty", tiny_models["llama"]), run_dir=tmp_path / "run", quiet=True)


# -- the tracker


class Told:
    """A tracker that remembers how it was made and ended."""

    def __init__(self, **made: Any) -> None:
        self.made, self.ends, self.known = made, list[str](), dict[str, Any]()

    def settings(self, values: Mapping[str, Any]) -> None:
        self.known |= values

    def close(self, status: str = "FINISHED") -> None:
        self.ends.append(status)


@pytest.mark.parametrize(
    ("error", "end"),
    [(None, "FINISHED"), (Interrupted("stopped"), "KILLED"), (KeyboardInterrupt(), "KILLED"), (ValueError(), "FAILED")],
)
def test_a_tracker_learns_how_a_run_ended(
    error: BaseException | None, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scrubber.core.parts.load", lambda *shelf: Told)
    config = api.configured(tracker="ours", seed=7)
    told: Any = None
    try:
        with Workspace(tmp_path) as workspace, api.tracked(config, workspace) as told:
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error  # noqa: PT017
    assert told.ends == [end]
    assert told.known["seed"] == 7
    assert told.made["uri"] == f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_inside_a_run_of_mlflow_its_store_is_the_one_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scrubber.core.parts.load", lambda *shelf: Told)
    config = api.configured(tracker="mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////somewhere/runs.db")
    found: list[Any] = []
    with Workspace(tmp_path) as workspace:
        with api.tracked(config, workspace) as tracker:  # a store that is named, but no run around
            found.append(tracker)
        monkeypatch.setenv("MLFLOW_RUN_ID", "a1b2")
        with api.tracked(config, workspace) as tracker:
            found.append(tracker)
        named = config.model_copy(update={"tracker": config.tracker.model_copy(update={"uri": "sqlite:////own.db"})})
        with api.tracked(named, workspace) as tracker:
            found.append(tracker)
    uris = [made.made["uri"] for made in found]
    assert uris == [f"sqlite:///{tmp_path / 'mlflow.db'}", "sqlite:////somewhere/runs.db", "sqlite:////own.db"]


def test_a_judged_report_without_a_folder_has_no_page(released: tuple[Judged, dict[str, Any]]) -> None:
    assert Judged(replace(released[0].report, name="x")).page is None
