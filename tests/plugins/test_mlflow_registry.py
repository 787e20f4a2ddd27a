from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.fingerprint import KEY_VARIABLE
from scrubber.core.types import Report
from scrubber.core.workspace import digest_files
from scrubber.plugins.mlflow.registry import judge, prove, publish
from scrubber.plugins.mlflow.released import prove_run
from scrubber.reporting.result import to_json

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.slow

LogModel = Callable[..., Any]
ReportOf = Callable[[int], Report]
VERSION, CANDIDATE = "models:/coder/1", "models:/coder@release-candidate"


@pytest.fixture
def client(store: str) -> Any:
    return mlflow.MlflowClient()


@pytest.fixture
def passed(store: str, key_file: Path, report_of: ReportOf, log_model: LogModel) -> Any:
    """A version that was proven, and the run that holds the evidence."""
    log_model({"a": "b"})
    judged = prove(report_of(2), VERSION)
    assert judged.report.verdict.outcome == "passed"
    return mlflow.MlflowClient().get_model_version("coder", "1").tags["scrubber.run"]


def evidence_file(store: str, run_id: str) -> Path:
    return next(Path(store.removeprefix("sqlite:///")).parent.rglob(f"{run_id}/artifacts/scrubber/evidence.json"))


def faults(uri: str = CANDIDATE, **how: Any) -> tuple[str, set[str]]:
    """The outcome, and what of the evidence is refused."""
    verdict = judge(uri, **how).report.verdict
    refused = {
        rule.rule.subset for rule in verdict.rules if rule.rule.metric == "evidence" and rule.outcome != "passed"
    }
    return verdict.outcome, refused


def test_a_proven_version_has_tags_a_table_metrics_and_the_alias(passed: str, client: Any) -> None:
    version = client.get_model_version("coder", "1")
    assert version.tags["scrubber.gate"] == "passed"
    assert version.tags["scrubber.leak_rate"] == ".020 (limit <= .200)"
    assert version.aliases == ["release-candidate"]
    assert "| leak\\_rate of audited | .900 | .020 | .070 | \\<= .200 | 100 | passed |" in version.description
    model_id = version.source.removeprefix("models:/")
    shown = client.get_logged_model(model_id).metrics
    assert {m.key: m.value for m in shown}["leak_rate"] == 0.02
    assert len({m.key for m in shown}) == len(shown)
    assert {(m.dataset_name, m.dataset_digest) for m in shown} == {("a release", "d1")}
    assert faults() == ("passed", set())
    found = client.search_model_versions("name='coder' and tag.`scrubber.gate`='passed'")
    assert [v.version for v in found] == [version.version]
    # searching costs nothing but the names that users know
    experiment = client.get_run(passed).info.experiment_id
    assert client.search_logged_models([experiment], "metrics.leak_rate <= 0.03")


def test_proving_again_replaces_and_keeps_a_persons_words(passed: str, client: Any, report_of: ReportOf) -> None:
    client.update_model_version("coder", "1", "Our own words.\n\n" + client.get_model_version("coder", "1").description)
    prove(report_of(60), VERSION)
    version = client.get_model_version("coder", "1")
    assert version.description.startswith("Our own words.\n\n<!-- scrubber -->\n**Scrubber: refused**")
    assert version.description.count("<!-- scrubber -->") == 1
    assert version.aliases == []  # it passes no more
    assert faults(VERSION) == ("refused", set())


def test_the_alias_moves_only_on_a_pass(passed: str, client: Any, report_of: ReportOf, log_model: LogModel) -> None:
    log_model({"a": "c"})
    for leaked, holder in ((60, 1), (15, 1), (0, 2)):  # refused, undecided, passed
        prove(report_of(leaked), "models:/coder/2")
        assert int(client.get_model_version_by_alias("coder", "release-candidate").version) == holder


def test_another_policy_can_be_held_against_it(passed: str, tmp_path: Path) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text((tmp_path / "lenient.toml").read_text().replace("0.2", "0.001"))
    assert faults(policy=str(strict)) == ("refused", set())
    thin = tmp_path / "thin.toml"
    thin.write_text((tmp_path / "lenient.toml").read_text().replace("least_n = 20", "least_n = 999"))
    assert faults(policy=str(thin)) == ("undecided", set())


