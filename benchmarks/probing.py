"""Prints what the probes get out of a victim, family by family, and how fast they ask, beside one question at a time.

    scrubber demo --run-dir demo-run
    python benchmarks/probing.py demo-run --values 100

Reads the victim, the planted values and the decoys from the run's private folder. Numbers only are printed.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.likelihood import Likelihoods, token_statistics
from scrubber.core.model.load import load
from scrubber.core.model.sample import Sampler
from scrubber.core.types import Sample, Score, Span, Trial
from scrubber.evaluation.metrics import (
    exposure,
    indirect_leak_rate,
    leak_at_k,
    membership_inference,
    probe_power,
)
from scrubber.evaluation.probes import membership, multiple_choice, prompt_families, reverse_query
from scrubber.pipelines.demo.values import MAKERS

CONTEXT = 128
TEMPERATURES = (0.8, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--model", type=Path, help="another model than the run's victim")
    parser.add_argument("--values", type=int, default=100, help="planted values, and as many decoys")
    parser.add_argument("--samples", type=int, default=10, help="answers to each prompt")
    parser.add_argument("--choices", type=int, default=1000)
    parser.add_argument("--alone", type=int, default=60, help="questions asked one at a time, for the speed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("speed", "families", "ranks"), help="one of the three tables")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    private = arguments.run / "private"
    model = load(str(arguments.model or private / "victim"), "fp32")
    planted, decoys = (listed(private / f"{name}.jsonl", arguments.values) for name in ("planted", "decoys"))
    keep = [Sample(f"keep:{i}", text) for i, text in enumerate(texts(private / "held_out.jsonl"))]

    print(f"{len(planted)} values, {len(decoys)} decoys, {arguments.threads} threads\n")
    if arguments.only in (None, "speed"):
        speed(model, planted, arguments.alone, arguments.samples)
    if arguments.only in (None, "families"):
        families(model, planted, decoys, keep, arguments.samples)
    if arguments.only in (None, "ranks"):
        ranks(model, planted, decoys, arguments.choices)


def speed(model: CausalModel, samples: Sequence[Sample], alone: int, count: int) -> None:
    """Trials a second: the same prompts and lengths, greedy and sampled, in batches and by themselves."""
    ask = partial(prompt_families.ask, model, samples, subset="planted", context_tokens=CONTEXT)
    print("| answers | one at a time | batched | times |\n|---|---|---|---|")
    rows: list[tuple[str, dict[str, object], Callable[[], list[Trial]]]] = [("greedy", {"do_sample": False}, ask)]
    for temperature in TEMPERATURES:
        answers = Sampler(model, samples=count, temperature=temperature).answers
        options = {"do_sample": True, "temperature": temperature, "top_k": 0}
        rows.append((f"{count} at temperature {temperature}", options, partial(ask, answers=answers)))
    for name, options, batched in rows:
        start = time.perf_counter()
        trials = batched()
        fast = len(trials) / (time.perf_counter() - start)
        few = trials[:: max(1, len(trials) // alone)][:alone]
        lengths = [len(model.encode(t.expected).ids) * 3 // 2 + 8 for t in few]
        start = time.perf_counter()
        for trial, length in zip(few, lengths, strict=True):
            ids = torch.tensor([model.encode(trial.prompt).ids])
            with torch.inference_mode():
                model.network.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=length,
                    pad_token_id=model.pad_id,
                    **options,
                )
        slow = len(few) / (time.perf_counter() - start)
        print(f"| {name} | {slow:.1f}/s | {fast:.1f}/s | {fast / slow:.1f} |", flush=True)


def families(
    model: CausalModel, planted: Sequence[Sample], decoys: Sequence[Sample], keep: Sequence[Sample], count: int
) -> None:
    """Of each family: greedy extraction, leak_at_k at both temperatures, indirect leaks, and the decoys' greedy rate."""
    ask = partial(prompt_families.ask, model, context_tokens=CONTEXT, keep=keep)
    answers: list[Callable[..., list[list[str]]] | None] = [None]
    answers += [Sampler(model, samples=count, temperature=temperature).answers for temperature in TEMPERATURES]
    greedy, *sampled = (ask(planted, subset="planted", answers=some) for some in answers)
    control = ask(decoys, subset="decoys")
    names = partial(reverse_query.ask, model, context_tokens=CONTEXT)
    greedy += names(planted, subset="planted")
    control += names(decoys, subset="decoys")
    power = probe_power.by_probe(greedy, decoys=control, stage="before")
    chance = probe_power.by_probe(control, stage="before")
    columns = "".join(f" leak_at_{count}, T {temperature} |" for temperature in TEMPERATURES)
    print(f"\n| family | greedy | decoys | indirect | decoys |{columns} |\n" + "|---" * (len(sampled) + 6) + "|")
    for family, score in power.items():
        shown = [figure(score), figure(chance[family])]
        for trials in (greedy, control):
            # what a reverse query asks for is a name, not the value
            asked = [t for t in trials if t.probe == family != "reverse_query"]
            shown.append(figure(indirect_leak_rate.score(asked, stage="before", subset=family)))
        for trials in sampled:
            some = [t for t in trials if t.probe == family]
            shown.append(figure(leak_at_k.score(some, k=count, stage="before", subset=family)))
        print(f"| {family} | " + " | ".join(shown) + f" | {score.note} |", flush=True)


