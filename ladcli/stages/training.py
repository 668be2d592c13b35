"""What the training commands share: networks, one objective, one run directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ladcli.data.loader import ReadBeside
from ladcli.detector.levels import FIRST_LEVELS
from ladcli.detector.renormalize import Renormalize
from ladcli.engine.device import gradient_scaler
from ladcli.engine.loop import Training, train
from ladcli.engine.optimizer import build_optimizer
from ladcli.engine.progress import Reporter, announce, progress
from ladcli.engine.state import Learner, Position, load_state, save_state
from ladcli.engine.tensorboard import open_tensorboard
from ladcli.errors import BadImageError, Interrupted, TooManyBadImages, UserError
from ladcli.evaluate.thresholds import VALIDATION
from ladcli.objective.objectives import CoObjective, Objective
from ladcli.recipe import Given, load_recipe
from ladcli.recipe.options import read_files
from ladcli.recipe.schema import Recipe
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.metrics_file import stored_thresholds
from ladcli.runs.metrics_log import MetricsLog, read_metrics
from ladcli.runs.run_directory import RunDirectory
from ladcli.runs.score_thresholds import ScoreThresholds
from ladcli.stages.continuation import (
    continued_recipe,
    evaluation_is_due,
    forget_extra_evaluations,
    is_finished,
    is_measured,
    recorded_metrics,
    require_same_inputs,
    stored_position,
)
from ladcli.stages.epoch_end import EpochFinisher
from ladcli.stages.input_boxes import input_boxes, reach_warning
from ladcli.stages.prepare import NewNetwork, Prepared, TrainingMethod, prepare
from ladcli.stages.probes import Prober
from ladcli.stages.resolve import keep_resolved
from ladcli.stages.run_costs import cost_at_start, recall_work
from ladcli.stages.summary import (
    brief_summary,
    resumed_summary,
    show_summary,
    slow_warning,
    summary_rows,
)
from ladcli.structures import Batch


@dataclass(frozen=True)
class RunOptions:
    """How a run treats its folder and the terminal."""

    out: Path
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False
    brief: bool = False  # one line says what will happen, as in a pipeline
    said: set[str] = field(default_factory=set)  # notes of earlier stages, which are not repeated
    recipe_file: Path | None = None  # that the recipe came from: it is never replaced
    hints: tuple[str, ...] = ()  # what the command line wants the user to know
    given: Mapping[str, Given] = field(default_factory=dict)  # options as asked for, for run.json


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves."""

    run: RunDirectory
    networks: tuple[str, ...]  # that were trained; one is called model, two are a and b
    metrics: dict[str, CocoMetrics]  # by network, on the validation set, where there is one
    steps: int
    skipped: int  # images that could not be read
    notes: tuple[str, ...]  # what the user should know about the data

    def thresholds(self, network: str) -> ScoreThresholds | None:
        """The score thresholds that the last evaluation of a network found."""
        return stored_thresholds(self.run.evaluation(VALIDATION, network).metrics)


def run_training(method: TrainingMethod, recipe: Recipe, options: RunOptions) -> TrainingResult:
    """Train from the start or from where a run stopped.

    Raises:
        UserError: anything that the user can mend; an existing run is left as it was.
        RunError: training diverged.
        Interrupted: stopped by the user, state saved.
    """
    run = RunDirectory(options.out)
    inputs = {"--recipe": options.recipe_file, **read_files(recipe)}
    run.check_free(resume=options.resume, overwrite=options.overwrite, inputs=inputs)
    if options.resume:
        run.check_same_stage(method.stage)
    saved_notes = run.read_notes() if options.resume else {}
    saved = load_recipe(run.recipe) if options.resume and run.recipe.exists() else None
    if saved is not None:
        done = stored_position(run)
        recipe = keep_resolved(recipe, saved, saved_notes)
        recipe = continued_recipe(run, recipe, saved, done)
        if is_finished(run, recipe, saved, done):
            return _finished_before(method, run, done, options)
    prepared, hints = prepare(method, recipe, saved_notes=saved_notes)
    objective, method_notes = method.objective(prepared)
    learners = {name: _learner(network, prepared) for name, network in prepared.networks.items()}
    position = Position()
    if options.resume and run.state.exists():
        position = load_state(run.state, learners)
        # A damaged log is refused before anything is written.
        recall_work(position, read_metrics(run.metrics))
    cost = _write_start(method, run, prepared, method_notes, options, anew=saved is None)
    if not options.quiet:
        _say_what_will_happen(method, prepared, [*options.hints, *hints], options, position)
    return _trained(method, run, prepared, objective, learners, position, cost, options)


