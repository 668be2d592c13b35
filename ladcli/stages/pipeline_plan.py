"""What `lad run` will do: every run of a pipeline with its folder, its recipe and its identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ladcli.data.folder import find_split, has_data, missing_split
from ladcli.data.shipped import shipped_photos
from ladcli.data.synth import check_synthetic
from ladcli.data.synth_scene import SceneStyle
from ladcli.errors import UserError
from ladcli.fingerprint import fingerprint_plain
from ladcli.recipe import AskedRecipe, flat, is_given, load_recipe, read_recipe
from ladcli.recipe.flags import option_value, shown_value
from ladcli.recipe.learning_rate import follow_batch
from ladcli.recipe.options import FREE_KEYS, without
from ladcli.recipe.pipeline import Pipeline
from ladcli.recipe.schema import Recipe
from ladcli.runs.pipeline_folder import REMEDY, StageFolder
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.pipeline_results import PipelineRun, check_outputs


@dataclass(frozen=True)
class PipelineOptions:
    """What the command line adds to a pipeline file."""

    out: Path
    flags: dict[str, Any]  # options by dotted key, for every stage; None where not given
    overrides: Sequence[str] = ()
    seed: int = 0  # added to every seed of the file
    quiet: bool = False


def plan_runs(
    pipeline: Pipeline, name: str, options: PipelineOptions
) -> tuple[list[PipelineRun], dict[str, Recipe]]:
    """The runs of a pipeline in order, and the recipe of each by its name.

    Args:
        name: how messages call the pipeline file.

    Raises:
        UserError: an option that does not fit, no data folder, a set to evaluate on is missing, or
            something that this program did not write lies where results go.
    """
    runs, recipes = list_runs(pipeline, name, options)
    check_outputs(pipeline, runs, options.out, options.flags.get("data.dir"))
    for run in runs:
        if run.stage.trains and not has_data(recipes[run.name].data):
            raise UserError(f"pipeline {name}: needs a data folder; name it with --data")
    _check_sets(pipeline, runs, recipes)
    for run in runs:
        check_drawing(run, name)
    return runs, recipes


def list_runs(
    pipeline: Pipeline, name: str, options: PipelineOptions
) -> tuple[list[PipelineRun], dict[str, Recipe]]:
    """As `plan_runs`, without a look at the data."""
    runs = [
        PipelineRun(
            planned.stage,
            planned.name,
            planned.seed + options.seed,
            options.out / planned.name,
            planned.teacher,
            planned.cache,
        )
        for planned in pipeline.runs()
    ]
    asked = {run.name: asked_recipe(run, runs, pipeline, name, options) for run in runs}
    return runs, {run_name: one.recipe for run_name, one in asked.items()}


def finished_before(run: PipelineRun, recipe: Recipe) -> bool:
    """Whether the run is finished.

    Raises:
        UserError: it was finished under other options, or its label is damaged.
    """
    if not run.label.exists():
        return False
    if StageFolder(run.folder).finished_as() != identity_of(run, recipe):
        difference = _difference(run, recipe)
        named = "" if difference is None else f" ({difference})"
        raise UserError(f"{run.folder}: this stage was run with other options{named}; {REMEDY}")
    return True


def _difference(run: PipelineRun, recipe: Recipe) -> str | None:
    """The first option in which a finished training differs from what is asked for now."""
    stored = RunDirectory(run.folder).recipe
    if not run.stage.trains or not stored.is_file():
        return None
    before, now = flat(load_recipe(stored)), flat(recipe)
    for key, value in now.items():
        if key not in FREE_KEYS and is_given(recipe, key) and before[key] != value:
            return f"{option_value(key, before[key])}, and not {shown_value(value)}"
    return None


def drawing(run: PipelineRun) -> tuple[dict[str, int], SceneStyle]:
    """What a synth stage draws: images per set, and how they look."""
    synth = run.stage.synth
    style = SceneStyle(
        (synth.width, synth.height),
        synth.classes,
        (synth.objects[0], synth.objects[1]),
        (synth.sides[0], synth.sides[1]),
        synth.clutter,
    )
    return {"train": synth.train, "val": synth.val, "test": synth.test}, style


def check_drawing(run: PipelineRun, name: str) -> None:
    """Refuse options of the synthetic set that are out of range."""
    if run.stage.run != "synth":
        return
    try:
        counts, style = drawing(run)
        check_synthetic(counts, run.seed, style)
    except UserError as error:
        raise UserError(f"pipeline {name}, stage {run.stage.name}: {error}") from error


def trained_network(name: str, runs: list[PipelineRun]) -> Path:
    """The checkpoint of a network that a stage names: RUN, or RUN/a."""
    run_name, _, network = name.partition("/")
    run = next(r for r in runs if r.name == run_name)
    return run.checkpoint(network or run.stage.networks[0])


def identity_of(run: PipelineRun, recipe: Recipe) -> str:
    """Changes with everything that changes the result of a run.

    Options at their defaults are left out: a run does not change when the program learns a new one.
    So is what the recipe leaves open (the warm-up, what a preset fills in): it follows from the
    rest and the data by the program's own rules, and the run's notes hold what came of it.
    """
    if recipe.train.preset is None:
        # A rate that follows the batch is not the default, which others were given.
        plain = follow_batch(recipe).model_dump(exclude_defaults=True)
    else:
        # What a preset leaves alone is known by having been given, at its default too.
        plain = recipe.model_dump(exclude_unset=True)
    # What may differ between a run and its continuation is no difference here either.
    plain = without(plain, FREE_KEYS)
    # Files that the pipeline makes itself are known by the names of the runs that make them,
    # however the file came to name them.
    made = {"teacher": run.teacher, "cache": run.cache}
    plain["distill"] = {**plain.get("distill", {}), **made}
    folder = recipe.data.dir
    if folder is not None:
        plain["data"]["dir"] = _name_of_data(Path(folder).resolve(), run)
    # A stage that draws no images does not change when the synthetic set learns a new option.
    synth = run.stage.synth.model_dump() if run.stage.run == "synth" else None
    return fingerprint_plain([run.stage.run, run.seed, synth, plain])


def _name_of_data(folder: Path, run: PipelineRun) -> str:
    """A data folder as identities have it: what the program brings or makes may lie anywhere."""
    if folder == shipped_photos("demo"):
        return "shipped demo"
    if folder.is_relative_to(run.folder.parent.resolve()):
        return "synthetic"
    return str(folder)


def asked_recipe(
    run: PipelineRun,
    runs: list[PipelineRun],
    pipeline: Pipeline,
    name: str,
    options: PipelineOptions,
) -> AskedRecipe:
    """The recipe of one run: the pipeline's, then the stage's, then the command line's."""
    synthetic = [r for r in runs if r.stage.run == "synth"]
    # The seed comes last: options that were not given are there too, as None.
    flags = {**options.flags, "train.seed": run.seed}
    # Whoever names files means these, and none of the pipeline's own data.
    open_place = flags.get("data.dir") is None and flags.get("data.train_json") is None
    if open_place and synthetic:
        flags["data.dir"] = str(synthetic[0].data_folder)
    elif open_place and pipeline.data is not None:
        flags["data.dir"] = str(shipped_photos(pipeline.data))
    teacher = run.teacher
    if run.cache is not None:
        source = next(r for r in runs if r.name == run.cache)
        flags["distill.cache"] = str(source.cache_file)
        # The cache must be of the teacher that this pipeline trained: the stage compares them.
        teacher = teacher or source.teacher
    if run.stage.run == "distill":
        flags["distill.teacher"] = str(trained_network(str(teacher), runs))
    asked = read_recipe(
        None,
        layers=[
            (f"pipeline {name}, recipe", pipeline.recipe),
            (f"pipeline {name}, stage {run.stage.name}", run.stage.recipe),
        ],
        flags=flags,
        overrides=options.overrides,
    )
    # What the pipeline itself says, nobody typed as a flag.
    own = {
        key: replace(given, source=f"pipeline {name}")
        for key, given in asked.given.items()
        if key in flags and given.source.startswith("--") and options.flags.get(key) is None
        if not given.source.startswith("--set ")
    }
    return AskedRecipe(asked.recipe, {**asked.given, **own})


def _check_sets(pipeline: Pipeline, runs: list[PipelineRun], recipes: dict[str, Recipe]) -> None:
    """Refuse a set that is not there before the training, not after it.

    A folder that this pipeline makes itself is not there yet.
    """
    for run in runs:
        data = recipes[run.name].data
        if not run.stage.trains or (data.dir is not None and not Path(data.dir).is_dir()):
            continue
        for split in pipeline.evaluate:
            if find_split(data, split) is None:
                raise UserError(
                    f"{missing_split(data, split)}, on which the pipeline evaluates; add it, or "
                    "change 'evaluate' in a copy of the pipeline"
                )
