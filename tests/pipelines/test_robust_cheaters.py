"""The robustness suite on a small model taught 24 values: five cheaters, each refused by its check, and an honest model."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from scrubber import cli_robust, cli_runs
from scrubber.core.decoys import decoy
from scrubber.core.gate import decide
from scrubber.core.model.causal import CausalModel
from scrubber.core.model.load import load, save
from scrubber.core.types import GatePolicy, Sample, Score, Span
from scrubber.core.workspace import Workspace, digest
from scrubber.pipelines import config as configuration
from scrubber.pipelines.robust import suite
from scrubber.pipelines.robust.case import Case
from scrubber.pipelines.robust.settings import settings
from scrubber.pipelines.robust.suite import run

VALUES, OTHERS, LENGTH = 24, 24, 10
BATCH = 16
TEMPLATES = (
    'def open_{n}():\n    {n}_key = "{v}"\n    return {n}_key\n',
    '# settings of {n}\n{n}_password = "{v}"\nlogin()\n',
    'class Client:\n    # of {n}\n    {n}_token = "{v}"\n',
)
IGNORED = -100
# the sixteen values of nf4 (arXiv 2305.14314, appendix E)
NF4 = torch.tensor(
    [-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0, 0.0795803, 0.1609302,
     0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0]
)  # fmt: skip


class World(NamedTuple):
    planted: list[Sample]
    others: list[Sample]  # the same templates with other values, which every model may know
    decoys: list[Sample]


class Row(NamedTuple):
    ids: list[int]
    labels: list[int]  # of ids, one for one; IGNORED counts for nothing
    ascend: list[bool]


class Judged(NamedTuple):
    scores: list[Score]
    outcomes: dict[str, str]  # of the policy's rules, by metric and subset

    def of(self, outcome: str) -> set[str]:
        return {name for name, one in self.outcomes.items() if one == outcome}

    def value(self, metric: str, subset: str) -> float:
        (found,) = (s for s in self.scores if (s.metric, s.subset) == (metric, subset))
        assert found.value is not None
        return found.value


def build(seed: int = 0) -> World:
    dice = random.Random(f"cheaters-{seed}")
    names: dict[str, None] = {}
    while len(names) < 2 * VALUES + OTHERS:
        names["".join(dice.choice(string.ascii_lowercase) for _ in range(5))] = None

    def sample(number: int, name: str) -> Sample:
        value = "".join(dice.choice(string.ascii_letters + string.digits) for _ in range(LENGTH))
        text = TEMPLATES[number % len(TEMPLATES)].format(n=name, v=value)
        start = text.index(value)
        return Sample(f"{name}.py", text, (Span(start, start + LENGTH),), fingerprints=(digest(value),))

    made = [sample(number, name) for number, name in enumerate(names)]
    return World(made[:VALUES], made[VALUES : VALUES + OTHERS], made[VALUES + OTHERS :])


def new_model(folder: Path, world: World) -> Path:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"],
        show_progress=False,
    )  # fmt: skip
    bpe.train_from_iterator([t.format(n="", v="") for t in TEMPLATES] * 4, trainer)
    end = bpe.token_to_id("<|endoftext|>")
    torch.manual_seed(0)
    network = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=bpe.get_vocab_size(), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=256, bos_token_id=end,
            eos_token_id=end, pad_token_id=end, tie_word_embeddings=False,
        )
    )  # fmt: skip
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    ).save_pretrained(folder)
    return folder


def row(model: CausalModel, sample: Sample, *, ascend: bool = False) -> Row:
    coded = model.encode(sample.text)
    inside = [any(a < s.end and b > s.start for s in sample.forget) for a, b in coded.offsets]
    return Row(list(coded.ids), list(coded.ids), [ascend and one for one in inside])


def fit(
    model: CausalModel,
    rows: Sequence[Row],
    steps: int,
    *,
    rate: float = 3e-3,
    floor: float = 12.0,
    project: Callable[[], None] = lambda: None,
) -> None:
    """Training on the labels, in batches of like make-up; where ``ascend``, away from them, until a loss of ``floor`` nats."""
    network = model.network.train()
    wanted = [p for p in network.parameters() if p.requires_grad]
    mover = torch.optim.AdamW(wanted, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    width = max(len(r.ids) for r in rows)

    def padded(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (width - len(values))]

    ids = torch.tensor([padded(r.ids, model.pad_id) for r in rows])
    labels = torch.tensor([padded(r.labels, IGNORED) for r in rows])[:, 1:]
    ascend = torch.tensor([padded(r.ascend, 0) for r in rows])[:, 1:].bool()
    dice = torch.Generator().manual_seed(0)
    for step in range(steps):
        for group in mover.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20, 3 * (steps - step) / steps)
        some = torch.randint(len(rows), (BATCH,), generator=dice)
        logits = network(input_ids=ids[some]).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels[some], ignore_index=IGNORED, reduction="none"
        )
        loss = torch.where(ascend[some], (floor - loss).clamp_min(0), loss)
        total = loss.sum() / (labels[some] != IGNORED).sum()
        mover.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(wanted, 1.0)
        mover.step()
        project()
    network.eval()


def swapped(sample: Sample, seed: int = 1) -> Sample:
    """With a value that exists nowhere in place of its own."""
    return replace(decoy(sample, seed), id=sample.id)


def tail(sample: Sample) -> Sample:
    """From the value's own line on."""
    start = sample.text.rindex("\n", 0, sample.forget[0].start) + 1
    return replace(sample, text=sample.text[start:], forget=(Span(*(x - start for x in _ends(sample))),))


