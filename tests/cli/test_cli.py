"""The command as a whole: help that needs nothing, and reads at any width."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer

from ladcli import __version__
from ladcli.cli import app
from tests.cli.invoke import ROOT, lad

COMMANDS = (
    "pretrain",
    "cache-teacher",
    "distill",
    "colad",
    "eval",
    "compare",
    "report",
    "predict",
    "run",
    "data synth",
)


def options_of(command: str) -> list[str]:
    found = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]  # type: ignore[attr-defined]
    return [name for parameter in found.params for name in parameter.opts if name.startswith("--")]


def test_commands_tested_here_are_all_there_are() -> None:
    group = typer.main.get_command(app)
    top = set(group.commands)  # type: ignore[attr-defined]
    below = {f"data {name}" for name in group.commands["data"].commands}  # type: ignore[attr-defined]
    assert {c for c in COMMANDS if " " not in c} == top - {"data"}
    assert {c for c in COMMANDS if " " in c} == below


def test_help_names_every_command_and_the_way_through() -> None:
    shown = lad("--help").done()
    for name in (
        "pretrain",
        "cache-teacher",
        "distill",
        "colad",
        "eval",
        "run",
        "data",
        "--version",
    ):
        assert name in shown
    assert "lad run demo" in shown
    assert lad("-h").done() == shown


@pytest.mark.parametrize("columns", [60, 80, 140])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_names_every_option_and_has_an_example(
    command: str, columns: int
) -> None:
    shown = lad(*command.split(), "--help", columns=columns).done()
    words = set(re.findall(r"--[a-z-]+", shown))
    options = options_of(command)
    assert len(options) >= 4  # the fewest that any command has
    assert not [option for option in options if option not in words]
    assert "Example" in shown
    assert f"lad {command} " in " ".join(shown.split())
    assert max(len(line) for line in shown.splitlines()) <= columns


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    found = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]  # type: ignore[attr-defined]
    assert not [p.name for p in found.params if not getattr(p, "help", None)]


def test_defaults_and_units_are_in_the_help() -> None:
    shown = " ".join(lad("pretrain", "--help", columns=140).done().split())
    for text in ("Default: resnet50", "Default: 16", "Default: 0.01", "Default: fp32", "12, 24"):
        assert text in shown


def test_version() -> None:
    assert lad("--version").done() == f"lad {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["data"]])
def test_no_command_shows_the_help(arguments: list[str]) -> None:
    outcome = lad(*arguments)
    assert "Commands" in outcome.out + outcome.err


def test_unknown_command_and_option_are_the_users_to_mend() -> None:
    assert lad("pretrian").code == 2
    assert lad("pretrain", "--out", "x", "--larning-rate", "1").code == 2
    assert lad("pretrain").code == 2  # --out is required


def test_importing_the_command_line_imports_no_heavy_library() -> None:
    heavy = ("torch", "numpy", "pydantic", "timm", "PIL", "h5py", "pycocotools", "sklearn", "yaml")
    code = f"import ladcli.cli, sys; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys, ladcli.cli\n"
        "sys.argv = ['lad', 'distill', '--help']\n"
        "try: ladcli.cli.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'numpy', 'timm'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)


def test_module_runs_as_a_program() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "ladcli", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, f"lad {__version__}\n")
