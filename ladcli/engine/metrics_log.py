"""`metrics.jsonl`: one JSON object per logged step or evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        mirror: also gets every line that is written from now on.
    """

    def __init__(
        self, path: Path, *, keep_steps: int, keep_epochs: int, mirror: Mirror | None = None
    ) -> None:
        self.path = path
        self.mirror = mirror
        kept = [
            line
            for line in read_metrics(path)
            if line["step"] <= keep_steps and line.get("epoch", 0) <= keep_epochs
        ]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept if keep_steps))

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
    """All objects of a metrics file; a last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def _is_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
