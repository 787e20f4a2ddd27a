"""The loop's configuration and its files: every mistake in one message, before anything is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.pipelines.discover.config import DiscoverConfig, help_text, read
from scrubber.pipelines.discover.inputs import read_inputs

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_five_mistakes_are_told_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('sed = 1\n[loop]\nlimit = 2.0\nrounds = 0\n[unlearn]\nmethods = "ga"\n')
    with pytest.raises(AskedWrongly) as caught:
        read(path, ["loop.temperature=hot", "wrong"])
    told = str(caught.value)
    assert "6 mistakes" in told
    for key in (
        "sed: there is no such key",
        "loop.limit",
        "loop.rounds",
        "unlearn.methods",
        "loop.temperature",
        "wrong: ",
    ):
        assert key in told
    assert "--show-config" in told
    assert "hot" not in told


def test_the_printed_configuration_is_the_default_one_and_explains_itself(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(help_text())
    assert read(path, environment={}) == DiscoverConfig()
    keys = [line for line in help_text().splitlines() if "=" in line]
    assert sum("#" in line for line in keys) > 0.7 * len(keys)
    assert set(tomllib.loads(help_text())) == set(DiscoverConfig.model_fields)


def test_overrides_come_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("seed = 1\n[loop]\nrounds = 1\nfresh = 1\nlimit = 0.1\n")
    config = read(path, ["loop.rounds=3"], {"SCRUBBER_SET": "loop.rounds=2;loop.fresh=2"})
    assert (config.loop.rounds, config.loop.fresh, config.loop.limit, config.seed) == (3, 2, 0.1, 1)


def test_paths_are_seen_from_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("")
    path = tmp_path / "a.toml"
    path.write_text('[model]\npath = "org/name"\n[prompts]\nseeds = "prompts.jsonl"\nunrelated = "none.jsonl"\n')
    config = read(path, environment={})
    assert config.prompts.seeds == str(tmp_path / "prompts.jsonl")
    assert (config.model.path, config.prompts.unrelated) == ("org/name", "none.jsonl")


def test_all_that_is_wrong_with_the_files_is_told_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("nonsense\n")
    path = tmp_path / "a.toml"
    path.write_text(f'[prompts]\nseeds = "{bad}"\nunrelated = "none.jsonl"\n[index]\nfolder = "{tmp_path}"\n')
    with pytest.raises(AskedWrongly) as caught:
        read_inputs(read(path, environment={}))
    for part in ("model.path is not set", "prompts.unrelated: there is nothing at none.jsonl", "no JSON object",
                 "there is no index of pypi names", "scrubber index build"):  # fmt: skip
        assert part in str(caught.value)
