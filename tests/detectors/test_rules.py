"""Packs of provider rules: read with every mistake named, matched in their context, made from seeded templates."""

from __future__ import annotations

import random
import re
import string
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.detectors import _rules
from scrubber.detectors._checksums import CHECKSUMS
from scrubber.detectors._rules import TokenFormat, find, our_rules, pack_rules, prefilter, token_formats
from scrubber.detectors._templates import CLASSES, expand

GOOD = """
[[rule]]
id = "acme-key"
provider = "Acme"
regex = 'acme_[a-z0-9]{32}'
examples = ["acme_{base36:32}"]
counter_examples = ["acme_{base36:8}"]
"""
CONTEXT = TokenFormat("acme-key", "Acme", r"[a-f0-9]{32}", context=("acme", "ac me"), confidence=0.7)
VALUE = expand("{hex:32}", 5)


def pack(folder: Path, text: str, name: str = "pack.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def found(row: TokenFormat, text: str) -> list[str]:
    """The values that are found when every line is hit; one below its context is found from both lines."""
    spans = {hit.span for line in re.finditer(r"[^\n]+", text) for hit in find(row, text, *line.span())}
    return [text[span.start : span.end] for span in sorted(spans)]


def test_our_packs_cover_many_providers_under_one_name_each() -> None:
    rows = token_formats()
    assert len({row.provider for row in rows}) >= 120
    assert len({row.rule for row in rows}) == len(rows)
    assert len({row.provider.lower() for row in rows}) == len({row.provider for row in rows})


def test_our_packs_have_no_mistake() -> None:
    packs = sorted((Path(_rules.__file__).parents[1] / "data" / "rules").glob("*.toml"))
    assert _rules._read([(path.name, path.read_text(encoding="utf-8")) for path in packs], frozenset()) == our_rules()


def test_a_pack_of_a_user_follows_ours(tmp_path: Path) -> None:
    pack(tmp_path, GOOD)
    for path in (tmp_path, tmp_path / "pack.toml"):
        assert token_formats([path])[-1] == TokenFormat("acme-key", "Acme", "acme_[a-z0-9]{32}")
        assert token_formats([path])[:-1] == token_formats()
    assert [rule.pack for rule in pack_rules([tmp_path])] == [str(tmp_path / "pack.toml")]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("provider =", "vendor =", "unknown key: vendor"),
        ('provider = "Acme"', "", "provider is missing"),
        ('examples = ["acme_{base36:32}"]\nc', "c", "examples is missing"),
        ('["acme_{base36:8}"]', "[]", "counter_examples is missing"),
        ("regex = 'acme_", "regex = '(acme_", "regex is no regular expression"),
        ("'acme_[a-z0-9]{32}'", "'(?i)acme_[a-z0-9]{32}'", r"write \(\?i:"),
        ("regex =", "group = 1\nregex =", "regex has no group 1"),
        ("regex =", "head = '['\nregex =", "head is no regular expression"),
        ("regex =", "checksum = 'luhn'\nregex =", "checksum is none of"),
        ("regex =", "confidence = 1.5\nregex =", "confidence is not between 0 and 1"),
        ("regex =", "value = 'hash'\nregex =", "value is neither token nor password"),
        ("regex =", "context = [1]\nregex =", "context is no list of texts"),
        ("'acme_[a-z0-9]{32}'", "7", "regex is no str"),
        ("acme-key", "Acme Key", "id is not of lower-case letters"),
        ("acme-key", "github-token", "there is a rule of this id already"),
        ("{base36:8}", "{base37:8}", "{base37:8} is no field"),
        ("{base36:8}", "{base36}", "lacks a length"),
        ("[[rule]]", "[rule]", "it has no rules"),
        ("[[rule]]", "[[rule", "no TOML"),
        ("[[rule]]", "version = 1\n[[rule]]", "unknown key: version"),
    ],
)
def test_a_mistake_of_a_pack_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    path = pack(tmp_path, GOOD.replace(old, new))
    with pytest.raises(AskedWrongly, match=told) as error:
        token_formats([path])
    assert str(path) in error.value.where


def test_all_mistakes_of_all_packs_are_told_at_once(tmp_path: Path) -> None:
    pack(tmp_path, GOOD.replace("regex", "rgx") + GOOD.replace("32}'", "32}('"), "a.toml")
    pack(tmp_path, GOOD.replace("acme-key", "other") + GOOD.replace("acme-key", "other"), "b.toml")
    with pytest.raises(AskedWrongly) as error:
        pack_rules([tmp_path])
    for told in ("unknown key: rgx", "regex is missing", "regex is no regular", "b.toml: rule other: there is a rule"):
        assert told in error.value.what


