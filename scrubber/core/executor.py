"""Maps work over processes, in order: a process that dies costs the item it worked on, never the others."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from scrubber.core.errors import AskedWrongly, NoVerdict, ScrubberError
from scrubber.core.types import In, Out

AHEAD = 4  # items a worker may be ahead of the one that is waited for: bounds what is kept in memory for order's sake
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl


class Processes:
    """The Executor over ``workers`` processes, which live until what ``map`` returned is at its end, or closed.

    Workers ignore SIGINT and end with their parent, however that ends. They are copies of this process where no thread
    runs in it but one, which takes no time. Elsewhere they are new processes, which ``work`` reaches pickled, through a
    pipe; then a script that uses this must guard itself by ``if __name__ == "__main__"``. Either way what ``work``
    holds, a key perhaps, is in no argument and no environment. Items and results are pickled.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(
        self, work: Callable[[In], Out], items: Iterable[In], lost: Callable[[In], Out] | None = None
    ) -> Generator[Out, None, None]:
        """Results in the order of ``items``, of which few are taken in advance. The processes are started now.

        ``lost(item)`` stands in for the result of an item whose process died (killed for its memory, or crashed);
        without it, NoVerdict is raised. A ScrubberError of ``work`` is raised here as it is, any other error as
        NoVerdict with its place and without its text, which may quote a document.

        Raises AskedWrongly at once when ``work`` would have to be pickled and cannot be.
        """
        return self._map(work, items, lost, [_Worker(work) for _ in range(self._workers)])

    def _map(
        self, work: Callable[[In], Out], items: Iterable[In], lost: Callable[[In], Out] | None, idle: list[_Worker]
    ) -> Generator[Out, None, None]:
        feed = enumerate(items)
        busy: dict[Connection, tuple[_Worker, int, In]] = {}
        done: dict[int, Out] = {}  # what was ready before its turn
        turn = given = 0
        more = True
        try:
            while True:
                while idle and more and given < turn + AHEAD * self._workers:
                    task = next(feed, None)
                    if task is None:
                        more = False
                        break
                    if not idle[-1].give(task[1]):  # it died while it had nothing to do
                        idle.pop().end()
                        idle.append(_Worker(work))
                        idle[-1].give(task[1])
                    worker = idle.pop()
                    busy[worker.pipe] = (worker, *task)
                    given += 1
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    worker, number, item = busy.pop(pipe)  # type: ignore[call-overload]
                    idle.append(worker)
                    answer = worker.answer()
                    if answer is not None:
                        done[number] = answer.value
                        continue
                    idle.pop().end()
                    if lost is None:
                        raise NoVerdict("a worker process died", mend="Give it more memory, or use fewer workers.")
                    done[number] = lost(item)
                    idle.append(_Worker(work))
                while turn in done:
                    yield done.pop(turn)
                    turn += 1
        finally:
            for worker in (*idle, *(worker for worker, _, _ in busy.values())):
                worker.end()


class _Value(NamedTuple):
    value: Any


class _Worker:
    """A process that does ``work`` on one item at a time."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = _context()
        if context.get_start_method() != "fork":
            _check_pickled(work)
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work, os.getpid()), daemon=True)
        # an interrupt from the keyboard goes to every process of the terminal, also to one that only just starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._ready = False

    def give(self, item: Any) -> bool:
        """False when the process is no more."""
        try:
            self.pipe.send_bytes(pickle.dumps(item))
        except OSError:
            return False
        return True

    def answer(self) -> _Value | None:
        """What ``work`` made of the item, or None when the process died over it. Raises what ``work`` raised."""
        try:
            if not self._ready:
                self.pipe.recv()
                self._ready = True
        except (EOFError, OSError):
            raise NoVerdict(
                "a worker process ended before it began",
                mend="In a script, start the work under: if __name__ == '__main__'.",
            ) from None
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(answer, ScrubberError):
            raise answer
        return _Value(answer.value)

    def end(self) -> None:
        self.pipe.close()
        self._process.kill()  # it holds nothing that it could leave half-done
        self._process.join()


def _context() -> Any:
    """Fork only where no other thread runs, be it Python's or a library's own: a lock that it held would stay locked."""
    try:
        alone = len(os.listdir("/proc/self/task")) == 1
    except OSError:
        alone = False
    return multiprocessing.get_context("fork" if alone else "spawn")


def _check_pickled(work: Callable[[Any], Any]) -> None:
    try:
        pickle.dumps(work)
    except Exception as error:
        raise AskedWrongly(
            f"the work cannot be handed to another process: {type(error).__name__}", mend="Use one process."
        ) from None


def _serve(pipe: Connection, work: Callable[[Any], Any], parent: int) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a copy has the handler of its parent
    _end_with(parent)
    gc.freeze()  # what there is now stays; to look through it again and again takes a tenth of a scan
    try:
        pipe.send(None)
        while True:
            item = pipe.recv_bytes()
            try:
                answer = pickle.dumps(_Value(work(pickle.loads(item))))
            except MemoryError:  # as if the system had killed it
                os._exit(1)
            except Exception as error:
                answer = pickle.dumps(_told(error))
            pipe.send_bytes(answer)
    except (EOFError, OSError):  # the parent has closed its end
        return


def _told(error: Exception) -> ScrubberError:
    if isinstance(error, ScrubberError):
        return error
    place = "?"
    trace = error.__traceback__
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return NoVerdict(f"a worker process failed: {type(error).__name__}", where=place)


def _end_with(parent: int) -> None:
    """Else a worker would go on with its item, and a copy would hold the locks on files that its parent held."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    process = multiprocessing.parent_process()
    if process is not None:
        process.join()
        os._exit(1)
