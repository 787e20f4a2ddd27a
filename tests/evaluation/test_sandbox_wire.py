"""The wire between candidate and judge: whatever is written arrives, and whatever arrives is a plain value or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.evaluation.sandbox import values
from scrubber.evaluation.sandbox.asking import ERRORS, Failed, Lost, Remote
from scrubber.evaluation.sandbox.lines import Lines, TooLong

KEYS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
PLAIN = st.recursive(
    KEYS | st.sampled_from(list(values.TYPES.values())),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.sets(KEYS) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from("ifcbltsdy"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def exact(value: Any) -> Any:
    """Equal for values that are of the same exact types throughout."""
    if isinstance(value, (list, tuple)):
        return type(value), [exact(item) for item in value]
    if isinstance(value, dict):
        return dict, [(exact(key), exact(item)) for key, item in value.items()]
    if isinstance(value, set):
        return set, sorted(map(repr, value))
    return type(value), repr(value)


@given(PLAIN)
def test_a_plain_value_arrives_as_it_was(value: Any) -> None:
    assert exact(values.decode(json.loads(json.dumps(values.encode(value))))) == exact(value)


@given(JSON)
def test_any_json_is_a_plain_value_or_refused(wire: Any) -> None:
    try:
        found = values.decode(wire)
    except ValueError:
        return
    assert exact(values.decode(json.loads(json.dumps(values.encode(found))))) == exact(found)


@given(st.lists(JSON, max_size=4), st.integers(1, 9))
def test_messages_arrive_however_they_are_cut(messages: list[Any], size: int) -> None:
    sent = bytearray()

    def write(data: memoryview) -> int:
        sent.extend(data[:size])
        return min(size, len(data))

    writer = Lines(lambda count: b"", write, longest=1)
    for message in messages:
        writer.send(json.dumps(message))
    pieces = [bytes(sent[i : i + size]) for i in range(0, len(sent), size)]
    reader = Lines(lambda count: pieces.pop(0) if pieces else b"", lambda data: 0, longest=1 << 20)
    assert [json.dumps(reader.receive()) for _ in messages] == [json.dumps(message) for message in messages]
    with pytest.raises(EOFError):
        reader.receive()


def test_a_message_without_an_end_is_cut_off() -> None:
    read = 0

    def endless(count: int) -> bytes:
        nonlocal read
        read += count
        return b"x" * count

    with pytest.raises(TooLong):
        Lines(endless, len, longest=1 << 20).receive()
    assert read <= 2 << 20


@given(st.binary(max_size=60))
def test_no_reply_is_believed_that_is_not_one(reply: bytes) -> None:
    sent: list[bytes] = []
    pieces = [reply]

    def write(data: memoryview) -> int:
        sent.append(bytes(data))
        return len(data)

    remote = Remote(Lines(lambda count: pieces.pop() if pieces else b"", write, longest=50))
    outcome = "value"
    try:
        remote.call("f", [1])
    except (Failed, Lost) as error:
        outcome = str(error)
    if outcome == "value":
        assert json.loads(reply.partition(b"\n")[0])[0] == "value"
    elif remote.lost:
        assert outcome == remote.lost
        with pytest.raises(Lost):
            remote.call("f", [1])
        assert len(sent) == 1
    else:
        assert outcome in ERRORS
