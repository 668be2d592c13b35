from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ladcli
from ladcli.schema_facts import FACTS


def test_facts_are_defaults_and_choices_of_the_schema() -> None:
    assert (FACTS["data.workers"].takes, FACTS["data.workers"].default) == (int, 2)
    assert FACTS["data.dir"] == (Path, None)
    assert FACTS["train.precision"] == (("fp32", "bf16", "fp16"), "fp32")


@pytest.mark.parametrize("command", ["pretrain", "colad", "cache-teacher"])
def test_help_waits_for_neither_torch_nor_the_schema(command: str) -> None:
    # Pydantic is not looked for: some versions of Typer bring it for a command with options.
    program = (
        "import sys; sys.modules |= {'torch': None, 'ladcli.recipe': None};"
        "from ladcli.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(ladcli.__file__).parents[1],
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage:" in done.stdout
