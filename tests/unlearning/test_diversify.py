"""Rewritten contexts: values stay as they are where they moved to, and the code means what it meant."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.types import Sample, Span
from scrubber.unlearning.diversify import variants

CODE = '''import json
import socket

def open_channel(host, port=5432, *, retries=3):
    """Übergibt a channel to "host"."""
    settings = {"user": 'größe', "password": "VALUE", 'ssl': True}
    for attempt in range(retries):
        channel = socket.create_connection((host, port), timeout=attempt)
        channel.login(settings["user"], token="VALUE", retry=attempt)
    return channel
'''


def sample(text: str = CODE, value: str = "VALUE") -> Sample:
    at, spans = text.find(value), []
    while at >= 0:
        spans.append(Span(at, at + len(value)))
        at = text.find(value, at + 1)
    return Sample("a.py:0", text, tuple(spans), fingerprints=tuple(f"f{i}" for i in range(len(spans))))


def test_values_stay_and_everything_else_may_be_written_otherwise() -> None:
    first = sample()
    made = variants(first, 8, seed=0)
    assert len({one.text for one in made} | {CODE}) == len(made) + 1 >= 6
    for one in made:
        assert [one.text[s.start : s.end] for s in one.forget] == ["VALUE", "VALUE"]
        assert one.fingerprints == first.fingerprints
        ast.parse(one.text)
    assert any("open_channel" not in one.text for one in made)
    assert any("'user'" in one.text for one in made)
    assert any(one.text.index("import socket") < one.text.index("import json") for one in made)


def test_a_rename_is_one_to_one_and_leaves_what_belongs_to_others() -> None:
    for one in variants(sample(), 8, seed=1):
        names = [node.id for node in ast.walk(ast.parse(one.text)) if isinstance(node, ast.Name)]
        attributes = {node.attr for node in ast.walk(ast.parse(one.text)) if isinstance(node, ast.Attribute)}
        assert {"socket", "range"} <= set(names)
        assert attributes == {"create_connection", "login"}
        assert "timeout=" in one.text
        bound = {node.arg for node in ast.walk(ast.parse(one.text)) if isinstance(node, ast.arg)}
        assert len(bound) == 3
        assert len(set(names)) == len({node.id for node in ast.walk(ast.parse(CODE)) if isinstance(node, ast.Name)}), (
            "two names became one"
        )


def test_they_hang_on_the_seed_and_the_sample_alone() -> None:
    assert variants(sample(), 4, seed=3) == variants(sample(), 4, seed=3)
    assert variants(sample(), 4, seed=3) != variants(sample(), 4, seed=4)
    assert variants(sample(), 0, seed=3) == []
    assert variants(sample("VALUE"), 3, seed=3) == []


@given(st.text(max_size=80), st.integers(0, 5))
def test_any_text_keeps_its_value(text: str, seed: int) -> None:
    text = text.replace("VALUE", "") + "\nkey = 'VALUE'\n" + text.replace("VALUE", "")
    for one in variants(sample(text), 3, seed=seed):
        assert [one.text[s.start : s.end] for s in one.forget] == ["VALUE"]
