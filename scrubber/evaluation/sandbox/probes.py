"""Attempts to get out of the sandbox, run inside it before it is trusted. Each names itself if it succeeds."""

ENTRY_POINT = "escapes"

SOURCE = """
import os
import socket
import subprocess


def escapes(secret, folder, home):
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
    return found
"""
