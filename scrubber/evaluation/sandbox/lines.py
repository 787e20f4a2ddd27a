"""How the two sides of the sandbox talk: JSON, one message a line, of which the reader bounds the length.

Standard library only, since it also runs inside the sandbox.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

LONGEST = 1 << 20  # bytes of a line that comes from a candidate
BLOCK = 1 << 16


class TooLong(ValueError):
    """The other side has said more than fits a message."""


class Lines:
    """Messages over two callables: ``read(count)`` gives b"" at the end, ``write(data)`` says how much it took."""

    def __init__(self, read: Callable[[int], bytes], write: Callable[[memoryview], int], *, longest: int) -> None:
        self._read, self._write, self._longest = read, write, longest
        self._received = bytearray()

    def send(self, text: str) -> None:
        """``text``: JSON without a line break, as ``json.dumps`` writes it. Raises OSError."""
        left = memoryview(text.encode() + b"\n")
        while left:
            left = left[self._write(left) :]

    def receive(self) -> Any:
        """The next message. Raises EOFError at the end, ValueError on what is no JSON, TooLong, OSError."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > self._longest:
                raise TooLong
            block = self._read(BLOCK)
            if not block:
                if self._received:
                    raise ValueError("the last line has no end")
                raise EOFError
            self._received += block
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return json.loads(line)


def over(descriptor: int, *, longest: int) -> Lines:
    """Lines over a descriptor, by plain reads and writes: the system call filter knows no socket calls."""
    return Lines(lambda count: os.read(descriptor, count), lambda data: os.write(descriptor, data), longest=longest)
