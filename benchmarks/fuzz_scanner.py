"""Gives damaged texts full of credentials and personal data to the scanner for SECONDS (600), by every profile and engine.

    python benchmarks/fuzz_scanner.py [SECONDS] [SEED]

Nothing may raise, hang or take long; `re` and Vectorscan must find the same; spans, lines and fingerprints must be those
of the text; reasons must not quote it; what is masked must scan clean. Prints one JSON object, with the seeds of the cases
that failed and no text of theirs; exits with 1 when there are any. A process of its own scans, so that a crash of a library
is one more case.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import string
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from scrubber.core.fingerprint import Fingerprinter, mask
from scrubber.core.types import Document, Finding, Kind, Scan
from scrubber.detectors._rules import our_rules
from scrubber.detectors._templates import expand
from scrubber.detectors.prefilter import Engine, scanner
from scrubber.pipelines.mask import mask_document
from scrubber.pipelines.scan import PROFILES, DefaultScan, default_scan, detectors

FINGERPRINT = Fingerprinter(b"only to fuzz, never to keep")
NAMES = ("secrets", "pii")  # of the profiles that name none
ENGINES: tuple[Engine, ...] = ("vectorscan", "re")
SUFFIXES = (
    ".py", ".js", ".ts", ".go", ".java", ".json", ".yaml", ".ini", ".env", ".xml", ".md", ".ipynb", ".lock", ".c", "",
)  # fmt: skip
LANGUAGES = (None, "python", "javascript", "typescript", "go", "java", "yaml", "json", "markdown", "dotenv", "no such")
LONGEST = 20_000  # characters of a text
SECONDS, SECONDS_PER_KB = 1.0, 0.05  # of processor time for one scan by Vectorscan: far more than it takes
HANGS_AFTER = 300  # seconds of a clock, on a machine that may be busy
ODD = (
    "\0", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u0130", "\u0131", "\u017f", "\u212a", "\u0663",
    "\u202e", "\ufeff", "\ud800", "\U0001f511", "é", "\\", "\\n", "\\u0041", "%40", "&amp;", "'", '"', "`", "${x}", "{{",
    "<", "@", "://",
)  # fmt: skip
PERSONAL = (
    "{lower:4-9}.{lower:5-9}@{lower:6-9}.io", "+49 30 {digit:6-8}", "(415) 867-{digit:4}", "4{digit:15}",
    "5{digit:3}-{digit:4}-{digit:4}-{digit:4}", "{digit:2-3}.{digit:1-3}.{digit:1-3}.{digit:1-3}",
    "2a02:{hex:4}:{hex:1-4}::{hex:1-4}", "DE{digit:20}", "GB{digit:2}NWBK{digit:14}", "{digit:3}-{digit:2}-{digit:4}",
    "# Author: Ana {upper:1}{lower:5}", "TODO({lower:6}): ask", "{digit:2} Harbor Street, 9{digit:4} Springfield",
    "birth_date = '19{digit:2}-0{digit:1}-1{digit:1}'",
)  # fmt: skip
FORMS = (
    "{} = '{}'\n", '{}: "{}"\n', "{}={}\n", "export {}={}\n", '"{}": "{}",\n', "<{0}>{1}</{0}>\n", "{}.set('{}')\n",
    "--{} {} ", "call({}='{}')\n", "# {} {}\n", "[s]\n{} = {}\n", "- {}: {}\n", "const {}: string = `{}`;\n",
    '{} := "{}"\n', "https://{}:{}@host.io/x ", "'''\n{}\n{}\n'''\n",
)  # fmt: skip
WORDS = (
    "password", "api_key", "TOKEN", "secret", "aws_secret_access_key", "client-secret", "user", "db.passwd", "auth", "x",
    "\u212aey",
)  # fmt: skip


class Case(NamedTuple):
    """One text, and what was found in it by the recall profile."""

    document: Document
    findings: Sequence[Finding]
    seconds: float  # of processor time


@cache
def sources() -> list[str]:
    """Real code, as what stands round a value."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:60]
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]


@cache
def scans() -> dict[str, tuple[Scan, ...]]:
    """For the detectors of each profile, one scan an engine."""
    asked = {profile.detectors or NAMES for profile in PROFILES.values()}
    return {
        ",".join(names): tuple(scanner(detectors(names), FINGERPRINT, engine) for engine in ENGINES)
        for names in sorted(asked)
    }


