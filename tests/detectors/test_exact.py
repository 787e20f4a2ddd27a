"""The exact profile finds what detect-secrets itself finds: the same types and values on the same lines of every file."""

from __future__ import annotations

import base64
import json
import random
import re
import string
import sysconfig
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings, get_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrubber.core.types import Document, Hit, Span
from scrubber.detectors._exact_expressions import FOLDING, HEADS, KEYWORD_GROUPS, KEYWORD_TYPE
from scrubber.detectors._exact_lines import secrets_in
from scrubber.detectors.exact import RULES, detector

ALPHANUMERIC = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
URL_SAFE = ALPHANUMERIC + "-_"
HEX = "0123456789abcdef"
Found = set[tuple[str, int, str]]  # type, line, SHA-1 of the value
Engine = Callable[[str], list[Hit]]

DETECTOR = detector()
PATTERNS = DETECTOR.patterns()


def by_re() -> Engine:
    compiled = [(pattern.rule, re.compile(pattern.regex)) for pattern in PATTERNS]

    def hits(text: str) -> list[Hit]:
        return [Hit(rule, Span(*match.span()), 0.0) for rule, regex in compiled for match in regex.finditer(text)]

    return hits


def by_vectorscan() -> Engine:
    """Only the ends of matches are known, lookarounds count for nothing, and a character beyond ASCII is a "?"."""
    import hyperscan

    database = hyperscan.Database()
    database.compile(
        expressions=[pattern.regex.encode() for pattern in PATTERNS],
        ids=list(range(len(PATTERNS))),
        elements=len(PATTERNS),
        flags=[hyperscan.HS_FLAG_PREFILTER] * len(PATTERNS),
    )

    def hits(text: str) -> list[Hit]:
        ends: list[Hit] = []

        def event(number: int, start: int, end: int, flags: int, context: object) -> None:
            ends.append(Hit(PATTERNS[number].rule, Span(end - 1, end), 0.0))

        database.scan(text.encode("ascii", "replace"), match_event_handler=event)
        return ends

    return hits


def installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


ENGINES = {"re": by_re(), **({"vectorscan": by_vectorscan()} if installed("hyperscan") else {})}


def line_of(text: str, at: int) -> int:
    return len(re.findall(r"\r\n?|\n", text[:at])) + 1


def ours(text: str, path: Path, engine: Engine) -> Found:
    hits = engine(text)
    if not hits and not DETECTOR.always(Document("d", text, path=str(path))):
        return set()
    return {
        (secret.type, line_of(text, secret.span.start), sha1(secret.value.encode()).hexdigest())
        for secret in secrets_in(text, str(path), hits)
    }


def theirs(path: Path, text: str) -> Found:
    """A line that the library reports beyond the end of the file, as it may for YAML, is the last one: a span is in it."""
    last = 1 + sum(match.end() < len(text) for match in re.finditer(r"\r\n?|\n", text))
    collection = SecretsCollection()
    with default_settings():
        collection.scan_file(str(path))
    return {(secret.type, min(secret.line_number, last), secret.secret_hash) for _, secret in collection}


def compare(path: Path, text: str) -> Found:
    """What both find. A difference is reported by types and lines: values of test data stay out of logs, too."""
    path.write_bytes(text.encode())
    wanted = theirs(path, text)
    for name, engine in ENGINES.items():
        got = ours(text, path, engine)
        missing, surplus = ([found[:2] for found in found_set] for found_set in (wanted - got, got - wanted))
        assert not missing and not surplus, (name, path.name, missing, surplus)  # noqa: PT018
    return wanted


def drawn(rng: random.Random, alphabet: str, least: int, most: int | None = None) -> str:
    return "".join(rng.choices(alphabet, k=rng.randint(least, most or least)))


def web_token(rng: random.Random) -> str:
    parts = [{"alg": "HS256", "n": drawn(rng, HEX, 3)}, {"sub": drawn(rng, LOWER, 8)}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, drawn(rng, URL_SAFE, 0, 43)][: rng.randint(2, 3)])


