"""Imports of JavaScript and TypeScript: import, export from, require and import(), by form; the tree tells the context."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scrubber.core.mentions import Context, Way
from scrubber.core.syntax_imports import tree
from scrubber.detectors._packages.found import Found, npm_package

LANGUAGES = {
    "javascript": "javascript", "js": "javascript", "jsx": "javascript", "node": "javascript", "mjs": "javascript",
    "cjs": "javascript", "typescript": "typescript", "ts": "typescript", "tsx": "tsx", "mts": "typescript",
    "vue": "javascript", "svelte": "javascript",
}  # fmt: skip
SPECIFIER = r"""(?P<quote>["'])(?P<raw>[^"'\s`]{1,214})(?P=quote)"""
SPECIFIER_2 = SPECIFIER.replace("quote", "quote2").replace("raw", "raw2")
STATIC = re.compile(
    rf"""\bimport\b\s*(?:type\b\s*)?(?:[\w$*{{][^;'"`()=]{{0,4000}}?\bfrom\s*)?{SPECIFIER}"""
    rf"""|\bexport\b\s*(?:type\b\s*)?[*{{][^;'"`()=]{{0,4000}}?\bfrom\s*{SPECIFIER_2}"""
)
CALL = re.compile(
    r"""\b(?P<call>require(?:\.resolve)?|import)\s*\(\s*(?:/\*[^*]{0,200}\*/\s*){0,3}"""
    r"""(?P<quote>["'`])(?P<raw>[^"'\s`$]{1,214})(?P=quote)\s*(?:[,)]|$)"""
)
HOSTS = ("unpkg.com", "jsdelivr.net", "esm.sh", "esm.run", "skypack.dev", "cloudflare.com")
CDN = re.compile(
    r"""(?<=//)(?:unpkg\.com/|cdn\.jsdelivr\.net/npm/|esm\.sh/|cdn\.skypack\.dev/|esm\.run/|cdnjs\.cloudflare\.com/ajax/libs/)"""
    r"""(?P<raw>(?:@[\w.~-]+/)?[\w.~-]+)"""
)
LEAST = re.compile(r"\bimport\b|\brequire\b|\bexport\b")


def imports(text: str, language: str) -> Iterator[Found]:
    """Every import of a text in ``language``, by form; the tree tells in what its first word stands."""
    forms = sorted(_forms(text))
    if not forms:
        return
    parsed = tree(text, language, [at for at, _ in forms])
    for at, found in forms:
        yield found._replace(context=parsed.place(at)) if parsed else found


def lines(text: str, context: Context) -> Iterator[Found]:
    """Imports of a text of no known language, all of one ``context``."""
    return (found._replace(context=context) for _, found in _forms(text))


def scripts(text: str, context: Context) -> Iterator[Found]:
    """Packages that a page loads from a content network of npm's."""
    for match in CDN.finditer(text) if any(host in text for host in HOSTS) else ():
        yield Found(*match.span("raw"), "npm", "script", context, match["raw"], match["raw"].lower())


def _forms(text: str) -> Iterator[tuple[int, Found]]:
    """The first word of each form, and what it imports."""
    if not LEAST.search(text):
        return
    for match in STATIC.finditer(text):
        group = "raw" if match["raw"] else "raw2"
        if name := npm_package(match[group]):
            yield match.start(), Found(*match.span(group), "npm", "import", "code", match[group], name)
    for match in CALL.finditer(text):
        if name := npm_package(match["raw"]):
            kind: Way = "dynamic-import" if match["call"] == "import" else "import"
            yield match.start(), Found(*match.span("raw"), "npm", kind, "code", match["raw"], name)
