"""Values given to a name that says it holds a credential, in the forms that detect-secrets does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator

NAMES = (
    r"(?:pass(?:word|wd|phrase|code)|contrase[nñ]a|(?<![a-z])pass(?![a-z])|pwd|secret|token|bearer|credential"
    r"|(?:api|access|auth|account|client|service|shared|storage|signing|encryption|master|private|priv|db|database|app)"
    r"[_\- ]?key)"
)
# Hits each line that a keyword expression of detect-secrets or one of those below can match.
ASSIGNMENT_HEAD = (
    r"(?i:pass(?:w|p|c|(?![a-z]))|pwd|secret|token|bearer|contrase|credential"
    r"|(?:api|access|auth|account|client|service|shared|storage|signing|encryption|master|priv|private|db|database|app)[_\- ]?(?:key|pass)|key_?pass)"
)
QUOTED = re.compile(
    rf"(?P<name>{NAMES})[\w.\-]{{0,24}}"
    r"(?:['\"]?\]?\s*(?::\s*[\w\[\]., |]{1,40}?)?\s*(?::=|={1,3}|=>|:|!==?)|['\"]\s*,)"
    r"\s*(?:[rbuf]{1,2}|@)?(?P<quote>['\"`])(?P<value>(?:(?!(?P=quote)).)+)(?P=quote)",
    re.IGNORECASE,
)
UNQUOTED = re.compile(
    rf"(?P<name>{NAMES})[\w.\-]{{0,24}}\s*(?::=|=|:|>)\s*(?:bearer\s+|basic\s+)?(?P<value>[^\s'\"`,;<>(){{}}\[\]]{{8,}})",
    re.IGNORECASE,
)
COMMENT = re.compile(r"(?:^|\s)(?:#|//|--|/\*|\*|;|<!--)\s")
# Languages in which a bare word after a colon or an equals sign is a string, not code.
PLAIN_LANGUAGES = frozenset((None, "dotenv", "ini", "yaml", "shell", "text", "markdown", "xml", "html", "rst"))


def assigned(line: str, language: str | None) -> Iterator[tuple[str, int, int]]:
    """The lower-case name and the offsets of each value on ``line`` that is given to a telling name.

    Bare values count where the language has bare strings, and in comments everywhere.
    """
    for match in QUOTED.finditer(line):
        yield match["name"].lower(), *match.span("value")
    comment = COMMENT.search(line)
    start = 0 if language in PLAIN_LANGUAGES else comment.end() if comment else len(line)
    for match in UNQUOTED.finditer(line, start):
        yield match["name"].lower(), *match.span("value")
