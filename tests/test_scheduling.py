"""The scheduling examples: valid for their hosts, with a command line that there is, and right about exit codes."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from scrubber import cli

FOLDER = Path(__file__).parents[1] / "docs" / "scheduling"
TURN = re.compile(r"discover (?P<config>/\S+) --run-dir (?P<folder>/\S+) --max-minutes (?P<minutes>\d+)(?: --quiet)?")
TEXT, COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}


def closed(required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    """An object of these keys alone: Kubernetes refuses, or worse, ignores any other."""
    return {"type": "object", "required": list(required), "additionalProperties": False, "properties": properties}


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


EXIT_CODES = closed(
    ["operator", "values"], containerName=TEXT, operator={"enum": ["In", "NotIn"]},
    values={**many({"type": "integer", "minimum": 0, "maximum": 255}), "uniqueItems": True},
)  # fmt: skip
FAILURE_RULE = {
    **closed(
        ["action"], action={"enum": ["FailJob", "FailIndex", "Ignore", "Count"]}, onExitCodes=EXIT_CODES,
        onPodConditions=many(closed(["type"], type=TEXT, status=TEXT)),
    ),
    "oneOf": [{"required": ["onExitCodes"]}, {"required": ["onPodConditions"]}],
}  # fmt: skip
CLAIM = closed(["claimName"], claimName=TEXT, readOnly={"type": "boolean"})
POD = closed(
    ["restartPolicy", "containers"],
    restartPolicy={"const": "Never"},  # a Job with a podFailurePolicy takes no other
    securityContext={"type": "object"},
    containers=many(
        closed(
            ["name", "image"], name=TEXT, image=TEXT, command=many(TEXT), args=many(TEXT), resources={"type": "object"},
            volumeMounts=many(closed(["name", "mountPath"], name=TEXT, mountPath=TEXT, readOnly={"type": "boolean"})),
        )
    ),
    volumes=many(closed(["name"], name=TEXT, configMap=closed(["name"], name=TEXT), persistentVolumeClaim=CLAIM)),
)  # fmt: skip
CRON_JOB = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "batch/v1"},
    kind={"const": "CronJob"},
    metadata=closed(["name"], name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$"}),
    spec=closed(
        ["schedule", "jobTemplate"],
        schedule=TEXT, timeZone=TEXT, startingDeadlineSeconds=COUNT, concurrencyPolicy={"enum": ["Allow", "Forbid", "Replace"]},
        successfulJobsHistoryLimit=COUNT, failedJobsHistoryLimit=COUNT,
        jobTemplate=closed(
            ["spec"],
            spec=closed(
                ["template"], backoffLimit=COUNT, activeDeadlineSeconds=COUNT,
                podFailurePolicy=closed(["rules"], rules=many(FAILURE_RULE)), template=closed(["spec"], spec=POD),
            ),
        ),
    ),
)  # fmt: skip
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def cron_fields(line: str) -> list[list[int]]:
    """The values of the five fields of a schedule, as crontab(5) has them; fails where one is out of its range."""
    fields = []
    for text, (low, high) in zip(line.split(), RANGES, strict=True):
        values = []
        for part in text.split(","):
            match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
            assert match, part
            first = low if match[1] is None else int(match[1])
            last = high if match[1] is None else int(match[2] or first)
            assert low <= first <= last <= high, part
            values += range(first, last + 1, int(match[3] or 1))
        fields.append(values)
    return fields


def cron_line() -> str:
    lines = [line for line in (FOLDER / "scrubber.cron").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Z]+=\S+", line) for line in lines[:-1])
    return lines[-1]


def cron_job() -> Any:
    return yaml.safe_load((FOLDER / "cronjob.yaml").read_text())


def accepted(arguments: Sequence[str]) -> None:
    """The command line is one of ours; the configuration, which is not here, is replaced by one that is."""
    assert TURN.fullmatch(shlex.join(arguments)), arguments
    name, _, *options = arguments
    commands: Any = get_command(cli.app)
    given = commands.commands[name].make_context(name, [str(FOLDER / "README.md"), *options]).params
    assert arguments[3] in map(str, given.values())
    assert float(arguments[5]) in [value for value in given.values() if isinstance(value, (int, float))]


class Fails(Exception):
    """What a host raises to end a task."""

    def __init__(self, text: str = "", allow_retries: bool = True) -> None:
        super().__init__(text)
        self.retries = allow_retries


class FailsForGood(Fails):
    def __init__(self, text: str) -> None:
        super().__init__(text, allow_retries=False)


def loaded(name: str, **modules: Any) -> dict[str, Any]:
    """What an example defines, with its host's modules as given (a dot is written as two underscores)."""
    with pytest.MonkeyPatch.context() as patch:
        for module, content in modules.items():
            made = ModuleType(module.replace("__", "."))
            made.__dict__.update(content)
            patch.setitem(sys.modules, made.__name__, made)
        return runpy.run_path(str(FOLDER / name))


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[list[str]]]:
    """Makes every command end with a code; gives the list in which its command lines will stand."""
    asked: list[list[str]] = []

    def to(code: int) -> list[list[str]]:
        def run(command: list[str], check: bool) -> SimpleNamespace:
            asked.append(command)
            return SimpleNamespace(returncode=code)

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return to


