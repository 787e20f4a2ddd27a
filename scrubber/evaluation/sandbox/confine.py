"""Gives up a process's own rights for good: Landlock, seccomp, resource limits, capabilities. Standard library only.

Needs no privilege and no dependency: raw system calls through ctypes, on Linux 5.13+ for x86-64 and aarch64. Sources:
``Documentation/userspace-api/{landlock,seccomp_filter}.rst`` of the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import struct
import sys

from scrubber.evaluation.sandbox import syscalls

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446  # the same on every architecture
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3
CAPABILITY_VERSION_3 = 0x20080522
MOST_THREADS = 4096  # counts all threads of the user, and does not bind root


def has_seccomp() -> bool:
    """Whether this machine offers seccomp filters, and we know its system call numbers."""
    if sys.platform != "linux" or platform.machine() not in syscalls.ARCHITECTURES or sys.maxsize < 2**32:
        return False
    # Filters exist if the kernel complains of the missing program (EFAULT) and not of the mode (EINVAL).
    _libc().prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == 14


def has_landlock() -> bool:
    return sys.platform == "linux" and _landlock_version(_libc()) >= 1


def no_new_privileges() -> None:
    """No program that is started from now on gains a right; without this neither fence can be put up. Raises OSError."""
    _checked(_libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def close_files(readable: list[str]) -> None:
    """Landlock: from now on no file can be opened but for reading, beneath ``readable``. Children inherit it.

    Newer kernels also deny TCP, abstract sockets and signals to processes outside. Needs no_new_privs. Raises OSError.
    """
    libc = _libc()
    version = _landlock_version(libc)
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1  # + refer, truncate, ioctl on devices
    tcp = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    attributes = struct.pack("=QQQ", files, tcp, scopes)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _checked(libc.syscall(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    try:
        for path in readable:
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    rights = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE
                    rule = struct.pack("=Qi", rights, descriptor)
                    _checked(libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0))
                finally:
                    os.close(descriptor)
        _checked(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def drop_capabilities() -> None:
    """Makes a root process an ordinary one that owns root's files. Raises OSError."""
    header, nothing = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)
    _checked(_libc().capset(header, nothing))


class SystemCallFilter:
    """The seccomp filter of ``syscalls``, built once and applied by each child with ``close()``."""

    def __init__(self) -> None:
        instructions = syscalls.program(platform.machine())
        self._code = ctypes.create_string_buffer(b"".join(instructions), 8 * len(instructions))
        self._program = struct.pack("@HxxxxxxQ", len(instructions), ctypes.addressof(self._code))
        self._libc = _libc()

    def close(self) -> None:
        """From now on only the listed system calls work. Needs no_new_privs. Raises OSError."""
        _checked(self._libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._program, 0, 0))


def die_with_parent() -> None:
    if sys.platform == "linux":
        _libc().prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def limit_resources(cpu_seconds: int, memory_bytes: int) -> None:
    """CPU time, address space, no file growth, few descriptors, no core dump. What a system lacks is left out."""
    import resource

    wanted = {
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": MOST_THREADS,
    }
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            which = getattr(resource, name)
            hard = resource.getrlimit(which)[1]
            room = sys.maxsize if hard == resource.RLIM_INFINITY else hard
            soft = min(value, room)
            # A second between the limits: the first signal names the cause, the second cannot be caught.
            resource.setrlimit(which, (soft, min(soft + 1, room) if name == "RLIMIT_CPU" else soft))


def _landlock_version(libc: ctypes.CDLL) -> int:
    return int(libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_CREATE_RULESET_VERSION))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
