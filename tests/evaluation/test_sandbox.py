"""The sandbox gives honest code its values, and hostile code neither a right answer nor an effect outside."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from scrubber.core.errors import NoVerdict
from scrubber.evaluation.sandbox import bubblewrap, confine, probes, worker
from scrubber.evaluation.sandbox.runner import Answer, Call, Sandbox

SECONDS = 1.0  # of CPU time, so a candidate has two seconds of wall time
isolated = pytest.mark.skipif(len(worker.offered()) == 1, reason="this kernel has no Landlock or no seccomp")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seconds=SECONDS, memory_bytes=256 << 20, require_isolation=False) as sandbox:
        yield sandbox


def ask(sandbox: Sandbox, source: str, *arguments: Any) -> Answer:
    return sandbox.run([Call(dedent(source), "f", (arguments,))])[0]


def still_works(sandbox: Sandbox) -> bool:
    calls = [Call("def f(x): return x + 1", "f", ((i,),)) for i in range(4)]
    return sandbox.run(calls) == [Answer((i + 1,)) for i in range(4)]


# Honest code


def test_honest_code_answers_each_call(sandbox: Sandbox) -> None:
    call = Call("import math\ndef f(x, y):\n    return math.gcd(x, y)", "f", ((12, 18), (7, 5)))
    assert sandbox.run([call]) == [Answer((6, 1))]


VALUES: list[Any] = [
    None, True, 0, -1, 2**70_000, 0.1, float("inf"), -0.0, 2 + 3j, "", "häß\U0001f600\ud800\0", b"\0\xff",
    [], [1, [2, (3,)]], (), ((),), {1, 2}, set(), {"a": [1], (1, 2): None, 3: {4}}, int, [str, dict],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}")
def test_a_plain_value_comes_back_with_its_exact_type(sandbox: Sandbox, value: Any) -> None:
    (back,) = ask(sandbox, "def f(x): return x", value).values or (object(),)
    assert back == value
    assert type(back) is type(value)


def test_true_is_not_one(sandbox: Sandbox) -> None:
    assert [type(value) for value in ask(sandbox, "def f(): return [True, 1, 1.0]").values[0]] == [bool, int, float]  # type: ignore[index]


def test_order_is_kept_over_50_calls_of_uneven_length(sandbox: Sandbox) -> None:
    source = "import time\ndef f(x):\n    time.sleep(0.02 * (x % 3 == 0))\n    return x"
    assert sandbox.run([Call(source, "f", ((i,),)) for i in range(50)]) == [Answer((i,)) for i in range(50)]


def test_two_workers_run_two_candidates_at_once(sandbox: Sandbox) -> None:
    start = time.monotonic()
    sandbox.run([Call("import time\ndef f(): time.sleep(0.7)", "f", ((),))] * 2)
    assert time.monotonic() - start < 1.3


def test_recursion_threads_classes_and_printing_work(sandbox: Sandbox) -> None:
    source = """
        import dataclasses, threading

        @dataclasses.dataclass
        class Point:
            x: "int"

        def f(n):
            print("noise")
            seen = []
            thread = threading.Thread(target=lambda: seen.append(Point(n).x))
            thread.start()
            thread.join()
            return seen[0] + (f(n - 1) if n else 0)
        """
    assert ask(sandbox, source, 20) == Answer((210,))


def test_a_dict_of_more_keys_than_a_reply_may_have_can_be_an_argument(sandbox: Sandbox) -> None:
    assert ask(sandbox, "def f(x): return len(x)", dict.fromkeys(range(10_000))) == Answer((10_000,))


def test_a_set_has_the_same_order_in_every_sandbox(sandbox: Sandbox) -> None:
    source = "def f(): return list(set('the order of a set of strings depends on a seed'.split()))"
    with Sandbox(workers=1, require_isolation=False) as other:
        assert ask(sandbox, source) == ask(other, source)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(:", "syntax"),
        ("x = '\0'", "syntax"),
        ("def g(): pass", "no such function"),
        ("f = 3", "no such function"),
        ("def f(): return 1 / 0", "raised"),
        ("def f(x): return x", "raised"),
        ("def f(): return f()", "raised"),
        ("import no_such_module\ndef f(): return 1", "raised"),
        ("def f(): yield 1", "no plain value"),
        ("def f(): return lambda: 1", "no plain value"),
        ("def f(x=[]): x.append(x); return x", "no plain value"),
    ],
)
def test_a_failure_has_a_class_and_no_text(sandbox: Sandbox, source: str, error: str) -> None:
    assert ask(sandbox, source) == Answer(None, error)


def test_exception_text_never_comes_back(sandbox: Sandbox) -> None:
    answer = ask(sandbox, "def f(word): raise ValueError(word)", "do-not-tell")
    assert answer == Answer(None, "raised")


# Hostile code: the answer is never right, the next candidate is not disturbed


@pytest.mark.middle
def test_an_infinite_loop_ends_as_a_timeout(sandbox: Sandbox) -> None:
    start = time.monotonic()
    assert ask(sandbox, "def f():\n    while True: pass") == Answer(None, "timeout")
    assert time.monotonic() - start < 5
    assert still_works(sandbox)


@pytest.mark.middle
def test_sleep_and_ignored_signals_end_as_a_timeout(sandbox: Sandbox) -> None:
    source = """
        import signal, time

        def f():
            for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
            while True:
                time.sleep(100)
        """
    assert ask(sandbox, source) == Answer(None, "timeout")
    assert still_works(sandbox)


def test_a_memory_hog_fails_and_takes_no_memory_along(sandbox: Sandbox) -> None:
    assert ask(sandbox, "def f():\n    x = [0]\n    while True: x += x") == Answer(None, "memory")
    assert ask(sandbox, "def f(): return len(bytearray(10 ** 9))") == Answer(None, "memory")
    assert still_works(sandbox)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import sys\ndef f(): sys.exit(0)", "raised"),
        ("import os\ndef f(): os._exit(0)", "died"),
        ("import os\nos._exit(0)", "died"),
        ("import os\ndef f(): os.abort()", "died"),
        ("import ctypes\ndef f(): ctypes.string_at(0)", "died"),
        ("def f(): raise KeyboardInterrupt", "raised"),
        ("import os\ndef f(): os.closerange(0, 64)", "died"),
    ],
)
def test_leaving_early_is_no_success(sandbox: Sandbox, source: str, error: str) -> None:
    assert ask(sandbox, source) == Answer(None, error)
    assert still_works(sandbox)


@pytest.mark.parametrize(
    "frame",
    [
        b"True", b"passed", b'["value"]', b'["value", 1]', b'["value", true, true]', b'["error", "passed"]', b"[]",
        b'["value", ["i", []]]', b'["value", ["x", 1]]', b'["value", ["s", ["l"]]]', b"[" * 100_000, b"\xff\xfe",
        b'["value", 1' + b"0" * 10_000 + b"]", b'["value", ["f", "0x1p99999"]]', b'["error", ["raised"]]',
        b'{"value": 1, "error": 2}', b"null", b'["value", {}]', b'["value", ["y", "object"]]',
        b'["value", ["y", []]]', b'["value", ["l", {"a": 1}]]', b"",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["open", "whole"])
def test_a_forged_line_on_every_descriptor_is_no_answer(sandbox: Sandbox, frame: bytes, end: bytes) -> None:
    source = """
        import os

        def f(frame):
            for descriptor in range(64):
                try:
                    os.write(descriptor, frame)
                except OSError:
                    pass
            os._exit(0)
        """
    assert ask(sandbox, source, frame + end) == Answer(None, "bad protocol" if frame + end else "died")
    assert still_works(sandbox)


def test_a_line_before_the_real_one_spoils_only_its_own_answer(sandbox: Sandbox) -> None:
    source = "import os\ndef f():\n    [os.write(d, b'[\"value\", true]') for d in range(3, 16) if fine(d)]\n"
    source += "def fine(d):\n    try: os.fstat(d)\n    except OSError: return False\n    return True\n"
    calls = [Call(source, "f", ((),)), Call("def f(): return 5", "f", ((),))]
    assert sandbox.run(calls) == [Answer(None, "bad protocol"), Answer((5,))]


@pytest.mark.parametrize("base", ["object", "int", "str", "list", "dict"])
def test_an_always_equal_object_wins_nothing(sandbox: Sandbox, base: str) -> None:
    source = f"""
        class Equal({base}):
            __eq__ = lambda self, other: True
            __ne__ = lambda self, other: False
            __hash__ = lambda self: 0
            __class__ = property(lambda self: int)

        def f():
            return Equal()
        """
    answer = ask(sandbox, source)
    assert answer.values != (42,)
    assert answer.error or type(answer.values[0]).__name__ == base  # type: ignore[index]


def test_no_expected_value_or_other_request_can_be_found_in_memory(sandbox: Sandbox) -> None:
    sandbox.run([Call("def f(x): return x", "f", (("earlier-request",),))] * 4)
    source = """
        import gc, sys

        def f():
            seen, frame = [], sys._getframe()
            while frame:
                seen.append(repr(frame.f_locals) + repr(list(frame.f_globals)))
                frame = frame.f_back
            seen += [repr(x) for x in gc.get_objects() if type(x) in (list, dict, tuple)]
            gc.unfreeze()
            seen += [repr(x) for x in gc.get_objects() if type(x) in (list, dict, tuple)]
            return [word in "".join(seen) for word in ("-".join(["earlier", "request"]), "builtins")]
        """
    assert ask(sandbox, source) == Answer(([False, True],))


def test_state_does_not_pass_from_one_candidate_to_the_next(sandbox: Sandbox) -> None:
    poison = "import math, builtins\nmath.sqrt = len\nbuiltins.sorted = None\ndef f(): return 1"
    sandbox.run([Call(poison, "f", ((),))] * 4)
    source = "import math\ndef f(): return [math.sqrt(4), sorted([2, 1])]"
    assert sandbox.run([Call(source, "f", ((),))] * 4) == [Answer(([2.0, [1, 2]],))] * 4


def test_a_flood_of_output_is_cut(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    source = """
        import os

        def f():
            block = b"x" * 65536
            for descriptor in range(64):
                try:
                    for _ in range(64):
                        os.write(descriptor, block)
                except OSError:
                    pass
            return 1
        """
    assert ask(sandbox, source) == Answer(None, "too much output")
    assert ask(sandbox, "def f(): return 'x' * (1 << 21)") == Answer(None, "too much output")
    assert ask(sandbox, "def f(): print('x' * 1000000)") == Answer((None,))
    assert capfd.readouterr() == ("", "")
    assert still_works(sandbox)


def test_keys_chosen_to_collide_cost_the_judge_little(sandbox: Sandbox) -> None:
    start = time.process_time()
    answer = ask(sandbox, "def f(): return dict.fromkeys((2 ** 61 - 1) * i for i in range(5000))")
    assert not answer.values
    assert time.process_time() - start < 1


def processes() -> int:
    return sum(name.isdigit() for name in os.listdir("/proc"))


@isolated
def test_a_fork_bomb_makes_no_process(sandbox: Sandbox) -> None:
    source = """
        import os, subprocess, multiprocessing

        def f():
            worked = []
            for act in (os.fork, os.forkpty, lambda: subprocess.Popen(["/bin/sleep", "60"]),
                        lambda: multiprocessing.Process(target=print).start(), lambda: os.system("true") == 0 or 1 / 0,
                        lambda: os.posix_spawn("/bin/sleep", ["sleep", "60"], {}),
                        lambda: os.execv("/bin/true", ["true"])):
                try:
                    act()
                    worked.append(1)
                except Exception:
                    pass
            return worked
        """
    before = processes()
    assert ask(sandbox, source) == Answer(([],))
    assert processes() <= before + 1  # other programs of the machine come and go


@isolated
def test_a_process_cannot_outlive_its_question(sandbox: Sandbox) -> None:
    source = """
        import os, threading, time

        def f():
            threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(10 ** 6)]).start()
            return os.getpid()
        """
    (pid,) = ask(sandbox, source).values or (0,)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@isolated
def test_the_network_cannot_be_reached(sandbox: Sandbox) -> None:
    source = """
        import socket

        def f(port, path):
            worked = []
            for family, address in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, path)):
                for act in (lambda s: s.connect(address), lambda s: s.bind(address)):
                    try:
                        act(socket.socket(family))
                        worked.append(1)
                    except OSError:
                        pass
            return worked
        """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        assert ask(sandbox, source, server.getsockname()[1], "\0scrubber-test") == Answer(([],))
        with pytest.raises(TimeoutError):
            server.accept()


@isolated
def test_no_file_can_be_written_anywhere(sandbox: Sandbox, tmp_path: Path) -> None:
    source = """
        import os

        def f(places):
            worked = []
            for place in places:
                path = place + "/scrubber-escape"
                for act in (lambda: open(path, "w"), lambda: open(path, "a"), lambda: os.mkdir(path),
                            lambda: os.symlink("/", path), lambda: os.mkfifo(path),
                            lambda: os.open(place, os.O_TMPFILE | os.O_RDWR)):
                    try:
                        act()
                        worked.append(place)
                    except OSError:
                        pass
            return worked
        """
    places = [".", str(tmp_path), "/tmp", str(Path.home()), "/dev/shm", os.path.dirname(os.__file__)]
    assert ask(sandbox, source, places) == Answer(([],))
    assert not [place for place in places if os.path.lexists(place + "/scrubber-escape")]


@isolated
def test_a_file_of_the_user_cannot_be_read_or_changed(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_text("do-not-tell")
    path.chmod(0o644)
    source = """
        import os

        def f(path):
            worked = []
            for act in (lambda: open(path).read(), lambda: os.listdir(os.path.dirname(path)),
                        lambda: os.truncate(path, 0), lambda: os.unlink(path), lambda: os.rename(path, path + "2"),
                        lambda: os.chmod(path, 0), lambda: os.utime(path, (0, 0)), lambda: os.link(path, path + "2"),
                        lambda: os.open(path, os.O_RDONLY | os.O_TRUNC), lambda: os.open(path, os.O_WRONLY)):
                try:
                    act()
                    worked.append(1)
                except OSError:
                    pass
            return worked
        """
    state = path.stat()
    assert ask(sandbox, source, str(path)) == Answer(([],))
    assert path.read_text() == "do-not-tell"
    assert (path.stat().st_mode, path.stat().st_mtime) == (state.st_mode, state.st_mtime)


@isolated
def test_the_environment_and_other_processes_are_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRUBBER_TEST_WORD", "do-not-tell")
    source = """
        import ctypes, os

        def f(judge):
            found = [name for name in os.environ]
            for pid in ("self", os.getppid(), judge):
                for name in ("environ", "mem", "maps", "cmdline", "fd"):
                    try:
                        open(f"/proc/{pid}/{name}", "rb").read(1)
                        found.append(name)
                    except OSError:
                        pass
            for pid in (os.getppid(), judge):
                for act in (lambda: os.kill(pid, 0), lambda: os.pidfd_open(pid), lambda: os.setpriority(0, pid, 19)):
                    try:
                        act()
                        found.append("act")
                    except OSError:
                        pass
            libc = ctypes.CDLL(None)
            if libc.ptrace(16, judge, 0, 0) == 0 or libc.unshare(0) == 0 or libc.setsid() != -1:
                found.append("libc")
            environment = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
            found += [environment[0]] if environment and environment[0] else []
            return found
        """
    with Sandbox(workers=1) as sandbox:
        assert ask(sandbox, source, os.getpid()) == Answer(([],))


@isolated
def test_limits_cannot_be_raised_again(sandbox: Sandbox) -> None:
    source = """
        import resource

        def f():
            worked = []
            for name in ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
                try:
                    resource.setrlimit(getattr(resource, name), (10 ** 9, 10 ** 9))
                    worked.append(name)
                except (OSError, ValueError):
                    pass
            return worked
        """
    assert ask(sandbox, source) == Answer(([],))


# The sandbox about itself


@isolated
def test_the_self_test_is_cheap(sandbox: Sandbox) -> None:
    start = time.monotonic()
    sandbox.check_isolation()
    sandbox.check_verdicts()
    assert time.monotonic() - start < 0.5


def test_the_self_test_notices_missing_isolation() -> None:
    with Sandbox(workers=1, require_isolation=False, layer="limits-only") as open_sandbox:
        assert open_sandbox.level == "limits-only"
        assert still_works(open_sandbox)
        with pytest.raises(NoVerdict, match=r"environment|write a file") as raised:
            open_sandbox.check_isolation()
    assert all(word in str(raised.value) for word in ("network", "read a file", "write a file", "fork", "signal"))


def test_the_self_test_notices_a_false_verdict(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TESTS", "function_of('answer')(20)")  # tests that look at nothing
    with pytest.raises(NoVerdict, match="misjudges"):
        sandbox.check_verdicts()


@pytest.mark.parametrize("missing", ["has_landlock", "has_seccomp"])
def test_a_machine_without_isolation_is_refused_by_default(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(confine, missing, lambda: False)
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    assert worker.offered() == ("limits-only",)
    with pytest.raises(NoVerdict, match="require_isolation=False"):
        Sandbox()
    with pytest.raises(NoVerdict, match="landlock"):
        Sandbox(layer="landlock", require_isolation=False)


def test_no_layer_below_the_asked_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoVerdict, match="limits-only"):
        Sandbox(layer="limits-only")
    monkeypatch.setattr(bubblewrap, "program", lambda: "/bin/false")  # installed, and not allowed to make namespaces
    with pytest.raises(NoVerdict, match="bubblewrap"), Sandbox(layer="bubblewrap"):
        pass


@isolated
def test_bubblewrap_that_may_not_make_namespaces_gives_way_to_the_next_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "program", lambda: "/bin/false")
    with Sandbox() as sandbox:
        assert sandbox.level == "landlock"
        assert still_works(sandbox)


def test_a_dead_zygote_is_replaced(sandbox: Sandbox) -> None:
    for started in sandbox._workers:
        started._process.kill()
        started._process.wait()
    assert still_works(sandbox)


def test_leaving_ends_every_process_and_removes_the_folder() -> None:
    with Sandbox(workers=2, require_isolation=False) as sandbox:
        pids = [started._process.pid for started in sandbox._workers]
        folder = Path(sandbox._folder.name)
        assert still_works(sandbox)
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(RuntimeError):
        sandbox.run([])
