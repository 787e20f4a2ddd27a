"""Names of packages in code, install commands and manifests, and those among them that no registry knows.

Where the indexes of names are, and how old the model's knowledge is, comes from the environment: SCRUBBER_INDEX (a folder;
else the user's own) and SCRUBBER_CUTOFF (an ISO date). Without an index nothing is called invented.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from scrubber.core.errors import AskedWrongly
from scrubber.core.mentions import BAD, ECOSYSTEMS, Ecosystem, Mention
from scrubber.core.name_index import NameIndex, index_path
from scrubber.core.types import Detector, Document, Hit, Kind, Pattern, Span
from scrubber.detectors._packages import extract
from scrubber.detectors._packages.manifests import manifest_of
from scrubber.detectors._packages.verdicts import Judge, check_cutoff

INDEX_VARIABLE, CUTOFF_VARIABLE = "SCRUBBER_INDEX", "SCRUBBER_CUTOFF"
PATTERNS = (  # what stands in every text that has a mention, but for manifests
    r"\bimport\b", r"\brequire\b", r"\b__import__\b|import_module|find_spec|importorskip", r"\binstall\b",
    r"\b(?:uv|poetry|pdm|rye|npm|yarn|bun|pnpm|cargo|bundle|go|global)[ \t]+(?:add|i|get|create|dlx|init|exec|x)\b",
    r"\b(?:npx|uvx|bunx|pnpx|pipx)\b", r"\b[dD]ependencies\b", r"unpkg\.com|jsdelivr\.net|esm\.sh",
)  # fmt: skip
CODE, CONDITIONAL, LATE, UNREGISTRABLE, WRITTEN = 0.9, 0.6, 0.6, 0.5, 0.4


class PackagesDetector:
    """The Detector of packages that are not there. Confidence .9: code and commands need it; .4: a text names it."""

    kind: Kind = "package"

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    @property
    def identity(self) -> str:
        """Of what findings hang on beside the code: a scan that was stopped must not go on with another."""
        return self._judge.identity

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern("package", regex) for regex in PATTERNS]

    def always(self, document: Document) -> bool:
        return manifest_of(document.path or document.id) is not None

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        """The mentions that are bad, wherever in the document they stand: ``hits`` only say that it has some."""
        for mention in mentions(document, self._judge):
            if mention.verdict in BAD:
                yield Hit(f"package-{mention.verdict}", mention.span, _confidence(mention))


def mentions(document: Document, judge: Judge) -> list[Mention]:
    """Every mention in a document, by place, with its verdict."""
    made = []
    for found in extract.mentions(document):
        span = Span(found.start, found.end)
        made.append(judge(Mention(document.id, span, *found[2:-1]), skip=found.skip))
    return made


def open_indexes(folder: Path) -> dict[Ecosystem, NameIndex]:
    """The indexes that lie in ``folder``, each read through once, so that no damaged one is asked."""
    found: dict[Ecosystem, NameIndex] = {}
    for ecosystem in ECOSYSTEMS:
        if index_path(folder, ecosystem).is_file():
            found[ecosystem] = NameIndex(index_path(folder, ecosystem))
            found[ecosystem].verify()
    return found


def index_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a user's indexes are, if he names no place."""
    home = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(environment.get(INDEX_VARIABLE) or Path(home) / "scrubber" / "names")


def day_of(text: str, where: str) -> date | None:
    """An ISO date, or None for nothing. Raises AskedWrongly for anything else."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise AskedWrongly(f"{text!r} is no date", where=where, mend="Write it as 2025-12-31.") from None


def detector() -> Detector:
    """The part that ``scrubber.core.parts`` loads."""
    indexes = open_indexes(index_folder())
    cutoff = day_of(os.environ.get(CUTOFF_VARIABLE, ""), CUTOFF_VARIABLE)
    check_cutoff(cutoff, indexes)
    return PackagesDetector(Judge(indexes, cutoff))


def _confidence(mention: Mention) -> float:
    if mention.verdict == "unregistrable":
        return UNREGISTRABLE
    if mention.kind in ("import", "dynamic-import", "script") and mention.context != "code":
        return WRITTEN
    if mention.verdict == "late":
        return LATE
    return CONDITIONAL if mention.conditional else CODE