def test_the_sealed_policy_needs_no_file_here_and_none_can_replace_it(
    passed: str, policy_file: Path, tmp_path: Path
) -> None:
    policy_file.unlink()
    (tmp_path / "lenient").write_text("schema_version = 1\n")
    assert faults() == ("passed", set())
    tags = mlflow.MlflowClient().get_model_version("coder", "1").tags
    assert (
        judge(CANDIDATE).report.digests["policy"] == tags["scrubber.policy"]
    )  # rule for rule the one it was judged by


def test_a_release_is_proven_only_for_a_version_with_its_weights(
    key_file: Path, report_of: ReportOf, log_model: LogModel, tmp_path: Path, client: Any
) -> None:
    run = tmp_path / "run"
    (run / "adapter").mkdir(parents=True)
    (run / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    (run / "adapter" / "adapter_config.json").write_text("{}")
    made = report_of(0)
    made = replace(made, digests={**made.digests, "release": digest_files(run / "adapter")})
    with pytest.raises(NoVerdict, match="no stored result"):
        prove_run(run, VERSION)
    (run / "result.json").write_text(json.dumps(to_json(made, 0)))
    log_model({"a": "b"})
    with pytest.raises(AskedWrongly, match="does not hold the weights"):
        prove_run(run, VERSION)
    assert client.get_model_version("coder", "1").tags == {}
    log_model({"a": "b"}, adapter=str(run / "adapter"))
    assert prove_run(run, "models:/coder/2").report.verdict.outcome == "passed"
    assert faults() == ("passed", set())
    (run / "result.json").write_text(json.dumps(to_json(report_of(0), 0)))  # it does not say what it is of
    with pytest.raises(AskedWrongly, match="are not in the run folder"):
        prove_run(run, "models:/coder/2")
    (run / "result.json").write_text(json.dumps(to_json(made, 0)))
    (run / "adapter" / "adapter_config.json").write_text('{"lora_alpha": 99}')
    with pytest.raises(AskedWrongly, match="were changed"):
        prove_run(run, "models:/coder/2")


def test_without_mlflow_the_mend_is_named(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(AskedWrongly, match=r"code-scrubber\[mlflow\]"):
        judge(VERSION)


# -- what a person with every right to the registry, and no key, might do


def forge_tag(client: Any, store: str, run_id: str) -> str:
    client.set_model_version_tag("coder", "1", "scrubber.leak_rate", "0 (limit <= .200)")
    return "tags"


def drop_tag(client: Any, store: str, run_id: str) -> str:
    client.delete_model_version_tag("coder", "1", "scrubber.gate")
    return "tags"


def edit_report(client: Any, store: str, run_id: str) -> str:
    file = evidence_file(store, run_id)
    content = json.loads(file.read_text())
    content["report"]["scores"][0]["value"] = 0.0
    file.write_text(json.dumps(content))
    return "seal"


def seal_anew(client: Any, store: str, run_id: str) -> str:
    from scrubber.core.seal import seal

    file = evidence_file(store, run_id)
    content = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("seal", "key")}
    content["report"]["scores"][0] |= {"value": 0.0, "low": 0.0, "high": 0.01}
    file.write_text(json.dumps(seal(content, b"a key of their own")))
    return "seal"


def change_metric(client: Any, store: str, run_id: str) -> str:
    client.log_metric(run_id, "leak_rate", 0.0)
    return "metrics"


def change_metric_of_model(client: Any, store: str, run_id: str) -> str:
    from mlflow.entities import Metric

    model_id = client.get_model_version("coder", "1").source.removeprefix("models:/")
    client.log_batch(run_id, [Metric("leak_rate.after.audited.high", 0.0, 2**40, 9, model_id=model_id, run_id=run_id)])
    return "metrics"


def swap_file(client: Any, store: str, run_id: str) -> str:
    for file in Path(store.removeprefix("sqlite:///")).parent.rglob("artifacts/answers.json"):
        file.write_text(json.dumps({"a": "c"}))
    return "files"


def add_file(client: Any, store: str, run_id: str) -> str:
    for file in Path(store.removeprefix("sqlite:///")).parent.rglob("artifacts/answers.json"):
        file.with_name("more.safetensors").write_bytes(b"weights")
    return "files"


FORGERIES = (forge_tag, drop_tag, edit_report, seal_anew, change_metric, change_metric_of_model, swap_file, add_file)


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda f: f.__name__)
def test_a_forgery_is_refused_and_named(forgery: Callable[..., str], passed: str, client: Any, store: str) -> None:
    told = forgery(client, store, passed)
    outcome, refused = faults()
    assert outcome == "refused"
    assert refused == {told}