@cache
def profiles() -> dict[str, DefaultScan]:
    return {name: default_scan(FINGERPRINT, NAMES, name) for name in PROFILES}


def text_of(chance: random.Random) -> str:
    """Values in the forms of many languages between real code, damaged."""
    pieces = [_piece(chance) for _ in range(chance.choice((1, 2, 4, 8, 16)))]
    text = "".join(pieces)
    for _ in range(chance.choice((0, 1, 2, 4, 16))):
        text = _mutated(text, chance)
    return text[:LONGEST]


def _piece(chance: random.Random) -> str:
    kind = chance.randrange(6)
    if kind == 0:
        code = chance.choice(sources())
        at = chance.randrange(len(code) + 1)
        return code[at : at + chance.choice((20, 200, 1500))]
    if kind == 1:
        words = "".join(
            chance.choices(string.ascii_letters + string.digits + "+/=-_ .", k=chance.choice((8, 20, 40, 64)))
        )
        return chance.choice(FORMS).format(chance.choice(WORDS), words)
    if kind == 2:
        body = "\n".join("".join(chance.choices(string.ascii_letters + string.digits + "+/", k=64)) for _ in range(4))
        return f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{body}\n-----END RSA PRIVATE {'KEY'}-----\n"
    rule = chance.choice(our_rules())
    template = chance.choice(PERSONAL) if kind == 3 else chance.choice(rule.examples)
    value = expand(template, chance.randrange(1000))
    return value + "\n" if kind == 4 else chance.choice(FORMS).format(chance.choice(WORDS), value)


def _mutated(text: str, chance: random.Random) -> str:
    """``text`` with one place changed, removed, repeated, or filled with something odd."""
    at, length = chance.randrange(len(text) + 1), chance.choice((1, 2, 8, 40, 300))
    before, part, after = text[:at], text[at : at + length], text[at + length :]
    match chance.randrange(8):
        case 0:
            return before + after
        case 1:
            return before + chance.choice(ODD) + part + after
        case 2:
            return before + part.swapcase() + after
        case 3:
            return before + part * chance.choice((2, 50, 1000)) + after
        case 4:
            return before + "".join(chance.choices(ODD, k=min(length, 40))) + after
        case 5:
            return (before + part + after).replace("\n", chance.choice((" ", "\\n", "\r\n", "\r", "")))
        case 6:
            return (
                before
                + "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0x3000)))) for _ in part)
                + after
            )
        case _:
            return before


def case(seed: int) -> Case:
    """Scans one text by every profile and engine. Raises AssertionError, without a piece of the text, where all is not well."""
    chance = random.Random(seed)
    text = text_of(chance)
    name = chance.choice(("a", "package", "yarn", "swagger", "test_x", ".env")) + chance.choice(SUFFIXES)
    document = Document("d", text, name, chance.choice(LANGUAGES), chance.choice(("corpus", "generation")))
    found: dict[str, Sequence[Finding]] = {}
    slowest = 0.0
    for names, (by_vectorscan, by_re) in scans().items():
        began = time.process_time()
        found[names] = by_vectorscan(document)
        slowest = max(slowest, time.process_time() - began)
        assert by_re(document) == found[names], f"{names}: the engines differ: {_rules(by_re(document), found[names])}"
        check_findings(document, found[names], overlapping=names == "exact")
    assert slowest < SECONDS + SECONDS_PER_KB * len(text) / 1000, f"slow: {slowest:.2f} s for {len(text)} characters"
    for profile, scan in profiles().items():
        detected = found[",".join(PROFILES[profile].detectors or NAMES)]
        wanted = [finding for finding in detected if finding.confidence >= PROFILES[profile].least_confidence]
        assert scan(document) == wanted, f"{profile}: not what its detectors find"
    recall = profiles()["recall"]
    findings = found[",".join(NAMES)]
    for finding in findings[:3]:
        value = text[finding.span.start : finding.span.end]
        reasons = recall.explain(document, finding)
        assert len(value) < 6 or value not in " ".join(reasons), f"{finding.rule}: a reason quotes"
    if chance.random() < 0.3:
        masked = mask_document(document, recall)
        assert (
            masked is None
            or recall(Document("d", masked.text, name, document.language, "generation")) == []
            or (document.origin == "corpus" and "pragma" in text)
        ), "masked, and yet found"
    return Case(document, findings, slowest)


