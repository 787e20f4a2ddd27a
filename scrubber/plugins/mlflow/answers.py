"""A model's answers, as MLflow hands them over, scanned and scored: trials in, scores out, and no text beyond."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Scan, Score, Stage, Trial
from scrubber.evaluation.metrics import finding_rate, indirect_leak_rate, leak_rate, pass_at_k

PROBE = "mlflow"
_FUNCTION = re.compile(r"^def\s+(\w+)\s*\(", re.MULTILINE)
_CHECK = re.compile(r"^def\s+check\s*\(", re.MULTILINE)
ANSWER_KEYS = ("completion", "content", "generated_text", "output", "text")  # of an answer that is an object


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of ``evaluator_config``. Columns that are named are never shown to the model, the prompts' apart."""

    policy: str = "release"  # name of a gate policy, or a TOML file
    prompt: str = "prompt"  # column of prompts; the only one, whatever its name
    expected: str = "expected"  # column of values that must not come out; MLflow's targets, if those are given
    subset: str = "subset"  # column of what a row belongs to: audited, decoys ...
    tests: str = "tests"  # column of code that judges the function which a prompt begins, run in the sandbox
    before: str = "before"  # column of answers of the model before unlearning, to the same prompts
    detectors: tuple[str, ...] = ("secrets", "pii")
    isolation: Literal["auto", "bubblewrap", "landlock", "limits-only"] = "auto"  # layer of the sandbox


class Row(NamedTuple):
    """A prompt with its answer. Private."""

    prompt: str
    expected: str
    subset: str
    tests: str
    answer: str


def settings(config: Mapping[str, Any] | None) -> Settings:
    """Raises AskedWrongly that names every key there is not and every value of another type."""
    given = dict(config or {})
    known = {one.name: one.default for one in fields(Settings)}
    if isinstance(given.get("detectors"), list):
        given["detectors"] = tuple(given["detectors"])
    wrong = [f"{key}: there is no such key" for key in given if key not in known]
    wrong += [f"{key}: not a {type(known[key]).__name__}" for key in given.keys() & known if
              not isinstance(given[key], type(known[key]))]  # fmt: skip
    if wrong:
        raise AskedWrongly(
            "the evaluator's configuration is wrong: " + "; ".join(sorted(wrong)),
            where="evaluator_config",
            mend="Its keys are: " + ", ".join(known) + ".",
        )
    return Settings(**given)


def texts(answers: Any, count: int) -> list[str]:
    """Answers of a model (a list, an array, a column, a frame of one column) as text, one for each prompt.

    Raises AskedWrongly when they are not as many, or one is no text: an answer that is missing is not a clean one.
    """
    if hasattr(answers, "columns"):
        if len(answers.columns) != 1:
            raise AskedWrongly("the model answers with several columns", mend="Name one: predictions=COLUMN.")
        answers = answers.iloc[:, 0]
    found = [_text(one) for one in (answers.tolist() if hasattr(answers, "tolist") else list(answers))]
    if len(found) != count:
        raise AskedWrongly(f"the model gave {len(found)} answers to {count} prompts", mend="One string for each.")
    missing = [number for number, one in enumerate(found, 1) if one is None]
    if missing:
        raise AskedWrongly(
            f"{len(missing)} answers are no text, the first is that of row {missing[0]}",
            mend=f"Answer with strings, or with objects that have one of: {', '.join(ANSWER_KEYS)}.",
        )
    return [one for one in found if one is not None]


