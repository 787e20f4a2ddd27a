"""Whether what a model wrote is code: Python is parsed, of other languages quotes and brackets must close."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings

_LINES_BEFORE = 12  # of the text before an answer in which the statement that it goes on with may begin
_LINES_AFTER = 6  # of an answer in which that statement may end
_LONGEST = 20_000  # characters: deeper nesting than that holds could exhaust a parser
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def continues(before: str, answer: str, language: str | None) -> bool:
    """Whether some whole lines of ``answer``, its first among them, make code together with the lines before it.

    What stands before may be cut anywhere, and an answer ends where its tokens did: the statement may begin up to
    twelve lines before the answer, and must end within six of it.
    """
    *whole, last = answer.split("\n")
    ends = [*whole, last][:_LINES_AFTER]
    lines = before.split("\n")
    for count in range(1, len(ends) + 1):
        text = "\n".join(ends[:count])
        for start in range(len(lines) - 1, max(-1, len(lines) - 1 - _LINES_BEFORE), -1):
            if is_code("\n".join(lines[start:]) + text, language):
                return True
            if language != "python":
                break  # a line is judged by itself
    return False


def finishes(before: str, answer: str) -> bool:
    """Whether a Python function that ``before`` begins is finished by ``answer``, which need not end with it.

    It is over where a line stands at the margin; where none does, the last line may be cut off, and is not counted.
    """
    body: list[str] = []
    for line in answer.split("\n"):
        if line.strip() and not line[0].isspace() and body:
            break
        body.append(line)
    else:
        shorter = "\n".join(body[:-1])
        if shorter.strip() and is_code(before + shorter, "python"):
            return True
    written = "\n".join(body)
    return bool(written.strip()) and is_code(before + written, "python")


def is_code(text: str, language: str | None) -> bool:
    """Whether a piece of text is whole code by itself, at whatever indentation; a block may yet lack its body."""
    if len(text) > _LONGEST or "\0" in text:
        return False
    if language != "python":
        return _closes(text)
    dedented = textwrap.dedent(text)
    last = next((line for line in reversed(dedented.split("\n")) if line.strip()), "")
    bodies = [""]
    if last.rstrip().endswith(":"):
        bodies.append("\n" + " " * (len(last) - len(last.lstrip()) + 1) + "pass")
    return any(_parses(dedented + body) for body in bodies)


def _parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they would quote what a model wrote
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def _closes(text: str) -> bool:
    """No quote is left open, and no bracket is closed that was not opened; a bracket may stay open over the line's end."""
    bare = _QUOTED.sub("", text)
    if '"' in bare or bare.count("`") % 2:
        return False
    opened: list[str] = []
    for character in bare:
        if character in _PAIRS.values():
            opened.append(character)
        elif character in _PAIRS and opened and opened.pop() != _PAIRS[character]:
            return False
    return True
