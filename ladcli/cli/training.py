"""What the training commands share: the recipe to run, and the result to show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ladcli.cli.console import print_notes, print_table
from ladcli.engine.run_directory import RunDirectory
from ladcli.evaluate.table import metrics_table
from ladcli.recipe import Recipe, load_recipe
from ladcli.stages.training import RunOptions, TrainingResult
from ladcli.terminal import print_line


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
    if as_json:
        print(json.dumps(_summary(result)))
        return
    print_notes(result.notes)
    if result.skipped:
        print_notes(
            [f"{result.skipped} image(s) could not be read and were left out; see run.json"]
        )
    for network in result.networks:
        named = "network" if len(result.networks) == 1 else f"network {network}"
        if network in result.metrics:
            print_table(metrics_table(result.metrics[network], per_class=False))
        text = f"{result.steps} steps; {named} in {_checkpoint(result, network)}"
        print_line(text)


def _checkpoint(result: TrainingResult, network: str) -> Path:
    """The best checkpoint of a network, or the last where none was chosen."""
    best = result.run.checkpoint("best", network)
    return best if best.exists() else result.run.checkpoint("last", network)


def _summary(result: TrainingResult) -> dict[str, Any]:
    """The result as plain values; two networks stand below their names."""
    shared = {
        "run": str(result.run.root),
        "steps": result.steps,
        "skipped_images": result.skipped,
    }
    networks = {
        name: {
            "checkpoint": str(_checkpoint(result, name)),
            **(result.metrics[name].to_json() if name in result.metrics else {}),
        }
        for name in result.networks
    }
    if len(networks) == 1:
        return shared | next(iter(networks.values()))
    return shared | {"networks": networks}
