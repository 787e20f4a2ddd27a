"""A server that refuses, makes one wait, hangs, trickles, breaks off, dies and returns: over real sockets."""

from __future__ import annotations

import json
import random
import string
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scrubber.core.errors import AskedWrongly, NoVerdict, ScrubberError
from scrubber.core.model import served_http
from scrubber.core.model.served_http import NotTaken, Server, checked_address, key_of

GOOD = json.dumps({"value": 7}).encode()
Move = Callable[[BaseHTTPRequestHandler], None]


class Scripted(ThreadingHTTPServer):
    """Makes the moves of its script, one a request, and then answers well."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script: list[Move] = []
        self.seen: list[tuple[float, dict[str, str]]] = []
        self.address = f"http://127.0.0.1:{self.server_port}/v1"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_: Any) -> None: ...

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((time.monotonic(), dict(self.headers)))
        move = self.server.script.pop(0) if self.server.script else sends(GOOD)
        move(self)

    def log_message(self, *_: Any) -> None: ...


def sends(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Move:
    def move(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return move


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)
    handler.close_connection = True


def drops(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def trickles(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def breaks_a_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"ff\r\n" + GOOD)
    handler.close_connection = True


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(served_http, "_PAUSE", 0.01)
    server = Scripted()
    yield server
    server.end()


def ask(server: Server) -> int:
    return server.ask("/completions", {"prompt": "x"}, lambda answer: answer["value"])


def made_up(length: int = 40) -> str:
    return "".join(random.Random(8).choices(string.ascii_letters + string.digits, k=length))


FAULTS = {
    "500": sends(b"{}", 500),
    "502 in HTML": sends(b"<html>", 502),
    "408": sends(b"", 408),
    "429": sends(b"", 429),
    "429 with an unreadable wait": sends(b"", 429, Retry_After="soon"),
    "hang": hangs,
    "drop": drops,
    "trickle": trickles,
    "half JSON": sends(GOOD[:-3]),
    "less than announced": sends(GOOD[:-3], length=len(GOOD)),
    "half a chunk": breaks_a_chunk,
    "nothing": sends(b""),
    "no UTF-8": sends(b"\xff\xfe\xff"),
    "another thing": sends(b"[1]"),
    "a choice is missing": sends(b'{"other": 1}'),
    "a number": sends(b"3"),
    "nothing, as JSON": sends(b"null"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_be_better_next_time_is_asked_again(scripted: Scripted, fault: str) -> None:
    scripted.script = [FAULTS[fault], FAULTS[fault]]
    assert ask(Server(scripted.address, timeout=0.2)) == 7
    assert len(scripted.seen) == 3


@pytest.mark.parametrize("fault", FAULTS)
def test_patience_ends(scripted: Scripted, fault: str) -> None:
    server = Server(scripted.address, timeout=0.1, patience=0.3)
    ask(server)
    scripted.script = [FAULTS[fault]] * 100
    began = time.monotonic()
    with pytest.raises(NoVerdict, match=r"the server .*, for \d+ s"):
        ask(server)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_it_waits_as_long_as_it_is_told(scripted: Scripted, form: str) -> None:
    wait = "0.5" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    scripted.script = [sends(b"", 429, Retry_After=wait)]
    told: list[str] = []
    assert ask(Server(scripted.address, tell=told.append)) == 7
    assert scripted.seen[1][0] - scripted.seen[0][0] > 0.45
    assert len(told) == (form == "date")  # its second and more is worth a word
    assert all("429" in sentence for sentence in told)


def test_one_that_was_told_to_wait_speaks_for_all(scripted: Scripted) -> None:
    server = Server(scripted.address)
    scripted.script = [sends(b"", 429, Retry_After="0.6")]
    began = time.monotonic()
    assert server.each(lambda _: ask(server), range(6), 1) == [7] * 6
    late = [moment - began for moment, _ in scripted.seen[1:]]
    assert min(late) > 0.55


def test_a_wait_beyond_patience_is_not_waited_for(scripted: Scripted) -> None:
    server = Server(scripted.address, patience=5)
    ask(server)
    scripted.script = [sends(b"", 429, Retry_After="3600")]
    began = time.monotonic()
    with pytest.raises(NoVerdict, match="asks to wait 3600 s"):
        ask(server)
    assert time.monotonic() - began < 1


def test_no_more_than_so_many_at_once(scripted: Scripted) -> None:
    server, running, most = Server(scripted.address), [0], [0]

    def slow(handler: BaseHTTPRequestHandler) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.1)
        running[0] -= 1
        sends(GOOD)(handler)

    scripted.script = [slow] * 9
    assert server.each(lambda _: ask(server), range(9), 3) == [7] * 9
    assert most[0] == 3


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("answered", [False, True])
def test_refused_credentials_are_said_without_the_key(scripted: Scripted, status: int, answered: bool) -> None:
    key = made_up()
    server = Server(scripted.address, key=key)
    if answered:
        ask(server)
    scripted.script = [sends(json.dumps({"error": f"Incorrect API key: {key}"}).encode(), status)]
    with pytest.raises(ScrubberError, match=f"credentials \\({status}") as caught:
        ask(server)
    assert type(caught.value) is (NoVerdict if answered else AskedWrongly)
    assert key not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert scripted.seen[-1][1]["Authorization"] == f"Bearer {key}"
    assert key not in repr(server)


def test_without_a_key_none_is_sent_and_a_refusal_says_where_one_goes(scripted: Scripted) -> None:
    scripted.script = [sends(b"", 401)]
    with pytest.raises(AskedWrongly, match="api_key_variable=NAME"):
        ask(Server(scripted.address))
    assert "Authorization" not in scripted.seen[0][1]


def test_a_redirect_does_not_carry_the_key_away(scripted: Scripted) -> None:
    other = Scripted()
    scripted.script = [sends(b"", 302, Location=other.address + "/completions")]
    with pytest.raises(AskedWrongly, match="sends elsewhere"):
        ask(Server(scripted.address, key=made_up()))
    assert other.seen == []
    other.end()


@pytest.mark.parametrize("status", [400, 404, 405, 413, 422, 501])
def test_what_the_server_does_not_take_is_not_asked_again(scripted: Scripted, status: int) -> None:
    scripted.script = [sends(b'{"detail": "prompt"}', status)]
    with pytest.raises(NotTaken) as caught:
        ask(Server(scripted.address))
    assert caught.value.status == status
    assert len(scripted.seen) == 1


def test_a_server_that_dies_and_returns(scripted: Scripted) -> None:
    server = Server(scripted.address, patience=20)
    ask(server)
    port = scripted.server_port
    scripted.end()
    returned: list[Scripted] = []
    timer = threading.Timer(0.7, lambda: returned.append(Scripted(port)))
    timer.start()
    try:
        assert server.each(lambda _: ask(server), range(5), 3) == [7] * 5
    finally:
        timer.join()
        returned[0].end()


def test_one_failure_ends_the_waiting_of_the_others(scripted: Scripted) -> None:
    server = Server(scripted.address, patience=60)
    ask(server)

    def work(number: int) -> int:
        if number == 0:
            time.sleep(0.2)
            raise AskedWrongly("first")
        return ask(server)

    scripted.script = [sends(b"", 429, Retry_After="30")] * 9
    began = time.monotonic()
    with pytest.raises(AskedWrongly, match="first"):
        server.each(work, range(9), 3)
    assert time.monotonic() - began < 3
    scripted.script, server._quiet_until = [], 0.0
    assert ask(server) == 7  # it may be asked again


def test_nobody_there_is_a_mistyped_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_http, "FIRST_PATIENCE", 0.3)
    gone = Scripted()
    gone.end()
    with pytest.raises(AskedWrongly, match=r"not there.*Check the address"):
        ask(Server(gone.address, patience=100))


@pytest.mark.parametrize(
    "address", ["", "host:8000/v1", "ftp://host/v1", "http://", "http://host:port/v1", "http://a b/v1"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(AskedWrongly, match="address"):
        checked_address(address)


def test_credentials_in_an_address_are_refused_and_not_shown() -> None:
    secret = made_up()
    for address in (f"http://me:{secret}@host/v1", f"https://host/v1?key={secret}", f"http://host/v1#{secret}"):
        with pytest.raises(AskedWrongly) as caught:
            checked_address(address)
        assert secret not in str(caught.value)


def test_the_key_comes_from_a_named_variable_alone() -> None:
    key = made_up()
    assert key_of("", {"OPENAI_API_KEY": key}) == ""
    assert key_of("SERVED_KEY", {"SERVED_KEY": key + "\n"}) == key
    with pytest.raises(AskedWrongly, match="SERVED_KEY"):
        key_of("SERVED_KEY", {"SERVED_KEY": " "})
    for broken in (f"{key} x", f"{key}\n{key}", key + "é"):
        with pytest.raises(AskedWrongly) as caught:
            key_of("SERVED_KEY", {"SERVED_KEY": broken})
        assert key[:8] not in str(caught.value)
