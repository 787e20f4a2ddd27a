"""Attempts to get out of the sandbox, or to win its verdict, run in it before it is trusted."""

ENTRY_POINT = "escapes"

SOURCE = """
import os
import socket
import subprocess


def escapes(secret, folder, home, memory):
    found = []

    def attempt(name, act):
        try:
            if act() is not False:
                found.append(name)
        except BaseException:
            pass

    def fork():
        if os.fork() == 0:
            os._exit(0)

    attempt("network", lambda: socket.create_connection(("127.0.0.1", 9), 0.05))
    attempt("network", socket.socket)
    attempt("read a file", lambda: open(secret).read())
    attempt("read a process", lambda: open("/proc/%d/environ" % os.getppid()).read())
    attempt("list a folder", lambda: os.listdir(folder))
    attempt("change a file", lambda: os.chmod(secret, 0o777))
    attempt("delete a file", lambda: os.unlink(secret))
    for place in (folder, home, "/tmp", "/dev/shm", "."):
        attempt("write a file", lambda: open(place + "/escaped", "x").close() or os.unlink(place + "/escaped"))
    attempt("environment", lambda: bool(os.environ))
    attempt("fork", fork)
    attempt("run a program", lambda: subprocess.run(["/bin/true"]))
    attempt("signal", lambda: os.kill(os.getppid(), 0))
    attempt("memory", lambda: bytearray(memory))
    return found
"""

TESTS = "answer = function_of('answer')\nassert answer(20) == 42\nassert answer(0) == 2"
RIGHT = "the right candidate"
CANDIDATES = {
    RIGHT: "def answer(x): return 2 * x + 2",
    "a wrong candidate": "def answer(x): return 42",
    "an always equal object": """
class Equal(int):
    __eq__ = lambda self, other: True
    __hash__ = int.__hash__

def answer(x): return Equal()
""",
    "a forged verdict": """
import os

def answer(x):
    for descriptor in range(64):
        try:
            os.write(descriptor, b'"passed"\\n["value", ["i", "2a"]]\\n["value", null]\\n')
        except OSError:
            pass
    os._exit(0)
""",
}
