"""`lad run`: the stages of a pipeline in order, each once, and one table at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.data.folder import find_split
from ladcli.data.synth import write_synthetic
from ladcli.engine.interrupt import wishes_inside
from ladcli.engine.progress import announce, clock, part_of
from ladcli.engine.run_directory import FREE_KEYS, RunDirectory
from ladcli.errors import Interrupted, UserError
from ladcli.files import write_json
from ladcli.fingerprint import fingerprint_plain
from ladcli.recipe import load_recipe
from ladcli.recipe.pipeline import Pipeline
from ladcli.recipe.schema import Recipe
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.colad import colad
from ladcli.stages.distill import distill
from ladcli.stages.pipeline_results import (
    PipelineResult,
    PipelineRun,
    measure_pipeline,
    measurements,
)
from ladcli.stages.pipeline_time import PipelineTime, Work
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions


@dataclass(frozen=True)
class PipelineOptions:
    """What the command line adds to a pipeline file."""

    out: Path
    flags: dict[str, Any]  # options by dotted key, for every stage; None where not given
    overrides: Sequence[str] = ()
    seed: int = 0  # added to every seed of the file
    quiet: bool = False


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
    runs = [
        PipelineRun(stage, run_name, seed + options.seed, options.out / run_name)
        for stage in pipeline.stages
        for run_name, seed in zip(stage.run_names(), stage.seeds, strict=True)
    ]
    recipes = {run.name: _recipe_of(run, runs, pipeline, name, options) for run in runs}
    for run in runs:
        if run.stage.trains and recipes[run.name].data.dir is None:
            raise UserError(f"pipeline {name}: needs a data folder; name it with --data")
    _check_sets(pipeline, runs, recipes)
    times = _times(pipeline, runs, recipes)
    said: set[str] = set()
    with part_of(times.line), wishes_inside() as stop:
        for number, run in enumerate(runs, start=1):
            if stop:  # made to a stage that was at its end
                raise Interrupted
            times.begin()
            headline = f"[{number}/{len(runs)}] {run.name} ({run.stage.run})"
            _run_once(run, runs, recipes[run.name], headline, times, options, said)
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


def _recipe_of(
    run: PipelineRun,
    runs: list[PipelineRun],
    pipeline: Pipeline,
    name: str,
    options: PipelineOptions,
) -> Recipe:
    """The recipe of one run: the pipeline's, then the stage's, then the command line's."""
    synthetic = [r for r in runs if r.stage.run == "synth"]
    # The seed comes last: options that were not given are there too, as None.
    flags = {**options.flags, "train.seed": run.seed}
    if flags.get("data.dir") is None and synthetic:
        flags["data.dir"] = str(synthetic[0].folder / "data")
    teacher = run.stage.teacher
    if run.stage.cache is not None:
        source = next(r for r in runs if r.name == run.stage.cache)
        flags["distill.cache"] = str(source.cache_file)
        # The cache must be of the teacher that this pipeline trained: the stage compares them.
        teacher = teacher or source.stage.teacher
    if run.stage.run == "distill":
        flags["distill.teacher"] = str(_trained(str(teacher), runs))
    return load_recipe(
        None,
        layers=[
            (f"pipeline {name}, recipe", pipeline.recipe),
            (f"pipeline {name}, stage {run.stage.name}", run.stage.recipe),
        ],
        flags=flags,
        overrides=options.overrides,
    )


def _trained(name: str, runs: list[PipelineRun]) -> Path:
    """The checkpoint of a network that a stage names: RUN, or RUN/a."""
    run_name, _, network = name.partition("/")
    run = next(r for r in runs if r.name == run_name)
    return run.checkpoint(network or run.stage.networks[0])


def _run_once(
    run: PipelineRun,
    runs: list[PipelineRun],
    recipe: Recipe,
    headline: str,
    times: PipelineTime,
    options: PipelineOptions,
    said: set[str],
) -> None:
    """Run one stage unless it is finished; refuse one that was finished under other options.

    Args:
        said: notes that were shown before; those of this stage are added.
    """
    identity = _identity(run, recipe)
    if run.label.exists():
        if json.loads(run.label.read_text(encoding="utf-8")).get("identity") != identity:
            raise UserError(
                f"{run.folder}: this stage was run with other options; choose another --out, or "
                "remove the folder to run it anew"
            )
        announce(f"{headline}: finished before", quiet=options.quiet)
        times.found_done()
        return
    announce(f"{headline}{times.to_go()}", quiet=options.quiet)
    match run.stage.run:
        case "synth":
            _write_data(run)
        case "cache-teacher":
            teacher = _trained(str(run.stage.teacher), runs)
            cache_teacher(
                recipe, teacher, run.cache_file, quiet=options.quiet, keep=True, said=said
            )
        case _:
            train_options = RunOptions(
                run.folder,
                resume=RunDirectory(run.folder).holds_run(),
                quiet=options.quiet,
                brief=True,
                said=said,
            )
            stage = {"pretrain": pretrain, "distill": distill, "colad": colad}[run.stage.run]
            try:
                stage(recipe, train_options)
            except Interrupted:
                raise Interrupted from None  # a pipeline goes on without --resume
    write_json(run.label, {"identity": identity, "stage": run.stage.name, "seed": run.seed})


def _identity(run: PipelineRun, recipe: Recipe) -> str:
    """Changes with everything that changes the result of a run.

    Options at their defaults are left out: a run does not change when the program learns a new one.
    """
    plain = recipe.model_dump(exclude_defaults=True)
    # What may differ between a run and its continuation is no difference here either.
    for key in FREE_KEYS:
        section, name = key.split(".")
        plain.get(section, {}).pop(name, None)
    # Files that the pipeline makes itself are known by the names of their stages.
    made = {"teacher": run.stage.teacher, "cache": run.stage.cache}
    plain["distill"] = {**plain.get("distill", {}), **made}
    folder = recipe.data.dir
    if folder is not None:
        inside = Path(folder).resolve().is_relative_to(run.folder.parent.resolve())
        plain["data"]["dir"] = "synthetic" if inside else str(Path(folder).resolve())
    # A stage that draws no images does not change when the synthetic set learns a new option.
    synth = run.stage.synth.model_dump() if run.stage.run == "synth" else None
    plain = {name: section for name, section in plain.items() if section}
    return fingerprint_plain([run.stage.run, run.seed, synth, plain])


def _write_data(run: PipelineRun) -> None:
    synth = run.stage.synth
    write_synthetic(
        run.folder / "data",
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


def _check_sets(pipeline: Pipeline, runs: list[PipelineRun], recipes: dict[str, Recipe]) -> None:
    """Refuse a set that is not there before the training, not after it.

    A folder that this pipeline makes itself is not there yet.
    """
    for run in runs:
        data = recipes[run.name].data
        if not run.stage.trains or not Path(str(data.dir)).is_dir():
            continue
        for split in pipeline.evaluate:
            if find_split(data, split) is None:
                raise UserError(
                    f"{data.dir}: has no {split} set, on which the pipeline evaluates; add it, or "
                    "change 'evaluate' in a copy of the pipeline"
                )
