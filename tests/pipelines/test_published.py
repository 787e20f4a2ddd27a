"""Published benchmarks within a run: asked of the model before and after by the same file, and scored in pairs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.model.load import load
from scrubber.pipelines import config as configuration
from scrubber.pipelines import published
from scrubber.pipelines.measure import differences, scores

ROWS = [
    {
        "task_id": f"HumanEval/{number}", "entry_point": f"add_{number}",
        "prompt": f'def add_{number}(x):\n    """Adds {number}."""\n', "canonical_solution": f"    return x + {number}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {1 + number}\n",
    }
    for number in range(3)
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    return path


def config(*benchmarks: str) -> configuration.Config:
    return configuration.read(None, [f"evaluate.benchmarks=[{', '.join(benchmarks)}]"], {})


def test_a_benchmark_is_asked_judged_and_compared(data: Path, tiny_models: dict[str, Path]) -> None:
    settings = config(f'{{name = "humaneval", data = "{data}"}}')
    (asked,) = benchmarks = published.configured(settings)
    assert asked.settings["benchmark.humaneval.tasks"] == 3
    assert len(str(asked.settings["benchmark.humaneval.data_sha256"])) == 64
    assert configuration.flat(settings)["evaluate.benchmarks"] == f"humaneval:all:{data}"
    model = load(str(tiny_models["llama"]), "fp32")
    before = published.ask(model, benchmarks, settings)

    class Solves:
        capabilities = frozenset({"generate"})

        def generate(self, prompts: list[str], *, max_new_tokens: int) -> list[str]:
            return [row["canonical_solution"] for row in ROWS]

    after = published.ask(Solves(), benchmarks, settings)  # type: ignore[arg-type]
    made = {(s.metric, s.stage, s.subset): s for s in [*scores(after, "after"), *differences(before, after)]}
    assert set(made) == {("pass_at_1", "after", "humaneval"), ("pass_at_1", "difference", "humaneval")}
    assert (made["pass_at_1", "after", "humaneval"].value, made["pass_at_1", "after", "humaneval"].n) == (1.0, 3)
    assert made["pass_at_1", "difference", "humaneval"].value == 1.0


def test_several_answers_a_task_have_no_pairs(data: Path, tiny_models: dict[str, Path]) -> None:
    settings = config(f'{{name = "humaneval", data = "{data}", samples = 5}}')
    benchmarks = published.configured(settings)
    assert benchmarks[0].settings["benchmark.humaneval.temperature"] == 0.2
    trials = published.ask(load(str(tiny_models["llama"]), "fp32"), benchmarks, settings)
    assert len(trials) == 15
    made = {(s.metric, s.subset): s.n for s in scores(trials, "after")}
    assert made == {("pass_at_1", "humaneval"): 3, ("pass_at_5", "humaneval"): 3}
    assert differences(trials, trials) == []


def test_without_a_benchmark_nothing_is_asked() -> None:
    assert published.configured(config()) == []
    assert published.ask(None, [], config()) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (('{name = "humanevil", data = "x"}',), "humanevil"),
        (('{name = "humaneval", data = "/nowhere.jsonl"}',), "cannot be read"),
        (('{name = "humaneval", data = "DATA"}', '{name = "humaneval", data = "DATA"}'), "named twice"),
        (('{name = "humaneval", data = "DATA", subset = "hard"}',), "no problem in the subset"),
    ],
)
def test_what_cannot_be_asked_is_told_before_a_model_is_loaded(rows: tuple[str, ...], said: str, data: Path) -> None:
    with pytest.raises(AskedWrongly, match=said):
        published.configured(config(*(row.replace("DATA", str(data)) for row in rows)))