def airflow_turn(options: dict[str, Any]) -> Callable[[], None]:
    """The DAG's one task, as Airflow would find it; ``options`` gets what the decorators were given."""
    tasks: list[Callable[[], None]] = []

    def dag(**given: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
        options.update(given)
        return lambda function: function

    def task(**given: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
        options.update(given)
        return lambda function: lambda: tasks.append(function)

    errors = {"AirflowException": Fails, "AirflowFailException": FailsForGood}
    loaded("airflow_dag.py", airflow={}, airflow__sdk={"dag": dag, "task": task}, airflow__sdk__exceptions=errors)
    (only,) = tasks
    return only


def dagster_check(options: dict[str, Any]) -> Callable[[], Any]:
    def asset_check(**given: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        options.update(given)
        return lambda function: function

    def schedule(**given: Any) -> None:
        options.update(given)

    dagster = {
        "asset_check": asset_check, "AssetCheckResult": SimpleNamespace, "Failure": Fails, "Definitions": SimpleNamespace,
        "AssetSelection": SimpleNamespace(checks=lambda *checks: checks), "ScheduleDefinition": schedule,
        "define_asset_job": lambda name, selection: (name, selection),
    }  # fmt: skip
    check: Callable[[], Any] = loaded("dagster_check.py", dagster=dagster)["invented_packages"]
    return check


def test_the_cron_line_runs_at_night_and_is_silent_when_all_is_well() -> None:
    schedule, command = cron_line().split("  ")
    assert [len(values) for values in cron_fields(schedule)] == [1, 1, 31, 12, 8]
    assert "%" not in command, "cron ends a line there"
    accepted(shlex.split(command.partition(" >")[0])[1:])


@pytest.mark.parametrize("code", [0, 1, 3])
def test_cron_mails_the_exit_code_and_what_was_said(code: int, tmp_path: Path) -> None:
    stub = tmp_path / "scrubber"
    stub.write_text(f"#!/bin/sh\necho the run said so\nexit {code}\n")
    stub.chmod(0o755)
    command = cron_line().split("  ")[1].replace("/var/lib/scrubber", str(tmp_path))
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", f"the run said so\nscrubber discover: exit code {code}\n" if code else "")


@pytest.mark.parametrize(
    "line", ["60 2 * * *", "1 24 * * *", "1 2 0 * *", "1 2 * 13 *", "1 2 * * m", "5-1 2 * * *", "1 2 * *"]
)
def test_a_wrong_schedule_is_told(line: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        cron_fields(line)


def test_the_cron_job_is_one() -> None:
    job = cron_job()
    jsonschema.validate(job, CRON_JOB)
    cron_fields(job["spec"]["schedule"])
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}
    assert container["command"] == ["scrubber"]
    accepted(container["args"])
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert all(any(path.startswith(f"{m}/") for m in mounted) for path in (container["args"][1], container["args"][3]))


def test_the_cron_job_waits_longer_than_its_turns_take() -> None:
    spec = cron_job()["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    minutes = int(container["args"][container["args"].index("--max-minutes") + 1])
    assert spec["activeDeadlineSeconds"] > (spec["backoffLimit"] + 1) * minutes * 60
    assert cron_job()["spec"]["concurrencyPolicy"] == "Forbid"


@pytest.mark.parametrize(
    ("code", "action"), [(1, "FailJob"), (2, "FailJob"), (3, "Count"), (137, "Count"), (143, "Count"), (42, None)]
)
def test_kubernetes_tries_again_only_what_may_end_otherwise(code: int, action: str | None) -> None:
    job = cron_job()["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    taken = None
    for rule in job["podFailurePolicy"]["rules"]:  # the first that fits, as Kubernetes reads them
        codes = rule.get("onExitCodes")
        if codes:
            assert codes["containerName"] == container["name"]
            if (code in codes["values"]) == (codes["operator"] == "In"):
                taken = rule["action"]
                break
    assert taken == action


def test_a_drained_node_costs_no_try() -> None:
    first, *_ = cron_job()["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert (first["action"], first["onPodConditions"]) == ("Ignore", [{"type": "DisruptionTarget"}])


def test_the_structure_refuses_what_kubernetes_would() -> None:
    for change in (
        lambda job: job["spec"].update(schedul="x"),
        lambda job: job["spec"]["jobTemplate"]["spec"]["template"]["spec"].update(restartPolicy="OnFailure"),
        lambda job: job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0].update(action="Retry"),
        lambda job: job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][1].pop("onExitCodes"),
    ):
        job = cron_job()
        change(job)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(job, CRON_JOB)


@pytest.mark.parametrize(("code", "retried"), [(0, None), (1, False), (2, False), (3, True), (-9, True)])
def test_airflow_and_dagster_read_the_exit_code(
    code: int, retried: bool | None, exits: Callable[[int], list[list[str]]]
) -> None:
    options: dict[str, Any] = {}
    turn, asked = airflow_turn(options), exits(code)
    assert (options["max_active_runs"], options["catchup"]) == (1, False)
    cron_fields(options["schedule"])
    if retried is None:
        turn()
    else:
        with pytest.raises(Fails) as failed:
            turn()
        assert failed.value.retries == retried
    check = dagster_check(options)
    cron_fields(options["cron_schedule"])
    assert options["blocking"]
    if code in (0, 1):
        assert check().passed == (code == 0)
    else:
        with pytest.raises(Fails) as failed:
            check()
        assert failed.value.retries == retried
    for command in asked:
        assert command[0] == "scrubber"
        accepted(command[1:])
        assert options["execution_timeout"].total_seconds() > 60 * int(command[command.index("--max-minutes") + 1])


def test_the_page_names_every_example_and_every_code() -> None:
    page = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"\]\(([\w.]+)\)", page)) == {path.name for path in FOLDER.iterdir()} - {
        "README.md",
        "__pycache__",
    }
    assert {"| 0 |", "| 1 |", "| 2 |", "| 3 |"} <= set(re.findall(r"^\| \d \|", page, re.MULTILINE))
