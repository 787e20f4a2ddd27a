"""The strongest layer: bubblewrap's command line, which starts a program in namespaces of its own.

Inside there is no network, no other process, nothing to write to, and of files only the interpreter's.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32")  # the interpreter's shared libraries lie in one of them
NOBODY = "65534"


def program() -> str | None:
    """Where bubblewrap is installed, if it is. Whether it may make namespaces, only a start tells."""
    return shutil.which("bwrap") if sys.platform == "linux" else None


def command(bwrap: str, inner: Sequence[str], readable: Sequence[str]) -> list[str]:
    """``inner`` run in namespaces; ``readable``: what it sees besides the system's libraries, under the same names.

    Not ``--die-with-parent``: that would be the thread that started it. The zygote ends when its socket closes, and
    with it the namespace of its process numbers. Not ``--new-session``: whoever starts this asks for one.
    """
    made = [bwrap, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    made += ["--unshare-cgroup-try", "--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox", "--cap-drop", "ALL"]
    for path in SYSTEM:
        if os.path.islink(path):
            made += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            made += ["--ro-bind", path, path]
    bound = ["/usr"]
    for path in ("/etc/ld.so.cache", *readable):
        if not any(os.path.commonpath((path, above)) == above for above in bound):
            bound.append(path)
            made += ["--ro-bind-try", path, path]
    return [*made, "--remount-ro", "/", "--chdir", "/", "--", *inner]
