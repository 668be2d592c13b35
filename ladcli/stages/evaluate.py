"""`lad eval --checkpoint`: run a network over a set, and measure it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ladcli.data.coco_json import describe_some
from ladcli.data.views import InferenceViews
from ladcli.detector.checkpoint import Checkpoint, InputRule, load_checkpoint
from ladcli.detector.model import Detector
from ladcli.engine.device import choose_device
from ladcli.engine.inference import detect_all
from ladcli.errors import UserError
from ladcli.evaluate.coco import metrics_of
from ladcli.evaluate.matching import match
from ladcli.evaluate.results import detections_to_results, load_results, save_results
from ladcli.evaluate.thresholds import VALIDATION, score_thresholds
from ladcli.evaluate.tide import TideOptions, tide_errors
from ladcli.files import write_json
from ladcli.outputs import NO_INPUTS, Inputs, require_replaceable
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import InferenceConfig
from ladcli.recognize import is_metrics, is_results
from ladcli.stages.datasets import EvaluationSet, require_same_classes
from ladcli.stages.evaluate_results import Evaluation
from ladcli.stages.thresholds import keep_thresholds, run_of, same_scoring


def evaluate_checkpoint(
    checkpoint: Path,
    where: EvaluationSet,
    *,
    inference: InferenceConfig | None = None,
    overrides: Sequence[str] = (),
    out: Path | None,
    device: str = "auto",
    precision: str = "fp32",
    workers: int = 2,
    skip_bad_images: bool = False,
    views: InferenceViews = InferenceViews(),
    quiet: bool = False,
    tide: TideOptions | None = None,
) -> Evaluation:
    """Run a checkpoint over a set and measure it.

    Score thresholds that a validation gives are stored in the checkpoint too, see
    `ladcli.stages.thresholds.keep_thresholds`.

    Args:
        inference: how raw outputs become detections; by default as the network's own run did it,
            changed by ``overrides`` (``inference.KEY=VALUE``).
        out: folder for predictions and metrics; by default inside the run that the checkpoint
            belongs to.
        views: see every image so; by default once, as the network was trained.
        tide: look for TIDE's errors too, in this way.

    Raises:
        UserError: the checkpoint is unsound or knows other classes than the set.
    """
    loaded = load_checkpoint(checkpoint)
    require_same_classes(
        where.truth.classes, f"the set {where.truth.path}", loaded.detector.classes, checkpoint
    )
    folder = out or default_folder(checkpoint, where.name)
    check_free(folder, {"--checkpoint": checkpoint, "--annotations": where.truth.path})
    chosen = choose_device(device)
    inference = inference or own_inference(loaded, overrides)
    evaluation = evaluate_detector(
        loaded.detector.to(chosen),
        where,
        input_rule=loaded.input_rule,
        inference=inference,
        device=chosen,
        folder=folder,
        precision=precision,
        workers=workers,
        skip_bad_images=skip_bad_images,
        views=views,
        quiet=quiet,
        tide=tide,
    )
    own_folder = run_of(checkpoint) is not None and (
        folder.resolve() == default_folder(checkpoint, where.name).resolve()
    )
    return keep_thresholds(
        loaded,
        evaluation,
        own_folder=own_folder,
        own_scoring=same_scoring(views, inference, own_inference(loaded, ())),
    )


def own_inference(checkpoint: Checkpoint, overrides: Sequence[str]) -> InferenceConfig:
    """What the run of a checkpoint used; defaults where the checkpoint does not say."""
    recipe = checkpoint.training.get("recipe")
    inference = recipe.get("inference") if isinstance(recipe, dict) else None
    layers = [(f"{checkpoint.path}, recipe", {"inference": inference})]
    return load_recipe(None, layers=layers, overrides=overrides).inference


def evaluate_detector(
    detector: Detector,
    where: EvaluationSet,
    *,
    input_rule: InputRule,
    inference: InferenceConfig,
    device: torch.device,
    folder: Path,
    precision: str = "fp32",
    workers: int = 0,
    skip_bad_images: bool = False,
    views: InferenceViews = InferenceViews(),
    title: str = "",
    quiet: bool = False,
    tide: TideOptions | None = None,
) -> Evaluation:
    """Run a network over a set; write ``predictions.json`` and ``metrics.json`` to ``folder``.

    Score thresholds are derived on the validation set alone: on others they would flatter.
    """
    check_free(folder)
    image_ids, detections = detect_all(
        detector,
        where.index,
        input_rule=input_rule,
        inference=inference,
        device=device,
        precision=precision,
        workers=workers,
        skip_bad_images=skip_bad_images,
        views=views,
        title=title or f"evaluate {where.name}",
        quiet=quiet,
    )
    file = folder / "predictions.json"
    save_results(file, detections_to_results(detections, image_ids, where.truth.classes))
    # Measured from the file, so that anyone who measures the file finds the same numbers.
    results = load_results(file, where.truth)
    matching = match(where.truth, results)
    evaluation = Evaluation(
        metrics_of(matching),
        folder,
        where.index.notes + _unread_notes(where, image_ids),
        tide_errors(where.truth, results, tide) if tide else None,
        score_thresholds(matching) if where.name == VALIDATION else None,
    )
    write_json(folder / "metrics.json", evaluation.to_json())
    return evaluation


def _unread_notes(where: EvaluationSet, image_ids: list[int]) -> tuple[str, ...]:
    unread = sorted(set(where.index.image_ids.tolist()) - set(image_ids))
    if not unread:
        return ()
    return (
        f"{where.truth.path}: {len(unread)} image(s) could not be read, so whatever they show "
        f"counts as missed: {describe_some('image', unread)}",
    )


def check_free(folder: Path, inputs: Inputs = NO_INPUTS) -> None:
    """Refuse a folder in which results would replace anything but earlier ones.

    Args:
        inputs: what the command reads, by the names that messages give it.

    Raises:
        UserError: it cannot be written to, or a file in it has a name that results need.
    """
    for name, ours in (("predictions.json", is_results), ("metrics.json", is_metrics)):
        what = "of an evaluation by this program"
        require_replaceable(folder / name, ours, what, flag="--out", inputs=inputs)


def default_folder(checkpoint: Path, split: str) -> Path:
    """``eval/NET/SET`` of the run that ``checkpoints/NET/NAME.pt`` belongs to.

    Raises:
        UserError: the checkpoint lies in no run, so there is no natural place.
    """
    run = run_of(checkpoint)
    if run is None:
        raise UserError(f"{checkpoint}: lies in no run folder, so say where results go with --out")
    return run.evaluation(split, checkpoint.absolute().parent.name)
