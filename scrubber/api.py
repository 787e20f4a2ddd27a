"""Scrubber from Python: scan, audit, unlearn, evaluate, gate, release, on the same flow as the command line.

    import scrubber

    found = scrubber.scan("path/to/repository")
    made = scrubber.release(model="path/to/model", corpus="path/to/repository", run_dir="run")
    print(made.outcome, made.page)

``audit``, ``unlearn``, ``evaluate`` and ``release`` are configured alike: by a TOML file, a mapping, or a Config, and by
keywords on top of it, one for each section (``unlearn={"method": "npo", "max_epochs": 5}``). Keys and their meaning:
``scrubber config``. For the sections of SHORT a plain value is that key of theirs: ``model="path"``,
``unlearn="npo"``. The keywords win over the environment (``SCRUBBER_SET``), which wins over the file.

What goes on is told on standard error unless ``quiet``. All raise the errors of ``scrubber.core.errors``, each with what
is wrong, where, and the mend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrubber.core.errors import AskedWrongly, Interrupted, NoVerdict
from scrubber.core.quiet import NoTracker
from scrubber.core.types import GatePolicy, Origin, Report, Tracker
from scrubber.core.workspace import Workspace
from scrubber.pipelines import config as configuration
from scrubber.pipelines.config import Config
from scrubber.results import Audited, Evaluated, Judged, Scanned, Unlearnt
from scrubber.terminal import progress, say

if TYPE_CHECKING:
    from scrubber.pipelines.release import Flow

PathLike = str | os.PathLike[str]
Configured = Config | Mapping[str, Any] | PathLike | None

RUN = "scrubber-run"  # the run folder where none is named, as on the command line
SHORT = {"model": "path", "corpus": "paths", "unlearn": "method", "gate": "policy", "tracker": "name"}


def scan(
    *paths: PathLike,
    profile: str = "balanced",
    detect: Sequence[str] = (),
    rules: Sequence[PathLike] = (),
    leave_out: Sequence[str] = (),
    origin: Origin = "corpus",
    workers: int = 1,
    gitignore: bool = False,
    text_column: str | None = None,
    quiet: bool = False,
) -> Scanned:
    """Secrets and personal data in folders, files, JSONL, Parquet, archives, notebooks, ``git:PATH``, ``hf:NAME``.

    ``detect``: detectors instead of secrets and pii. ``rules``: packs of your own. ``leave_out``: rules whose findings are
    dropped. ``origin``: "generation" where a model wrote it. Fingerprints are under the key of SCRUBBER_KEY_FILE, or
    of this user. A file that cannot be read is among the ``errors``, and makes the scan not clean.
    """
    from scrubber.core.fingerprint import Fingerprinter, project_key, user_key
    from scrubber.pipelines.packs import sound_rules
    from scrubber.pipelines.scan import DETECTORS, default_scan, scan_corpus
    from scrubber.pipelines.shards import Options

    if not paths:
        raise AskedWrongly("there is nothing to scan", mend="Name a folder or a file.")
    chosen = default_scan(
        Fingerprinter(project_key(user_key())), tuple(detect) or DETECTORS, profile, leave_out,
        sound_rules([Path(pack) for pack in rules]),
    )  # fmt: skip
    options = Options(workers or os.cpu_count() or 1, None, gitignore, text_column, origin)
    made = scan_corpus(paths, scan=chosen, progress=progress(quiet), options=options)
    return Scanned(made.findings, made.documents, made.bytes, made.errors, made.skipped, made.seconds)


def audit(config: Configured = None, *, run_dir: PathLike = RUN, quiet: bool = False, **settings: Any) -> Audited:
    """Scans the corpus, then asks the model for every value found there: which does it know?"""
    from scrubber.pipelines.release import release as walk

    with opened(configured(config, **settings), run_dir, quiet=quiet) as flow:
        walk(flow, "audit")
        done = flow.audited
        return Audited(done["values"], len(done["learnt"]), dict(sorted(flow.found.items())), flow.workspace.root)


def unlearn(config: Configured = None, *, run_dir: PathLike = RUN, quiet: bool = False, **settings: Any) -> Unlearnt:
    """Trains an adapter that makes the model forget what the audit found. Stages that the run folder lacks come first."""
    from scrubber.pipelines.release import release as walk

    with opened(configured(config, **settings), run_dir, quiet=quiet) as flow:
        walk(flow, "unlearn")
        done, asked = flow.unlearnt, flow.config.unlearn
        place = flow.workspace.path("adapter" if asked.weights == "lora" else "model") if done["steps"] else None
        kept, root = done.get("best_step"), flow.workspace.root
        return Unlearnt(asked.method, done["steps"], done["stopped"], kept, place, root)


def evaluate(config: Configured = None, *, run_dir: PathLike = RUN, quiet: bool = False, **settings: Any) -> Evaluated:
    """Measures leaks, memorization and utility, before and after. Stages that the run folder lacks come first."""
    from scrubber.pipelines.measure import differences
    from scrubber.pipelines.release import release as walk

    with opened(configured(config, **settings), run_dir, quiet=quiet) as flow:
        walk(flow, "evaluate")  # from here on the stages read what they have left
        scores = (*flow.before(flow.audit()), *flow.after())
        return Evaluated((*scores, *differences(flow.trials("before"), flow.trials("after"))), flow.workspace.root)


def gate(result: Judged | Report | PathLike = RUN, *, policy: GatePolicy | str = "") -> Judged:
    """Judges stored scores again, under the same policy or another, by name or of a TOML file. Needs no model.

    ``result``: what ``release`` gave, a run folder, or its result.json. Raises NoVerdict where there is none.
    """
    from scrubber.pipelines.publish import regate

    if isinstance(result, (Judged, Report)):
        before = result if isinstance(result, Judged) else Judged(result)
    else:
        path = Path(result)
        before = Judged(stored(path), path if path.is_dir() else path.parent)
    held = policy if isinstance(policy, GatePolicy) else configuration.policy(policy or before.report.policy)
    return Judged(regate(before.report, held), before.run_dir)


def release(config: Configured = None, *, run_dir: PathLike = RUN, quiet: bool = False, **settings: Any) -> Judged:
    """The whole job: scan, audit, unlearn, evaluate, gate, report. A run that was stopped goes on from its folder."""
    from scrubber.pipelines.publish import publish
    from scrubber.pipelines.release import release as walk

    with opened(configured(config, **settings), run_dir, quiet=quiet) as flow:
        report = walk(flow)
        assert report is not None  # the gate has spoken
        publish(report, flow.workspace, flow.tracker)
        return Judged(report, flow.workspace.root)


def configured(config: Configured = None, **settings: Any) -> Config:
    """The configuration of a file, a mapping or a Config, with ``settings`` on top. Raises AskedWrongly for all mistakes."""
    file = Path(config) if isinstance(config, (str, os.PathLike)) else None
    given: Mapping[str, Any] = {}
    if isinstance(config, Config):
        given = config.model_dump()
    elif file is None:
        given = config or {}  # type: ignore[assignment]  # a Mapping: mypy does not narrow by os.PathLike
    return configuration.read(file, [*_overrides(given), *_overrides(settings)])


@contextmanager
def opened(settings: Config, run_dir: PathLike, *, quiet: bool = False) -> Iterator[Flow]:
    """A Flow on the run folder, its lock held; everything that can be known to be wrong is said before."""
    need_training()
    from scrubber.pipelines.preflight import check
    from scrubber.pipelines.release import Flow

    check(settings)
    with Workspace(Path(run_dir).absolute()) as workspace, tracked(settings, workspace) as tracker:
        use_threads(settings)
        yield Flow(settings, workspace, tracker, progress(quiet), *(() if quiet else (say,)))


@contextmanager
def tracked(settings: Config, workspace: Workspace) -> Iterator[Tracker]:
    """The tracker that the configuration names, found by entry point; it learns of a run's end whatever that is.

    Where the store is not named it is a database in the run folder, or, inside a run of MLflow's (``mlflow run`` sets
    MLFLOW_RUN_ID), that run's own.
    """
    from scrubber.core import parts

    tracker: Tracker = NoTracker()
    if settings.tracker.name:
        made = parts.load("scrubber.trackers", "scrubber.trackers", settings.tracker.name)
        around = os.environ.get("MLFLOW_TRACKING_URI", "") if os.environ.get("MLFLOW_RUN_ID") else ""
        uri = settings.tracker.uri or around or f"sqlite:///{workspace.path('mlflow.db')}"
        tracker = made(
            uri=uri, experiment=settings.tracker.experiment, run_name=settings.name,
            resume=workspace.path("tracker.json"),
        )  # fmt: skip
        tracker.settings(configuration.flat(settings))
    try:
        yield tracker
    except (Interrupted, KeyboardInterrupt):
        tracker.close("KILLED")
        raise
    except BaseException:
        tracker.close("FAILED")
        raise
    tracker.close()


def need_training() -> None:
    """Raises AskedWrongly where the libraries that ask and train models are not installed."""
    if not all(map(find_spec, ("torch", "transformers", "peft", "bitsandbytes"))):
        raise AskedWrongly("asking and training models needs more libraries", mend="pip install 'code-scrubber[train]'")


def use_threads(settings: Config) -> None:
    """As many CPU threads as the configuration says, or as there are cores."""
    from scrubber.core.model import load

    load.use_threads(settings.model.threads or os.cpu_count() or 1)


def stored(path: Path) -> Report:
    """The Report of a run folder, or of its result.json. Raises NoVerdict where there is none."""
    from scrubber.reporting.result import from_json

    file = path / "result.json" if path.is_dir() else path
    try:
        return from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise NoVerdict(
            "there is no stored result", where=str(file), mend="Run scrubber release or demo first."
        ) from None


def _overrides(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings as the command line's ``section.key=value``; what is None is left as it is."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _overrides(value, f"{prefix}{key}.")
        elif not prefix and key in SHORT:
            short = [value] if key == "corpus" and isinstance(value, (str, os.PathLike)) else value
            yield from _overrides({SHORT[key]: short}, f"{key}.")
        elif value is not None:
            yield f"{prefix}{key}={_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, default=str, ensure_ascii=False)  # JSON's strings and numbers are TOML's, too
