"""Against a real server, ``transformers serve``: the answers of the demo model, through its death and return."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.core.model import served
from scrubber.core.model.load import load
from scrubber.core.model.served import connect
from scrubber.evaluation.benchmarks import micro

DEMO = str(Path(served.__file__).parents[2] / "data" / "demo_model")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(find_spec, ("openai", "fastapi", "uvicorn"))),
        reason="transformers serve is not installed: pip install 'transformers[serving]'",
    ),
]


class Serve:
    """``transformers serve`` of the demo model on a port of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/v1"
        self.start()

    def start(self) -> None:
        command = [Path(sys.executable).parent / "transformers", "serve", DEMO, "--device", "cpu", "--dtype", "float32"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self) -> None:
        for _ in range(300):
            assert self.process.poll() is None, "transformers serve ended by itself"
            try:
                urllib.request.urlopen(self.address.removesuffix("/v1") + "/health", timeout=1).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise AssertionError("transformers serve does not come up")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    made = Serve()
    try:
        made.wait()
        yield made
    finally:
        made.kill()


def test_its_answers_are_the_model_s_own_even_when_it_dies_in_between(serve: Serve) -> None:
    told: list[str] = []
    asked = connect(serve.address, DEMO, tokenizer=DEMO, concurrency=2, tell=told.append)
    assert asked.capabilities == {"generate"}  # it passes over echo and logprobs
    assert asked.batch_size == 1  # and refuses several prompts a request
    prompts = [task.prompt for task in micro.tasks("seen", 12)] + [""]

    def die_and_return() -> None:
        serve.kill()
        time.sleep(1)
        serve.start()

    timer = threading.Timer(1.0, die_and_return)
    timer.start()
    answers = asked.generate(prompts, max_new_tokens=32)
    timer.join()
    serve.wait()
    assert any("not there" in sentence for sentence in told)  # it was asked while it was dead
    model = load(DEMO, "fp32")
    assert answers == model.generate([prompt or "\n" for prompt in prompts], max_new_tokens=32)


def test_another_model_than_it_serves_is_said(serve: Serve) -> None:
    with pytest.raises(AskedWrongly, match="does not complete text with this model"):
        connect(serve.address, "other")
