"""What the training commands share: the recipe to run, and the result to show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ladcli.cli.console import print_notes, print_table
from ladcli.cli.options import RecipeOptions
from ladcli.evaluate.table import metrics_table
from ladcli.recipe import AskedRecipe, Recipe, load_recipe, read_recipe
from ladcli.recipe.schema import usual_decays
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.training import RunOptions, TrainingResult
from ladcli.terminal import print_line


def train(
    stage: Callable[[Recipe, RunOptions], TrainingResult],
    wanted: RecipeOptions,
    options: RunOptions,
    *,
    as_json: bool,
) -> None:
    """Run a stage under the recipe that the command line asks for, and show what came out.

    Args:
        stage: such as `ladcli.stages.pretrain.pretrain`.
        wanted: what the command line says about the recipe.
    """
    asked = resolve_recipe(wanted.file, wanted.flags, wanted.sets, options)
    options = with_hints(replace(options, given=asked.given), wanted.flags, asked.recipe)
    show_result(stage(asked.recipe, options), as_json=as_json)


def resolve_recipe(
    path: Path | None, flags: Mapping[str, Any], sets: Sequence[str], options: RunOptions
) -> AskedRecipe:
    """The recipe of a run; a resumed run starts from its own instead of the defaults.

    Where the number of epochs is given as an option, and nothing says when the learning rate
    falls, it falls at the usual shares of that number.

    Raises:
        UserError: a value that does not fit.
    """
    run = RunDirectory(options.out)
    base = None
    if options.resume and run.recipe.exists():
        base = f"recipe {run.recipe}", load_recipe(run.recipe)
    epochs = flags.get("schedule.epochs")
    defaults = {} if epochs is None else {"schedule.decay_epochs": usual_decays(epochs)}
    return read_recipe(path, base=base, defaults=defaults, flags=flags, overrides=sets)


def with_hints(options: RunOptions, flags: Mapping[str, Any], recipe: Recipe) -> RunOptions:
    """``options`` with what the user should know about ``recipe``, which ``flags`` led to."""
    by_number = flags.get("schedule.decay_epochs") is None and flags.get("schedule.epochs")
    return replace(options, hints=(_decay_hint(recipe),)) if by_number else options


def _decay_hint(recipe: Recipe) -> str:
    """When the learning rate falls, for those who gave the number of epochs alone."""
    epochs, decays = recipe.schedule.epochs, recipe.schedule.decay_epochs
    length = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    change = "--set schedule.decay_epochs=[...] chooses others"
    if not any(epoch < epochs for epoch in decays):
        return f"{length}, in which the learning rate does not fall; {change}"
    after = " and ".join(str(epoch) for epoch in decays)
    return f"{length}, the learning rate falls after {after}; {change}"


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
        name: {"checkpoint": str(_checkpoint(result, name)), **_measured(result, name)}
        for name in result.networks
    }
    if len(networks) == 1:
        return shared | next(iter(networks.values()))
    return shared | {"networks": networks}


def _measured(result: TrainingResult, network: str) -> dict[str, Any]:
    """The metrics of a network as its metrics.json has them; nothing where it was not measured."""
    if network not in result.metrics:
        return {}
    thresholds = result.thresholds(network)
    found = {} if thresholds is None else {"thresholds": thresholds.to_plain()}
    return {**result.metrics[network].to_json(), **found}
