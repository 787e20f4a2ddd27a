"""Every format renders, and none shows more than a finding holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scrubber.core.baseline import Entry, Mark
from scrubber.core.types import Finding, Report
from scrubber.reporting import formats


@pytest.mark.parametrize("format", formats.FINDINGS)
def test_findings_in_every_format(format: str, make_finding: Callable[..., Finding]) -> None:
    findings = [make_finding(), make_finding("pii", "email")]
    shown = formats.findings(format, findings, version="1", unread=1)
    assert all(finding.preview in shown.replace("\\", "") for finding in findings)
    assert formats.findings(format, [], version="1") != shown


@pytest.mark.parametrize("format", formats.VERDICT)
def test_verdicts_in_every_format(format: str, make_report: Callable[..., Report]) -> None:
    shown = formats.verdict(format, make_report(leak=(0.3, 0.2, 0.4)), version="1")
    assert "leak_rate" in shown.replace("\\", "")


def test_text_says_what_a_baseline_says(make_finding: Callable[..., Finding]) -> None:
    entry = Entry("", "", "", "a test value", "ana")
    shown = formats.findings("text", [make_finding()], version="1", mark=lambda finding: Mark("accepted", entry))
    assert shown == "src/app.py:3:5: secret/aws-key AB***[20] (accepted)"
    assert "\x1b" not in formats.findings("text", [make_finding(document="\x1b[31m")], version="1")
