"""Going on with a run: what may change, and what a shorter run did that a longer one would not.

A run that goes on may get more epochs, and other falls of the learning rate from here on.  It then
ends as one that was started with the longer schedule: an evaluation that was only due because the
shorter run ended is forgotten.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ladcli.classes import ClassTable
from ladcli.data.index import CocoIndex
from ladcli.detector.checkpoint import load_training
from ladcli.engine.optimizer import base_lr, decayed
from ladcli.engine.state import Position, read_position
from ladcli.errors import UserError
from ladcli.files import atomic_path
from ladcli.objective.objectives import MODEL
from ladcli.recipe import flat, update_recipe
from ladcli.recipe.flags import option_value
from ladcli.recipe.options import FREE_KEYS, PLACE_KEYS
from ladcli.recipe.schema import Recipe
from ladcli.runs.coco_numbers import STATS, CocoMetrics
from ladcli.runs.metrics_file import read_recorded
from ladcli.runs.metrics_log import read_metrics
from ladcli.runs.run_directory import SCHEDULE_KEYS, RunDirectory
from ladcli.stages.datasets import listed_training_set


def continued_recipe(
    run: RunDirectory, recipe: Recipe, saved: Recipe, position: Position
) -> Recipe:
    """The recipe that a run goes on with: its own, with what may change on the way.

    Args:
        recipe: as asked for now.
        saved: the stored one.
        position: how far the run has come.

    Raises:
        UserError: another option differs, or the new schedule has other learning rates for what
            was done, or fewer epochs.
    """
    run.check_same_recipe(recipe, saved)
    _require_room(run, recipe, saved, position)
    _require_same_rates(run, recipe, saved, position)
    wanted = flat(recipe)
    places = [key for key in PLACE_KEYS if wanted[key] is not None]
    return update_recipe(saved, {key: wanted[key] for key in (*FREE_KEYS, *SCHEDULE_KEYS, *places)})


def require_same_inputs(
    run: RunDirectory,
    notes: Mapping[str, Any],
    fingerprints: Mapping[str, str],
    recipe: Recipe,
    index: CocoIndex,
) -> None:
    """Refuse to go on with other data, or another teacher, than a run began with.

    Where they lie is free.  Images that cannot be read any more may be left out, where that is
    asked for.

    Args:
        notes: the run's `run.json`; older ones may lack fingerprints.
        fingerprints: of what lies at the places that `recipe` names.
        index: the training images.

    Raises:
        UserError: names what changed.
    """
    before = notes.get("fingerprints")
    before = before if isinstance(before, dict) else {}
    if before.get("teacher", fingerprints.get("teacher")) != fingerprints.get("teacher"):
        where = recipe.distill.cache or recipe.distill.teacher
        raise UserError(
            f"{run.root}: learned from another teacher than {where} is now; name the one that it "
            "began with, or choose another --out"
        )
    known = before.get("data", fingerprints["data"])
    if known == fingerprints["data"]:
        return
    if recipe.data.skip_bad_images and known == listed_training_set(recipe.data).fingerprint():
        return
    raise UserError(
        f"{run.root}: was trained on other images, boxes or classes than {index.annotations} "
        f"holds now{_change_of_classes(notes, index)}; give it the data that it began with, or "
        "choose another --out to train on these"
    )


def _change_of_classes(notes: Mapping[str, Any], index: CocoIndex) -> str:
    """How the classes changed, in parentheses, or nothing."""
    try:
        before = ClassTable.from_plain(notes["classes"])
    except (KeyError, TypeError, ValueError):
        return ""
    change = None if before == index.classes else before.difference(index.classes)
    return f" ({change})" if change else ""


def stored_position(run: RunDirectory) -> Position:
    """How far a run has come by its saved state; nowhere, where there is none."""
    return read_position(run.state) if run.state.exists() else Position()


def is_finished(run: RunDirectory, recipe: Recipe, saved: Recipe, position: Position) -> bool:
    """Whether a run has ended, and nothing more is asked of it."""
    epochs = {position.epoch, recipe.schedule.epochs, saved.schedule.epochs}
    return len(epochs) == 1 and run.read_notes().get("status") == "finished"


def evaluation_is_due(recipe: Recipe, epoch: int) -> bool:
    """Whether a run measures its networks after so many epochs: now and then, and at its end."""
    return epoch == recipe.schedule.epochs or is_regular(recipe, epoch)


def is_regular(recipe: Recipe, epoch: int) -> bool:
    """Whether a run of any length measures its networks after so many epochs."""
    return recipe.train.eval_every > 0 and epoch % recipe.train.eval_every == 0


def keep_previous_best(run: RunDirectory, network: str) -> None:
    """Put the best checkpoint aside before that of an evaluation at the run's end replaces it."""
    best, aside = run.checkpoint("best", network), run.checkpoint("previous_best", network)
    # Where one lies there already, this is done again after a kill.
    if best.exists() and not aside.exists():
        with atomic_path(aside) as temporary:
            shutil.copyfile(best, temporary)


