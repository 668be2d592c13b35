"""`lad colad`: train two networks together, each the other's teacher by turns."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ladcli.assign import Switch
from ladcli.classes import ClassTable
from ladcli.detector.checkpoint import load_checkpoint
from ladcli.detector.model import Detector, build_detector
from ladcli.engine.optimizer import base_lr
from ladcli.engine.progress import announce
from ladcli.errors import UserError
from ladcli.objective.objectives import CoObjective
from ladcli.recipe.flags import FLAGS, NetworkKeys
from ladcli.recipe.schema import NetworkConfig, Recipe
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.stages.assigner import build_assigner
from ladcli.stages.datasets import require_same_classes
from ladcli.stages.epoch_end import evaluate_network
from ladcli.stages.prepare import NewNetwork, Prepared, TrainingMethod
from ladcli.stages.same_anchors import require_same_anchors
from ladcli.stages.teachers import checkpoint_cost
from ladcli.stages.training import RunOptions, TrainingResult, run_training

A, B = "a", "b"


def colad(recipe: Recipe, options: RunOptions) -> TrainingResult:
    """Train the two networks that the recipe describes (`model`, with `net_a` and `net_b`).

    Raises:
        UserError: an initial checkpoint that does not fit, or the same one twice; else as
            `run_training`.
    """
    first, second = recipe.net_a.init, recipe.net_b.init
    if first and second and Path(first).resolve() == Path(second).resolve():
        raise UserError(
            f"{first}: both networks start from this checkpoint and would stay equal for ever; "
            "give --init-a and --init-b different files, or leave one out"
        )
    return run_training(TrainingMethod("colad", _networks, _objective, (A, B)), recipe, options)


def _networks(recipe: Recipe, classes: ClassTable) -> dict[str, NewNetwork]:
    return {
        name: _new_network(recipe, name, config, classes)
        for name, config in ((A, recipe.net_a), (B, recipe.net_b))
    }


def _new_network(
    recipe: Recipe, name: str, config: NetworkConfig, classes: ClassTable
) -> NewNetwork:
    keys = _keys(name, config)
    own = {
        key: value
        for key, value in config.model_dump(exclude={"init", "lr"}).items()
        if value is not None
    }
    model = recipe.model.model_copy(update=own)
    lr = base_lr(recipe.optim, recipe.train.batch_size, own=config.lr)
    if config.init is None:
        return NewNetwork(build_detector(model, classes, keys=keys), lr)
    # A trained checkpoint holds its backbone; other weights would be read for nothing.
    model = model.model_copy(update={"weights": None})
    detector = build_detector(model, classes, keys=keys)
    _load_trained(detector, Path(config.init), name)
    detector.backbone.freeze(stride=model.freeze_stride, batchnorm_statistics=model.freeze_bn)
    return NewNetwork(detector, lr)


def _keys(name: str, config: NetworkConfig) -> NetworkKeys:
    """The options that a message about a network names: its own, unless both share the value."""
    own = f"net_{name}.backbone"
    return NetworkKeys(
        backbone="model.backbone" if config.backbone is None else own,
        weights="model.weights" if config.weights is None else f"net_{name}.weights",
        other_backbone=own,
    )


def _load_trained(detector: Detector, path: Path, name: str) -> None:
    """Start ``detector``, which is network ``name``, from a trained checkpoint.

    Raises:
        UserError: other classes, or another architecture (says what differs).
    """
    trained = load_checkpoint(path).detector
    require_same_classes(detector.classes, "the training set", trained.classes, path)
    theirs, mine = trained.architecture.anchors, detector.architecture.anchors
    require_same_anchors(path, theirs, mine, whose="the network that the recipe asks for")
    difference = detector.architecture.difference(trained.architecture)
    if difference:
        raise UserError(
            f"{path}: is another network than the recipe asks for ({difference}); name the "
            f"checkpoint's own backbone and head with {FLAGS[f'net_{name}.backbone']} and "
            f"{FLAGS[f'net_{name}.head']}, and its model.* options"
        )
    detector.load_state_dict(trained.state_dict())


def _objective(prepared: Prepared) -> tuple[CoObjective, dict[str, Any]]:
    recipe, config = prepared.recipe, prepared.recipe.colad
    first_teacher = prepared.saved_notes.get("first_teacher")
    if first_teacher not in (A, B):
        first_teacher = _choose_first_teacher(prepared)
    objective = CoObjective(
        build_assigner(recipe.assign),
        recipe.loss,
        prepared.anchors,
        Switch(config.switch, config.switch_scope),
        first_teacher,
        recipe.soft if config.soft else None,
    )
    started_from = [config.init for config in (recipe.net_a, recipe.net_b) if config.init]
    earlier = [checkpoint_cost(Path(path)) for path in started_from]
    return objective, {"first_teacher": first_teacher, "earlier": earlier}


def _choose_first_teacher(prepared: Prepared) -> str:
    """Who is called the teacher at the start (section 4.2): it wins where the two are equal.

    The network that performs better: the only trained one, or of two trained ones the one with
    the higher AP.  Where neither is trained, or nothing measures them, the one with more
    parameters.
    """
    recipe = prepared.recipe
    if recipe.colad.first_teacher != "auto":
        return recipe.colad.first_teacher
    trained = [n for n, config in ((A, recipe.net_a), (B, recipe.net_b)) if config.init]
    if len(trained) == 1:
        return trained[0]
    if len(trained) == 2 and prepared.validation is not None:
        announce("note: measuring both initial networks, to know which is the first teacher")
        return max((A, B), key=lambda name: _average_precision(prepared, name))
    return max((A, B), key=lambda name: prepared.networks[name].num_parameters)


def _average_precision(prepared: Prepared, name: str) -> float:
    assert prepared.validation is not None
    with TemporaryDirectory() as folder:
        evaluation = evaluate_network(
            prepared, name, prepared.validation, EvaluationFolder(Path(folder))
        )
    return evaluation.metrics.stats["AP"] or 0.0
