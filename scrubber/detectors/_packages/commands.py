"""Install commands in any text: shell, chat, code that runs them, and argument lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from scrubber.core.mentions import Context, Ecosystem, Way
from scrubber.detectors._packages.found import NAME, Found, normal, without_password
from scrubber.detectors._packages.tables import english
from scrubber.detectors._packages.tools import ARTICLE, HEAD, SIGNS, Tool, tool_of

ContextOf = Callable[[int], Context]
LONGEST, LONGEST_BEFORE = 4000, 400  # characters of a command, and of what stands before it on its line
ENDS = re.compile(r"\s|[;|&\n]|</|<br|\\[nrt\"']|\)(?=\s|[.,;:!?\"'`)]|$)|[\"'`]")
CONTINUED = re.compile(r"(?:[ \t]|\\[ \t]*\r?\n|\^[ \t]*\r?\n|`[ \t]*\r?\n|\\\\n)+")
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+?)(?:\[[^\]]*\])?[ \t]*(?P<rest>(?:===|[=~!<>]=|[<>=@;(^]).*)?", re.DOTALL)
VERSIONED = re.compile(r"(?P<name>(?:@[\w.~-]+/)?[\w.~-]+)(?:@(?P<version>[^/].*))?")
NUMBER = re.compile(r"[\d._-]+|0[xob][\da-fA-F]+")
AFTER_QUOTE = re.compile(r"[\s,;.)&|<>=!~\\\"'`]|$")
COMPARISON = re.compile(r"[=~!<>]=?=?")
ANGLE = re.compile(r"<[\w .-]{1,60}>")
TAG = re.compile(r"</?(?:code|pre|p|br|b|i|em|strong|a|li|div|span)\b")
EXTRAS = re.compile(r"[\w\s,-]{0,200}\]")
VARIABLE = re.compile(r"\$|[{}]|%[sd(]|%\w+%|^\[|^<|>$|^\.\.\.|^…|^-+$|\*")
PATH = re.compile(r"[.~]{0,2}[/\\]|\.{1,2}$|[A-Za-z]:[\\/]|.*\\")
ARCHIVE = re.compile(r".*\.(?:whl|tar\.gz|tgz|zip|txt|toml|py|json|git|gem|lock|ya?ml)$")
# What may stand before a command that has its line to itself.
PROMPT = re.compile(
    r"[-*+>$#%!]+(?:\{[\w.]+\})?|\d{1,2}[.)]|(?:RUN|run:|command:|sudo|PS|python[\d.]*|py|-\w|&&)[!%]?|\([\w.-]+\)|[\w.:\\~@/-]*[>$#%]"
)
LIST = re.compile(
    r"""(?P<quote>["'])(?:[^"'\s]*/)?(?P<tool>pip[\d.]*|npm|yarn|pnpm|bun|cargo|gem|uv|poetry|pipx|go)(?P=quote)\s*[,\]]"""
    r"""(?:\s*\+\s*\[)?(?P<more>(?:\s*["'][\w-]+["']\s*,)*?)\s*["'](?P<verb>install|add)["']\s*(?P<args>[,+][^\])]{0,2000}|\])""",
)
VERBS = ("install", "'add'", '"add"')
VERB = re.compile(r"[\"'](?:install|add)[\"']")
MAIN = re.compile(r"""\bpip\w*(?:\._?\w+)*\.?main\(\s*\[\s*["']install["']\s*(?P<args>,[^\])]{0,2000})""")
ELEMENT = re.compile(r"""[rf]{0,2}(?P<quote>["'])(?P<value>[^"'\n]*)(?P=quote)|(?P<other>[^\s,"']+)""")


class Word(NamedTuple):
    """A word of a command line, without its quotes; ``quoted`` ones may hold spaces."""

    start: int
    text: str
    quoted: bool


def commands(text: str, context_of: ContextOf) -> Iterator[Found]:
    """Every package that an install command names. ``context_of``: in what an offset of ``text`` stands."""
    heads = list(_heads(text))
    done = 0
    for head, after in zip_longest(heads, heads[1:]):
        if head.start() >= done:  # else it is an argument of the one before
            # one word may be an argument itself (npm install npx); more words begin a command
            stop = after.start() if after and re.search(r"\s", after[0]) else len(text)
            command = _Command(text, head, min(stop, head.end() + LONGEST), context_of)
            yield from command.packages()
            done = command.done
    if any(mark in text for mark in VERBS) and VERB.search(text):
        for call in (*LIST.finditer(text), *MAIN.finditer(text)):
            yield from _argument_list(text, call, context_of)


def requirement(word: str, start: int, ecosystem: Ecosystem, kind: Way, context: Context) -> Found | None:
    """A package as the command line of an ecosystem's tool, or a requirements file, names it; None if it is no name."""
    end = start + len(word)
    skipped = Found(start, end, ecosystem, kind, context, without_password(word), "", skip=True)
    if "://" in word or word.startswith(
        ("git+", "git@", "github:", "gitlab:", "bitbucket:", "gist:", "file:", "link:", "workspace:")
    ):
        return skipped
    if ecosystem == "pypi":
        if PATH.match(word) or ARCHIVE.match(word.partition("[")[0]):
            return skipped
        match = REQUIREMENT.fullmatch(word)
        if match and NUMBER.fullmatch(match["name"]):
            return None
        if match and NAME["pypi"].fullmatch(match["name"]):
            return _named(start, ecosystem, kind, context, match["name"])
        return skipped if VARIABLE.search(word) or "/" in word else None
    if PATH.match(word) or (ARCHIVE.match(word) and ("/" in word or ecosystem == "rubygems")):
        return skipped
    if ecosystem == "npm":
        return _npm(word, start, kind, context) or (skipped if VARIABLE.search(word) or "/" in word else None)
    name = re.split(r"(?<=.)[@]" if ecosystem == "go" else r"[@:]", word)[0]
    if ecosystem == "go":
        name = name.removesuffix("/...")
        if name in ("all", "std", "cmd", "tool") or not NAME["go"].fullmatch(name):
            return skipped if VARIABLE.search(word) or "/" in word else None
        return _named(start, ecosystem, kind, context, name)
    if NAME[ecosystem].fullmatch(name):
        return _named(start, ecosystem, kind, context, name)
    return skipped if VARIABLE.search(word) or "/" in word else None


def _npm(word: str, start: int, kind: Way, context: Context) -> Found | None:
    match = VERSIONED.fullmatch(word)
    if not match or not NAME["npm"].fullmatch(match["name"]):
        return None
    version = match["version"] or ""
    if version.startswith("npm:"):  # alias@npm:real
        return requirement(version[4:], start + match.start("version") + 4, "npm", kind, context)
    return _named(start, "npm", kind, context, match["name"])


def _named(start: int, ecosystem: Ecosystem, kind: Way, context: Context, raw: str) -> Found:
    return Found(start, start + len(raw), ecosystem, kind, context, raw, normal(ecosystem, raw))


def _heads(text: str) -> Iterator[re.Match[str]]:
    signs = sorted(at for sign in SIGNS for at in _places(sign, text))
    end = -1
    for at in signs:
        if at > end:
            start = text.rfind("\n", 0, at) + 1
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            yield from HEAD.finditer(text, start, end)


def _places(sign: str, text: str) -> Iterator[int]:
    at = text.find(sign)
    while at >= 0:
        yield at
        at = text.find(sign, at + 1)


class _Command:
    """One command in a text; ``done`` is how far it was read."""

    def __init__(self, text: str, head: re.Match[str], stop: int, context_of: ContextOf) -> None:
        self.done = head.end()
        self._tool, self._head = tool_of(head), head
        line = max(text.rfind("\n", 0, head.start()) + 1, head.start() - LONGEST_BEFORE)
        self._before = text[line : head.start()]
        self._closer = _closer(self._before)
        self._words = _words(text, head.end(), stop, self._closer)
        self._context_of = context_of

    def packages(self) -> Iterator[Found]:
        if ARTICLE.search(self._before):
            return
        before = self._before.rpartition(self._closer)[2] if self._closer else self._before
        alone = all(PROMPT.fullmatch(word) for word in before.split())
        context = self._context_of(self._head.start())
        written = context != "code" and not (self._closer and alone)
        magic = alone and before.lstrip()[:1] in ("!", "%")
        yield from _packages(self._counted(), self._tool, "magic" if magic else "install", context, written)

    def _counted(self) -> Iterator[Word]:
        for word in self._words:
            self.done = word.start + len(word.text)
            yield word


def _packages(words: Iterator[Word], tool: Tool, kind: Way, context: Context, written: bool) -> Iterator[Found]:
    """``written``: by a person in a sentence, so that words of English may follow."""
    found: list[Found] = []
    elsewhere, listed = False, False
    for word in words:
        if written and word.text in ("-", "--"):  # a dash of the sentence
            break
        if _is_option(word):
            option, equals, value = word.text.partition("=")
            elsewhere |= option in tool.elsewhere
            if option in tool.naming:
                given = Word(word.start + len(option) + 1, value, True) if equals else next(words, None)
                found += _pieces(given, tool, kind, context) if given else ()
                if tool.first_only and found:
                    break
            elif not equals and (option in tool.valued or option in tool.elsewhere):
                next(words, None)
            continue
        if tool.prefix == "-":  # what follows is a program
            break
        if word.text == "@" and found:  # name @ url
            found[-1] = found[-1]._replace(skip=True)
            next(words, None)
            continue
        if not word.quoted and found and (comparison := COMPARISON.match(word.text)):  # name >= 1.0
            if comparison.end() == len(word.text):
                next(words, None)
            continue
        bare = word if word.quoted else word._replace(text=word.text.rstrip(".,:!?…") or word.text)
        if written and not word.quoted:
            bare = bare._replace(text=bare.text.rstrip(")*_"))
            if bare.text.lower() == "and" and listed:
                continue
            if not bare.text or bare.text.lower() in english():
                break
        more = _pieces(bare, tool, kind, context)
        found += more
        ended = written and not word.quoted and word.text[-1:] in ".:!?" and not word.text.endswith("...")
        if not more or tool.first_only or ended:
            break
        listed |= word.text.endswith(",") and written
    return (one._replace(skip=True) if elsewhere else one for one in found)


def _is_option(word: Word) -> bool:
    return not word.quoted and word.text.startswith("-")


def _pieces(word: Word, tool: Tool, kind: Way, context: Context) -> list[Found]:
    """The package that a word names, or those of ``a,b``; none if it is no name."""
    parts = re.finditer(r"[^,]+", word.text) if re.fullmatch(r"[\w.-]+(?:,[\w.-]+)+", word.text) else None
    named = [(part[0], word.start + part.start()) for part in parts] if parts else [(word.text, word.start)]
    make = _create if tool.prefix == "create-" else requirement
    found = [make(text, start, tool.ecosystem, kind, context) for text, start in named]
    return [one for one in found if one is not None]


def _create(word: str, start: int, ecosystem: Ecosystem, kind: Way, context: Context) -> Found | None:
    """`npm create vite@latest` runs create-vite; `npm init @scope/x` runs @scope/create-x."""
    one = requirement(word, start, ecosystem, kind, context)
    if one is None or one.skip:
        return one
    scope, slash, name = one.name.rpartition("/")
    return one._replace(name=one.name if name.startswith("create-") else f"{scope}{slash}create-{name}")


def _closer(before: str) -> str:
    """The quote or backtick that is open where ``before`` ends, or nothing."""
    opened = ""
    for match in re.finditer(r"`|(?<![\w\\])'|'(?!\w)|\\?\"", before):
        mark = match[0][-1]
        opened = "" if opened == mark else opened or mark
    return opened


def _words(text: str, at: int, stop: int, closer: str) -> Iterator[Word]:
    """The words of a command from ``at`` on, until it ends: at its line's end, an operator, the closing quote."""
    stop = min(len(text), stop)
    while at < stop:
        if blank := CONTINUED.match(text, at, stop):
            if closer == "`" and "`" in blank[0]:
                return
            at = blank.end()
        if at >= stop or text[at] in "\r\n;|&)#" or text.startswith(("</", "<br", "&#", "&lt;/"), at):
            return
        mark = text[at]
        if mark == closer or (mark == "\\" and text[at + 1 : at + 2] in ("n", "r", "t", closer or "n")):
            return
        if mark in "\"'`":
            end = text.find(mark, at + 1, stop)
            if end < 0 or "\n" in text[at:end] or mark == "`":
                return
            if not AFTER_QUOTE.match(text, end + 1):  # code, and no word of a command
                return
            yield Word(at + 1, text[at + 1 : end], True)
            at = end + 1
            continue
        if mark == "\\" and text[at + 1 : at + 2] in ("'", '"'):
            end = text.find(text[at : at + 2], at + 2, stop)
            if end < 0:
                return
            yield Word(at + 2, text[at + 2 : end], True)
            at = end + 2
            continue
        if mark == "<":
            close = ANGLE.match(text, at, stop)
            if close is None or TAG.match(close[0]):
                return
            yield Word(at, close[0].replace(" ", "-"), True)
            at = close.end()
            continue
        if mark == ">" and text[at + 1 : at + 2] not in "=0123456789 ":
            return
        ended = ENDS.search(text, at, stop)
        end = ended.start() if ended else stop
        bracket = text.find("[", at, end)
        if bracket >= 0 and "]" not in text[bracket:end] and (close := EXTRAS.match(text, bracket + 1, stop)):
            end = close.end()
        if end == at or (mark in "[({" and text[end - 1] not in "])}"):
            return
        yield Word(at, text[at:end], False)
        at = end


def _argument_list(text: str, call: re.Match[str], context_of: ContextOf) -> Iterator[Found]:
    """``[sys.executable, "-m", "pip", "install", "x"]``."""
    groups = call.groupdict()
    more = re.findall(r"[\w-]+", groups.get("more") or "")
    head = HEAD.match(" ".join([groups.get("tool") or "pip", *more, groups.get("verb") or "install"]))
    if head is None or not groups["args"]:
        return
    at = call.start("args")
    words = [
        Word(at + one.start("value"), one["value"], not one["value"].startswith("-"))
        for one in ELEMENT.finditer(groups["args"])
        if one["quote"]
    ]
    context = context_of(call.start())
    yield from _packages(
        iter(words), tool_of(head), "subprocess", "code" if context in ("string", "prose") else context, False
    )
