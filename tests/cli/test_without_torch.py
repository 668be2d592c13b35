"""What only reads results starts without torch, which takes seconds and half a gigabyte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: The command line where torch cannot be imported.
PROGRAM = "import sys; sys.modules['torch'] = None; from ladcli.cli import main; main()"


@pytest.mark.parametrize("command", ["help", "eval", "compare", "report", "stats"])
def test_results_are_measured_compared_and_shown(
    command: str, teacher_run: Path, data: Path, tmp_path: Path
) -> None:
    results, truth = teacher_run / "eval/model/val/predictions.json", data / "annotations/val.json"
    page = tmp_path / "page.html"
    arguments = {
        "help": ["--help"],
        "eval": ["eval", "--predictions", results, "--annotations", truth, "--tide"],
        "compare": ["compare", f"A={teacher_run}", f"B={teacher_run}", "--html", page],
        "report": ["report", teacher_run, "--out", page],
        "stats": ["data", "stats", "--data", data, "--size", "640", "--html", page, "-q"],
    }[command]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