def score(
    rows: Sequence[Row],
    *,
    stage: Stage,
    scan: Scan,
    fingerprint: Fingerprinter,
    solve: Callable[[Sequence[Row]], list[bool]],
) -> tuple[list[Score], list[Trial]]:
    """Scores of one model's answers, and the trials of tasks for a paired difference.

    Rows with an expected value give ``leak_rate`` and ``indirect_leak_rate`` of their subset ("audited"), all rows
    ``finding_rate`` of theirs ("generations"), and rows with tests ``pass_at_1`` of theirs ("tasks"); n counts values,
    answers and tasks. ``solve``: whether each of such rows passes its tests.
    """
    made: list[Score] = []
    values = [row for row in rows if row.expected]
    for subset, asked in _by_subset(values, "audited").items():
        trials = [_trial(row, subset, scan, fingerprint) for row in asked]
        worst = _by_value(trials)
        made.append(leak_rate.score(worst, stage=stage, subset=subset))
        made.append(finding_rate.score(worst, stage=stage, subset=subset))
        made.append(indirect_leak_rate.score(trials, stage=stage, subset=subset))
    for subset, asked in _by_subset([row for row in rows if not row.expected], "generations").items():
        made.append(
            finding_rate.score([_trial(r, subset, scan, fingerprint) for r in asked], stage=stage, subset=subset)
        )
    tasks: list[Trial] = []
    for subset, asked in _by_subset([row for row in rows if row.tests], "tasks").items():
        solved = [
            Trial(PROBE, f"{subset}/{number}", subset, row.prompt, row.answer, "", float(passed))
            for number, (row, passed) in enumerate(zip(asked, solve(asked), strict=True))
        ]
        made.append(pass_at_k.score(solved, stage=stage, subset=subset))
        tasks += solved
    return made, tasks


def differences(before: Sequence[Trial], after: Sequence[Trial]) -> list[Score]:
    """``pass_at_1`` after minus before, of each subset, task by task."""
    subsets = dict.fromkeys(trial.subset for trial in (*before, *after))
    return [
        pass_at_k.difference(
            [t for t in before if t.subset == subset], [t for t in after if t.subset == subset], subset=subset
        )
        for subset in subsets
    ]


def remembering(scan: Scan) -> Scan:
    """Scans a text once, however often it is asked: a model that gives up answers many prompts alike."""
    known: dict[str, list[Finding]] = {}

    def scanned(document: Document) -> list[Finding]:
        if document.text not in known:
            known[document.text] = scan(document)
        return known[document.text]

    return scanned


def counted(rows: Sequence[Row], scan: Scan) -> dict[str, int]:
    """How many findings there are in the answers, by "kind/rule"."""
    found = (f for n, row in enumerate(rows) for f in scan(Document(f"answer-{n}", row.answer, origin="generation")))
    return dict(sorted(Counter(f"{finding.kind}/{finding.rule}" for finding in found).items()))


def solver(
    isolation: Literal["auto", "bubblewrap", "landlock", "limits-only"],
) -> Callable[[Sequence[Row]], list[bool]]:
    """Judges a prompt with its answer by the row's tests, in the sandbox."""

    def solve(rows: Sequence[Row]) -> list[bool]:
        from scrubber.evaluation.sandbox.runner import Exam, Sandbox

        with Sandbox(require_isolation=True, layer=isolation) as sandbox:
            exams = [Exam(row.prompt + row.answer, _tests(row)) for row in rows]
            return [judgement.passed for judgement in sandbox.judge(exams)]

    return solve


def _tests(row: Row) -> str:
    """The row's tests, which call the function by its name, or define ``check(candidate)`` as HumanEval's do."""
    names = _FUNCTION.findall(row.prompt)
    if not names:
        raise AskedWrongly("a prompt with tests begins no function", mend="Let it hold a line: def NAME(...):")
    return f"{names[-1]} = function_of({names[-1]!r})\n{row.tests}\n" + (
        f"check({names[-1]})\n" if _CHECK.search(row.tests) else ""
    )


def _trial(row: Row, subset: str, scan: Scan, fingerprint: Fingerprinter) -> Trial:
    subject = fingerprint("secret", row.expected or row.prompt)
    findings = tuple(scan(Document(subject, row.answer, origin="generation")))
    leaked = bool(row.expected) and row.expected in row.answer
    return Trial(PROBE, subject, subset, row.prompt, row.answer, row.expected, float(leaked), findings=findings)


def _by_value(trials: Sequence[Trial]) -> list[Trial]:
    """One trial a value: it leaked if any prompt brought it. An interval over prompts would count one value twice."""
    worst: dict[str, Trial] = {}
    for trial in trials:
        if trial.subject not in worst or trial.outcome > worst[trial.subject].outcome:
            worst[trial.subject] = trial
    return list(worst.values())


def _by_subset(rows: Sequence[Row], default: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.subset or default, []).append(row)
    return found


def _text(answer: Any) -> str | None:
    if isinstance(answer, Mapping):
        answer = next((answer[key] for key in ANSWER_KEYS if key in answer), None)
    return answer if isinstance(answer, str) else None
