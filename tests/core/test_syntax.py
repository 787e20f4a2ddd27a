"""What stands round a span: by the trees of five languages, by the line elsewhere, and never an error."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core import syntax
from scrubber.core.syntax import GRAMMARS, Context, contexts
from scrubber.core.types import Span

MARK = "VVV"


def context(text: str, language: str | None) -> Context:
    at = text.index(MARK)
    (found,) = contexts(text, language, [Span(at, at + len(MARK))])
    return found


PYTHON = [
    ('password = "VVV"', Context("string", "password")),
    ('self.cfg["password"] = "VVV"', Context("string", "password")),
    ('users[0].tokens[i] = "VVV"', Context("string", "tokens")),
    ('connect(password="VVV")', Context("string", "password")),
    ('d = {"password": "VVV", 2: 3}', Context("string", "password")),
    ('def f(password: str = "VVV"): pass', Context("string", "password")),
    ('if x.password == "VVV": pass', Context("string", "password")),
    ('user, password = "x", "VVV"', Context("string", "password")),
    ('password = b"VVV".decode()', Context("string", "password")),
    ('password = cfg or "VVV"', Context("string", "password")),
    ('password = (\n    "VVV"\n)', Context("string", "password")),
    ('é = "é"; password = "VVV"', Context("string", "password")),
    ('x.setdefault("A", "VVV")', Context("string", call="setdefault")),
    ('x = {"VVV": 1}', Context("identifier")),
    ('x = environ["VVV"]', Context("identifier")),
    ("password = VVV", Context("identifier", "password", indirect=True)),
    ("password = VVV()", Context("identifier", "password", indirect=True)),
    ('password = f"{salt}VVV"', Context("string", indirect=True)),
    ('password = f"{VVV}"', Context("identifier", "password", indirect=True)),
    ("# password = VVV", Context("comment")),
    ('def f():\n    """password = VVV"""', Context("docstring")),
    ('url = "a long beginning VVV and an end"', Context("string")),  # a piece of a literal is given to nothing
]
OTHERS = [
    ("javascript", "cfg.password = `VVV`;", Context("string", "password")),
    ("javascript", 'let o = {password: "VVV"}', Context("string", "password")),
    ("javascript", "const t = `${salt}VVV`", Context("string", indirect=True)),
    ("javascript", 'if (password === "VVV") {}', Context("string", "password")),
    ("javascript", "/** VVV */", Context("docstring")),
    ("javascript", "// VVV", Context("comment")),
    ("javascript", 'new Client("VVV")', Context("string", call="Client")),
    ("typescript", 'class A { private password: string = "VVV" }', Context("string", "password")),
    ("typescript", 'const password: string = "VVV" as string;', Context("string", "password")),
    ("tsx", 'const a = <Login password="VVV" />;', Context("string", "password")),
    ("java", 'class A { String password = "VVV"; }', Context("string", "password")),
    ("java", 'class A { void f() { c.setPassword("VVV"); } }', Context("string", call="setPassword")),
    ("java", 'class A { char[] password = "VVV".toCharArray(); }', Context("string", "password")),
    ("java", '@A(password = "VVV") class B {}', Context("string", "password")),
    ("go", 'package a\nvar password string = "VVV"', Context("string", "password")),
    ("go", "package a\nfunc f() { user, password := 1, `VVV` }", Context("string", "password")),
    ("go", 'package a\nvar c = Config{Password: "VVV"}', Context("string", "Password")),
    ("go", 'package a\nvar c = map[string]string{"password": "VVV"}', Context("string", "password")),
    ("go", 'package a\nvar password = []byte("VVV")', Context("string", "password")),
    ("go", 'package a\nvar c = map[string]int{"VVV": 1}', Context("identifier")),
]


@pytest.mark.parametrize(("text", "expected"), PYTHON)
def test_python(text: str, expected: Context) -> None:
    assert context(text, "python") == expected


@pytest.mark.parametrize(("language", "text", "expected"), OTHERS)
def test_other_grammars(language: str, text: str, expected: Context) -> None:
    assert context(text, language) == expected


BY_LINE = [
    ("rust", 'let password = "VVV";', Context("string", "password")),
    ("rust", "let password = read(VVV);", Context("identifier", indirect=True)),
    ("csharp", 'c.SetPassword("VVV")', Context("string", call="SetPassword")),
    ("kotlin", "// password: VVV", Context("comment")),
    ("kotlin", 'val s = "http://a VVV"', Context("string")),
    ("yaml", "password: VVV", Context("string", "password")),
    ("ini", "# password=VVV", Context("comment")),
    (None, 'var password string = "VVV"', Context("string", "password")),
]


@pytest.mark.parametrize(("language", "text", "expected"), BY_LINE)
def test_other_languages_are_judged_by_the_line(language: str | None, text: str, expected: Context) -> None:
    assert context(text, language) == expected


def test_missing_wheels_are_made_up_for_by_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(syntax, "import_module", missing)
    syntax.grammar_of.cache_clear()
    try:
        assert context('password = "VVV"', "python") == Context("string", "password")
        assert context("password = VVV", "python") == Context("identifier", "password", indirect=True)
    finally:
        syntax.grammar_of.cache_clear()


@pytest.mark.parametrize("line", ['password = "VVV"\n', 'é(password="VVV", 1)\n', '{"password": "VVV"},\n'])
def test_of_a_long_text_only_what_stands_round_the_span_is_parsed(line: str) -> None:
    text = "x = 1\n" * syntax.LONGEST + line + "y = 2\n" * syntax.LONGEST
    began = time.process_time()
    assert context(text, "python") == Context("string", "password")
    assert time.process_time() - began < 1


@given(
    st.text(alphabet="ab1\"'`=:.,(){}[]#/*\\\n\t $fé\ud800", max_size=80),
    st.sampled_from([*GRAMMARS, "yaml", None]),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_it_never_fails(text: str, language: str | None, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    spans = [Span(start, data.draw(st.integers(start, len(text)))), Span(0, len(text))]
    assert len(contexts(text, language, spans)) == 2


@pytest.mark.parametrize("unit", ["a.b", "if x:\n", "f(", '"""', "/*", "`${"])
@pytest.mark.parametrize("language", ["python", "javascript", "java"])
def test_nonsense_of_a_megabyte_does_not_hold_it_up(unit: str, language: str) -> None:
    text = unit * (2**20 // len(unit))
    began = time.process_time()
    contexts(text, language, [Span(at, at + 3) for at in range(0, 2**20 - 3, 2**19)])
    assert time.process_time() - began < 5


FOLLOWING = {
    "python": ["def g():\n    return 'x'", "class A:\n    b = 1", '@wraps\ndef h(): """d"""', "import os", "x = ["],
    "go": ["func g() {}", "type A struct {}", 'import "fmt"', "func ("],
    "javascript": ["function g() {}", "export default 1;", "class A {", "`"],
}


@pytest.mark.parametrize(("language", "text"), [("python", text) for text, _ in PYTHON] + [row[:2] for row in OTHERS])
def test_what_follows_on_the_top_level_changes_nothing(language: str, text: str) -> None:
    alone = context(text, language)
    for more in FOLLOWING.get(language, ["class B { }"]):
        assert context(f"{text}\n{more}\n{more}", language) == alone


def test_a_line_of_a_string_that_looks_like_a_statement_is_not_taken_for_its_end() -> None:
    text = 'x = """\nVVV\ndef f():\nimport os\n"""\ny = 1\n'
    assert context(text, "python").place == "string"
    assert context('"""\nVVV\nimport os\n"""\nimport os\n', "python") == Context("docstring")


def test_no_more_is_parsed_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []

    def encoded(text: str) -> bytes:
        parsed.append(len(text))
        return text.encode()

    monkeypatch.setattr(syntax, "_encoded", encoded)
    context('password = "VVV"\n\n\n' + "def f():\n    pass\n" * 1000, "python")
    assert parsed == [len('password = "VVV"\n\n\n')]