# Put together here, so that no file holds anything that looks like a credential.
VALUES: dict[str, Callable[[random.Random], str]] = {
    "AWS Access Key": lambda r: r.choice(("AKI" + "A", "ASI" + "A", "A3" + "TX")) + drawn(r, UPPER, 16),
    "AWS Access Key secret": lambda r: f"aws_{r.choice(('key', 'token', 'PW'))} = '{drawn(r, ALPHANUMERIC + '+/', 40)}'",
    "Artifactory Credentials": lambda r: r.choice(("AK" + "C", "AP" + "5", "AP" + "B")) + drawn(r, ALPHANUMERIC, 9, 20),
    "Azure Storage Account access key": lambda r: "Account" + "Key=" + drawn(r, ALPHANUMERIC + "+/", 86) + "==",
    "Base64 High Entropy String": lambda r: drawn(r, ALPHANUMERIC + "+/\\-_=", 20, 60),
    "Basic Auth Credentials": lambda r: "https:/" + f"/{drawn(r, LOWER, 5)}:{drawn(r, ALPHANUMERIC, 9)}@host.io",
    "Cloudant Credentials": lambda r: f"cloudant_{r.choice(('key', 'pw', 'api_token'))} = {drawn(r, HEX, 64)}",
    "Cloudant Credentials letters": lambda r: f"cl-api-key:: '{drawn(r, string.ascii_lowercase, 24)}'",
    "Cloudant Credentials URL": lambda r: "https:/" + f"/ab-c:{drawn(r, HEX, 64)}@ab-c.cloudant.com",
    "Discord Bot Token": lambda r: "M" + ".".join(drawn(r, URL_SAFE, n) for n in (23, 6, 27)),
    "GitHub Token": lambda r: "gh" + r.choice("pousr") + "_" + drawn(r, ALPHANUMERIC, 36),
    "GitLab Token": lambda r: "gl" + r.choice(("pat-", "rt-", "cbt-0a_", "agent-")) + drawn(r, URL_SAFE, 20, 60),
    "GitLab Token registration": lambda r: "GR13" + "48941" + drawn(r, URL_SAFE, 20),
    "Hex High Entropy String": lambda r: drawn(r, HEX, 8, 64),
    "Hex High Entropy String of digits": lambda r: drawn(r, string.digits, 16, 40),
    "IBM COS HMAC Credentials": lambda r: f"cos_secret-access-key={drawn(r, HEX, 48)}",
    "IBM Cloud IAM Key": lambda r: f"ibm_cloud_iam_api_key: '{drawn(r, URL_SAFE, 44)}'",
    "JSON Web Token": web_token,
    "Mailchimp Access Key": lambda r: drawn(r, LOWER, 32) + "-us" + drawn(r, string.digits, 1, 2),
    "NPM tokens": lambda r: "/" + "/registry.x.org/:_authToken=np" + "m_" + drawn(r, ALPHANUMERIC, 36),
    "NPM tokens UUID": lambda r: "/" + "/registry.x.org/:_authToken=" + drawn(r, HEX + "-", 36),
    "OpenAI Token": lambda r: "sk" + "-" + drawn(r, ALPHANUMERIC, 20) + "T3Blbk" + "FJ" + drawn(r, ALPHANUMERIC, 20),
    "Private Key": lambda r: "BEGIN " + r.choice(("", "RSA ", "EC ", "OPENSSH ")) + "PRIVATE KEY-----",
    "PyPI Token": lambda r: "pypi-" + "AgEIcHlwaS5" + "vcmc" + drawn(r, URL_SAFE, 70, 90),
    "SendGrid API Key": lambda r: "S" + "G." + drawn(r, URL_SAFE, 22) + "." + drawn(r, URL_SAFE, 43),
    "Slack Token": lambda r: r.choice(("xo" + "xb-", "XO" + "XP-")) + drawn(r, "0123456789٣", 9) + "-" + drawn(r, LOWER, 9),
    "Slack Token webhook": lambda r: "https:/" + f"/hooks.slack.com/services/T{drawn(r, UPPER, 8)}/B1/{drawn(r, LOWER, 9)}",
    "SoftLayer Credentials": lambda r: f"sl_api_key = {drawn(r, LOWER, 64)}",
    "SoftLayer Credentials URL": lambda r: "http:/" + f"/api.softlayer.com/soap/v3/{drawn(r, LOWER, 64)}",
    "Square OAuth Secret": lambda r: "sq0" + "csp-" + drawn(r, URL_SAFE + "\\", 43),
    "Stripe Access Key": lambda r: r.choice("rs") + "k_" + "live_" + drawn(r, ALPHANUMERIC, 24),
    "Telegram Bot Token": lambda r: drawn(r, "0123456789٣", 9) + ":" + drawn(r, URL_SAFE, 35),
    "Twilio API Key": lambda r: r.choice(("A" + "C", "S" + "K")) + drawn(r, LOWER, 32),
}  # fmt: skip
NAMES = (
    "password", "my_Password2", "api_key", "APIKEY", "self.secret", "secret_token", "db_pass", "databasePass", "pwd", "Passwd",
    "private_key", "client-key", "auth_key['x']", "contraseña", "CONTRASEÑA", "contrasena", "service_keyé", "account_key",
    "user_id", "x", "d['pwd']", 'c["secret"]', "keypass", "pa\u017f\u017fword", "AP\u0130_KEY", "api_\u212aey", "token", "ids",
)  # fmt: skip
SIGNS = (
    " = ", "=", ": ", ":", " := ", "==", " === ", " != ", "!==", " => ", "=>", "[] = ", "[25] = @", "(", ".assign(",
    " ", ": str = ", " =\u3000", ":\xa0", " =\x0b", " =\x1c", "\x0c= ", " =\t", "\u2003=\u2003", ":\u0085", "']= ", " ? ",
    '": ', ",",
)  # fmt: skip
QUOTES = ("'", '"', "'", '"', "`", "", 'f"', "'''")
ENDS = ("", "", ";", ",", ")", "  ", "\t", " # é", "]", "\x0b", " \u3000", "  # nosec", " ! ", "},")
MARKS = ("allow" + "list", "white" + "list", "allow" + "list nextline", "allow" + "list-nextline")
NOISE = (
    "", "   ", "import os", "def f(a, b):", "    return None", "# пароль: нет", "密码 = 'x'", "x = {'a': 1}", "}", "; no",
    "[a]x", "[main]", "a: 1", "b = %(a)s", "\x0c", "\x0b", "host = 1.2.3.4", "ip = '8.8.8.8'", "...",
    "https:/" "/example.org/a?b=c",
    "'password' == self.pwd", "\"abc12\" !== my_secret_x", "if 'abc1' === secret: pass", "\u2028", "\ufeffx", "key:",
)  # fmt: skip


