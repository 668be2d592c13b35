"""`lad run`: the stages of a pipeline in order, each once, and one table at the end."""

from __future__ import annotations

from ladcli.data.synth import write_synthetic
from ladcli.engine.interrupt import wishes_inside
from ladcli.engine.progress import announce, clock, part_of
from ladcli.errors import Interrupted
from ladcli.recipe import AskedRecipe
from ladcli.recipe.pipeline import Pipeline
from ladcli.recipe.schema import Recipe
from ladcli.runs.pipeline_folder import StageFolder
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.colad import colad
from ladcli.stages.distill import distill
from ladcli.stages.pipeline_plan import (
    PipelineOptions,
    asked_recipe,
    finished_before,
    identity_of,
    plan_runs,
    trained_network,
)
from ladcli.stages.pipeline_results import (
    PipelineResult,
    PipelineRun,
    measure_pipeline,
    measurements,
)
from ladcli.stages.pipeline_time import PipelineTime, Work
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions


def run_pipeline(pipeline: Pipeline, name: str, options: PipelineOptions) -> PipelineResult:
    """Run what is not finished yet, then measure every trained network and compare them.

    Everything goes to one folder per run below ``options.out``.  Calling it again skips finished
    runs and goes on with the one that was stopped.

    Args:
        pipeline: the stages.
        name: how messages call the pipeline file.

    Raises:
        UserError: bad input; a finished run that was made with other options is never replaced.
        Interrupted: stopped by the user; the next call goes on.
    """
    runs, recipes = plan_runs(pipeline, name, options)
    given = {run.name: asked_recipe(run, runs, pipeline, name, options).given for run in runs}
    times = _times(pipeline, runs, recipes)
    what = f"{pipeline.description}: " if pipeline.description else ""
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    announce(f"{what}{count} into {options.out}", quiet=options.quiet)
    said: set[str] = set()
    with part_of(times.line), wishes_inside() as stop:
        for number, run in enumerate(runs, start=1):
            if stop:  # made to a stage that was at its end
                raise Interrupted
            times.begin()
            headline = f"[{number}/{len(runs)}] {run.name} ({run.stage.run})"
            asked = AskedRecipe(recipes[run.name], given[run.name])
            _run_once(run, runs, asked, headline, times, options, said)
        if stop:
            raise Interrupted
        result = measure_pipeline(
            pipeline, runs, recipes, options.out, times=times, quiet=options.quiet
        )
    announce(f"done in {clock(times.elapsed())}", quiet=options.quiet)
    return result


def _times(pipeline: Pipeline, runs: list[PipelineRun], recipes: dict[str, Recipe]) -> PipelineTime:
    works = [
        Work.of_stage(run.stage, recipes[run.name], f"stage {number} of {len(runs)}")
        for number, run in enumerate(runs, start=1)
    ]
    measured = measurements(pipeline, runs)
    for number, (run, split, _) in enumerate(measured, start=1):
        label = f"measuring {number} of {len(measured)}"
        works.append(Work.of_measuring(recipes[run.name], split, label))
    return PipelineTime(works)


def _run_once(
    run: PipelineRun,
    runs: list[PipelineRun],
    asked: AskedRecipe,
    headline: str,
    times: PipelineTime,
    options: PipelineOptions,
    said: set[str],
) -> None:
    """Run one stage unless it is finished; refuse one that was finished under other options.

    Args:
        said: notes that were shown before; those of this stage are added.
    """
    recipe = asked.recipe
    if finished_before(run, recipe):
        announce(f"{headline}: finished before", quiet=options.quiet)
        times.found_done()
        return
    announce(f"{headline}{times.to_go()}", quiet=options.quiet)
    match run.stage.run:
        case "synth":
            _write_data(run)
        case "cache-teacher":
            teacher = trained_network(str(run.teacher), runs)
            cache_teacher(
                recipe, teacher, run.cache_file, quiet=options.quiet, keep=True, said=said
            )
        case _:
            train_options = RunOptions(
                run.folder,
                resume=RunDirectory(run.folder).started_here(),
                quiet=options.quiet,
                brief=True,
                said=said,
                given=asked.given,
            )
            stage = {"pretrain": pretrain, "distill": distill, "colad": colad}[run.stage.run]
            try:
                stage(recipe, train_options)
            except Interrupted:
                raise Interrupted from None  # a pipeline goes on without --resume
    StageFolder(run.folder).write_label(
        identity=identity_of(run, recipe), stage=run.stage.name, seed=run.seed
    )


def _write_data(run: PipelineRun) -> None:
    synth = run.stage.synth
    write_synthetic(
        run.data_folder,
        train=synth.train,
        val=synth.val,
        test=synth.test,
        size=(synth.width, synth.height),
        classes=synth.classes,
        seed=run.seed,
        objects=(synth.objects[0], synth.objects[1]),
        sides=(synth.sides[0], synth.sides[1]),
        clutter=synth.clutter,
        overwrite=True,
    )
