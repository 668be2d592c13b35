"""What the networks of a pipeline reached, and whether their gains over the baseline are real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ladcli.data.synth import set_layout
from ladcli.engine.interrupt import wishes_inside
from ladcli.engine.progress import announce
from ladcli.engine.runner import Runner
from ladcli.errors import Interrupted, UserError
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.measurements import Measurements
from ladcli.evaluate.summary import StageResult
from ladcli.files import require_writable, write_json
from ladcli.outputs import refuse_inputs, require_replaceable, require_whole_folder
from ladcli.recipe.pipeline import Pipeline, Split, Stage
from ladcli.recipe.schema import Recipe
from ladcli.recognize import is_comparison, is_page, is_stage_label, is_summary
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.find_results import MethodResults, ResultsOf
from ladcli.runs.names import LAST
from ladcli.runs.pipeline_folder import PipelineFolder, StageFolder
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.compare import CompareOptions, compare_methods
from ladcli.stages.datasets import EvaluationSet, open_evaluation_set
from ladcli.stages.evaluate import evaluate_checkpoint
from ladcli.stages.pipeline_time import PipelineTime
from ladcli.stages.run_costs import read_run_cost
from ladcli.training_cost import TrainingCost


@dataclass(frozen=True)
class PipelineRun:
    """One run of a stage: a stage with several seeds has several."""

    stage: Stage
    name: str
    seed: int
    folder: Path
    teacher: str | None = None  # the network of an earlier run that it takes: RUN, or RUN/a
    cache: str | None = None  # the run whose cache it takes

    def checkpoint(self, network: str) -> Path:
        return RunDirectory(self.folder).checkpoint(LAST, network)

    @property
    def cache_file(self) -> Path:
        return StageFolder(self.folder).cache

    @property
    def data_folder(self) -> Path:
        """Where a stage that draws images puts them."""
        return StageFolder(self.folder).data

    @property
    def label(self) -> Path:
        """Says that the run is finished, and what it was."""
        return StageFolder(self.folder).label


@dataclass(frozen=True)
class PipelineResult:
    """Everything that `lad run` shows at the end."""

    measured: list[StageResult]  # in the order of the stages
    comparisons: list[ComparisonResult]  # one per set, where there is a baseline
    pages: list[Path]  # of the comparisons


def check_outputs(
    pipeline: Pipeline, runs: Sequence[PipelineRun], out: Path, data: str | None = None
) -> None:
    """Refuse a folder in which results would replace anything but earlier ones.

    Args:
        data: the folder that the command line names, which no stage may draw anew.

    Raises:
        UserError: it cannot be written to, or something in it has a name that results need.
    """
    require_writable(out)
    for run in runs:
        if run.stage.run == "synth" and not run.label.exists():
            layout = set_layout(run.data_folder)
            require_whole_folder(
                run.data_folder, layout, "a synthetic set", overwrite=True, flag="--out"
            )
            refuse_inputs([run.data_folder], {"--data": data}, flag="--out")
    folder = PipelineFolder(out)
    files = [(folder.summary, is_summary), *((run.label, is_stage_label) for run in runs)]
    for split in pipeline.evaluate:
        files += [
            (folder.comparison_page(split), is_page),
            (folder.comparison(split), is_comparison),
        ]
    for path, ours in files:
        require_replaceable(path, ours, "of a pipeline run by this program", flag="--out")


def measure_pipeline(
    pipeline: Pipeline,
    runs: Sequence[PipelineRun],
    recipes: Mapping[str, Recipe],
    out: Path,
    *,
    times: PipelineTime | None = None,
    quiet: bool = False,
) -> PipelineResult:
    """Measure every trained network on every set of the pipeline, and compare with its baseline.

    Writes the numbers and, for every set, a comparison and its page to ``out``.

    Args:
        times: told of the beginning of every measurement.

    Raises:
        Interrupted: the user asked to stop; trained networks are measured anew next time.
    """
    matched = Measurements()
    measured = _measure(pipeline, runs, recipes, times, matched, quiet=quiet)
    rows = [
        {
            "run": m.run,
            "stage": m.stage,
            "seed": m.seed,
            "set": m.split,
            **m.metrics.to_json(),
            "cost": m.cost.to_plain(),
        }
        for m in measured
    ]
    folder = PipelineFolder(out)
    write_json(folder.summary, rows)
    comparisons, pages = [], []
    for split in pipeline.evaluate:
        methods = _methods(pipeline, runs, recipes, split)
        if len(methods) < 2:
            continue
        page = folder.comparison_page(split)
        try:
            options = CompareOptions(split=split, quiet=quiet)
            found = compare_methods(methods, options, page=page, measurements=matched)
        except UserError as error:  # stages with data of their own
            announce(f"note: no comparison on {split}: {error}", quiet=quiet)
            continue
        write_json(folder.comparison(split), found.to_json())
        comparisons.append(found)
        pages.append(page)
    return PipelineResult(measured, comparisons, pages)


def measurements(
    pipeline: Pipeline, runs: Sequence[PipelineRun]
) -> list[tuple[PipelineRun, Split, str]]:
    """What is measured in the end, in order: run, set and network."""
    return [
        (run, split, network)
        for run in runs
        if run.stage.trains
        for split, network in product(pipeline.evaluate, run.stage.networks)
    ]


def _measure(
    pipeline: Pipeline,
    runs: Sequence[PipelineRun],
    recipes: Mapping[str, Recipe],
    times: PipelineTime | None,
    matched: Measurements,
    *,
    quiet: bool,
) -> list[StageResult]:
    sets: dict[tuple[str | None, ...], EvaluationSet] = {}
    measured = []
    notes: set[str] = set()
    due = measurements(pipeline, runs)
    with wishes_inside() as stop:
        for number, (run, split, network) in enumerate(due, start=1):
            if stop:
                raise Interrupted
            if times is not None:
                times.begin()
            name = _run_name(run, network)
            announce(f"measuring {name} on {split}, {number} of {len(due)}", quiet=quiet)
            recipe = recipes[run.name]
            data = recipe.data
            places = (data.dir, data.train_json, data.val_json, data.test_json)
            folders = (data.images, data.val_images, data.test_images)
            key = (*places, *folders, split, str(data.skip_bad_images), str(data.max_bad_share))
            if key not in sets:
                opened = open_evaluation_set(recipe.data, split)
                assert opened is not None  # required sets raise
                sets[key] = opened
                matched.know_truth(opened.truth.path, opened.truth)
            evaluation = evaluate_checkpoint(
                run.checkpoint(network),
                sets[key],
                Runner.of(recipe, quiet=quiet),
                inference=recipe.inference,
                out=None,
                measurements=matched,
            )
            for note in evaluation.notes:
                if note not in notes:
                    announce(f"note: {note}", quiet=quiet)
            notes.update(evaluation.notes)
            cost = read_run_cost(run.folder, network)
            measured.append(_named(run, network, split, evaluation.metrics, cost))
    return measured


def _named(
    run: PipelineRun, network: str, split: str, metrics: CocoMetrics, cost: TrainingCost
) -> StageResult:
    """What a network reached, under the names that tables give it."""
    stage, title = _names(run.stage, network)
    return StageResult(stage, title, _run_name(run, network), run.seed, split, metrics, cost)


def _run_name(run: PipelineRun, network: str) -> str:
    return run.name if len(run.stage.networks) == 1 else f"{run.name}/{network}"


def _names(stage: Stage, network: str) -> tuple[str, str]:
    """How pipeline files and how people call a network of a stage."""
    title = stage.title or stage.name
    if len(stage.networks) == 1:
        return stage.name, title
    return f"{stage.name}/{network}", f"{title}, network {network}"


def _methods(
    pipeline: Pipeline, runs: Sequence[PipelineRun], recipes: Mapping[str, Recipe], split: str
) -> list[MethodResults]:
    """The networks of all stages on one set, the baseline's first; none without a baseline."""
    if pipeline.baseline is None:
        return []
    results: dict[str, list[ResultsOf]] = {}
    for one in _results(runs, recipes, split):
        results.setdefault(one.method, []).append(one)
    ordered = sorted(results.items(), key=lambda item: item[0] != pipeline.baseline)  # stable
    return [MethodResults(ones[0].name, tuple(ones)) for _, ones in ordered]


def _results(
    runs: Sequence[PipelineRun], recipes: Mapping[str, Recipe], split: str
) -> Iterator[ResultsOf]:
    for run in runs:
        for network in run.stage.networks if run.stage.trains else ():
            predictions = RunDirectory(run.folder).evaluation(split, network).predictions
            stage, title = _names(run.stage, network)
            where = (run.folder, network)
            yield ResultsOf(str(run.folder), predictions, recipes[run.name], title, stage, where)