def a_value(rng: random.Random) -> str:
    if rng.random() < 0.25:
        return drawn(rng, ALPHANUMERIC + "$%{}<>.,?(): é", 0, 14)
    return VALUES[rng.choice(tuple(VALUES))](rng)


def a_mark(rng: random.Random) -> str:
    return f"{rng.choice(('#', '//', '/*', '--', ';'))} pragma: {rng.choice(MARKS)} secret"


def a_line(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(NOISE)
    if kind < 0.30:
        return a_mark(rng)
    quote = rng.choice(QUOTES)
    value = a_value(rng)
    if kind < 0.4:
        line = f"{quote}{value}{quote[-1:]} {rng.choice(('==', '!=', '==='))} {rng.choice(NAMES)}"
    elif kind < 0.5:
        line = f"{rng.choice(('', '    ', 'f('))}{value}{rng.choice(ENDS)}"
    else:
        head = rng.choice(("", "", "    ", "\t", "var ", "é ", "char "))
        line = f"{head}{rng.choice(NAMES)}{rng.choice(SIGNS)}{quote}{value}{quote[-1:]}{rng.choice(ENDS)}"
    if rng.random() < 0.06:
        line += " " + a_mark(rng)
    if rng.random() < 0.15:  # break something
        at = rng.randrange(len(line) + 1)
        line = line[:at] + rng.choice("'\"`;=:?\x0b\x0c\x1c\xa0é\u0131 ()[]%") + line[at + rng.randint(0, 1) :]
    return line


def of_lines(rng: random.Random) -> list[str]:
    return [a_line(rng) for _ in range(rng.randint(0, 25))]


def of_crowded_lines(rng: random.Random) -> list[str]:
    return [rng.choice((" ", "", ", ")).join(of_lines(rng)[:8]) for _ in range(rng.randint(1, 6))]


def of_long_lines(rng: random.Random) -> list[str]:
    filler = ("x" * 50_000, "abc " * 12_000, "'a', " * 9_000, "ü" * 20_000)
    return [rng.choice(filler) + a_line(rng) + " " + a_line(rng) + rng.choice(filler), a_line(rng)]


def of_config(rng: random.Random) -> list[str]:
    """An INI file, with or without its first section, of repeated keys at times, and values over many lines."""
    lines = rng.choice(([], ["[main]"], ["", "# c", "[main]"], ["; c", "[a.b]"]))[:]
    for number in range(rng.randint(1, 12)):
        name = re.sub(r"\W", "", rng.choice(NAMES)) + str(rng.choice((number, number, number, 1)))
        quote = rng.choice(("", "", '"', "'"))
        lines.append(f"{name}{rng.choice(('=', ' = ', ': ', ':'))}{quote}{a_value(rng)}{quote}")
        if rng.random() < 0.3:
            lines += [f"  {a_value(rng)}", *rng.choice(([], ["", "    # c"], ["   more"]))]
        if rng.random() < 0.2:
            lines.append(rng.choice(("", f"[s{number}]", "# comment", "# pragma: " + MARKS[2] + " secret", "line")))
    return lines


def of_yaml(rng: random.Random) -> list[str]:
    def quoted() -> str:
        return json.dumps(a_value(rng))

    lines = rng.choice((["---"], [], ["# c"]))[:]
    for number in range(rng.randint(1, 10)):
        name = re.sub(r"\W", "", rng.choice(NAMES)) + str(number)
        lines += rng.choice((
            [f"{name}: {drawn(rng, ALPHANUMERIC + '/+', 8, 50)}{rng.choice(('', '  # c', f'  # pragma: {MARKS[0]} secret'))}"],
            [f"{name}: {quoted()}", f"b{number}: {{{name}: {quoted()}, c: 3}}"],
            [f"{name}:", f"  - inner: {quoted()}", f"    k: [1, {quoted()}]", "  - x"],
            [f"{name}: |", f"    {drawn(rng, ALPHANUMERIC, 30)}", "    two", ""],
            [f"{name}: >-", f"    {drawn(rng, HEX, 32)}", f"    {drawn(rng, HEX, 20)}"],
            [f"{name}: !!binary {base64.b64encode(drawn(rng, HEX, 30).encode()).decode()}"],
            [f"{name}: &a{number} {quoted()}", f"z{number}: *a{number}"],
            [f"{name}: 'é {drawn(rng, LOWER, 9)}'", "# pragma: " + MARKS[2] + " secret"],
        ))  # fmt: skip
    return lines + rng.choice(([], [], ["  bad: [", "x"]))


SHAPES = (of_lines, of_lines, of_crowded_lines, of_config, of_yaml)
SUFFIXES = (
    ".py", ".py", ".js", ".ts", ".go", ".java", ".c", ".cpp", ".cs", ".m", ".h", ".json", ".md", ".txt", ".env", "", ".sh",
    ".tf", ".yaml", ".yml", ".eyaml", ".ini", ".cfg", ".conf", ".properties", ".toml", ".cls", ".swift", ".php", ".example",
    ".css", ".rb",
)  # fmt: skip


def a_text(rng: random.Random, shape: Callable[[random.Random], Sequence[str]]) -> str:
    end = rng.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\r"))
    ends = (end, end, end, "\n") if rng.random() < 0.1 else (end,)
    return "".join(line + rng.choice(ends) for line in shape(rng))[: rng.choice((None, None, -1))]


def generated(rng: random.Random, folder: Path, count: int, shapes: Sequence[Callable[..., Sequence[str]]]) -> Found:
    found: Found = set()
    for number in range(count):
        path = folder / f"f{number}{rng.choice(SUFFIXES)}"
        found |= compare(path, a_text(rng, rng.choice(shapes)))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_generated_files_of_every_type_have_the_findings_of_the_library(seed: int, tmp_path: Path) -> None:
    assert len(generated(random.Random(seed), tmp_path, 100, SHAPES)) > 100


@pytest.mark.middle
def test_very_long_lines_have_the_findings_of_the_library(tmp_path: Path) -> None:
    assert generated(random.Random(7), tmp_path, 6, (of_long_lines,))


def test_every_type_is_found_in_each_of_the_usual_files(tmp_path: Path) -> None:
    rng = random.Random(8)
    lines = [f"x{number} = '{make(rng)}'" for number, make in enumerate(VALUES.values())]
    lines += [make(rng) for make in VALUES.values()] + [f"password = '{drawn(rng, ALPHANUMERIC, 9)}'"]
    for suffix in (".py", ".js", ".go", ".c", ".java", ".json", ".md", ".txt"):
        found = compare(tmp_path / f"f{suffix}", "\n".join((*lines, "")))
        never = {"Public IP (ipv4)"} | ({KEYWORD_TYPE} if suffix == ".c" else set())
        assert {kind for kind, _, _ in found} == set(RULES) - never


PIECES = st.sampled_from(
    (*NAMES, *SIGNS, *QUOTES, *ENDS, *NOISE, *"\n\n\n\r", "\r\n", "# pragma: " + MARKS[0] + " secret", "[s]\n", "  ", "- ")
)  # fmt: skip
SECRETS = st.builds(
    lambda kind, seed: VALUES[kind](random.Random(seed)), st.sampled_from(list(VALUES)), st.integers(0, 99)
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(
    st.lists(PIECES | SECRETS | st.text(max_size=3) | st.characters(codec="utf-8", max_codepoint=0x300), max_size=30),
    st.sampled_from(SUFFIXES),
)
def test_any_text_has_the_findings_of_the_library(tmp_path: Path, pieces: list[str], suffix: str) -> None:
    text = "".join(pieces).encode("utf-8", "ignore").decode()
    found = compare(tmp_path / f"f{suffix}", text)
    assert {kind for kind, _, _ in found} <= set(RULES)


@pytest.mark.middle
def test_the_standard_library_has_the_findings_of_the_library(tmp_path: Path) -> None:
    paths = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    random.Random(9).shuffle(paths)
    count = size = 0
    for path in paths:
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        if len(text) < 8_000 and "site-packages" not in path.parts:
            compare(tmp_path / path.name, text)
            count, size = count + 1, size + len(text)
        if count == 300 or size > 600_000:
            break
    assert count > 150


SECRET = drawn(random.Random(10), ALPHANUMERIC, 40)
UNQUOTED = f"value = {SECRET}"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.py", UNQUOTED + "\n", set()),  # only a configuration file has values without quotes
        ("a.py", "# c\n\n[main]\n" + UNQUOTED + "\n", {4}),  # and a module that reads as one is one
        ("a.py", "[main]\nimport os\n" + UNQUOTED + "\n", set()),
        ("a.env", UNQUOTED + "\n", {1}),  # the eager try, for files of no known type
        ("a.env", "words alone\n" + UNQUOTED + "\n", set()),
        ("a.env", f"k = x\n  {SECRET}\n", {2}),
        ("a.env", f"'{SECRET}' = 1\n{UNQUOTED[:-1]}\n", {1}),  # is not made where the first had a finding
        ("a.toml", UNQUOTED + "\n", set()),
        ("a.yaml", f"- k: {SECRET}\n", {1}),
        ("a.yaml", f"k: [\n'{SECRET}'\n", {2}),  # no YAML: read as it is
        ("a.js", f"x\r'{SECRET}'\r\n\n\r'{SECRET[1:]}'", {2, 5}),
        ("a.js", f"'{SECRET}'\n" * 3, {1}),  # the first of equal values
        ("a.js", f"# pragma: {MARKS[2]} secret\n'{SECRET}'\n'{SECRET}'", {3}),  # that is not marked
        ("a.js", f"# pragma: {MARKS[2]} secret\n\n'{SECRET}'", {3}),
        ("a.js", f"'{SECRET}' // pragma: {MARKS[0]} secret", set()),
        ("a.svg", f"'{SECRET}'", set()),
        ("yarn.lock", f"'{SECRET}'", set()),
        ("swagger.py", f"'{SECRET}'", set()),
        ("a.py", "", set()),
        ("a.py", f"x_id = '{SECRET}'", set()),  # an identifier
        ("a.py", f"{SECRET} x_id = '{SECRET}'", {1}),  # but not where the value stands before the name
        ("a.py", f"a_id-{SECRET} = 'a_id-{SECRET}'", {1}),
        ("a.py", f"'{''.join(random.Random(11).sample(ALPHANUMERIC, 23))}'", {1}),  # of just the entropy that it takes
        ("a.py", "https:/" "/us\u00e9r:gr\u00fcn9x@host.io", {1}),
        ("a.py", "my_\u212aEY = api_\u212aey = 'abc123'", {1}),
        ("a.go", "password := abc123", {1}),
        ("a.py", "password := abc123", set()),
    ],
)  # fmt: skip
def test_what_detect_secrets_makes_of_a_file(name: str, text: str, lines: set[int], tmp_path: Path) -> None:
    assert {line for _, line, _ in compare(tmp_path / name, text)} == lines


