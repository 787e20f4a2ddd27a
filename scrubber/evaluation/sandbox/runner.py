"""The trusted side of the sandbox: sends candidates and arguments in, takes plain values or a verdict out.

Expected values never reach a candidate and no object of a candidate comes out, so always-equal objects, ``sys.exit``,
walked frames and forged replies win nothing. What judges is either the caller, who compares the values of an Answer, or
a task's own tests, which run in an examiner: a confined process that the candidate cannot reach but by return values.
"""

from __future__ import annotations

import json
import queue
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from scrubber.core.errors import NoVerdict
from scrubber.evaluation.sandbox import lines, probes, worker
from scrubber.evaluation.sandbox.asking import Failed, Lost, Remote
from scrubber.evaluation.sandbox.examiner import PASSED
from scrubber.evaluation.sandbox.worker import LAYERS, Layer, Limits, Stuck, Worker

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Call:
    """A candidate: its source defines ``entry_point``, called once with each tuple of positional arguments."""

    source: str
    entry_point: str
    arguments: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One value for each call, of exact built-in types; or None and a class of failure, in our words.

    Errors: syntax, no such function, raised, memory, no plain value, no plain argument, timeout, died, too much output,
    bad protocol.
    """

    values: tuple[Any, ...] | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Exam:
    """A candidate's ``source`` and a task's own ``tests``, which the candidate never sees.

    The tests get at a function of the candidate by ``function_of(name)``, and fail by raising.
    """

    source: str = field(repr=False)
    tests: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the tests passed; else a class of failure: "wrong" (a test raised), or one of an Answer's errors."""

    passed: bool
    error: str = ""


