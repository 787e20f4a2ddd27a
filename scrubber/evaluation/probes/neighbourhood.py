"""Probe "neighbourhood": how the loss of a value moves when its context, or the value itself, is edited a little."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scrubber.core.types import Model, Sample, Trial
from scrubber.evaluation.slots import VALUE_TOKENS, Slot, slots

EDITS = (1, 2, 4)  # in one neighbour; neighbours go round
_NAME = re.compile(r"\b[A-Za-z_]\w{2,}")
_ALPHABETS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)


class _Neighbour(NamedTuple):
    edits: int
    ids: tuple[int, ...]  # context and value
    judged: int  # of the last ones, the value's


def ask(
    model: Model,
    samples: Sequence[Sample],
    *,
    subset: str | Sequence[str],
    context_tokens: int,
    neighbours: int = 12,
    seed: int = 0,
) -> list[Trial]:
    """One Trial for each span to forget; the outcome is the value's loss (nats a token) behind its true context.

    The completion is JSON: ``context`` and ``value``, each a list of [edits, loss less the true one]. Context edits
    rename a name, add a comment line or a blank one, and leave the value; value edits draw characters of it anew within
    their class, behind the true context. After REMIND (arXiv 2511.04228), which moves single tokens to near embeddings.
    """
    asked: list[tuple[Slot, list[_Neighbour]]] = []
    for slot in slots(model, samples, context_tokens=context_tokens):
        ids = slot.ids[:VALUE_TOKENS]
        if not slot.context:
            continue  # there is nothing to edit, and its first token cannot be judged
        dice = random.Random(f"neighbourhood-{seed}-{samples[slot.sample].id}-{len(slot.after)}")
        rows = [_Neighbour(0, (*slot.context, *ids), len(ids))]
        for number in range(neighbours):
            edits = EDITS[number % len(EDITS)]
            prompt = model.encode(_many(_context_edit, slot.prompt, edits, dice)).ids[-context_tokens:]
            rows.append(_Neighbour(edits, (*prompt, *ids), len(ids)))
        for number in range(neighbours):
            edits = EDITS[number % len(EDITS)]
            other = _many(_value_edit, slot.value, edits, dice)
            coded = model.encode(f"{slot.lead}{other}{slot.trail}").ids[:VALUE_TOKENS]
            rows.append(_Neighbour(edits, (*slot.context, *coded), len(coded)))
        asked.append((slot, rows))
    forced = iter(model.teacher_force([row.ids for _, rows in asked for row in rows]))
    trials = []
    for slot, rows in asked:
        losses = [-sum(next(forced).logprobs[-row.judged :]) / row.judged for row in rows]
        moved = [[row.edits, round(loss - losses[0], 5)] for row, loss in zip(rows[1:], losses[1:], strict=True)]
        trials.append(
            Trial(
                probe="neighbourhood",
                subject=slot.fingerprint,
                subset=subset if isinstance(subset, str) else subset[slot.sample],
                prompt=slot.prompt,
                completion=json.dumps({"context": moved[:neighbours], "value": moved[neighbours:]}),
                expected=slot.value,
                outcome=losses[0],
                weight=rows[0].judged,
            )
        )
    return trials


def _many(edit: Callable[[str, random.Random], str], text: str, count: int, dice: random.Random) -> str:
    for _ in range(count):
        text = edit(text, dice)
    return text


def _context_edit(text: str, dice: random.Random) -> str:
    """The text's last line keeps its end, for what stands right before a value is its template."""
    names = sorted({match.group() for match in _NAME.finditer(text)})
    lines = text.splitlines(keepends=True)
    kind = dice.choice(("name", "comment", "blank") if names else ("comment", "blank"))
    if kind == "name":
        name = dice.choice(names)
        other = "".join(dice.choice(string.ascii_lowercase) for _ in name)
        return re.sub(rf"\b{re.escape(name)}\b", other.upper() if name.isupper() else other, text)
    place = dice.randrange(max(1, len(lines)))
    word = "".join(dice.choice(string.ascii_lowercase) for _ in range(5))
    lines.insert(place, f"# {word}\n" if kind == "comment" else "\n")
    return "".join(lines)


def _value_edit(value: str, dice: random.Random) -> str:
    places = [i for i, character in enumerate(value) if any(character in some for some in _ALPHABETS)]
    if not places:
        return value
    place = dice.choice(places)
    alphabet = next(some for some in _ALPHABETS if value[place] in some)
    return value[:place] + dice.choice(alphabet.replace(value[place], "")) + value[place + 1 :]
