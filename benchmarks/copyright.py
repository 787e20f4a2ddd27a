"""PROD's copyright task on our demo model: `SCRUBBER_TEST_DATA=... python benchmarks/copyright.py --out runs/copyright`.

The 100 files of PROD's forget set (arXiv 2506.17125) are learnt by heart by the demo model, and forgotten by PROD, GA, NPO and
FLAT. Forget quality is the paper's: 1 - mean sentence BLEU-4 (whitespace tokens, no smoothing) of the greedy answer to a
file's first half against its second half. The attack hands the first m true tokens of the second half on top, and BLEU is
that of the rest; its effect is the rise against m = 0. Utility is pass_at_1 of micro tasks, the demo model being too small
for HumanEval. Every method runs the same epochs and is measured after each; its learning rate is the best of one grid on a
victim of another seed (harmonic mean of forget quality and the share of tasks left, at its best epoch). LoRA, nf4 base.

Prints a table; results.jsonl is kept, and a killed run goes on. No text of the set is printed or stored but in the victims.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

METHODS: dict[str, dict[str, Any]] = {"prod": {}, "ga": {}, "npo": {}, "flat": {}}
GRID = (1e-4, 3e-4, 1e-3)
TUNING_SEED, SEED = 100, 0
ATTACKS = (1, 4, 16)  # true tokens handed over
LONGEST = 512  # tokens of a file: the demo model takes no more


def texts(count: int) -> list[str]:
    import pyarrow as pa

    folder = os.environ.get("SCRUBBER_TEST_DATA") or sys.exit("SCRUBBER_TEST_DATA names no folder of test data")
    with pa.ipc.open_stream(str(Path(folder) / "prod" / "forget.arrow")) as stream:
        return [str(text) for text in stream.read_all().column("canonical_solution").to_pylist()[:count]]


def victim(out: Path, seed: int, learnt: list[str], epochs: int) -> Path:
    from scrubber.core.model.load import use_threads
    from scrubber.core.workspace import Workspace
    from scrubber.pipelines.demo.victim import VictimSettings, fine_tune
    from scrubber.pipelines.demo.world import build

    place = out / f"victim-{seed}"
    if not (place / "private" / "victim").exists():
        use_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
        world = replace(build(per_kind=4, seed=seed), planted=tuple(SimpleNamespace(text=text) for text in learnt))
        fine_tune(world, VictimSettings(epochs=epochs, max_length=LONGEST, seed=seed), Workspace(place), lambda _: None)
    return place / "private" / "victim"


def halves(model: Any, text: str) -> tuple[str, str]:
    """A file as the model saw it, up to the middle of its words, and the rest."""
    offsets = model.encode(text).offsets[:LONGEST]
    words, at = text[: offsets[-1][1]].split(), 0
    for word in words[: len(words) // 2]:
        at = text.index(word, at) + len(word)
    return text[:at], text[at : offsets[-1][1]]


def bleu(model: Any, learnt: list[str], given: int) -> float:
    """Mean sentence BLEU-4, 0 to 1, of greedy answers behind the first half and ``given`` true tokens more."""
    from sacrebleu.metrics import BLEU

    logging.getLogger("sacrebleu").setLevel(logging.ERROR)  # it would advise another order for every sentence
    metric = BLEU(smooth_method="none", tokenize="none", effective_order=False)
    prompts, rests, lengths = [], [], []
    for text in learnt:
        first, second = halves(model, text)
        offsets = model.encode(second).offsets
        cut = offsets[min(given, len(offsets) - 1)][0] if given else 0
        prompts.append(first + second[:cut])
        rests.append(second[cut:])
        lengths.append(max(1, len(offsets) - given))
    answers = model.generate(prompts, max_new_tokens=lengths)
    return statistics.mean(
        metric.sentence_score(" ".join(answer.split()), [" ".join(rest.split())]).score / 100
        for answer, rest in zip(answers, rests, strict=True)
    )


def solved(model: Any, tasks: int) -> float:
    from scrubber.evaluation.benchmarks import micro
    from scrubber.evaluation.sandbox.runner import Sandbox
    from scrubber.pipelines.measure import ask_tasks

    wanted = [*micro.tasks("seen", tasks // 2), *micro.tasks("unseen", tasks // 2)]
    with Sandbox() as sandbox:
        return statistics.mean(trial.outcome for trial in ask_tasks(model, wanted, sandbox))


def measured(model: Any, learnt: list[str], tasks: int) -> dict[str, float]:
    plain = bleu(model, learnt, 0)
    made = {"forget_quality": 1 - plain, "pass_at_1": solved(model, tasks)}
    return {**made, **{f"attack_{m}": bleu(model, learnt, m) - plain for m in ATTACKS}}


def curve(path: Path, name: str, rate: float, options: argparse.Namespace, seed: int) -> list[dict[str, float]]:
    """What is measured before (epoch 0) and after every epoch."""
    from scrubber.core.batch import Schedule, epoch_steps, tokenize
    from scrubber.core.model.adapters import add_lora
    from scrubber.core.model.load import load
    from scrubber.core.model.reference import References
    from scrubber.core.optimizers import OptimizerSettings
    from scrubber.core.train import Decision, TrainSettings, train
    from scrubber.core.types import Sample, Span
    from scrubber.pipelines.counterparts import paired
    from scrubber.pipelines.unlearn import method_settings

    learnt = texts(options.texts)
    model = load(str(path), "nf4", batch_size=32)
    rows = [measured(model, learnt, options.tasks)]
    method, settings = method_settings(name, METHODS[name])
    if getattr(settings, "end_id", 0) < 0:
        settings = replace(settings, end_id=model.end_ids[0])
    needs = method.needs(settings)
    cut = functools.partial(tokenize, encode=model.encode, max_length=LONGEST)
    both = functools.partial(paired, kind=needs.counterpart, cut=cut, seed=seed) if needs.counterpart else cut
    whole = (Sample(str(n), text, (Span(0, len(text)),), fingerprints=(str(n),)) for n, text in enumerate(learnt))
    forget = [both(sample) for sample in whole]
    schedule = Schedule(16, 4, "joint", seed, 0)

    def check(now: Any, step: int) -> list[Any]:
        rows.append({**measured(now, learnt, options.tasks), "step": step})
        return []

    references = References(model, needs)
    add_lora(model, rank=16, alpha=32, seed=seed)
    train(
        model,
        lambda epoch: epoch_steps(forget, [], schedule, epoch, pad_id=model.pad_id, marked=needs.positions == "marked"),
        functools.partial(method.loss, settings=settings),
        settings=TrainSettings(
            OptimizerSettings(learning_rate=rate),
            max_epochs=options.epochs,
            steps_per_epoch=-(-len(forget) // 16),
            seed=seed,
        ),
        needs=needs, references=references, check=check, stop=lambda step, scores: Decision(False, False),
    )  # fmt: skip
    return rows


def result(out: Path, name: str, rate: float, seed: int, options: argparse.Namespace) -> list[dict[str, float]]:
    file = out / "results.jsonl"
    for line in file.read_text().splitlines() if file.exists() else ():
        row = json.loads(line)
        if (row["method"], row["rate"], row["seed"]) == (name, rate, seed):
            return list(row["curve"])
    began = time.perf_counter()
    path = victim(out, seed, texts(options.texts), options.victim_epochs)
    made = curve(path, name, rate, options, seed)
    with file.open("a") as sink:
        told = {"method": name, "rate": rate, "seed": seed, "seconds": time.perf_counter() - began, "curve": made}
        sink.write(json.dumps(told) + "\n")
    print(f"{name} {rate:g} seed {seed}: {made[-1]}", file=sys.stderr, flush=True)
    return made


def goodness(row: dict[str, float], before: dict[str, float]) -> float:
    kept = min(1.0, row["pass_at_1"] / max(before["pass_at_1"], 1e-9))
    return 2 * row["forget_quality"] * kept / max(row["forget_quality"] + kept, 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/copyright"))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=200, help="micro tasks")
    parser.add_argument("--epochs", type=int, default=5, help="of unlearning")
    parser.add_argument("--victim-epochs", type=int, default=20)
    parser.add_argument("--grid", type=float, nargs="+", default=list(GRID), help="learning rates")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    head = ("method", "lr", "epoch", "forget quality", "pass_at_1", *(f"attack m={m}" for m in ATTACKS))
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]

    def told(name: str, rate: float, epoch: int, row: dict[str, float]) -> str:
        attacks = (f"{row[f'attack_{m}']:+.3f}" for m in ATTACKS)
        figures = (f"{row['forget_quality']:.3f}", f"{row['pass_at_1']:.3f}", *attacks)
        return f"| {' | '.join((name, f'{rate:g}', str(epoch), *figures))} |"

    for name in options.methods:
        tried = {}
        for rate in options.grid:
            made = result(options.out, name, rate, TUNING_SEED, options)
            tried[rate] = max(goodness(row, made[0]) for row in made[1:])
        rate = max(tried, key=lambda r: (tried[r], -r))
        made = result(options.out, name, rate, SEED, options)
        if len(lines) == 2:
            lines.append(told("before", 0, 0, made[0]))
        best = max(range(1, len(made)), key=lambda epoch: goodness(made[epoch], made[0]))
        lines += [told(name, rate, best, made[best])]
        if best != len(made) - 1:
            lines += [told(name, rate, len(made) - 1, made[-1])]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
