"""The history of a git repository: the content of every file in every commit, each once, however often it is kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import islice
from typing import IO, NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.sources.reading import Reading, Unread
from scrubber.core.sources.streams import Readable

ASKED_AT_ONCE = 256  # their names must fit into a pipe (64 KiB), or git and we would wait for each other
SHORT = 12  # digits of a commit's name
# A repository is foreign input: its settings must not run programs, and nothing may be fetched.
SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never")


class Blob(NamedTuple):
    """The content of a file and where it was first kept. Its stream is good until the next blob is drawn."""

    name: str
    path: str
    size: int
    file: Readable


def command(folder: str, *arguments: str) -> list[str]:
    """A git command on a work tree or bare repository, for ``subprocess``; it neither runs hooks nor fetches."""
    return ["git", *SAFE, "-C", folder, *arguments]


def environment() -> dict[str, str]:
    """What git is to know besides: no questions, no network, no locks."""
    told = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    return {**os.environ, **told}


def check_repository(folder: str) -> None:
    """Raises AskedWrongly when there is no git, or no repository at ``folder``."""
    try:
        asked = command(folder, "rev-parse", "--git-dir")
        found = subprocess.run(asked, capture_output=True, env=environment(), check=False).returncode == 0
    except FileNotFoundError:
        raise AskedWrongly("git is not installed", mend="Install git to read a repository.") from None
    if not found:
        raise AskedWrongly("this is no git repository", where=folder, mend="Name a work tree: git:PATH.")


def blobs(folder: str, prefix: str, reading: Reading) -> Iterator[Blob]:
    """Every blob that any branch or tag reaches, of the oldest commit first; it is called PREFIX COMMIT:PATH.

    ``git show COMMIT:PATH`` shows it.
    """
    with _process(command(folder, "cat-file", "--batch"), subprocess.PIPE) as contents:
        asked, answers = _pipe(contents.stdin), _pipe(contents.stdout)
        listed = _listed(folder, prefix, reading)
        while some := list(islice(listed, ASKED_AT_ONCE)):
            asked.write("".join(f"{digest}\n" for digest, _, _ in some).encode())
            asked.flush()
            for _, path, commit in some:
                name = f"{prefix}{commit[:SHORT]}:{path}"
                header = answers.readline().split()
                if len(header) != 3:
                    reading.errors.append(Unread(name, "git does not find it"))
                    continue
                content = Bounded(answers, int(header[2]))
                yield Blob(name, path, int(header[2]), content)
                content.drain()
                answers.read(1)  # the line end after each content


class Bounded:
    """The next ``length`` bytes of a stream as a stream of their own."""

    def __init__(self, file: Readable, length: int) -> None:
        self._file, self._left = file, length

    def read(self, count: int) -> bytes:
        piece = self._file.read(min(count, self._left))
        self._left -= len(piece)
        return piece

    def drain(self) -> None:
        while self.read(2**20):
            pass


def _listed(folder: str, prefix: str, reading: Reading) -> Iterator[tuple[str, str, str]]:
    """Digest of each blob, its first path, and the first commit that has it."""
    # In the order of commits, each before the trees and blobs that are new in it.
    listed = command(folder, "rev-list", "--objects", "--in-commit-order", "--reverse", "--all")
    typed = command(folder, "cat-file", "--batch-check=%(objecttype) %(objectname) %(rest)")
    commit = ""
    with _process(listed) as listing, _process(typed, listing.stdout) as objects:
        for line in _pipe(objects.stdout):
            kind, _, rest = line.decode("utf-8", "backslashreplace").rstrip("\n").partition(" ")
            name, _, path = rest.partition(" ")
            if kind == "commit":
                commit = name
            elif kind == "blob":
                yield name, path or name, commit
        if listing.wait() or objects.wait():
            reading.errors.append(Unread(prefix or folder, "git could not list all of the history"))


def _process(arguments: list[str], given: int | IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL if given is None else given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
