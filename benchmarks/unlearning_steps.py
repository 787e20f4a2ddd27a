"""Time and memory of CodeEraser and PROD steps, ours beside the straightforward way: `python benchmarks/unlearning_steps.py`.

The straightforward way is written here from the formulas, as the published code has it: a second, frozen copy of the
model for the reference, both asked at each step, padded batches, and logits of every position. LoRA on both sides, the
same rows: the demo corpus (planted documents to forget, clean functions to keep; lengths and spans by its tokenizer).
PROD is span-restricted on both sides where --span is given, else over whole samples; its targets are kept as mean
embeddings, since the nucleus of a random model is most of the vocabulary. Each run is a process of its own,
whose peak memory is that of the whole process; ratios are ours / theirs. Random weights: only shapes matter here.

On a GPU (--gpu) the base is nf4 and shapes are Qwen2.5-Coder's, 1.5B and 7B, sequence 512, batch 8: peak memory, tokens
per second, and the share of the machine's measured matrix rate.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from scrubber.core.batch import Batch, Tokens, split_step, tokenize
from scrubber.core.model.adapters import add_lora
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.outputs import forward
from scrubber.core.model.reference import References
from scrubber.core.types import Sample, Span
from scrubber.unlearning.methods import codeeraser, prod

DEMO_MODEL = Path(__file__).parents[1] / "scrubber" / "data" / "demo_model"
SHAPES = {  # width, layers, feed-forward, heads, key-value heads
    "cpu": (512, 8, 1408, 8, 8),
    "1.5b": (1536, 28, 8960, 12, 2),
    "7b": (3584, 28, 18944, 28, 4),
}
ROWS = 16  # of each role in a step


def new_model(shape: str, vocabulary: int, *, nf4: bool) -> CausalModel:
    from transformers import AutoTokenizer, BitsAndBytesConfig, Qwen2Config, Qwen2ForCausalLM

    width, layers, inner, heads, groups = SHAPES[shape]
    config = Qwen2Config(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=2048,
        tie_word_embeddings=shape != "7b", attention_dropout=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    if nf4:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:  # quantised as it is loaded, as a user's model is
            torch.set_default_dtype(torch.bfloat16)
            Qwen2ForCausalLM(config).save_pretrained(folder)
            torch.set_default_dtype(torch.float32)
            quantised = BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.bfloat16,
            )  # fmt: skip
            network = Qwen2ForCausalLM.from_pretrained(
                folder, quantization_config=quantised, device_map="cuda", dtype=torch.bfloat16
            )
    else:
        network = Qwen2ForCausalLM(config)
    network.requires_grad_(False)
    return CausalModel("random", "nf4" if nf4 else "fp32", network.eval(), AutoTokenizer.from_pretrained(DEMO_MODEL))


def demo_rows(model: CausalModel) -> dict[str, list[Tokens]]:
    from scrubber.pipelines.demo.world import build

    world = build(per_kind=20, seed=0)
    spans: dict[str, list[Span]] = {}
    for row in world.planted:
        spans.setdefault(row.text, []).append(Span(row.start, row.end))
    dice = random.Random(0)

    def tokens(sample: Sample) -> Tokens:
        return tokenize(sample, model.encode, max_length=512)

    forget = [tokens(Sample("", text, tuple(places))) for text, places in spans.items()]
    return {
        "forget": dice.sample(forget, ROWS),
        "retain": [tokens(Sample("", text)) for text in dice.sample(world.clean, ROWS)],
    }


def long_rows(vocabulary: int, count: int, length: int) -> dict[str, list[Tokens]]:
    """Rows of one length, 5 % of each to forget."""
    dice = random.Random(0)

    def row(role: str) -> Tokens:
        ids = tuple(dice.randrange(vocabulary) for _ in range(length))
        marks = tuple(role == "forget" and 200 <= i < 200 + length // 20 for i in range(length))
        return Tokens(ids, marks, (False,) * length)

    return {role: [row(role) for _ in range(count)] for role in ("forget", "retain")}


# -- the straightforward way


def naive(model: CausalModel, method: str, span: bool) -> Callable[[dict[str, list[Tokens]]], float]:
    import copy

    before = copy.deepcopy(model.network)
    add_lora(model, rank=16, alpha=32, seed=0)

    def logits(network: Any, rows: list[Tokens]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        width = max(len(row.ids) for row in rows)
        ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in rows], device=model.device)
        real = torch.tensor([[1] * len(r.ids) + [0] * (width - len(r.ids)) for r in rows], device=model.device)
        marks = torch.tensor([[*row.forget, *[False] * (width - len(row.ids))] for row in rows], device=model.device)
        z = network(input_ids=ids, attention_mask=real, use_cache=False).logits[:, :-1].float()
        return z, ids[:, 1:], real[:, 1:].bool(), marks[:, 1:]

    def kl(z0: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        p0 = z0.log_softmax(-1)
        return (p0.exp() * (p0 - z.log_softmax(-1))).sum(-1)

    def code_eraser(rows: dict[str, list[Tokens]]) -> torch.Tensor:
        s = codeeraser.Settings()
        with torch.no_grad():
            z0, *_ = logits(before, rows["forget"])
            r0, *_ = logits(before, rows["retain"])
        z, y, real, marks = logits(model.network, rows["forget"])
        ce = torch.nn.functional.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="none").view_as(y)
        loss = (
            -ce[marks & real].mean() + s.gamma * ce[~marks & real].mean() - s.lambda_ * kl(z0, z)[marks & real].mean()
        )
        r, _, kept, _ = logits(model.network, rows["retain"])
        return loss + s.lambda_ * s.alpha * kl(r0, r)[kept].mean()

    def prod_loss(rows: dict[str, list[Tokens]]) -> torch.Tensor:
        with torch.no_grad():
            z0, y, real, marks = logits(before, rows["forget"])
            z0.scatter_(-1, y[..., None], -torch.inf)
            order = z0.sort(-1, descending=True)
            mass = order.values.softmax(-1).cumsum(-1)
            cut = mass > prod.Settings().top_p
            cut[..., 1:] = cut[..., :-1].clone()  # the token that passes top_p stays
            cut[..., 0] = False
            q = z0.masked_fill(torch.zeros_like(cut).scatter(-1, order.indices, cut), -torch.inf).softmax(-1)
        z, *_ = logits(model.network, rows["forget"])
        ce = -(q * torch.log(z.softmax(-1) + 1e-10)).sum(-1)
        return ce[marks & real if span else real].mean()

    def step(rows: dict[str, list[Tokens]]) -> float:
        loss = code_eraser(rows) if method == "codeeraser" else prod_loss(rows)
        loss.backward()
        return loss.item()

    return step


# -- ours


def lean(model: CausalModel, method: str, span: bool, micro: int) -> Callable[[dict[str, list[Tokens]]], float]:
    part: Any = codeeraser if method == "codeeraser" else prod
    options = {} if method == "codeeraser" else {"positions": "span" if span else "completion", "sparse": False}
    settings = part.Settings(**options)
    add_lora(model, rank=16, alpha=32, seed=0)
    needs = part.needs(settings)
    references = References(model, needs)
    marked = needs.positions == "marked"

    def step(rows: dict[str, list[Tokens]]) -> float:
        batches: list[Batch] = split_step(rows["forget"], "forget", micro, pad_id=0, marked=marked)
        if needs.retain:
            batches += split_step(rows["retain"], "retain", micro, pad_id=0)
        total = 0.0
        for batch in batches:
            before = references(batch)
            loss = part.loss(
                forward(model, batch, layer=needs.layer), before, batch.to(model.device), settings=settings
            )
            loss.backward()
            total += loss.item()
        return total

    return step


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One way, one method, in this process."""
    torch.set_num_threads(2)
    gpu = options.shape != "cpu"
    model = new_model(options.shape, options.vocabulary, nf4=gpu)
    rows = long_rows(options.vocabulary, 8, 512) if gpu else demo_rows(model)
    make = naive(model, options.method, options.span) if options.way == "naive" else None
    step = make or lean(model, options.method, options.span, options.micro)
    trained = [p for p in model.network.parameters() if p.requires_grad]
    seconds, losses = [], []
    for _ in range(options.steps + 1):
        began = time.perf_counter()
        losses.append(step(rows))
        with torch.no_grad():  # a plain step, so that losses of later ones are compared, too
            for parameter in trained:
                parameter -= 0.5 * parameter.grad
                parameter.grad = None
        if gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    tokens = sum(len(row.ids) for role in rows.values() for row in role)
    peak = torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {
        "first_step": round(seconds[0], 3), "step": round(statistics.median(seconds[1:]), 3), "peak_bytes": peak,
        "losses": losses, "tokens_per_second": round(tokens / statistics.median(seconds[1:])),
    }  # fmt: skip
    if gpu:
        found["matrix_tflops"] = matrix_rate()
    return found


