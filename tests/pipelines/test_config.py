"""The configuration: every mistake in one message before anything is loaded, and one order of who overrides whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.pipelines.config import POLICIES, Config, flat, help_text, policy, read

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FIVE = """
seed = "many"
nmae = "typo"
[model]
precision = "fp12"
batch_size = 0
[unlearn]
learning_rte = 1e-4
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "release.toml"
    path.write_text('seed = 3\n[model]\npath = "a/model"\nbatch_size = 8\n[unlearn.settings]\ngamma = 0.3\n')
    return path


def mistakes(path: Path | None, *overrides: str, **environment: str) -> AskedWrongly:
    with pytest.raises(AskedWrongly) as caught:
        read(path, overrides, environment)
    assert caught.value.exit_code == 2
    return caught.value


def test_five_mistakes_are_told_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(FIVE)
    error = mistakes(path)
    assert error.what.startswith("the configuration has 5 mistakes: ")
    for key in ("seed", "nmae", "model.precision", "model.batch_size", "unlearn.learning_rte"):
        assert error.what.count(f"{key}: ") == 1
    assert "nmae: there is no such key" in error.what
    assert "'nf4', 'int8', 'bf16' or 'fp32'" in error.what
    assert error.where == str(path)
    assert "many" not in str(error)  # a mistaken value may be a private one


def test_mistakes_in_overrides_are_told_with_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(FIVE)
    error = mistakes(path, "gate.policy", "name.first=1", SCRUBBER_SET="audit.keep=none")
    assert error.what.startswith("the configuration has 8 mistakes: ")
    assert "gate.policy: write it as section.key=value" in error.what
    assert "audit.keep: " in error.what


PROBE = """
import sys
from scrubber.cli import main
sys.argv = ["scrubber", "release", sys.argv[1], "--run-dir", sys.argv[2]]
try:
    main()
except SystemExit as end:
    print(end.code, *(name for name in ("torch", "transformers", "peft") if name in sys.modules))
"""


@pytest.mark.middle
def test_the_command_ends_before_any_model_library_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(FIVE)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path), str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["2"]
    assert done.stderr.count("\n") == 1
    assert "5 mistakes" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_file_changes_what_it_names_and_leaves_the_rest(file: Path) -> None:
    config = read(file, (), {})
    assert (config.seed, config.model.path, config.model.batch_size) == (3, "a/model", 8)
    assert config.unlearn.settings == {"gamma": 0.3}
    assert config.model.precision == Config().model.precision
    assert config.audit == Config().audit
    assert read(None, (), {}) == Config()


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(file: Path) -> None:
    environment = {"SCRUBBER_SET": "model.batch_size=16; model.threads=2 ;seed=4"}
    config = read(file, ["seed=5", "name=night run"], environment)
    assert (config.name, config.seed) == ("night run", 5)  # the command line
    assert (config.model.batch_size, config.model.threads) == (16, 2)  # the environment
    assert config.model.path == "a/model"  # the file
    assert config.gate.policy == "release"  # the default


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("model.path=org/name", "model.path", "org/name"),
        ('model.path="quoted = name"', "model.path", "quoted = name"),
        ("model.path=a=b", "model.path", "a=b"),
        ("model.path=", "model.path", ""),
        ('corpus.paths=["one", "two"]', "corpus.paths", "one, two"),
        ("corpus.allow_errors=true", "corpus.allow_errors", True),
        ("unlearn.learning_rate=1e-3", "unlearn.learning_rate", 1e-3),
        ("unlearn.settings.gamma=0.1", "unlearn.settings.gamma", 0.1),
        ("unlearn.settings={gamma = 0.1, split = false}", "unlearn.settings.split", False),
        ("  seed = 9 ", "seed", 9),
    ],
)
def test_an_override_is_a_toml_value_or_plain_text(override: str, key: str, value: object) -> None:
    assert flat(read(None, [override], {}))[key] == value


def test_the_last_of_two_overrides_counts() -> None:
    assert read(None, ["seed=1", "seed=2"], {}).seed == 2


def test_a_pyproject_is_read_at_its_own_table(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[tool.scrubber]\nseed = 7\n[tool.scrubber.model]\nprecision = "int8"\n')
    config = read(path, (), {})
    assert (config.seed, config.model.precision) == (7, "int8")
    path.write_text('[project]\nname = "x"\n')
    assert read(path, (), {}) == Config()


@pytest.mark.parametrize(
    ("content", "said"), [(b"seed = ", "no valid TOML"), (b"name = '\xff'", "not UTF-8"), (None, "cannot be read")]
)
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "release.toml"
    if content is not None:
        path.write_bytes(content)
    error = mistakes(path)
    assert said in error.what
    assert error.where == str(path)


def test_the_help_is_a_toml_file_of_the_defaults() -> None:
    text = help_text()
    assert Config.model_validate(tomllib.loads(text)) == Config()
    described = [line for line in text.splitlines() if "# " in line]
    assert len(described) > 25


# -- gate policies


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.toml")), ids=lambda path: path.stem)
def test_our_own_policies_are_right_and_bear_their_file_names(path: Path) -> None:
    made = policy(path.stem)
    assert made.name == path.stem
    assert made == policy(str(path))
    assert all(rule.why and rule.least_n > 1 for rule in made.rules)


RULE = '[[rules]]\nmetric = "leak_rate"\nsubset = "audited"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'name = "x"\n{RULE}at_msot = 0.1\nat_most = 0.1\n', ["rules.0.at_msot: "]),
        (f'name = "x"\nextra = 1\n{RULE}at_most = 0.1\n', ["extra: "]),
        (f'name = "x"\n{RULE}', ["rules without a limit: leak_rate"]),
        ('name = "x"\nrules = []\n', ["no rule"]),
        (f"{RULE}at_most = 0.1\n", ["name: "]),
        (f'name = "x"\n{RULE}at_most = "low"\nstage = "later"\n', ["rules.0.at_most: ", "rules.0.stage: "]),
        ('name = "x"\n[[rules]\n', ["no valid TOML"]),
    ],
)
def test_a_policy_that_is_wrong_is_told_why(text: str, said: list[str], tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(AskedWrongly) as caught:
        policy(str(path))
    assert not [words for words in said if words not in str(caught.value)]
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", ["nothing", "./nothing.toml", "/nowhere/policy.toml"])
def test_a_policy_that_is_not_there_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(AskedWrongly, match=r"demo, release, robust, smoke, standard, strict, tiny") as caught:
        policy(name)
    assert repr(name) in caught.value.what
