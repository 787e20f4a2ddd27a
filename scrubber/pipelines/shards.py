"""Work items of a corpus, done in order by one process or several; the finished ones can be kept in a run's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from scrubber.core.corpus import Source
from scrubber.core.executor import Processes
from scrubber.core.types import Origin, Out, Progress
from scrubber.core.workspace import Workspace, digest, remove

SHARD_BYTES = 8 * 2**20  # of a work item, about: so many of them that processes end together
LEAST_BYTES = 16 * 2**20  # of work that is worth the start of a process
ON_DISK = ("files", "lines", "groups")  # kinds of a source that the state of its files tells the content of

LOST = "the process that worked on it died: it may need more memory, or fewer workers"


@dataclass(frozen=True, slots=True)
class Options:
    """How a stage goes through a corpus.

    ``workers`` processes share one that is large enough; the part of one that dies, for want of memory as a rule, is
    among the errors. With a ``workspace`` each finished part is kept in it, so that the same work, killed at any moment
    and started again, goes on after it. The others are those of ``scrubber.core.corpus.documents``.
    """

    workers: int = 1
    workspace: Workspace | None = None
    gitignore: bool = False
    text_column: str | None = None
    origin: Origin = "corpus"


def mapped(
    work: Callable[[Source], Out],
    sources: Sequence[Source],
    *,
    workers: int,
    lost: Callable[[Source], Out],
    progress: Progress,
    label: str,
    total: int,
) -> Iterator[Out]:
    """``work`` of each source, in order. Little work, and standard input, stays in this process.

    ``lost(source)`` stands in where a process died over its source. ``progress`` is told bytes on disk: those of
    ``total``, and what is done, of which all but ``sources`` was done before.
    """
    known = [(source.kind, source.size) for source in sources]
    size = sum(size for _, size in known)
    alone = workers < 2 or len(sources) < 2 or size < LEAST_BYTES or any(kind == "stdin" for kind, _ in known)
    with ExitStack() as stack:
        results: Iterator[Out] = map(work, sources)
        if not alone:  # started before the progress, which may run a thread
            results = stack.enter_context(closing(Processes(min(workers, len(sources))).map(work, sources, lost)))
        step = stack.enter_context(progress(label, total))
        step(total - size)
        for (_, done), result in zip(known, results, strict=True):
            step(done)
            yield result


class Finished:
    """Which of ``sources`` a stage is done with: a file each in the run's folder, that appears whole.

    A file begins with a line of JSON, the head, and may go on with lines of what was made. It counts as long as
    ``settings`` and the source are the same, down to size and times of each file. What is on no disk is never kept.
    """

    def __init__(self, workspace: Workspace, stage: str, sources: Sequence[Source], settings: Sequence[Any]) -> None:
        self._workspace = workspace
        self._names = [f"{stage}/{number:06}.jsonl" for number in range(len(sources))]
        self._keys = [digest(settings, asdict(source), _states(source)) for source in sources]
        keep = {workspace.path(name).name for name in self._names}
        for path in workspace.path(stage).glob("*"):
            if path.name not in keep:  # of another corpus
                remove(path)
        self.left = [
            number
            for number, source in enumerate(sources)
            if source.kind not in ON_DISK or (self.head(number) or {}).get("key") != self._keys[number]
        ]

    def put(self, number: int, head: Mapping[str, Any], rows: Iterable[str] = ()) -> None:
        """Keeps what was made of the source ``number``; each row ends in a line end."""
        with self._workspace.replacing(self._names[number]) as path, path.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"key": self._keys[number], **head}) + "\n")
            file.writelines(rows)

    def head(self, number: int) -> dict[str, Any] | None:
        """None where the source is not done."""
        with suppress(OSError), self._path(number).open(encoding="utf-8") as file:
            return dict(json.loads(file.readline()))
        return None

    def rows(self, number: int) -> Iterator[str]:
        with self._path(number).open(encoding="utf-8") as file:
            yield from islice(file, 1, None)

    def _path(self, number: int) -> Path:
        return self._workspace.path(self._names[number])


def _states(source: Source) -> list[Sequence[int]]:
    return [_state(path) for path, _ in source.files]


def _state(path: str) -> Sequence[int]:
    try:
        status = os.stat(path)
    except OSError:  # it is named when it is read
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