def forget_extra_evaluations(
    run: RunDirectory, recipe: Recipe, networks: Iterable[str], position: Position
) -> frozenset[int]:
    """Undo what a shorter run did at its end and this one does not do there.

    The best checkpoint and its AP in ``position`` become those of the evaluations that remain.

    Returns:
        Epochs whose evaluations do not count, for the log.
    """
    lines = _evaluations(run, upto=position.epoch)
    extra = {e["epoch"] for e in lines if not evaluation_is_due(recipe, e["epoch"])}
    if not extra:
        return frozenset()
    for network in networks:
        values = [e for e in lines if _network(e) == network and e["epoch"] not in extra]
        best, aside = run.checkpoint("best", network), run.checkpoint("previous_best", network)
        if best.exists() and load_training(best).get("epoch") in extra:
            if aside.exists():
                os.replace(aside, best)
            elif values:
                return frozenset()  # an older program kept no other: the evaluation counts
            else:
                best.unlink()
        position.best.pop(network, None)
        if values:
            position.best[network] = max(e["AP"] or 0.0 for e in values)
    return frozenset(extra)


def is_measured(run: RunDirectory, epoch: int) -> bool:
    """Whether the log holds an evaluation after ``epoch`` epochs."""
    return any(line["epoch"] == epoch for line in _evaluations(run, upto=epoch))


def recorded_metrics(run: RunDirectory, networks: Sequence[str]) -> dict[str, CocoMetrics]:
    """The last evaluation of every network in the log.

    Numbers per class are added where the evaluation's folder still holds them.
    """
    found = {}
    for line in _evaluations(run):
        network, stats = _network(line), {name: line.get(name) for name in STATS}
        stored = read_recorded(run.evaluation(str(line.get("set")), network).metrics).metrics
        same = stored is not None and stored.stats == stats
        found[network] = stored if stored is not None and same else CocoMetrics(stats, {})
    return {network: found[network] for network in networks if network in found}


def _evaluations(run: RunDirectory, *, upto: int | None = None) -> list[dict[str, Any]]:
    return [
        line
        for line in read_metrics(run.metrics)
        if line.get("kind") == "eval"
        and isinstance(line.get("epoch"), int)
        and (upto is None or line["epoch"] <= upto)
    ]


def _network(line: dict[str, Any]) -> str:
    return str(line.get("network", MODEL))


def _begun(position: Position) -> int:
    """Epochs of which at least a step was done."""
    return position.epoch + (position.batch > 0)


def _require_room(run: RunDirectory, recipe: Recipe, saved: Recipe, position: Position) -> None:
    epochs, begun = recipe.schedule.epochs, _begun(position)
    if epochs >= begun or epochs >= saved.schedule.epochs:
        return
    done = f"{position.epoch} epochs" if position.epoch == begun else f"a part of epoch {begun}"
    raise UserError(
        f"{run.root}: {done} of its {saved.schedule.epochs} are trained already, and "
        f"{option_value('schedule.epochs', epochs)} is less; ask for {begun} epochs or more, or "
        "choose another --out"
    )


def _require_same_rates(
    run: RunDirectory, recipe: Recipe, saved: Recipe, position: Position
) -> None:
    for epoch in range(_begun(position)):
        if decayed(recipe.schedule, epoch) == decayed(saved.schedule, epoch):
            continue
        begun = _begun(position)
        passed = [e for e in saved.schedule.decay_epochs if e < begun]
        to_come = [e for e in recipe.schedule.decay_epochs if e >= begun]
        falls = ",".join(str(e) for e in passed + to_come)
        raise UserError(
            f"{run.root}: epoch {epoch + 1} was trained at a learning rate of "
            f"{_rates(saved, epoch)}, and would have {_rates(recipe, epoch)} under the new "
            f"schedule; only epochs to come may change: --set schedule.decay_epochs=[{falls}] "
            "leaves those that are done as they were"
        )


def _rates(recipe: Recipe, epoch: int) -> str:
    """The rate of an epoch after warm-up; of CoLAD's two networks, both where they differ."""
    factor = decayed(recipe.schedule, epoch)
    own = (recipe.net_a.lr, recipe.net_b.lr)
    rates = [base_lr(recipe.optim, recipe.train.batch_size, own=lr) * factor for lr in own]
    return " and ".join(dict.fromkeys(f"{rate:g}" for rate in rates))
