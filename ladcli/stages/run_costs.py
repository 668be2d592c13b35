"""What the training of a run cost: written down while it trains, and read from its folder.

`run.json` holds the parameters and the costs of earlier trainings, the log the totals of images and
time, and every checkpoint what its network cost up to then.

Programs before costs were written down left the log and the recipe: time and images follow from
the one, epochs and the place of the teacher from the other; parameters are unknown then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ladcli.errors import UserError
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import Recipe
from ladcli.runs.metrics_log import scan_metrics
from ladcli.runs.names import PAIR
from ladcli.runs.run_directory import RunDirectory, network_of
from ladcli.training_cost import UNKNOWN, TrainingCost, costs_from_plain, logged_work

if TYPE_CHECKING:  # imports torch
    from ladcli.engine.state import Position

#: Teachers of teachers are followed so far.
_MAX_DEPTH = 8


def cost_at_start(
    parameters: Mapping[str, int], trained: int, earlier: Iterable[TrainingCost]
) -> dict[str, Any]:
    """What `run.json` says of the cost; how long and with how many images, the log tells.

    Args:
        parameters: of each network, by name.
        trained: those that are not frozen, of all networks.
        earlier: trainings that this one builds on.
    """
    return {
        "parameters": dict(parameters),
        "trained_parameters": trained,
        "earlier": [cost.to_plain() for cost in earlier],
    }


def cost_so_far(noted: Mapping[str, Any], network: str, position: Position) -> TrainingCost:
    """The cost of a network's training up to ``position``; ``noted`` is of `cost_at_start`."""
    return TrainingCost(
        position.epoch,
        position.images,
        position.seconds,
        noted["parameters"][network],
        noted["trained_parameters"],
        len(noted["parameters"]),
        costs_from_plain(noted["earlier"]),
    )


def recall_work(position: Position, lines: Sequence[Mapping[str, Any]]) -> None:
    """Count what a run did before states kept count, by its log."""
    if position.step and not position.images:
        images, seconds = logged_work(line for line in lines if line["step"] <= position.step)
        position.images, position.seconds = images or 0, seconds or 0.0


def read_run_cost(folder: Path, network: str) -> TrainingCost:
    """The cost of a run, with the parameters of one of its networks; unknown where no run is."""
    return _read_run_cost(folder, network, _MAX_DEPTH)


def cost_of_checkpoint(path: Path) -> TrainingCost:
    """The cost of the run that a checkpoint lies in; unknown where it lies in none."""
    run = RunDirectory.around(path)
    return UNKNOWN if run is None else read_run_cost(run.root, network_of(path))


def run_cost(
    notes: Mapping[str, Any],
    recipe: Recipe | None,
    lines: Sequence[Mapping[str, Any]],
    network: str,
) -> TrainingCost:
    """The same of what was read already: `run.json`, `recipe.yaml`, and the log's objects."""
    return _run_cost(notes, recipe, lines, network, _MAX_DEPTH)


def _read_run_cost(folder: Path, network: str, depth: int) -> TrainingCost:
    run = RunDirectory(folder)
    try:
        notes = run.read_notes()
        recipe = load_recipe(run.recipe) if run.recipe.is_file() else None
    except UserError:
        return UNKNOWN
    return _run_cost(notes, recipe, scan_metrics(run.metrics)[0], network, depth)


def _run_cost(
    notes: Mapping[str, Any],
    recipe: Recipe | None,
    lines: Sequence[Mapping[str, Any]],
    network: str,
    depth: int,
) -> TrainingCost:
    noted = notes.get("cost")
    noted = noted if isinstance(noted, dict) else {}
    images, seconds = logged_work(lines)
    counts = noted.get("parameters")
    earlier = noted.get("earlier")
    # Unsound values of the file become unknown on this way.
    own = TrainingCost.from_plain(
        {
            "epochs": _epochs(notes, recipe, lines),
            "images": images,
            "seconds": seconds,
            "parameters": counts.get(network) if isinstance(counts, dict) else None,
            "trained_parameters": noted.get("trained_parameters"),
            "networks": len(PAIR) if network in PAIR else 1,
            "earlier": earlier if isinstance(earlier, list) else [],
        }
    )
    if isinstance(earlier, list):
        return own
    return replace(own, earlier=tuple(_earlier(notes, recipe, depth)))


def _epochs(
    notes: Mapping[str, Any], recipe: Recipe | None, lines: Sequence[Mapping[str, Any]]
) -> int | None:
    """Epochs that were finished."""
    if notes.get("status") == "finished":
        return recipe.schedule.epochs if recipe is not None else None
    # A line of training in epoch 3 or an evaluation after it: three were finished by then.
    seen = [line["epoch"] for line in lines if isinstance(line.get("epoch"), int)]
    return max(seen, default=None)


def _earlier(notes: Mapping[str, Any], recipe: Recipe | None, depth: int) -> Iterator[TrainingCost]:
    """The trainings that a run builds on, where it does not say so itself."""
    stage = notes.get("stage")
    if recipe is None:
        if stage in ("distill", "colad"):
            yield UNKNOWN
        return
    if stage != "colad" and (recipe.distill.teacher or recipe.distill.cache):
        yield _traced(recipe.distill.teacher, notes, depth)
    if stage != "distill":
        for config in (recipe.net_a, recipe.net_b):
            if config.init:
                yield _traced(config.init, notes, depth)


def _traced(checkpoint: str | None, notes: Mapping[str, Any], depth: int) -> TrainingCost:
    """The cost of the run that a checkpoint lies in, if it lies there still.

    A run that was finished only after the other one began is another one by now.
    """
    run = RunDirectory.around(Path(checkpoint)) if checkpoint else None
    if not depth or checkpoint is None or run is None:
        return UNKNOWN
    try:
        teacher = run.read_notes()
    except UserError:
        return UNKNOWN
    finished, started = _moment(teacher.get("finished")), _moment(notes.get("started"))
    if finished is None or started is None or finished > started:
        return UNKNOWN
    return _read_run_cost(run.root, network_of(Path(checkpoint)), depth - 1)


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
