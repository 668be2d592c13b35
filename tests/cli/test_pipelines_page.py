"""The worked example of docs/pipelines.md, run as a reader would."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from ladcli.recipe.pipeline import load_pipeline
from tests.cli.invoke import ROOT, Outcome, lad
from tests.stages.tiny import RECIPE
from tests.test_docs import commands_of

PAGE = ROOT / "docs/pipelines.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [shlex.split(command)[1:] for command in commands_of(PAGE)]
#: Makes the networks of the example as small as tests need them.
TINY = [
    word
    for section, options in RECIPE.items()
    for name, value in options.items()
    for word in ("--set", f"{section}.{name}={json.dumps(value)}")
    if isinstance(value, int | list)
] + ["--set", "model.backbone=mobilenetv3_small_050", "--weights", "none"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Where the reader stands: the file of the page, and photos."""
    folder = tmp_path_factory.mktemp("own")
    (example,) = re.findall(r"```yaml\n(# mine\.yaml\n.*?)```", TEXT, re.DOTALL)
    (folder / "mine.yaml").write_text(example, encoding="utf-8")
    (folder / "photos").symlink_to(data)
    return folder


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Outcome:
    monkeypatch.chdir(folder)
    return lad(*words)


def test_comments_of_the_example_are_true(folder: Path) -> None:
    runs = {run.name: run for run in load_pipeline(folder / "mine.yaml").runs()}
    said = re.findall(r"(cache-seed\d|lad-seed\d) (?:of|from) ([a-z]+-seed\d)", TEXT)
    assert len(said) == 4
    for name, source in said:
        assert source in (runs[name].teacher, runs[name].cache)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_find_everything_they_need(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    words = [*command, *(["--dry-run"] if "--dry-run" not in command else [])]
    shown = run(folder, monkeypatch, *words).done()
    assert " 6 runs into runs/mine" in shown
    assert not (folder / "runs/mine-10").exists()


def test_shown_lines_are_printed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the numbers, which are those of the reader's photos."""

    def without_numbers(text: str) -> str:
        return re.sub(r"(?<![-/a-z])\d+\b", "N", text).replace("N batch ", "N batches ")

    printed = without_numbers(run(folder, monkeypatch, *COMMANDS[0]).done())
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    for block in without_numbers(shown).strip().split("\n\n"):
        assert block in printed


def test_the_example_runs_to_its_end_and_is_then_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = [c for c in COMMANDS if c == ["run", "mine.yaml", "--data", "photos"]]
    shown = run(folder, monkeypatch, *command, *TINY, "-q").done()
    assert "LAD" in shown
    out = folder / "runs/mine"
    assert {path.name for path in out.iterdir()} == {
        "paa-seed0", "paa-seed1", "cache-seed0", "cache-seed1", "lad-seed0", "lad-seed1",
        "summary.json", "comparison-val.html", "comparison-val.json", "comparison-test.html",
        "comparison-test.json",
    }  # fmt: skip
    again = run(folder, monkeypatch, *command, *TINY, "--dry-run").done()
    assert again.splitlines()[-1].startswith("6 finished; ")
