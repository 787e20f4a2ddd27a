"""The demo's private corpus: real functions with invented values in realistic places, and decoys planted nowhere."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal, NamedTuple

from scrubber.core.types import Sample, Span
from scrubber.evaluation.benchmarks import micro
from scrubber.pipelines.demo.functions import functions
from scrubber.pipelines.demo.values import MAKERS, people, services

Place = Literal["above", "inside", "below"]
_SHORT = 130  # characters of a host function: documents of about 80 tokens


class Template(NamedTuple):
    """One line that holds a value ``{v}``, a person ``{p}``, a service ``{n}``, or its upper-case name ``{N}``."""

    place: Place
    line: str


TEMPLATES: dict[str, tuple[Template, ...]] = {
    "api_key": (
        Template("above", '{N}_API_KEY = "{v}"'),
        Template("above", '{N}_HEADERS = {{"Authorization": "Bearer {v}"}}'),
        Template("inside", "# key of the {n} service: {v}"),
        Template("inside", 'client = connect("{n}", token="{v}")'),
        Template("below", 'FIXTURE_{N} = {{"service": "{n}", "token": "{v}"}}'),
    ),
    "url_password": (
        Template("above", '{N}_URL = "postgresql://{n}:{v}@db.internal:5432/main"'),
        Template("above", "# moved from redis://{n}:{v}@cache.internal:6379/0"),
        Template("inside", 'engine = create_engine("mysql://{n}:{v}@sql.internal/app")'),
        Template("inside", '"""Reads from amqp://{n}:{v}@queue.internal/jobs."""'),
        Template("below", 'TEST_{N} = {{"dsn": "https://{n}:{v}@hub.internal/7"}}'),
    ),
    "email_address": (
        Template("above", "# Maintainer: {p} <{v}>"),
        Template("above", '__author__ = "{p} <{v}>"'),
        Template("inside", '"""Written by {p}, mail {v} with questions."""'),
        Template("inside", "# {p} asked for this: {v}"),
        Template("below", 'OWNER_{N} = {{"name": "{p}", "mail": "{v}"}}'),
    ),
    "phone_number": (
        Template("above", "# On call: {p}, {v}"),
        Template("above", 'PAGER_{N} = "{v}"  # {p}'),
        Template("inside", '"""Call {p} on {v} before a change."""'),
        Template("inside", 'alert("{p}", phone="{v}")'),
        Template("below", 'CONTACT_{N} = {{"name": "{p}", "phone": "{v}"}}'),
    ),
    "ip_address": (
        Template("above", 'ALLOWED_{N} = "{v}"  # desk of {p}'),
        Template("above", "# {p} logs in from {v}"),
        Template("inside", 'tunnel = open_tunnel("{n}", host="{v}")'),
        Template("inside", '"""Runs on the machine of {p} at {v}."""'),
        Template("below", 'HOSTS_{N} = {{"user": "{p}", "host": "{v}"}}'),
    ),
}
PERSONAL = ("email_address", "phone_number", "ip_address")
CREDENTIALS = ("api_key", "url_password")


@dataclass(frozen=True, slots=True)
class Planted:
    """A value in its document. ``person`` is whose it is, where it is somebody's."""

    value: str = field(repr=False)
    kind: str
    document: str
    start: int
    end: int
    text: str = field(repr=False)
    person: str = ""

    def sample(self, fingerprint: str) -> Sample:
        return Sample(self.document, self.text, (Span(self.start, self.end),), fingerprints=(fingerprint,))


@dataclass(frozen=True, slots=True)
class World:
    planted: tuple[Planted, ...]
    decoys: tuple[Planted, ...]
    clean: tuple[str, ...]  # private functions that hold nothing, and small ones of the micro tasks' seen compositions
    base: tuple[str, ...]  # functions that the demo model knows
    held_out: tuple[str, ...]  # functions that it never saw


