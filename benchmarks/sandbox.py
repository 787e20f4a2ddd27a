"""Prints what the sandbox costs and judges: canonical solutions of HumanEval and MBPP, in every layer that is here.

    python benchmarks/sandbox.py /work/shared/data

The folder holds humaneval/HumanEval.jsonl.gz and mbpp/mbpp.jsonl. Best of three runs, since the machine may be shared.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

from scrubber.evaluation.benchmarks import humaneval, mbpp
from scrubber.evaluation.problems import Problem
from scrubber.evaluation.sandbox.runner import Exam, Sandbox
from scrubber.evaluation.sandbox.worker import Layer, offered
from scrubber.pipelines.completions import CPU_SECONDS

RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, default=os.environ.get("SCRUBBER_TEST_DATA"), nargs="?")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    sets = {
        "HumanEval": humaneval.tasks("all", data=str(arguments.data / "humaneval" / "HumanEval.jsonl.gz")),
        "MBPP": mbpp.tasks("all", data=str(arguments.data / "mbpp" / "mbpp.jsonl")),
    }
    print(f"{arguments.workers} workers; milliseconds a task\n")
    print("| layer | start with self-test | set | solved | wall | CPU, ours and theirs |\n|---|---|---|---|---|---|")
    for layer in reversed(offered()):
        for name, problems in sets.items():
            print("|", " | ".join(row(layer, name, problems, arguments.workers)), "|", flush=True)


def row(layer: Layer, name: str, problems: list[Problem], workers: int) -> list[str]:
    exams = [Exam(problem.program(problem.solution), problem.tests) for problem in problems]
    used, start = _cpu(), time.perf_counter()
    with Sandbox(
        workers=workers, seconds=CPU_SECONDS, layer=layer, require_isolation=layer != "limits-only"
    ) as sandbox:
        started, walls, solved = time.perf_counter() - start, [], []
        for _ in range(RUNS):
            start = time.perf_counter()
            solved.append(sum(judgement.passed for judgement in sandbox.judge(exams)))
            walls.append(time.perf_counter() - start)
    cpu = (_cpu() - used) / RUNS  # the workers have ended, so theirs is counted; it includes the start
    unit = 1000 / len(problems)
    figures = f"{min(walls) * unit:.2f}", f"{cpu * unit:.2f}"
    return [layer, f"{started:.2f} s", name, f"{min(solved)} of {len(problems)}", *figures]


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