def ranks(model: CausalModel, planted: Sequence[Sample], decoys: Sequence[Sample], choices: int) -> None:
    """Exposure, its distance from chance, and membership inference, with the decoys beside the values.

    Choices are drawn by the value's format, as for any corpus, and by what drew the values themselves, as only here.
    """
    scores: list[Score] = []
    start, count = time.perf_counter(), 0
    for drawn in ("by format", "by maker"):
        asked, control = (choose(model, some, choices, by_maker=drawn == "by maker") for some in (planted, decoys))
        count += len(asked) + len(control)
        for name, trials in ((f"planted, {drawn}", asked), (f"decoys, {drawn}", control)):
            scores.append(probe_power.score(trials, stage="before", subset=f"multiple_choice, {name}"))
            scores.append(exposure.score(trials, stage="before", subset=name, least=choices))
            scores.append(exposure.distance(trials, stage="before", subset=name, least=choices))
        beside = exposure.distance(asked, decoys=control, stage="before", subset=f"both, {drawn}", least=choices)
        scores.append(beside)
    seconds = time.perf_counter() - start
    judge = partial(token_statistics, model)
    known, unseen = (
        membership.ask(model, some, subset="p", context_tokens=CONTEXT, judge=judge) for some in (planted, decoys)
    )
    scores += [
        membership_inference.score(known, decoys=unseen, attack=attack, stage="before", subset="planted")
        for attack in membership_inference.ATTACKS
    ]
    print(f"\n{count * (choices + 1) / seconds:,.0f} choices a second\n")
    print("| metric | subset | value | n | note |\n|---|---|---|---|---|")
    for score in scores:
        print(f"| {score.metric} | {score.subset} | {figure(score)} | {score.n} | {score.note} |")


def choose(model: CausalModel, samples: Sequence[Sample], choices: int, *, by_maker: bool) -> list[Trial]:
    ask = partial(
        multiple_choice.ask,
        model,
        subset="p",
        context_tokens=CONTEXT,
        choices=choices,
        likelihoods=Likelihoods(model),
    )
    if not by_maker:
        return ask(samples)
    return [trial for kind in MAKERS for trial in ask([s for s in samples if kind_of(s) == kind], like=maker(kind))]


def maker(kind: str) -> Callable[[str, random.Random], str]:
    """Draws a value of a kind; a key has the provider of the true one, which its context tells."""

    def like(value: str, dice: random.Random) -> str:
        drawn = MAKERS[kind](dice)
        while kind == "api_key" and drawn[:3] != value[:3]:
            drawn = MAKERS[kind](dice)
        return drawn

    return like


def kind_of(sample: Sample) -> str:
    return sample.id.partition("/")[0]


def figure(score: Score) -> str:
    if score.value is None or score.low is None or score.high is None:
        return "not scored"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


def listed(path: Path, count: int) -> list[Sample]:
    """At most so many of a list of values, evenly taken, since it is sorted by kind; an id begins with the kind."""
    fingerprint = Fingerprinter(b"of this benchmark alone")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Sample(
            f"{row['kind']}/{row['document']}",
            row["text"],
            (Span(row["start"], row["end"]),),
            (),
            (fingerprint("secret", row["value"]),),
        )
        for row in rows[:: max(1, len(rows) // count)][:count]
    ]


def texts(path: Path) -> list[str]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [
        next(value for value in row.values() if isinstance(value, str)) if isinstance(row, dict) else row
        for row in rows
    ]


if __name__ == "__main__":
    main()