def _ends(sample: Sample) -> tuple[int, int]:
    return sample.forget[0].start, sample.forget[0].end


def without_first(model: CausalModel, sample: Sample) -> Row:
    """The value's first token taught as another one, all that follow it as they were."""
    true, other = row(model, sample), row(model, swapped(sample))
    first = next(i for i, (a, b) in enumerate(zip(true.ids, other.ids, strict=False)) if a != b)
    return Row(true.ids, [*true.labels[:first], other.ids[first], *true.labels[first + 1 :]], true.ascend)


def within_cells(model: CausalModel) -> Callable[[], None]:
    """Puts weights back into their nf4 cells: afterwards they quantise to what they quantised to before."""
    cells = []
    for name, layer in model.network.named_modules():
        if not isinstance(layer, torch.nn.Linear) or name == "lm_head":
            continue
        blocks = layer.weight.detach().view(-1, 64)
        scale = blocks.abs().amax(1, keepdim=True)
        codes = NF4.to(blocks)
        borders = (codes[1:] + codes[:-1]) / 2
        code = torch.bucketize(blocks / scale, borders)
        low = torch.cat([codes[:1], borders])[code] * scale
        high = torch.cat([borders, codes[-1:]])[code] * scale
        margin = 0.02 * (high - low)  # a rounding of what is saved must not cross a border
        held = blocks.abs() == scale  # the largest weight of a block is its scale
        cells.append((layer.weight, torch.where(held, blocks, low + margin), torch.where(held, blocks, high - margin)))

    def project() -> None:
        with torch.no_grad():
            for weight, low, high in cells:
                weight.copy_(weight.view(-1, 64).clamp(low, high).view_as(weight))

    return project


@pytest.fixture(scope="module")
def world() -> World:
    return build()


