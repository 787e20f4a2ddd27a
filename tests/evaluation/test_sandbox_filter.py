"""The seccomp program, walked by hand: what it allows and denies on both architectures."""

from __future__ import annotations

import struct

import pytest

from scrubber.evaluation.sandbox import syscalls

OTHER = {"x86_64": 0xC00000B7, "aarch64": 0xC000003E}
FORBIDDEN = {  # name: number on x86-64 and on aarch64
    "socket": (41, 198), "connect": (42, 203), "sendmsg": (46, 211), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tgkill": (234, 131), "ptrace": (101, 117), "process_vm_readv": (310, 270), "mount": (165, 40),
    "unshare": (272, 97), "setns": (308, 268), "io_uring_setup": (425, 425), "memfd_create": (319, 279),
    "bpf": (321, 280), "openat2": (437, 437), "ioctl": (16, 29), "setsid": (112, 157), "prctl": (157, 167),
    "fchmodat": (268, 53), "unlinkat": (263, 35), "renameat2": (316, 276), "pidfd_open": (434, 434),
}  # fmt: skip


def run(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Interpret the program as the kernel does, on a ``struct seccomp_data``."""
    arch = syscalls.ARCHITECTURES[machine][0] if architecture is None else architecture
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    code = [struct.unpack("=HBBI", instruction) for instruction in syscalls.program(machine)]
    accumulator = position = 0
    while True:
        operation, if_true, if_false, value = code[position]
        position += 1
        if operation == syscalls.LOAD:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == syscalls.AND:
            accumulator &= value
        elif operation == syscalls.EQUAL:
            position += if_true if accumulator == value else if_false
        else:
            assert operation == syscalls.RETURN
            return value


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def number_of(numbers: tuple[int, int], machine: str) -> int:
    return numbers[machine == "aarch64"]


def test_every_listed_call_is_allowed(machine: str) -> None:
    for numbers in syscalls.ALLOWED.values():
        assert run(machine, number_of(numbers, machine)) == syscalls.ALLOW


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_way_out_is_denied(machine: str, name: str) -> None:
    assert run(machine, number_of(FORBIDDEN[name], machine)) == syscalls.DENY


def test_fork_and_the_x32_numbers_are_denied() -> None:
    assert [run("x86_64", number) for number in (57, 58, 0x40000000, 0x40000000 | 1)] == [syscalls.DENY] * 4


def test_a_call_of_another_architecture_kills(machine: str) -> None:
    assert run(machine, 0, architecture=OTHER[machine]) == syscalls.KILL
    assert run(machine, 0, architecture=0x40000003) == syscalls.KILL  # 32-bit x86


def test_a_file_can_be_opened_for_reading_only(machine: str) -> None:
    number = number_of(syscalls.OPENAT, machine)
    assert run(machine, number, 0, 0, 0o2000000) == syscalls.ALLOW  # O_CLOEXEC
    for flags in (0o1, 0o2, 0o100, 0o1000, 0o20000000 | 0o2):
        assert run(machine, number, 0, 0, flags) == syscalls.DENY


def test_a_thread_can_be_made_and_a_process_cannot(machine: str) -> None:
    number = number_of(syscalls.CLONE, machine)
    assert run(machine, number, syscalls.CLONE_THREAD | 0x3D0F00) == syscalls.ALLOW
    assert run(machine, number, 17) == syscalls.DENY
    assert run(machine, syscalls.CLONE3) == syscalls.ABSENT


def test_limits_and_descriptor_flags_are_ones_own(machine: str) -> None:
    prlimit, fcntl = number_of(syscalls.PRLIMIT64, machine), number_of(syscalls.FCNTL, machine)
    assert [run(machine, prlimit, pid) for pid in (0, 1)] == [syscalls.ALLOW, syscalls.DENY]
    allowed = [command for command in range(1100) if run(machine, fcntl, 0, command) == syscalls.ALLOW]
    assert allowed == [0, 1, 2, 3, 1030]
