"""Hostile completions, written against this very protocol: none is judged right, none leaves a trace outside.

Each defines ``f(world)`` and returns the names of its attacks that worked. It is run twice in each isolated layer: as a
candidate, whose report must be empty, and before tests that no honest return value of it can satisfy.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from scrubber.evaluation.sandbox import bubblewrap, worker
from scrubber.evaluation.sandbox.runner import Answer, Call, Exam, Judgement, Sandbox
from scrubber.evaluation.sandbox.worker import Layer

TESTS = """
import random
dice = [random.getrandbits(64) for _ in range(4)]
f = function_of("f")
assert f(WORLD) == "-".join(["only", "the", "tests", "know"])
assert [function_of("g")(x) for x in dice] == [x ^ 0x5A5A for x in dice]
"""
HONEST = "def f(world): return 'only-the-tests-know'\ndef g(x): return x ^ 0x5A5A"

# What every hostile completion begins with. ``attempt`` notes what worked; a refusal is any exception.
HEAD = """
import os, sys
found = []
def attempt(name, act):
    try:
        if act() is not False:
            found.append(name)
    except BaseException:
        pass
def everywhere(data):
    for descriptor in range(64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
def g(x): return x
"""

# Forged verdicts: what the judge or the examiner might take for success.
FORGERS = {
    "exit 0": "import sys\ndef f(world): sys.exit(0)",
    "exit at once": "import os\nos._exit(0)",
    "exit in a call": "import os\ndef f(world): os._exit(0)",
    "raise SystemExit": "def f(world): raise SystemExit",
    "raise what a test catches": "def f(world): raise AssertionError",
    "raise at once": "raise StopIteration",
    "nothing": "",
    "a verdict everywhere": "def f(world): everywhere(b'\"passed\"\\n'); os._exit(0)",
    "a verdict everywhere at once": "everywhere(b'\"passed\"\\n')\nos._exit(0)",
    "a verdict and silence": "import time\ndef f(world): everywhere(b'\"passed\"\\n'); time.sleep(60)",
    "values everywhere": "def f(world): everywhere(b'[\"value\", true]\\n' * 50); os._exit(0)",
    "replies ahead of their calls": """
        def f(world):
            everywhere(b'["value", "only-the-tests-know?"]\\n["value", ["i", "0"]]\\n' * 9)
        """,
    "the request, replayed": """
        def f(world):
            import json
            frame = sys._getframe()
            while frame:
                for value in list(frame.f_locals.values()):
                    if hasattr(value, "send"):
                        attempt("", lambda: value.send(json.dumps(repr(vars(value)))))
                frame = frame.f_back
        """,
    "a line without an end": "def f(world): everywhere(b'[' * 65536)",
    "a flood of lines": """
        def f(world):
            while True:
                everywhere(b'["value", null]\\n' * 4096)
        """,
    "a flood on all descriptors from a thread": """
        import threading
        def flood():
            while True:
                everywhere(b"x" * 65536)
        threading.Thread(target=flood, daemon=True).start()
        def f(world): return 1
        """,
    "an always equal object": """
        class Equal:
            __eq__ = lambda self, other: True
            __hash__ = lambda self: 0
        def f(world): return Equal()
        """,
    "an always equal string": """
        class Equal(str):
            __eq__ = lambda self, other: True
            __ne__ = lambda self, other: False
            __hash__ = str.__hash__
            __str__ = __repr__ = lambda self: 'only' + '-the-' + 'tests'
        def f(world): return Equal("x")
        """,
    "always equal, inside": """
        class Equal(int):
            __eq__ = lambda self, other: True
            __hash__ = lambda self: 0
            __index__ = __int__ = lambda self: 42
            __format__ = lambda self, how: '"], "passed", ["'
        def f(world): return [Equal(), {Equal(): Equal()}]
        """,
    "a class that claims to be another": """
        class Claim:
            __class__ = property(lambda self: str)
            __reduce__ = lambda self: (str, ("x",))
            __iter__ = lambda self: iter("only")
        def f(world): return Claim()
        """,
    "an encoder that lies": """
        import json
        json.dumps = lambda *_, **__: '"passed"'
        sys.modules["scrubber.evaluation.sandbox.values"].encode = lambda value: "passed"
        sys.modules["scrubber.evaluation.sandbox.examiner"].PASSED = "wrong"
        sys.modules["scrubber.evaluation.sandbox.asking"].ERRORS = ("passed",)
        def f(world): return 1
        """,
    "an error by the name of success": """
        def f(world):
            everywhere(b'["error", "passed"]\\n')
        """,
    "builtins that agree": """
        import builtins
        builtins.__build_class__ = builtins.isinstance = builtins.all = lambda *_: True
        builtins.AssertionError = builtins.Exception = SystemExit
        def f(world): return True
        """,
    "the dice of the tests, guessed": """
        import random
        state = random.getstate()
        mine = [random.getrandbits(64) for _ in range(4)]
        def f(world): return "only-the-tests" + "-guess"
        def g(x): return mine[0] ^ 0x5A5A
        """,
    "frames": """
        def f(world):
            frame = sys._getframe()
            while frame:
                for name, value in {**frame.f_globals, **frame.f_locals}.items():
                    if isinstance(value, str) and value.count("-") == 3:
                        return value
                frame.f_trace = lambda *_: None
                frame = frame.f_back
        """,
    "all objects in memory": """
        def f(world):
            import gc
            gc.unfreeze()
            for thing in gc.get_objects():
                if isinstance(thing, (list, tuple, dict)) and "only" in repr(thing)[:1000]:
                    return "-".join(thing) if isinstance(thing, list) else 1
        """,
    "a trace function": """
        sys.settrace(lambda *_: os._exit(0))
        sys.setprofile(lambda *_: None)
        def f(world): return 1
        """,
    "an exit handler": """
        import atexit
        atexit.register(lambda: everywhere(b'"passed"'))
        def f(world): sys.exit(0)
        """,
    "a value that contains itself": "def f(world):\n    x = []\n    x.append(x)\n    return x",
    "a very deep value": "def f(world):\n    x = []\n    for _ in range(10 ** 6): x = [x]\n    return x",
    "a very long value": "def f(world): return 'x' * (1 << 26)",
    "keys that collide": "def f(world): return dict.fromkeys((2 ** 61 - 1) * i for i in range(5000))",
}

# Side effects: what a candidate might do to the world outside. ``world`` is the dict that the fixture makes.
INTRUDERS = {
    "network": """
        import socket
        for family, address in ((socket.AF_INET, ("127.0.0.1", world["port"])), (socket.AF_UNIX, "\\0scrubber-test")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                attempt("network", lambda: socket.socket(family, kind).connect(address))
                attempt("network", lambda: socket.socket(family, kind).sendto(b"x", address))
                attempt("network", lambda: socket.socket(family, kind).bind(address))
        attempt("network", lambda: socket.socketpair())
        attempt("network", lambda: socket.getaddrinfo("localhost", "80") and socket.gethostbyname("example.org"))
        """,
    "raw sockets by number": """
        import ctypes
        libc = ctypes.CDLL(None)
        for number in (41, 198, 53, 199, 425, 359):
            attempt("socket", lambda: libc.syscall(number, 2, 1, 0) >= 0)
        """,
    "writes outside": """
        for place in world["places"]:
            path = place + "/scrubber-escape"
            for act in (lambda: open(path, "w"), lambda: open(path, "a"), lambda: os.mkdir(path), lambda: os.mkfifo(path),
                        lambda: os.symlink("/", path), lambda: os.open(place, os.O_TMPFILE | os.O_RDWR),
                        lambda: os.mknod(path), lambda: os.open(path, os.O_CREAT | os.O_RDONLY)):
                attempt("write", act)
        """,
    "changes to a file": """
        path = world["file"]
        for act in (lambda: open(path).read(), lambda: os.truncate(path, 0), lambda: os.unlink(path),
                    lambda: os.rename(path, path + "2"), lambda: os.chmod(path, 0o777), lambda: os.utime(path, (0, 0)),
                    lambda: os.link(path, path + "2"), lambda: os.open(path, os.O_RDONLY | os.O_TRUNC),
                    lambda: os.open(path, os.O_WRONLY), lambda: os.open(path, os.O_RDWR), lambda: os.chown(path, 1, 1),
                    lambda: os.setxattr(path, "user.x", b"x"), lambda: os.listdir(os.path.dirname(path))):
            attempt("change", act)
        """,
    "a symlink race": """
        import time
        end = time.monotonic() + 0.2
        while time.monotonic() < end:  # somebody outside swaps the link between this file and one that may be read
            attempt("race", lambda: "do-not-tell" in open(world["race"]).read())
            attempt("race", lambda: os.symlink(world["file"], os.path.dirname(world["file"]) + "/link"))
        """,
    "a way round through /proc": """
        for link in ("root", "cwd", "fd/0", "fd/1", "task/self/root", "exe", "mem", "environ", "maps"):
            for pid in ("self", "1", str(os.getppid()), str(world["judge"]), "thread-self"):
                attempt("proc", lambda: os.listdir(f"/proc/{pid}/{link}"))
                attempt("proc", lambda: open(f"/proc/{pid}/{link}", "rb").read(1))
                attempt("proc", lambda: os.open(f"/proc/{pid}/{link}", os.O_RDWR))
        """,
    "climbing out by ..": """
        here = os.getcwd()
        attempt("climb", lambda: os.chdir("/"))
        attempt("climb", lambda: os.chroot("."))
        attempt("climb", lambda: open("../" * 40 + world["file"]).read())
        attempt("climb", lambda: open(here + "/x", "w"))
        """,
    "the environment": """
        import ctypes
        attempt("environment", lambda: bool(os.environ))
        environment = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
        attempt("environment", lambda: bool(environment and environment[0] and b"do-not-tell" in environment[0]))
        attempt("environment", lambda: os.getenv("SCRUBBER_TEST_WORD") is not None)
        attempt("environment", lambda: b"do-not-tell" in b"".join(open(f"/proc/{p}/environ", "rb").read()
                                       for p in (world["judge"], os.getppid())))
        """,
    "the password file": """
        for path in ("/etc/passwd", "/etc/shadow", "/root/.ssh/id_rsa", os.path.expanduser("~/.bashrc"), world["home"]):
            attempt("read", lambda: open(path).read() if not os.path.isdir(path) else os.listdir(path))
        """,
    "a fork bomb": """
        def bomb():
            while True:
                os.fork()
        attempt("fork", bomb)
        attempt("fork", os.fork)
        attempt("fork", os.forkpty)
        """,
    "a bomb by number": """
        import ctypes
        libc = ctypes.CDLL(None)
        for number in (57, 58, 56, 220, 435):
            def clone():
                pid = libc.syscall(number, 17, 0, 0, 0, 0)
                if pid == 0:
                    libc.syscall(231, 0)
                return pid > 0
            attempt("clone", clone)
        """,
    "other programs": """
        import subprocess, multiprocessing
        for act in (lambda: subprocess.Popen(["/bin/sleep", "60"]), lambda: os.system("true") == 0,
                    lambda: os.posix_spawn("/bin/sleep", ["sleep", "60"], {}), lambda: os.popen("id").read() != "",
                    lambda: multiprocessing.Process(target=print).start(), lambda: os.execv("/bin/true", ["true"])):
            attempt("program", act)
        """,
    "a thread bomb": """
        import threading, time
        threading.stack_size(32768)
        for _ in range(100000):
            try:
                threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
            except (RuntimeError, MemoryError):
                break
        """,
    "memory": """
        hoard = []
        attempt("memory", lambda: hoard.append(bytearray(1 << 30)))
        try:
            while sum(map(len, hoard)) < 1 << 30:
                hoard.append(bytes(1 << 24))
            found.append("memory")
        except MemoryError:
            hoard.clear()
        """,
    "memory outside the heap": """
        import mmap, ctypes
        libc = ctypes.CDLL(None)
        attempt("mmap", lambda: mmap.mmap(-1, 1 << 31))
        attempt("memfd", lambda: os.memfd_create("x"))
        for number in (29, 194, 319, 279, 240, 180):
            attempt("shared memory", lambda: libc.syscall(number, 0, 4096, 0o1000 | 0o666) >= 0)
        """,
    "limits": """
        import resource
        for name in ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
            attempt("limit", lambda: resource.setrlimit(getattr(resource, name), (10 ** 9, 10 ** 9)))
            attempt("limit", lambda: resource.prlimit(os.getppid(), getattr(resource, name), (0, 0)))
        attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19))
        attempt("affinity", lambda: os.sched_setaffinity(os.getppid(), {0}))
        """,
    "signals to others": """
        import signal
        for pid in (os.getppid(), world["judge"], 0, -1, 1):
            for number in (0, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
                attempt("signal", lambda: os.kill(pid, number))
        attempt("signal", lambda: os.killpg(os.getpgid(0), signal.SIGTERM))
        attempt("signal", lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0))
        """,
    "signals to itself": """
        import signal, time
        for number in range(1, 64):
            attempt("", lambda: signal.signal(number, signal.SIG_IGN))
        attempt("timer", lambda: signal.setitimer(signal.ITIMER_REAL, 0.001) and False)
        time.sleep(0.01)
        found.clear()
        """,
    "the examiner's descriptors": """
        import ctypes, struct
        libc = ctypes.CDLL(None)
        for pid in range(max(os.getppid() - 2, 1), os.getpid() + 4):
            attempt("pidfd", lambda: libc.syscall(438, libc.syscall(434, pid, 0), 3, 0) >= 0)
            attempt("ptrace", lambda: libc.ptrace(16, pid, 0, 0) == 0)
            attempt("memory", lambda: libc.syscall(310, pid, 0, 0, 0, 0, 0) > 0)
            for descriptor in range(3, 9):
                attempt("descriptor", lambda: os.open(f"/proc/{pid}/fd/{descriptor}", os.O_WRONLY))
        """,
    "new rights": """
        import ctypes
        libc = ctypes.CDLL(None)
        for act in (lambda: os.setuid(0) is None and os.getuid() != 0, lambda: libc.unshare(0x10000000) == 0,
                    lambda: libc.setns(0, 0) == 0, lambda: libc.mount(0, 0, 0, 0, 0) == 0, lambda: libc.setsid() > 0,
                    lambda: libc.prctl(38, 0, 0, 0, 0) == 0, lambda: libc.personality(0x0040000) >= 0,
                    lambda: libc.syscall(321, 0, 0, 0) >= 0, lambda: libc.syscall(165, 0, 0, 0, 0, 0) == 0):
            attempt("right", act)
        """,
    "a terminal": """
        import fcntl, termios
        for descriptor in range(8):
            attempt("terminal", lambda: fcntl.ioctl(descriptor, termios.TIOCSTI, b"x"))
            attempt("owner", lambda: fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getppid()))
        attempt("terminal", lambda: os.open("/dev/tty", os.O_RDWR))
        """,
}


@dataclass
class Outside:
    """What a candidate is told of the world, and the world's own record of what befell it."""

    told: dict[str, Any]
    folder: Path
    server: socket.socket

    def traces(self) -> list[str]:
        """What is not as it was."""
        changed = [path.name for path in self.folder.rglob("*") if path.name not in ("private", "file", "race")]
        changed += [place for place in self.told["places"] if os.path.lexists(place + "/scrubber-escape")]
        file = Path(self.told["file"])
        state = (file.read_text(), file.stat().st_mode & 0o777, file.stat().st_nlink) if file.exists() else None
        if state != ("do-not-tell", 0o644, 1):
            changed.append("the file")
        try:
            self.server.accept()
            changed.append("the network")
        except TimeoutError:
            pass
        return changed


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("SCRUBBER_TEST_WORD", "do-not-tell")
    (tmp_path / "private").mkdir()
    file = tmp_path / "private" / "file"
    file.write_text("do-not-tell")
    file.chmod(0o644)
    library = os.path.dirname(os.__file__)
    (tmp_path / "race").symlink_to(library + "/abc.py")
    places = [".", str(tmp_path), "/tmp", "/var/tmp", "/dev/shm", str(Path.home()), library]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.001)
        told = {
            "port": server.getsockname()[1], "judge": os.getpid(), "file": str(file), "race": str(tmp_path / "race"),
            "places": places, "home": str(Path.home()),
        }  # fmt: skip
        yield Outside(told, tmp_path, server)


