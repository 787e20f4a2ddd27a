"""Patterns bring hits to their own detector, and overlapping findings of one kind are reduced to the best."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.core.fingerprint import Fingerprinter
from scrubber.core.types import Document, Finding, Hit, Kind, Pattern, Span
from scrubber.detectors import pii, secrets
from scrubber.detectors._vectorscan import Vectorscan
from scrubber.detectors.prefilter import LONG_LINE, MANY_ENDS, MOST_FOLDED, Engine, lines, scanner


class Words:
    """A real little detector: each of its patterns is a rule, confirmed on the lines that were hit."""

    def __init__(self, kind: Kind, rules: dict[str, tuple[str, float]]) -> None:
        self.kind: Kind = kind
        self.rules = rules
        self.seen: list[Hit] = []

    def patterns(self) -> Sequence[Pattern]:
        return [Pattern(rule, regex) for rule, (regex, _) in self.rules.items()]

    def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
        self.seen += hits
        for start, end, rules in lines(document.text, hits):
            for rule in sorted(rules):
                regex, confidence = self.rules[rule]
                for match in re.compile(regex).finditer(document.text, start, end):
                    yield Hit(rule, Span(*match.span()), confidence)


ENGINES: tuple[Engine, ...] = ("vectorscan", "re")


def scan(text: str, *detectors: Words, engine: Engine = "any") -> list[Finding]:
    return scanner(detectors, Fingerprinter(b"k" * 16), engine)(Document("d", text))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_detector_is_handed_its_own_hits_only(engine: Engine) -> None:
    one, other = Words("secret", {"a": ("a+", 1.0)}), Words("pii", {"b": ("b+", 1.0)})
    scan("aa\nbb\naaa", one, other, engine=engine)
    assert {(hit.rule, (0, 6)[hit.span.start > 3]) for hit in one.seen} == {("a", 0), ("a", 6)}
    assert {hit.rule for hit in other.seen} == {"b"}
    assert all(0 <= hit.span.start < 9 and hit.span.end == hit.span.start + 1 for hit in one.seen)


# plain, lookarounds, back-references, classes that know more than ASCII, matches over lines, line starts and ends
REGEXES = [
    "ab+", "(?<=x)key", "(?<![a-z])id(?!x)", r"(['\"])k\w*\1", r"\w{3}", r"\d\s\d", "(?i:kiss)", r"b\s+a", "^a$",
    "[^a-z\\n]{2}", r"a(?=\n)", "x{2,}b",
]  # fmt: skip
ALPHABET = "ab xkeyid'\"s1\n\r\té\u017f\u212a\u0663\u3000\x0b\x0c\x1c\x85\u2028"


@settings(max_examples=400, deadline=None)
@given(st.text(ALPHABET, max_size=60))
def test_both_engines_lead_to_the_same_findings(text: str) -> None:
    made = [SCANS[engine](Document("d", text)) for engine in ENGINES]
    assert made[0] == made[1]


SCANS = {
    engine: scanner(
        [Words("secret", {f"r{n}": (r, 1 - n / 100)}) for n, r in enumerate(REGEXES)], Fingerprinter(b"k" * 16), engine
    )
    for engine in ENGINES
}


class Gated(Words):
    """Some of its patterns stand behind gates."""

    def __init__(self, kind: Kind, rules: dict[str, tuple[str, float]], gates: dict[str, str]) -> None:
        super().__init__(kind, rules)
        self.gates = {pattern: gates[pattern.rule] for pattern in self.patterns() if pattern.rule in gates}


def test_a_pattern_behind_a_gate_brings_the_same_findings() -> None:
    rules, gates = {"open": ("ab", 0.5), "gated": (r"\d-\d", 0.9)}, {"gated": r"\d-\d"}
    text = "ab 1-2\nab\n\xe9 3-4 ab\n"
    plain = scan(text, Words("secret", rules))
    assert plain == scan(text, Gated("secret", rules, gates))
    assert plain == scan(text, Gated("secret", rules, gates), engine="re")
    assert [finding.rule for finding in plain] == ["open", "gated", "open", "gated", "open"]


def test_letters_that_fold_into_ascii_lead_to_the_same_findings_wherever_they_stand() -> None:
    rules = {"kiss": ("(?i:kiss)", 0.9), "id": (r"(?i:\bid)", 0.8)}
    text = "x\n\u212aiss\n" + "y" * 50 + "\nki\u017fs \u0130d\n\u0131d"
    assert scan(text, Words("secret", rules), engine="vectorscan") == scan(text, Words("secret", rules), engine="re")
    assert len(scan(text, Words("secret", rules))) >= 2


@pytest.mark.parametrize("many", [MOST_FOLDED, MOST_FOLDED + 3])
def test_letters_that_fold_are_found_in_any_number_on_a_line(many: int) -> None:
    rules = {"kiss": ("(?i:kiss)", 0.9), "id": (r"(?i:\bid)[^a-z]", 0.8)}
    text = "a\n" + "\u0130d\u017f " * (many // 2 - 2) + "\u212ai\u017f\u017f \u0131d x\nkiss"
    found = scan(text, Words("secret", rules), engine="vectorscan")
    assert found == scan(text, Words("secret", rules), engine="re")
    assert {finding.rule for finding in found} == {"kiss", "id"}
    assert 2 in {finding.line for finding in found if finding.rule == "kiss"}


@pytest.mark.parametrize("between", [" ", "\n", "\r", " " * 70])
def test_many_hits_bring_the_same_findings_as_few(between: str) -> None:
    rules = {"ab": ("ab+", 0.9), "b": ("b", 0.1), "cd": ("cd", 0.5)}
    text = between.join(["ab cd", "b", "abb", "cd"] * MANY_ENDS)
    found = scan(text, Words("secret", rules), engine="vectorscan")
    assert found == scan(text, Words("secret", rules), engine="re")
    assert [finding.rule for finding in found] == ["ab", "cd", "b", "ab", "cd"] * MANY_ENDS


def test_every_line_of_a_match_is_hit() -> None:
    for engine in ENGINES:
        detector = Words("secret", {"a": (r"a\s*b", 1.0), "b": ("b", 1.0)})
        scan("a\n\nb b\n", detector, engine=engine)
        assert 3 in {hit.span.start for hit in detector.seen if hit.rule == "a"}


def test_what_vectorscan_cannot_compile_is_left_to_re() -> None:
    rules = {"fine": ("ab", 1.0), "empty": ("a*", 0.5), "huge": ("(?:[ab][^c]{0,900}){1,40}d", 0.9)}
    engine = Vectorscan([regex for regex, _ in rules.values()])
    assert 0 not in engine.left_out
    assert engine.left_out
    assert scan("ab aa", Words("secret", rules), engine="vectorscan") == scan(
        "ab aa", Words("secret", rules), engine="re"
    )


def test_the_database_is_kept_and_a_damaged_one_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Vectorscan(["abc"])
    (kept,) = (tmp_path / "scrubber").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:20])
    assert Vectorscan(["abc"]).ends("xabc") == [(0, 3)]
    assert kept.read_bytes() == whole
    Vectorscan(["abd"])
    assert len(list((tmp_path / "scrubber").iterdir())) == 2


def test_threads_share_one_scan() -> None:
    engine, texts = Vectorscan(["a+b", "c"]), [f"{'a' * n}b c" * 50 for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(engine.ends, texts)) == [engine.ends(text) for text in texts]


def test_a_detector_may_be_asked_without_a_hit_and_keep_what_overlaps() -> None:
    class Whole(Words):
        overlapping = True

        def always(self, document: Document) -> bool:
            return document.text.startswith("[")

        def confirm(self, document: Document, hits: Sequence[Hit]) -> Iterator[Hit]:
            self.seen += hits
            return iter((Hit("one", Span(0, 3), 0.5), Hit("two", Span(1, 2), 0.9)))

    detector = Whole("secret", {"a": ("zzz", 1.0)})
    assert scan("(ini)", detector) == []
    assert [(f.rule, f.span) for f in scan("[ini]", detector)] == [("one", Span(0, 3)), ("two", Span(1, 2))]


def test_of_overlapping_findings_the_surer_stays_then_the_longer() -> None:
    detector = Words("secret", {"sure": ("bc", 0.9), "long": ("abcd", 0.5), "same": ("bcd", 0.9), "far": ("z", 0.1)})
    assert [(f.rule, f.span) for f in scan("abcd z", detector)] == [("same", Span(1, 4)), ("far", Span(5, 6))]


def test_findings_of_two_kinds_may_overlap_and_are_sorted_by_span() -> None:
    one, other = Words("secret", {"late": ("bc", 0.9)}), Words("pii", {"early": ("ab", 0.1)})
    assert [f.rule for f in scan("abc", one, other)] == ["early", "late"]


def test_an_empty_match_is_no_finding() -> None:
    assert scan("bb", Words("secret", {"empty": ("a*", 1.0)})) == []


def test_a_pattern_that_is_no_regex_is_refused_by_the_name_of_its_rule() -> None:
    with pytest.raises(AskedWrongly, match="broken-rule"):
        scan("", Words("secret", {"broken-rule": ("(", 1.0)}))


def test_hits_are_gathered_by_line() -> None:
    text = "one\ntwo two\nthree"
    hits = [Hit("b", Span(8, 11), 0), Hit("a", Span(4, 7), 0), Hit("c", Span(12, 17), 0)]
    assert list(lines(text, hits)) == [(4, 11, frozenset("ab")), (12, 17, frozenset("c"))]


def test_a_long_line_is_seen_through_windows() -> None:
    text = "x" * (3 * LONG_LINE)
    ((start, end, _),) = lines(text, [Hit("a", Span(LONG_LINE, LONG_LINE + 1), 0)])
    assert start < LONG_LINE < end
    assert end - start <= LONG_LINE
    every = [Hit("a", Span(at, at + 1), 0) for at in range(len(text))]
    assert sum(end - start for start, end, _ in lines(text, every)) <= 3 * len(text)


@pytest.mark.middle
@pytest.mark.parametrize(
    "unit",
    [
        "sk" + "-",
        "ey" + "J",
        "a@b.",
        "://a:b@",
        "phone",
        "password=",
        '"a',
        "1.2.3.",
        "a:",
        "+1 ",
        "x" * 50,
        "(",
        "key'",
    ],
)
def test_a_long_line_of_anything_takes_time_in_proportion(unit: str) -> None:
    scan = scanner([secrets.detector(), pii.detector()], Fingerprinter(b"k" * 16))
    text = unit * (100_000 // len(unit))
    began = time.process_time()
    scan(Document("d", text))
    assert time.process_time() - began < 10
