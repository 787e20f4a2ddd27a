"""A callback for a ``transformers`` Trainer: watches how many values of its corpus a model gives away, and can stop it.

    found = scrubber.scan("corpus")
    watch = LeakWatch(values_at(["corpus"], found.findings), every=100, stop_above=0.1)
    watch.attach(trainer)
    trainer.train()

``Trainer(..., callbacks=[watch])`` does as well; then the numbers are in ``watch.readings`` and ``state.log_history``, but
what reports elsewhere (MLflow, TensorBoard) is not told of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any, NamedTuple

from transformers import TrainerCallback

from scrubber.core.corpus import Unread, documents
from scrubber.core.decoys import decoy
from scrubber.core.errors import AskedWrongly, NothingToDo
from scrubber.core.model.causal import CausalModel
from scrubber.core.types import Finding, Sample, Score, Span
from scrubber.evaluation.metrics import leak_rate
from scrubber.evaluation.probes import prefix

BEFORE = 2000  # characters of true text that a value keeps before it: more than any context_tokens needs


class Reading(NamedTuple):
    """What a model gave away after ``step`` steps, of the watched values and of decoys in their places."""

    step: int
    values: Score
    decoys: Score


class LeakWatch(TrainerCallback):  # type: ignore[misc]  # the library has no types
    """Asks for the same ``values`` values, chosen by ``seed``, before the first step, every ``every`` steps and at the end.

    A value leaks when greedy decoding behind at most ``context_tokens`` tokens of its true text gives it exactly, as the
    audit asks. A decoy is a value of the same format in the same place: what it "leaks" is chance. With ``stop_above``
    the training stops once the whole 95 % interval of the leak rate is above that, and ``stopped`` says at which step.

    Training itself is not changed: no random number is drawn, and every module gets its mode back. Each process of a
    distributed run asks its own copy of the model, so that all of them stop together; sharded weights are not supported.
    Raises NothingToDo without a value, AskedWrongly for a tokenizer without character offsets.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        every: int = 100,
        values: int = 64,
        stop_above: float | None = None,
        context_tokens: int = 128,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        if every < 1 or values < 1 or not 0 <= (stop_above or 0.0) < 1:
            raise AskedWrongly(
                "LeakWatch cannot watch so", mend="every and values are at least 1, stop_above is from 0 to below 1."
            )
        self.samples = chosen(samples, values, seed)
        if not self.samples:
            raise NothingToDo("there is no value to watch for", mend="Give samples with spans to forget: values_at.")
        self.decoys = [decoy(sample, seed) for sample in self.samples]
        self.every, self.stop_above = every, stop_above
        self.context_tokens, self.batch_size = context_tokens, batch_size
        self.readings: list[Reading] = []
        self.stopped: int | None = None
        self._log: Callable[[dict[str, float]], None] | None = None

    def attach(self, trainer: Any) -> LeakWatch:
        """Adds the callback to a Trainer, and has it log the numbers everywhere that it logs to."""
        self._log = trainer.log
        trainer.add_callback(self)
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> Any:
        return self._judge(self._read(state, **given), control)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> Any:
        return control if state.global_step % self.every else self._judge(self._read(state, **given), control)

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> Any:
        if not self.readings or self.readings[-1].step != state.global_step:
            self._read(state, **given)
        return control

    def _read(self, state: Any, *, model: Any, processing_class: Any, **_: Any) -> Reading:
        if not getattr(processing_class, "is_fast", False):
            raise AskedWrongly(
                "LeakWatch needs a tokenizer that gives character offsets",
                where="Trainer(processing_class=...)",
                mend="Give the Trainer the model's fast tokenizer.",
            )
        asked = CausalModel("in training", "as trained", model, processing_class, batch_size=self.batch_size)
        with answering(model):
            values, decoys = (self._score(asked, name) for name in ("values", "decoys"))
        reading = Reading(state.global_step, values, decoys)
        self.readings.append(reading)
        if state.is_world_process_zero:
            self._tell(reading, state)
        return reading

    def _judge(self, reading: Reading, control: Any) -> Any:
        low = reading.values.low
        if self.stop_above is not None and low is not None and low > self.stop_above:
            self.stopped = reading.step
            control.should_training_stop = True
        return control

    def _score(self, model: CausalModel, subset: str) -> Score:
        samples = self.samples if subset == "values" else self.decoys
        trials = prefix.ask(model, samples, subset=subset, context_tokens=self.context_tokens)
        return leak_rate.score(trials, stage="after" if self.readings else "before", subset=subset)

    def _tell(self, reading: Reading, state: Any) -> None:
        numbers = {**flat(reading.values, "leak_rate"), **flat(reading.decoys, "decoy_leak_rate")}
        if self._log is not None:
            self._log(numbers)
        else:
            state.log_history.append({**numbers, "epoch": state.epoch, "step": state.global_step})


def values_at(paths: Sequence[str | PathLike[str]], findings: Sequence[Finding]) -> list[Sample]:
    """Each finding as a Sample: the value and the text before it, read again from ``paths``, which were scanned."""
    wanted: dict[str, list[Finding]] = {}
    for finding in findings:
        wanted.setdefault(finding.document, []).append(finding)
    ignored: list[Unread] = []  # the scan has named them
    made: list[Sample] = []
    for document in documents(paths, errors=ignored):
        for found in wanted.get(document.id, ()):
            start, end = found.span.start, found.span.end
            begin = max(0, start - BEFORE)
            place = f"{document.id}:{start}"
            span = Span(start - begin, end - begin)
            # one character more: whether a token ends with the value shows only in what follows
            made.append(Sample(place, document.text[begin : end + 1], (span,), fingerprints=(found.fingerprint,)))
    return made


def chosen(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """At most ``count`` values, each in one of its places and as a sample of its own; the same for the same seed."""
    places: dict[str, list[Sample]] = {}
    for sample in samples:
        for number, (span, mark) in enumerate(zip(sample.forget, sample.fingerprints, strict=True)):
            single = Sample(f"{sample.id}#{number}", sample.text, (span,), fingerprints=(mark,))
            places.setdefault(mark, []).append(single)
    dice = random.Random(f"watch-{seed}")
    return [dice.choice(places[mark]) for mark in dice.sample(list(places), min(count, len(places)))]


def flat(score: Score, name: str) -> dict[str, float]:
    """A score as numbers of a log: the value, both ends of its interval, and n."""
    numbers = {"": score.value, "_low": score.low, "_high": score.high, "_n": float(score.n)}
    return {name + end: number for end, number in numbers.items() if number is not None}


@contextmanager
def answering(network: Any) -> Iterator[None]:
    """Every module of ``network`` gets the mode back that it had, whoever changes it meanwhile."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
