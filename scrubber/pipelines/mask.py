"""The mask stage: a corpus in, a copy of it out in which placeholders stand for every value that the scan finds."""

from __future__ import annotations

import errno
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.corpus import Source, Unread, WorkItems, shards
from scrubber.core.errors import AskedWrongly, ScrubberError
from scrubber.core.placeholders import placeholders
from scrubber.core.quiet import silent
from scrubber.core.sources.names import printable
from scrubber.core.sources.reading import Reading
from scrubber.core.types import Document, Finding, Origin, Progress, Scan
from scrubber.pipelines.rewrite import LeftOut, rewrite
from scrubber.pipelines.scan import findings_in, identity
from scrubber.pipelines.shards import LOST, SHARD_BYTES, Finished, Options, mapped

MOST_ROUNDS = 32  # of scanning what is masked; two are the rule
FORMAT_CONFIDENCE = 0.9  # from here on a secret is known by its provider's format, whose prefix is public


@dataclass(frozen=True, slots=True)
class MaskResult:
    """What was written, and what was not: ``left_out`` counts binary files, ``errors`` names all else."""

    masked: Mapping[str, int]  # findings by "kind/rule"
    documents: int
    changed: int  # documents with a finding
    bytes: int  # of UTF-8 text
    left_out: int
    errors: tuple[Unread, ...]
    seconds: float


class Masked(NamedTuple):
    """A text without what the scan finds, and what it found."""

    text: str
    findings: Sequence[Finding]


def mask_document(document: Document, scan: Scan) -> Masked | None:
    """The scan finds nothing in the text that is returned, so masking it again changes nothing.

    One value has one placeholder in all documents, as long as the first that is tried is not itself found there. None
    if something is found whatever is put in its place: such a document must not be shown.
    """
    first = found = findings_in(document, scan)
    text = document.text
    slots: list[_Slot] = []
    for _ in range(MOST_ROUNDS):
        if not found:
            return Masked(text, first)
        text, slots = _filled(text, _next_slots(text, slots, found))
        found = findings_in(replace(document, text=text), scan)
    return None


