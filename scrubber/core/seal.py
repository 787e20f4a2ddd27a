"""A seal on evidence: an HMAC under the project's key, which whoever can write to a registry does not hold."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import KEY_VARIABLE, LEAST_KEY_BYTES, project_key, user_key

SEAL, KEY = "seal", "key"  # fields of a sealed object; all its others are what is sealed


def sealing_key(*, make: bool = False) -> bytes:
    """The key of ``SCRUBBER_KEY_FILE``, else of this user's key file, which ``make`` allows to be made.

    Raises AskedWrongly where there is none, or it is shorter than 16 bytes: a key that lives for one process seals nothing.
    """
    place = user_key()
    if os.environ.get(KEY_VARIABLE) or make or place.is_file():
        key = project_key(place)
        if os.environ.get(KEY_VARIABLE) or place.is_file():
            if len(key) >= LEAST_KEY_BYTES:
                return key
            raise AskedWrongly(
                f"the key is shorter than {LEAST_KEY_BYTES} bytes",
                mend="Make one with: head -c 32 /dev/urandom > scrubber.key",
            )
    raise AskedWrongly(
        "there is no key that evidence could be sealed or checked with",
        mend=f"Point {KEY_VARIABLE} at the key file of the machine that evaluates; keep it away from the registry.",
    )


def seal(content: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """``content`` (JSON types) with the id of the key and the HMAC-SHA-256 of everything else in it."""
    body = {**content, KEY: key_id(key)}
    return {**body, SEAL: _mac(b"seal", _canonical(body), key)}


def is_sealed(sealed: Mapping[str, Any], key: bytes) -> bool:
    """Whether ``sealed`` is, to the last character, what was sealed under ``key``."""
    body = {name: value for name, value in sealed.items() if name != SEAL}
    told = sealed.get(SEAL)
    return isinstance(told, str) and hmac.compare_digest(told.encode(), _mac(b"seal", _canonical(body), key).encode())


def key_id(key: bytes) -> str:
    """Names a key without telling anything of it."""
    return _mac(b"id", b"", key)[:12]


def folder_digest(root: Path, leave_out: frozenset[str] = frozenset()) -> tuple[str, int]:
    """SHA-256 of the names, sizes and contents of all files under ``root``, and their count.

    ``leave_out``: paths relative to ``root``. A link is read as what it leads to.
    """
    rows = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name not in leave_out:
            rows.append([name, path.stat().st_size, file_digest(path)])
    return hashlib.sha256(_canonical(rows)).hexdigest(), len(rows)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _mac(purpose: bytes, data: bytes, key: bytes) -> str:
    # A purpose of its own keeps seals apart from fingerprints, which are made under the same key.
    own = hmac.new(key, b"scrubber " + purpose, hashlib.sha256).digest()
    return hmac.new(own, data, hashlib.sha256).hexdigest()
