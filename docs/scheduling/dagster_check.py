"""A Dagster asset check: one turn of the discovery loop says whether the model invents packages. Put it in your Definitions."""

from __future__ import annotations

import subprocess

import dagster as dg

COMMAND = [
    "scrubber", "discover", "/etc/scrubber/discover.toml",
    "--run-dir", "/var/lib/scrubber/discover", "--max-minutes", "120", "--quiet",
]  # fmt: skip


@dg.asset_check(asset="code_model", name="invented_packages", blocking=True)
def invented_packages() -> dg.AssetCheckResult:
    code = subprocess.run(COMMAND, check=False).returncode
    if code not in (0, 1):  # asked wrongly: trying again is no use; no verdict yet: the next try goes on
        raise dg.Failure(f"scrubber discover: exit code {code}", allow_retries=code != 2)
    return dg.AssetCheckResult(passed=code == 0, metadata={"exit_code": code, "run_dir": COMMAND[4]})


checks = dg.define_asset_job("scrubber_discover", selection=dg.AssetSelection.checks(invented_packages))
nightly = dg.ScheduleDefinition(job=checks, cron_schedule="17 2 * * *")
defs = dg.Definitions(asset_checks=[invented_packages], jobs=[checks], schedules=[nightly])
