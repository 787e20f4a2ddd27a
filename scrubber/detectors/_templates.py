"""Seeded templates, such as ``ghp_{alnum:36}``: examples of credentials that are written in no file."""

from __future__ import annotations

import random
import re
import string
import uuid
from collections.abc import Mapping

from scrubber.detectors._checksums import BECH32, BECH32_CHECK, bech32, crc32_base62

LETTERS = string.ascii_letters
CLASSES: Mapping[str, str] = {
    "alnum": LETTERS + string.digits,
    "base36": string.ascii_lowercase + string.digits,
    "BASE36": string.ascii_uppercase + string.digits,
    "base32": string.ascii_lowercase + "234567",
    "BASE32": string.ascii_uppercase + "234567",
    "base64": LETTERS + string.digits + "+/",
    "base64url": LETTERS + string.digits + "-_",
    "crypt": LETTERS + string.digits + "./",
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "letter": LETTERS,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
}
FUNCTIONS = ("uuid", "crc32_base62", "bech32")
FIELD = re.compile(r"\{\{|\}\}|\{(?P<name>\w+)(?::(?P<least>\d+)(?:-(?P<most>\d+))?)?\}|[{}]")
MOST = 10_000  # characters of one field


def expand(template: str, seed: int) -> str:
    """One example of ``template``; the same for the same seed.

    ``{alnum:36}`` and ``{alnum:20-40}`` draw so many characters of a class of CLASSES, ``{uuid}`` a random UUID.
    ``{crc32_base62:30}`` is the checksum of the 30 characters before it; ``{bech32:58}`` draws so many characters, the
    checksum over everything before them included. ``{{`` and ``}}`` are braces.

    Raises ValueError when the template is malformed.
    """
    rng = random.Random(f"{seed} {template}")
    made = ""
    last = 0
    for match in FIELD.finditer(template):
        made += template[last : match.start()]
        last = match.end()
        made += match.group()[0] if match.group() in ("{{", "}}") else _field(match, made, rng)
    return made + template[last:]


def _field(match: re.Match[str], before: str, rng: random.Random) -> str:
    name, least, most = match["name"], int(match["least"] or 0), int(match["most"] or match["least"] or 0)
    if name not in CLASSES and name not in FUNCTIONS:
        raise ValueError(f"{match.group()} is no field: the classes are {', '.join((*CLASSES, *FUNCTIONS))}")
    if name == "uuid":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    if not 1 <= least <= most <= MOST:
        raise ValueError(f"{match.group()} lacks a length, as in {{{name}:20}} or {{{name}:20-40}}")
    if name == "crc32_base62":
        return crc32_base62(before[-least:])
    if name == "bech32":
        data = "".join(rng.choices(BECH32, k=least - BECH32_CHECK)).upper()
        return data + bech32(before.rpartition("1")[0], data)
    return "".join(rng.choices(CLASSES[name], k=rng.randint(least, most)))
