"""What runs in other people's CI: the commit hooks, the action's steps and the GitLab job, as a shell would run them."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
GITLAB = yaml.safe_load((ROOT / "docs" / "ci" / "scrubber.gitlab-ci.yml").read_text())
TOKEN = "gl" + "pat-" + "".join(random.Random(8).choices(string.ascii_letters + string.digits, k=20))
KEY = "k" * 32
LEAK = f'token = "{TOKEN}"\n'


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.github-workflows", "docs/ci/github.yml"),
        ("vendor.gitlab-ci", "docs/ci/scrubber.gitlab-ci.yml"),
    ],
)
def test_the_hosts_own_schema_accepts_the_file(schema: str, file: str) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [check, "--builtin-schema", schema, *(["--data-transform", "gitlab-ci"] if "gitlab" in schema else []), file],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_hooks_are_a_manifest() -> None:
    text = {"type": "string"}
    hook = {
        "type": "object",
        "required": ["id", "name", "entry", "language"],
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(("id", "name", "entry", "description"), text),
            "language": {"enum": ["python", "system"]},
            "types": {"type": "array", "items": text},
            "stages": {"type": "array", "items": {"enum": ["pre-commit", "pre-push", "manual"]}},
        },
    }
    jsonschema.validate(HOOKS, {"type": "array", "minItems": 1, "items": hook})
    assert len({hook["id"] for hook in HOOKS}) == len(HOOKS)


def test_no_input_is_pasted_into_a_script() -> None:
    steps = ACTION["runs"]["steps"]
    assert all(step["shell"] == "bash" for step in steps)
    assert not [step["id"] for step in steps if "${{" in step["run"]]
    assert all(re.fullmatch("[a-z-]+", name) for name in ACTION["inputs"])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "clean.py").write_text("x = 1\n")
    return folder


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which scrubber is this very tree."""
    program = tmp_path / "bin" / "scrubber"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {sys.executable} -m scrubber.cli "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


class Ran(NamedTuple):
    code: int
    outputs: dict[str, str]
    summary: str
    said: str


def act(repository: Path, path: str, *, install: bool = False, **inputs: str) -> Ran:
    """Runs the action's steps in order, as the runner does: environment from inputs, a file for outputs."""
    temp = repository.parent / f"runner{len(list(repository.parent.iterdir()))}"
    temp.mkdir()
    files = {name: temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")}
    for file in files.values():
        file.touch()
    given = {name: str(told["default"]) for name, told in ACTION["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    known = {"github.action_path": str(ROOT), **{f"inputs.{name}": value for name, value in given.items()}}
    said, code = "", 0
    for step in ACTION["runs"]["steps"]:
        if (step["id"] == "install" and not install) or (step["id"] == "gate" and not given["result"]):
            continue
        fill = lambda found: known.get(found[1], "")  # noqa: E731 (a replacement)
        env = {name: re.sub(r"\$\{\{ (\S+) \}\}", fill, value) for name, value in step["env"].items()}
        paths = os.pathsep.join([*files["GITHUB_PATH"].read_text().splitlines(), path])
        files["GITHUB_OUTPUT"].write_text("")
        done = subprocess.run(
            ["bash", "-c", step["run"]], cwd=repository, capture_output=True, text=True, check=False,
            env={**os.environ, **env, **{n: str(f) for n, f in files.items()}, "PATH": paths, "RUNNER_TEMP": str(temp)},
        )  # fmt: skip
        said, code = said + done.stdout + done.stderr, done.returncode
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            known[f"steps.{step['id']}.outputs.{name}"] = value
        if code and step["id"] != "judge":
            break
    outputs = {
        name: known.get(told["value"].removeprefix("${{ ").removesuffix(" }}"), "")
        for name, told in ACTION["outputs"].items()
    }
    everything = said + "".join(
        f.read_text() for f in temp.rglob("*") if f.is_file() and not f.is_relative_to(temp / "scrubber-venv")
    )
    assert TOKEN not in everything
    assert KEY not in everything
    return Ran(code, outputs, files["GITHUB_STEP_SUMMARY"].read_text(), said)


def results(ran: Ran) -> list[dict[str, Any]]:
    log = json.loads(Path(ran.outputs["sarif"]).read_text())
    found = log["runs"][0]["results"]
    assert isinstance(found, list)
    return found


@pytest.mark.middle
def test_a_clean_repository_passes_and_leaves_a_summary_and_a_log(repository: Path, path: str) -> None:
    ran = act(repository, path)
    assert (ran.code, ran.outputs["exit-code"]) == (0, "0"), ran.said
    assert results(ran) == []
    assert "Findings: none" in ran.summary


@pytest.mark.middle
def test_a_finding_fails_the_job_and_is_shown_under_its_path(repository: Path, path: str) -> None:
    (repository / "src").mkdir()
    (repository / "src" / "leak.py").write_text(LEAK)
    ran = act(repository, path, paths="src\n\nclean.py\n")
    assert (ran.code, ran.outputs["exit-code"]) == (1, "1"), ran.said
    (result,) = results(ran)
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "src/leak.py"
    assert "## Findings: 1" in ran.summary


@pytest.mark.middle
@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"paths": "nowhere"}, 2),
        ({"profile": "fast"}, 2),
        ({"paths": "$(touch pwned)"}, 2),
        ({"paths": "\n"}, 2),
        ({"result": "nowhere"}, 3),
    ],
    ids=str,
)
def test_what_is_asked_wrongly_is_never_clean(repository: Path, path: str, inputs: dict[str, str], code: int) -> None:
    ran = act(repository, path, **inputs)
    assert (ran.code, ran.outputs["exit-code"]) == (code, str(code)), ran.said
    assert not (repository / "pwned").exists()


