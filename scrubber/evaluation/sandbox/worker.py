"""The trusted side's handle on one zygote: starts it, hands it one candidate at a time, kills and replaces it."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scrubber.core.errors import NoVerdict
from scrubber.evaluation.sandbox.child import READY

START_SECONDS = 30.0  # an interpreter on a busy machine
KILL_SECONDS = 5.0  # the kernel's part of ending a process
LONGEST_REPLY = 1 << 20  # bytes

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
# -I would do, but it also ignores PYTHONHASHSEED, and the order of a set must be the same before and after. Without
# it, -E's and -P's work is done by an environment that is ours and by the replaced first entry of sys.path.
BOOTSTRAP = """
import socket, sys
sys.path[0] = sys.argv[1]
from scrubber.evaluation.sandbox import child
del sys.path[0]
child.serve(
    socket.socket(fileno=int(sys.argv[2])),
    isolate=sys.argv[3] == "1",
    cpu_seconds=int(sys.argv[4]),
    memory_bytes=int(sys.argv[5]),
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


class Worker:
    """One zygote in an empty folder, without an environment, standard streams or inherited descriptors."""

    def __init__(self, folder: Path, limits: Limits, *, isolate: bool) -> None:
        self._folder, self._limits, self._isolate = folder, limits, isolate
        self._control, self._process = self._start()

    def ask(self, request: bytes) -> tuple[bytes, str]:
        """Run one candidate to its end: (everything it wrote to its channel, "" or why that is no reply).

        Raises Stuck if the zygote failed; ``restart`` then makes a new one.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._control.settimeout(KILL_SECONDS)
                try:
                    socket.send_fds(self._control, [b"f"], [theirs.fileno()])
                except OSError:
                    raise Stuck from None
            reply, error = _exchange(ours, request, time.monotonic() + self._limits.wall_seconds)
        status = self._end_child()
        if not error and not reply:
            out_of_time = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
            error = "timeout" if out_of_time else "died"
        return reply, error

    def restart(self) -> None:
        self.close()
        self._control, self._process = self._start()

    def close(self) -> None:
        self._control.close()
        if self._process.returncode is None:  # else the number may by now be another's
            # The zygote leads its own session, and no candidate can leave it: this ends them all.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        limits = (math.ceil(self._limits.seconds), self._limits.memory_bytes)
        with theirs:
            arguments = map(str, (PACKAGE_ROOT, theirs.fileno(), int(self._isolate), *limits))
            process = subprocess.Popen(
                [sys.executable, "-S", "-s", "-B", "-c", BOOTSTRAP, *arguments],
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
            "the sandbox for generated code could not start",
            mend="This kernel or container may forbid Landlock or seccomp; try require_isolation=False in a container.",
        )

    def _end_child(self) -> int:
        try:
            self._control.sendall(b"k")
            answer = self._control.recv(4)
        except OSError:
            raise Stuck from None
        if len(answer) != 4:
            raise Stuck
        return int(struct.unpack("!i", answer)[0])


def _exchange(channel: socket.socket, request: bytes, deadline: float) -> tuple[bytes, str]:
    """Send the request, and read until the other side has closed, the time is over, or it has said too much."""
    received = bytearray()
    try:
        channel.settimeout(max(0.001, deadline - time.monotonic()))
        channel.sendall(request)
        channel.shutdown(socket.SHUT_WR)
        while True:
            channel.settimeout(max(0.001, deadline - time.monotonic()))
            block = channel.recv(1 << 16)
            if not block:
                return bytes(received), ""
            received += block
            if len(received) > LONGEST_REPLY:
                return b"", "too much output"
    except TimeoutError:
        return b"", "timeout"
    except OSError:  # it closed its end, or died, before it had read everything
        return b"", "died"
