"""What every test gets: few threads, no network, the folder of test data; and the switch that makes a skip fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Set before any test imports a library that reads them at import time.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("SCRUBBER_KEY_FILE", None)  # a developer's own key has no business in a test

DATA_VARIABLE = "SCRUBBER_TEST_DATA"
FAIL_ON_SKIP_VARIABLE = "SCRUBBER_FAIL_ON_SKIP"
NO_DATA = f"{DATA_VARIABLE} is not set"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test data. Without it the test skips, and that skip is forgiven even where others are not."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        pytest.skip(NO_DATA)
    path = Path(folder)
    assert path.is_dir(), f"{DATA_VARIABLE} names no folder: {path}"
    return path


def unforgiven_skips(config: pytest.Config) -> list[str]:
    """Place and reason of every skip, of tests and of whole files, that is not for want of test data."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get(FAIL_ON_SKIP_VARIABLE) or reporter is None:
        return []
    skips = [(report.nodeid, report.longrepr) for report in reporter.stats.get("skipped", [])]
    reasons = [(name, longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)) for name, longrepr in skips]
    return [f"{name}: {reason}" for name, reason in reasons if not reason.endswith(NO_DATA)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and unforgiven_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skips := unforgiven_skips(config):
        terminalreporter.section(f"{len(skips)} skipped, and {FAIL_ON_SKIP_VARIABLE} is set: this run fails", red=True)
        for line in skips:
            terminalreporter.line(line)
