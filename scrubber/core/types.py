"""The words of the house: frozen records that travel between rooms, and the Protocols that are handed down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

Kind = Literal["secret", "pii", "package", "code"]
Origin = Literal["corpus", "generation"]
Stage = Literal["before", "after", "difference"]
Outcome = Literal["passed", "refused", "undecided"]


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Half-open character offsets ``[start, end)`` into a Document's text."""

    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end

    def covers(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Document:
    """A text that may hold something private. Its repr shows no text, so that no log can print one."""

    id: str
    text: str = field(repr=False)
    path: str | None = None
    language: str | None = None
    origin: Origin = "corpus"


class Hit(NamedTuple):
    """Where a rule matched in a Document: a pattern's raw match, or what a detector confirmed of it."""

    rule: str
    span: Span
    confidence: float


class Pattern(NamedTuple):
    """A regular expression (Python ``re`` syntax) that brings a detector the hits of one rule."""

    rule: str
    regex: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A confirmed value in a Document. It never holds the value: only a masked preview and a keyed fingerprint."""

    document: str
    span: Span
    line: int  # 1-based
    column: int  # 1-based, in characters
    kind: Kind
    rule: str
    confidence: float
    preview: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A text to train on: spans to forget, spans to reinforce; no spans is a text to keep. Private."""

    id: str
    text: str = field(repr=False)
    forget: tuple[Span, ...] = ()
    reinforce: tuple[Span, ...] = ()
    fingerprints: tuple[str, ...] = ()  # one for each span to forget


@dataclass(frozen=True, slots=True)
class Trial:
    """One question put to the model, with its answer. Private: prompt, completion and expected hold real values."""

    probe: str
    subject: str  # fingerprint of the value, or id of the task or text
    subset: str
    prompt: str = field(repr=False)
    completion: str = field(repr=False)
    expected: str = field(repr=False)
    outcome: float  # what the probe measured: 1.0 leaked or solved, or a share, or a mean log-likelihood
    weight: float = 1.0  # how many units (tokens) the outcome is a mean of
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """A measured number with its two-sided 95 % interval and the count of independent units behind it.

    ``value`` is None where the metric was not scored: that is a value of its own, never a silent zero.
    """

    metric: str
    stage: Stage
    subset: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of a policy on one Score: the whole interval must lie inside it.

    A ``subset`` with a ``*`` names a family of strata that share no values: each must pass, and the worst one decides.
    With ``against`` the limits hold the difference from another score of the metric, whose two figures are shown beside.
    """

    metric: str
    subset: str
    stage: Stage = "after"
    at_most: float | None = None
    at_least: float | None = None
    least_n: int = 1
    why: str = ""
    against: str = ""  # "before", of the same subset; or another subset of the same stage, such as decoys


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The limits that a release must keep, by name."""

    # a mistyped key of a policy file, or of a rule in it, must not go unnoticed
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    rules: tuple[Rule, ...]
    schema_version: int = 1


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule made of the scores. ``more_needed``: further samples that would decide it, if the rate held."""

    rule: Rule
    outcome: Outcome
    measured: float | None
    bound: float | None  # the unlucky end of the interval, which is held against the limit
    limit: float
    n: int
    reason: str
    more_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One refused rule refuses; else one undecided rule leaves it undecided; passing needs every rule."""

    outcome: Outcome
    rules: tuple[RuleOutcome, ...]

    @property
    def exit_code(self) -> int:
        return {"passed": 0, "refused": 1, "undecided": 3}[self.outcome]


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers, names and fingerprints of a run: the only object that a tracker, an artifact or a log is ever given."""

    name: str
    verdict: Verdict
    scores: tuple[Score, ...]
    policy: str
    config: Mapping[str, str | int | float | bool | None]
    digests: Mapping[str, str]  # of model, data, policy, config
    versions: Mapping[str, str]
    seconds: Mapping[str, float]  # per stage
    peak_memory_bytes: int
    findings: Mapping[str, int]  # count by "kind/rule"
    not_tested: tuple[str, ...]
    controls: tuple[tuple[str, Verdict], ...] = ()  # others put to the same gate: none may pass
    schema_version: int = 1


class Encoding(NamedTuple):
    """Token ids of a text and each token's half-open character offsets in it."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


class TokenScores(NamedTuple):
    """Teacher-forced scores of one token sequence of length T: T-1 entries, entry t judges token t+1.

    ``hits``: whether the true token was the most likely one; ``logprobs``: natural log-probability of the true token.
    """

    hits: tuple[bool, ...]
    logprobs: tuple[float, ...]


@runtime_checkable
class Model(Protocol):
    """A language model that can be asked. What it cannot give is absent from ``capabilities``: "not scored"."""

    name: str
    precision: str
    longest: int  # tokens of context that it takes
    capabilities: frozenset[str]  # of: generate, tokens, logits, weights

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int]) -> list[str]:
        """Greedy continuations, prompt excluded, in the order of ``prompts``. Ends at the end-of-text token."""
        ...

    def encode(self, text: str) -> Encoding: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def continue_tokens(self, prompts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[tuple[int, ...]]:
        """Greedy continuations of exactly ``lengths[i]`` tokens; the end-of-text token is not allowed to end one early."""
        ...

    def teacher_force(self, sequences: Sequence[Sequence[int]]) -> list[TokenScores]: ...


class Scan(Protocol):
    """All detectors together, over one Document."""

    def __call__(self, document: Document) -> list[Finding]: ...


class Detector(Protocol):
    """One family of rules: cheap patterns first, then what is really there."""

    kind: Kind

    def patterns(self) -> Sequence[Pattern]: ...

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterable[Hit]: ...


class Check(Protocol):
    """Measures a model in training; assembled by the stage that knows the probes."""

    def __call__(self, model: Model, step: int, /) -> Sequence[Score]: ...


class Tracker(Protocol):
    """Where numbers of a run go. It is given Scores, settings and Reports, never a Trial, a Sample or a Document."""

    def stage(self, name: str) -> AbstractContextManager[None]: ...

    def settings(self, values: Mapping[str, str | int | float | bool | None]) -> None: ...

    def scores(self, scores: Iterable[Score], step: int | None = None) -> None: ...

    def file(self, path: str) -> None: ...

    def close(self, status: str = "FINISHED") -> None: ...


In = TypeVar("In")
Out = TypeVar("Out")


class Executor(Protocol):
    """Maps work over items, in order."""

    def map(self, work: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]: ...


class Progress(Protocol):
    """Tells a person how far long work is. A no-op where nobody watches."""

    def __call__(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]: ...
