"""The untrusted side: a zygote that forks one confined process for each candidate or examiner. Standard library only.

The zygote never sees a candidate's text: it is handed one end of a fresh socket pair, forks, and the child reads its
request there after it has given up its rights. A candidate is told arguments, never an expected value.
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
from collections.abc import Callable
from typing import Any, NoReturn

from scrubber.evaluation.sandbox import confine, examiner, lines, values

# Imported once by the zygote, so that no candidate waits for them. Not hashlib: what OpenSSL maps makes every fork
# dearer by a fifth.
USUAL = (
    *("array", "bisect", "cmath", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions"),
    *("functools", "heapq", "itertools", "math", "operator", "random", "re", "statistics", "string"),
    *("textwrap", "time", "typing", "unicodedata", "resource"),
)
READY, CANDIDATE, EXAMINER, END = b"r", b"c", b"e", b"k"


class _Refused(Exception):
    """One of ``asking.ERRORS``."""


def serve(control: socket.socket, *, landlock: bool, seccomp: bool, cpu_seconds: int, memory_bytes: int) -> None:
    """The zygote's loop: a role and its descriptors start a child; END ends all and is answered by their statuses.

    Ends, with its children, when the other side closes ``control``.
    """
    os.environ.clear()
    for name in USUAL:
        importlib.import_module(name)
    filter_ = None
    if landlock or seccomp:
        confine.drop_capabilities()
        confine.no_new_privileges()
    if landlock:
        confine.close_files(_python_files())
    if seccomp:
        filter_ = confine.SystemCallFilter()
    gc.collect()
    gc.freeze()  # keeps a child's collector from touching, and so copying, the shared pages
    control.sendall(READY)
    children: list[int] = []
    while True:
        role, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if role == END:
            for pid in children:  # not yet waited for, so the numbers are still these children's, dead or alive
                os.kill(pid, signal.SIGKILL)
            statuses = [os.waitpid(pid, 0)[1] for pid in children]
            control.sendall(struct.pack(f"!{len(statuses)}i", *statuses))
            children.clear()
        elif role:
            pid = os.fork()
            if pid == 0:
                _be(role, control, descriptors, filter_, cpu_seconds, memory_bytes)
            children.append(pid)
            for descriptor in descriptors:  # a candidate forked later must not hold an examiner's, nor the reverse
                os.close(descriptor)
        else:
            return


def _be(
    role: bytes,
    control: socket.socket,
    descriptors: list[int],
    filter_: confine.SystemCallFilter | None,
    cpu_seconds: int,
    memory_bytes: int,
) -> NoReturn:
    try:
        control.close()
        confine.die_with_parent()
        confine.limit_resources(cpu_seconds, memory_bytes)
        if filter_ is not None:
            filter_.close()
        if role == EXAMINER:
            judge, candidate = descriptors
            examiner.examine(lines.over(judge, longest=sys.maxsize), lines.over(candidate, longest=lines.LONGEST))
        else:
            _attend(lines.over(*descriptors, longest=sys.maxsize))
    finally:
        os._exit(0)


def _attend(asked: lines.Lines) -> None:
    """A candidate's life: its source comes first, then calls ``[function, arguments, named arguments]``.

    Each is answered by ``["value", ...]`` or ``["error", one of ERRORS]``: of an exception only its class gets out.
    """
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module  # dataclasses and pickle look a class's module up
    source = asked.receive()
    asked.send(_answer(lambda: _load(source, module.__dict__)))
    while True:
        call = asked.receive()
        asked.send(_answer(lambda: _call(module.__dict__, *call)))  # noqa: B023 (called at once)


def _answer(act: Callable[[], Any]) -> str:
    try:
        result = act()
    except _Refused as refused:
        return json.dumps(["error", str(refused)])
    except MemoryError:
        return '["error", "memory"]'
    except BaseException:  # SystemExit and KeyboardInterrupt are only another way to fail
        return '["error", "raised"]'
    try:
        return json.dumps(["value", values.encode(result)])
    except MemoryError:
        return '["error", "memory"]'
    except BaseException:
        return '["error", "no plain value"]'


def _load(source: str, space: dict[str, Any]) -> None:
    try:
        code = compile(source, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        raise _Refused("syntax") from None
    exec(code, space)


def _call(space: dict[str, Any], name: str, arguments: Any, named: Any) -> Any:
    function = space.get(name)
    if not callable(function):
        raise _Refused("no such function")
    return function(*values.decode(arguments, sys.maxsize), **values.decode(named, sys.maxsize))


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
