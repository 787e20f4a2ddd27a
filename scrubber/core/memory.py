"""Memory of the process: how high it went, and giving back what is free."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys


def peak_memory() -> int:
    """Bytes of resident memory at the highest, of this process and of the largest child."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def give_back() -> None:
    """Returns freed memory to the system, between two pieces of work.

    Tensors of many sizes leave glibc's heap full of holes: 1.8 GB of them after two minutes of training a model of
    17 MB, on top of which the next model would come. Other C libraries have no such call, and nothing happens there.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