class Sandbox:
    """Runs generated code, each candidate in a fresh process of its own. Use as a context manager.

    ``layer``: bubblewrap (namespaces, over the next), landlock (Landlock, seccomp, resource limits), limits-only (no
    sandbox: for use inside a container, and to be told in a report), or auto, the strongest that works here. ``level``
    is the layer in use, once inside the with block. ``seconds`` is CPU time of one candidate, rounded up; it may last
    twice ``seconds`` by the clock. ``memory_bytes`` is its address space.
    Raises NoVerdict where ``require_isolation`` or ``layer`` asks for what the machine does not have.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        seconds: float = 3.0,
        memory_bytes: int = 512 * 1024 * 1024,
        require_isolation: bool = True,
        layer: Layer | Literal["auto"] = "auto",
    ) -> None:
        offered = worker.offered()
        allowed = LAYERS[1:] if require_isolation else LAYERS
        self._layers = [name for name in reversed(offered) if name in allowed and layer in ("auto", name)]
        if not self._layers:
            raise NoVerdict(
                "generated code cannot be isolated on this machine"
                + (f" as asked ({layer})" if layer != "auto" else ""),
                where="needs bubblewrap, or Linux 5.13 or newer with Landlock and seccomp, on x86-64 or aarch64",
                mend="Run in a container that holds nothing of value, with require_isolation=False.",
            )
        self.level: Layer = self._layers[0]
        self._count, self._limits = workers, Limits(seconds, memory_bytes)
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._workers: list[Worker] = []

    def __enter__(self) -> Sandbox:
        self._folder = tempfile.TemporaryDirectory(prefix="scrubber-sandbox-")
        try:
            self._start()
            if self.level != "limits-only":
                self.check_isolation()
            self.check_verdicts()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for started in self._workers:
            started.close()
        self._workers, self._idle = [], queue.SimpleQueue()
        self._folder.cleanup()

    def run(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers in the order of ``calls``. Raises NoVerdict if the sandbox itself fails, twice in a row."""
        return self._map(self._answer, calls)

    def judge(self, exams: Sequence[Exam]) -> list[Judgement]:
        """Judgements in the order of ``exams``. Raises NoVerdict if the sandbox itself fails, twice in a row."""
        return self._map(self._judgement, exams)

    def check_isolation(self) -> None:
        """Fire hostile probes in each worker, none of which may be busy. Raises NoVerdict if one gets out."""
        with tempfile.TemporaryDirectory(prefix="scrubber-probe-") as folder:
            secret = Path(folder) / "secret"
            secret.write_text("secret")
            arguments = (str(secret), folder, str(Path.home()), self._limits.memory_bytes)
            probe = Call(probes.SOURCE, probes.ENTRY_POINT, (arguments,))
            for started in self._workers:
                answer = self._answer(started, probe)
                escaped = answer.values[0] if answer.values else [f"no answer: {answer.error}"]
                if escaped:
                    raise NoVerdict(
                        f"the sandbox for generated code leaks ({self.level})",
                        where=", ".join(sorted(set(map(str, escaped)))),
                        mend="Do not run generated code on this machine outside a container.",
                    )

    def check_verdicts(self) -> None:
        """Judge a right candidate, a wrong one and forgers in each worker. Raises NoVerdict at a false verdict."""
        for started in self._workers:
            for name, source in probes.CANDIDATES.items():
                if self._judgement(started, Exam(source, probes.TESTS)).passed != (name == probes.RIGHT):
                    raise NoVerdict(f"the sandbox for generated code misjudges ({name})", mend="Please report it.")

    def _start(self) -> None:
        """Workers of the strongest layer that starts here: a container may forbid what the machine offers."""
        while True:
            self.level = self._layers[0]
            try:
                while len(self._workers) < self._count:
                    self._workers.append(Worker(Path(self._folder.name), self._limits, self.level))
                    self._idle.put(self._workers[-1])
                return
            except NoVerdict:
                if self._workers or len(self._layers) == 1:
                    raise
                del self._layers[0]

    def _map(self, work: Callable[[Worker, In], Out], items: Sequence[In]) -> list[Out]:
        if not self._workers:
            raise RuntimeError("a Sandbox runs only inside its with block")

        def one(item: In) -> Out:
            chosen = self._idle.get()
            try:
                return _twice(chosen, lambda: work(chosen, item))
            finally:
                self._idle.put(chosen)

        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(one, items))

    def _answer(self, chosen: Worker, call: Call) -> Answer:
        with chosen.candidate() as channel:
            remote = Remote(_lines(channel, self._limits.wall_seconds))
            made: tuple[Any, ...] = ()
            error = ""
            try:
                remote.load(call.source)
                made = tuple(remote.call(call.entry_point, arguments) for arguments in call.arguments)
            except (Failed, Lost) as failure:
                error = str(failure)
        overdrawn = chosen.end()
        if error == "died" and overdrawn:
            error = "timeout"
        return Answer(None, error) if error else Answer(made)

    def _judgement(self, chosen: Worker, exam: Exam) -> Judgement:
        with chosen.examiner() as channel:
            judge = _lines(channel, self._limits.wall_seconds)
            try:
                judge.send(json.dumps([exam.source, exam.tests]))
                verdict = str(judge.receive())
            except TimeoutError:
                verdict = "timeout"
            except (EOFError, OSError):
                verdict = "died"
        overdrawn = chosen.end()
        if verdict == "died" and overdrawn:
            verdict = "timeout"
        return Judgement(True) if verdict == PASSED else Judgement(False, verdict)


def _twice(chosen: Worker, work: Callable[[], Out]) -> Out:
    try:
        try:
            return work()
        except Stuck:
            chosen.restart()
            return work()
    except Stuck:
        raise NoVerdict(
            "the sandbox for generated code does not answer", mend="Try again with fewer workers, or more memory."
        ) from None


def _lines(channel: socket.socket, seconds: float) -> lines.Lines:
    """Over a channel that gives up, with TimeoutError, when the time for the whole of it is over."""
    deadline = time.monotonic() + seconds

    def remaining() -> socket.socket:
        channel.settimeout(max(0.001, deadline - time.monotonic()))
        return channel

    return lines.Lines(
        lambda count: remaining().recv(count), lambda data: remaining().send(data), longest=lines.LONGEST
    )
