"""`lad eval --checkpoint`: run a network over a set, and measure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ladcli.data.folder import Split
from ladcli.data.views import InferenceViews
from ladcli.detector.checkpoint import Checkpoint, InputRule, load_checkpoint
from ladcli.detector.model import Detector
from ladcli.engine.inference import detect_all
from ladcli.engine.runner import Runner
from ladcli.errors import UserError
from ladcli.evaluate.images_seen import ImagesSeen
from ladcli.evaluate.measurements import Measurement, Measurements
from ladcli.evaluate.pycocotools_engine import EngineOptions, chosen_metrics
from ladcli.evaluate.results import detections_to_results, load_results, save_results
from ladcli.evaluate.thresholds import VALIDATION, score_thresholds
from ladcli.evaluate.tide import TideOptions, tide_errors
from ladcli.files import write_json
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import DataConfig, InferenceConfig
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.run_directory import RunDirectory, network_of
from ladcli.stages.datasets import EvaluationSet, choose_evaluation_set, require_same_classes
from ladcli.stages.evaluate_results import Evaluation
from ladcli.stages.thresholds import keep_thresholds, same_scoring


def evaluate_on(
    checkpoint: Path,
    data: DataConfig,
    split: Split,
    annotations: Path | None,
    runner: Runner,
    *,
    overrides: Sequence[str] = (),
    out: Path | None,
    views: InferenceViews = InferenceViews(),
    tide: TideOptions | None = None,
    engine: EngineOptions = EngineOptions(),
) -> Evaluation:
    """`evaluate_checkpoint` on a set that is opened as the network's own run would open it.

    Unreadable images are skipped where ``data`` says so, or the recipe of the run did.

    Args:
        data, split, annotations: see `ladcli.stages.datasets.choose_evaluation_set`.
        overrides, out, views, tide, engine: see `evaluate_checkpoint`.

    Raises:
        UserError: as both.
    """
    loaded = load_checkpoint(checkpoint)
    skip = data.skip_bad_images or _own_section(loaded, "data").get("skip_bad_images") is True
    data = data.model_copy(update={"skip_bad_images": skip})
    where = choose_evaluation_set(data, split, annotations)
    return evaluate_checkpoint(
        loaded,
        where,
        replace(runner, skip_bad_images=skip),
        overrides=overrides,
        out=out,
        views=views,
        tide=tide,
        engine=engine,
    )


def evaluate_checkpoint(
    checkpoint: Path | Checkpoint,
    where: EvaluationSet,
    runner: Runner,
    *,
    inference: InferenceConfig | None = None,
    overrides: Sequence[str] = (),
    out: Path | None,
    views: InferenceViews = InferenceViews(),
    tide: TideOptions | None = None,
    engine: EngineOptions = EngineOptions(),
    measurements: Measurements | None = None,
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
        engine: who computes the COCO numbers; score thresholds are ours with either.
        measurements: keeps what was matched, for whoever measures these detections next.

    Raises:
        UserError: the checkpoint is unsound or knows other classes than the set.
    """
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    checkpoint = loaded.path
    where = where.suited_to(loaded.detector.classes)
    require_same_classes(
        where.truth.classes, f"the set {where.truth.path}", loaded.detector.classes, checkpoint
    )
    folder = out or default_folder(checkpoint, where.name)
    EvaluationFolder(folder).check_free(
        {"--checkpoint": checkpoint, "--annotations": where.truth.path}
    )
    inference = inference or own_inference(loaded, overrides)
    evaluation = evaluate_detector(
        loaded.detector.to(runner.device),
        where,
        runner,
        input_rule=loaded.input_rule,
        inference=inference,
        folder=folder,
        views=views,
        tide=tide,
        engine=engine,
        measurements=measurements,
    )
    own_folder = RunDirectory.around(checkpoint) is not None and (
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
    inference = _own_section(checkpoint, "inference")
    layers = [(f"{checkpoint.path}, recipe", {"inference": inference})]
    return load_recipe(None, layers=layers, overrides=overrides).inference


def _own_section(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """A section of the recipe of a checkpoint's run; empty where it does not say."""
    recipe = checkpoint.training.get("recipe")
    section = recipe.get(name) if isinstance(recipe, dict) else None
    return section if isinstance(section, dict) else {}


def evaluate_detector(
    detector: Detector,
    where: EvaluationSet,
    runner: Runner,
    *,
    input_rule: InputRule,
    inference: InferenceConfig,
    folder: Path,
    views: InferenceViews = InferenceViews(),
    title: str = "",
    tide: TideOptions | None = None,
    engine: EngineOptions = EngineOptions(),
    measurements: Measurements | None = None,
) -> Evaluation:
    """Run a network over a set; write ``predictions.json`` and ``metrics.json`` to ``folder``.

    Score thresholds are derived on the validation set alone: on others they would flatter.  What
    skipped images show is no part of what is measured.
    """
    written = EvaluationFolder(folder)
    written.check_free()
    image_ids, detections = detect_all(
        detector,
        where.index,
        replace(runner, max_bad_share=where.max_bad_share),
        input_rule=input_rule,
        inference=inference,
        views=views,
        title=title or f"evaluate {where.name}",
    )
    images = ImagesSeen.only(image_ids, where.truth)
    seen = images.part_of(where.truth)
    save_results(
        written.predictions, detections_to_results(detections, image_ids, where.truth.classes)
    )
    # Measured from the file, so that anyone who measures the file finds the same numbers.
    results = load_results(written.predictions, seen)
    measured = Measurement(seen, images, results)
    metrics, verified = chosen_metrics(measured.metrics, seen, results, engine)
    evaluation = Evaluation(
        metrics,
        folder,
        where.index.notes + images.notes(where.truth),
        tide_errors(seen, results, tide) if tide else None,
        score_thresholds(measured.matching) if where.name == VALIDATION else None,
        images=images,
        engine=engine.engine,
        verified=verified,
    )
    write_json(written.metrics, evaluation.to_json())
    if measurements is not None:
        measurements.keep(written.predictions, where.truth, measured)
    return evaluation


def default_folder(checkpoint: Path, split: str) -> Path:
    """``eval/NET/SET`` of the run that ``checkpoints/NET/NAME.pt`` belongs to.

    Raises:
        UserError: the checkpoint lies in no run, so there is no natural place.
    """
    run = RunDirectory.around(checkpoint)
    if run is None:
        raise UserError(f"{checkpoint}: lies in no run folder, so say where results go with --out")
    return run.evaluation(split, network_of(checkpoint)).path
