"""Masking and keyed fingerprints: the one place where a value turns into something that may be shown."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Document, Finding, Hit, Kind

KEY_VARIABLE = "SCRUBBER_KEY_FILE"
LEAST_KEY_BYTES = 16


def mask(value: str) -> str:
    """A preview that tells a person which value is meant and nobody else what it is.

    Two leading characters of values of 12 or more, then the length; shorter values show their length only,
    since two characters of a short one are too much of it.
    """
    return f"{value[:2] if len(value) >= 12 and value[:2].isalnum() else ''}***[{len(value)}]"


class Fingerprinter:
    """HMAC-SHA-256 of kind and value under the project's key, so that one value has one fingerprint everywhere.

    A plain hash of a short value can be guessed back; a keyed one cannot without the key.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST_KEY_BYTES:
            raise AskedWrongly(
                f"the fingerprint key is shorter than {LEAST_KEY_BYTES} bytes",
                mend="Make one with: head -c 32 /dev/urandom > scrubber.key",
            )
        self._key = key

    def __call__(self, kind: Kind, value: str) -> str:
        return hmac.new(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    def findings(self, document: Document, hits: Iterable[tuple[Kind, Hit]]) -> list[Finding]:
        """Confirmed hits as Findings, in the order given; line and column are counted from 1."""
        made = []
        text, line, counted = document.text, 1, 0
        for kind, hit in hits:
            at = hit.span.start
            line += text.count("\n", counted, at) if at >= counted else -text.count("\n", at, counted)
            counted = at
            value = text[at : hit.span.end]
            made.append(
                Finding(
                    document=document.id,
                    span=hit.span,
                    line=line,
                    column=at - text.rfind("\n", 0, at),
                    kind=kind,
                    rule=hit.rule,
                    confidence=hit.confidence,
                    preview=mask(value),
                    fingerprint=self(kind, value),
                )
            )
        return made


def project_key(default: Path | None = None) -> bytes:
    """The key of ``SCRUBBER_KEY_FILE``; else of the file ``default``, made at first use; else a random one.

    Colleagues and CI share one key by sharing that file (a CI secret of type file); without it fingerprints
    of two machines cannot be compared.
    """
    named = os.environ.get(KEY_VARIABLE)
    if named:
        try:
            return Path(named).read_bytes().strip()
        except OSError as error:
            raise AskedWrongly(
                f"the key file of {KEY_VARIABLE} cannot be read: {error.strerror}",
                mend="Point it at a file of at least 16 random bytes, or unset it.",
            ) from None
    if default is None:
        return secrets.token_bytes(32)
    try:
        if not default.exists():
            _make_key(default)
        return default.read_bytes().strip()
    except OSError:  # a read-only home: fingerprints then hold for this process alone
        return secrets.token_bytes(32)


def user_key() -> Path:
    """Where a key of this user's own lies, for commands that have no run folder."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "scrubber" / "key"


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    partial.rename(path)
