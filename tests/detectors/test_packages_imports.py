"""Imports are found in whole, damaged and cut-off code, each once, at its place, with what it stands in."""

from __future__ import annotations

import ast
import random
import sysconfig
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.types import Document
from scrubber.detectors._packages import javascript, python
from scrubber.detectors._packages.extract import mentions
from scrubber.detectors._packages.found import npm_package

CODE = '''import os.path as path, yaml
from b1.sub import (
    c, d)
from . import rel
from .x import y
"""A docstring.

>>> import doc1
Use import the module. Goods that they import from abroad.
"""
# import comment1
if True: import a1; import a2
x = "import str1"
é = __import__("dyn1"), importlib.import_module('dyn2.sub')
# please import the data from here
try:
    import \\
        maybe1
except ImportError:
    from maybe2 import z
'''


def test_every_form_of_python() -> None:
    found = list(python.imports(CODE))
    assert all(CODE[one.start : one.end] == one.raw for one in found)
    told = [(one.name, one.kind, one.context, one.conditional) for one in found]
    assert sorted(told) == sorted(
        [
            ("os", "import", "code", False), ("yaml", "import", "code", False), ("b1", "import", "code", False),
            ("doc1", "import", "docstring", False), ("comment1", "import", "comment", False),
            ("a1", "import", "code", False), ("a2", "import", "code", False), ("str1", "import", "string", False),
            ("dyn1", "dynamic-import", "code", False), ("dyn2", "dynamic-import", "code", False),
            ("maybe1", "import", "code", True), ("maybe2", "import", "code", True),
        ]
    )  # fmt: skip
    assert {one.modules for one in found if one.name == "b1"} == {("b1.sub.c", "b1.sub.d")}


TYPESCRIPT = """import type {A} from 'a-pkg'; export * from "@s/b/c"; import './x.css'; import "side";
const z = await import(/* webpackChunkName: "z" */ 'dyn'); // import q from 'in-comment'
import fs = require("fs"); require.resolve("res/x"); const s = "require('in-string')";
import a from '@/alias'; import {b} from "~/x"; import {
  many,
  names } from 'multi/deep/path.js'
const no = Array.from('abc'), {from} = 'x'; import x from 'cut-off"""


def test_every_form_of_typescript() -> None:
    found = list(javascript.imports(TYPESCRIPT, "typescript"))
    assert all(TYPESCRIPT[one.start : one.end] == one.raw for one in found)
    assert sorted((one.name, one.kind, one.context) for one in found) == sorted(
        [
            ("a-pkg", "import", "code"), ("@s/b", "import", "code"), ("side", "import", "code"),
            ("dyn", "dynamic-import", "code"), ("in-comment", "import", "comment"), ("fs", "import", "code"),
            ("res", "import", "code"), ("in-string", "import", "string"), ("multi", "import", "code"),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("specifier", "package"),
    [
        ("lodash/fp", "lodash"), ("@a/b/c", "@a/b"), ("node:fs", "node:fs"), ("npm:chalk@5/x", "chalk"), ("./x", None),
        ("/x", None), ("#internal", None), ("@/x", None), ("~/x", None), ("https://x.org/y.js", None), ("$lib/x", None),
        ("raw-loader!./x", None), ("style-loader!css-loader", "css-loader"), ("x?raw", "x"), ("@scope", None),
    ],
)  # fmt: skip
def test_the_package_of_a_specifier(specifier: str, package: str | None) -> None:
    assert npm_package(specifier) == package


CHAT = """Install it:
```bash
pip install flask-thing
```
```python
import cv2
%pip install magic-thing
```
```js
import x from 'left-pad'
```
then `npm i chalk`. You import the module from there.
~~~toml
[dependencies]
serde = "1"
~~~
```
import unlabelled
```
```python
import cut_off
"""


def test_chat_with_blocks() -> None:
    found = mentions(Document("answer", CHAT, origin="generation"))
    assert all(CHAT[one.start : one.end] == one.raw for one in found)
    assert [(one.name, one.ecosystem, one.kind, one.context) for one in found] == [
        ("flask-thing", "pypi", "install", "code"), ("cv2", "pypi", "import", "code"), ("magic-thing", "pypi", "magic", "code"),
        ("left-pad", "npm", "import", "code"), ("chalk", "npm", "install", "prose"), ("serde", "crates", "manifest", "code"),
        ("unlabelled", "pypi", "import", "code"), ("cut_off", "pypi", "import", "code"),
    ]  # fmt: skip


def test_a_bare_completion_is_taken_for_what_it_looks_like() -> None:
    found = mentions(Document("c", "import numpy as np\n\n\ndef f(x):\n    return np.sum(x", origin="generation"))
    assert [(one.name, one.context) for one in found] == [("numpy", "code")]
    found = mentions(Document("c", "const a = require('chalk');\nconsole.log(a", origin="generation"))
    assert [(one.name, one.context) for one in found] == [("chalk", "code")]


def truth(text: str) -> set[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = list(ast.walk(ast.parse(text)))
    plain = {name.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return plain | {
        str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level
    }


def damaged(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at = dice.choice([number for number, line in enumerate(lines) if "import" not in line] or [0])
    line = lines[at]
    shuffled = "".join(dice.sample(line, len(line)))
    lines[at] = dice.choice([line[: len(line) // 2], line + " (((", shuffled, line[:3] + '"' + line[3:], line + '"""'])
    return "\n".join(lines)


@pytest.mark.middle
def test_real_files_whole_damaged_and_cut() -> None:
    """The standard library of the running Python; `benchmarks/packages.py` measures more of it."""
    dice = random.Random(1)
    hit = {"whole": 0, "damaged": 0}
    total = wrong = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::2]:
        text = path.read_text(encoding="utf-8")
        expected = truth(text)
        total += len(expected)
        found = {one.name for one in python.imports(text) if one.context == "code" and one.kind == "import"}
        hit["whole"] += len(found & expected)
        wrong += len(found - expected)
        hit["damaged"] += len({one.name for one in python.imports(damaged(text, dice))} & expected)
        cut = text[: dice.randrange(len(text))]
        for one in python.imports(cut):
            assert cut[one.start : one.end] == one.raw
    assert total > 300
    assert hit["whole"] >= 0.999 * total
    assert hit["damaged"] >= 0.98 * total
    assert wrong <= 0.001 * total


PIECES = st.sampled_from(
    ["import ", "from ", "a.b", " as c", ", d", "(", ")", "\n", "\\\n", '"""', "'", "# ", "if x:", "    ", "é", "try:", "@",
     "except ImportError:", "require('x')", "import('y')", "`", "from 'z'", ";", "{", "}", "/*", "*/", "//", "\t", "\x00"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIECES, max_size=40).map("".join),
    st.sampled_from(["python", "javascript", "typescript", "markdown", None]),
)
def test_any_text_has_sound_spans(text: str, language: str | None) -> None:
    for one in mentions(Document("d", text, language=language)):
        assert text[one.start : one.end] == one.raw


@pytest.mark.parametrize(
    "piece", ["import a\n", "import {", "require(", "from 'x'", "import a, ", ">>> ", "`" * 3 + "\n", "import (", '"']
)
def test_long_repeats_take_no_longer_than_they_are(piece: str) -> None:
    text = piece * (20_000 // len(piece))
    for language in ("python", "typescript", None):
        began = time.process_time()
        mentions(Document("d", text, language=language))
        assert time.process_time() - began < 3
