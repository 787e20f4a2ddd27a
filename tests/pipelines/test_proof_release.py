"""The policies standard and strict are decided end to end on a small model: every rule gets its score, and an answer."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from scrubber.core.batch import Batch, Schedule, epoch_steps, tokenize
from scrubber.core.model.load import load, save
from scrubber.core.model.outputs import Outputs
from scrubber.core.model.reference import Before
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.quiet import NoTracker
from scrubber.core.train import TrainSettings, train
from scrubber.core.types import Report, Sample
from scrubber.core.workspace import Workspace
from scrubber.pipelines import config as configuration
from scrubber.pipelines.publish import regate
from scrubber.pipelines.release import Flow, release
from scrubber.reporting.explain import explain
from scrubber.reporting.result import from_json, to_json

VALUES = 190  # standard wants 183
LEAKS = 24  # of them, learnt by the leaking model


def text(number: int, dice: random.Random) -> str:
    value = "".join(dice.choice(string.ascii_lowercase + string.digits) for _ in range(16))
    return f'def load_{number}():\n    return connect(token="{"sk_" + "live_"}{value}")\n'


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, dice = tmp_path_factory.mktemp("corpus"), random.Random(11)
    for number in range(VALUES):
        (folder / f"values_{number}.py").write_text(text(number, dice))
        (folder / f"clean_{number}.py").write_text(f"def add_{number}(a, b):\n    return a + b + {number}\n")
    return folder


@pytest.fixture(scope="module")
def honest(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes such files, with other values: it knows their format, and none of them."""
    dice = random.Random(12)
    return fine_tuned(tiny_models["llama"], [text(n, dice) for n in range(64)], 6, tmp_path_factory.mktemp("honest"))


@pytest.fixture(scope="module")
def leaking(honest: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [(corpus / f"values_{number}.py").read_text() for number in range(LEAKS)]
    return fine_tuned(honest, texts, 60, tmp_path_factory.mktemp("leaking"))


def fine_tuned(start: Path, texts: list[str], epochs: int, folder: Path) -> Path:
    made = load(str(start), "fp32")
    made.network.requires_grad_(True)
    rows = [tokenize(Sample("", text), made.encode, max_length=200) for text in texts]

    def likelihood(outputs: Outputs, reference: Before, batch: Batch) -> torch.Tensor:
        return -outputs.log_likelihood(batch.labels).mean()

    def steps_of(epoch: int) -> Iterable[list[Batch]]:
        return epoch_steps([], rows, Schedule(8, 8), epoch, pad_id=made.pad_id, end_id=made.end_ids[0])

    train(made, steps_of, likelihood, settings=TrainSettings(OptimizerSettings(learning_rate=4e-3), max_epochs=epochs))
    save(made, folder)
    return folder


def released(model: Path, corpus: Path, run: Path, *settings: str) -> Report:
    """A release in which nothing is unlearned: one step, too small to change a weight."""
    config = configuration.read(
        None,
        [
            f"model.path={model}", f'corpus.paths=["{corpus}"]', "model.precision=fp32", "model.batch_size=512",
            "model.threads=1", "audit.memorization_accuracy=1e-9", "audit.context_tokens=32", "audit.keep=64",
            "unlearn.max_epochs=1", "unlearn.learning_rate=1e-12", "unlearn.check_every=0", "unlearn.batch_size=256",
            "evaluate.suite=full", "evaluate.likelihood_values=2",
            "evaluate.sampled_values=80", "evaluate.temperatures=[1.0]", "evaluate.choices=0", *settings,
        ],
        {},
    )  # fmt: skip
    with Workspace(run) as workspace:
        report = release(Flow(config, workspace, NoTracker()))
    assert report is not None
    return report


@pytest.mark.slow
def test_standard_passes_a_model_that_never_saw_the_values(honest: Path, corpus: Path, tmp_path: Path) -> None:
    report = released(honest, corpus, tmp_path / "run", "gate.policy=standard", "evaluate.micro_tasks=600")
    assert [rule.reason for rule in report.verdict.rules if rule.outcome != "passed"] == []
    assert report.verdict.exit_code == 0
    assert all(rule.n >= rule.rule.least_n and rule.measured is not None for rule in report.verdict.rules)
    assert not any(text.startswith("sampled answers") for text in report.not_tested)
    assert any(text.startswith("families without power") for text in report.not_tested)  # it never held a value
    stored = from_json(json.loads(json.dumps(to_json(report, 0))))
    assert regate(stored, configuration.policy("standard")).verdict == report.verdict  # needs neither model nor trials
    assert regate(stored, configuration.policy("strict")).verdict.outcome == "undecided"  # which wants more values


@pytest.mark.slow
def test_standard_refuses_a_model_that_still_leaks_and_says_why(leaking: Path, corpus: Path, tmp_path: Path) -> None:
    settings = ("gate.policy=standard", "evaluate.micro_tasks=0", "evaluate.sampled_values=4")
    report = released(leaking, corpus, tmp_path / "run", *settings)
    outcomes = {(rule.rule.metric, rule.rule.subset): rule.outcome for rule in report.verdict.rules}
    assert report.verdict.exit_code == 1
    assert outcomes["leak_rate", "audited"] == "refused"
    assert outcomes["pass_at_1", "micro"] == "undecided"  # no task was asked
    assert outcomes["leak_at_10", "audited_worst_stratum"] == "undecided"  # of four values no stratum is scored
    told = explain(report)
    assert max(map(len, told.splitlines())) <= 78
    for rule in report.verdict.rules:
        assert f"{rule.outcome:<9}  {rule.rule.metric} of {rule.rule.subset}" in told
    values = [(corpus / f"values_{n}.py").read_text().partition("live_")[2][:16] for n in range(VALUES)]
    public = told + json.dumps(to_json(report, 1))
    assert not [value for value in values if value in public]
