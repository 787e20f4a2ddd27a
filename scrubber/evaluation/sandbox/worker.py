"""The trusted side's handle on one zygote: starts it, has it fork what one candidate needs, ends and replaces it."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from scrubber.core.errors import NoVerdict
from scrubber.evaluation.sandbox import bubblewrap, confine
from scrubber.evaluation.sandbox.child import CANDIDATE, END, EXAMINER, READY

Layer = Literal["limits-only", "landlock", "bubblewrap"]
LAYERS: tuple[Layer, ...] = get_args(Layer)  # weakest first

START_SECONDS = 30.0  # an interpreter on a busy machine
KILL_SECONDS = 5.0  # the kernel's part of ending a process

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("scrubber/__init__.py", "scrubber/evaluation/__init__.py", "scrubber/evaluation/sandbox")
# -I would do, but it also ignores PYTHONHASHSEED, and the order of a set must be the same before and after. Without
# it, -E's and -P's work is done by an environment that is ours and by the replaced first entry of sys.path.
BOOTSTRAP = """
import socket, sys
sys.path[0] = sys.argv[1]
from scrubber.evaluation.sandbox import child
del sys.path[0]
child.serve(
    socket.socket(fileno=int(sys.argv[2])),
    landlock=sys.argv[3] == "True",
    seccomp=sys.argv[4] == "True",
    cpu_seconds=int(sys.argv[5]),
    memory_bytes=int(sys.argv[6]),
)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one candidate may use: CPU seconds (rounded up), address space. Wall time is twice the CPU time."""

    seconds: float
    memory_bytes: int

    @property
    def wall_seconds(self) -> float:
        # A candidate on a busy machine must not fail for what its neighbours do.
        return 2 * self.seconds


class Stuck(Exception):
    """The zygote does not answer any more."""


def offered() -> tuple[Layer, ...]:
    """The layers that this machine seems to have, weakest first; that of bubblewrap may still fail to start."""
    found: list[Layer] = ["limits-only"]
    if confine.has_seccomp():
        found += ["landlock"] if confine.has_landlock() else []
        found += ["bubblewrap"] if bubblewrap.program() else []
    return tuple(found)


class Worker:
    """One zygote in an empty folder, without an environment, standard streams or inherited descriptors.

    Raises NoVerdict where it cannot start in its layer.
    """

    def __init__(self, folder: Path, limits: Limits, layer: Layer) -> None:
        self._folder, self._limits, self._layer = folder, limits, layer
        self._children = 0
        self._control, self._process = self._start()

    @contextlib.contextmanager
    def candidate(self) -> Iterator[socket.socket]:
        """The other end of a fresh candidate's channel. Raises Stuck; ``restart`` then makes a new zygote."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._fork(CANDIDATE, theirs)
            yield ours

    @contextlib.contextmanager
    def examiner(self) -> Iterator[socket.socket]:
        """The other end of the channel of a fresh examiner, which alone is joined to a fresh candidate. Raises Stuck."""
        (ours, theirs), (asking, asked) = socket.socketpair(), socket.socketpair()
        with ours:
            with theirs, asking, asked:
                self._fork(CANDIDATE, asked)  # first, so that it inherits no end of the examiner's
                self._fork(EXAMINER, theirs, asking)
            yield ours

    def end(self) -> bool:
        """End what was forked. Whether one of them had used up its CPU time. Raises Stuck."""
        wanted, self._children = 4 * self._children, 0
        received = b""
        try:
            self._control.sendall(END)
            while len(received) < wanted:
                block = self._control.recv(wanted - len(received))
                if not block:
                    raise Stuck
                received += block
        except OSError:
            raise Stuck from None
        statuses = struct.unpack(f"!{wanted // 4}i", received)
        return any(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU for status in statuses)

    def restart(self) -> None:
        self.close()
        self._children = 0
        self._control, self._process = self._start()

    def close(self) -> None:
        self._control.close()
        if self._process.returncode is None:  # else the number may by now be another's
            # The zygote is in a session of its own, and no candidate can leave it: this ends them all.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _fork(self, role: bytes, *ends: socket.socket) -> None:
        self._control.settimeout(KILL_SECONDS)
        try:
            socket.send_fds(self._control, [role], [end.fileno() for end in ends])
        except OSError:
            raise Stuck from None
        self._children += 1

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                self._command(theirs.fileno()),
                cwd=self._folder,
                env={"PYTHONHASHSEED": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            if ours.recv(1) == READY:
                return ours, process
        process.kill()
        process.wait()
        ours.close()
        raise NoVerdict(
            f"the sandbox for generated code could not start ({self._layer})",
            mend="This kernel or container may forbid namespaces, Landlock or seccomp; try require_isolation=False in a "
            "container.",
        )

    def _command(self, control: int) -> list[str]:
        fences = (self._layer != "limits-only" and confine.has_landlock(), self._layer != "limits-only")
        limits = (math.ceil(self._limits.seconds), self._limits.memory_bytes)
        arguments = [*map(str, (PACKAGE_ROOT, control, *fences, *limits))]
        inner = ["-S", "-s", "-B", "-c", BOOTSTRAP, *arguments]
        if self._layer != "bubblewrap":
            return [sys.executable, *inner]
        # A virtual environment's interpreter is a link, and nothing of its packages is wanted inside.
        interpreter = os.path.realpath(sys.executable)
        own = [str(PACKAGE_ROOT / part) for part in PACKAGES]
        readable = [os.path.realpath(sys.base_prefix), interpreter, *own]
        return bubblewrap.command(bubblewrap.program() or "bwrap", [interpreter, *inner], readable)