def _write_start(
    method: TrainingMethod,
    run: RunDirectory,
    prepared: Prepared,
    method_notes: dict[str, Any],
    options: RunOptions,
    *,
    anew: bool,
) -> dict[str, Any]:
    """Write down in the folder what will run in it; what it costs at the start, as `run.json` has.

    Raises:
        UserError: a run goes on with other data, or another teacher, than it began with.
    """
    recipe, index, networks = prepared.recipe, prepared.index, prepared.networks
    fingerprints = {"data": index.fingerprint(), **method_notes.pop("fingerprints", {})}
    if not anew:
        require_same_inputs(run, prepared.saved_notes, fingerprints, recipe, index)
    run.create(recipe, stage=method.stage, overwrite=options.overwrite, resumed=options.resume)
    if anew:
        run.update_notes(resolved=prepared.resolved)
    run.note_given(options.given, anew=anew)
    cost = cost_at_start(
        {name: network.num_parameters for name, network in networks.items()},
        sum(network.num_trained for network in networks.values()),
        method_notes.pop("earlier", ()),
    )
    run.update_notes(
        fingerprints=fingerprints,
        classes=index.classes.to_plain(),
        left_out_images=list(index.left_out),
        cost=cost,
        **method_notes,
    )
    return cost


def _trained(
    method: TrainingMethod,
    run: RunDirectory,
    prepared: Prepared,
    objective: Objective | CoObjective,
    learners: dict[str, Learner],
    position: Position,
    cost: dict[str, Any],
    options: RunOptions,
) -> TrainingResult:
    """Train from ``position`` on, to the end."""
    recipe, index, device = prepared.recipe, prepared.index, prepared.device
    extra = forget_extra_evaluations(run, recipe, learners, position)
    log = _open_log(run, recipe, position, drop_evaluations=extra)
    statistics = prepared.batch_statistics
    prober = Prober(recipe, index, learners, objective, statistics, device, run)
    if position.step == 0:
        prober.take(position)
    total, asides = len(index) * recipe.schedule.epochs, _num_evaluations(prepared, position)
    with progress(
        method.stage, total, unit="images", step="step", asides=asides, quiet=options.quiet
    ) as bar:
        finisher = EpochFinisher(run, prepared, prober, log, bar, cost, quiet=options.quiet)
        training = Training(
            recipe=recipe,
            device=device,
            learners=learners,
            objective=objective,
            position=position,
            log=log,
            batches=_batch_source(prepared, objective.beside),
            num_images=len(index),
            save=lambda at: save_state(run.state, learners, at),
            finish_epoch=finisher,
            skipped=set(run.read_notes().get("skipped_images", [])),
        )
        _train_and_note(run, training, bar)
        if prepared.validation is not None and not is_measured(run, position.epoch):
            # The run was cut to what was done, after an epoch without an evaluation.
            finisher.evaluate(position)
            training.save(position)
    run.update_notes(status="finished", finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    notes = tuple(note for note in (*index.notes, *finisher.notes) if note not in options.said)
    metrics = finisher.metrics or recorded_metrics(run, method.names)
    return TrainingResult(run, method.names, metrics, position.step, len(training.skipped), notes)


def _finished_before(
    method: TrainingMethod, run: RunDirectory, position: Position, options: RunOptions
) -> TrainingResult:
    """The result of a run that has ended; nothing is written."""
    announce(
        f"{run.root}: is finished after {position.epoch} epoch(s); more of them with --resume go "
        f"on from here, such as --epochs {2 * position.epoch}",
        quiet=options.quiet,
    )
    skipped = run.read_notes().get("skipped_images", [])
    metrics = recorded_metrics(run, method.names)
    return TrainingResult(run, method.names, metrics, position.step, len(skipped), ())


def _say_what_will_happen(
    method: TrainingMethod,
    prepared: Prepared,
    hints: list[str],
    options: RunOptions,
    position: Position,
) -> None:
    """The summary and the warnings before the first step; a run that goes on says less."""
    if options.resume:
        announce(resumed_summary(prepared, position))
        return
    data = prepared.recipe.data
    boxes = input_boxes(prepared.index, data.short[-1], data.long)
    warnings = [
        reach_warning(
            prepared.recipe,
            prepared.index,
            boxes,
            prepared.anchors,
            levels=_possible_levels(method, prepared),
        )
    ]
    if options.brief:
        announce(brief_summary(prepared))
    else:
        show_summary(summary_rows(prepared, method.stage, boxes))
        warnings.append(slow_warning(prepared))
    notes = prepared.index.notes
    if prepared.validation is not None:
        notes += prepared.validation.index.notes
    for note in [*notes, *hints, *filter(None, warnings)]:
        if note not in options.said:
            announce(f"note: {note}")
            options.said.add(note)


def _possible_levels(method: TrainingMethod, prepared: Prepared) -> tuple[int, ...]:
    """Finest levels that the run's networks could have instead of the one they have.

    None where a teacher, or a network that the run starts from, binds its anchors.
    """
    recipe = prepared.recipe
    starts = (recipe.net_a.init, recipe.net_b.init) if method.stage == "colad" else ()
    if method.stage == "distill" or any(starts):
        return ()
    backbones = [network.detector.backbone for network in prepared.networks.values()]
    every = set.intersection(*(set(backbone.all_strides) for backbone in backbones))
    return tuple(level for level in FIRST_LEVELS if 1 << level in every)


def _num_evaluations(prepared: Prepared, position: Position) -> int:
    """Evaluations on the validation set that are still to come."""
    if prepared.validation is None:
        return 0
    epochs = range(position.epoch + 1, prepared.recipe.schedule.epochs + 1)
    due = sum(evaluation_is_due(prepared.recipe, epoch) for epoch in epochs)
    return due * len(prepared.networks)


def _train_and_note(run: RunDirectory, training: Training, bar: Reporter) -> None:
    """Train, and leave in `run.json` how it ended."""
    try:
        train(training, bar)
    except Interrupted:
        run.update_notes(status="interrupted", epoch=training.position.epoch)
        raise Interrupted("the state is saved; the same command with --resume goes on") from None
    except TooManyBadImages as error:
        run.update_notes(status="interrupted", epoch=training.position.epoch)
        more = f", or with --resume and {error.raise_limit}" if error.raise_limit else ""
        raise UserError(
            f"{error.found}; the state is saved: go on with --resume when the images are back{more}"
        ) from error
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


def _open_log(
    run: RunDirectory, recipe: Recipe, position: Position, *, drop_evaluations: Container[int]
) -> MetricsLog:
    """The run's log up to ``position``; what lies beyond is done again."""
    board = None
    if recipe.train.tensorboard:
        board = open_tensorboard(run.tensorboard, after_step=position.step)
    return MetricsLog(
        run.metrics,
        keep_steps=position.step,
        keep_epochs=position.epoch,
        drop_evaluations=drop_evaluations,
        mirror=board,
    )


def _learner(network: NewNetwork, prepared: Prepared) -> Learner:
    recipe, detector = prepared.recipe, network.detector
    own = detector.architecture
    return Learner(
        detector,
        build_optimizer(detector, recipe.optim, lr=network.lr),
        gradient_scaler(recipe.train.precision, prepared.device),
        network.lr,
        Renormalize.between(
            prepared.batch_statistics, (own.pixel_mean, own.pixel_std), prepared.device
        ),
    )


def _batch_source(
    prepared: Prepared, beside: ReadBeside | None
) -> Callable[[int, int], Iterable[Batch]]:
    mean, std = prepared.batch_statistics

    def batches(epoch: int, skip: int) -> Iterable[Batch]:
        plan = prepared.plan(epoch)[skip:]
        return prepared.runner.batches(prepared.index, plan, mean=mean, std=std, beside=beside)

    return batches
