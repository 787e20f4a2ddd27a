"""The trusted side of the sandbox: sends candidates and arguments in, takes plain values out, believes nothing else.

Expected values never go in and no object of a candidate comes out, so always-equal objects, ``sys.exit``, walked frames
and forged replies win nothing: whatever reaches this side is a return value, for the caller to compare.
"""

from __future__ import annotations

import json
import queue
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from scrubber.core.errors import NoVerdict
from scrubber.evaluation.sandbox import confine, probes, values
from scrubber.evaluation.sandbox.child import ERRORS
from scrubber.evaluation.sandbox.worker import Limits, Stuck, Worker


@dataclass(frozen=True, slots=True)
class Call:
    """A candidate: its source defines ``entry_point``, called once with each tuple of positional arguments."""

    source: str
    entry_point: str
    arguments: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One value for each call, of exact built-in types; or None and a class of failure, in our words.

    Errors: syntax, no such function, raised, memory, no plain value, timeout, died, too much output, bad protocol.
    """

    values: tuple[Any, ...] | None
    error: str = ""


class Sandbox:
    """Runs generated code, each candidate in a fresh process of its own. Use as a context manager.

    ``level`` is "isolated" (Landlock, seccomp, resource limits) or "limits-only" (no sandbox: for use inside a
    container, and to be told in a report). ``seconds`` is CPU time of one candidate, rounded up; it may last twice
    ``seconds`` by the clock. ``memory_bytes`` is its address space.
    Raises NoVerdict where ``require_isolation`` asks for what the machine does not have.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        seconds: float = 3.0,
        memory_bytes: int = 512 * 1024 * 1024,
        require_isolation: bool = True,
    ) -> None:
        self.level = "isolated" if confine.supported() else "limits-only"
        if require_isolation and self.level != "isolated":
            raise NoVerdict(
                "generated code cannot be isolated on this machine",
                where="needs Linux 5.13 or newer with Landlock and seccomp, on x86-64 or aarch64",
                mend="Run in a container that holds nothing of value, with require_isolation=False.",
            )
        self._count, self._limits = workers, Limits(seconds, memory_bytes)
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._workers: list[Worker] = []

    def __enter__(self) -> Sandbox:
        self._folder = tempfile.TemporaryDirectory(prefix="scrubber-sandbox-")
        try:
            for _ in range(self._count):
                worker = Worker(Path(self._folder.name), self._limits, isolate=self.level == "isolated")
                self._workers.append(worker)
                self._idle.put(worker)
            if self.level == "isolated":
                self.check_isolation()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.close()
        self._workers, self._idle = [], queue.SimpleQueue()
        self._folder.cleanup()

    def run(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers in the order of ``calls``. Raises NoVerdict if the sandbox itself fails, twice in a row."""
        if not self._workers:
            raise RuntimeError("a Sandbox runs only inside its with block")
        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(self._one, calls))

    def check_isolation(self) -> None:
        """Fire hostile probes in each worker, none of which may be busy. Raises NoVerdict if one gets out."""
        with tempfile.TemporaryDirectory(prefix="scrubber-probe-") as folder:
            secret = Path(folder) / "secret"
            secret.write_text("secret")
            probe = Call(probes.SOURCE, probes.ENTRY_POINT, ((str(secret), folder, str(Path.home())),))
            for worker in self._workers:
                answer = _ask(worker, probe)
                escaped = answer.values[0] if answer.values else [f"no answer: {answer.error}"]
                if escaped:
                    raise NoVerdict(
                        "the sandbox for generated code leaks",
                        where=", ".join(sorted(set(map(str, escaped)))),
                        mend="Do not run generated code on this machine outside a container.",
                    )

    def _one(self, call: Call) -> Answer:
        worker = self._idle.get()
        try:
            return _ask(worker, call)
        finally:
            self._idle.put(worker)


def _ask(worker: Worker, call: Call) -> Answer:
    arguments = [values.encode(list(arguments)) for arguments in call.arguments]
    request = json.dumps([call.source, call.entry_point, arguments]).encode()
    try:
        try:
            reply, error = worker.ask(request)
        except Stuck:
            worker.restart()
            reply, error = worker.ask(request)
    except Stuck:
        raise NoVerdict(
            "the sandbox for generated code does not answer", mend="Try again with fewer workers, or more memory."
        ) from None
    return Answer(None, error) if error else _read(reply, len(call.arguments))


def _read(reply: bytes, count: int) -> Answer:
    """What a child wrote is as untrusted as its code: anything unexpected is the candidate's failure."""
    try:
        head, *parts = json.loads(reply)
        if head == "error" and len(parts) == 1 and parts[0] in ERRORS:
            return Answer(None, parts[0])
        if head == "values" and len(parts) == count:
            return Answer(tuple(map(values.decode, parts)))
    except (ValueError, TypeError, RecursionError, MemoryError):
        pass
    return Answer(None, "bad protocol")
