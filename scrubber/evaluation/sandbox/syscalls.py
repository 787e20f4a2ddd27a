"""The system calls that generated code may make, and the seccomp program that allows these and no other.

A list of what is allowed, since a list of what is denied grows old with every kernel. Missing on purpose: sockets,
execve, fork, kill, ptrace, mount, unshare, io_uring, memfd_create, chmod, unlink, rename, keys, timers with signals.
"""

from __future__ import annotations

import struct

# Machine: AUDIT_ARCH_* and the column of its numbers in the tables below.
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Name: number on x86-64 and on aarch64.
ALLOWED = {
    # files that Landlock lets be read, and descriptors
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62), "pread64": (17, 67),
    "readv": (19, 65), "writev": (20, 66), "dup": (32, 23), "dup3": (292, 24), "pipe2": (293, 59), "getcwd": (79, 17),
    "getdents64": (217, 61), "newfstatat": (262, 79), "readlinkat": (267, 78), "faccessat": (269, 48),
    "faccessat2": (439, 439), "statx": (332, 291), "close_range": (436, 436), "pselect6": (270, 72), "ppoll": (271, 73),
    # memory and threads
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "madvise": (28, 233), "futex": (202, 98), "futex_waitv": (449, 449), "set_tid_address": (218, 96),
    "set_robust_list": (273, 99), "rseq": (334, 293), "membarrier": (324, 283), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "gettid": (186, 178),
    # signals of one's own, and the end
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    # time, chance, and who one is
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "times": (100, 153), "getrusage": (98, 165), "getitimer": (36, 102),
    "setitimer": (38, 103), "getrandom": (318, 278), "uname": (63, 160), "sysinfo": (99, 179), "getpid": (39, 172),
    "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
}  # fmt: skip
# What aarch64 never had.
ALLOWED_X86 = {
    "stat": 4, "lstat": 6, "poll": 7, "access": 21, "pipe": 22, "select": 23, "dup2": 33, "readlink": 89, "time": 201,
}  # fmt: skip

OPENAT, OPEN_X86, CLONE, CLONE3, FCNTL, PRLIMIT64 = (257, 56), 2, (56, 220), 435, (72, 25), (302, 261)
CLONE_THREAD = 0x10000
OPEN_TO_WRITE = 0o1 | 0o2 | 0o100 | 0o1000  # WRONLY, RDWR, CREAT, TRUNC; older Landlock does not see TRUNC
# DUPFD, GETFD, SETFD, GETFL, DUPFD_CLOEXEC. Not SETOWN: it has the kernel send signals to other processes.
FCNTL_COMMANDS = (0, 1, 2, 3, 1030)

LOAD, EQUAL, AND, RETURN = 0x20, 0x15, 0x54, 0x06
ALLOW, KILL, DENY, ABSENT = 0x7FFF0000, 0x80000000, 0x00050000 | 1, 0x00050000 | 38  # DENY: EPERM; ABSENT: ENOSYS
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian


def program(machine: str) -> list[bytes]:
    """Classic BPF instructions, 8 bytes each. An unknown call gives EPERM, one of another architecture kills."""
    architecture, column = ARCHITECTURES[machine]
    code = [_op(LOAD, ARCHITECTURE_AT), _op(EQUAL, architecture, 1, 0), _op(RETURN, KILL), _op(LOAD, NUMBER_AT)]
    for numbers in ALLOWED.values():
        code += _when(numbers[column], [_op(RETURN, ALLOW)])
    if machine == "x86_64":
        for number in ALLOWED_X86.values():
            code += _when(number, [_op(RETURN, ALLOW)])
        code += _when(OPEN_X86, _if_masked(1, OPEN_TO_WRITE, 0))
    code += _when(OPENAT[column], _if_masked(2, OPEN_TO_WRITE, 0))
    code += _when(CLONE[column], _if_masked(0, CLONE_THREAD, CLONE_THREAD))
    code += _when(CLONE3, [_op(RETURN, ABSENT)])  # its flags are out of a filter's sight; libc then falls back to clone
    code += _when(PRLIMIT64[column], _if_masked(0, 0xFFFFFFFF, 0))  # 0 is oneself
    commands = [_op(EQUAL, command, len(FCNTL_COMMANDS) - i, 0) for i, command in enumerate(FCNTL_COMMANDS)]
    code += _when(FCNTL[column], [_op(LOAD, ARGUMENTS_AT + 8), *commands, _op(RETURN, DENY), _op(RETURN, ALLOW)])
    return [*code, _op(RETURN, DENY)]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _when(number: int, block: list[bytes]) -> list[bytes]:
    """``block``, which returns, for one system call; else over it."""
    return [_op(EQUAL, number, 0, len(block)), *block]


def _if_masked(argument: int, mask: int, wanted: int) -> list[bytes]:
    """Allow if the low half of an argument, masked, is as wanted."""
    load = _op(LOAD, ARGUMENTS_AT + 8 * argument)
    return [load, _op(AND, mask), _op(EQUAL, wanted, 0, 1), _op(RETURN, ALLOW), _op(RETURN, DENY)]