def test_a_pack_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("binary.toml", "missing.toml"):
        with pytest.raises(AskedWrongly, match="cannot be read"):
            pack_rules([tmp_path / name])


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('ACME_API_KEY = "{}"', True),
        ('acmeKey: "{}"', True),
        ("<acmeToken>\n    {}\n</acmeToken>", True),
        ("acme:\n  token: {}", True),
        ("ac-me token {}", True),
        ("acme:\n\n  token: {}", False),  # two lines above
        ('API_KEY = "{}"', False),
        ('pacmeKey = "{}"', False),  # another word
        ('acme_md5 = "{}"', False),
        ('acme = "{}.png"', False),
        ("acme/{}", False),  # given to nothing
        ('acme(1, "{}0")', False),  # a piece of something longer
        ('acme = f("' + "x" * 70 + '", "{}")', False),  # out of reach
    ],
)
def test_a_format_without_a_prefix_needs_its_context(text: str, is_found: bool) -> None:
    assert found(CONTEXT, text.format(VALUE)) == [VALUE] * is_found
    if is_found:
        assert re.search(prefilter(CONTEXT), text.format(VALUE))


def test_a_hit_on_the_line_of_the_word_finds_the_long_value_below() -> None:
    row = CONTEXT._replace(regex="[a-f0-9]{400}")
    text = f"acme:\n  token: {expand('{hex:400}', 1)}\n"
    assert [hit.span.start for hit in find(row, text, 0, 5)] == [15]
    assert list(find(row._replace(context=()), text, 0, 5)) == []


def test_a_short_word_of_context_is_no_part_of_another() -> None:
    lob = CONTEXT._replace(context=("lob",))
    assert [bool(found(lob, f'{name} = "{VALUE}"')) for name in ("lobKey", "LOB_KEY", "lobster", "globe")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_placeholder_is_no_credential() -> None:
    row = TokenFormat("acme-key", "Acme", r"acme_[a-zA-Z0-9]{32}")
    assert found(row, "acme_" + VALUE) == ["acme_" + VALUE]
    assert found(row, "acme_" + "x" * 32) == []
    password = TokenFormat("acme-password", "Acme", r"acme-login (\S{4,})", group=1, value="password")
    assert found(password, "acme-login " + VALUE[:8]) == [VALUE[:8]]
    assert found(password, "acme-login <password>") == []


def test_a_checksum_decides_the_confidence() -> None:
    github = next(rule.format for rule in our_rules() if rule.format.rule == "github-token")
    right, wrong = expand("gh" + "p_{alnum:30}{crc32_base62:30}", 1), expand("gh" + "p_{alnum:36}", 1)
    confidences = [hit.confidence for text in (right, wrong) for hit in find(github, text, 0, len(text))]
    assert confidences == [0.99, 0.7]


def test_the_checksums_are_those_of_the_standards() -> None:
    # the test vectors of BIP 173 and of RFC 3720's CRC check value, "123456789" -> cbf43926
    assert CHECKSUMS["bech32"]("A12UEL5L")
    assert CHECKSUMS["bech32"]("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw")
    assert not CHECKSUMS["bech32"]("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxq")
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    number = 0
    for digit in expand("123456789{crc32_base62:9}", 0)[9:]:
        number = number * 62 + digits.index(digit)
    assert number == 0xCBF43926


@given(st.sampled_from(sorted(CLASSES)), st.integers(1, 60), st.integers(0, 40), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_a_field_draws_so_many_characters_of_its_class(name: str, least: int, more: int, seed: int) -> None:
    template = f"a{{{{{{{name}:{least}-{least + more}}}}}}}z"
    made = expand(template, seed)
    assert made.startswith("a{")
    assert made.endswith("}z")
    assert least <= len(made) - 4 <= least + more
    assert set(made[2:-2]) <= set(CLASSES[name])
    assert expand(template, seed) == made


@given(st.text(alphabet="{}:-azhex0123456789", max_size=24))
def test_any_template_is_expanded_or_refused(template: str) -> None:
    try:
        assert isinstance(expand(template, 0), str)
    except ValueError as error:
        assert "field" in str(error) or "lacks a length" in str(error)  # noqa: PT017


@pytest.mark.middle
def test_whatever_a_rule_finds_its_prefilter_hits() -> None:
    rng = random.Random(7)
    places = ("x = '{}'\n", "# {}\n", "é {} é\n", '{{"a": "{}"}}\n', "<a>\n  {}\n</a>\n")
    seen = 0
    for rule, place in product(our_rules(), places):
        template = rng.choice(rule.examples)
        text = "import os\n" + place.format(expand(template, rng.randint(0, 999)))
        if found(rule.format, text):
            seen += 1
            assert re.search(prefilter(rule.format), text), rule.format.rule
    assert seen > 3 * len(our_rules())
