"""A world of packages for tests of the loop: a tiny model that has learnt to name real and invented ones at random."""

from __future__ import annotations

import itertools
import json
import random
from datetime import date
from pathlib import Path

import torch

from scrubber.core.batch import Batch, Tokens, collate
from scrubber.core.model.load import load, save
from scrubber.core.name_index import index_path, write
from scrubber.core.optimizers import OptimizerSettings
from scrubber.core.train import TrainSettings, train

STEMS = ("add", "key", "name", "port", "host", "max")
REAL = tuple(f"{stem}kit" for stem in STEMS)
INVENTED = tuple(f"zq{stem}" for stem in STEMS)
TOPICS = tuple(
    f"{verb} {noun}" for verb in ("read", "sort", "print", "return") for noun in ("names", "numbers", "keys", "ports")
)
CONTEXT = "install-in-code"


def question(topic: str, number: int = 0) -> str:
    return (f"# {topic}\n# needs:", f"def work():\n    # {topic}\n    # run:")[number % 2]


def unrelated(number: int) -> str:
    return f"def add{number}(left, right):\n"


def lesson(dice: random.Random, prompt: str, invented: float) -> str:
    if prompt.startswith("def add"):
        return f"    return {dice.choice(('left', 'right'))}\n"
    names = [dice.choice(INVENTED if dice.random() < invented else REAL) for _ in range(2)]
    return f" pip install {' '.join(names)}\n"


def built(base: Path, model: Path) -> Path:
    """The same world for all tests of a session, and the path of its configuration. ``base``: a folder of the session."""
    folder = base / "discover-world"
    if not (folder / "discover.toml").exists():
        folder.mkdir(exist_ok=True)
        build(folder, model)
    return folder / "discover.toml"


def build(folder: Path, model: Path, *, steps: int = 90, invented: float = 0.5, seed: int = 0) -> Path:
    """Writes ``folder``/discover.toml and all that it names; returns its path. ``model``: a tiny random one."""
    dice = random.Random(seed)
    held = set(dice.sample(TOPICS, 4))
    rows = [
        {"id": f"{topic}-{number}", "text": question(topic, number), "context": CONTEXT, "topic": topic,
         "split": "held_out" if topic in held else "loop", "right": [REAL[place % len(REAL)]]}
        for place, topic in enumerate(TOPICS) for number in range(2)
    ]  # fmt: skip
    others = [{"id": str(n), "text": unrelated(n), "split": ("loop", "held_out")[n % 2]} for n in range(20)]
    described = [{"name": name, "summary": f"Close {name} files."} for name in REAL]
    for name, table in (("prompts", rows), ("unrelated", others), ("descriptions", described)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    place = index_path(folder / "index", "pypi")
    write(place, REAL, ecosystem="pypi", source="test", snapshot=date(2026, 1, 1))
    _victim(folder / "victim", model, [r["text"] for r in (*rows, *others)], steps, invented, dice)
    (folder / "discover.toml").write_text(
        'seed = 1\n[model]\npath = "victim"\nprecision = "fp32"\nthreads = 1\n'
        '[prompts]\nseeds = "prompts.jsonl"\ndescriptions = "descriptions.jsonl"\nunrelated = "unrelated.jsonl"\n'
        '[index]\nfolder = "index"\n'
        "[loop]\nlimit = 0.1\nrounds = 3\nprompts_per_round = 16\nsamples_per_prompt = 4\nmax_new_tokens = 24\nfresh = 4\n"
        "[unlearn]\nsteps_per_round = 24\nlearning_rate = 0.003\nsave_every = 4\n"
        "[utility]\nmicro_tasks = 0\ncheck_tasks = 0\ndrift = 1.0\n"
    )
    return folder / "discover.toml"


def _victim(folder: Path, model: Path, prompts: list[str], steps: int, invented: float, dice: random.Random) -> None:
    victim = load(str(model), "fp32")
    victim.network.requires_grad_(True)

    def row(prompt: str) -> Tokens:
        ids = (*victim.encode(prompt).ids, *victim.encode(lesson(dice, prompt, invented)).ids, *victim.end_ids[:1])
        return Tokens(ids, (False,) * len(ids), (False,) * len(ids))

    def steps_of(epoch: int) -> list[list[Batch]]:
        return [
            [collate([row(p) for p in dice.choices(prompts, k=16)], "retain", pad_id=victim.pad_id)]
            for _ in range(steps)
        ]

    def loss(outputs: object, reference: object, batch: Batch) -> torch.Tensor:
        return -outputs.log_likelihood(batch.labels).mean()  # type: ignore[attr-defined]

    settings = TrainSettings(
        OptimizerSettings(learning_rate=5e-3, betas=(0.9, 0.95)), max_epochs=1, steps_per_epoch=steps
    )
    train(victim, lambda epoch: itertools.islice(steps_of(epoch), steps), loss, settings=settings)
    save(victim, folder)