def matrix_rate() -> float:
    """bfloat16 matrix products of this GPU, in TFLOP/s."""
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    for repeats in (3, 20):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            a @ a
        torch.cuda.synchronize()
    return round(2 * 8192**3 * 20 / (time.perf_counter() - began) / 1e12, 1)


def child(way: str, method: str, options: argparse.Namespace, vocabulary: int, shape: str) -> dict[str, Any]:
    command = [
        sys.executable, __file__, "--way", way, "--method", method, "--vocabulary", str(vocabulary), "--shape", shape,
        "--steps", str(options.steps), "--micro", str(options.micro), *(["--span"] if options.span else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:200]}
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[32_000, 152_064])
    parser.add_argument("--methods", nargs="+", default=["codeeraser", "prod"])
    parser.add_argument("--steps", type=int, default=4, help="timed steps after the first")
    parser.add_argument("--micro", type=int, default=4, help="rows in a micro-batch of ours")
    parser.add_argument("--span", action="store_true", help="PROD on sensitive spans alone")
    parser.add_argument("--gpu", action="store_true")
    for name in ("--way", "--method", "--shape"):
        parser.add_argument(name, default="cpu" if name == "--shape" else "", help=argparse.SUPPRESS)
    parser.add_argument("--vocabulary", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    if options.gpu and not torch.cuda.is_available():
        print("no GPU here: the same script at small shapes", file=sys.stderr)
    shapes = ("1.5b", "7b") if options.gpu and torch.cuda.is_available() else ("cpu",)
    for shape in shapes:
        for vocabulary in options.vocabularies if shape == "cpu" else [152_064]:
            for method in options.methods:
                theirs, ours = (child(way, method, options, vocabulary, shape) for way in ("naive", "lean"))
                row: dict[str, Any] = {"shape": shape, "vocabulary": vocabulary, "method": method}
                row |= {"ours": ours, "theirs": theirs}
                if "failed" not in theirs and "failed" not in ours:
                    row["time_ratio"] = round(ours["step"] / theirs["step"], 2)
                    row["memory_ratio"] = round(ours["peak_bytes"] / theirs["peak_bytes"], 2)
                    row["largest_loss_difference"] = max(
                        abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True)
                    )
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
