"""What detect-secrets 1.5.0 finds in one text: its lines, its transformed lines, and its default filters, without it.

detect-secrets' own expressions, filters and transformers are called, and nothing of it that looks at its settings (one
object per process) or verifies over the network. So this is as safe for threads as they are: they keep no state.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from scrubber.detectors import _without_network  # noqa: F401 (before detect-secrets)

# isort: split
from detect_secrets.filters import heuristic
from detect_secrets.filters.allowlist import is_line_allowlisted
from detect_secrets.transformers import get_transformed_file
from detect_secrets.util.code_snippet import CodeSnippet
from detect_secrets.util.filetype import FileType, determine_file_type

from scrubber.core.types import Hit, Span
from scrubber.detectors._exact_expressions import FOLDING, Expression, expressions

ALL_RULES: frozenset[str] = frozenset()
FOLDED = "folded"  # stands for all rules, on a line with one of FOLDING
LINE_END = re.compile(r"\r\n?|\n")
# A line that no reader of INI files can take for an option, a section or a comment, nor for the end of a longer value.
# With one of these a file cannot be read as one, and a look at the first lines of nearly every file shows it.
NO_OPTION = r"[^\s#;\[=:][^=:\r\n]*(?:[\r\n]|\Z)"
NO_OPTION_FIRST = re.compile(NO_OPTION)
NO_OPTION_LATER = re.compile(r"\n" + NO_OPTION)
# Matches where the expression of is_indirect_reference does, whose first part may be empty but makes it slow.
INDIRECT = re.compile(r"[:=!]\s*[\w.-]+[\[(][^\v]*[\])]")


@dataclass(frozen=True, slots=True)
class Secret:
    """A finding of detect-secrets. ``span`` is the value where it stands in the text, else the line that is reported."""

    type: str
    value: str = field(repr=False)
    span: Span


def is_left_out(path: str) -> bool:
    """Whether detect-secrets' filters leave out the whole file."""
    # is_swagger_file searches for .*swagger.*, which takes the square of the length
    return "swagger" in path or heuristic.is_non_text_file(path) or heuristic.is_lock_file(path)


def needs_all(text: str, path: str) -> bool:
    """Whether ``secrets_in`` may find something though no head hits: a transformer may put quotes round values."""
    if is_left_out(path):
        return False
    return determine_file_type(path) is FileType.YAML or _may_be_config(text) or _folds(text)


def secrets_in(text: str, path: str, hits: Iterable[Hit]) -> list[Secret]:
    """The secrets of SecretsCollection.scan_file, in order; of a value that is found twice, the first.

    ``hits`` of the heads in ``text``. Only the ends of their spans are looked at.
    """
    if not text or is_left_out(path):
        return []
    file_type = determine_file_type(path)
    config = _may_be_config(text)
    transformed = _transformed(text, path, eager=False) if config or file_type is FileType.YAML else None
    if transformed:
        found = _once(_in_transformed(transformed, text, path, file_type))
    else:
        found = _once(_in_lines(text, path, file_type, hits))
    # The second, eager try at a configuration file, which only files of no known type that had no finding get.
    if not found and config and file_type is FileType.OTHER:
        transformed = _transformed(text, path, eager=True)
        found = _once(_in_transformed(transformed or (), text, path, file_type))
    return found


def _once(secrets: Iterable[Secret]) -> list[Secret]:
    first: dict[tuple[str, str], Secret] = {}
    for secret in secrets:
        first.setdefault((secret.type, secret.value), secret)
    return list(first.values())


def _in_lines(text: str, path: str, file_type: FileType, hits: Iterable[Hit]) -> Iterator[Secret]:
    marked = "pragma:" in text
    for start, end, rules in _hit_lines(text, hits):
        line = text[start:end].rstrip()
        before = _line_before(text, start) if marked else ""
        for expression, first, last in _values(line, before, path, expressions(rules, file_type)):
            yield Secret(expression.type, line[first:last], Span(start + first, start + last))


def _in_transformed(lines: Sequence[str], text: str, path: str, file_type: FileType) -> Iterator[Secret]:
    """A transformed line stands for the line of the text that has its number, or the last where there are not so many."""
    every = expressions(ALL_RULES, file_type)
    ends = [match.span() for match in LINE_END.finditer(text) if match.end() < len(text)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(stop for stop, _ in ends), len(text)]
    for number, content in enumerate(lines):
        line = content.rstrip()
        at = min(number, len(starts) - 1)
        for expression, first, last in _values(line, lines[number - 1] if number else "", path, every):
            value = line[first:last]
            yield Secret(expression.type, value, _place(text, starts[at], stops[at], first, value))


