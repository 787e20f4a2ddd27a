"""The main job on our own model: build a private corpus, let the model learn it, release it, and try to fool the gate."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.gate import decide
from scrubber.core.memory import give_back
from scrubber.core.model.load import load
from scrubber.core.quiet import silent
from scrubber.core.types import Progress, Report, Score, Tracker, Trial, Verdict
from scrubber.core.workspace import Workspace, digest, digest_files, remove
from scrubber.pipelines import config as configuration
from scrubber.pipelines.config import Config
from scrubber.pipelines.demo.victim import DEMO_MODEL, VictimSettings, fine_tune, steps_per_epoch
from scrubber.pipelines.demo.world import World, as_jsonl, build
from scrubber.pipelines.measure import differences, scores, trials_from_jsonl, trials_to_jsonl
from scrubber.pipelines.release import Flow, release
from scrubber.pipelines.unlearn import Material, unlearn
from scrubber.unlearning.stopping import ThresholdRule

TOO_FEW = 20  # values and tasks: a sample that cannot decide
PUBLIC = (
    20  # library functions for each value of a kind: what the model is held to, as a user's would be to public code
)
ASCENT_STEPS = 20  # of the control: enough to wreck a model

# Found on the demo model; what each of these is worth stands in docs/log.md.
SETTINGS: dict[str, dict[str, Any]] = {
    # the names of the invented persons are what the planted values stand among: nobody planted them, or measures them
    "corpus": {"leave_out": ["person-name"]},
    "audit": {"keep": 1600},
    "unlearn": {
        "learning_rate": 1e-3,
        "betas": [0.8, 0.9],
        "clip": 0.002,
        "order": "alternating",
        "batch_size": 8,
        "retain_batch_size": 32,
        "check_every": 8,
        "check_values": 32,
        "hold": 3,
    },
    "unlearn.settings": {"gamma": 5.0},
    "gate": {"policy": "demo"},
    "tracker": {"name": "mlflow", "experiment": "scrubber-demo"},
}


@dataclass(frozen=True)
class Profile:
    """How large a demo is. The tiny one walks the same way in a minute or two; its numbers prove nothing."""

    per_kind: int
    victim: VictimSettings
    held_out: int = 400  # functions for perplexity
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)  # over SETTINGS


PROFILES = {
    "full": Profile(80, VictimSettings()),
    "tiny": Profile(
        12,
        VictimSettings(epochs=16, batch_size=2, learning_rate=1e-3),
        held_out=60,
        settings={
            "evaluate": {"micro_tasks": 60, "likelihood_values": 8},
            "unlearn": {"batch_size": 4, "retain_batch_size": 16, "hold": 1},
            "unlearn.settings": {"gamma": 1.0},
            "gate": {"policy": "tiny"},
        },
    ),
}


def prepare(profile: Profile, seed: int, workspace: Workspace, progress: Progress = silent) -> None:
    """Writes the private corpus, the lists of planted values and decoys, the victim, and demo.toml."""
    key = digest("world", profile.per_kind, profile.held_out, seed, _code_digest())
    made: list[World] = []

    def world() -> World:
        if not made:
            made.append(build(per_kind=profile.per_kind, seed=seed))
        return made[0]

    def write() -> dict[str, int]:
        remove(workspace.private / "corpus")
        for row in world().planted:
            workspace.write(f"private/corpus/{row.document}", row.text)
        for number, text in enumerate(world().clean):
            workspace.write(f"private/corpus/clean_{number:04d}.py", text)
        rows = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(world().held_out[: profile.held_out])]
        workspace.write("private/held_out.jsonl", "\n".join(rows) + "\n")
        public = random.Random(f"public-{seed}").sample(world().base, PUBLIC * profile.per_kind)
        rows = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(public)]
        workspace.write("private/keep.jsonl", "\n".join(rows) + "\n")
        workspace.write("private/decoys.jsonl", as_jsonl(world().decoys))
        workspace.write("private/planted.jsonl", as_jsonl(world().planted))
        return {"planted": len(world().planted), "decoys": len(world().decoys), "clean": len(world().clean)}

    def learn() -> dict[str, Any]:
        total = profile.victim.epochs * steps_per_epoch(world(), profile.victim)
        with progress("fine-tune: the model learns the private corpus", total) as advance:
            fine_tune(world(), profile.victim, workspace, advance)
        remove(workspace.private / "victim-checkpoint")
        give_back()
        return {}

    with progress("private corpus: real functions, invented values"):
        workspace.once("corpus", key, write)
    workspace.once("victim", digest(key, repr(profile.victim), digest_files(DEMO_MODEL)), learn)


def demo_config(profile: Profile, seed: int, workspace: Workspace, overrides: Sequence[str] = ()) -> Config:
    """What ``scrubber release demo.toml`` runs: written to the run folder. ``overrides`` come on top."""
    private = workspace.private
    places: dict[str, dict[str, Any]] = {
        "": {"name": "demo", "seed": seed},
        "model": {"path": str(private / "victim")},
        "corpus": {"paths": [str(private / "corpus")]},
        "audit": {"keep_also": [str(private / "keep.jsonl")]},
        "evaluate": {name: str(private / f"{name}.jsonl") for name in ("planted", "decoys", "held_out")},
    }
    lines = []
    for table in dict.fromkeys((*places, *SETTINGS, *profile.settings)):
        keys = {**places.get(table, {}), **SETTINGS.get(table, {}), **profile.settings.get(table, {})}
        # JSON's strings, numbers and lists are TOML's, too
        rows = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        lines.append("\n".join([f"[{table}]", *rows] if table else rows))
    path = workspace.write("demo.toml", "\n\n".join(lines) + "\n")
    return configuration.read(path, overrides)


def run(
    profile: Profile, config: Config, workspace: Workspace, tracker: Tracker, progress: Progress = silent
) -> Report:
    """The release flow on the victim, and three controls put to the same gate."""
    flow = Flow(config, workspace, tracker, progress)
    report = release(flow)
    assert report is not None
    controls = (
        ("victim before unlearning", _verdict(flow, flow.trials("before"), flow.trials("before"))),
        ("victim after plain gradient ascent", _wrecked(flow)),
        (f"only {TOO_FEW} values and tasks asked", _too_few(flow)),
    )
    passed = [name for name, verdict in controls if verdict.outcome == "passed"]
    if passed:
        raise NoVerdict(
            f"the gate let a control pass: {', '.join(passed)}",
            mend="Its other verdicts prove nothing then. Please report this, with the seed and the settings.",
        )
    return replace(report, controls=controls, seconds={**report.seconds, **flow.rounded_seconds()})


def _wrecked(flow: Flow) -> Verdict:
    """Plain gradient ascent at twice the learning rate: it leaks nothing any more, and can do nothing any more."""
    model, settings = flow.config.model, flow.config.unlearn
    ascent = settings.model_copy(
        update={"method": "ga", "settings": {}, "learning_rate": 2 * settings.learning_rate, "check_every": 0}
    )

    def work() -> dict[str, Any]:
        audit = flow.audit()
        wrecked = load(model.path, model.precision, batch_size=model.batch_size)
        material = Material(
            audit.forget, (), audit.audited, flow.config.audit.context_tokens, flow.config.audit.window_tokens
        )
        passes = -(-ASCENT_STEPS * ascent.batch_size // max(len(audit.forget), 1))
        with flow.progress("control: gradient ascent") as advance:
            unlearn(wrecked, material, ThresholdRule(0.0, 0.0), config=ascent.model_copy(update={"max_epochs": passes}),
                    seed=flow.config.seed, workspace=None, tracker=flow.tracker, progress=advance)  # fmt: skip
        # what no rule is about is not asked
        asked = replace(flow.subjects, decoys=(), likelihood_values=0, memorization=False)
        trials = flow.ask(wrecked, "control", asked)
        flow.workspace.write("private/trials/wrecked.jsonl", trials_to_jsonl(trials))
        return {}

    flow.stage("control-wrecked", digest(flow.before_key, ascent.model_dump(), ASCENT_STEPS), work)
    trials = trials_from_jsonl(flow.workspace.path("private/trials/wrecked.jsonl").read_text())
    return _verdict(flow, flow.trials("before"), trials)


def _too_few(flow: Flow) -> Verdict:
    """The released model, judged on a sample that is too small to tell."""

    def few(trials: list[Trial]) -> list[Trial]:
        counts: dict[tuple[str, str], int] = {}
        kept = []
        for trial in trials:
            place = (trial.probe, trial.subset)
            counts[place] = counts.get(place, 0) + 1
            if counts[place] <= TOO_FEW:
                kept.append(trial)
        return kept

    return _verdict(flow, few(flow.trials("before")), few(flow.trials("after")))


def _verdict(flow: Flow, before: list[Trial], after: list[Trial]) -> Verdict:
    made: list[Score] = [*scores(before, "before"), *scores(after, "after"), *differences(before, after)]
    return decide(configuration.policy(flow.config.gate.policy), made)


def _code_digest() -> str:
    """The corpus is made anew when the code that makes it changes."""
    return digest(*((Path(__file__).parent / name).read_text() for name in ("values.py", "world.py", "functions.py")))


def profile_of(name: str) -> Profile:
    if name not in PROFILES:
        raise AskedWrongly(f"there is no demo profile {name!r}", mend=f"Use one of: {', '.join(PROFILES)}.")
    return PROFILES[name]
