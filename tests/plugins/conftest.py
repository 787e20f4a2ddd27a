"""What the MLflow tests share: a key, a local store, and a model that answers from a file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scrubber.core.fingerprint import KEY_VARIABLE
from scrubber.core.types import Report, Score

POLICY = """
schema_version = 1
name = "lenient"

[[rules]]
metric = "leak_rate"
subset = "audited"
at_most = 0.2
least_n = 20
"""

# A model from code: what it says is in a file beside it, so that a test can read, and swap, what was logged.
MODEL = """
import json
import mlflow


class Answers(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["answers"]) as file:
            self.answers = json.load(file)

    def predict(self, context, model_input, params=None):
        column = "prompt" if "prompt" in model_input else model_input.columns[0]
        return [self.answers[prompt] for prompt in model_input[column]]


mlflow.models.set_model(Answers())
"""

LogModel = Callable[..., Any]
ReportOf = Callable[[int], Report]


@pytest.fixture(autouse=True)
def mlflow_as_before() -> Iterator[None]:
    """MLflow keeps the experiment that was set last in a global and in the environment, for whatever store comes next."""
    before = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    yield
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in before]:
        del os.environ[name]
    os.environ.update(before)
    if fluent := sys.modules.get("mlflow.tracking.fluent"):
        vars(fluent)["_active_experiment_id"] = None


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "scrubber.key"
    file.write_bytes(os.urandom(32).hex().encode())
    monkeypatch.setenv(KEY_VARIABLE, str(file))
    return file


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "lenient.toml"
    file.write_text(POLICY)
    return file


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose tables are made: that is what takes the time."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("empty")
    SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))
    return folder / "mlflow.db"


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of a local store of this test's own, to which MLflow is set."""
    import mlflow

    monkeypatch.chdir(tmp_path)
    database = tmp_path / "store" / "mlflow.db"
    database.parent.mkdir()
    database.write_bytes(empty_store.read_bytes())
    uri = f"sqlite:///{database}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment = mlflow.create_experiment("tests", artifact_location=(tmp_path / "store" / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id=experiment)
    yield uri
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def log_model(tmp_path: Path) -> LogModel:
    """Logs and registers, in the store that MLflow is set to, a model that answers each prompt so, and holds ``files``."""

    def logged(answers: Mapping[str, str], name: str = "coder", **files: str) -> Any:
        import mlflow

        (tmp_path / "answers.json").write_text(json.dumps(dict(answers)))
        (tmp_path / "answers.py").write_text(MODEL)
        return mlflow.pyfunc.log_model(
            name="model",
            python_model=str(tmp_path / "answers.py"),
            artifacts={"answers": str(tmp_path / "answers.json"), **files},
            registered_model_name=name,
            pip_requirements=[],
        )

    return logged


@pytest.fixture
def report_of(policy_file: Path) -> ReportOf:
    """A report with so many leaks of 100 values, judged by the policy of ``policy_file``."""
    from scrubber.core.gate import decide
    from scrubber.core.intervals import clopper_pearson
    from scrubber.core.workspace import digest
    from scrubber.pipelines.config import policy as policy_named

    policy = policy_named(str(policy_file))
    digests = {"data": "d1", "policy": digest(asdict(policy))}

    def made(leaked: int) -> Report:
        scores = (
            Score("leak_rate", "after", "audited", leaked / 100, *clopper_pearson(leaked, 100), 100),
            Score("leak_rate", "before", "audited", 0.9, 0.8, 0.95, 100),
        )
        return Report("a release", decide(policy, scores), scores, policy.name, {}, digests, {}, {}, 1, {}, ())

    return made


# -- real servers


class Server:
    """An ``mlflow server`` on loopback that can be killed and started again on its port."""

    def __init__(self, folder: Path, backend: str, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder, self._backend, self._environment = folder, backend, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """No-op while it runs. A start takes as long as importing MLflow twice."""
        if self._process is not None:
            return
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--workers",
            "1",
        ]
        command += ["--backend-store-uri", self._backend, "--artifacts-destination", str(self._folder / "artifacts")]
        command += ["--app-name", "basic-auth"] if "MLFLOW_AUTH_CONFIG_PATH" in self._environment else []
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **self._environment}
        log = (self._folder / "server.log").open("ab")
        # a group of its own: the server's workers must die with it
        self._process = subprocess.Popen(
            command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
            assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
            time.sleep(0.2)
        raise AssertionError("the server did not start: " + (self._folder / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _postgres_bin() -> Path | None:
    found = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    return Path(found).resolve().parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of a database in a PostgreSQL of this test run's own, without a port; it may not run as root."""
    pytest.importorskip("psycopg2")
    programs = _postgres_bin()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="scrubber-pg-"))
    if user:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        done = subprocess.run(
            [str(programs / command[0]), *command[1:]], user=user, cwd=folder, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]

    run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "tests", "--no-sync", "-E", "UTF8")
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB"
    run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        run("createdb", "-h", str(folder), "-U", "tests", "mlflow")
        yield f"postgresql+psycopg2://tests@/mlflow?host={folder}"
    finally:
        run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def few_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Running when a test begins; a test may kill it and start it again."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        shutil.copy(empty_store, folder / "mlflow.db")
        made = Server(folder, f"sqlite:///{folder}/mlflow.db")
    else:
        made = Server(folder, request.getfixturevalue("postgres"))
    made.start()
    yield made
    made.kill()


class Guarded(NamedTuple):
    """A server with authentication, on which everyone may read; words of people by name."""

    server: Server
    words: Mapping[str, str]


@pytest.fixture
def guarded(tmp_path: Path, empty_store: Path, few_retries: None) -> Iterator[Guarded]:
    pytest.importorskip("flask_wtf")
    words = {name: os.urandom(9).hex() for name in ("admin", "reader", "secret")}
    folder = tmp_path / "auth"
    folder.mkdir()
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\nauth_cache_ttl_seconds = 60\n"
    )
    shutil.copy(empty_store, folder / "mlflow.db")
    server = Server(
        folder, f"sqlite:///{folder}/mlflow.db", MLFLOW_AUTH_CONFIG_PATH=str(folder / "auth.ini"),
        MLFLOW_AUTH_ADMIN_PASSWORD=words["admin"], MLFLOW_FLASK_SERVER_SECRET_KEY=words["secret"],
    )  # fmt: skip
    server.start()
    yield Guarded(server, words)
    server.kill()


@pytest.fixture
def set_to() -> Iterator[Callable[[str], None]]:
    """Sets MLflow to a store, for this test."""
    import mlflow

    def chosen(uri: str | None) -> None:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)

    yield chosen
    chosen(None)
