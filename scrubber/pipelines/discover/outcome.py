"""What the loop has come to: scores before and after, a verdict, and the files that may be shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.gate import decide
from scrubber.core.memory import peak_memory
from scrubber.core.provenance import versions
from scrubber.core.types import GatePolicy, Report, Rule, Score, Tracker, Trial
from scrubber.core.workspace import Workspace, digest, digest_files
from scrubber.evaluation.metrics import drift_kl, pass_at_k
from scrubber.pipelines.config import flat
from scrubber.pipelines.discover import rates
from scrubber.pipelines.discover.answers import Judged
from scrubber.pipelines.discover.config import DiscoverConfig
from scrubber.pipelines.discover.ending import Round
from scrubber.pipelines.discover.inputs import Inputs
from scrubber.pipelines.publish import publish

NOT_TESTED = (
    "whether a real package is the right or a safe one, beyond the names that the prompts give",
    "prompts of other kinds than those given, and other sampling temperatures",
    "other precisions than the one named, and a merged model",
    "names that the registry got after the index was made",
)


@dataclass(frozen=True)
class Outcome:
    """Answers and trials of the model before, and with the best round's adapter. Private."""

    before: Sequence[Judged] = field(repr=False)
    after: Sequence[Judged] = field(repr=False)
    seen_before: Sequence[Judged] = field(repr=False)
    seen_after: Sequence[Judged] = field(repr=False)
    drift_unrelated: Sequence[Trial]
    drift_packages: Sequence[Trial]
    tasks_before: Sequence[Trial]
    tasks_after: Sequence[Trial]
    trained: frozenset[str] = field(repr=False)  # invented names that were trained against


def scores(outcome: Outcome, seed: int = 0) -> list[Score]:
    """Held-out prompts were in no round: "held_out". Those of the first round: "seen"."""
    made: list[Score] = []
    for stage, judged, seen in (
        ("before", outcome.before, outcome.seen_before),
        ("after", outcome.after, outcome.seen_after),
    ):
        made += rates.rate(judged, stage=stage, subset="held_out", seed=seed)  # type: ignore[arg-type]
        made += rates.by_names(judged, outcome.trained, stage=stage, subset="held_out", seed=seed)  # type: ignore[arg-type]
        made += rates.by_context(judged, stage=stage, subset="held_out", seed=seed)  # type: ignore[arg-type]
        made += rates.rate(seen, stage=stage, subset="seen", seed=seed)  # type: ignore[arg-type]
    made += rates.compared(outcome.before, outcome.after, subset="held_out", seed=seed)
    made += rates.compared(outcome.seen_before, outcome.seen_after, subset="seen", seed=seed)
    for subset, trials in (("unrelated", outcome.drift_unrelated), ("packages", outcome.drift_packages)):
        made.append(drift_kl.score(trials, stage="difference", subset=subset, seed=seed))
    made.append(drift_kl.share(outcome.drift_unrelated, outcome.drift_packages, subset="unrelated", seed=seed))
    if outcome.tasks_before:
        made.append(pass_at_k.score(outcome.tasks_before, stage="before", subset="micro"))
        made.append(pass_at_k.score(outcome.tasks_after, stage="after", subset="micro"))
        made.append(pass_at_k.difference(outcome.tasks_before, outcome.tasks_after, subset="micro"))
    return made


def policy(config: DiscoverConfig) -> GatePolicy:
    """The configuration's limits as a gate policy: the whole interval must keep each."""
    least = config.loop.min_mentions
    rules = [
        Rule(
            "hallucination_rate",
            "held_out",
            at_most=config.loop.limit,
            why="invented names can be registered by anyone",
        ),
        Rule("mentions_ratio", "held_out", "difference", at_least=least, why="silence is no cure"),
        Rule(
            "distinct_valid_ratio", "held_out", "difference", at_least=least, why="nor are a few names for everything"
        ),
        Rule("drift_kl", "unrelated", "difference", at_most=config.utility.drift, why="only package names may move"),
    ]
    if config.utility.micro_tasks // 2:
        rules.append(
            Rule("pass_at_1", "micro", "difference", at_least=-config.utility.budget, why="it must still program")
        )
    return GatePolicy("discover", tuple(rules))


def conclude(
    outcome: Outcome, rounds: Sequence[Round], ended: str, *, config: DiscoverConfig, inputs: Inputs,
    workspace: Workspace, tracker: Tracker, fingerprint: Fingerprinter, seconds: float,
) -> Report:  # fmt: skip
    """Writes result.json, report.html, rounds.jsonl and invented.jsonl: numbers and fingerprints, never an invented name."""
    made, limits = scores(outcome, config.seed), policy(config)
    adapter = workspace.path("adapter")
    report = Report(
        name=config.name,
        verdict=decide(limits, made),
        scores=tuple(made),
        policy=limits.name,
        config=flat(config),
        digests={
            "model": inputs.model, "data": inputs.data, "policy": digest(asdict(limits)),
            "config": digest(flat(config)), "index": inputs.judge.identity,
            "release": digest_files(adapter) if adapter.exists() else "none",
        },
        versions=versions(),
        seconds={"discover": round(seconds, 2), **{f"round-{one.number}": one.seconds for one in rounds[1:]}},
        peak_memory_bytes=peak_memory(),
        findings=_counts(outcome.after),
        not_tested=(f"more rounds than {len(rounds) - 1}: {ended}", *NOT_TESTED),
    )  # fmt: skip
    workspace.write("rounds.jsonl", "".join(json.dumps(one._asdict()) + "\n" for one in rounds))
    workspace.write("invented.jsonl", invented(outcome, fingerprint))
    tracker.scores(made)
    publish(report, workspace, tracker)
    return report


def invented(outcome: Outcome, fingerprint: Fingerprinter) -> str:
    """One line for each invented name: its fingerprint, answers that name it before and after, whether anyone could
    register it, whether it was trained against."""
    counts = [
        Counter(
            named for one in judged for named in {(p.name, p.verdict) for p in one.places if p.name in one.invented}
        )
        for judged in ([*outcome.before, *outcome.seen_before], [*outcome.after, *outcome.seen_after])
    ]
    rows = [
        {
            "fingerprint": fingerprint("package", name),
            "before": counts[0][name, verdict],
            "after": counts[1][name, verdict],
            "registrable": verdict == "unknown",
            "trained": name in outcome.trained,
        }
        for name, verdict in {**counts[0], **counts[1]}
    ]
    return "".join(json.dumps(row) + "\n" for row in sorted(rows, key=lambda row: str(row["fingerprint"])))


def _counts(judged: Sequence[Judged]) -> dict[str, int]:
    """Answers' invented and late names, by rule."""
    counts = Counter(
        f"package/package-{verdict}"
        for one in judged
        for verdict in {place.name: place.verdict for place in one.places}.values()
        if verdict in ("unknown", "unregistrable", "late")
    )
    return dict(sorted(counts.items()))
