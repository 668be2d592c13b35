"""What `lad pretrain` and `lad distill` share: one student, one objective, one run directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from ladcli.data.index import CocoIndex
from ladcli.data.loader import load_batches
from ladcli.data.plan import plan_epoch
from ladcli.detector.checkpoint import InputRule, save_checkpoint
from ladcli.detector.model import Detector, build_detector
from ladcli.distill.objectives import Objective
from ladcli.distill.teacher import Teacher
from ladcli.engine.device import choose_device, gradient_scaler
from ladcli.engine.loop import Training, train
from ladcli.engine.metrics_log import MetricsLog
from ladcli.engine.optimizer import build_optimizer
from ladcli.engine.progress import Reporter, progress
from ladcli.engine.run_directory import RunDirectory
from ladcli.engine.state import Learner, Position, load_state, save_state
from ladcli.errors import BadImageError, Interrupted
from ladcli.evaluate.coco import CocoMetrics
from ladcli.recipe import load_recipe
from ladcli.recipe.schema import Recipe
from ladcli.stages.assigner import build_assigner
from ladcli.stages.datasets import (
    EvaluationSet,
    open_evaluation_set,
    open_training_set,
    require_same_classes,
)
from ladcli.stages.evaluate import evaluate_detector
from ladcli.structures import Batch


@dataclass(frozen=True)
class RunOptions:
    """How a run treats its folder and the terminal."""

    out: Path
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves."""

    run: RunDirectory
    metrics: CocoMetrics | None  # of the last epoch on the validation set, where there is one
    steps: int
    skipped: int  # images that could not be read
    notes: tuple[str, ...]  # what the user should know about the data


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, checked before the first step."""

    recipe: Recipe
    device: torch.device
    index: CocoIndex
    validation: EvaluationSet | None
    student: Detector


#: Makes the teacher of a run, or None for PAA; called once the data are known to be sound.  The
#: second value goes into `run.json`.
TeacherFactory = Callable[[Prepared], tuple[Teacher | None, dict[str, str]]]


def run_training(
    stage: str, recipe: Recipe, options: RunOptions, make_teacher: TeacherFactory
) -> TrainingResult:
    """Train one student from start or from where it stopped.

    Raises:
        UserError: anything that the user can mend; an existing run is left as it was.
        RunError: training diverged.
        Interrupted: stopped by the user, state saved.
    """
    run = RunDirectory(options.out)
    run.check_free(resume=options.resume, overwrite=options.overwrite)
    if options.resume:
        run.check_same_stage(stage)
        if run.recipe.exists():
            run.check_same_recipe(recipe, load_recipe(run.recipe))
    prepared = prepare(recipe)
    teacher, teacher_notes = make_teacher(prepared)
    learner = _build_learner(prepared)
    position = Position()
    if options.resume and run.state.exists():
        position = load_state(run.state, learner)
    run.create(recipe, stage=stage, overwrite=options.overwrite, resumed=options.resume)
    fingerprints = {"data": prepared.index.fingerprint(), **teacher_notes}
    run.update_notes(fingerprints=fingerprints, classes=prepared.index.classes.to_plain())
    finisher = _EpochFinisher(run, prepared, options.quiet)
    training = Training(
        recipe=recipe,
        device=prepared.device,
        learner=learner,
        objective=Objective(build_assigner(recipe.assign), recipe.loss, teacher),
        position=position,
        log=MetricsLog(run.metrics, keep_steps=position.step, keep_epochs=position.epoch),
        batches=_batch_source(prepared),
        num_images=len(prepared.index),
        save=lambda at: save_state(run.state, learner, at),
        finish_epoch=finisher,
        skipped=set(run.read_notes().get("skipped_images", [])),
    )
    finisher.log = training.log
    with progress(stage, training.num_images * recipe.schedule.epochs, quiet=options.quiet) as bar:
        finisher.reporter = bar
        _train_and_note(run, training, bar)
    run.update_notes(status="finished", finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    notes = (*prepared.index.notes, *finisher.notes)
    return TrainingResult(run, finisher.metrics, position.step, len(training.skipped), notes)


def prepare(recipe: Recipe) -> Prepared:
    """Open the data and build the student; nothing is written.

    Raises:
        UserError: a device, file, backbone or weights that cannot be used.
    """
    device = choose_device(recipe.train.device)
    index = open_training_set(recipe.data)
    validation = None
    if recipe.train.eval_every:
        validation = open_evaluation_set(recipe.data, "val", required=False)
    if validation is not None:
        truth = validation.truth
        require_same_classes(index.classes, "the training set", truth.classes, truth.path)
    torch.manual_seed(recipe.train.seed)
    student = build_detector(recipe.model, index.classes).to(device)
    if recipe.train.channels_last:
        student = student.to(memory_format=torch.channels_last)
    return Prepared(recipe, device, index, validation, student)


def input_rule(recipe: Recipe) -> InputRule:
    """How images are resized at inference."""
    return InputRule(recipe.data.short[-1], recipe.data.long)


def _train_and_note(run: RunDirectory, training: Training, bar: Reporter) -> None:
    """Train, and leave in `run.json` how it ended."""
    try:
        train(training, bar)
    except Interrupted:
        run.update_notes(status="interrupted", epoch=training.position.epoch)
        raise Interrupted("the state is saved; the same command with --resume goes on") from None
    except BadImageError as error:
        run.update_notes(status="interrupted", epoch=training.position.epoch)
        raise BadImageError(
            error.path,
            f"{error.reason}; the state is saved: mend the file and go on with --resume, or leave "
            "such images out with --skip-bad-images",
        ) from error
    except Exception:
        run.update_notes(status="failed", epoch=training.position.epoch)
        raise
    finally:
        run.update_notes(skipped_images=sorted(training.skipped))


def _build_learner(prepared: Prepared) -> Learner:
    train_config = prepared.recipe.train
    optimizer = build_optimizer(
        prepared.student, prepared.recipe.optim, batch_size=train_config.batch_size
    )
    scaler = gradient_scaler(train_config.precision, prepared.device)
    return Learner(prepared.student, optimizer, scaler)


def _batch_source(prepared: Prepared) -> Callable[[int, int], Iterable[Batch]]:
    data, config = prepared.recipe.data, prepared.recipe.train
    architecture = prepared.student.architecture

    def batches(epoch: int, skip: int) -> Iterable[Batch]:
        plan = plan_epoch(
            prepared.index, data, batch_size=config.batch_size, seed=config.seed, epoch=epoch
        )
        return load_batches(
            prepared.index,
            plan[skip:],
            mean=architecture.pixel_mean,
            std=architecture.pixel_std,
            workers=data.workers,
            skip_bad_images=data.skip_bad_images,
            pin_memory=prepared.device.type == "cuda",
        )

    return batches


class _EpochFinisher:
    """After an epoch: the checkpoint, and the evaluation where one is due."""

    def __init__(self, run: RunDirectory, prepared: Prepared, quiet: bool) -> None:
        self.run = run
        self.prepared = prepared
        self.quiet = quiet
        self.metrics: CocoMetrics | None = None
        self.notes = prepared.validation.index.notes if prepared.validation else ()
        self.log: MetricsLog | None = None
        self.reporter: Reporter | None = None

    def __call__(self, position: Position) -> None:
        self._save("last", position)
        if self.prepared.validation is not None and self._evaluation_is_due(position.epoch):
            self._evaluate(self.prepared.validation, position)

    def _evaluation_is_due(self, epoch: int) -> bool:
        recipe = self.prepared.recipe
        return epoch == recipe.schedule.epochs or epoch % recipe.train.eval_every == 0

    def _save(self, name: str, position: Position) -> None:
        recipe = self.prepared.recipe
        save_checkpoint(
            self.run.checkpoint(name),
            self.prepared.student,
            input_rule(recipe),
            {"epoch": position.epoch, "step": position.step, "recipe": recipe.model_dump()},
        )

    def _evaluate(self, validation: EvaluationSet, position: Position) -> None:
        recipe = self.prepared.recipe
        evaluation = evaluate_detector(
            self.prepared.student,
            validation,
            input_rule=input_rule(recipe),
            inference=recipe.inference,
            device=self.prepared.device,
            folder=self.run.evaluation(validation.name),
            precision=recipe.train.precision,
            workers=recipe.data.workers,
            skip_bad_images=recipe.data.skip_bad_images,
            quiet=True,
        )
        self.metrics, self.notes = evaluation.metrics, evaluation.notes
        stats = self.metrics.stats
        if self.log is not None:
            self.log.write(
                "eval", position.step, epoch=position.epoch, set=validation.name, **stats
            )
        average = stats["AP"] or 0.0
        if self.reporter is not None:
            self.reporter.line(
                f"epoch {position.epoch}: AP {100 * average:.1f} on {validation.name}"
            )
        if position.best is None or average > position.best:
            position.best = average
            self._save("best", position)
