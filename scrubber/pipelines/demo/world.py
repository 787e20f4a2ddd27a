"""The demo's private corpus: real functions with invented values in realistic places, and decoys planted nowhere."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal, NamedTuple

from scrubber.core.types import Sample, Span
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
        Template("inside", '# {p} asked for this: {v}'),
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
    clean: tuple[str, ...]  # private functions that hold nothing
    base: tuple[str, ...]  # functions that the demo model knows
    held_out: tuple[str, ...]  # functions that it never saw


def build(*, per_kind: int, seed: int) -> World:
    """``per_kind`` values of each of the five kinds; each invented person has an e-mail, a phone and an address.

    Decoys are as many values of the same formats, behind the same templates with other people and services.
    """
    dice = random.Random(f"world-{seed}")
    private = [f.source for f in functions()["private"]]
    hosts = [source for source in private if len(source) <= _SHORT]
    dice.shuffle(hosts)
    count = per_kind * len(TEMPLATES)
    names, systems = people(dice, 2 * per_kind), services(dice, 2 * count)
    taken: set[str] = set()
    planted = _plant(dice, "planted", hosts, names[:per_kind], systems[:count], taken)
    decoys = _plant(dice, "decoy", hosts[::-1], names[per_kind:], systems[count:], taken)
    return World(
        planted=tuple(planted),
        decoys=tuple(decoys),
        clean=tuple(source for source in private if _SHORT < len(source) <= 600),
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
    rows: list[Planted] = []
    # a line can only stand under a signature of one line that no docstring follows
    plain = [source for source in hosts if _is_plain(source)]
    turns = {"above": cycle(hosts), "below": cycle(hosts), "inside": cycle(plain)}
    for kind, templates in TEMPLATES.items():
        for number, person in enumerate(names):
            value = MAKERS[kind](dice, person)
            while value in taken:
                value = MAKERS[kind](dice, person)
            taken.add(value)
            template = templates[number % len(templates)]
            text, start = _put(next(turns[template.place]), template, value, person, systems[len(rows)])
            document = f"{label}_{len(rows):04d}.py"
            owner = person if kind in PERSONAL else ""
            rows.append(Planted(value, kind, document, start, start + len(value), text, owner))
    return rows


def _put(host: str, template: Template, value: str, person: str, system: str) -> tuple[str, int]:
    """The host function with the template's line, and where in it the value starts."""
    mark = "\0"
    line = template.line.format(v=mark, p=person, n=system, N=system.upper())
    if template.place == "above":
        text = f"{line}\n\n{host}"
    elif template.place == "below":
        text = f"{host}\n\n{line}\n"
    else:
        head, body = host.split("\n", 1)
        indent = body[: len(body) - len(body.lstrip(" "))]
        text = f"{head}\n{indent}{line}\n{body}"
    return text.replace(mark, value), text.index(mark)


def _is_plain(source: str) -> bool:
    head, _, body = source.partition("\n")
    return head.startswith("def ") and head.rstrip().endswith(":") and not body.lstrip().startswith(('"', "'", "r"))
