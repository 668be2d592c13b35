"""Score thresholds of a network: kept in its checkpoint by evaluations, used for its pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ladcli.data.views import InferenceViews
from ladcli.detector.checkpoint import Checkpoint, store_thresholds
from ladcli.errors import UserError
from ladcli.evaluate.thresholds import VALIDATION, describe_thresholds, least_scores
from ladcli.recipe.schema import InferenceConfig
from ladcli.runs.run_directory import RunDirectory
from ladcli.runs.score_thresholds import DEFAULT_SCORE, ScoreThresholds
from ladcli.stages.evaluate_results import Evaluation

#: Inference options that change no detection.
_NO_SCORING = {"batch_size"}


def same_scoring(
    views: InferenceViews, inference: InferenceConfig, own_inference: InferenceConfig
) -> bool:
    """True where detections come about as in the network's own run, one view of each image."""
    mine, own = (one.model_dump(exclude=_NO_SCORING) for one in (inference, own_inference))
    return views == InferenceViews() and mine == own


def keep_thresholds(
    checkpoint: Checkpoint, evaluation: Evaluation, *, own_folder: bool, own_scoring: bool
) -> Evaluation:
    """Store the thresholds of a validation in the checkpoint; where that cannot be, say so.

    An evaluation without thresholds, which is one on another set, changes nothing.  Neither does
    one whose results go elsewhere than into the run: it is to leave the run alone.

    Args:
        evaluation: of ``checkpoint``.
        own_folder: its results lie in the run of the checkpoint.
        own_scoring: see `same_scoring`; thresholds of other scores would not fit.

    Returns:
        The evaluation, with a note or with the place where its thresholds are.
    """
    if evaluation.thresholds is None:
        return evaluation
    run, path = RunDirectory.around(checkpoint.path), checkpoint.path
    if run is None or not run.holds_run():
        return _noting(evaluation, f"{path}: lies in no run, so it is left as it is")
    if not own_folder:
        return evaluation
    if not own_scoring:
        why = "other views or inference options than the network's own were used"
        return _noting(evaluation, f"{path}: is left as it is, because {why}")
    try:
        store_thresholds(path, checkpoint.detector, evaluation.thresholds.to_plain())
    except UserError as error:
        return _noting(evaluation, str(error))
    return replace(evaluation, stored_in=path)


def _noting(evaluation: Evaluation, reason: str) -> Evaluation:
    note = f"score thresholds for pictures were not stored in the checkpoint ({reason})"
    return replace(evaluation, notes=(*evaluation.notes, note))


@dataclass(frozen=True, eq=False)
class ShownFrom:
    """The scores from which detections are drawn.  C classes."""

    scores: np.ndarray  # [C] float64
    rule: str  # where they come from, in words
    notes: tuple[str, ...] = ()


def shown_from(
    checkpoint: Checkpoint,
    *,
    given: float | None,
    views: InferenceViews,
    inference: InferenceConfig,
    own_inference: InferenceConfig,
) -> ShownFrom:
    """The scores to draw the detections of a checkpoint from.

    Those that its validation found; `DEFAULT_SCORE` where it holds none, or where scores mean
    something else than they did then.

    Args:
        given: the score for all classes that the user asked for; None for none.
        views: how images are seen now.
        inference: how outputs become detections now.
        own_inference: how they did in the network's own run, and so when thresholds were found.

    Raises:
        UserError: the checkpoint's thresholds are damaged.
    """
    names = checkpoint.detector.classes.names
    if given is not None:
        return ShownFrom(np.full(len(names), given), f"threshold {given:g} for every class")
    stored = _stored_thresholds(checkpoint)
    default = least_scores(None, names)
    fixed = f"threshold {DEFAULT_SCORE:g} for every class"
    if stored is None:
        why = "the checkpoint holds none of best F1, which lad eval stores"
        return ShownFrom(default, f"{fixed}: {why}")
    if inference.use_iou != own_inference.use_iou:
        why = "those of best F1 are of scores with another inference.use_iou"
        return ShownFrom(default, f"{fixed}: {why}")
    rule = f"thresholds of best F1 on {VALIDATION}: {describe_thresholds(stored)}"
    notes: tuple[str, ...] = ()
    if not same_scoring(views, inference, own_inference):
        notes = (
            "the score thresholds for pictures were found with one view of each image and the "
            "network's own inference options; where they do not fit these, choose --threshold",
        )
    return ShownFrom(least_scores(stored, names), rule, notes)


def _stored_thresholds(checkpoint: Checkpoint) -> ScoreThresholds | None:
    """What `keep_thresholds` stored, or nothing.

    Raises:
        UserError: what lies there is something else.
    """
    if checkpoint.thresholds is None:
        return None
    try:
        return ScoreThresholds.from_plain(checkpoint.thresholds)
    except ValueError as error:
        raise UserError(
            f"{checkpoint.path}: its score thresholds are damaged ({error}); evaluate it anew on "
            "its validation set, or choose a score with --threshold"
        ) from error
