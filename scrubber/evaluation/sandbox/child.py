"""The untrusted side: a zygote that forks one confined process for each candidate. Standard library only.

The zygote never sees a candidate's text: it is handed one end of a fresh socket pair, forks, and the child reads its
request there after it has given up its rights. The child is told arguments, never an expected value.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import types
from typing import Any, NoReturn

from scrubber.evaluation.sandbox import confine, values

# Imported once by the zygote, so that no candidate waits for them.
USUAL = (
    *("array", "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions"),
    *("functools", "hashlib", "heapq", "itertools", "math", "operator", "random", "re", "statistics", "string"),
    *("textwrap", "time", "typing", "unicodedata"),
)
READY = b"r"
ERRORS = ("syntax", "no such function", "raised", "memory", "no plain value")


def serve(control: socket.socket, *, isolate: bool, cpu_seconds: int, memory_bytes: int) -> None:
    """The zygote's loop: a byte and a descriptor start a child, a second byte ends it and is answered by its status.

    Ends, with the child, when the other side closes ``control``.
    """
    os.environ.clear()
    for name in USUAL:
        importlib.import_module(name)
    filter_ = None
    if isolate:
        confine.drop_capabilities()
        confine.close_files(_python_files())
        filter_ = confine.SystemCallFilter()
    gc.collect()
    gc.freeze()  # keeps a child's collector from touching, and so copying, the shared pages
    control.sendall(READY)
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            return
        pid = os.fork()
        if pid == 0:
            _be_candidate(control, descriptors[0], filter_, cpu_seconds, memory_bytes)
        os.close(descriptors[0])
        control.recv(1)
        os.kill(pid, signal.SIGKILL)  # not yet waited for, so the number is still this child's, dead or alive
        control.sendall(struct.pack("!i", os.waitpid(pid, 0)[1]))


def _be_candidate(
    control: socket.socket, channel: int, filter_: confine.SystemCallFilter | None, cpu_seconds: int, memory_bytes: int
) -> NoReturn:
    try:
        control.close()
        confine.die_with_parent()
        confine.limit_resources(cpu_seconds, memory_bytes)
        if filter_ is not None:
            filter_.close()
        with open(channel, "rb", closefd=False) as file:
            request = file.read()
        # Plain reads and writes, not socket calls: the filter knows none.
        left = memoryview(json.dumps(_reply(request)).encode())
        while left:
            left = left[os.write(channel, left) :]
    finally:
        os._exit(0)


def _reply(request: bytes) -> list[Any]:
    """``["values", ...]`` or ``["error", one of ERRORS]``: of an exception only its class of failure gets out."""
    try:
        source, entry_point, arguments = json.loads(request)
        module = types.ModuleType("candidate")
        sys.modules["candidate"] = module  # dataclasses and pickle look a class's module up
        try:
            code = compile(source, "<candidate>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return ["error", "syntax"]
        exec(code, module.__dict__)
        function = module.__dict__.get(entry_point)
        if not callable(function):
            return ["error", "no such function"]
        results = [function(*values.decode(call, sys.maxsize)) for call in arguments]
    except MemoryError:
        return ["error", "memory"]
    except BaseException:  # SystemExit and KeyboardInterrupt are only another way to fail
        return ["error", "raised"]
    try:
        return ["values", *map(values.encode, results)]
    except MemoryError:
        return ["error", "memory"]
    except BaseException:
        return ["error", "no plain value"]


def _python_files() -> list[str]:
    """What an interpreter needs to import the standard library, and nothing of a user's."""
    libraries = [
        os.path.join(sys.base_prefix, "lib"),
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/share/zoneinfo",
    ]
    return [*filter(None, sys.path), *libraries, "/etc/ld.so.cache"]
