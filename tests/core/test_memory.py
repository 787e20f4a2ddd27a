"""Freed memory goes back to the system, and the peak is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scrubber.core.memory import peak_memory

HOLES = """
from pathlib import Path
from scrubber.core.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

kept, freed = [], []
for _ in range(20_000):  # below glibc's threshold for mappings of their own, and held apart by what is kept
    freed.append(bytearray(16_000))
    kept.append(bytearray(600))
high = resident()
freed.clear()
give_back()
print(high - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the call")
def test_holes_between_what_is_kept_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert int(done.stdout) > 150_000_000


def test_the_peak_is_in_bytes() -> None:
    assert 10_000_000 < peak_memory() < 10**12
