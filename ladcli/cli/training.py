"""What the training commands share: the recipe to run, and the result to show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ladcli.cli.console import print_notes, print_table
from ladcli.engine.run_directory import RunDirectory
from ladcli.evaluate.table import metrics_table
from ladcli.recipe import Recipe, load_recipe
from ladcli.stages.training import RunOptions, TrainingResult


def resolve_recipe(
    path: Path | None, flags: Mapping[str, Any], sets: Sequence[str], options: RunOptions
) -> Recipe:
    """The recipe of a run; a resumed run starts from its own instead of the defaults.

    Raises:
        UserError: a value that does not fit.
    """
    run = RunDirectory(options.out)
    if not options.resume or not run.recipe.exists():
        return load_recipe(path, flags=flags, overrides=sets)
    return load_recipe(path or run.recipe, flags=flags, overrides=sets)


def show_result(result: TrainingResult, *, as_json: bool) -> None:
    """The metrics of a finished run on standard output, and where its files are."""
    checkpoint = result.run.checkpoint("best")
    if not checkpoint.exists():
        checkpoint = result.run.checkpoint("last")
    if as_json:
        summary = {
            "run": str(result.run.root),
            "checkpoint": str(checkpoint),
            "steps": result.steps,
            "skipped_images": result.skipped,
            **(result.metrics.to_json() if result.metrics else {}),
        }
        print(json.dumps(summary))
        return
    print_notes(result.notes)
    if result.skipped:
        print_notes(
            [f"{result.skipped} image(s) could not be read and were left out; see run.json"]
        )
    if result.metrics is not None:
        print_table(metrics_table(result.metrics, per_class=False))
    Console().print(f"{result.steps} steps; network in {checkpoint}", soft_wrap=True, markup=False)
