"""The smaller guests: context, dataset source, thresholds, deployment target, genai."""

from __future__ import annotations

import random
import string
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import GatePolicy, Rule, Score
from scrubber.pipelines.scan import default_scan
from scrubber.plugins.mlflow.context import ScrubberContext, tagged

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.slow

LogModel = Callable[[dict[str, str]], Any]


@pytest.fixture(scope="module")
def token() -> str:
    return "gh" + "p_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))


def kept(folder: Path, *needles: str) -> list[str]:
    """Files of a store that hold any of the needles."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if any(needle.encode() in path.read_bytes() for needle in needles)]


# -- run context


def test_runs_bear_our_tags_only_while_we_are_at_work(monkeypatch: pytest.MonkeyPatch, policy_file: Path) -> None:
    monkeypatch.delitem(sys.modules, "scrubber.cli", raising=False)
    context = ScrubberContext()
    assert not context.in_context()
    with tagged():
        assert context.in_context()
        assert set(context.tags()) == {"scrubber.version"}
    with tagged(str(policy_file), {"seed": 1}):
        first = context.tags()
        assert set(first) == {"scrubber.version", "scrubber.policy", "scrubber.config"}
    with tagged(str(policy_file), {"seed": 2}):
        assert context.tags()["scrubber.policy"] == first["scrubber.policy"]
        assert context.tags()["scrubber.config"] != first["scrubber.config"]
    assert not context.in_context()
    monkeypatch.setitem(sys.modules, "scrubber.cli", types.ModuleType("scrubber.cli"))
    assert context.in_context()


def test_mlflow_puts_the_tags_on_a_run(store: str) -> None:
    from mlflow.tracking.context.registry import _run_context_provider_registry as known

    known.register(ScrubberContext)
    try:
        with tagged(config={}), mlflow.start_run() as run:
            assert mlflow.get_run(run.info.run_id).data.tags["scrubber.version"]
    finally:
        known._registry.pop()


# -- dataset source


def test_a_dataset_source_knows_data_that_changed(store: str, tmp_path: Path) -> None:
    import pandas as pd
    from mlflow.data.dataset_source_registry import _dataset_source_registry as known

    from scrubber.plugins.mlflow.dataset import ScrubberSource

    data = tmp_path / "prompts.jsonl"
    data.write_text('{"prompt": "x"}\n')
    known.register(ScrubberSource)
    try:
        made = mlflow.data.from_pandas(pd.DataFrame({"prompt": ["x"]}), source=f"scrubber:{data}", name="prompts")
        with mlflow.start_run() as run:
            mlflow.log_input(made)
        (shown,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
        assert shown.dataset.source_type == "scrubber"
        source = known.get_source_from_json(shown.dataset.source, shown.dataset.source_type)
    finally:
        known.sources.remove(ScrubberSource)
    assert source.load() == data
    data.write_text('{"prompt": "y"}\n')
    with pytest.raises(AskedWrongly, match="changed"):
        source.load()
    data.unlink()
    with pytest.raises(AskedWrongly, match="no such file"):
        source.load()
    assert ScrubberSource._resolve(f"scrubber:{tmp_path}").load() == tmp_path
    for other in ("s3://bucket", str(tmp_path), 5, "scrubberx:a"):
        assert not ScrubberSource._can_resolve(other)


# -- thresholds


def result_of(*scores: Score) -> Any:
    from mlflow.models.evaluation import EvaluationResult

    from scrubber.plugins.mlflow.metrics import flat

    return EvaluationResult(flat(scores), {})


POLICY = GatePolicy(
    "p",
    (Rule("leak_rate", "audited", at_most=0.02, least_n=150), Rule("pass_at_1", "micro", "difference", at_least=-0.02)),
)
GOOD = (
    Score("leak_rate", "after", "audited", 0.0, 0.0, 0.019, 200),
    Score("pass_at_1", "difference", "micro", 0.0, -0.01, 0.01, 600),
)


@pytest.mark.parametrize(
    ("scores", "passes"),
    [
        (GOOD, True),
        ((Score("leak_rate", "after", "audited", 0.0, 0.0, 0.021, 200), GOOD[1]), False),  # value inside, bound outside
        ((Score("leak_rate", "after", "audited", 0.0, 0.0, 0.01, 149), GOOD[1]), False),  # too thin
        ((GOOD[0], Score("pass_at_1", "difference", "micro", 0.0, -0.03, 0.01, 600)), False),
        ((GOOD[0],), False),  # missing
        ((Score("leak_rate", "after", "audited", None, None, None, 0), GOOD[1]), False),
        ((Score("leak_rate", "after", "audited", float("nan"), 0.0, 0.0, 200), GOOD[1]), False),
    ],
)
def test_mlflow_passes_by_the_thresholds_what_the_gate_passes(scores: tuple[Score, ...], passes: bool) -> None:
    from mlflow.models.evaluation.validation import ModelValidationFailedException

    from scrubber.core.gate import decide
    from scrubber.plugins.mlflow.metrics import thresholds

    assert (decide(POLICY, scores).outcome == "passed") is passes
    if passes:
        mlflow.validate_evaluation_results(thresholds(POLICY), result_of(*scores))
    else:
        with pytest.raises(ModelValidationFailedException):
            mlflow.validate_evaluation_results(thresholds(POLICY), result_of(*scores))


def test_what_is_no_threshold_is_said() -> None:
    from scrubber.plugins.mlflow.metrics import thresholds

    for rules in (
        (),
        (Rule("leak_rate", "planted_*", at_most=0.1),),
        (Rule("leak_rate", "a", at_most=0.1, against="b"),),
    ):
        with pytest.raises(AskedWrongly):
            thresholds(GatePolicy("p", rules))
    twice = GatePolicy("p", (Rule("m", "s", at_most=0.1, least_n=5), Rule("m", "s", at_most=0.2, least_n=9)))
    made = thresholds(twice)
    assert made["m.after.s.high"].threshold == 0.1
    assert made["m.after.s.n"].threshold == 9


# -- deployments


@pytest.fixture
def target() -> Iterator[list[tuple[Any, ...]]]:
    """A deployment plugin ``elsewhere`` that notes what it is handed."""
    from mlflow.deployments import interface
    from mlflow.deployments.base import BaseDeploymentClient

    called: list[tuple[Any, ...]] = []

    class Elsewhere(BaseDeploymentClient):  # type: ignore[misc]
        def create_deployment(self, name: str, model_uri: str, flavor: Any = None, config: Any = None) -> Any:
            called.append(("create", self.target_uri, name, model_uri, config))
            return {"name": name}

        def update_deployment(self, name: str, model_uri: Any = None, flavor: Any = None, config: Any = None) -> Any:
            called.append(("update", name, model_uri, config))

        def delete_deployment(self, name: str, config: Any = None) -> Any:
            called.append(("delete", name))

        def list_deployments(self) -> Any:
            return [{"name": "one"}]

        def get_deployment(self, name: str) -> Any:
            return {"name": name}

        def predict(self, deployment_name: Any = None, inputs: Any = None) -> Any:
            return inputs

    plugin = types.ModuleType("elsewhere")
    plugin.Elsewhere = Elsewhere  # type: ignore[attr-defined]
    plugin.run_local = lambda *what: called.append(("local", *what))  # type: ignore[attr-defined]
    plugin.target_help = lambda: ""  # type: ignore[attr-defined]
    interface.plugin_store.registry["elsewhere"] = plugin
    interface.plugin_store.register("scrubber", "scrubber.plugins.mlflow.deployments")
    yield called
    for name in ("elsewhere", "scrubber"):
        interface.plugin_store.registry.pop(name)


def test_only_a_proven_model_is_handed_over(
    target: list[tuple[Any, ...]], store: str, key_file: Path, policy_file: Path, report_of: Any, log_model: LogModel
) -> None:
    from mlflow.deployments import get_deploy_client, run_local
    from mlflow.exceptions import MlflowException

    from scrubber.plugins.mlflow.registry import prove

    log_model({"a": "b"})
    client = get_deploy_client("scrubber:elsewhere:/profile")
    with pytest.raises(MlflowException, match="never evaluated"):
        client.create_deployment("mine", "models:/coder/1")
    prove(report_of(60), "models:/coder/1")
    for call in (client.create_deployment, client.update_deployment):
        with pytest.raises(MlflowException, match=r"is refused: .*leak_rate of audited"):
            call("mine", "models:/coder/1")
    with pytest.raises(MlflowException, match="is refused"):
        run_local("scrubber", "mine", "models:/coder/1", config={"to": "elsewhere"})
    mlflow.MlflowClient().set_model_version_tag("coder", "1", "scrubber.gate", "passed")
    with pytest.raises(MlflowException, match="is refused"):
        client.create_deployment("mine", "models:/coder/1")
    assert target == []

    prove(report_of(0), "models:/coder/1")
    assert client.create_deployment("mine", "models:/coder@release-candidate", config={"size": 3}) == {"name": "mine"}
    client.update_deployment("mine", config={"size": 4})  # the model stays as it is
    get_deploy_client("scrubber").create_deployment("own", "models:/coder/1", config={"to": "elsewhere"})
    run_local("scrubber", "mine", "models:/coder/1", config={"to": "elsewhere", "policy": str(policy_file)})
    client.delete_deployment("mine")
    assert target == [
        ("create", "elsewhere:/profile", "mine", "models:/coder/1", {"size": 3}),
        ("update", "mine", None, {"size": 4}),
        ("create", "elsewhere", "own", "models:/coder/1", {}),
        ("local", "mine", "models:/coder/1", None, {}),
        ("delete", "mine"),
    ]
    assert client.list_deployments() == [{"name": "one"}]
    assert client.predict("mine", [1]) == [1]
    for uri, config in (("scrubber", {}), ("scrubber", {"to": "scrubber"}), ("scrubber:scrubber:elsewhere", {})):
        with pytest.raises(MlflowException, match="name the target"):
            get_deploy_client(uri).create_deployment("x", "models:/coder/1", config=config)


def test_the_target_explains_itself() -> None:
    from mlflow.deployments import BaseDeploymentClient

    from scrubber.plugins.mlflow import deployments

    assert "SCRUBBER_KEY_FILE" in deployments.target_help()
    # MLflow takes a module with exactly one client
    found = [c for c in vars(deployments).values() if isinstance(c, type) and issubclass(c, BaseDeploymentClient)]
    assert [c.__name__ for c in found if c is not BaseDeploymentClient] == ["ScrubberDeployments"]


# -- genai


def rows(token: str) -> list[dict[str, Any]]:
    word = "correct-horse-" + token[4:12]  # no detector knows it
    return [
        {"inputs": {"prompt": f"token = '{token}'"}, "outputs": "print(1)", "expectations": {"expected": token}},
        {"inputs": {"prompt": "a"}, "outputs": {"text": [f"x = '{token}'", 3]}, "expectations": {"expected": token}},
        {"inputs": {"prompt": "b"}, "outputs": f"it is {word}", "expectations": {"expected": word, "note": word}},
        {"inputs": {"prompt": "c"}, "outputs": "pass"},
    ]


def test_answers_are_scored_raw_and_kept_masked(store: str, token: str, key_file: Path, tmp_path: Path) -> None:
    from scrubber.plugins.mlflow.genai import evaluate

    given = rows(token)
    word = given[2]["expectations"]["expected"]
    result = evaluate(given)
    assert result.metrics["clean/mean"] == 3 / 4
    assert result.metrics["findings/mean"] == 1 / 4
    assert result.metrics["leak_free/mean"] == 1 / 3
    assert not kept(tmp_path / "store", token, word)
    table = result.result_df.to_json()
    assert token not in table
    assert word not in table
    assert "gh***[40]" in table  # by rule and preview it is told


def test_a_function_is_asked_untraced(store: str, token: str, key_file: Path, tmp_path: Path) -> None:
    from scrubber.plugins.mlflow.genai import evaluate

    @mlflow.trace  # type: ignore[untyped-decorator]
    def ask(prompt: str) -> str:
        return f"{prompt} = '{token}'"

    result = evaluate([{"inputs": {"prompt": "token"}}], predict_fn=ask)
    assert result.metrics["clean/mean"] == 0
    assert not kept(tmp_path / "store", token)


def test_rows_that_were_not_masked_are_not_scored(token: str) -> None:
    from scrubber.plugins.mlflow.genai import ScrubberScorer, evaluate, masked

    with pytest.raises(AskedWrongly, match="not masked"):
        ScrubberScorer()(expectations={"expected": "x"})
    scan = default_scan(Fingerprinter(b"k" * 16))
    for wrong in ([], [{"outputs": "x"}], ["x"]):
        with pytest.raises(AskedWrongly):
            evaluate(wrong, scan=scan)
    for row in ({"inputs": {}}, {"inputs": {}, "outputs": 3}, {"inputs": {}, "outputs": object()},
                {"inputs": {}, "outputs": "x", "expectations": {"expected": 5}}):  # fmt: skip
        with pytest.raises(AskedWrongly):
            masked([row], scan)


def test_spans_of_a_service_are_masked(store: str, token: str, tmp_path: Path) -> None:
    from scrubber.plugins.mlflow.genai import span_masker

    @mlflow.trace  # type: ignore[untyped-decorator]
    def ask(prompt: str) -> dict[str, Any]:
        return {"text": f"{prompt} = '{token}'", "n": 1}

    with mlflow.tracing.configure(span_processors=[span_masker(default_scan(Fingerprinter(b"k" * 16)))]):
        assert token in ask(f"key '{token}'")["text"]  # the caller gets what the model said
    mlflow.flush_trace_async_logging()
    assert mlflow.search_traces(return_type="list")
    assert not kept(tmp_path / "store", token)
