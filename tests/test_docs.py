"""The documentation is true: its tables are current and its commands exist."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from ladcli.cli import app
from ladcli.recipe.pipeline import PARTS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_table_of_options_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from make_recipe_table import recipe_page

    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == recipe_page()
    sys.modules.pop("make_recipe_table")


def test_the_tables_of_a_pipeline_s_keys_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from make_pipeline_tables import PAGE, with_tables

    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page)
    for model in PARTS.values():
        for key in model.model_fields:
            assert f"| `{key}` |" in page
    for module in ("make_pipeline_tables", "make_recipe_table"):
        sys.modules.pop(module)


def commands_of(page: Path) -> list[str]:
    """Lines of code blocks that call `lad`, continuation lines joined, prompts removed."""
    found = []
    for block in re.findall(r"```[a-z]*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith("lad "):
                found.append(line.split("  #")[0])
    return found


CASES = [(page.name, command) for page in PAGES for command in commands_of(page)]


@pytest.mark.parametrize(("page", "command"), CASES, ids=[f"{p}: {c}" for p, c in CASES])
def test_every_documented_command_names_options_that_exist(page: str, command: str) -> None:
    words = shlex.split(command)[1:]
    level = get_command(app)
    while words and hasattr(level, "commands"):
        if words[0].startswith("-"):
            break
        assert words[0] in level.commands, f"{page}: no command {words[0]!r} in {command!r}"
        level = level.commands[words.pop(0)]
    known = {name for option in level.params for name in option.opts} | {"--help", "-h"}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{page}: {command!r} has no option {word}"


def test_the_readme_shows_commands() -> None:
    assert any(page == "README.md" for page, _ in CASES)
    assert isinstance(app, typer.Typer)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