def found_by_confirm(text: str, path: str) -> list[tuple[str, str]]:
    hits = DETECTOR.confirm(Document("d", text, path=path), ENGINES["re"](text))
    return [(hit.rule, text[hit.span.start : hit.span.end]) for hit in hits]


def test_a_span_is_the_value_itself_though_the_name_is_the_same() -> None:
    assert found_by_confirm("password = 'password'", "a.py") == [("keyword-assignment", "password")]
    (hit,) = DETECTOR.confirm(
        Document("d", "password = 'password'", path="a.py"), ENGINES["re"]("password = 'password'")
    )
    assert hit.span == Span(12, 20)


def test_a_value_is_found_after_its_name_in_a_file_that_was_rewritten() -> None:
    text = "[s]\npassword=password\n"
    (hit,) = DETECTOR.confirm(Document("d", text, path="a.ini"), ())
    assert hit.span == Span(13, 21)


def test_the_span_is_the_line_where_the_value_was_rewritten() -> None:
    assert found_by_confirm('[s]\n  password = ab"cd"e1 \n', "a.ini")[0] == (
        "keyword-assignment",
        'password = ab"cd"e1',
    )


def test_a_file_is_asked_for_without_a_hit_only_where_a_transformer_may_bring_findings() -> None:
    def always(text: str, path: str) -> bool:
        return bool(DETECTOR.always(Document("d", text, path=path)))

    assert not always('"""A module."""\n\nx = 1\n', "a.py")
    assert not always('{\n"a": 1\n}\n', "a.json")
    assert not always("# é\nimport os\n", "a.py")
    assert always("a: 1\n", "a.yaml")
    assert always("[s]\na = 1\n", "a.py")
    assert always("import os\n" + FOLDING, "a.py")
    assert not always("a: 1\n", "swagger.yaml")


