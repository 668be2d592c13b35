"""After an epoch of a training: checkpoints, probes, and the evaluation where one is due."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import torch

from ladcli.detector.checkpoint import save_checkpoint
from ladcli.engine.progress import Reporter
from ladcli.engine.state import Position
from ladcli.objective.objectives import MODEL
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.evaluation_folder import EvaluationFolder
from ladcli.runs.metrics_log import MetricsLog
from ladcli.runs.run_directory import RunDirectory
from ladcli.runs.score_thresholds import ScoreThresholds
from ladcli.stages.continuation import evaluation_is_due, is_regular, keep_previous_best
from ladcli.stages.datasets import EvaluationSet
from ladcli.stages.evaluate import evaluate_detector
from ladcli.stages.evaluate_results import Evaluation
from ladcli.stages.prepare import Prepared, input_rule
from ladcli.stages.probes import Prober
from ladcli.stages.run_costs import cost_so_far


class EpochFinisher:
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
    return evaluate_detector(
        prepared.networks[network].detector,
        validation,
        replace(prepared.runner, quiet=quiet),
        input_rule=input_rule(prepared.recipe),
        inference=prepared.recipe.inference,
        folder=folder.path,
        title=title,
    )
