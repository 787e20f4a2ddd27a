"""The asking end of a candidate: loads its source, calls its functions, and believes no reply that is not a plain value.

It runs on the trusted side, and in the examiner. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scrubber.evaluation.sandbox import values
from scrubber.evaluation.sandbox.lines import Lines, TooLong

ERRORS = ("syntax", "no such function", "raised", "memory", "no plain value")  # what a living candidate reports


class Failed(Exception):
    """A call that gave no value; its text is the class of failure, in our words. The candidate can be asked again."""


class Lost(BaseException):
    """The candidate can not be asked any more. No ``except Exception`` of a test may take this for an answer."""


class Remote:
    """``lost``: why the candidate cannot be asked any more, else ""."""

    def __init__(self, lines: Lines) -> None:
        self._lines, self.lost = lines, ""

    def load(self, source: str) -> None:
        """Run the candidate's source. Raises Failed, Lost."""
        self._ask(json.dumps(source))

    def call(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any] | None = None) -> Any:
        """What the candidate's function returns, of exact built-in types. Raises Failed, Lost."""
        try:
            message = json.dumps([name, values.encode(list(arguments)), values.encode(dict(named or {}))])
        except (TypeError, RecursionError):
            raise Failed("no plain argument") from None
        return self._ask(message)

    def function(self, name: str) -> Callable[..., Any]:
        """The candidate's function as one of ours."""
        return lambda *arguments, **named: self.call(name, arguments, named)

    def _ask(self, message: str) -> Any:
        if self.lost:
            raise Lost(self.lost)
        try:
            self._lines.send(message)
            match self._lines.receive():
                case ["value", wire]:
                    return values.decode(wire)
                case ["error", str(kind)] if kind in ERRORS:
                    raise Failed(kind)
            self.lost = "bad protocol"
        except TimeoutError:
            self.lost = "timeout"
        except (EOFError, OSError):  # it closed its end, or died, perhaps before it had read everything
            self.lost = "died"
        except TooLong:
            self.lost = "too much output"
        except (ValueError, TypeError, RecursionError, MemoryError):  # a reply is as untrusted as the code behind it
            self.lost = "bad protocol"
        raise Lost(self.lost)
