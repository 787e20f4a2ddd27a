"""Every mention in a Document: by its name, its language, and the fenced blocks of chat and of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from scrubber.core.mentions import Context
from scrubber.core.syntax import GRAMMARS, contexts
from scrubber.core.syntax_imports import SyntaxTree, tree
from scrubber.core.types import Document, Span
from scrubber.detectors._packages import javascript, manifests, python
from scrubber.detectors._packages.commands import ContextOf, commands
from scrubber.detectors._packages.found import Found

FENCE = re.compile(r"^[ \t>]*(?P<mark>```+|~~~+)[ \t]*\{?\.?(?P<language>[\w+#.-]*)[^\n`]*(?:\n|$)", re.MULTILINE)
PYTHON = frozenset(("python", "py", "python3", "py3", "pycon", "ipython", "ipython3", "jupyter", "python2", "pyi"))
PROSE = frozenset((None, "markdown", "md", "text", "txt", "rst", "html", "plaintext", "jsonl"))
SHELL = frozenset((
    "", "shell", "sh", "bash", "zsh", "console", "shell-session", "powershell", "ps1", "cmd", "bat", "batch", "terminal",
    "dockerfile", "docker", "make", "makefile", "yaml", "yml", "ini", "toml", "dotenv", "fish",
))  # fmt: skip
SHELL_FILES = re.compile(
    r"(?:.*/)?(?:(?:Docker|Container|Make|Just|Proc|Vagrant|Jenkins)file(?:\..*)?|.*\.(?:mk|Dockerfile|bat|cmd|zsh|fish))"
)
# Lines as code has them, for a completion that nobody named a language of.
PYTHON_LINE = re.compile(
    r"^(?:[ \t]+\S|(?:import|from|def|class|if|for|while|with|try|return|@\w|async)\b|#"
    r"|[\w.\[\]'\", ]+ ?[-+*/]?= ?\S|[\w.]+\(|['\")\]}]|%|!)"
)
SCRIPT_LINE = re.compile(
    r"^(?:[ \t]+\S|(?:import|const|let|var|function|export|async|if|for|class|await|return|type|interface)\b"
    r"|//|[})\]]|.*[;{(,]$)"
)
ENOUGH = 0.6  # of the lines


def mentions(document: Document) -> list[Found]:
    """All mentions, by place, each name of each place once."""
    text, path = document.text, document.path or document.id
    language = _language(document)
    manifest = manifests.manifest_of(path.partition("#")[0])
    if manifest:
        found: Iterable[Found] = chain(manifests.entries(text, manifest), commands(text, lambda at: "string"))
    elif language in PROSE:
        found = _chat(text, document.origin == "generation")
    else:
        found = _block(text, language or "", whole=True)
    unique = {(one.start, one.end, one.ecosystem): one for one in sorted(found, reverse=True)}
    return sorted(unique.values())


def _language(document: Document) -> str | None:
    path = document.path or document.id
    if SHELL_FILES.fullmatch(path):
        return "shell"
    return document.language.lower() if document.language else None


def _chat(text: str, generation: bool) -> Iterator[Found]:
    """Prose with fenced blocks, an unclosed one too. A generation without any is code, if it looks like it."""
    prose = 0
    opened: re.Match[str] | None = None
    for fence in FENCE.finditer(text):
        if opened is None:
            yield from _shifted(_prose(text[prose : fence.start()]), prose)
            opened = fence
        elif fence["mark"].startswith(opened["mark"]) and not fence["language"]:
            yield from _shifted(_block(text[opened.end() : fence.start()], opened["language"].lower()), opened.end())
            opened, prose = None, fence.end()
    if opened is not None:
        yield from _shifted(_block(text[opened.end() :], opened["language"].lower()), opened.end())
    elif prose:
        yield from _shifted(_prose(text[prose:]), prose)
    else:
        yield from (
            _block(text, guessed, whole=True)
            if (guessed := _guessed(text))
            else _prose(text, "code" if generation else "prose")
        )


def _guessed(text: str) -> str:
    """The language of a text without fences, or nothing for prose."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not python.WORD.search(text) and not javascript.LEAST.search(text):
        return ""
    shares = {
        language: sum(shape.match(line) is not None for line in lines) / len(lines)
        for language, shape in (("python", PYTHON_LINE), ("javascript", SCRIPT_LINE))
    }
    if re.search(r"\brequire\(['\"]|\bfrom ['\"]|^import ['\"]|^(?:const|let|var) ", text, re.MULTILINE):
        shares["python"] = 0.0
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= ENOUGH else ""


def _prose(text: str, context: Context = "prose") -> Iterator[Found]:
    yield from python.lines(text, context)
    yield from javascript.lines(text, context)
    yield from javascript.scripts(text, context)
    yield from commands(text, lambda at: "prose")


def _block(text: str, language: str, whole: bool = False) -> Iterator[Found]:
    """A fenced block, or a ``whole`` document."""
    manifest = None if whole and language in GRAMMARS else manifests.manifest_like(text, language)
    if manifest:
        yield from manifests.entries(text, manifest)
    elif language in PYTHON:
        yield from python.imports(text)
        yield from manifests.script_metadata(text)
    elif language in javascript.LANGUAGES:
        yield from javascript.imports(text, javascript.LANGUAGES[language])
    elif not whole and language in ("requirements", "requirements.txt", "pip"):
        yield from manifests.entries(text, "requirements")
    elif language in SHELL or language in PROSE:
        yield from python.lines(text, "code")
        yield from javascript.lines(text, "code")
    if language not in PYTHON:
        yield from javascript.scripts(text, "code")
    yield from commands(text, _contexts(text, language))


def _contexts(text: str, language: str) -> ContextOf:
    """In what a command stands: known from the tree, or from the marks of its line."""
    grammar = "python" if language in PYTHON else javascript.LANGUAGES.get(language, language)
    marked = re.compile(r"[ \t]*(?:#|::|REM\b|//|\*)")
    parsed: list[SyntaxTree | None] = []  # made when the first command asks

    def context_of(at: int) -> Context:
        if not parsed:
            parsed.append(tree(text, grammar) if grammar in GRAMMARS else None)
        line = text[text.rfind("\n", 0, at) + 1 : at]
        if parsed[0]:
            place = parsed[0].place(at)
            return "comment" if place == "code" and marked.match(line) else place
        if language in SHELL or language in PROSE:
            return "comment" if marked.match(line) else "code"
        found = contexts(text, language, [Span(at, at + 1)])[0].place
        return found if found in ("string", "comment", "docstring") else "code"

    return context_of


def _shifted(found: Iterable[Found], by: int) -> Iterator[Found]:
    return (one._replace(start=one.start + by, end=one.end + by) for one in found)
