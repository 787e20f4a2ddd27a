"""A server that is asked in JSON: it may refuse, make one wait, break off or die for a while; its key stays out of sight."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from scrubber.core.errors import AskedWrongly, NoVerdict, ScrubberError
from scrubber.core.provenance import version_of

FIRST_PATIENCE = 10.0  # seconds: before its first answer, a server that is not there is a mistyped address
_PAUSE, _LONGEST_PAUSE = 0.25, 15.0  # seconds; each pause is twice the one before
_MOST_BYTES = 64 << 20  # of one answer
_NOT_TAKEN = {400, 404, 405, 413, 415, 422, 501}
_READS = 1 << 16

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class NotTaken(Exception):
    """The server is well but does not take this request: a field, a form or a length that it does not know."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(_named(status))


class _Fault(Exception):
    """What may be better next time. ``wait``: the seconds that the server asks for."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        self.what, self.wait = what, wait
        super().__init__(what)


class Server:
    """JSON over HTTP from one address, from several threads at once.

    ``timeout``: seconds that one answer may take, however slowly it trickles. ``patience``: seconds over which one
    request is repeated through rate limits, faults, half answers and outages. ``tell`` is given a sentence for each
    pause of seconds. What the server says in an error is never shown: it may quote a prompt, or the key.
    """

    def __init__(
        self, address: str, *, key: str = "", timeout: float = 120.0, patience: float = 300.0,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:  # fmt: skip
        self.address = checked_address(address)
        self.timeout, self.patience, self.tell = timeout, patience, tell
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"code-scrubber/{version_of('code-scrubber')}",
            **({"Authorization": f"Bearer {_checked_key(key)}"} if key else {}),
        }
        self._opener = urllib.request.build_opener(_NoRedirect())
        self._answered = False
        self._quiet_until = 0.0  # for all threads: one that was told to wait speaks for all
        self._stopped = threading.Event()

    def ask(self, path: str, body: Mapping[str, Any] | None, read: Callable[[Any], Answer]) -> Answer:
        """What ``read`` makes of the answer to a POST of ``body``, or, where it is None, to a GET.

        ``read`` raises KeyError, TypeError, ValueError, IndexError or AttributeError for half an answer. Raises
        NotTaken; AskedWrongly for refused credentials, a redirect or no server before the first answer; NoVerdict for
        the same ones later.
        """
        began = None
        for attempt in itertools.count():
            self._pause(self._quiet_until - time.monotonic())
            try:
                found = self._once(path, body, read)
            except _Fault as fault:
                now = time.monotonic()
                began = now if began is None else began
                pause = min(_PAUSE * 2**attempt, _LONGEST_PAUSE) if fault.wait is None else fault.wait
                patience = self.patience if self._answered else min(self.patience, FIRST_PATIENCE)
                if pause > began + patience - now:
                    raise self._given_up(fault, now - began) from None
                if fault.wait is not None:
                    self._quiet_until = max(self._quiet_until, now + pause)
                if pause >= 1:
                    self.tell(f"the server at {self.address} {fault.what}; asked again in {pause:.0f} s")
                self._pause(pause)
            else:
                self._answered = True
                return found
        raise AssertionError  # itertools.count has no end

    def each(self, work: Callable[[Item], Answer], items: Sequence[Item], concurrency: int) -> list[Answer]:
        """``work`` of every item, in order, at most ``concurrency`` at once. The first failure ends the pauses of all."""
        with ThreadPoolExecutor(concurrency) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                done = wait(futures, return_when=FIRST_EXCEPTION).done
                for failed in (future for future in done if future.exception()):
                    failed.result()
                return [future.result() for future in futures]
            finally:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                self._stopped.clear()

    def _pause(self, seconds: float) -> None:
        if (seconds > 0 and self._stopped.wait(seconds)) or self._stopped.is_set():
            raise NoVerdict("the asking was broken off", where=self.address)

    def _once(self, path: str, body: Mapping[str, Any] | None, read: Callable[[Any], Answer]) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, self._headers)
        deadline = time.monotonic() + self.timeout
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                content = _content(answer, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise self._of_status(error) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise self._error(
                    "its certificate is not trusted",
                    mend="Name the authority's certificate in SSL_CERT_FILE, or mend the address.",
                ) from None
            raise _Fault(_described(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Fault(_described(error)) from None
        try:
            return read(json.loads(content))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # a message would quote the answer
            raise _Fault("gave half an answer") from None

    def _of_status(self, error: urllib.error.HTTPError) -> Exception:
        status = error.code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return self._error(
                f"the server refuses the credentials ({_named(status)})",
                mend="Put a valid key into an environment variable and name that: --set model.api_key_variable=NAME."
                if "Authorization" not in self._headers
                else "Check the key in the environment variable that model.api_key_variable names.",
            )
        if status in _NOT_TAKEN:
            return NotTaken(status)
        if 300 <= status < 400:  # the key would go to whoever the answer names
            return self._error(
                f"the server sends elsewhere ({_named(status)})", mend="Give the address that it sends to."
            )
        if status >= 500 or status in (408, 409, 425, 429):
            return _Fault(f"answers {_named(status)}", _wait(error.headers.get("Retry-After")))
        return NotTaken(status)

    def _given_up(self, fault: _Fault, spent: float) -> ScrubberError:
        if fault.wait is not None:
            mend = (
                f"It asks to wait {fault.wait:.0f} s: ask later, or lower model.concurrency, or raise model.patience."
            )
        elif self._answered:
            mend = "See whether it is still there; start again once it is, or raise model.patience."
        else:
            mend = (
                "Check the address, that it ends with /v1 where the server wants that, and that the server is up; "
                "where it cannot list its models, give --served-name."
            )
        return self._error(f"the server {fault.what}, for {spent:.0f} s", mend=mend)

    def _error(self, what: str, *, mend: str) -> ScrubberError:
        """Before the first answer something was asked wrongly; later a run is left unfinished."""
        return (NoVerdict if self._answered else AskedWrongly)(what, where=self.address, mend=mend)


def checked_address(address: str) -> str:
    """The address without a slash at its end. Raises AskedWrongly for what is none; credentials in it are not shown."""
    try:
        parts = urlsplit(address)
        hidden = parts.username is not None or bool(parts.query or parts.fragment)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        sound &= not any(c.isspace() or not c.isprintable() for c in address)
    except ValueError:
        hidden, sound = True, False
    if hidden:  # the address is written into reports
        raise AskedWrongly(
            "the server's address holds credentials, a query or a fragment, or cannot be read",
            mend="Write http://HOST:PORT/v1 alone; a key goes into the environment variable named by model.api_key_variable.",
        )
    if not sound:
        raise AskedWrongly("this is no server's address", where=address, mend="Write http://HOST:PORT/v1.")
    return address.rstrip("/")


def key_of(variable: str, environment: Mapping[str, str] = os.environ) -> str:
    """The key in an environment variable; empty where none is named. Raises AskedWrongly for one that is not set."""
    if not variable:
        return ""
    key = environment.get(variable, "").strip()
    if not key:
        raise AskedWrongly(
            "there is no API key", where=f"environment variable {variable}", mend="Set it, or name another."
        )
    return _checked_key(key)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:  # http.client would quote it in its complaint
        raise AskedWrongly(
            "the API key holds characters that no header may hold", mend="Put the key alone into the variable."
        )
    return key


def _content(answer: Any, deadline: float) -> bytes:
    content = bytearray()
    while piece := answer.read1(_READS):  # what came so far, so that a trickle meets its deadline
        content += piece
        if time.monotonic() > deadline:
            raise _Fault("took too long to answer")
        if len(content) > _MOST_BYTES:
            raise _Fault("answers without an end")
    return bytes(content)


def _described(reason: Any) -> str:
    """By its kind alone: texts of errors name proxies, and those may hold credentials."""
    if isinstance(reason, TimeoutError):
        return "took too long to answer"
    if isinstance(reason, ConnectionRefusedError):
        return "is not there (connection refused)"
    if isinstance(reason, (ConnectionError, http.client.HTTPException)):
        return "broke off"
    return f"cannot be reached ({type(reason).__name__})"


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _wait(header: str | None) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None where there is none that can be read."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
