"""The loop on a tiny model that makes names up: what it shows, leaves behind, and how it goes on when it was stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from scrubber.core.errors import AskedWrongly, NothingToDo, NoVerdict
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load
from scrubber.core.workspace import Workspace
from scrubber.pipelines.discover import drift
from scrubber.pipelines.discover.config import DiscoverConfig, LoopConfig, UnlearnConfig, read
from scrubber.pipelines.discover.engine import Engine, check_method
from scrubber.pipelines.discover.inputs import read_inputs
from scrubber.pipelines.discover.loop import DiscoverReport, discover, is_finished
from scrubber.pipelines.discover.prompts import Prompt
from scrubber.pipelines.discover.turn import OutOfTime
from tests.pipelines import discover_world as world


@pytest.fixture(scope="session")
def toml(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.built(tmp_path_factory.getbasetemp(), tiny_models["llama"])


@pytest.fixture(scope="module")
def run(toml: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DiscoverReport]:
    folder = tmp_path_factory.mktemp("run")
    with Workspace(folder) as workspace:
        return folder, discover(read(toml, environment={}), workspace)


def value(report: DiscoverReport, metric: str, stage: str, subset: str = "held_out") -> float:
    (found,) = [s for s in report.report.scores if (s.metric, s.stage, s.subset) == (metric, stage, subset)]
    assert found.value is not None, found
    return found.value


def test_it_names_fewer_invented_packages_and_as_many_real_ones(run: tuple[Path, DiscoverReport]) -> None:
    made = run[1]
    assert value(made, "hallucination_rate", "before") > 0.4
    assert value(made, "hallucination_reduction", "difference") > 0.6
    assert value(made, "hallucination_rate", "after", "seen") < value(made, "hallucination_rate", "before", "seen") / 2
    assert value(made, "mentions_ratio", "difference") > 0.8
    assert value(made, "drift_kl", "difference", "unrelated") < 0.1 * value(made, "drift_kl", "difference", "packages")
    assert not made.idle
    assert made.rounds[1].steps == 24
    assert made.rounds[1].inventing > 0
    halves = [value(made, "hallucination_rate", "after", f"held_out_{n}_names") for n in ("seen", "unseen")]
    assert sum(halves) == pytest.approx(value(made, "hallucination_rate", "after"))


def test_no_invented_name_is_anywhere_but_in_private(run: tuple[Path, DiscoverReport]) -> None:
    private, public = [], []
    for path in run[0].rglob("*"):
        if path.is_file():
            (private if "private" in path.relative_to(run[0]).parts else public).append(path.read_bytes())
    for name in world.INVENTED:
        assert any(name.encode() in content for content in private)
        assert not any(name.encode() in content for content in public)
    rows = [json.loads(line) for line in (run[0] / "invented.jsonl").read_text().splitlines()]
    assert len(rows) >= len(world.INVENTED)
    assert {"fingerprint", "before", "after", "registrable", "trained"} == set(rows[0])
    assert sum(row["before"] for row in rows) > sum(row["after"] for row in rows)


def test_the_run_folder_holds_what_the_contract_names(run: tuple[Path, DiscoverReport]) -> None:
    result = json.loads((run[0] / "result.json").read_text())
    assert {"verdict", "exit_code", "rules", "scores", "seconds", "peak_memory_bytes", "digests"} <= set(result)
    assert {r["metric"] for r in result["rules"]} == {
        "hallucination_rate", "mentions_ratio", "distinct_valid_ratio", "drift_kl",
    }  # fmt: skip
    assert len((run[0] / "rounds.jsonl").read_text().splitlines()) == len(run[1].rounds)
    assert (run[0] / "report.html").exists()
    assert (run[0] / "private").stat().st_mode & 0o777 == 0o700
    model = load(str(toml_model(run[1])), "fp32", adapter=run[1].adapter)
    assert model.generate([world.question("read names")], max_new_tokens=8)


def toml_model(made: DiscoverReport) -> str:
    return str(made.report.config["model.path"])


def test_a_finished_loop_is_read_back_and_no_model_loaded(
    toml: Path, run: tuple[Path, DiscoverReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scrubber.pipelines.discover.engine.load", None)
    config = read(toml, environment={})
    with Workspace(run[0]) as workspace:
        assert is_finished(config, read_inputs(config), workspace)
        again = discover(config, workspace)
    assert again.idle
    assert (again.report.scores, again.rounds, again.adapter) == (run[1].report.scores, run[1].rounds, run[1].adapter)


def test_another_limit_uses_the_rounds_that_are_there(
    toml: Path, run: tuple[Path, DiscoverReport], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    looser = read(toml, ["loop.limit=0.3"], {})
    with Workspace(folder) as workspace:
        made = discover(looser, workspace)
    assert not made.idle
    assert made.rounds == run[1].rounds[: len(made.rounds)]
    assert made.report.verdict.outcome == "passed"


@pytest.mark.middle
def test_turns_of_no_time_come_to_the_same_end(toml: Path, run: tuple[Path, DiscoverReport], tmp_path: Path) -> None:
    config = read(toml, environment={})
    made, places = None, []
    while made is None:
        assert len(places) < 60, "it does not get on"
        with Workspace(tmp_path / "run") as workspace:
            try:
                made = discover(config, workspace, minutes=1e-6)
            except OutOfTime as stopped:
                places.append(stopped.where if hasattr(stopped, "where") else str(stopped))
                assert not workspace.path("result.json").exists()
    assert any("training" in place for place in map(str, places))
    # sums in another order: the same up to rounding
    for one, other in zip(made.report.scores, run[1].report.scores, strict=True):
        assert (one.metric, one.subset, one.n) == (other.metric, other.subset, other.n)
        assert one.value == pytest.approx(other.value, rel=1e-2, abs=1e-4)
    assert [one.rate for one in made.rounds] == pytest.approx([one.rate for one in run[1].rounds])


def test_a_second_run_in_the_same_folder_is_told_to_wait(toml: Path, tmp_path: Path) -> None:
    with (
        Workspace(tmp_path),
        pytest.raises(NoVerdict, match="another run is using this folder") as caught,
        Workspace(tmp_path) as second,
    ):
        discover(read(toml, environment={}), second)
    assert caught.value.exit_code == 3


def test_a_model_that_keeps_the_limit_is_left_alone(toml: Path, tmp_path: Path) -> None:
    with Workspace(tmp_path / "run") as workspace:
        made = discover(read(toml, ["loop.limit=0.95"], {}), workspace)
    assert made.ended == "clean"
    assert made.adapter is None
    assert not (tmp_path / "run" / "adapter").exists()
    assert made.report.verdict.outcome == "passed"
    assert value(made, "hallucination_rate", "after") == value(made, "hallucination_rate", "before")
    assert value(made, "drift_kl", "difference", "unrelated") == 0.0


def test_a_model_that_names_no_package_has_nothing_to_unlearn(
    toml: Path, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    blank = read(toml, [f'model.path="{tiny_models["qwen2"]}"'], {})
    with Workspace(tmp_path / "run") as workspace, pytest.raises(NothingToDo, match="names no package"):
        discover(blank, workspace)


def test_a_utility_that_leaves_its_budget_ends_it_and_the_round_is_not_taken(toml: Path, tmp_path: Path) -> None:
    wrecking = ["utility.drift=1e-6", "loop.rounds=3", "unlearn.steps_per_round=4"]
    with Workspace(tmp_path / "run") as workspace:
        made = discover(read(toml, wrecking, {}), workspace)
    assert (made.ended, made.adapter, len(made.rounds)) == ("utility", None, 2)
    assert made.report.verdict.exit_code == 1


@pytest.mark.parametrize("method", ["ga", "npo"])
def test_baselines_run_in_the_same_loop(method: str, toml: Path, tmp_path: Path) -> None:
    asked = [f"unlearn.method={method}", "loop.rounds=1", "unlearn.steps_per_round=2"]
    with Workspace(tmp_path / "run") as workspace:
        made = discover(read(toml, asked, {}), workspace)
    assert made.rounds[1].steps == 2


def test_methods_that_cannot_work_on_names_are_refused_before_a_model_is_loaded(toml: Path, tmp_path: Path) -> None:
    for method, settings in (("task_vector", {}), ("dpo", {}), ("adaptive", {"nonsense": 1}), ("nonsense", {})):
        with pytest.raises(AskedWrongly):
            check_method(UnlearnConfig(method=method, settings=settings))
    with Workspace(tmp_path / "run") as workspace, pytest.raises(AskedWrongly):
        discover(read(toml, ["unlearn.method=dpo"], {}), workspace)


@pytest.fixture(scope="module")
def victim(toml: Path) -> Engine:
    return Engine(
        DiscoverConfig.model_validate(
            {"model": {"path": str(toml.parent / "victim"), "precision": "fp32", "threads": 1}}
        ).model
    )


def test_answers_tell_whether_the_model_ended_them(victim: Engine) -> None:
    asked = [Prompt("a", world.question("read names")), Prompt("b", world.question("sort keys", 1))]
    for length, ended in ((40, True), (3, False)):
        loop = LoopConfig(max_new_tokens=length)
        given = victim.answer(None, asked, loop, samples=4, seed=0)
        assert [len(answers) for answers in given] == [4, 4]
        assert all(answer.ended is ended and "\0" not in answer.text for answers in given for answer in answers)
    alone = victim.answer(None, asked[1:], loop, samples=4, seed=0)
    assert alone[0] == given[1], "what else is asked changes nothing"


def test_drift_is_the_divergence_of_the_two_distributions(victim: Engine) -> None:
    """Against the formula, written out on full logits."""
    model: CausalModel = load(victim.wear(None).name, "fp32")
    add_lora(model, rank=2, alpha=4, seed=0)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    texts = [("a", "# read names\n# needs:", " pip install addkit\n"), ("b", "def add(left):", "\n    return left\n")]
    made = {trial.subject: trial for trial in drift.ask(model, [*texts, ("c", "def", "")], subset="x")}
    assert set(made) == {"a", "b"}
    for name, prompt, answer in texts:
        given, new = model.encode(prompt).ids, model.encode(answer).ids
        ids = torch.tensor([[*given, *new]])
        with torch.no_grad():
            now = model.network(input_ids=ids).logits.double().log_softmax(-1)
            with model.network.disable_adapter():
                before = model.network(input_ids=ids).logits.double().log_softmax(-1)
        kl = (before.exp() * (before - now)).sum(-1)[0, len(given) - 1 : -1]
        assert made[name].weight == len(new)
        assert made[name].outcome == pytest.approx(float(kl.mean()), rel=0.02)
        assert made[name].outcome > 1e-4


class Recording:
    """A tracker that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def stage(self, name: str) -> Any:
        from contextlib import nullcontext

        self.told.append(name)
        return nullcontext()

    def settings(self, values: Any) -> None:
        self.told.append(dict(values))

    def scores(self, scores: Any, step: int | None = None) -> None:
        self.told += [(score.metric, step) for score in scores]

    def file(self, path: str) -> None:
        self.told.append(Path(path).name)

    def close(self, status: str = "FINISHED") -> None: ...


def test_a_tracker_is_told_of_rounds_and_of_the_end(toml: Path, tmp_path: Path) -> None:
    tracker = Recording()
    asked = ["loop.rounds=1", "unlearn.steps_per_round=2", "loop.samples_per_prompt=1"]
    with Workspace(tmp_path / "run") as workspace:
        discover(read(toml, asked, {}), workspace, tracker)
    assert "round-1" in tracker.told
    assert ("hallucination_rate", 1) in tracker.told
    assert ("hallucination_reduction", None) in tracker.told
    assert "result.json" in tracker.told
    assert not [told for told in tracker.told if any(name in str(told) for name in world.INVENTED)]
