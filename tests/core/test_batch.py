"""One shift, one set of masks: which tokens lie in a span, which positions they are judged at, and what makes a step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from scrubber.core.batch import Batch, Edges, Schedule, Tokens, collate, epoch_steps, split_step, tokenize
from scrubber.core.errors import NothingToDo
from scrubber.core.types import Encoding, Sample, Span


def pairs(text: str) -> Encoding:
    """A tokenizer whose tokens are two characters each."""
    offsets = tuple((i, min(i + 2, len(text))) for i in range(0, len(text), 2))
    return Encoding(tuple(range(100, 100 + len(offsets))), offsets)


def row(*ids: int, forget: tuple[int, ...] = ()) -> Tokens:
    """``forget``: which of the ids are marked."""
    return Tokens(ids, tuple(i in forget for i in ids), (False,) * len(ids))


def real_rows(batches: list[Batch]) -> list[tuple[int, ...]]:
    return [
        tuple(ids[mask.bool()].tolist())
        for batch in batches
        for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True)
    ]


@pytest.mark.parametrize(
    ("span", "edges", "marked"),
    [
        (Span(2, 6), "overlap", [1, 2]),  # exactly two tokens
        (Span(2, 6), "inclusive", [0, 1, 2, 3]),  # and those that touch it
        (Span(3, 5), "overlap", [1, 2]),  # half of each
        (Span(3, 5), "inclusive", [1, 2]),
        (Span(4, 5), "overlap", [2]),
        (Span(4, 5), "inclusive", [1, 2]),
        (Span(0, 1), "overlap", [0]),
        (Span(9, 10), "overlap", [4]),
    ],
)
def test_a_token_is_in_a_span_if_they_share_a_character(span: Span, edges: Edges, marked: list[int]) -> None:
    sample = Sample("s", "0123456789", forget=(span,))
    tokens = tokenize(sample, pairs, max_length=99, edges=edges)
    assert [i for i, mark in enumerate(tokens.forget) if mark] == marked
    assert not any(tokens.reinforce)


def test_tokens_beyond_the_longest_length_are_cut_with_their_marks() -> None:
    sample = Sample("s", "0123456789", forget=(Span(0, 2), Span(8, 10)), reinforce=(Span(2, 4),))
    tokens = tokenize(sample, pairs, max_length=3)
    assert tokens == Tokens((100, 101, 102), (True, False, False), (False, True, False))


def test_a_mark_stands_where_its_token_is_the_label() -> None:
    batch = collate([row(5, 6, 7, 8, forget=(7,)), row(9, 10, forget=(10,))], "forget", pad_id=0)
    assert batch.input_ids.tolist() == [[5, 6, 7, 8], [9, 10, 0, 0]]
    assert batch.labels.tolist() == [6, 7, 8, 10]
    assert batch.forget.tolist() == [False, True, False, True]
    # the prediction of 7 is made at token 6, which is the second of the three predictions of row 0
    assert batch.positions.tolist() == [0, 1, 2, 3]
    assert (batch.forget_total, batch.context_total, batch.padding_total) == (2, 2, 2)


def test_the_first_token_of_a_row_is_never_judged() -> None:
    batch = collate([row(5, 6, forget=(5,))], "forget", pad_id=0)
    assert batch.labels.tolist() == [6]
    assert batch.forget.tolist() == [False]


def test_a_row_of_one_token_judges_nothing() -> None:
    batch = collate([row(5), row(6)], "retain", pad_id=0)
    assert batch.labels.tolist() == []
    assert batch.context_total == 0


def test_a_row_may_end_with_the_end_of_text() -> None:
    batch = collate([row(5, 6), row(7, 8, 9)], "retain", pad_id=0, end_id=1)
    assert real_rows([batch]) == [(5, 6, 1), (7, 8, 9, 1)]
    assert batch.labels.tolist() == [6, 1, 8, 9, 1]


def test_every_micro_batch_carries_the_totals_of_its_step() -> None:
    rows = [row(*range(10, 10 + n), forget=(11, 12)) for n in (3, 6, 4, 5, 2)]
    whole = collate(rows, "forget", pad_id=0)
    parts = split_step(rows, "forget", 2, pad_id=0)
    assert [len(part.input_ids) for part in parts] == [2, 2, 1]
    for part in parts:
        assert (part.rows, part.forget_total, part.context_total) == (5, whole.forget_total, whole.context_total)
    assert sum(int(part.forget.sum()) for part in parts) == whole.forget_total
    assert sorted(real_rows(parts)) == sorted(real_rows([whole]))


FORGET = [row(i, i + 1, i + 2) for i in range(100, 400, 30)]  # ten rows
RETAIN = [row(i, i + 1) for i in (1000, 2000, 3000)]


def steps(schedule: Schedule, epoch: int = 0, **changes: Any) -> list[list[Batch]]:
    return list(
        epoch_steps(**{"forget": FORGET, "retain": RETAIN, **changes}, schedule=schedule, epoch=epoch, pad_id=0)
    )


@pytest.mark.parametrize("order", ["joint", "alternating"])
@pytest.mark.parametrize(("size", "micro"), [(4, 4), (4, 3), (16, 1), (1, 1)])
def test_an_epoch_shows_every_forget_row_once(order: Any, size: int, micro: int) -> None:
    made = steps(Schedule(size, micro, order))
    shown = real_rows([batch for step in made for batch in step if batch.role == "forget"])
    assert sorted(shown) == [tokens.ids for tokens in FORGET]


def order_of(schedule: Schedule, epoch: int) -> list[tuple[int, ...]]:
    return [rows for step in steps(schedule, epoch) for rows in real_rows(step)]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    schedule = Schedule(1, 1, seed=5)
    first = order_of(schedule, 2)
    torch.manual_seed(99)  # no other source of chance has a say
    list(steps(schedule, 3))
    assert order_of(schedule, 2) == first
    assert order_of(schedule, 1) != first
    assert order_of(Schedule(1, 1, seed=6), 2) != first


def test_joint_steps_hold_both_roles_and_alternating_ones_take_turns() -> None:
    def roles(order: Any) -> list[list[str]]:
        return [[batch.role for batch in step] for step in steps(Schedule(4, 4, order))]

    assert roles("joint") == [["forget", "retain"]] * 3
    assert roles("alternating") == [["forget"], ["retain"]] * 3


def test_retain_rows_go_round() -> None:
    made = steps(Schedule(4, 4))
    shown = Counter(real_rows([batch for step in made for batch in step if batch.role == "retain"]))
    assert sorted(shown) == [tokens.ids for tokens in RETAIN]
    assert sum(shown.values()) == 12
    assert max(shown.values()) - min(shown.values()) <= 1


def test_more_rows_to_keep_may_stand_beside_each_batch_to_forget() -> None:
    made = steps(Schedule(4, 2, "alternating", retain_batch_size=5))
    assert [sum(map(len, [real_rows([b]) for b in step])) for step in made] == [4, 5, 4, 5, 2, 5]
    shown = Counter(real_rows([batch for step in made for batch in step if batch.role == "retain"]))
    assert sum(shown.values()) == 15
    assert max(shown.values()) == min(shown.values()) == 5


def test_without_retain_rows_only_forget_batches_come_and_the_reverse() -> None:
    assert {batch.role for step in steps(Schedule(4, 4), retain=[]) for batch in step} == {"forget"}
    alone = steps(Schedule(2, 2), forget=[])
    assert {batch.role for step in alone for batch in step} == {"retain"}
    assert sorted(real_rows([batch for step in alone for batch in step])) == [tokens.ids for tokens in RETAIN]


def test_nothing_at_all_to_train_on_is_said() -> None:
    with pytest.raises(NothingToDo):
        steps(Schedule(), forget=[], retain=[])