def _values(line: str, before: str, path: str, brought: Sequence[Expression]) -> Iterator[tuple[Expression, int, int]]:
    """What the expressions take on the line and no filter leaves out; the filters of the line come last, and rarely."""
    kept = False
    named: int | None = None  # where the first name of an identifier ends
    for expression in brought if line else ():
        for start, end in expression.spans(line):
            value = line[start:end]
            if _is_filtered(value):
                continue
            if not expression.of_format:
                named = _end_of_name(line) if named is None else named
                # is_likely_id_string: such a name stands before the first place of the value. Said so that a long line
                # of many values takes no square of its length.
                if start >= named and line.find(value, 0, named + len(value) - 1) < 0:
                    continue
            if not kept and _is_line_filtered(line, before, path):
                return
            kept = True
            yield expression, start, end


def _is_filtered(value: str) -> bool:
    return bool(
        heuristic.is_not_alphanumeric_string(value)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
    )


def _end_of_name(line: str) -> int:
    """The end of the first name that makes the values after it identifiers; the line's, and one more, without one."""
    match = heuristic._get_id_detector_regex().search(line)
    return match.end() if match else len(line) + 1


def _is_line_filtered(line: str, before: str, path: str) -> bool:
    marked = "pragma:" in line or "pragma:" in before
    return bool(
        (marked and is_line_allowlisted(path, line, CodeSnippet([before, line], start_line=0, target_index=1)))
        or (INDIRECT.search(line) and heuristic.is_indirect_reference(line))
    )


def _hit_lines(text: str, hits: Iterable[Hit]) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Start and end of each line on which a hit ends, in order, with the rules of its hits."""
    ends = [(hit.span.end - 1, hit.rule) for hit in hits]
    if _folds(text):
        ends += [(match.start(), FOLDED) for match in re.finditer(f"[{FOLDING}]", text)]
    ends.sort()
    returns = "\r" in text
    number = 0
    while number < len(ends):
        at = ends[number][0]
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if returns:
            start = max(start, text.rfind("\r", start, at) + 1)
            stop = text.find("\r", at, end)
            end = end if stop < 0 else stop
        rules = set()
        while number < len(ends) and ends[number][0] < end:
            rules.add(ends[number][1])
            number += 1
        yield start, end, ALL_RULES if FOLDED in rules else frozenset(rules)


def _line_before(text: str, start: int) -> str:
    """The line, without its end, that stands before the one at ``start``."""
    end = start - (2 if text.endswith("\r\n", 0, start) else 1)
    begin = text.rfind("\n", 0, max(0, end)) + 1
    begin = max(begin, text.rfind("\r", begin, max(0, end)) + 1)
    return text[begin : max(0, end)]


def _may_be_config(text: str) -> bool:
    return not (NO_OPTION_FIRST.match(text) or NO_OPTION_LATER.search(text))


def _folds(text: str) -> bool:
    return not text.isascii() and any(letter in text for letter in FOLDING)


def _transformed(text: str, path: str, *, eager: bool) -> Sequence[str] | None:
    """The file as detect-secrets' transformers for INI and YAML rewrite it, or None where they cannot read it."""
    file = io.StringIO(text, newline=None)  # line ends become "\n", as for a file opened as text
    file.name = path
    try:
        lines: Sequence[str] | None = get_transformed_file(file, use_eager_transformers=eager)
    except Exception:  # YAML of odd tags and depths, at which detect-secrets itself would stop; it is read as it is
        return None
    return lines


def _place(text: str, start: int, stop: int, offset: int, value: str) -> Span:
    """Where ``value`` stands on the line, after its name if it can; else the line without its edges."""
    # a transformer puts up to four characters between name and value
    for first in (start + max(0, offset - 4), start):
        at = text.find(value, first, stop)
        if at >= 0:
            return Span(at, at + len(value))
    line = text[start:stop].rstrip()
    return Span(start + len(line) - len(line.lstrip()), start + max(1, len(line)))  # of an empty line, its end
