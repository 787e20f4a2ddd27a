"""One TOML file says what a run does. Every mistake in it is reported at once, before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import GatePolicy
from scrubber.pipelines.tables import help_of, load_table, read_as, sentence

POLICIES = Path(__file__).parents[1] / "data" / "policies"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(_Strict):
    path: str = Field(
        "",
        description="folder of a saved model, a hub id ORG/NAME, or a server http://HOST:PORT/v1 (both reach the network)",
    )
    served_name: str = Field("", description="the model's name on that server; empty: the only one that it lists")
    api_key_variable: str = Field(
        "", description="environment variable that holds the server's key; empty: none is sent"
    )
    tokenizer: str = Field(
        "", description="folder or hub id of the served model's tokenizer; empty: lengths count bytes"
    )
    concurrency: int = Field(4, ge=1, description="requests that a server gets at once")
    timeout: float = Field(120.0, gt=0, description="seconds that a server's answer may take")
    patience: float = Field(300.0, ge=0, description="seconds through which a request to a server is repeated")
    precision: Literal["nf4", "int8", "bf16", "fp32"] = Field("nf4", description="that of the model which ships")
    batch_size: int = Field(64, ge=1, description="prompts answered at once")
    threads: int = Field(0, ge=0, description="CPU threads; 0: as many as there are cores")

    @property
    def is_served(self) -> bool:
        return self.path.startswith(("http://", "https://"))


class CorpusConfig(_Strict):
    paths: list[str] = Field([], description="files and folders that the model was fine-tuned on")
    detectors: list[str] = ["secrets", "pii"]
    rules: list[str] = Field([], description="packs of your own rules: TOML files, or folders of them")
    leave_out: list[str] = Field([], description="rules whose findings are dropped, such as person-name")
    spans: list[str] = Field([], description="JSONL of document, start, end: code to forget that no detector looks for")
    whole: list[str] = Field([], description="globs over document ids, such as licensed/*: to be forgotten whole")
    patterns: list[str] = Field([], description="TOML files of tree-sitter queries over code, such as insecure calls")
    allow_errors: bool = Field(False, description="go on although files could not be read")


class AuditConfig(_Strict):
    memorization_accuracy: float = Field(
        0.9, gt=0, le=1, description="a value counts as learnt from here on, as in the paper"
    )
    most_values: int = Field(2000, ge=1, description="more findings than this are sampled, by seed")
    context_tokens: int = Field(128, ge=1, description="of true text before a value")
    window_tokens: int = Field(512, ge=16, description="of text round a value, to train on")
    keep: int = Field(
        256, ge=1, description="texts without findings, to hold the model to; as many to measure perplexity"
    )
    keep_tokens: int = Field(128, ge=16)
    keep_also: list[str] = Field([], description="more texts to hold the model to, such as public code: as many again")


class UnlearnConfig(_Strict):
    method: str = "codeeraser"
    settings: dict[str, bool | int | float | str] = Field(
        {}, description="the method's own; see: scrubber parts methods"
    )
    weights: Literal["lora", "full"] = Field("lora", description="an adapter, or all but embeddings and output head")
    optimizer: Literal["adamw", "adamw_8bit", "sign_adam", "sam", "hybrid"] = "adamw"
    learning_rate: float = Field(5e-4, gt=0)
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    betas: tuple[float, float] = Field((0.9, 0.98), description="of Adam, as published; lower ones overshoot less")
    clip: float = Field(
        1.0, gt=0, description="a gradient's largest norm; below its usual norm, steps become of one length"
    )
    batch_size: int = Field(16, ge=1)
    retain_batch_size: int = Field(0, ge=0, description="texts to keep beside each batch_size to forget; 0: as many")
    micro_batch: int = Field(8, ge=1, description="rows of like length that go through the model at once")
    order: Literal["joint", "alternating"] = "joint"
    edges: Literal["overlap", "inclusive"] = "overlap"
    max_epochs: int = Field(10, ge=1)
    check_every: int = Field(5, ge=0, description="steps between two checks; 0: after every pass over the forget set")
    check_values: int = Field(64, ge=1, description="values that a check asks for")
    margin: float = Field(0.1, ge=0, description="EL_10 is measured once MA is this near to its threshold")
    patience: int = Field(5, ge=1)
    rule: Literal["paper", "memorization"] = Field(
        "paper", description="what ends it: MA and EL_10 of decoys, or MA alone"
    )
    budget: float = Field(
        1.1, ge=0, description="most perplexity of kept texts, to before; beyond, no weights are best"
    )
    hold: int = Field(1, ge=1, description="checks in a row at which the stopping rule must be met")
    save_every: int = Field(25, ge=1)
    variants: int = Field(
        0, ge=0, description="rewritten contexts beside each Python sample: other names, order, quotes"
    )
    checkpointing: bool = Field(False, description="less memory for activations, a third more time")


class BenchmarkConfig(_Strict):
    name: str = Field(description="humaneval or mbpp, or another package's")
    data: str = Field("", description="its file (JSONL, .gz), or hf:NAME[:SPLIT]; empty: the hub (reaches the network)")
    subset: str = "all"
    samples: int = Field(1, ge=1, description="answers a task: one is greedy, more are drawn")
    temperature: float = Field(0.2, gt=0, description="of drawn answers")

    def __str__(self) -> str:
        return f"{self.name}:{self.subset}:{self.data or 'hub'}"


class EvaluateConfig(_Strict):
    suite: Literal["quick", "full"] = Field(
        "quick",
        description="full: also what the policies standard and strict ask for; takes a hundred times the answers",
    )
    samples: int = Field(10, ge=1, description="full: answers to each value, of each prompt family at each temperature")
    temperatures: list[Annotated[float, Field(gt=0)]] = Field([0.8, 1.0], description="full: of those answers")
    sampled_values: int = Field(400, ge=1, description="full: values that answers are sampled for, and that are ranked")
    choices: int = Field(1000, ge=0, description="full: other values that each is ranked among; exposure wants 1000")
    benchmarks: list[BenchmarkConfig] = Field(
        [], description='such as [{name = "humaneval", data = "HumanEval.jsonl.gz"}]: asked before and after, too'
    )
    planted: str = Field(
        "", description="JSONL with value, kind, document, start, end, text: values known to be in the corpus"
    )
    decoys: str = Field(
        "", description="the same, of values that are nowhere; empty: made in the slots of the audited ones"
    )
    held_out: str = Field(
        "", description="texts for perplexity; empty: corpus documents without findings, not trained on"
    )
    micro_tasks: int = Field(600, ge=0, description="half of seen, half of unseen compositions")
    likelihood_values: int = Field(64, ge=0, description="values for EL_n, the dear metric")
    isolation: Literal["auto", "bubblewrap", "landlock", "limits-only"] = Field(
        "auto", description="layer of the sandbox; auto: the strongest that works"
    )
    require_isolation: bool = Field(True, description="no verdict where generated code cannot be confined")


class GateConfig(_Strict):
    policy: str = Field("release", description="name of a policy of ours, or a TOML file")


class TrackerConfig(_Strict):
    name: str = Field("", description="mlflow, or another package's; empty: none")
    uri: str = Field("", description="empty: sqlite in the run folder")
    experiment: str = "scrubber"


class Config(_Strict):
    """What ``scrubber release`` and the stages read."""

    model: ModelConfig = ModelConfig()
    corpus: CorpusConfig = CorpusConfig()
    audit: AuditConfig = AuditConfig()
    unlearn: UnlearnConfig = UnlearnConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    tracker: TrackerConfig = TrackerConfig()
    name: str = Field("release", description="of the run")
    seed: int = 0


def read(path: Path | None, overrides: Sequence[str] = (), environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a file, changed by ``SCRUBBER_SET`` and by ``overrides``: see ``read_as``."""
    return read_as(Config, path, overrides, environment, keys="scrubber config")


