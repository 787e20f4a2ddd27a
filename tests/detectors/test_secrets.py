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

from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding
from scrubber.detectors.prefilter import scanner
from scrubber.detectors.secrets import PLUGINS, SecretsDetector, detector

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


def found(text: str, path: str = "src/a.py", language: str | None = "python") -> list[tuple[str, str]]:
    findings = SCAN(Document("d", text, path=path, language=language))
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
                assert any(regex.search(line) for regex in patterns[plugin.key or plugin.rule]), plugin.rule
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
    assert len(findings) <= 2 * sum(map(len, texts)) / 1e6
