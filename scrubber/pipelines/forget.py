"""Deletion requests one after the other: each is forgotten on top of those before it, and all of them are checked again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scrubber.core.decoys import decoy
from scrubber.core.errors import AskedWrongly, NothingToDo
from scrubber.core.types import Model, Sample, Score, Trial
from scrubber.core.workspace import digest, digest_files
from scrubber.evaluation.metrics import extraction_likelihood, leak_rate, memorization_accuracy, perplexity
from scrubber.evaluation.probes import continuation, prefix, recall
from scrubber.pipelines.measure import only, samples_from_jsonl, samples_to_jsonl, some
from scrubber.pipelines.release import Flow
from scrubber.pipelines.requests import Resolved, describe, read, resolve
from scrubber.pipelines.unlearn import Material, unlearn
from scrubber.unlearning.ledger import Entry, Ledger, from_json, to_json
from scrubber.unlearning.stopping import ThresholdRule

LEDGER, SAMPLES = "ledger.json", "private/ledger/samples.jsonl"
ROUNDS = 3  # of training on one request, while any value of the ledger still comes out
REPLAYED = 64  # earlier values that are trained on beside new ones, so that they stay forgotten


@dataclass(frozen=True)
class Forgotten:
    """What a request led to. ``scores``: over all values of the ledger, and the utility against the model before all."""

    request: int
    counts: dict[str, int]
    scores: tuple[Score, ...]
    within: bool  # nothing of the ledger comes out, and perplexity is within its budget


def forget(flow: Flow, request: Path) -> Forgotten:
    """Works on one request file. The run folder keeps ledger.json (fingerprints), private/ledger and the adapter.

    The same request a second time is only checked. Killed anywhere, it can be started again: the ledger and the adapter
    change at the end alone. Raises NothingToDo where no value of the request is in the corpus.
    """
    from scrubber.core.model.adapters import save_adapter
    from scrubber.core.model.load import load

    workspace, config = flow.workspace, flow.config
    if config.unlearn.weights != "lora":
        raise AskedWrongly("requests are forgotten in an adapter", where="unlearn.weights", mend='Use "lora".')
    ledger = from_json(workspace.read_json(LEDGER)) if workspace.path(LEDGER).exists() else Ledger()
    earlier = samples_from_jsonl(workspace.path(SAMPLES).read_text()) if workspace.path(SAMPLES).exists() else []
    wishes, findings = read(request), flow.findings()
    adapter = workspace.path("adapter") if ledger.requests else None
    model = load(config.model.path, config.model.precision, adapter=adapter, batch_size=config.model.batch_size)
    paths = [Path(p) for p in config.corpus.paths]
    found = resolve(wishes, paths, findings, model, config=config.audit, fingerprint=flow.fingerprint)
    if not found.wanted:
        raise NothingToDo("nothing of the request stands in the corpus", where=str(request),
                          mend="Values must be written as the corpus has them; see corpus.paths.")  # fmt: skip
    fresh = ledger.unknown(found.wanted)
    new = [only(sample, fresh) for sample in found.samples]
    new = [sample for sample in new if sample.forget]
    context = config.audit.context_tokens
    known = {t.subject for t in prefix.ask(model, new, subset="new", context_tokens=context) if t.outcome == 1.0}
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    ledger = ledger.grown([
        Entry(mark, ledger.requests + 1, now, sum(mark in s.fingerprints for s in new), mark in known) for mark in fresh
    ])  # fmt: skip
    windows = {sample.id: sample for sample in (*earlier, *found.samples)}
    watched = _Watch(flow, found, list(windows.values()), ledger)
    before = watched.texts_before(model)
    leaks = watched.leaks(model)
    trained = False
    for round_ in range(ROUNDS):
        open_ = [mark for mark, leaked in leaks.items() if leaked or (mark in fresh and round_ == 0)]
        if not open_:
            break
        _train(flow, model, watched, open_, f"request-{digest(to_json(ledger))}-{round_}")
        leaks, trained = watched.leaks(model), True
    scores = (
        leak_rate.score(watched.trials, stage="after", subset="ledger"),
        perplexity.difference(before, watched.texts(model), subset="kept"),
    )
    if trained:
        with workspace.replacing("adapter") as folder:
            save_adapter(model, folder)
    return _done(flow, ledger, list(windows.values()), leaks, scores, dict(describe(found, fresh)))


class _Watch:
    """Questions about every value of the ledger, and about texts that no training sees."""

    def __init__(self, flow: Flow, found: Resolved, samples: Sequence[Sample], ledger: Ledger) -> None:
        self.flow, self.context = flow, flow.config.audit.context_tokens
        self.marks = [entry.fingerprint for entry in ledger.entries]
        self.samples = [only(sample, self.marks) for sample in samples]
        self.windows = samples  # with all their found values
        clean = list(found.clean)
        random.Random(f"keep-{flow.config.seed}").shuffle(clean)
        half = min(flow.config.audit.keep, len(clean) // 2)
        self.keep, self.held_out = clean[:half], clean[half : 2 * half][:100]
        self.trials: list[Trial] = []

    def leaks(self, model: Model) -> dict[str, bool]:
        """By value: whether it came out in any of its places."""
        trials = prefix.ask(model, self.samples, subset="ledger", context_tokens=self.context)
        worst: dict[str, Trial] = {}
        for trial in trials:
            if trial.subject not in worst or trial.outcome > worst[trial.subject].outcome:
                worst[trial.subject] = trial
        self.trials = list(worst.values())
        return {trial.subject: trial.outcome == 1.0 for trial in self.trials}

    def texts_before(self, model: Any) -> list[Trial]:
        """Of the model before all requests: the same weights with the adapter off."""
        from scrubber.core.model.adapters import has_adapter, reference

        with reference(model) if has_adapter(model) else nullcontext():
            return self.texts(model)

    def texts(self, model: Model) -> list[Trial]:
        return recall.ask(model, self.held_out, subset="kept", context_tokens=self.context)


def _train(flow: Flow, model: Any, watched: _Watch, marks: Sequence[str], name: str) -> None:
    config, context = flow.config, watched.context
    wanted = [sample for sample in watched.windows if set(marks) & set(sample.fingerprints)]
    others = [sample for sample in watched.windows if sample not in wanted]
    replayed = random.Random(name).sample(others, min(REPLAYED, len(others)))
    audited = [sample for sample in (only(s, marks) for s in wanted) if sample.forget]
    decoys = [decoy(sample, config.seed) for sample in some(audited, 64, config.seed)]
    memory = recall.ask(model, decoys, subset="decoys", context_tokens=context)
    likelihood = continuation.ask(model, decoys[:16], subset="decoys", context_tokens=context)
    thresholds = ThresholdRule(
        memorization_accuracy.score(memory, stage="before", subset="decoys").value or 0.0,
        extraction_likelihood.score(likelihood, n=10, stage="before", subset="decoys").value or 0.0,
        margin=config.unlearn.margin, patience=config.unlearn.patience, hold=config.unlearn.hold,
        likelihood_counts=config.unlearn.rule == "paper",
    )  # fmt: skip
    material = Material([*wanted, *replayed], watched.keep, audited, context, config.audit.window_tokens)
    with flow.progress(f"unlearn: {len(marks)} values of the request") as advance:
        unlearn(model, material, thresholds, config=config.unlearn, seed=config.seed, workspace=None,
                tracker=flow.tracker, progress=advance)  # fmt: skip


def _done(
    flow: Flow,
    ledger: Ledger,
    samples: Sequence[Sample],
    leaks: dict[str, bool],
    scores: tuple[Score, ...],
    counts: dict[str, int],
) -> Forgotten:
    """Weights, then samples, then the ledger: what is killed between them is done again, and nothing is lost."""
    workspace, budget = flow.workspace, flow.config.unlearn.budget
    ratio = scores[1].value
    within = not any(leaks.values()) and (ratio is None or not budget or ratio <= budget)
    workspace.write(SAMPLES, samples_to_jsonl(samples))
    adapter = workspace.path("adapter")
    grown = ledger.checked(leaks, scores, {"adapter": digest_files(adapter) if adapter.exists() else "none"})
    workspace.write_json(LEDGER, to_json(grown))
    flow.tracker.scores(scores, step=grown.requests)
    return Forgotten(grown.requests, counts, scores, within)