def flat(config: BaseModel, prefix: str = "") -> dict[str, str | int | float | bool | None]:
    """Dotted keys and plain values, for reports and trackers."""
    rows: dict[str, str | int | float | bool | None] = {}
    for key, value in config:
        if isinstance(value, BaseModel):
            rows |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, dict):
            rows |= {f"{prefix}{key}.{k}": v for k, v in value.items()}
        else:
            rows[prefix + key] = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    return rows


def help_text() -> str:
    return help_of(Config)


def policy(name: str) -> GatePolicy:
    """The policy of that name, or of that file. Raises AskedWrongly that names every mistake in it."""
    path = POLICIES / f"{name}.toml" if name.isidentifier() else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in POLICIES.glob("*.toml")))
        raise AskedWrongly(f"there is no gate policy {name!r}", mend=f"Use one of {known}, or the path of a TOML file.")
    try:
        found = TypeAdapter(GatePolicy).validate_python(load_table(path))
    except ValidationError as error:
        faults = "; ".join(sentence(fault["loc"], fault["msg"], fault["type"]) for fault in error.errors())
        raise AskedWrongly(f"the gate policy is wrong: {faults}", where=str(path)) from None
    empty = [r.metric for r in found.rules if r.at_most is None and r.at_least is None]
    if empty or not found.rules:
        raise AskedWrongly(
            "the gate policy has " + (f"rules without a limit: {', '.join(empty)}" if empty else "no rule"),
            where=str(path),
            mend="Give each rule at_most or at_least.",
        )
    return found
