"""Checksums that providers publish for their tokens: a token that carries a right one is no accident."""

from __future__ import annotations

import string
import zlib
from collections.abc import Callable, Mapping

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
BECH32 = "".join(("qpzry9x8", "gf2tvdw0", "s3jn54kh", "ce6mua7l"))  # whole, a scan would take it for a key
BECH32_CHECK = 6  # characters
BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def crc32_base62(payload: str) -> str:
    """The CRC-32 of ``payload`` as six digits of base 62, as GitHub and npm append it to 30 random characters."""
    rest = zlib.crc32(payload.encode())
    digits = ""
    while rest:
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits.rjust(6, "0")


def bech32(start: str, data: str) -> str:
    """The six characters of BIP 173 that end ``start`` + "1" + ``data``, all in one case, as in the keys of age."""
    name = start.lower()
    numbers = [*(ord(c) >> 5 for c in name), 0, *(ord(c) & 31 for c in name), *map(BECH32.index, data.lower())]
    state = 1
    for number in (*numbers, *[0] * BECH32_CHECK):
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ number
        for bit, generator in enumerate(BECH32_GENERATORS):
            state ^= generator if top >> bit & 1 else 0
    state ^= 1
    check = "".join(BECH32[state >> 5 * (BECH32_CHECK - 1 - place) & 31] for place in range(BECH32_CHECK))
    return check if start.islower() else check.upper()


def _has_crc32_base62(token: str) -> bool:
    payload = token.rpartition("_")[2]
    return len(payload) > 6 and crc32_base62(payload[:-6]) == payload[-6:]


def _has_bech32(token: str) -> bool:
    start, _, data = token.rpartition("1")
    known = len(data) >= BECH32_CHECK and set(data.lower()) <= set(BECH32)
    return known and bech32(start, data[:-BECH32_CHECK]) == data[-BECH32_CHECK:]


CHECKSUMS: Mapping[str, Callable[[str], bool]] = {"crc32_base62": _has_crc32_base62, "bech32": _has_bech32}
