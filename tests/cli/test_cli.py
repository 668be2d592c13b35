"""The command as a whole: help that needs nothing, and reads at any width."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise

import pytest
import typer

from ladcli import __version__
from ladcli.cli import app
from ladcli.cli.help import folded, unwrapped
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
    "data import",
    "data export",
    "data check",
    "data stats",
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
    assert f"    lad {command} " in shown
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


@pytest.mark.parametrize("columns", [50, 80, 120])
@pytest.mark.parametrize("command", ["", "data", *COMMANDS])
def test_paragraphs_are_wrapped_once(command: str, columns: int) -> None:
    """No line ends early while the next word would have fitted, as it did when wrapped twice."""
    shown = lad(*command.split(), "--help", columns=columns).done()
    prose = shown.partition("╭")[0].splitlines()
    lines = [line.strip() for line in prose]
    for line, after in pairwise(lines[lines.index("") + 1 :] if "" in lines else lines):
        if not line or not after or "lad " in line[:4] or "Usage:" in line or "\\" in line + after:
            continue
        if "OPTIONS" in line + after or "COMMAND" in line + after:
            continue
        assert len(line) + 1 + len(after.split()[0]) > columns - 2, (line, after)


@pytest.mark.parametrize("command", ["", "data", *COMMANDS])
def test_no_types_stand_behind_flags_and_arguments(command: str) -> None:
    shown = lad(*command.split(), "--help").done()
    assert "bool" not in shown
    assert "<list" not in shown
    assert "<str>" not in shown


@pytest.mark.parametrize("width", [30, 46, 78])
def test_examples_are_folded_as_a_shell_takes_them(width: int) -> None:
    begin, end = (
        "lad distill --teacher runs/teacher/last.pt",
        "--weights timm 'a b' --out runs/x -q",
    )
    example = f"{begin} {end}"
    text = unwrapped(f"""Do it.

    On two
    lines.

        {begin}
        {end}
    """)
    assert text == f"Do it.\n\nOn two lines.\n\n    {example}"
    lines = folded(text, width).split("\n\n")[-1].splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(line.removesuffix("\\").strip() for line in lines) == example
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert not any(line.rstrip(" \\").endswith(("--weights", "--out")) for line in lines)


@pytest.mark.parametrize("arguments", [[], ["data"]])
def test_no_command_shows_the_help(arguments: list[str]) -> None:
    outcome = lad(*arguments)
    shown = outcome.out + outcome.err
    assert "Commands" in shown
    assert ("The way through: pretrain a teacher" in shown) == (not arguments)
    assert outcome.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("pretrian", "no such command 'pretrian' (did you mean 'pretrain'?); lad --help shows"),
        ("data sinth --out x", "data: no such command 'sinth'"),
        ("pretrain --out x --larning-rate 1", "pretrain: no such option: --larning-rate"),
        (
            "eval --split nope",
            "eval: invalid value for '--split': 'nope' is not one of 'train', 'v",
        ),
        ("pretrain", "pretrain: missing option '--out'; lad pretrain --help shows what there is"),
        ("compare", "compare: missing argument 'RUN"),
        ("pretrain --out", "option '--out' requires an argument"),
        ("pretrain --out x --workers two", "pretrain: invalid value for '--workers': "),
        ("compare a b --resamples 3", "compare: invalid value for '--resamples': "),
        ("pretrain --out x --quiet=3", "option '--quiet' does not take a value"),
        ("report a --out x --nothing", "report: no such option: --nothing"),
    ],
)
def test_usage_errors_are_one_line(arguments: str, message: str) -> None:
    line = lad(*arguments.split()).refused()
    assert line.startswith(message), line
    assert line.endswith(" --help shows what there is")
    assert "Value error" not in line
    assert "Input should" not in line


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
