"""Decoys: values of the same format that exist nowhere, to show what chance and format alone would score."""

from __future__ import annotations

import ipaddress
import random
import re
import string
from dataclasses import replace

from scrubber.core.types import Sample, Span

# the part of a provider's token that every such token shares, as in AKIA or ghp_ or sk_live_
_PREFIX = re.compile(r"(?:[A-Za-z]{2,10}[_-]){1,3}|AKIA|ASIA|AIza|SG\.")


def same_format(value: str, dice: random.Random) -> str:
    """A random value with this one's length, character classes, marks, and token prefix; an address stays an address."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        size = 32 if address.version == 4 else 128
        # nearby blocks keep it public where the true one is
        return str(type(address)(int(address) ^ dice.getrandbits(size - 8)))
    prefix = _PREFIX.match(value)
    kept = prefix.end() if prefix and prefix.end() < len(value) else 0
    return value[:kept] + "".join(_like(character, dice) for character in value[kept:])


def decoy(sample: Sample, seed: int) -> Sample:
    """The sample with a same-format value in each slot; its spans move along where a length changes.

    Seeded by the sample's id, so that before and after are asked the same.
    """
    text, spans, shift = sample.text, [], 0
    dice = random.Random(f"decoy-{seed}-{sample.id}")
    for span in sorted(sample.forget):
        value = sample.text[span.start : span.end]
        draws = (same_format(value, dice) for _ in range(20))
        other = next((other for other in draws if other != value), value)  # a short one may be drawn as it is
        start = span.start + shift
        text = text[:start] + other + text[start + len(value) :]
        spans.append(Span(start, start + len(other)))
        shift += len(other) - len(value)
    return replace(sample, id=f"decoy:{sample.id}", text=text, forget=tuple(spans))


def _like(character: str, dice: random.Random) -> str:
    for alphabet in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        if character in alphabet:
            return dice.choice(alphabet)
    return character
