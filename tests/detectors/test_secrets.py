"""Credentials are found where code keeps them, by their exact spans, and look-alikes are left alone."""

from __future__ import annotations

import gzip
import json
import random
import re
import socket
import string
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Hit, Span
from scrubber.detectors.prefilter import scanner
from scrubber.detectors.secrets import PLUGINS, SecretsDetector, detector, explain

ALPHANUMERIC = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
SCAN = scanner([detector()], Fingerprinter(b"k" * 16))


def drawn(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def digits(rng: random.Random) -> str:
    return drawn(rng, string.digits, rng.randint(10, 13))


# The formats are put together here, so that no file holds anything that looks like a credential.
FORMATS: dict[str, Callable[[random.Random], str]] = {
    "aws-access-key": lambda rng: "AKI" + "A" + drawn(rng, UPPER, 16),
    "github-token": lambda rng: "gh" + "p_" + drawn(rng, ALPHANUMERIC, 36),
    "stripe-key": lambda rng: "sk_" + "live_" + drawn(rng, ALPHANUMERIC, 24),
    "slack-token": lambda rng: "xox" + f"b-{digits(rng)}-{digits(rng)}-" + drawn(rng, ALPHANUMERIC, 24),
    "google-api-key": lambda rng: "AI" + "za" + drawn(rng, ALPHANUMERIC + "-_", 35),
    "openai-key": lambda rng: "sk-" + "proj-" + drawn(rng, ALPHANUMERIC + "-_", 60) + "7",
    "npm-token": lambda rng: "np" + "m_" + drawn(rng, ALPHANUMERIC, 36),
    "gitlab-token": lambda rng: "glp" + "at-" + drawn(rng, ALPHANUMERIC, 20),
    "sendgrid-key": lambda rng: "S" + "G." + drawn(rng, ALPHANUMERIC, 22) + "." + drawn(rng, ALPHANUMERIC, 43),
    "hugging-face-token": lambda rng: "h" + "f_" + drawn(rng, string.ascii_letters, 34),
}
PLACES = (
    'KEY = "{}"', "    'k': '{}',", "headers = {{'X-Auth': '{}'}}", "# was {}", '"""Use {} here."""', "f(key='{}')",
    'x = os.getenv("X_ID", "{}")', "    assert parse('{}') == 1", "print('sha256', '{}')", "# {} (do not share)", "{}",
)  # fmt: skip


BALANCED = 0.5


def found(text: str, path: str = "src/a.py", language: str | None = "python") -> list[tuple[str, str]]:
    """Rule and value of what the balanced profile keeps."""
    findings = [f for f in SCAN(Document("d", text, path=path, language=language)) if f.confidence >= BALANCED]
    return [(finding.rule, text[finding.span.start : finding.span.end]) for finding in findings]


@pytest.mark.parametrize("rule", FORMATS)
def test_a_key_of_a_provider_is_found_by_its_exact_span(rule: str) -> None:
    rng = random.Random(rule)
    values = [FORMATS[rule](rng) for _ in range(200)]
    missed = [
        value for value in values if found("import os\n" + rng.choice(PLACES).format(value) + "\n") != [(rule, value)]
    ]
    assert len(missed) <= 2


def test_the_password_of_a_url_is_found_by_its_exact_span() -> None:
    rng = random.Random(1)
    missed = 0
    for _ in range(300):
        inner = drawn(rng, ALPHANUMERIC + "!$%*_-.~^&+=#", rng.randint(10, 14))
        value = rng.choice(string.ascii_letters) + inner + rng.choice(ALPHANUMERIC)
        url = f"{rng.choice(('postgresql', 'mysql+pymysql', 'redis', 'https'))}://svc:{value}@db.internal:5432/orders"
        missed += found(rng.choice(PLACES).format(url)) != [("basic-auth", value)]
    assert missed <= 3


@pytest.mark.parametrize(
    "text",
    [
        'url = "postgres://user:password@localhost/db"',
        'url = f"postgres://{user}:{password}@{host}/db"',
        'url = "https://%s:%s@%s" % parts',
        'url = "redis://:<password>@host"',
        'KEY = "AKIA' + 'IOSFODNN7EXAMPLE"',
        'KEY = "sk_' + 'live_xxxxxxxxxxxxxxxxxxxxxxxx"',
        'password = "changeme"',
        'password = "${DB_PASSWORD}"',
        "password = getpass.getpass()",
        'password = os.environ["PASSWORD"]',
        'label = _("Repeat your password")',
        'token = "<your token>"',
        'if "-----BEGIN ' + 'PRIVATE KEY-----" in text:',
        "tokenizer = 'HiggsAudioV2TokenizerModel'",
        'ALPHABET = "' + string.ascii_uppercase + string.ascii_lowercase + string.digits + '+/"',
        'sha256 = "' + drawn(random.Random(0), "0123456789abcdef", 64) + '"',
        'PATH = "models/PPDocLayoutV2_r50vd/processing"',
    ],
)
def test_placeholders_references_and_digests_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_password_is_found_by_the_name_that_it_is_given_to() -> None:
    value = "kKc" + "#dmZV!Eo4c"
    for place in (
        'password = "{}"', "cfg = {{'db_passwd': '{}'}}", 'connect(password="{}", n=1)', 'password: str = "{}"',
        "# passwd: {}", 'os.environ.setdefault("DB_PASSWORD", "{}")', 'if password == "{}":',
    ):  # fmt: skip
        assert found(place.format(value)) == [("keyword-assignment", value)], place
    assert found(f"db_password: {value}", "a.yaml", "yaml") == [("keyword-assignment", value)]
    assert found(f"DB_PASSWORD={value}", ".env", "dotenv") == [("keyword-assignment", value)]


# Values are put together, so that this file holds no password. Most are what people choose.
CHOSEN = (
    "hun" + "ter2",
    "qwe" + "rty123",
    "Sup3r" + "S3cret",
    "let" + "mein1",
    "p@ss" + "w0rd",
    "1q2w" + "3e4r",
    "Tr0ub4" + "dor&3",
)
GIVEN = [
    ("python", 'password = "{}"'), ("python", "PASSWD = '{}'"), ("python", '    "db_password": "{}",'),
    ("python", 'DB_PASS = os.environ.get("DB_PASS", "{}")'), ("python", 'login(username="bob", password="{}")'),
    ("python", 'user.set_password("{}")'), ("python", 'dsn = "host=db user=app password={} dbname=x"'),
    ("python", 'app.config["ADMIN_PASSWORD"] = b"{}"'), ("python", '# password = "{}"'), ("python", 'if pwd == "{}":'),
    ("go", '\tpassword := "{}"'), ("go", '\tPassword: "{}",'), ("go", 'var dbPassword string = "{}"'),
    ("go", 'var password = []byte("{}")'), ("json", '  "password": "{}",'), ("json", '{{"user": "root", "pass": "{}"}}'),
    ("toml", 'password = "{}"'), ("yaml", "password: {}"), ("yaml", '  POSTGRES_PASSWORD: "{}"'),
    ("yaml", "    - MYSQL_ROOT_PASSWORD={}"), ("typescript", "const password = '{}';"), ("typescript", "  userPassword: `{}`,"),
    ("tsx", 'const a = <Login password="{}" />;'), ("javascript", 'var pwd = "{}";'), ("java", '  ds.setPassword("{}");'),
    ("java", '  private static final String PASSWORD = "{}";'), ("java", '  props.put("password", "{}");'),
    ("shell", "export PGPASSWORD={}"), ("shell", 'mysql --password="{}"'), ("shell", "tool --db-password {} run"),
    ("ini", "spring.datasource.password={}"), ("ini", "db.password = {}"), ("xml", "<password>{}</password>"),
    ("xml", '<property name="password" value="{}"/>'), ("dotenv", "PASSWORD={}"), (None, "RUN login --password={}"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "place"), GIVEN)
def test_a_password_that_a_person_chose_is_found_in_every_form(language: str | None, place: str) -> None:
    for value in CHOSEN:
        text = place.format(value) + "\n"
        assert value in [value for _, value in found(text, "a", language)], text


NO_CREDENTIAL = [
    ("python", 'password = "password"'), ("python", 'token = "access_token"'), ("python", 'token_type = "bearer2"'),
    ("python", 'PASSWORD_FIELD = "user_passwd1"'), ("python", 'secret_name = "prod/db2"'), ("python", "password = user.pass1"),
    ("python", 'password = getpass.getpass("Password2:")'), ("python", 'password = f"{user}123"'),
    ("python", "token = read(tok1)"),
    ("python", 'raise ValueError("password: must have 8 characters")'), ("python", 'pad_token = "<pad1>"'),
    ("python", 'password_hasher = "pbkdf2_sha256"'), ("python", 'x = {"password": "string"}'), ("python", 'token = "#word"'),
    ("python", 'page_token = "CAIQAA1234"'), ("python", 'x = {"type": "password", "name": "pwd1"}'), ("python", "x.pass_(a1)"),
    ("python", 'TOKEN = r"[a-z]+\\d*"'), ("python", 'names = {"pwd", "rehash1"}; x["password"] = env("NAME_1")'),
    ("python", 'schemas = {"A::B::ApiKey": "48205d4' + 'ffd7feba3"}'), ("python", 'user, password = "ab1' + '2cd", read()'),
    ("python", 'arn = "arn:aws:secretsmanager:*:*:secret:db1/*"'), ("go", '\ttoken := os.Getenv("API_TOKEN2")'),
    ("go", '\tpasswordKey = "user.password"'), ("go", '\tsecretName: "my-app-secret-1",'), ("json", '  "token": "{{token}}",'),
    ("go", 'type T struct {\n\tToken string `json:"token1"`\n}'), ("json", '  "tokenEndpoint": "https://a.b/token2",'),
    ("json", '  "passwordPolicy": "v2-strict",'), ("yaml", "  secretKeyRef: db-secret-1"), ("yaml", "password: {{ .pass1 }}"),
    ("yaml", "password: ${DB_PASS1}"), ("yaml", "token: $TOKEN1"), ("typescript", "  password: string;"),
    ("typescript", "  token: Token1 | undefined"), ("typescript", "password: 'Please enter password 1'"),
    ("typescript", "const tokenKey = 'auth.token.v1';"), ("java", '  String passwordParam = "j_password";'),
    ("java", '  client.getToken("client2")'), ("shell", "PASSWORD=$(cat /run/secrets/pw1)"), ("shell", 'export TOKEN="$1"'),
    ("ini", "password="), ("ini", "password.file=/etc/pw1"), ("xml", "<password>password</password>"),
    ("python", 'password = "correct-horse-battery"'), ("python", 'api_key = "1a2b3c4d5e6f"'), ("python", "if token > x1:"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text"), NO_CREDENTIAL)
def test_what_only_stands_where_a_credential_could_is_left_alone(language: str, text: str) -> None:
    assert found(text + "\n", "a", language) == []


def test_a_word_is_a_password_but_no_key() -> None:
    word = "sun" + "shine"
    assert found(f'password = "{word}"\n') == [("keyword-assignment", word)]
    assert found(f"db:\n  password: {word}\n", "a.yaml", "yaml") == [("keyword-assignment", word)]
    assert found(f'url = "postgres://{word}:{word}@db:5432/app"\n') == [("basic-auth", word)]
    assert found(f'token = "{word}"\n') == found(f"password: {word}\n", "a.go", "go") == []


def test_an_example_in_a_docstring_is_less_sure() -> None:
    value = CHOSEN[0]
    code = f'password = "{value}"'
    text = f'def f():\n    """Use it.\n\n    >>> {code}\n    """\n'
    ((in_docstring,), (in_code,)) = (SCAN(Document("d", x, language="python")) for x in (text, code))
    assert in_docstring.confidence < BALANCED <= in_code.confidence


def test_an_explanation_gives_its_reasons_and_never_the_value() -> None:
    rng = random.Random(9)
    body = "\n".join(drawn(rng, ALPHANUMERIC, 64) for _ in range(4))
    key = drawn(rng, ALPHANUMERIC, 40)
    texts = [place.format(CHOSEN[5]) for language, place in GIVEN if language == "python"]
    texts += [f'x = ["{key}"]', '"""\n-----BEGIN RSA ' + f'PRIVATE KEY-----\n{body}\n"""', FORMATS["npm-token"](rng)]
    for text in texts:
        document = Document("d", text, language="python")
        hits = list(SHARED.confirm(document, everywhere(document)))
        assert hits
        for hit in hits:
            reasons = explain(document, hit)
            assert [reason.partition(":")[0] for reason in reasons] == ["pattern", "validation", "context"]
            assert text[hit.span.start : hit.span.end] not in " ".join(reasons)
            weights = [float(reason[reason.rindex("(") + 1 : -1]) for reason in reasons]
            assert sum(weights) == pytest.approx(hit.confidence)


def everywhere(document: Document) -> list[Hit]:
    """A hit of every pattern on every line."""
    starts = [0, *(match.end() for match in re.finditer(r"\n", document.text))]
    return [Hit(key, Span(at, at), 0.0) for key in {rule for rule, _ in COMPILED} for at in starts]


def matched(document: Document) -> list[Hit]:
    """The hits of the patterns, on the line of each match's last character."""
    return [
        Hit(rule, Span(match.end() - 1, match.end()), 0.0)
        for rule, regex in COMPILED
        for match in regex.finditer(document.text)
    ]


SHARED = detector()
COMPILED = [(pattern.rule, re.compile(pattern.regex, re.MULTILINE)) for pattern in SHARED.patterns()]
_RNG = random.Random(11)
PIECES = st.sampled_from([
    "password", "Passwd", "db_pass", "SECRET_KEY", "apiKey", "x-api-key", "token", "aws_secret_key", "name", "Authorization",
    "=", " = ", ": ", ":", " := ", "=>", "==", ", ", "(", ")", "[", "]", "{", "}", '"', "'", "`", "\\", '\\"', ">", "</", "--",
    " ", "\n", "\r\n", "\t", "#", "//", "://", "@", "u:", "Bearer ", "env", "string", "b", "é", "ſ", "K", "\x0b", "\u2028", ";",
    "&a=",
    *CHOSEN, "sun" + "shine", *(drawn(_RNG, ALPHANUMERIC, n) for n in (8, 24, 32, 40, 44)),
    drawn(_RNG, "0123456789abcdef", 32),
    "-----BEGIN RSA " + "PRIVATE KEY-----", *(make(_RNG) for make in FORMATS.values()),
    "12345678:" + drawn(_RNG, ALPHANUMERIC, 35),
])  # fmt: skip


# Now and then a whole assignment among the pieces, so that there is something to find.
LINES = st.sampled_from([place.format(value) for _, place in GIVEN for value in CHOSEN[:3]])


@pytest.mark.middle
@given(st.lists(PIECES | LINES, max_size=24), st.sampled_from(["python", "go", "yaml", None]))
@settings(max_examples=400, deadline=None)
def test_the_patterns_lead_to_everything_that_is_confirmed(pieces: list[str], language: str | None) -> None:
    document = Document("d", "".join(pieces), language=language)
    assert set(SHARED.confirm(document, everywhere(document))) == set(SHARED.confirm(document, matched(document)))


def test_a_random_string_between_quotes_is_found_by_its_entropy() -> None:
    value = drawn(random.Random(5), ALPHANUMERIC, 40)
    assert [rule for rule, _ in found(f'x = ["{value}"]')] == ["high-entropy-base64"]
    assert found(f'checksum = ["{value}"]') == []


def test_a_private_key_is_its_body_over_all_its_lines() -> None:
    rng = random.Random(2)
    body = "\n".join(drawn(rng, ALPHANUMERIC + "+/", 64) for _ in range(6))
    edge = "-----{} RSA " + "PRIVATE KEY-----"
    assert found(f'KEY = """{edge.format("BEGIN")}\n{body}\n{edge.format("END")}"""') == [("private-key", body)]
    assert found(f"{edge.format('BEGIN')}\n{body}") == [("private-key", body)]  # a generation that ends early


def test_a_web_token_includes_its_signature() -> None:
    parts = "eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "zdWIiOiJzdmMifQ", drawn(random.Random(3), ALPHANUMERIC, 43)
    assert found(f"t = '{'.'.join(parts)}'") == [("json-web-token", ".".join(parts))]


def test_nothing_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    rng = random.Random(4)
    for make in FORMATS.values():
        assert found(f'KEY = "{make(rng)}"')


def test_the_patterns_hit_every_line_on_which_an_expression_of_detect_secrets_matches(test_data: Path) -> None:
    patterns: dict[str, list[re.Pattern[str]]] = {}
    for pattern in SecretsDetector().patterns():
        patterns.setdefault(pattern.rule, []).append(re.compile(pattern.regex))
    texts = [row["text"] for name in FIXTURES for row in rows(test_data / "secrets" / name)]
    lines = [line for text in texts for line in text.split("\n")]
    matched = 0
    for plugin in PLUGINS:
        for line in lines:
            if any(expression.search(line) for expression in plugin.expressions):
                matched += 1
                assert any(regex.search(line) for regex in patterns[f"{plugin.rule}/detect-secrets"]), plugin.rule
    assert matched > 100


FIXTURES = ("rule_fixtures_dev.jsonl.gz", "detect_secrets_cases.jsonl.gz")


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


@pytest.mark.middle
def test_rule_fixtures_are_mostly_told_apart(test_data: Path) -> None:
    counts = {True: [0, 0], False: [0, 0]}
    for row in rows(test_data / "secrets" / FIXTURES[0]):
        label = bool(row["label"])
        counts[label][0] += 1
        counts[label][1] += bool(found(row["text"], path="", language=None))
    assert counts[True][1] / counts[True][0] >= 0.8
    assert counts[False][1] / counts[False][0] <= 0.3


@pytest.mark.middle
def test_a_library_of_clean_code_has_few_findings() -> None:
    root = Path(sysconfig.get_path("stdlib"))
    names = ("asyncio", "email", "http", "json", "logging", "multiprocessing", "unittest", "urllib", "xml")
    files = [file for name in names for file in sorted((root / name).rglob("*.py"))]
    texts = [file.read_text(encoding="utf-8") for file in files]
    findings: list[Finding] = [f for text in texts for f in SCAN(Document("d", text, path="a.py", language="python"))]
    assert sum(f.confidence >= BALANCED for f in findings) <= 0.5 * sum(map(len, texts)) / 1e6
    candidates = sum(
        len({text.count("\n", 0, hit.span.start) for hit in matched(Document("d", text))}) for text in texts
    )
    assert candidates <= sum(map(len, texts)) / 4096