def test_all_forgeries_together_are_refused(passed: str, client: Any, store: str) -> None:
    """Whatever is made to fit together without the key does not fit the seal."""
    for forgery in FORGERIES:
        forgery(client, store, passed)
    client.set_model_version_tag("coder", "1", "scrubber.gate", "passed")
    judged = judge(CANDIDATE)
    assert judged.report.verdict.outcome == "refused"
    assert judged.report.verdict.exit_code == 1
    assert judged.report.scores == ()  # numbers that anyone may have written are not shown


def test_evidence_of_another_model_or_version_proves_nothing(
    passed: str, client: Any, store: str, log_model: LogModel
) -> None:
    log_model({"a": "worse"})
    for key, value in client.get_model_version("coder", "1").tags.items():
        client.set_model_version_tag("coder", "2", key, value)
    assert faults("models:/coder/2") == ("refused", {"files"})
    with pytest.raises(NoVerdict, match="does not prove this version"):
        publish("models:/coder/2", passed)


def test_a_tag_without_evidence_is_refused_and_nothing_at_all_is_no_verdict(
    key_file: Path, log_model: LogModel, client: Any, store: str
) -> None:
    log_model({"a": "b"})
    with pytest.raises(NoVerdict, match="never evaluated"):
        judge(VERSION)
    client.set_model_version_tag("coder", "1", "scrubber.gate", "passed")
    assert faults(VERSION) == ("refused", {"seal"})
    for run in ("f" * 32, "../../etc", "x y"):
        client.set_model_version_tag("coder", "1", "scrubber.run", run)
        assert faults(VERSION, policy="release")[0] == "refused"
    with pytest.raises(NoVerdict, match="missing"):
        publish(VERSION, "f" * 32)


def test_a_report_that_is_refused_stays_so_whatever_its_tags_say(
    key_file: Path, report_of: ReportOf, log_model: LogModel, client: Any
) -> None:
    log_model({"a": "b"})
    prove(report_of(60), VERSION)
    assert faults(VERSION) == ("refused", set())
    client.set_model_version_tag("coder", "1", "scrubber.gate", "passed")
    client.set_registered_model_alias("coder", "release-candidate", "1")
    assert faults() == ("refused", {"tags"})


def test_the_key_is_needed_and_must_be_the_same(passed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.key"
    other.write_text("o" * 32)
    monkeypatch.setenv(KEY_VARIABLE, str(other))
    judged = judge(CANDIDATE).report
    assert judged.verdict.outcome == "refused"
    assert "another key" in judged.verdict.rules[0].reason
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(AskedWrongly, match="no key"):
        judge(CANDIDATE)


def test_a_version_must_be_named_and_be_there(passed: str) -> None:
    named_wrongly = ("coder", "models:/coder", "models:/m-12", "runs:/a/b", "models:/coder@a/b")
    for uri in (*named_wrongly, "models:/coder/9", "models:/none/1", "models:/coder@none"):
        with pytest.raises(AskedWrongly) as caught:
            judge(uri)
        assert caught.value.mend


def test_without_a_store_none_is_made(key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(None)
    with pytest.raises(AskedWrongly, match="no MLflow store"):
        judge(VERSION)
    assert not (tmp_path / "mlflow.db").exists()


def test_no_value_of_a_report_that_is_not_sealed_is_shown(passed: str, client: Any, store: str) -> None:
    secret = "".join(random.Random(3).choices(string.ascii_letters, k=24))
    file = evidence_file(store, passed)
    for content in (
        secret,
        json.dumps({"seal": secret, "key": secret, "report": secret}),
        "[" * 99_999,
        '{"seal": NaN}',
    ):
        file.write_text(content)
        judged = judge(CANDIDATE).report
        assert judged.verdict.outcome == "refused"
        assert secret not in repr(judged)
