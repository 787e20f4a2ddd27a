"""Manifests: requirements, pyproject, PEP 723, package.json, Cargo.toml, go.mod, environment.yml; read line by line.

Not by parsers of the formats: those tell no places, and give nothing of a file that is damaged or cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from scrubber.core.mentions import Ecosystem
from scrubber.detectors._packages.commands import requirement
from scrubber.detectors._packages.found import NAME, Found, normal

Manifest = Literal["requirements", "pyproject", "package.json", "cargo", "go.mod", "environment"]

REQUIREMENTS = re.compile(
    r"(?:.*[-_.])?(?:requirements?|constraints?|reqs?)(?:[-_.].*)?\.(?:txt|in)|(?:.*/)?requirements/[^/]*\.(?:txt|in)",
    re.IGNORECASE,
)
NAMED: dict[str, Manifest] = {
    "pyproject.toml": "pyproject", "package.json": "package.json", "Cargo.toml": "cargo", "go.mod": "go.mod",
    "environment.yml": "environment", "environment.yaml": "environment", "conda.yml": "environment",
    "conda.yaml": "environment",
}  # fmt: skip
# What tells a manifest without a name, in a block of a chat: the languages, and a line that it must have.
SHAPES: tuple[tuple[Manifest, str, str], ...] = (
    ("package.json", "json json5 jsonc", r'"(?:dev|peer|optional)?[dD]ependencies"\s*:\s*\{'),
    ("cargo", "toml", r"^\[(?:workspace\.|target\..*\.)?(?:dev-|build-)?dependencies[\].]"),
    ("pyproject", "toml", r"^\[(?:project|build-system|dependency-groups|tool\.poetry[\w.-]*)\]"),
    ("go.mod", "go mod go.mod", r"^module \S+\s(?:.*\n){0,9}?(?:go \d|require\b)"),
    ("environment", "yaml yml", r"^dependencies:\s*$(?:.*\n){0,200}?[ \t]*- pip:"),
)
SECTION = re.compile(r"^[ \t]*\[\[?([^\]\n]+)\]\]?[ \t]*(?:#.*)?$")
KEY = re.compile(r"""^[ \t]*(?P<quote>["']?)(?P<key>[\w.@/-]+)(?P=quote)[ \t]*=[ \t]*(?P<value>.*)""")
STRING = re.compile(
    r"""(?P<quote>["'])(?P<value>(?:(?!(?P=quote))[^\n\\]|\\.)*)(?P=quote)|#[^\n]*|(?P<close>\])|(?P<open>\[)"""
)
PEP_723 = re.compile(r"^# /// script[ \t]*\n(?P<body>(?:#.*\n){0,500}?)# ///", re.MULTILINE)
NOT_PACKAGES = frozenset(("python",))
ARRAYS = re.compile(r"(?:build-)?requires|dependencies|dev-dependencies|constraint-dependencies|override-dependencies")
MAPS = re.compile(r'"(?:(?:dev|peer|optional|bundled?)?[dD]ependencies|overrides|resolutions)"\s*:\s*\{')
JSON_TOKEN = re.compile(r'"(?P<value>(?:[^"\\\n]|\\.)*)"|[{}\[\]:,]')
ELSEWHERE = re.compile(
    r"(?:file|link|portal|workspace|git\+?\w*|https?|github|gitlab|bitbucket):|[.~/]|[\w-]+/[\w.-]+(?:#|$)"
)
GO_LINE = re.compile(r"^[ \t]*(?:require[ \t]+)?(?P<name>(?=[^/\s]*\.)[\w.~-]+(?:/[\w.~-]+)*)[ \t]+v\d", re.MULTILINE)
GO_REPLACED = re.compile(r"=>[ \t]*(?P<name>[\w-]+\.[\w.~-]+(?:/[\w.~-]+)*)[ \t]+v\d\S*")


def manifest_of(path: str) -> Manifest | None:
    """What the name of a file says."""
    name = path.rpartition("/")[2]
    return NAMED.get(name) or ("requirements" if REQUIREMENTS.fullmatch(path) or REQUIREMENTS.fullmatch(name) else None)


def manifest_like(text: str, language: str) -> Manifest | None:
    """What a text without a name looks like."""
    for kind, languages, shape in SHAPES:
        if (not language or language in languages.split()) and re.search(shape, text, re.MULTILINE):
            return kind
    return None


def entries(text: str, manifest: Manifest) -> Iterator[Found]:
    """Every package that a manifest names."""
    if manifest == "requirements":
        return _requirements(text)
    if manifest in ("pyproject", "cargo"):
        return _toml(text, 0, manifest)
    if manifest == "package.json":
        return _package_json(text)
    return _go_mod(text) if manifest == "go.mod" else _environment(text)


def script_metadata(text: str) -> Iterator[Found]:
    """Packages of the blocks of PEP 723 in a Python script."""
    for block in PEP_723.finditer(text) if "# /// script" in text else ():
        body = re.sub(r"^# ?", lambda mark: " " * len(mark[0]), block["body"], flags=re.MULTILINE)
        yield from _toml(body, block.start("body"), "pyproject")


def own_name(text: str, manifest: Manifest) -> tuple[Ecosystem, str] | None:
    """The name that a project gives itself in its manifest."""
    shape = {
        "pyproject": r"""^\[(?:project|tool\.poetry)\][^\[]*?^name\s*=\s*["']([^"']+)""",
        "cargo": r"""^\[package\][^\[]*?^name\s*=\s*["']([^"']+)""",
        "package.json": r"""^[ \t]*(?:\{\s*)?"name"\s*:\s*"([^"]+)\"""",
        "go.mod": r"^module[ \t]+(\S+)",
    }.get(manifest)
    match = re.search(shape, text, re.MULTILINE) if shape else None
    ecosystem: Ecosystem = {"pyproject": "pypi", "cargo": "crates", "package.json": "npm"}.get(manifest, "go")  # type: ignore[assignment]
    return (ecosystem, normal(ecosystem, match[1])) if match else None


def _requirements(text: str) -> Iterator[Found]:
    continued = False
    for line in re.finditer(r"[^\n]+", text):
        inner = re.match(r"\s*", line[0]).end()  # type: ignore[union-attr]
        content = re.split(r"\s#|^\s*#|\s--hash|\s\\$|\s--\w", line[0])[0].rstrip().rstrip("\\").rstrip()
        before, continued = continued, line[0].rstrip().endswith("\\")
        if not before and content[inner:] and not content.lstrip().startswith("-"):
            yield from _one(content[inner:], line.start() + inner)


def _one(text: str, start: int) -> Iterator[Found]:
    """A requirement of PEP 508, from a URL or not."""
    if found := requirement(text, start, "pypi", "manifest", "code"):
        yield found._replace(skip=True) if re.match(r"[\w.\[\], -]+@[ \t]*\S", text) else found


def _toml(text: str, base: int, manifest: Manifest) -> Iterator[Found]:
    section, at = "", 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        if head := SECTION.match(line):
            section = head[1].strip()
            one = re.fullmatch(r".*dependencies\.([\w-]+)", section)
            if one and manifest == "cargo":  # [dependencies.serde]
                place = at + line.index(one[1], line.index("dependencies."))
                rest = text[end : text.find("\n[", end) if text.find("\n[", end) >= 0 else len(text)]
                yield from _cargo(one[1], place + base, rest)
        elif key := KEY.match(line):
            value = at + key.start("value")
            if manifest == "cargo" and section.endswith("dependencies"):
                yield from _cargo(key["key"], at + key.start("key") + base, key["value"])
            elif manifest == "pyproject" and re.fullmatch(
                r"tool\.poetry\.(?:group\.[\w-]+\.)?(?:dev-)?dependencies", section
            ):
                if key["key"].lower() not in NOT_PACKAGES:
                    name, elsewhere = key["key"], re.search(r"\b(?:git|path|url)\s*=", key["value"])
                    place = at + key.start("key") + base
                    yield Found(
                        place,
                        place + len(name),
                        "pypi",
                        "manifest",
                        "code",
                        name,
                        normal("pypi", name),
                        skip=bool(elsewhere),
                    )
            elif manifest == "pyproject" and key["value"].startswith("[") and _holds_requirements(section, key["key"]):
                end = max(end, value)
                for place, item in _strings(text, value + 1):
                    yield from _one(item, place + base)
        at = end + 1


def _holds_requirements(section: str, key: str) -> bool:
    if section in ("project.optional-dependencies", "dependency-groups"):
        return True
    return section in ("", "project", "build-system", "tool.uv", "tool.pdm") and ARRAYS.fullmatch(key) is not None


def _strings(text: str, at: int) -> Iterator[tuple[int, str]]:
    """Offset and text of each string up to the end of the array that begins before ``at``; tables in it are passed over."""
    depth = 1
    stop = re.compile(r"^[ \t]*(?:\[[\w.\"-]+\][ \t]*$|[\w-]+[ \t]*=)", re.MULTILINE).search(text, at)
    for match in STRING.finditer(text, at, stop.start() if stop else len(text)):
        depth += bool(match["open"]) - bool(match["close"])
        if not depth:
            return
        if match["value"] and not re.search(r"=[ \t]*$", text[max(0, match.start() - 20) : match.start()]):
            yield match.start("value"), match["value"]


def _cargo(key: str, start: int, value: str) -> Iterator[Found]:
    if not NAME["crates"].fullmatch(key):
        return
    renamed = re.search(r'\bpackage\s*=\s*"([\w-]+)"', value)
    elsewhere = re.search(r"\b(?:git|path)\s*=", value) or "workspace" in value
    name = normal("crates", renamed[1] if renamed else key)
    yield Found(start, start + len(key), "crates", "manifest", "code", key, name, skip=bool(elsewhere))


def _package_json(text: str) -> Iterator[Found]:
    """Keys of the maps of dependencies, those of maps within (overrides) too, each with the version that it is given."""
    done = 0
    for head in MAPS.finditer(text):
        if head.start() < done:  # a map within a map
            continue
        depth, key, value_next = 1, None, False
        for token in JSON_TOKEN.finditer(text, head.end()):
            mark, done = token[0], token.end()
            if mark in "{}[]":
                depth += 1 if mark in "{[" else -1
                if not depth:
                    break
                if mark == "{" and key and value_next:
                    yield from _npm(key["value"], key.start("value"), "")
                key, value_next = None, False
            elif mark == ":":
                value_next = True
            elif mark == ",":
                key, value_next = None, False
            elif key and value_next:
                yield from _npm(key["value"], key.start("value"), token["value"])
            else:
                key = token


def _npm(key: str, start: int, version: str) -> Iterator[Found]:
    name = key.rpartition("**/")[2]
    if key == ".":  # an override of the package round it
        return
    if version.startswith("npm:"):
        name = re.sub(r"(?<=.)@[^/]*$", "", version[4:])
    elif "@" in name[1:]:  # an override of one version
        name = name[: name.index("@", 1)]
    if NAME["npm"].fullmatch(name):
        elsewhere = ELSEWHERE.match(version) is not None
        yield Found(start, start + len(key), "npm", "manifest", "code", key, name.lower(), skip=elsewhere)


def _go_mod(text: str) -> Iterator[Found]:
    for pattern in (GO_LINE, GO_REPLACED):
        for match in pattern.finditer(text):
            yield Found(*match.span("name"), "go", "manifest", "code", match["name"], match["name"])


def _environment(text: str) -> Iterator[Found]:
    """The part of pip: conda's own names are those of another registry."""
    for head in re.finditer(r"^(?P<indent>[ \t]*)-[ \t]*pip:[ \t]*(?:#.*)?$", text, re.MULTILINE):
        for line in re.compile(r"\n(?P<indent>[ \t]*)(?:-[ \t]+(?P<item>[^\n]*))?(?P<other>[^\n]*)").finditer(
            text, head.end()
        ):
            item = re.sub(r"\s#.*", "", line["item"] or "").strip().strip("\"'")
            if line["item"] is None and not line["other"].strip().startswith("#") and line["other"].strip():
                break
            if item and len(line["indent"]) <= len(head["indent"]):
                break
            if item and not item.startswith("-"):
                yield from _one(item, text.index(item, line.start("item")))