@pytest.mark.slow
def test_an_unread_file_is_no_verdict(repository: Path, path: str) -> None:
    (repository / "odd.py").write_bytes(b"\xff\xfe\xff")
    ran = act(repository, path)
    assert ran.code == 3, ran.said
    assert (
        json.loads(Path(ran.outputs["sarif"]).read_text())["runs"][0]["invocations"][0]["executionSuccessful"] is False
    )


def scrubber(repository: Path, path: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scrubber", *arguments], cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path, **environment}, executable=shutil.which("scrubber", path=path),
    )  # fmt: skip


@pytest.mark.slow
def test_a_baseline_under_the_shared_key_lets_the_job_pass_and_marks_the_finding(repository: Path, path: str) -> None:
    (repository / "leak.py").write_text(LEAK)
    key = repository.parent / "key"
    key.write_text(KEY)
    vouched = ("--reason", "revoked", "--owner", "ana")
    made = scrubber(repository, path, "baseline", "create", ".", *vouched, SCRUBBER_KEY_FILE=str(key))
    assert made.returncode == 0, made.stderr
    ran = act(repository, path, baseline=".scrubber-baseline.json", key=KEY)
    assert ran.code == 0, ran.said
    (result,) = results(ran)
    assert (result["baselineState"], result["suppressions"][0]["justification"]) == ("unchanged", "ana: revoked")
    other = act(repository, path, baseline=".scrubber-baseline.json", key="o" * 32)
    assert other.code == 2
    assert "another fingerprint key" in other.said


@pytest.mark.slow
@pytest.mark.parametrize(("leak", "code"), [((0.0, 0.0, 0.01), 0), ((0.3, 0.2, 0.4), 1)])
def test_a_result_is_put_to_the_gate(repository: Path, path: str, leak: tuple[float, float, float], code: int) -> None:
    rule = {"metric": "leak_rate", "subset": "planted", "stage": "after", "at_most": 0.02, "at_least": None,
            "least_n": 100, "why": ""}  # fmt: skip
    score = {"metric": "leak_rate", "subset": "planted", "stage": "after", "n": 400, "note": ""}
    score |= dict(zip(("value", "low", "high"), leak, strict=True))
    policy = 'name = "p"\n[[rules]]\nmetric = "leak_rate"\nsubset = "planted"\nat_most = 0.02\nleast_n = 100\n'
    outcome = {"outcome": "undecided", "measured": None, "bound": None, "limit": 0.02, "n": 0, "reason": "",
               "more_needed": None}  # fmt: skip
    stored = {"schema_version": 1, "name": "run", "verdict": "undecided", "policy": "p", "rules": [{**rule, **outcome}],
              "scores": [score], "controls": [], "findings": {}, "not_tested": [], "seconds": {}, "digests": {},
              "peak_memory_bytes": 0, "config": {}, "versions": {}}  # fmt: skip
    (repository / "run").mkdir()
    (repository / "run" / "result.json").write_text(json.dumps(stored))
    (repository / "policy.toml").write_text(policy)
    ran = act(repository, path, paths="clean.py", result="run", policy="policy.toml")
    assert ran.code == code, ran.said
    assert f'failures="{code}"' in Path(ran.outputs["junit"]).read_text()
    assert "leak\\_rate" in ran.summary


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=repository, capture_output=True, text=True, check=True
    ).stdout


