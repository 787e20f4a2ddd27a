"""A user's own rule packs, made ready for a scan: only sound ones are taken, as ``scrubber rules check`` judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scrubber.core.errors import AskedWrongly
from scrubber.detectors._rules import TokenFormat, pack_rules
from scrubber.pipelines.rules import LIMIT, check


def packs_at(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named, and the TOML files of folders. Raises AskedWrongly where a folder holds none."""
    found = {path: sorted(path.glob("*.toml")) if path.is_dir() else [path] for path in paths}
    if empty := [str(path) for path, packs in found.items() if not packs]:
        raise AskedWrongly(
            "no rule pack is in the folder", where=", ".join(empty), mend="Name a TOML file, or a folder of them."
        )
    return [pack for packs in found.values() for pack in packs]


def sound_rules(paths: Sequence[Path], *, limit: float = LIMIT) -> tuple[TokenFormat, ...]:
    """The rules of the packs at ``paths``, each tried out first; none where no path is given.

    Raises AskedWrongly, which names every mistake of every pack: also where one rule takes more than ``limit`` seconds
    for strings that are made to keep it busy. The rules are tried in a process of their own, so that a script must guard
    itself by ``if __name__ == "__main__"``.
    """
    packs = packs_at(paths)
    if packs and (faults := check(packs, limit=limit)):
        raise AskedWrongly(
            "faults in rule packs:\n  " + "\n  ".join(f"{rule}: {what}. {mend}" for rule, what, mend in faults) + "\n",
            where=", ".join(map(str, packs)),
            mend="Correct them, then run: scrubber rules check.",
        )
    return tuple(rule.format for rule in pack_rules(packs))
