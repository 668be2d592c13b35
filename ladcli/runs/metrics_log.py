"""`metrics.jsonl`: one JSON object per logged step or evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.files import write_text, writing_to

#: Takes a line apart: its kind, its optimizer step, and its values by name.
Mirror = Callable[[str, int, dict[str, Any]], None]


class MetricsLog:
    """Appends lines to a run's `metrics.jsonl`.

    Args:
        path: the file.
        keep_steps: lines of later optimizer steps are dropped: they belong to work that a resumed
            run does again.  0 starts an empty file.
        keep_epochs: likewise lines of later epochs, such as an evaluation after the last step
            that counts.
        drop_evaluations: likewise evaluations after these epochs, which the run no longer makes.
        mirror: also gets every line that is written from now on.

    Raises:
        UserError: as `read_metrics`, where lines are kept; or the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep_steps: int,
        keep_epochs: int,
        drop_evaluations: Container[int] = (),
        mirror: Mirror | None = None,
    ) -> None:
        self.path = path
        self.mirror = mirror
        kept = [
            line
            for line in (read_metrics(path) if keep_steps else ())
            if line["step"] <= keep_steps
            and line.get("epoch", 0) <= keep_epochs
            and not (line.get("kind") == "eval" and line.get("epoch") in drop_evaluations)
        ]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Append one object with its kind (``train`` or ``eval``) and optimizer step.

        Numbers that are not finite (a gradient norm in fp16) become null: JSON has none of them.
        """
        finite = {name: value if _is_json(value) else None for name, value in values.items()}
        line = json.dumps({"kind": kind, "step": step, **finite}, allow_nan=False)
        with writing_to(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self.mirror is not None:
            self.mirror(kind, step, finite)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All objects of a metrics file; a last line that was cut off is left out.

    Raises:
        UserError: another line is damaged.
    """
    lines, damaged = scan_metrics(path)
    if damaged:
        raise UserError(
            f"{path}: {len(damaged)} line(s) cannot be read; first is line {damaged[0]}; delete "
            "them and try again"
        )
    return lines


def scan_metrics(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The objects of a metrics file, and the numbers, from 1, of the lines that are damaged.

    A last line that was cut off is neither: its run was killed, or is writing it just now.
    """
    if not path.is_file():
        return [], []
    lines, damaged = [], []
    texts = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, text in enumerate(texts, start=1):
        line = _parse(text)
        if line is not None:
            lines.append(line)
        elif text.strip() and number < len(texts):  # the last one has no end
            damaged.append(number)
    return lines, damaged


def _parse(text: str) -> dict[str, Any] | None:
    """The object of one line; None where there is none, or none that says when it was written."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("step"), int):
        return None
    return line if isinstance(line.get("epoch", 0), int) else None


def _is_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