@pytest.fixture(scope="module", params=["landlock", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    layer: Layer = request.param
    if layer not in worker.offered():
        pytest.skip(f"the layer {layer} is not on this machine")
    with pytest.MonkeyPatch.context() as patch:  # before the zygotes start, so that theft from their environment shows
        patch.setenv("SCRUBBER_TEST_WORD", "do-not-tell")
        with Sandbox(layer=layer, seconds=1.0, memory_bytes=256 << 20) as made:
            yield made


@contextmanager
def swapping(link: Path, targets: list[Path]) -> Iterator[None]:
    """A link that points to one file and then to another, all the time."""
    over = threading.Event()

    def swap() -> None:
        for target in itertools.cycle(targets):
            link.with_name("race-next").symlink_to(target)
            os.replace(link.with_name("race-next"), link)
            if over.is_set():
                return

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def judged(sandbox: Sandbox, source: str, told: dict[str, Any] | None = None) -> Judgement:
    return sandbox.judge([Exam(source, TESTS.replace("WORLD", repr(told or {})))])[0]


def intruder(body: str) -> str:
    return HEAD + "def f(world):\n" + indent(dedent(body), "    ") + "\n    return found\n"


def test_the_honest_candidate_passes(sandbox: Sandbox) -> None:
    assert sandbox.level in ("landlock", "bubblewrap")
    assert judged(sandbox, HONEST) == Judgement(True)
    assert not judged(sandbox, HONEST.replace("0x5A5A", "0x5A5B")).passed


def test_there_are_enough_of_them() -> None:
    assert len(FORGERS) + len(INTRUDERS) >= 40


@pytest.mark.middle
@pytest.mark.parametrize("name", FORGERS)
def test_a_forger_is_not_judged_right(sandbox: Sandbox, outside: Outside, name: str) -> None:
    start = time.monotonic()
    judgement = judged(sandbox, HEAD + dedent(FORGERS[name]), outside.told)
    assert not judgement.passed
    assert judgement.error
    assert time.monotonic() - start < 5
    assert not outside.traces()
    assert judged(sandbox, HONEST) == Judgement(True)


@pytest.mark.middle
@pytest.mark.parametrize("name", INTRUDERS)
def test_an_intruder_reaches_nothing(sandbox: Sandbox, outside: Outside, name: str) -> None:
    with swapping(Path(outside.told["race"]), [Path(outside.told["file"]), Path(os.__file__)]):
        (answer,) = sandbox.run([Call(intruder(INTRUDERS[name]), "f", ((outside.told,),))])
    assert answer in (Answer(([],)), Answer(None, "timeout"), Answer(None, "died"), Answer(None, "memory"))
    assert not judged(sandbox, intruder(INTRUDERS[name]), outside.told).passed
    assert not outside.traces()
    assert judged(sandbox, HONEST) == Judgement(True)


def test_many_at_once_do_not_disturb_the_honest_among_them(sandbox: Sandbox) -> None:
    hostile = ["an always equal object", "values everywhere", "a line without an end", "exit at once", "frames"]
    exams = [Exam(HEAD + dedent(FORGERS[name]), TESTS.replace("WORLD", "{}")) for name in hostile * 6]
    exams[::3] = [Exam(HONEST, TESTS.replace("WORLD", "{}"))] * len(exams[::3])
    passed = [judgement.passed for judgement in sandbox.judge(exams)]
    assert passed == [number % 3 == 0 for number in range(len(exams))]


@pytest.mark.parametrize("name", [name for name in FORGERS if "flood" not in name and "silence" not in name])
def test_without_isolation_the_verdict_cannot_be_forged_either(unfenced: Sandbox, name: str) -> None:
    assert not judged(unfenced, HEAD + dedent(FORGERS[name])).passed


@pytest.mark.parametrize("name", ["network", "changes to a file"])
def test_the_intruders_would_be_noticed(unfenced: Sandbox, outside: Outside, name: str) -> None:
    (answer,) = unfenced.run([Call(intruder(INTRUDERS[name]), "f", ((outside.told,),))])
    assert answer.values != ([],)
    assert not answer.error
    assert outside.traces()


@pytest.fixture(scope="module")
def unfenced() -> Iterator[Sandbox]:
    with Sandbox(layer="limits-only", require_isolation=False, seconds=1.0, memory_bytes=256 << 20) as made:
        yield made


def test_bubblewraps_command_line_names_every_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    command = bubblewrap.command("/usr/bin/bwrap", ["python", "-c", "0"], ["/opt/python", "/usr/lib/x"])
    options = command[: command.index("--")]
    for fence in ("user", "ipc", "pid", "net", "uts"):
        assert f"--unshare-{fence}" in options
    assert command[command.index("--") + 1 :] == ["python", "-c", "0"]
    assert not [option for option in options if option in ("--bind", "--dev-bind", "--tmpfs", "--proc", "--dev")]
    assert "/opt/python" in options
    assert options[options.index("--uid") + 1] == bubblewrap.NOBODY
    assert options[options.index("--remount-ro") + 1] == "/"
