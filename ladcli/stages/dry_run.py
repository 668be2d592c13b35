"""`lad run --dry-run`: what each run of a pipeline would do, and what is missing for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ladcli.data.folder import Split, find_split, has_data, missing_split
from ladcli.data.index import CocoIndex
from ladcli.data.plan import plan_epoch, plan_views
from ladcli.data.views import ViewGrid
from ladcli.detector.packaged_weights import PACKAGE_PREFIX, packaged_weights
from ladcli.engine.device import choose_device
from ladcli.engine.tensorboard import require_tensorboard
from ladcli.errors import UserError
from ladcli.files import require_writable
from ladcli.recipe import flat, load_recipe
from ladcli.recipe.flags import FLAGS, option_name
from ladcli.recipe.options import PLACE_KEYS, RUN_KEYS
from ladcli.recipe.pipeline import Pipeline
from ladcli.recipe.schema import DataConfig, Recipe
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.continuation import continued_recipe, stored_position
from ladcli.stages.datasets import open_training_set
from ladcli.stages.pipeline_plan import (
    PipelineOptions,
    check_drawing,
    drawing,
    finished_before,
    list_runs,
)
from ladcli.stages.pipeline_results import PipelineRun
from ladcli.stages.resolve import keep_resolved, resolve, resolve_preset

#: What a forecast has a field of its own for: the seed, the data folder, teacher and cache.
_SHOWN_ELSEWHERE = {"train.seed", "data.dir", *(set(PLACE_KEYS) & set(RUN_KEYS))}


@dataclass(frozen=True)
class Forecast:
    """What one run would do; counts are None where the data are not there to be counted."""

    name: str
    stage: str
    does: str  # the command, or synth
    seed: int
    folder: Path
    state: Literal["new", "to be resumed", "finished"]
    teacher: str | None  # the run, or RUN/a, that its teacher comes from
    cache: str | None  # the run that its cache comes from
    settings: dict[str, Any]  # options by dotted key that are not at their default, resolved
    data: str | None  # the folder, or the run that draws the images
    images: int | None = None  # to train on, to look at, or to draw
    views: int | None = None  # of every image, for a cache
    batches: int | None = None  # of an epoch; of the whole run for a cache
    epochs: int | None = None
    steps: int | None = None
    missing: tuple[str, ...] = ()  # what the run needs and is not there, in sentences

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "folder": str(self.folder), "missing": list(self.missing)}


@dataclass(frozen=True)
class _Counts:
    """What of a run can be counted; see `Forecast`."""

    images: int | None = None
    views: int | None = None
    batches: int | None = None
    epochs: int | None = None
    steps: int | None = None


def forecast_pipeline(pipeline: Pipeline, name: str, options: PipelineOptions) -> list[Forecast]:
    """What `run_pipeline` would do with the same arguments.  Reads only; trains nothing.

    Raises:
        UserError: the file or an option does not fit; what is merely missing is in the forecasts.
    """
    runs, recipes = list_runs(pipeline, name, options)
    sets = _TrainingSets()
    return [_forecast(run, runs, recipes, pipeline, name, sets) for run in runs]


def _forecast(
    run: PipelineRun,
    runs: list[PipelineRun],
    recipes: dict[str, Recipe],
    pipeline: Pipeline,
    name: str,
    sets: _TrainingSets,
) -> Forecast:
    recipe = recipes[run.name]
    needs = _Needs()
    state: Literal["new", "to be resumed", "finished"] = "new"
    with needs:
        require_writable(run.folder)
    with needs:
        state = _state(run, recipe)
    counts = _Counts(epochs=recipe.schedule.epochs if run.stage.trains else None)
    drawn_by = _drawn_by(recipe.data, runs)
    if run.stage.run == "synth":
        with needs:
            check_drawing(run, name)
        drawn = _Counts(images=sum(drawing(run)[0].values()))
        return _of_run(run, recipe, state, needs, drawn)
    if not has_data(recipe.data):
        needs.missing.append("no data folder is named; name it with --data")
    elif drawn_by is not None and not drawn_by.data_folder.is_dir():
        counts = _counts_of_drawn(run, recipe, drawing(drawn_by)[0]["train"])
    else:
        with needs:
            index = sets.open(recipe.data)
            counts = replace(counts, images=len(index))
            recipe = _resolved(run, recipe, index)
            counts = _counts(run, recipe, index)
        if run.stage.trains:
            _check_sets(recipe.data, pipeline.evaluate, needs)
    if state != "finished":
        _check_programs(run, recipe, needs)
    data = drawn_by.name if drawn_by is not None else recipe.data.dir
    return _of_run(run, recipe, state, needs, counts, data=data)


def _of_run(
    run: PipelineRun,
    recipe: Recipe,
    state: Literal["new", "to be resumed", "finished"],
    needs: _Needs,
    counts: _Counts,
    *,
    data: str | None = None,
) -> Forecast:
    drawn = run.stage.run == "synth"
    plain = run.stage.synth.model_dump() if drawn else flat(recipe)
    default = type(run.stage.synth)().model_dump() if drawn else flat(Recipe())
    return Forecast(
        name=run.name,
        stage=run.stage.name,
        does=run.stage.run,
        seed=run.seed,
        folder=run.folder,
        state=state,
        teacher=run.teacher,
        cache=run.cache,
        settings={
            key: value
            for key, value in plain.items()
            if value != default[key] and key not in _SHOWN_ELSEWHERE
        },
        data=data,
        images=counts.images,
        views=counts.views,
        batches=counts.batches,
        epochs=counts.epochs,
        steps=counts.steps,
        missing=tuple(needs.missing),
    )


@dataclass
class _Needs:
    """Collects what is missing: a refusal inside of a ``with`` becomes a sentence."""

    missing: list[str] = field(default_factory=list)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, UserError):
            return False
        if str(error) not in self.missing:
            self.missing.append(str(error))
        return True


class _TrainingSets:
    """Training sets by what finds them: many runs share one, and opening it reads every header."""

    def __init__(self) -> None:
        self._opened: dict[str, CocoIndex | UserError] = {}

    def open(self, data: DataConfig) -> CocoIndex:
        # Whatever else differs does not change which images are found, nor how they are judged.
        key = repr(
            data.model_dump(
                include={
                    "dir", "train_json", "images", "skip_empty", "skip_bad_images", "max_bad_share",
                }
            )
        )  # fmt: skip
        if key not in self._opened:
            try:
                self._opened[key] = open_training_set(data)
            except UserError as error:
                self._opened[key] = error
        opened = self._opened[key]
        if isinstance(opened, UserError):
            raise opened
        return opened


def _state(run: PipelineRun, recipe: Recipe) -> Literal["new", "to be resumed", "finished"]:
    """How far the run is.

    Raises:
        UserError: its folder holds what the pipeline would refuse to go on with.
    """
    if finished_before(run, recipe):
        return "finished"
    if run.stage.run == "cache-teacher":
        parts = run.cache_file.with_name(f"{run.cache_file.name}.parts")
        return "to be resumed" if parts.exists() or run.cache_file.exists() else "new"
    folder = RunDirectory(run.folder)
    if not run.stage.trains:
        return "new"
    resumed = folder.holds_run()
    folder.check_free(resume=resumed, overwrite=False)
    if not resumed:
        return "new"
    folder.check_same_stage(run.stage.run)
    return "to be resumed"


def _resolved(run: PipelineRun, recipe: Recipe, index: CocoIndex) -> Recipe:
    """The recipe with what it leaves open, as the stage will fill it in.

    Raises:
        UserError: the run was started with other options.
    """
    if not run.stage.trains:
        return resolve_preset(recipe, index, sections=("data",))[0]
    folder = RunDirectory(run.folder)
    saved = load_recipe(folder.recipe) if folder.recipe.exists() else None
    if saved is not None:
        recipe = keep_resolved(recipe, saved, folder.read_notes())
    recipe = resolve(
        recipe,
        index,
        stage=run.stage.run,
        count_steps=lambda recipe: _batches(recipe, index),
    ).recipe
    if saved is not None and not run.label.exists():
        recipe = continued_recipe(folder, recipe, saved, stored_position(folder))
    return recipe


def _drawn_by(data: DataConfig, runs: list[PipelineRun]) -> PipelineRun | None:
    """The synth run that makes the data, if one does."""
    if data.dir is None:
        return None
    drawing_runs = [run for run in runs if run.stage.run == "synth"]
    return next((r for r in drawing_runs if str(r.data_folder) == data.dir), None)


def _counts(run: PipelineRun, recipe: Recipe, index: CocoIndex) -> _Counts:
    """Batches and steps of a run on data that are there."""
    if run.stage.run == "cache-teacher":
        plan = plan_views(index, recipe.data, batch_size=recipe.inference.batch_size)
        views = ViewGrid.from_config(recipe.data).num_views
        return _Counts(images=len(index), views=views, batches=len(plan))
    return _training_counts(recipe, len(index), _batches(recipe, index))


def _batches(recipe: Recipe, index: CocoIndex) -> int:
    """Batches of the first epoch; with several scales others may differ by a few."""
    plan = plan_epoch(
        index,
        recipe.data,
        batch_size=recipe.train.batch_size,
        seed=recipe.train.seed,
        epoch=0,
    )
    return len(plan)


def _counts_of_drawn(run: PipelineRun, recipe: Recipe, images: int) -> _Counts:
    """The same for images that will be drawn, which have one size and so one canvas a view."""
    if recipe.train.preset is not None:
        return _Counts(images)  # it sets sizes and epochs once the images are there
    if run.stage.run == "cache-teacher":
        views = ViewGrid.from_config(recipe.data).num_views
        scales = len(ViewGrid.from_config(recipe.data).shorts)
        per_scale = -(-images * views // scales // recipe.inference.batch_size)
        return _Counts(images, views=views, batches=per_scale * scales)
    if len(set(recipe.data.short)) > 1:
        return _Counts(
            images, epochs=recipe.schedule.epochs
        )  # how many share a canvas is drawn by lot
    return _training_counts(recipe, images, -(-images // recipe.train.batch_size))


def _training_counts(recipe: Recipe, images: int, batches: int) -> _Counts:
    epochs = recipe.schedule.epochs
    return _Counts(images, batches=batches, epochs=epochs, steps=batches * epochs)


def _check_sets(data: DataConfig, wanted: list[Split], needs: _Needs) -> None:
    """The sets that every trained network is measured on."""
    for split in wanted:
        with needs:
            if find_split(data, split) is None:
                raise UserError(f"{missing_split(data, split)}, on which the pipeline evaluates")


def _check_programs(run: PipelineRun, recipe: Recipe, needs: _Needs) -> None:
    """Weights, devices and packages that the run needs."""
    with needs:
        choose_device(recipe.train.device)
    if not run.stage.trains:
        return
    with needs:
        if recipe.train.tensorboard:
            require_tensorboard()
    sources = {"model.weights": recipe.model.weights}
    if run.stage.run == "colad":
        for side, network in (("net_a", recipe.net_a), ("net_b", recipe.net_b)):
            sources |= {f"{side}.weights": network.weights, f"{side}.init": network.init}
    for key, source in sources.items():
        if source in (None, "timm") or Path(str(source)).is_file():
            continue
        if str(source).startswith(PACKAGE_PREFIX):
            with needs:
                packaged_weights(str(source).removeprefix(PACKAGE_PREFIX), flag=FLAGS[key])
            continue
        needs.missing.append(
            f"{source}: no such weights file; give {option_name(key)} a file that exists"
        )
