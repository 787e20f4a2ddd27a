"""Work is mapped over real processes in order; a process that dies, fails or is interrupted does the expected."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from scrubber.core import executor
from scrubber.core.errors import AskedWrongly, NoVerdict
from scrubber.core.executor import AHEAD, Processes
from scrubber.core.types import Executor

ROOT = Path(__file__).parents[2]


def square(number: int) -> int:
    time.sleep(0.002 * (number % 3))  # so that answers come out of order
    return number * number


def moody(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise MemoryError
    return number


def failing(number: int) -> int:
    if number == 2:
        raise ValueError("a value that must not be told")
    return number


def wrong(number: int) -> int:
    raise AskedWrongly("the option is wrong", where="here", mend="mend it")


def process_of(number: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def is_alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def lost(number: int) -> int:
    return -number


@pytest.fixture(params=["fork", "spawn"], autouse=True)
def start_method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(executor, "_context", lambda: multiprocessing.get_context(request.param))
    return str(request.param)


def test_results_come_in_the_order_of_the_items() -> None:
    executor: Executor = Processes(2)
    assert list(executor.map(square, range(40))) == [n * n for n in range(40)]
    assert list(executor.map(square, [])) == []


def test_the_work_is_done_by_processes_that_are_gone_afterwards() -> None:
    processes = set(Processes(2).map(process_of, range(6)))
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert not any(map(is_alive, processes))


def test_few_items_are_taken_in_advance() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1, 1000):
            taken.append(number)
            yield number

    results = Processes(1).map(square, items())
    assert next(results) == 1
    assert len(taken) <= AHEAD + 1
    results.close()


def test_a_process_that_dies_costs_its_item_only() -> None:
    assert list(Processes(2).map(moody, range(9), lost)) == [0, 1, 2, -3, 4, -5, 6, 7, 8]
    with pytest.raises(NoVerdict, match="died"):
        list(Processes(1).map(moody, range(9)))


def test_an_error_of_the_work_is_told_without_its_text() -> None:
    with pytest.raises(NoVerdict, match=r"ValueError \(test_executor.py:\d+\)") as caught:
        list(Processes(1).map(failing, range(9)))
    assert "must not be told" not in str(caught.value)


def test_an_error_of_ours_arrives_as_it_is_and_no_process_stays() -> None:
    with pytest.raises(AskedWrongly) as caught:
        list(Processes(2).map(wrong, range(3)))
    assert multiprocessing.active_children() == []
    assert (caught.value.what, caught.value.where, caught.value.mend) == ("the option is wrong", "here", "mend it")


def test_work_that_cannot_travel_is_refused_at_once(start_method: str) -> None:
    if start_method == "fork":
        assert list(Processes(1).map(lambda number: number, range(3))) == [0, 1, 2]
        return
    with pytest.raises(AskedWrongly, match="another process"):
        Processes(1).map(lambda number: number, range(3))


def test_a_process_with_threads_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert executor._context().get_start_method() == "spawn"
    finally:
        stop.set()
        thread.join()


SCRIPT = """
import sys, time
from tests.core.test_executor import process_of
import multiprocessing
from scrubber.core import executor
from scrubber.core.executor import Processes
executor._context = lambda: multiprocessing.get_context(sys.argv[1])
if __name__ == "__main__":
    try:
        for pid in Processes(2).map(process_of, range(1000)):
            print(pid, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals, start_method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, script, start_method],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    workers = {int(parent.stdout.readline()) for _ in range(6)}
    assert len(workers) == 2
    if number == signal.SIGINT:  # as a terminal does it: to every process of the group
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)
    out, err = parent.communicate(timeout=20)
    assert err == ""
    assert ("interrupted" in out) == (number == signal.SIGINT)
    deadline = time.monotonic() + 10
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, workers))


def test_a_script_without_a_guard_is_told_so(tmp_path: Path, start_method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace('if __name__ == "__main__":', "if True:").replace("1000", "1"))
    done = subprocess.run(
        [sys.executable, script, start_method],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if start_method == "fork":
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert "__main__" in done.stderr.splitlines()[-1]


def test_what_work_holds_stays_with_the_process() -> None:
    assert list(Processes(1).map(partial(pow, 2), range(5))) == [1, 2, 4, 8, 16]
