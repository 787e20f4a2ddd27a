"""Bytes in the place of tokens, for a model whose tokenizer is not known: no tokenizer makes more tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.types import Encoding


def encode(text: str) -> Encoding:
    """One id for each byte of UTF-8, with the offsets of its character.

    An answer as long as a value's bytes can hold the value. Of a prompt cut to so many bytes the model sees less than of
    as many tokens, three to four times in code.
    """
    coded = [character.encode("utf-8", "surrogatepass") for character in text]
    return Encoding(
        tuple(byte for character in coded for byte in character),
        tuple((i, i + 1) for i, character in enumerate(coded) for _ in character),
    )


def decode(ids: Sequence[int]) -> str:
    """The text that ``encode`` took apart; half a character becomes U+FFFD."""
    try:
        return bytes(ids).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return bytes(ids).decode("utf-8", "replace")