def commit_hook(repository: Path, path: str, hook: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The hook as pre-commit calls it: its entry, then the names of the staged files."""
    staged = git(repository, "diff", "--cached", "--name-only", "--diff-filter=ACMR", "-z").split("\0")[:-1]
    return scrubber(repository, path, *shlex.split(hook["entry"])[1:], *staged)


@pytest.mark.middle
def test_a_hook_looks_at_staged_files_only(repository: Path, path: str) -> None:
    hook = HOOKS[0]
    assert all(other["entry"] == hook["entry"] for other in HOOKS)
    git(repository, "init", "-q")
    (repository / "leak.py").write_text(LEAK)
    (repository / "empty file.py").touch()
    git(repository, "add", "clean.py", "empty file.py")
    done = commit_hook(repository, path, hook)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    git(repository, "add", "leak.py")
    done = commit_hook(repository, path, hook)
    assert done.returncode == 1
    assert done.stdout.startswith("leak.py:1:10: secret/gitlab-token")
    assert TOKEN not in done.stdout
    (repository / "leak.py").write_text(LEAK.rstrip() + "  # pragma: allowlist secret\n")
    assert commit_hook(repository, path, hook).returncode == 0


@pytest.mark.slow
def test_the_gitlab_job_leaves_its_report_whatever_it_finds(repository: Path, path: str) -> None:
    job = GITLAB["scrubber"]
    assert job["artifacts"]["when"] == "always"
    (report,) = [repository / name for name in job["artifacts"]["reports"].values()]
    variables = {name: str(value) for name, value in GITLAB["variables"].items()}
    run: Callable[[], int] = lambda: subprocess.run(  # noqa: E731
        ["bash", "-e", "-c", "\n".join(job["script"])], cwd=repository, capture_output=True, check=False,
        env={**os.environ, **variables, "PATH": path},
    ).returncode  # fmt: skip
    assert run() == 0
    assert 'failures="0"' in report.read_text()
    (repository / "leak.py").write_text(LEAK)
    assert run() == 1
    assert 'failures="1"' in report.read_text()


@pytest.mark.slow
def test_hooks_action_and_gate_work_with_the_base_install_alone(repository: Path) -> None:
    source = repository.parent / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "*.egg-info", "build", "*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, source, ignore=ignored, symlinks=True)
    venv = repository.parent / "venv"
    step = next(step for step in ACTION["runs"]["steps"] if step["id"] == "install")
    temp = repository.parent / "install"
    temp.mkdir()
    done = subprocess.run(
        ["bash", "-c", step["run"]], capture_output=True, text=True, check=False, cwd=repository,
        env={**os.environ, "SOURCE": str(source), "RUNNER_TEMP": str(temp), "GITHUB_PATH": str(temp / "path"),
             "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bin_ = (temp / "path").read_text().strip()
    venv = Path(bin_).parent
    for heavy in ("torch", "mlflow", "numpy", "jinja2"):
        assert not list(venv.glob(f"lib/*/site-packages/{heavy}")), heavy
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    (repository / "leak.py").write_text(LEAK)
    git(repository, "init", "-q")
    git(repository, "add", ".")
    assert commit_hook(repository, path, HOOKS[0]).returncode == 1
    assert scrubber(repository, path, "baseline", "create", ".", "--reason", "r", "--owner", "o").returncode == 0
    for format in ("sarif", "junit", "markdown", "json"):
        done = scrubber(repository, path, "scan", ".", "--format", format, "--baseline", ".scrubber-baseline.json")
        assert done.returncode == 0, done.stderr
    test_a_result_is_put_to_the_gate(repository, path, (0.3, 0.2, 0.4), 1)
