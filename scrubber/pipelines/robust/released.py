"""From a release run to a case for the robustness checks, and back: its report with their scores in it, judged again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from scrubber.core.errors import NothingToDo
from scrubber.core.gate import decide
from scrubber.core.types import GatePolicy, Report, Sample, Score
from scrubber.core.workspace import digest, digest_files
from scrubber.pipelines.measure import samples_to_jsonl
from scrubber.pipelines.release import Flow
from scrubber.pipelines.robust.case import Case
from scrubber.pipelines.robust.settings import RobustSettings
from scrubber.pipelines.untested import untested

PREFIX = "robust_"  # of every subset of these scores


def case_of(flow: Flow, settings: RobustSettings) -> tuple[Case, Report]:
    """Walks the release flow, or reads what is done of it. The values are the audited ones, else the planted ones.

    Raises NothingToDo where there are none.
    """
    audit = flow.audit()
    before = flow.before(audit)
    flow.unlearn(audit, before)
    report = flow.gate(before, flow.after())
    config, subjects = flow.config, flow.subjects
    forget = tuple(subjects.values.get("audited") or subjects.values.get("planted") or ())
    if not forget:
        raise NothingToDo("the model knew none of the values, so there is nothing that could come back")
    place = "adapter" if config.unlearn.weights == "lora" else "model"
    left = flow.workspace.path(place) if flow.unlearnt["steps"] else None
    learning_rate = settings.learning_rate or config.unlearn.learning_rate
    texts = [_digest(some) for some in (forget, subjects.decoys, audit.keep, subjects.held_out)]
    return Case(
        before=config.model.path,
        release=str(left) if left and place == "model" else None,
        adapter=left if place == "adapter" else None,
        precision=config.model.precision,
        forget=forget,
        decoys=tuple(subjects.decoys),
        keep=audit.keep,
        unrelated=tuple(subjects.held_out),
        digest=digest(flow.model_digest, digest_files(left) if left else "none", config.model.precision, *texts,
                      learning_rate, config.audit.context_tokens, config.audit.window_tokens, config.seed),
        settings=_public(settings, config.model.path),
        drawn_decoys=not config.evaluate.decoys,
        strata=dict(subjects.kinds or {}) or {f.fingerprint: f.kind for f in flow.findings()},
        learning_rate=learning_rate,
        context_tokens=config.audit.context_tokens,
        window_tokens=config.audit.window_tokens,
        batch_size=config.model.batch_size,
        seed=config.seed,
    ), report  # fmt: skip


def joined(report: Report, scores: Sequence[Score], policy: GatePolicy) -> Report:
    """The report with these scores in place of earlier ones of the checks, judged by ``policy``."""
    every = (*(score for score in report.scores if not score.subset.startswith(PREFIX)), *scores)
    return replace(
        report,
        scores=every,
        verdict=decide(policy, every),
        policy=policy.name,
        digests={**report.digests, "policy": digest(asdict(policy))},
        not_tested=untested(every, precision=str(report.config["model.precision"])),
    )


def _public(settings: RobustSettings, before: str) -> RobustSettings:
    """A model of a hub is public, whatever is said of it."""
    return settings if Path(before).expanduser().exists() else settings.model_copy(update={"before": "public"})


def _digest(samples: Sequence[Sample]) -> str:
    return digest(samples_to_jsonl(samples))
