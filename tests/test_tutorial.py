"""The tutorial is true: its blocks run in order in one folder, and print what the page says they print."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
RUN = ("python", "sh")
EXACT, ABOUT = (
    "text",
    "text about",
)  # what a block prints: to the letter, or but for the numbers, which hang on the machine

# Runs the blocks of a JSON file one after the other, as a person would who has one notebook and one shell in one folder.
DRIVER = """
import contextlib, io, json, subprocess, sys

blocks, names = json.load(open(sys.argv[1])), {"__name__": "tutorial"}
for number, (kind, code) in enumerate(blocks):
    printed = io.StringIO()
    if kind == "python":
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"block {number}", "exec"), names)
        text = printed.getvalue()
    else:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"block {number} ends with {done.returncode}: {done.stdout}")
        text = done.stdout
    with open(sys.argv[2], "a") as file:
        file.write(json.dumps(text) + "\\n")
"""


class Block(NamedTuple):
    kind: str  # the whole info string of the fence
    code: str
    line: int


def blocks_of(page: str) -> list[Block]:
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", page, flags=re.M | re.S)
    return [Block(match[1], match[2], page.count("\n", 0, match.start()) + 1) for match in found]


def pairs(blocks: list[Block]) -> list[tuple[Block, Block | None]]:
    """Each block that runs, and the one right after it that says what it prints."""
    following = [*blocks[1:], None]
    return [
        (block, after if after and after.kind in (EXACT, ABOUT) else None)
        for block, after in zip(blocks, following, strict=True)
        if block.kind in RUN
    ]


def without_numbers(text: str) -> str:
    """Numbers, and the spaces that align them, are left out."""
    return re.sub(r"[ ]+", " ", re.sub(r"-?\d*\.?\d+(e-\d+)?", "#", text)).strip()


def run_blocks(folder: Path) -> list[str]:
    """What each block prints, run in ``folder``."""
    (folder / "driver.py").write_text(DRIVER)
    blocks = [(block.kind, block.code) for block, _ in pairs(blocks_of(PAGE.read_text(encoding="utf-8")))]
    (folder / "blocks.json").write_text(json.dumps(blocks))
    (folder / "work").mkdir()
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
        "TERM": "dumb",
    }
    command = [sys.executable, str(folder / "driver.py"), str(folder / "blocks.json"), str(folder / "printed.jsonl")]
    done = subprocess.run(
        command, cwd=folder / "work", env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in (folder / "printed.jsonl").read_text().splitlines()]


def rewritten(page: str, printed: list[str]) -> str:
    """The page with what its blocks printed in the place of what it said they print."""
    lines = page.splitlines(keepends=True)
    for text, (_, said) in reversed(list(zip(printed, pairs(blocks_of(page)), strict=True))):
        if said is not None:
            lines[said.line : said.line + said.code.count("\n")] = [text.strip() + "\n"]
    return "".join(lines)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("transformers")
    return run_blocks(tmp_path_factory.mktemp("tutorial"))


@pytest.mark.slow
def test_every_block_runs_and_prints_what_the_page_says(printed: list[str]) -> None:
    known = pairs(blocks_of(PAGE.read_text(encoding="utf-8")))
    assert len(printed) == len(known) > 10
    for text, (block, said) in zip(printed, known, strict=True):
        if said is None:
            assert text.strip() == "", f"line {block.line} prints what the page does not show: {text}"
        elif said.kind == EXACT:
            assert text.strip() == said.code.strip(), f"line {block.line}"
        else:
            assert without_numbers(text) == without_numbers(said.code), f"line {block.line}"


def test_the_page_shows_an_answer_to_every_block_that_is_no_mere_setting() -> None:
    blocks = blocks_of(PAGE.read_text(encoding="utf-8"))
    known: dict[str, Any] = {kind: [b for b in blocks if b.kind == kind] for kind in (*RUN, EXACT, ABOUT)}
    assert all(known.values())
    # what says nothing to the test would not be noticed when it stops being true
    assert {block.kind for block in blocks} <= {*RUN, EXACT, ABOUT, "yaml", "toml", ""}
    answers = [said for _, said in pairs(blocks) if said]
    assert len(answers) == len(known[EXACT]) + len(known[ABOUT]), "an answer does not follow its block"
    for block in known["python"]:
        compile(block.code, f"line {block.line}", "exec")


def test_numbers_and_nothing_else_are_left_out() -> None:
    assert without_numbers("leak_rate  .533 [.343, .717]") == without_numbers("leak_rate 0.1 [.0, 1.000]")
    assert without_numbers("7 of 24") != without_numbers("7 in 24")
    assert without_numbers("refused 3") != without_numbers("passed 3")


def test_blocks_are_found_with_their_answers() -> None:
    page = "a\n```python\nprint(1)\n```\n\n```text\n1\n```\n```sh\ntrue\n```\n```\nnot run\n```\n"
    first, second = pairs(blocks_of(page))
    assert first == (Block("python", "print(1)\n", 2), Block("text", "1\n", 6))
    assert second == (Block("sh", "true\n", 9), None)


def test_a_page_can_be_rewritten_with_what_was_printed() -> None:
    page = "```python\nprint(1)\n```\n```text\n?\n?\n```\nso\n```sh\necho 2\n```\n\n```text about\n3\n```\n"
    assert rewritten(page, ["1\n", "2\n4\n"]) == page.replace("?\n?\n", "1\n").replace("3\n", "2\n4\n")


if __name__ == "__main__":  # writes this machine's figures into the page
    with tempfile.TemporaryDirectory() as place:
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), run_blocks(Path(place))), encoding="utf-8")
