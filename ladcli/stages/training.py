"""What the training commands share: networks, one objective, one run directory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ladcli.classes import ClassTable
from ladcli.data.index import CocoIndex
from ladcli.data.loader import ReadBeside, load_batches
from ladcli.data.plan import Plan, plan_epoch
from ladcli.detector.checkpoint import InputRule, save_checkpoint
from ladcli.detector.levels import FIRST_LEVELS, AnchorLayout
from ladcli.detector.model import Detector, build_detector
from ladcli.detector.renormalize import Renormalize
from ladcli.engine.device import choose_device, gradient_scaler
from ladcli.engine.loop import Training, train
from ladcli.engine.optimizer import base_lr, build_optimizer
from ladcli.engine.progress import Reporter, announce, progress
from ladcli.engine.state import Learner, Position, load_state, save_state
from ladcli.engine.tensorboard import open_tensorboard, require_tensorboard
from ladcli.errors import BadImageError, Interrupted, TooManyBadImages, UserError
from ladcli.evaluate.thresholds import VALIDATION
from ladcli.objective.objectives import MODEL, CoObjective, Objective
from ladcli.recipe import Given, load_recipe
from ladcli.recipe.options import read_files
from ladcli.recipe.schema import Recipe
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.evaluation_folder import EvaluationFolder
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
    is_regular,
    keep_previous_best,
    recorded_metrics,
    require_same_inputs,
    stored_position,
)
from ladcli.stages.datasets import (
    EvaluationSet,
    open_evaluation_set,
    open_training_set,
    require_same_classes,
    with_shared_files_note,
)
from ladcli.stages.evaluate import evaluate_detector
from ladcli.stages.evaluate_results import Evaluation
from ladcli.stages.input_boxes import input_boxes, reach_warning
from ladcli.stages.probes import Prober
from ladcli.stages.resolve import keep_resolved, resolve
from ladcli.stages.run_costs import cost_at_start, cost_so_far, recall_work
from ladcli.stages.same_anchors import shared_anchors
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


@dataclass(frozen=True)
class NewNetwork:
    """A network about to be trained."""

    detector: Detector
    lr: float  # after warm-up

    @property
    def num_parameters(self) -> int:
        """All of them: what inference has to carry."""
        return sum(parameter.numel() for parameter in self.detector.parameters())

    @property
    def num_trained(self) -> int:
        """Those that are not frozen."""
        parameters = self.detector.parameters()
        return sum(p.numel() for p in parameters if p.requires_grad)


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, checked before the first step."""

    recipe: Recipe
    device: torch.device
    index: CocoIndex
    validation: EvaluationSet | None
    networks: dict[str, NewNetwork]  # in order; batches are normalized for the first
    steps_per_epoch: int  # optimizer steps of the first epoch; with several scales others differ
    resolved: dict[str, Any]  # what the recipe left open, by dotted key
    saved_notes: dict[str, Any] = field(default_factory=dict)  # `run.json` of a resumed run

    @property
    def anchors(self) -> AnchorLayout:
        """The anchors of every network of the run."""
        return shared_anchors(
            {name: new.detector.architecture.anchors for name, new in self.networks.items()}
        )

    @property
    def batch_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Pixel mean and deviation that batches are normalized with."""
        first = next(iter(self.networks.values())).detector.architecture
        return first.pixel_mean, first.pixel_std


@dataclass(frozen=True)
class TrainingMethod:
    """What tells one kind of training from another."""

    stage: str  # the command
    networks: Callable[[Recipe, ClassTable], dict[str, NewNetwork]]
    #: Called once the data are known to be sound.  The second value goes into `run.json`, but for
    #: "earlier": the costs of the trainings that this one builds on.
    objective: Callable[[Prepared], tuple[Objective | CoObjective, dict[str, Any]]]
    names: tuple[str, ...] = (MODEL,)  # of the networks


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
    recipe = prepared.recipe
    objective, method_notes = method.objective(prepared)
    learners = {name: _learner(network, prepared) for name, network in prepared.networks.items()}
    position = Position()
    if options.resume and run.state.exists():
        position = load_state(run.state, learners)
        # A damaged log is refused before anything is written.
        recall_work(position, read_metrics(run.metrics))
    fingerprints = {"data": prepared.index.fingerprint(), **method_notes.pop("fingerprints", {})}
    if saved is not None:
        require_same_inputs(run, saved_notes, fingerprints, recipe, prepared.index)
    run.create(recipe, stage=method.stage, overwrite=options.overwrite, resumed=options.resume)
    if saved is None:
        run.update_notes(resolved=prepared.resolved)
    run.note_given(options.given, anew=saved is None)
    cost = cost_at_start(
        {name: network.num_parameters for name, network in prepared.networks.items()},
        sum(network.num_trained for network in prepared.networks.values()),
        method_notes.pop("earlier", ()),
    )
    run.update_notes(
        fingerprints=fingerprints,
        classes=prepared.index.classes.to_plain(),
        left_out_images=list(prepared.index.left_out),
        cost=cost,
        **method_notes,
    )
    if not options.quiet:
        _say_what_will_happen(method, prepared, [*options.hints, *hints], options, position)
    extra = forget_extra_evaluations(run, recipe, learners, position)
    log = _open_log(run, recipe, position, drop_evaluations=extra)
    prober = Prober(
        recipe,
        prepared.index,
        learners,
        objective,
        prepared.batch_statistics,
        prepared.device,
        run,
    )
    if position.step == 0:
        prober.take(position)
    total = len(prepared.index) * recipe.schedule.epochs
    asides = _num_evaluations(prepared, position)
    with progress(
        method.stage, total, unit="images", step="step", asides=asides, quiet=options.quiet
    ) as bar:
        finisher = _EpochFinisher(run, prepared, prober, log, bar, cost, quiet=options.quiet)
        training = Training(
            recipe=recipe,
            device=prepared.device,
            learners=learners,
            objective=objective,
            position=position,
            log=log,
            batches=_batch_source(prepared, objective.beside),
            num_images=len(prepared.index),
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
    notes = tuple(
        note for note in (*prepared.index.notes, *finisher.notes) if note not in options.said
    )
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


def prepare(
    method: TrainingMethod, recipe: Recipe, *, saved_notes: dict[str, Any] | None = None
) -> tuple[Prepared, list[str]]:
    """Open the data and build the networks; nothing is written.

    Returns:
        What the run needs, with a recipe that leaves nothing open; and hints for the user.

    Raises:
        UserError: a device, file, backbone or weights that cannot be used.
    """
    device = choose_device(recipe.train.device)
    if recipe.train.tensorboard:
        require_tensorboard()
    known = saved_notes or {}
    index = open_training_set(
        recipe.data,
        left_out=known.get("left_out_images"),
        classes=ClassTable.from_plain(known["classes"]) if "classes" in known else None,
    )
    validation = None
    if recipe.train.eval_every:
        validation = open_evaluation_set(recipe.data, "val", required=False)
    if validation is not None:
        validation = validation.suited_to(index.classes)
        truth = validation.truth
        require_same_classes(index.classes, "the training set", truth.classes, truth.path)
        validation = with_shared_files_note(index, validation)
    resolved = resolve(
        recipe,
        index,
        stage=method.stage,
        count_steps=lambda recipe: len(_plan(recipe, index, epoch=0)),
    )
    recipe = resolved.recipe
    torch.manual_seed(recipe.train.seed)
    networks = method.networks(recipe, index.classes)
    for network in networks.values():
        network.detector.to(device)
        if recipe.train.channels_last:
            network.detector.use_channels_last()
    prepared = Prepared(
        recipe,
        device,
        index,
        validation,
        networks,
        resolved.steps_per_epoch,
        resolved.values,
        saved_notes or {},
    )
    return prepared, list(resolved.hints)


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


def single_network(recipe: Recipe, classes: ClassTable) -> dict[str, NewNetwork]:
    """The one network of `lad pretrain` and `lad distill`."""
    lr = base_lr(recipe.optim, recipe.train.batch_size)
    return {MODEL: NewNetwork(build_detector(recipe.model, classes), lr)}


def input_rule(recipe: Recipe) -> InputRule:
    """How images are resized at inference."""
    return InputRule(recipe.data.short[-1], recipe.data.long)


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


def _plan(recipe: Recipe, index: CocoIndex, *, epoch: int) -> Plan:
    train_config = recipe.train
    return plan_epoch(
        index,
        recipe.data,
        batch_size=train_config.batch_size,
        seed=train_config.seed,
        epoch=epoch,
    )


def _batch_source(
    prepared: Prepared, beside: ReadBeside | None
) -> Callable[[int, int], Iterable[Batch]]:
    data = prepared.recipe.data
    mean, std = prepared.batch_statistics

    def batches(epoch: int, skip: int) -> Iterable[Batch]:
        return load_batches(
            prepared.index,
            _plan(prepared.recipe, prepared.index, epoch=epoch)[skip:],
            mean=mean,
            std=std,
            workers=data.workers,
            skip_bad_images=data.skip_bad_images,
            max_bad_share=data.max_bad_share,
            pin_memory=prepared.device.type == "cuda",
            beside=beside,
        )

    return batches


class _EpochFinisher:
    """After an epoch: the checkpoints, and the evaluation where one is due."""

    def __init__(
        self,
        run: RunDirectory,
        prepared: Prepared,
        prober: Prober,
        log: MetricsLog,
        reporter: Reporter,
        cost: dict[str, Any],
        *,
        quiet: bool,
    ) -> None:
        self.quiet = quiet
        self.run = run
        self.prepared = prepared
        self.prober = prober
        self.log = log
        self.reporter = reporter
        self.cost = cost  # as in `run.json`
        self.metrics: dict[str, CocoMetrics] = {}
        self.notes = prepared.validation.index.notes if prepared.validation else ()

    def __call__(self, position: Position) -> None:
        for name in self.prepared.networks:
            self._save(name, "last", position)
        self.prober.take(position)
        if evaluation_is_due(self.prepared.recipe, position.epoch):
            self.evaluate(position)

    def evaluate(self, position: Position) -> None:
        """Measure every network, where there is a validation set."""
        if self.prepared.validation is None:
            return
        # What a longer run would not do must not move the random numbers that it goes on with.
        with contextlib.ExitStack() as stack:
            if not is_regular(self.prepared.recipe, position.epoch):
                devices = range(torch.cuda.device_count())
                stack.enter_context(torch.random.fork_rng(devices=devices))
            for name in self.prepared.networks:
                self._evaluate(name, self.prepared.validation, position)

    def _save(
        self,
        network: str,
        name: str,
        position: Position,
        thresholds: ScoreThresholds | None = None,
    ) -> None:
        recipe = self.prepared.recipe
        save_checkpoint(
            self.run.checkpoint(name, network),
            self.prepared.networks[network].detector,
            input_rule(recipe),
            {
                "epoch": position.epoch,
                "step": position.step,
                "recipe": recipe.model_dump(),
                "cost": cost_so_far(self.cost, network, position).to_plain(),
            },
            thresholds=thresholds.to_plain() if thresholds else None,
        )

    def _evaluate(self, network: str, validation: EvaluationSet, position: Position) -> None:
        called = "" if network == MODEL else f"network {network} "
        with self.reporter.aside(f"validating {called}on {validation.name}"):
            evaluation = evaluate_network(
                self.prepared,
                network,
                validation,
                self.run.evaluation(validation.name, network),
                title=f"validate {called}on {validation.name}",
                quiet=self.quiet,
            )
        self.metrics[network], self.notes = evaluation.metrics, evaluation.notes
        # It was saved before, so that an evaluation that fails loses no epoch.
        self._save(network, "last", position, evaluation.thresholds)
        stats = evaluation.metrics.stats
        named = {} if network == MODEL else {"network": network}
        images = evaluation.images
        partly = {"measured_images": images.measured} if images and images.skipped else {}
        self.log.write(
            "eval",
            position.step,
            epoch=position.epoch,
            set=validation.name,
            **named,
            **stats,
            **partly,
        )
        average = stats["AP"] or 0.0
        who = "" if network == MODEL else f"network {network}: "
        self.reporter.line(
            f"epoch {position.epoch}: {who}AP {100 * average:.1f} on {validation.name}"
            + (f" ({images})" if partly else "")
        )
        if average > position.best.get(network, -1.0):
            if network in position.best and not is_regular(self.prepared.recipe, position.epoch):
                keep_previous_best(self.run, network)
            position.best[network] = average
            self._save(network, "best", position, evaluation.thresholds)


def evaluate_network(
    prepared: Prepared,
    network: str,
    validation: EvaluationSet,
    folder: EvaluationFolder,
    *,
    title: str = "",
    quiet: bool = True,
) -> Evaluation:
    """Measure a network of a run on a set; predictions and metrics go to ``folder``."""
    recipe = prepared.recipe
    return evaluate_detector(
        prepared.networks[network].detector,
        validation,
        input_rule=input_rule(recipe),
        inference=recipe.inference,
        device=prepared.device,
        folder=folder.path,
        precision=recipe.train.precision,
        workers=recipe.data.workers,
        skip_bad_images=recipe.data.skip_bad_images,
        title=title,
        quiet=quiet,
    )