def test_yaml_at_which_detect_secrets_itself_would_stop_is_read_as_it_is(tmp_path: Path) -> None:
    text = f"day: 2001-99-99\nk: '{SECRET}'\n"
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="month"):
        theirs(path, text)
    assert [value for _, value in found_by_confirm(text, "a.yaml")] == [SECRET]


def test_the_rules_are_the_types_of_the_library() -> None:
    assert set(RULES) == set(get_mapping_from_secret_type_to_class())
    assert len(set(RULES.values())) == len(RULES)


def test_every_expression_of_the_library_stands_under_one_head() -> None:
    wanted = list(KEYWORD_GROUPS)
    for kind, plugin in get_mapping_from_secret_type_to_class().items():
        if kind.endswith("Entropy String"):
            wanted.append(plugin().regex)
        elif kind not in (KEYWORD_TYPE, "Public IP (ipv4)"):
            wanted += plugin.denylist
    used = [expression.regex for head in HEADS for expression in head.expressions]
    assert sorted(regex.pattern for regex in used) == sorted(regex.pattern for regex in wanted)
    assert len({head.rule for head in HEADS}) == len(HEADS)


def test_no_other_letter_is_folded_into_ascii() -> None:
    letters = re.compile("[a-z]", re.IGNORECASE)
    assert [chr(code) for code in range(128, 0x110000) if letters.match(chr(code))] == list(FOLDING)


def test_the_settings_of_the_process_are_neither_read_nor_changed() -> None:
    before = get_settings()
    verifying = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
    before.filters[verifying] = {"min_level": 2}
    try:
        kept = (dict(before.plugins), dict(before.filters))
        text = f"x = '{SECRET}'\nk = '{VALUES['Stripe Access Key'](random.Random(1))}'\n"
        assert len(found_by_confirm(text, "a.py")) == 2
        assert get_settings() is before
        assert (before.plugins, before.filters) == kept
    finally:
        before.filters.pop(verifying)
