"""The wire format between candidate and judge: JSON, tagged so that exact built-in types come back, and nothing else.

A value is None, True, False, a string, or a list whose head says its type: ``["i", "2a"]``, ``["f", "0x1.8p+0"]``,
``["c", real, imaginary]``, ``["b", "00ff"]``, ``["l", ...]``, ``["t", ...]``, ``["s", ...]``,
``["d", [key, value], ...]``, ``["y", "int"]`` for one of the types themselves.
A custom class cannot cross, so no operator that a candidate wrote ever runs on the judge's side. Standard library only.
"""

from __future__ import annotations

from typing import Any

# Python hashes numbers without a secret: keys chosen to collide would cost the judge time that grows with their square.
MOST_KEYS = 4096
TYPES = {kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, set, dict)}


def encode(value: Any) -> Any:
    """What ``json.dumps`` can write. An instance of a subclass (Counter, namedtuple) crosses as its built-in base.

    Raises TypeError on any other type, RecursionError on a value that contains itself.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return ["i", int.__format__(value, "x")]
    if isinstance(value, float):
        return ["f", float.hex(value)]
    if isinstance(value, complex):
        return ["c", float.hex(value.real), float.hex(value.imag)]
    if isinstance(value, bytes):
        return ["b", bytes.hex(value)]
    if isinstance(value, list):
        return ["l", *map(encode, list.__iter__(value))]
    if isinstance(value, tuple):
        return ["t", *map(encode, tuple.__iter__(value))]
    if isinstance(value, set):
        return ["s", *map(encode, set.__iter__(value))]
    if isinstance(value, dict):
        return ["d", *([encode(key), encode(item)] for key, item in dict.items(value))]
    for name, kind in TYPES.items():
        if value is kind:
            return ["y", name]
    raise TypeError("no built-in value")


def decode(wire: Any, most_keys: int = MOST_KEYS) -> Any:
    """The value of parsed JSON. Raises ValueError on what ``encode`` does not write, RecursionError on depth."""
    if wire is None or isinstance(wire, (bool, str)):
        return wire
    if not isinstance(wire, list):
        raise ValueError("not a tagged value")
    try:
        return _decode(wire[0], wire[1:], most_keys)
    except (TypeError, OverflowError, LookupError):
        raise ValueError("not a tagged value") from None


def _decode(tag: str, parts: list[Any], most_keys: int) -> Any:
    if tag == "i":
        return int(parts[0], 16)
    if tag == "f":
        return float.fromhex(parts[0])
    if tag == "c":
        return complex(float.fromhex(parts[0]), float.fromhex(parts[1]))
    if tag == "b":
        return bytes.fromhex(parts[0])
    if tag == "y":
        return TYPES[parts[0]]
    if tag == "l":
        return [decode(part, most_keys) for part in parts]
    if tag == "t":
        return tuple(decode(part, most_keys) for part in parts)
    if tag in ("s", "d") and len(parts) > most_keys:
        raise ValueError("too many keys")
    if tag == "s":
        return {decode(part, most_keys) for part in parts}
    if tag == "d":
        return {decode(key, most_keys): decode(item, most_keys) for key, item in parts}
    raise ValueError("not a tagged value")
