"""Values given to a name that says it holds a credential, in the forms that detect-secrets does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator

NAMES = (
    r"(?:pass(?:word|wd|phrase|code)|contrase[nñ]a|(?<![a-z])pass(?![a-z])|pwd|secret|credential"
    r"|(?<!page)(?<!page_)(?<!next_)token(?![a-z0-9])"
    r"|(?:api|access|auth|account|client|service|shared|storage|signing|encryption|master|private|priv|db|database|app)"
    r"[_\- ]?key)"
)
# Patterns that together hit each line on which a keyword expression of detect-secrets or one of those below matches.
# They begin with a small set of characters, not with (?i:...), which ``re`` searches fifty times slower.
HEADS = (
    r"[kKwW](?:[eE][yY](?<=[\w\- ]...)|[eE][nN](?<=[oO]...)|[dD](?<=[sSpP]..)|[oO][rR][dD](?<=[sS]....))",
    r"[cC][rR][eE](?:[tT](?<=[eE]....)|[dD])",
    r"[pP][aA][sS][sS](?:[pPcC_\-'\"\])]| ?[:=>(]|(?<=[bByYsSeE_]....)|$)",
    r"[nN][tT][rR][aA][sS][eE]",
    r"[uU][tT][hH][oO][rR][iI][zZ][aA][tT][iI][oO][nN]",
)
QUOTED = re.compile(
    rf"(?P<name>{NAMES}[\w.\-]{{0,24}})"
    r"(?:['\"]?\]?\s*(?::\s*[\w\[\]., |]{1,40}?|\s\w{1,20})?\s*(?:[:.?|+]{0,3}={1,3}|=>|:|!==?)|['\"]\s*,)"
    r"\s*(?:[rbuf]{1,2}|@)?(?P<quote>['\"`])(?P<value>(?:(?!(?P=quote)).)+)(?P=quote)",
    re.IGNORECASE,
)
UNQUOTED = re.compile(
    rf"(?P<name>{NAMES}[\w.\-]{{0,24}})\s*(?:[:.?|+]{{0,3}}=|:|>)\s*"
    r"(?P<value>[^\s'\"`,;<>(){}\[\]]{8,})",
    re.IGNORECASE,
)
HEADER = re.compile(
    r"(?P<name>authorization)\W{1,8}(?:bearer|basic|token|apikey)\s+(?P<value>[A-Za-z0-9_\-.=+/~]{16,})", re.IGNORECASE
)
COMMENT = re.compile(r"(?:^|\s)(?:#|//|--|/\*|\*|;|<!--)\s")
# Languages in which a bare word after a colon or an equals sign is a string, not code.
PLAIN_LANGUAGES = frozenset((None, "dotenv", "ini", "yaml", "shell", "text", "markdown", "xml", "html", "rst"))


def assigned(line: str, language: str | None) -> Iterator[tuple[str, int, int]]:
    """The lower-case name and the offsets of each value on ``line`` that is given to a telling name.

    Bare values count where the language has bare strings, and in comments everywhere.
    """
    for match in (*QUOTED.finditer(line), *HEADER.finditer(line)):
        yield match["name"].lower(), *match.span("value")
    comment = COMMENT.search(line)
    start = 0 if language in PLAIN_LANGUAGES else comment.end() if comment else len(line)
    for match in UNQUOTED.finditer(line, start):
        yield match["name"].lower(), *match.span("value")