class _Slot:
    """A place in the text as it is now, and what can be put there."""

    def __init__(self, start: int, end: int, candidates: Iterator[str]) -> None:
        self.start, self.end, self.candidates = start, end, candidates
        self.refused = True

    def meets(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end


def _next_slots(text: str, slots: list[_Slot], found: Sequence[Finding]) -> list[_Slot]:
    """``slots``, marked as refused where something is found, and new ones for what is found elsewhere."""
    fresh: list[list[Finding]] = []  # findings that overlap each other
    for finding in sorted(found, key=lambda finding: finding.span):
        met = [slot for slot in slots if slot.meets(finding.span.start, finding.span.end)]
        for slot in met:
            slot.refused = True
        if not met:
            if fresh and finding.span.start < max(other.span.end for other in fresh[-1]):
                fresh[-1].append(finding)
            else:
                fresh.append([finding])
    for group in fresh:
        start, end = group[0].span.start, max(finding.span.end for finding in group)
        main = max(group, key=lambda finding: finding.span.end - finding.span.start)
        candidates = placeholders(
            text[start:end],
            main.rule,
            main.fingerprint,
            public_prefix=main.kind == "secret" and main.confidence >= FORMAT_CONFIDENCE,
        )
        slots.append(_Slot(start, end, candidates))
    return sorted(slots, key=lambda slot: slot.start)


def _filled(text: str, slots: list[_Slot]) -> tuple[str, list[_Slot]]:
    pieces: list[str] = []
    at = length = 0
    for slot in slots:
        value = next(slot.candidates, "") if slot.refused else text[slot.start : slot.end]
        pieces += (text[at : slot.start], value)
        length += slot.start - at
        at, slot.start, slot.end = slot.end, length, length + len(value)
        length += len(value)
        slot.refused = False
    return "".join((*pieces, text[at:])), slots


def mask_corpus(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    scan: Scan,
    progress: Progress = silent,
    options: Options = Options(),  # noqa: B008 (it is frozen)
    copy_binary: bool = False,
) -> MaskResult:
    """Writes the files of ``paths`` anew: text, notebooks, JSONL and Parquet, of which all columns but the text are kept.

    ``out`` is a folder: of one folder it gets the tree, of several paths one entry each; or, of one file, a file.
    What cannot be masked is left out, and named: archives, foreign encodings, rows without a text, files above
    ``rewrite.MOST_BYTES``. Binary files are left out and counted; with ``copy_binary`` they and archives are copied
    as they are, unread. Each file appears whole. Everything else is as for ``scan_corpus``.

    Raises AskedWrongly when a path is no file or folder, or when ``out`` is in the corpus, or holds something already
    that is not of the workspace.
    """
    began = time.perf_counter()
    errors: list[Unread] = []
    folder = Path(os.path.abspath(out))
    sources = _sources(paths, folder, options.gitignore, errors)
    workspace = options.workspace
    if workspace is None and _holds_something(folder):
        raise AskedWrongly("there is something at the output already", where=str(out), mend="Name an empty folder.")
    total = sum(source.size for source in sources)
    how = {"text_column": options.text_column, "origin": options.origin, "copy_binary": copy_binary}
    work = partial(_mask_files, scan=scan, how=how)
    done = partial(mapped, work, workers=options.workers, lost=_lost, progress=progress, label="mask", total=total)
    if workspace is None:
        made = list(done(sources))
    else:
        finished = Finished(workspace, "mask", sources, [identity(scan), how])
        numbers = [n for n in range(len(sources)) if n in finished.left or _is_gone(finished, n)]
        left = WorkItems.of(sources[number] for number in numbers)
        lost = {}
        for number, shard in zip(numbers, done(left), strict=True):
            if shard.lost:
                lost[number] = shard
            else:
                finished.put(number, _head(shard), (json.dumps(target) + "\n" for target in shard.written))
        made = [lost.get(number) or _shard(finished.head(number) or {}) for number in range(len(sources))]
    masked: Counter[str] = Counter()
    for shard in made:
        masked.update(shard.masked)
    return MaskResult(
        dict(masked.most_common()),
        sum(shard.documents for shard in made),
        sum(shard.changed for shard in made),
        sum(shard.bytes for shard in made),
        sum(shard.left_out for shard in made),
        (*errors, *(error for shard in made for error in shard.errors)),
        time.perf_counter() - began,
    )


class _Shard(NamedTuple):
    """What became of one work item. ``written``: the files."""

    written: Sequence[str]
    masked: Mapping[str, int]
    documents: int
    changed: int
    bytes: int
    left_out: int
    errors: Sequence[Unread]
    lost: bool = False


class _Masking:
    """Masks documents and counts."""

    def __init__(self, scan: Scan, origin: Origin, errors: list[Unread]) -> None:
        self._scan, self._origin, self._errors = scan, origin, errors
        self.masked: Counter[str] = Counter()
        self.documents = self.changed = self.bytes = 0

    def __call__(self, document: Document) -> str | None:
        self.documents += 1
        self.bytes += len(document.text.encode("utf-8", "surrogatepass"))
        try:
            masked = mask_document(replace(document, origin=self._origin), self._scan)
        except (ScrubberError, MemoryError):
            raise
        except Exception as error:  # its message may quote
            self._errors.append(Unread(document.id, f"a detector failed: {type(error).__name__}"))
            return None
        if masked is None:
            self._errors.append(Unread(document.id, "something is found whatever is put in its place"))
            return None
        self.masked.update(f"{finding.kind}/{finding.rule}" for finding in masked.findings)
        self.changed += bool(masked.findings)
        return masked.text


def _mask_files(source: Source, *, scan: Scan, how: Mapping[str, Any]) -> _Shard:
    """Of each file of ``source`` the name is where it goes. ``how``: text_column, origin, copy_binary."""
    errors: list[Unread] = []
    masking = _Masking(scan, how["origin"], errors)
    reading = Reading(errors, [], how["text_column"])
    written, left_out = [], 0
    for path, target in source.files:
        done = _rewritten(path, target, masking, reading, how["copy_binary"])
        if done:
            written.append(target)
        left_out += done is None
    return _Shard(written, masking.masked, masking.documents, masking.changed, masking.bytes, left_out, errors)


def _rewritten(path: str, target: str, masking: _Masking, reading: Reading, copy_binary: bool) -> bool | None:
    """Whether it is written; None if it is binary and left out."""
    name = printable(path)
    try:
        return rewrite(path, Path(target), name, masking, reading, copy_binary=copy_binary) or None
    except LeftOut as error:
        reading.errors.append(Unread(name, str(error)))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reading.errors.append(Unread(name, error.strerror or "unreadable"))
    return False


def _sources(paths: Sequence[str | os.PathLike[str]], out: Path, gitignore: bool, errors: list[Unread]) -> WorkItems:
    """Work items whose files are named by where they go."""
    targets: dict[str, Path] = {}
    for path in [os.fspath(path) for path in paths]:
        root = os.path.abspath(path)
        if out == Path(root) or Path(root) in out.parents:
            raise AskedWrongly("the output is in the corpus", where=str(out), mend="Name a folder beside it.")
        targets[path] = out if len(paths) == 1 else out / os.path.basename(root)
    if len(set(targets.values())) < len(paths):
        raise AskedWrongly("two paths would go to one place", where=str(out), mend="Mask them one by one.")
    return WorkItems.of(
        _aimed(source, path, target)
        for path, target in targets.items()
        for source in shards([path], errors=errors, gitignore=gitignore, unpack=False, size=SHARD_BYTES)
    )


def _aimed(source: Source, path: str, target: Path) -> Source:
    if source.kind != "files":
        raise AskedWrongly("only files and folders can be masked", where=path)
    files = tuple((file, os.path.normpath(target / os.path.relpath(file, path))) for file, _ in source.files)
    return replace(source, files=files)


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _is_gone(finished: Finished, number: int) -> bool:
    return not all(os.path.exists(json.loads(line)) for line in finished.rows(number))


def _lost(source: Source) -> _Shard:
    return _Shard((), {}, 0, 0, 0, 0, (Unread(printable(source.files[0][0]), LOST),), lost=True)


def _head(shard: _Shard) -> dict[str, Any]:
    return {**shard._asdict(), "written": (), "errors": [asdict(error) for error in shard.errors]}


def _shard(head: dict[str, Any]) -> _Shard:
    known = {name: head[name] for name in _Shard._fields}
    return _Shard(**{**known, "errors": tuple(Unread(**error) for error in head["errors"])})
