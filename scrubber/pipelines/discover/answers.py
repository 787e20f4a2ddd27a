"""What a model answered, and which packages it named there: real ones, invented ones, and where they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from scrubber.core.mentions import Ecosystem, Mention
from scrubber.core.types import Document, Span
from scrubber.detectors._packages.found import DISTRIBUTION, normal
from scrubber.detectors._packages.verdicts import Judge
from scrubber.detectors.packages import mentions
from scrubber.pipelines.discover.prompts import Prompt

VALID = frozenset(("known", "known-by-mapping"))
INVENTED = frozenset(("unknown", "unregistrable"))
LISTS = ("code-to-packages", "task-to-packages")  # contexts that may be answered with a plain list
ITEM = re.compile(
    rf"""[ \t]*(?:[-*•+]|\d{{1,2}}[.)])?[ \t]*[`"']?(?P<name>{DISTRIBUTION.pattern})[`"']?"""
    r"(?:\[[^\]\n]*\])?[ \t]*(?:[=~!<>]=?=?[ \t]*[\w.*]+)?[ \t]*\.?[ \t]*$"
)
# What follows a name that may go on where the answer was cut.
OPEN = re.compile(r"[\w.\-=<>~!\[]*\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """``ended``: the model ended it by itself; else it was cut at the most tokens. Private."""

    prompt: str  # id
    number: int
    text: str = field(repr=False)
    ended: bool


class Name(NamedTuple):
    """A package named in an answer. ``span`` in prompt + answer, the answer's part of it alone. Private."""

    name: str
    span: Span
    verdict: str
    ecosystem: Ecosystem


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer with what it names: each name once in ``valid`` or ``invented``, all its places in ``places``. Private."""

    prompt: Prompt
    answer: Answer = field(repr=False)
    places: tuple[Name, ...] = field(repr=False)
    valid: tuple[str, ...] = field(repr=False)
    invented: tuple[str, ...] = field(repr=False)
    late: int = 0  # names that are younger than the model's knowledge: neither

    @property
    def named(self) -> int:
        return len(self.valid) + len(self.invented)

    @property
    def right(self) -> bool | None:
        """Whether it names one of the right packages; None where nobody said which those are."""
        wanted = {normal("pypi", name) for name in self.prompt.right}
        return bool(wanted.intersection(normal("pypi", name) for name in self.valid)) if wanted else None


def judged(prompts: Iterable[Prompt], answers: Iterable[Answer], judge: Judge, ecosystem: Ecosystem) -> list[Judged]:
    """Each answer judged, in the order of ``answers``."""
    by_id = {prompt.id: prompt for prompt in prompts}
    return [judge_one(by_id[answer.prompt], answer, judge, ecosystem) for answer in answers]


def judge_one(prompt: Prompt, answer: Answer, judge: Judge, ecosystem: Ecosystem) -> Judged:
    places = tuple(names(prompt, answer, judge, ecosystem))

    def distinct(verdicts: frozenset[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.name for place in places if place.verdict in verdicts))

    return Judged(
        prompt, answer, places, distinct(VALID), distinct(INVENTED), len(distinct(frozenset(("late",))))
    )  # fmt: skip


def names(prompt: Prompt, answer: Answer, judge: Judge, ecosystem: Ecosystem) -> Iterator[Name]:
    """Packages in the answer, by place; prompt and answer are read as one text, since a command may begin in the prompt.

    Of an answer that was cut, a last name that may be incomplete is dropped: a cut one would look invented.
    """
    text = prompt.text + answer.text
    found = mentions(Document(answer.prompt, text, origin="generation"), judge)
    found = [one for one in found if one.span.end > len(prompt.text)]
    if prompt.context in LISTS:
        taken = [one.span for one in found]
        listed = (
            one for one in _listed(text, len(prompt.text), ecosystem) if not any(one.span.overlaps(s) for s in taken)
        )
        found = sorted([*found, *map(judge, listed)], key=lambda one: one.span)
    for one in found:
        if not answer.ended and OPEN.match(text, one.span.end):
            continue
        span = Span(max(one.span.start, len(prompt.text)), one.span.end)
        yield Name(normal(one.ecosystem, one.name), span, one.verdict or "not judged", one.ecosystem)


def _listed(text: str, start: int, ecosystem: Ecosystem) -> Iterator[Mention]:
    """Names of a plain list that an answer begins with: lines, or items between commas, that are each one name."""
    at = start
    seen = False
    for line in text[start:].split("\n"):
        items = [(at + match.start(), match[0]) for match in re.finditer(r"[^,]+", line)]
        at += len(line) + 1
        if not line.strip() or line.strip().startswith("```"):
            if seen:
                return
            continue
        matches = [(begin, ITEM.match(item)) for begin, item in items if item.strip()]
        if not all(match for _, match in matches):
            return
        seen = True
        for begin, match in matches:
            assert match is not None
            span = Span(begin + match.start("name"), begin + match.end("name"))
            yield Mention("", span, ecosystem, "install", "prose", match["name"], normal(ecosystem, match["name"]))


def to_jsonl(answers: Iterable[Answer]) -> str:
    return "".join(json.dumps(asdict(answer)) + "\n" for answer in answers)


def from_jsonl(text: str) -> list[Answer]:
    return [Answer(**json.loads(line)) for line in text.splitlines()]
