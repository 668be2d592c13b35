"""Calling `lad` inside this process, and looking at what a shell would see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from typer.testing import CliRunner

from ladcli.cli import app
from tests.stages.tiny import RECIPE, contents

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    def done(self) -> str:
        """Standard output of a command that ended well."""
        assert self.code == 0, self.err
        return self.out

    def refused(self) -> str:
        """What a command that met bad input says: one line, no traceback, exit code 2."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("lad: ")
        assert "unexpected" not in line
        return line.removeprefix("lad: ")


def lad(*arguments: str | Path, columns: int = 80) -> Outcome:
    result = CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": str(columns), "NO_COLOR": "1"}
    )
    return Outcome(result.exit_code, result.stdout, result.stderr)


def refused_untouched(folder: Path, *arguments: str | Path) -> str:
    """The message of a refused command that left everything in ``folder`` as it was."""
    before = contents(folder)
    message = lad(*arguments).refused()
    assert contents(folder) == before
    return message


def lad_process(
    *arguments: str | Path, program: tuple[str, ...] = ("-m", "ladcli"), **options: object
) -> subprocess.Popen[str]:
    """`lad` in a process of its own, with its output in pipes."""
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=heed_signals,
        **options,  # type: ignore[call-overload]
    )


def heed_signals() -> None:
    """Where the tests run in the background, their children would ignore Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def write_tiny_recipe(folder: Path) -> Path:
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(RECIPE))
    return file