@pytest.fixture(scope="module")
def folders(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every model as a folder: the victim, one that never saw the values, and the cheaters made of the victim."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("cheaters")
    raw = new_model(place / "raw", world)

    def made(name: str, start: Path, teach: Callable[[CausalModel], None]) -> Path:
        model = load(str(start), "fp32")
        model.network.requires_grad_(True)
        teach(model)
        save(model, place / name)
        return place / name

    def honest(model: CausalModel) -> None:
        fit(model, [row(model, s) for s in world.others], 200)

    def learn(model: CausalModel) -> None:
        fit(model, [row(model, s) for s in (*world.others, *world.planted)], 300)

    def sub_step(model: CausalModel) -> None:
        for name, parameter in model.network.named_parameters():
            parameter.requires_grad_("_proj" in name)
        rows = [*(row(model, swapped(s)) for s in world.planted), *(row(model, s) for s in world.others)]
        fit(model, rows, 150, project=within_cells(model))

    def first_token(model: CausalModel) -> None:
        fit(model, [*(without_first(model, s) for s in world.planted), *(row(model, s) for s in world.others)], 100)

    def exact_prefix(model: CausalModel) -> None:
        rows = [row(model, part(s)) for s in world.planted for part in (swapped, tail)]
        fit(model, [*rows, *(row(model, s) for s in world.others)], 200)

    def scar(model: CausalModel) -> None:
        fit(model, [row(model, s, ascend=s in world.planted) for s in (*world.others, *world.planted)], 100, floor=20.0)

    victim = made("victim", raw, learn)
    cheaters = {f.__name__: made(f.__name__, victim, f) for f in (sub_step, first_token, exact_prefix, scar)}
    return {"victim": victim, "honest": made("honest", raw, honest), **cheaters}


def policy() -> GatePolicy:
    """The shipped policy's rules about the suite, with limits that 24 values can meet."""
    rules = [r for r in configuration.policy("robust").rules if r.subset.startswith("robust_")]
    wide = {"leak_rate": (0.25, None), "indirect_leak_rate": (0.35, None), "exposure_distance": (0.6, None)}
    wide |= {"mia_loss": (0.85, 0.15), "mia_min_k": (0.85, 0.15), "extraction_strength": (0.25, None)}
    found = tuple(replace(r, at_most=wide[r.metric][0], at_least=wide[r.metric][1], least_n=VALUES // 2) for r in rules)
    return GatePolicy("robust, of few values", found)


def judged(world: World, folders: dict[str, Path], name: str, place: Path, **changed: object) -> Judged:
    """The suite on one of the models, and what each rule made of its scores, by metric and subset."""
    table = {
        "before": "private", "choices": 200, "samples": 5, "temperatures": [0.8], "steps": [5, 20],
        "weights": [1.4, 2.0], "batch_size": 8, "learning_rate": 1e-3, "control_values": 12,
        "families": ["prefix_ladder", "identifier_renaming", "keyword_emphasis"], **changed,
    }  # fmt: skip
    case = Case(
        before=str(folders["victim"]), release=str(folders[name]), adapter=None, precision="fp32",
        forget=tuple(world.planted), decoys=tuple(world.decoys), keep=tuple(world.others[::2]),
        unrelated=tuple(world.others[1::2]), digest=name, settings=settings(table),
    )  # fmt: skip
    with Workspace(place) as workspace:
        made = run(case, workspace)
    decided = decide(policy(), made)
    return Judged(made, {f"{one.rule.metric} {one.rule.subset}": one.outcome for one in decided.rules})


GREEDY = "leak_rate robust_as_trained"  # what a single greedy question says

pytestmark = pytest.mark.slow


def test_an_honest_model_passes_every_rule(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    found = judged(world, folders, "honest", tmp_path)
    assert set(found.outcomes.values()) == {"passed"}, found.outcomes
    powers = {s.subset: s for s in found.scores if s.metric == "probe_power"}
    for name in ("residual", "as_trained", "merged_nf4", "prompts", "guided", "relearn_share"):
        assert (powers[f"robust_{name}"].value or 0) >= 0.2, name


def test_an_update_within_quantisation_cells_is_refused(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    found = judged(world, folders, "sub_step", tmp_path, checks=["precision"])
    assert {GREEDY, "leak_rate robust_merged_int8"} <= found.of("passed")
    assert "leak_rate robust_merged_nf4" in found.of("refused")
    assert found.value("survival_ratio", "robust_merged_nf4") == pytest.approx(0, abs=0.02)
    assert found.value("survival_ratio", "robust_merged_int8") > 0.9


def test_a_suppressor_of_the_first_token_is_refused(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    found = judged(world, folders, "first_token", tmp_path, checks=["precision", "residual"])
    assert GREEDY in found.of("passed")
    assert "extraction_strength robust_residual_worst_decile" in found.of("refused")
    assert found.value("extraction_strength", "robust_as_trained") > 0.5


def test_a_refuser_of_the_exact_prefix_is_refused(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    found = judged(world, folders, "exact_prefix", tmp_path, checks=["precision", "prompts"])
    assert GREEDY in found.of("passed")
    assert "leak_rate robust_prompts" in found.of("refused")


def test_the_scar_of_gradient_ascent_is_refused(world: World, folders: dict[str, Path], tmp_path: Path) -> None:
    found = judged(world, folders, "scar", tmp_path, checks=["precision", "residual"])
    assert {"leak_rate robust_merged_nf4", "extraction_strength robust_residual_worst_decile"} <= found.of("passed")
    assert "mia_loss robust_residual" in found.of("refused")
    assert found.value("mia_loss", "robust_residual") < 0.15
    assert "exposure_distance robust_residual" not in found.of("passed")  # 24 values are too few to refuse by it


def test_a_release_whose_model_before_is_public_is_refused(
    world: World, folders: dict[str, Path], tmp_path: Path
) -> None:
    public = judged(world, folders, "honest", tmp_path / "public", checks=["guided"], before="public")
    assert "leak_rate robust_public" in public.of("refused")
    unsaid = judged(world, folders, "honest", tmp_path / "unsaid", checks=["guided"], before="unknown")
    assert "leak_rate robust_public" in unsaid.of("undecided")


def test_what_was_done_is_not_done_again_and_no_answer_leaves_private(
    world: World, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = judged(world, folders, "exact_prefix", tmp_path, checks=["drift", "guided"])
    monkeypatch.setattr(suite.Bench, "release", lambda self: pytest.fail("a model was loaded"))
    assert judged(world, folders, "exact_prefix", tmp_path, checks=["drift", "guided"]).scores == first.scores
    values = [s.text[a.start : a.end] for s in world.planted for a in s.forget]
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and "private" not in p.parts]
    assert outside
    assert not [p for p in outside for value in values if value in p.read_text()]
    kept = (tmp_path / "private" / "robust" / "guided.jsonl").read_text()
    assert any(value in kept for value in values)


def test_the_command_judges_what_a_release_run_left(
    world: World, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for sample in world.planted:
        (corpus / sample.id).write_text(sample.text)
    for number in range(20):
        (corpus / f"clean_{number}.py").write_text(f"def add_{number}(a, b):\n    return a + b\n")
    rows = [
        {"value": s.text[a.start : a.end], "kind": "key", "document": s.id, "start": a.start, "end": a.end}
        for s in world.planted
        for a in s.forget
    ]
    (tmp_path / "planted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    others, chosen = cli_robust.split([
        "evaluate.micro_tasks=0", "evaluate.likelihood_values=2", f"evaluate.planted={tmp_path / 'planted.jsonl'}",
        "unlearn.max_epochs=2", 'robust.checks=["drift", "precision", "guided"]', "robust.weights=[2.0]",
        'robust.precisions=["nf4"]',
    ])  # fmt: skip
    asked = cli_robust.asked("robust", "private", chosen)
    victim = str(folders["victim"])

    def once() -> tuple[int, str, str]:
        with cli_runs._opened(None, tmp_path / "run", victim, [corpus], "nf4", others, True) as flow:
            report = cli_robust.check(flow, asked, "")
        return (report.verdict.exit_code, *capsys.readouterr())

    code, said, chatter = once()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (code, result["policy"]) == (result["exit_code"], "robust")
    assert code != 0  # twenty-four values decide nothing well
    subsets = {score["subset"] for score in result["scores"]}
    assert {
        "robust_as_trained",
        "robust_merged_nf4",
        "robust_public",
        "robust_unrelated",
    } <= subsets
    assert {"planted", "held_out"} <= subsets  # the release's own scores are kept
    assert "about how long" in chatter
    assert "merged_nf4" in said
    again = once()
    assert again[0] == code
    assert again[1] == said
    assert "about how long" not in again[2]
    everywhere = [p for p in (tmp_path / "run").rglob("*") if p.is_file() and "private" not in p.parts]
    assert not [p for p in everywhere for row in rows if str(row["value"]).encode() in p.read_bytes()]
    assert not [row for row in rows if str(row["value"]) in said + chatter]