def check_findings(document: Document, findings: Sequence[Finding], *, overlapping: bool) -> None:
    """Spans, places and fingerprints are those of the text; findings of one kind are apart, unless ``overlapping``."""
    text = document.text
    last: dict[Kind, int] = {}
    for finding in findings:
        start, end = finding.span.start, finding.span.end
        assert 0 <= start < end <= len(text), f"{finding.rule}: a span outside of the text"
        assert finding.line == text.count("\n", 0, start) + 1, f"{finding.rule}: the wrong line"
        assert finding.column == start - text.rfind("\n", 0, start), f"{finding.rule}: the wrong column"
        assert finding.fingerprint == FINGERPRINT(finding.kind, text[start:end]), (
            f"{finding.rule}: the wrong fingerprint"
        )
        assert finding.preview == mask(text[start:end]), f"{finding.rule}: the wrong preview"
        assert 0 <= finding.confidence <= 1, f"{finding.rule}: no confidence"
        assert overlapping or start >= last.get(finding.kind, 0), f"{finding.rule}: overlaps or is out of order"
        last[finding.kind] = end
    assert [f.span for f in findings] == sorted(f.span for f in findings), "out of order"


def _rules(one: Sequence[Finding], other: Sequence[Finding]) -> list[tuple[str, int]]:
    return sorted({(f.rule, f.span.start) for f in {*one} ^ {*other}})[:4]


def work(start: int, stop: float, current: Synchronized[int], results: Any) -> None:
    """Cases from seed ``start`` on until the time ``stop``; each failure is sent as it happens."""
    counts, slowest, seed = Counter[str](), (0.0, start), start
    while time.time() < stop:
        current.value = seed
        try:
            made = case(seed)
            counts.update({"cases": 1, "characters": len(made.document.text), "findings": len(made.findings)})
            counts.update(f"kind {kind}" for kind in {finding.kind for finding in made.findings})
            slowest = max(slowest, (1e6 * made.seconds / max(1000, len(made.document.text)), seed))
        except AssertionError as error:
            results.put({"seed": seed, "failed": str(error)})
        except Exception as error:  # its message may quote
            trace = error.__traceback__
            while trace and trace.tb_next:
                trace = trace.tb_next
            place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
            results.put({"seed": seed, "failed": f"{type(error).__name__} at {place}"})
        seed += 1
    results.put({"counts": dict(counts), "slowest": slowest})


def fuzz(seconds: float, seed: int) -> dict[str, Any]:
    """All cases of ``seconds``, over as many processes, one after another, as crashes and hangs make needed."""
    first, stop = seed, time.time() + seconds
    counts, failures, slowest = Counter[str](), list[dict[str, Any]](), (0.0, seed)
    context = multiprocessing.get_context("spawn")
    while time.time() < stop:
        current, results = context.Value("q", seed), context.SimpleQueue()
        process = context.Process(target=work, args=(seed, stop, current, results))
        process.start()
        seen, since = -1, time.time()
        while process.is_alive() or not results.empty():
            process.join(0.2)
            if current.value != seen:
                seen, since = current.value, time.time()
            elif time.time() - since > HANGS_AFTER:
                failures.append({"seed": seen, "failed": "hangs"})
                process.kill()
                process.join()
            while not results.empty():
                message = results.get()
                if "failed" in message:
                    failures.append(message)
                else:
                    counts.update(message["counts"])
                    slowest = max(slowest, message["slowest"])
        if process.exitcode and process.exitcode != -9:
            failures.append({"seed": current.value, "failed": f"exit code {process.exitcode}"})
        seed = current.value + 1
    told = {"seconds": seconds, "first_seed": first, "next_seed": seed, "counts": dict(counts)}
    most = {"most_ms_per_kb": round(slowest[0], 2), "slowest_seed": slowest[1]}
    return {**told, **most, "failures": len(failures), "failed": failures[:50]}


if __name__ == "__main__":
    os.nice(10)
    outcome = fuzz(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(json.dumps(outcome, indent=1))
    sys.exit(bool(outcome["failures"]))
