"""The release flow: scan, audit, evaluate, unlearn, evaluate again, gate, report; each stage once, resumable."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scrubber.core.corpus import Unread
from scrubber.core.errors import AskedWrongly, NothingToDo, NoVerdict
from scrubber.core.fingerprint import Fingerprinter, project_key
from scrubber.core.gate import decide
from scrubber.core.memory import give_back, peak_memory
from scrubber.core.provenance import model_digest, version_of, versions
from scrubber.core.quiet import silent
from scrubber.core.types import Finding, Progress, Report, Score, Span, Tracker
from scrubber.core.workspace import Workspace, digest, digest_files
from scrubber.pipelines import config as configuration
from scrubber.pipelines import published
from scrubber.pipelines.config import Config
from scrubber.pipelines.evaluate import check_suite
from scrubber.pipelines.forget_set import forget_set
from scrubber.pipelines.packs import sound_rules
from scrubber.pipelines.preflight import check
from scrubber.pipelines.scan import default_scan, finding_json, scan_corpus

Until = Literal["audit", "unlearn", "evaluate", "gate"]


@dataclass
class Flow:
    """One release run. Each method is a stage: it does its work once, or reads what an earlier run left."""

    config: Config
    workspace: Workspace
    tracker: Tracker
    progress: Progress = silent
    tell: Callable[[str], None] = lambda sentence: None

    def __post_init__(self) -> None:
        check(self.config)
        check_suite(self.config)
        self.fingerprint = Fingerprinter(project_key(self.workspace.private / "key"))
        asked = self.config.corpus
        rules = sound_rules([Path(p) for p in asked.rules])
        self.scan = default_scan(self.fingerprint, asked.detectors, leave_out=asked.leave_out, rules=rules)
        self.forget_set = forget_set(asked)
        named = [digest_files(Path(path)) for path in (*asked.spans, *asked.patterns)]
        self._rules = digest(repr(rules), named, asked.whole)
        self.benchmarks = published.configured(self.config)
        self.seconds: dict[str, float] = {}
        self.corpus_digest = digest([digest_files(Path(p)) for p in self.config.corpus.paths])
        model = self.config.model
        self.model_digest = model_digest(model.path) + (f"#{model.served_name}" if model.is_served else "")

    def findings(self) -> list[Finding]:
        """Stage scan: writes findings.jsonl, without a value in it."""
        asked = self.config.corpus
        left_out, version = asked.leave_out, version_of("code-scrubber")
        self._scan_key = digest("scan", self.corpus_digest, asked.detectors, left_out, self._rules, version)

        def work() -> dict[str, Any]:
            paths = [Path(p) for p in self.config.corpus.paths]
            result = scan_corpus(paths, scan=self.scan, progress=self.progress)
            _complain(result.errors, self.config.corpus.allow_errors)
            if not result.documents:
                raise NothingToDo("the corpus holds no document", where=", ".join(self.config.corpus.paths),
                                  mend="Give corpus.paths that hold text files or JSONL.")  # fmt: skip
            found = [*result.findings, *self.forget_set.findings(paths, result.findings, self.fingerprint)]
            rows = "".join(json.dumps(finding_json(f)) + "\n" for f in found)
            self.workspace.write("findings.jsonl", rows)
            return {"documents": result.documents, "bytes": result.bytes, "errors": len(result.errors),
                    "findings": len(found)}  # fmt: skip

        self.scanned = self.stage("scan", self._scan_key, work)
        return [_finding(json.loads(line)) for line in self.workspace.path("findings.jsonl").read_text().splitlines()]

    def audit(self) -> Any:
        """Stage audit: which of the findings the model knows. Samples and trials go to private/."""
        from scrubber.pipelines.audit import audit
        from scrubber.pipelines.measure import (
            Audit,
            samples_from_jsonl,
            samples_to_jsonl,
            trials_from_jsonl,
            trials_to_jsonl,
        )

        findings = self.findings()
        self.found = Counter(f"{f.kind}/{f.rule}" for f in findings)
        self._audit_key = digest(
            "audit", self._scan_key, self.model_digest, self.config.model.precision, self.config.model.tokenizer,
            self.config.audit.model_dump(), self.config.seed, [digest_files(Path(p)) for p in self.config.audit.keep_also],
        )  # fmt: skip

        def work() -> dict[str, Any]:
            paths = [Path(p) for p in self.config.corpus.paths]
            with self.progress("audit: asking for every found value"):
                made = audit(self._asked(), paths, findings, config=self.config.audit, seed=self.config.seed)
            for name in ("samples", "keep", "held_out"):
                self.workspace.write(f"private/audit/{name}.jsonl", samples_to_jsonl(getattr(made, name)))
            self.workspace.write("private/audit/trials.jsonl", trials_to_jsonl(made.trials))
            values = {t.subject for t in made.trials}
            self.tracker.settings({"values_found": len(values), "values_learnt": len(made.learnt)})
            return {"values": len(values), "learnt": sorted(made.learnt)}

        done = self.stage("audit", self._audit_key, work)
        self.audited = done

        def read(name: str) -> str:
            return self.workspace.path(f"private/audit/{name}.jsonl").read_text()

        return Audit(
            samples=tuple(samples_from_jsonl(read("samples"))),
            learnt=frozenset(done["learnt"]),
            keep=tuple(samples_from_jsonl(read("keep"))),
            held_out=tuple(samples_from_jsonl(read("held_out"))),
            trials=tuple(trials_from_jsonl(read("trials"))),
        )

    def before(self, audit: Any) -> list[Score]:
        """Stage evaluate, of the model as it is."""
        from scrubber.pipelines.evaluate import detector_recall

        self.subjects = self._subjects(audit)
        self.before_key = digest(
            "before", self._audit_key, self.config.evaluate.model_dump(), [b.settings for b in self.benchmarks],
            *(digest_files(Path(p)) for p in (self.config.evaluate.planted, self.config.evaluate.decoys,
                                              self.config.evaluate.held_out) if p),
        )  # fmt: skip
        scores = self._evaluate("before", self.before_key, self._asked)
        planted = self.subjects.values.get("planted")
        return [detector_recall(planted, self.findings()), *scores] if planted else scores

    def unlearn(self, audit: Any, before: Sequence[Score]) -> None:
        """Stage unlearn: writes adapter/. Without a learnt value there is nothing to do, and the model stays as it is."""
        from scrubber.pipelines.unlearn import Material, unlearn
        from scrubber.unlearning.stopping import ThresholdRule

        settings = self.config.unlearn
        self._unlearn_key = digest("unlearn", self.before_key, settings.model_dump())

        def work() -> dict[str, Any]:
            if not audit.forget or self.config.model.is_served:  # a served model is judged as it is
                return {"steps": 0, "stopped": False}
            material = Material(audit.forget, audit.keep, audit.audited, self.config.audit.context_tokens,
                                self.config.audit.window_tokens)  # fmt: skip
            thresholds = ThresholdRule(
                _value(before, "memorization_accuracy", "decoys"), _value(before, "extraction_likelihood_10", "decoys"),
                margin=settings.margin, patience=settings.patience, hold=settings.hold,
                likelihood_counts=settings.rule == "paper",
            )  # fmt: skip
            self.tracker.settings({"method": settings.method, **configuration.flat(settings, "unlearn.")})
            with self.progress(f"unlearn: {settings.method}") as advance:
                course = unlearn(
                    self._model(), material, thresholds, config=settings, seed=self.config.seed,
                    workspace=self.workspace, tracker=self.tracker, name=f"unlearn-{self._unlearn_key}",
                    place="adapter" if settings.weights == "lora" else "model", progress=advance,
                )  # fmt: skip
            self._loaded = self._remembering = None  # it wears an adapter now
            return {"steps": len(course.losses), "stopped": course.stopped, "best_step": course.best_step}

        self.unlearnt = self.stage("unlearn", self._unlearn_key, work)

    def after(self) -> list[Score]:
        """Stage evaluate, of the model with the adapter as it was saved, at the same precision."""
        from scrubber.core.model.load import load

        model = self.config.model
        left = self._left_by_unlearning()

        def made() -> Any:
            if model.is_served:
                return self._asked()
            path, adapter = (str(left), None) if left and left.name == "model" else (model.path, left)
            return load(path, model.precision, adapter=adapter, batch_size=model.batch_size)

        return self._evaluate("after", digest("after", self._unlearn_key), made)

    def _left_by_unlearning(self) -> Path | None:
        """The adapter, or the whole model where all weights were trained."""
        place = "adapter" if self.config.unlearn.weights == "lora" else "model"
        return self.workspace.path(place) if self.unlearnt["steps"] else None

    def gate(self, before: Sequence[Score], after: Sequence[Score]) -> Report:
        """Stage gate: the policy held against the scores."""
        from scrubber.pipelines.measure import differences
        from scrubber.pipelines.untested import untested

        paired = differences(self.trials("before"), self.trials("after"))
        scores = [*before, *after, *paired]
        policy = configuration.policy(self.config.gate.policy)
        report = Report(
            name=self.config.name,
            verdict=decide(policy, scores),
            scores=tuple(scores),
            policy=policy.name,
            config=configuration.flat(self.config) | {"model.precision": self._precision},
            digests={
                "model": self.model_digest, "data": self.corpus_digest, "policy": digest(asdict(policy)),
                "config": digest(configuration.flat(self.config)),
                "release": digest_files(left) if (left := self._left_by_unlearning()) else "none",
                **{asked.problems.name: asked.problems.data_sha256[:16] for asked in self.benchmarks},
            },
            versions=versions(),
            seconds=self.rounded_seconds(),
            peak_memory_bytes=peak_memory(),
            findings=dict(sorted(self.found.items())),
            not_tested=untested(scores, precision=self._precision),
        )  # fmt: skip
        with self.tracker.stage("gate"):
            self.tracker.scores(paired)
        return report

    def summary(self) -> str:
        """What a stage command prints: counts, and where to look."""
        rows = [f"{self.scanned['findings']} findings in {self.scanned['documents']} documents"]
        rows.append(f"the model knows {len(self.audited['learnt'])} of {self.audited['values']} values asked for")
        return "\n".join([*rows, f"run folder: {self.workspace.root}"])

    # -- what the stages share

    def stage(self, name: str, key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        def timed() -> dict[str, Any]:
            began = time.perf_counter()
            with self.tracker.stage(name):
                value = work()
            give_back()
            return {**value, "seconds": time.perf_counter() - began}

        value: dict[str, Any] = self.workspace.once(name, key, timed)
        self.seconds[name] = value["seconds"]
        return value

    def rounded_seconds(self) -> dict[str, float]:
        return {name: round(spent, 2) for name, spent in self.seconds.items()}

    def _evaluate(self, stage: Literal["before", "after"], key: str, model: Callable[[], Any]) -> list[Score]:
        from scrubber.pipelines.measure import not_given, scores, trials_to_jsonl

        def work() -> dict[str, Any]:
            asked = model()
            trials = [*self.ask(asked, stage), *published.ask(asked, self.benchmarks, self.config)]
            for benchmark in self.benchmarks:
                self.tracker.settings(benchmark.settings)
            self.workspace.write(f"private/trials/{stage}.jsonl", trials_to_jsonl(trials))
            made = scores(trials, stage, self.subjects.kinds, self.subjects.groups)
            made += not_given(asked, self.subjects, stage)
            self.tracker.scores(made)
            return {"scores": [asdict(score) for score in made]}

        return [Score(**row) for row in self.stage(f"evaluate-{stage}", key, work)["scores"]]

    def ask(self, model: Any, label: str, subjects: Any = None) -> list[Any]:
        """All questions, or those about ``subjects``, put to any model: used for controls, too."""
        from scrubber.evaluation.sandbox.runner import Sandbox
        from scrubber.pipelines.measure import ask

        asked = self.config.evaluate
        confined = (
            Sandbox(require_isolation=asked.require_isolation, layer=asked.isolation) if self.subjects.tasks else None
        )
        with self.progress(f"evaluate {label}") as advance, confined or nullcontext() as sandbox:
            if sandbox is not None:
                self.tracker.settings({"sandbox.level": sandbox.level})
            return ask(
                model, subjects or self.subjects, scan=self.scan, sandbox=sandbox, progress=lambda part: advance(1)
            )

    def _subjects(self, audit: Any) -> Any:
        from scrubber.pipelines.evaluate import subjects

        return subjects(self.config, audit, self.fingerprint, self.findings())

    def trials(self, stage: str) -> list[Any]:
        from scrubber.pipelines.measure import trials_from_jsonl

        return trials_from_jsonl(self.workspace.path(f"private/trials/{stage}.jsonl").read_text())

    _loaded: Any = None
    _remembering: Any = None

    def _asked(self) -> Any:
        """The model before unlearning, which audit and evaluation ask much the same."""
        from scrubber.core.model.remembering import Remembering

        if self._remembering is None:
            self._remembering = Remembering(self._model())
        return self._remembering

    def _model(self) -> Any:
        from scrubber.core.model.load import load

        model = self.config.model
        if self._loaded is None and model.is_served:
            from scrubber.core.model.served import configured

            self._loaded = configured(model, seed=self.config.seed, tell=self.tell)
        if self._loaded is None:
            self._loaded = load(model.path, model.precision, batch_size=model.batch_size)
        return self._loaded

    @property
    def _precision(self) -> str:
        return "served" if self.config.model.is_served else self.config.model.precision


def release(flow: Flow, until: Until = "gate") -> Report | None:
    """Walks the stages in order; a Report once the gate has spoken."""
    if until == "unlearn" and flow.config.model.is_served:
        raise AskedWrongly("a served model cannot be trained", where=flow.config.model.path,
                           mend="Give the folder of its files; audit, evaluate and release judge it as it is.")  # fmt: skip
    audit = flow.audit()
    if until == "audit":
        return None
    before = flow.before(audit)
    flow.unlearn(audit, before)
    if until == "unlearn":
        return None
    after = flow.after()
    if until == "evaluate":
        return None
    return flow.gate(before, after)


def _complain(errors: Sequence[Unread], allowed: bool) -> None:
    if errors and not allowed:
        named = "; ".join(f"{e.path}: {e.reason}" for e in errors[:5])
        raise NoVerdict(
            f"{len(errors)} files could not be read ({named}{'; ...' * (len(errors) > 5)})",
            mend="Mend or remove them, or go on without them: --allow-errors.",
        )


def _value(scores: Sequence[Score], metric: str, subset: str) -> float:
    found = [s.value for s in scores if s.metric == metric and s.subset == subset]
    return found[0] if found and found[0] is not None else 0.0


def _finding(row: dict[str, Any]) -> Finding:
    span = Span(row.pop("start"), row.pop("end"))
    return Finding(span=span, **row)
