"""The table of docs/backbones.md."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_START, _END = "<!-- table: python -m benchmarks.backbones -->", "<!-- end of table -->"


def write_table(page: Path, trials: Sequence[dict[str, Any]], versions: str) -> None:
    """Replace the part of ``page`` between its two marks."""
    before, _, rest = page.read_text().partition(_START)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_START}\n{table(trials, versions)}\n{_END}{after}")


def table(trials: Sequence[dict[str, Any]], versions: str) -> str:
    """Markdown: a summary, the networks that work, then those that are refused, with the reason."""
    ordered = sorted(trials, key=lambda trial: str(trial["name"]))
    failing = [trial for trial in ordered if trial["faults"]]
    refused = [trial for trial in ordered if trial["refused"] is not None]
    working = [t for t in ordered if not t["faults"] and t["refused"] is None]
    limited = sum(bool(trial["limits"]) for trial in working)
    date = time.strftime("%Y-%m-%d")
    lines = [
        f"{len(ordered)} networks tried on {date} with {versions}: {len(working)} work "
        f"({limited} of them with a limit that is told), {len(refused)} are refused, "
        f"{len(failing)} fail.",
        "",
        "| works | parameters | channels at strides 8, 16, 32 | limit |",
        "|---|---|---|---|",
        *(_working_row(trial) for trial in working),
        "",
        "| refused | sentence |",
        "|---|---|",
        *(f"| `{trial['name']}` | {_cell(trial['refused'])} |" for trial in refused),
    ]
    if failing:
        lines += ["", "| fails | check: what happened |", "|---|---|"]
        lines += [f"| `{trial['name']}` | {_notes(trial['faults'])} |" for trial in failing]
    return "\n".join(lines)


def _working_row(trial: dict[str, Any]) -> str:
    millions = f"{trial['parameters'] / 1e6:.2f} M"
    channels = ", ".join(trial["strides"])
    return f"| `{trial['name']}` | {millions} | {channels} | {_notes(trial['limits'])} |"


def _notes(notes: dict[str, str]) -> str:
    return "; ".join(f"{check}: {_cell(text)}" for check, text in notes.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
