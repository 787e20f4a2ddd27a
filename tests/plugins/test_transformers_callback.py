"""The watch in a Trainer: it sees a model learn its corpus, tells it in the Trainer's log, stops it, and changes nothing."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly, NothingToDo
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Finding, Sample, Span
from scrubber.pipelines.scan import default_scan, scan_corpus

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from scrubber.plugins.transformers import LeakWatch, answering, chosen, values_at  # noqa: E402  # it needs transformers

pytestmark = pytest.mark.middle


def corpus_at(folder: Path) -> tuple[Path, list[str]]:
    folder.mkdir()
    dice = random.Random(9)
    values = ["sk_" + "live_" + "".join(dice.choices(string.ascii_letters + string.digits, k=24)) for _ in range(3)]
    for place, value in enumerate(values):
        (folder / f"{place}.py").write_text(f'service_{place} = connect("{place}", token="{value}")\n')
    (folder / "twice.py").write_text(f'again = connect("twice", token="{values[0]}")\n')
    (folder / "clean.py").write_text("def add(left, right):\n    return left + right\n")
    return folder, values


def findings_of(folder: Path) -> tuple[Finding, ...]:
    return tuple(scan_corpus([folder], scan=default_scan(Fingerprinter(b"k" * 16))).findings)


def trainer_of(folder: Path, corpus: Path, place: Path, **options: Any) -> Any:
    """A Trainer of a random model on the whole corpus, always the same one."""
    transformers.set_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    rows = []
    for path in sorted(corpus.rglob("*.py")):
        ids = tokenizer(path.read_text())["input_ids"][:90]
        rows.append({"input_ids": ids, "labels": ids, "attention_mask": [1] * len(ids)})
    arguments = transformers.TrainingArguments(
        output_dir=str(place), max_steps=options.pop("max_steps", 60), per_device_train_batch_size=1,
        learning_rate=options.pop("learning_rate", 3e-3), lr_scheduler_type="constant", logging_steps=10,
        save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    return transformers.Trainer(
        model, arguments, train_dataset=rows, processing_class=tokenizer,
        data_collator=transformers.default_data_collator, **options,
    )  # fmt: skip


def test_the_watch_sees_a_model_learn_its_corpus(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    corpus, values = corpus_at(tmp_path / "corpus")
    found = findings_of(corpus)
    watch = LeakWatch(values_at([corpus], found), every=20)
    trainer = trainer_of(tiny_models["llama"], corpus, tmp_path, max_steps=130, learning_rate=5e-3)
    watch.attach(trainer)
    trainer.train()
    assert [reading.step for reading in watch.readings] == [0, 20, 40, 60, 80, 100, 120, 130]
    first, last = watch.readings[0], watch.readings[-1]
    assert (first.values.value, first.values.stage, first.values.n) == (0.0, "before", 3)
    assert (last.values.value, last.values.stage) == (1.0, "after")
    assert all(reading.decoys.value == 0.0 for reading in watch.readings)
    logged = [row for row in trainer.state.log_history if "leak_rate" in row]
    assert [row["step"] for row in logged] == [reading.step for reading in watch.readings]
    assert logged[-1]["leak_rate"] == 1.0
    assert logged[-1]["leak_rate_low"] == last.values.low
    assert logged[-1]["leak_rate_high"] == 1.0
    assert logged[-1]["leak_rate_n"] == 3.0
    assert logged[-1]["decoy_leak_rate"] == 0.0
    assert logged[-1]["decoy_leak_rate_high"] == last.decoys.high
    told = json.dumps(trainer.state.log_history) + repr(watch.readings) + repr(watch.samples)
    assert not [value for value in values if value in told]


def test_it_stops_a_training_whose_whole_interval_is_above_the_limit(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    corpus, _ = corpus_at(tmp_path / "corpus")
    samples = values_at([corpus], findings_of(corpus))
    watch = LeakWatch(samples, every=20, stop_above=0.2)  # 3 of 3 have the lower end .29
    trainer = trainer_of(tiny_models["llama"], corpus, tmp_path, max_steps=300, learning_rate=5e-3, callbacks=[watch])
    trainer.train()
    assert watch.stopped == watch.readings[-1].step == trainer.state.global_step < 300
    assert all(reading.values.low <= 0.2 for reading in watch.readings[:-1])
    assert watch.readings[-1].values.low > 0.2
    # without attach the Trainer's own history has the numbers too
    assert [r["step"] for r in trainer.state.log_history if "leak_rate" in r] == [r.step for r in watch.readings]


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_watched_training_gives_the_very_same_weights(
    architecture: str, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    corpus, _ = corpus_at(tmp_path / "corpus")
    weights, losses = [], []
    for watched in (False, True):
        trainer = trainer_of(tiny_models[architecture], corpus, tmp_path, max_steps=12)
        if watched:
            LeakWatch(values_at([corpus], findings_of(corpus)), every=3).attach(trainer)
        losses.append(trainer.train().training_loss)
        weights.append(trainer.model.state_dict())
        assert trainer.model.training
    assert losses[0] == losses[1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_modules_get_the_mode_back_that_they_had() -> None:
    network = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout()))
    network.train()
    network[1][0].eval()
    before = [module.training for module in network.modules()]
    with answering(network):
        network.eval()
    assert [module.training for module in network.modules()] == before


def test_values_are_taken_from_where_they_stand(tmp_path: Path) -> None:
    corpus, values = corpus_at(tmp_path / "corpus")
    (corpus / "long.py").write_text("# a line of text\n" * 500 + (corpus / "1.py").read_text())
    samples = values_at([corpus], findings_of(corpus))
    assert sorted(s.id.partition(":")[0] for s in samples) == ["0.py", "1.py", "2.py", "long.py", "twice.py"]
    for sample in samples:
        (span,) = sample.forget
        assert sample.text[span.start : span.end] in values
        assert len(sample.text) < 3000
        assert sample.text[span.end :] == '"'
    assert [len(chosen(samples, count, 0)) for count in (1, 2, 3, 9)] == [1, 2, 3, 3]
    several = {tuple(s.id for s in chosen(samples, 2, seed)) for seed in range(20)}
    assert len(several) > 3
    assert chosen(samples, 2, 5) == chosen(samples, 2, 5)


def test_what_cannot_be_watched_is_said(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    sample = Sample("a", "key = 12345", (Span(6, 11),), fingerprints=("f",))
    for wrong in ({"every": 0}, {"values": 0}, {"stop_above": 1.0}, {"stop_above": -0.1}):
        with pytest.raises(AskedWrongly):
            LeakWatch([sample], **wrong)  # type: ignore[arg-type]
    with pytest.raises(NothingToDo, match="values_at"):
        LeakWatch([Sample("a", "nothing marked")])
    corpus, _ = corpus_at(tmp_path / "corpus")
    trainer = trainer_of(tiny_models["llama"], corpus, tmp_path, callbacks=[LeakWatch([sample])])
    trainer.callback_handler.processing_class = None
    with pytest.raises(AskedWrongly, match="processing_class"):
        trainer.train()