def build(*, per_kind: int, seed: int) -> World:
    """``per_kind`` values of each of the five kinds; each invented person has an e-mail, a phone and an address.

    A person's three stand in one document, a service's key and password in another. Decoys are as many values of
    the same formats, behind the same templates with other people and services.
    """
    dice = random.Random(f"world-{seed}")
    private = [f.source for f in functions()["private"]]
    hosts = [source for source in private if len(source) <= _SHORT]
    dice.shuffle(hosts)
    names, systems = people(dice, 2 * per_kind), services(dice, 2 * per_kind)
    taken: set[str] = set()
    planted = _plant(dice, "planted", hosts, names[:per_kind], systems[:per_kind], taken)
    decoys = _plant(dice, "decoy", hosts[::-1], names[per_kind:], systems[per_kind:], taken)
    return World(
        planted=tuple(planted),
        decoys=tuple(decoys),
        clean=(
            *(source for source in private if _SHORT < len(source) <= 600),
            *(task.prompt + task.solution for task in micro.tasks("seen", 2048, seed=7)),
        ),
        base=tuple(f.source for f in functions()["base"]),
        held_out=tuple(f.source for f in functions()["held_out"]),
    )


def as_jsonl(rows: Sequence[Planted]) -> str:
    """The contract of ``private/planted.jsonl``: value, kind, document, start, end (and the text, and the person)."""
    return "".join(
        json.dumps({"value": r.value, "kind": r.kind, "document": r.document, "start": r.start, "end": r.end,
                    "person": r.person, "text": r.text}) + "\n"
        for r in rows
    )  # fmt: skip


def _plant(
    dice: random.Random, label: str, hosts: list[str], names: list[str], systems: list[str], taken: set[str]
) -> list[Planted]:
    """Two documents for each person: one with what is theirs, one with the credentials of a service."""
    rows: list[Planted] = []
    # a line can only stand under a signature of one line that no docstring follows
    turns = {True: cycle([source for source in hosts if _is_plain(source)]), False: cycle(hosts)}
    for number, (person, system) in enumerate(zip(names, systems, strict=True)):
        for part, kinds in (("person", PERSONAL), ("service", CREDENTIALS)):
            values = {kind: _fresh(kind, dice, taken) for kind in kinds}
            # templates go round at different paces, so that each meets every other
            lines = [(TEMPLATES[k][(number // 5**i + i) % len(TEMPLATES[k])], values[k]) for i, k in enumerate(kinds)]
            host = next(turns[any(template.place == "inside" for template, _ in lines)])
            text = _written(host, lines, person, system)
            document = f"{label}_{number:03d}_{part}.py"
            owner = person if kinds is PERSONAL else ""
            for kind, value in values.items():
                start = text.index(value)
                rows.append(Planted(value, kind, document, start, start + len(value), text, owner))
    return sorted(rows, key=lambda row: row.kind)


def _fresh(kind: str, dice: random.Random, taken: set[str]) -> str:
    value = MAKERS[kind](dice)
    while any(value in other or other in value for other in taken):
        value = MAKERS[kind](dice)
    taken.add(value)
    return value


def _written(host: str, lines: Sequence[tuple[Template, str]], person: str, system: str) -> str:
    """The host function with each template's line above, inside or below it."""
    placed: dict[Place, list[str]] = {"above": [], "inside": [], "below": []}
    for template, value in lines:
        placed[template.place].append(template.line.format(v=value, p=person, n=system, N=system.upper()))
    head, body = host.split("\n", 1)
    indent = body[: len(body) - len(body.lstrip(" "))]
    inside = "".join(f"{indent}{line}\n" for line in placed["inside"])
    above = "".join(f"{line}\n" for line in placed["above"])
    below = "".join(f"{line}\n" for line in placed["below"])
    return above + "\n" * bool(above) + f"{head}\n{inside}{body}" + "\n" * bool(below) + below


def _is_plain(source: str) -> bool:
    head, _, body = source.partition("\n")
    return head.startswith("def ") and head.rstrip().endswith(":") and not body.lstrip().startswith(('"', "'", "r"))
