"""Pipelines: YAML files that name stages, their order and what they take from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from ladcli.errors import UserError
from ladcli.recipe.messages import shown
from ladcli.recipe.pipeline_messages import pipeline_complaint
from ladcli.recipe.schema import NonNegative, NonNegativeInt, PositiveInt, Section, Share
from ladcli.recipe.yaml_text import as_text, read_yaml

Split = Literal["train", "val", "test"]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Text = Annotated[str, BeforeValidator(as_text)]
StageName = Annotated[Text, Field(pattern=_NAME, max_length=60)]
#: A stage or one run of it, which has its seed behind the stage's name.
RunName = Annotated[Text, Field(pattern=_NAME, max_length=80)]
#: The same, or one of the two networks of a CoLAD stage or run: NAME/a, NAME/b.
NetworkName = Annotated[Text, Field(pattern=_NAME.replace("$", "(/[ab])?$"), max_length=82)]


def _nothing_is_empty(value: Any) -> Any:
    """A section whose keys are all commented out."""
    return {} if value is None else value


RecipeLayer = Annotated[dict[Any, Any], BeforeValidator(_nothing_is_empty)]


class SynthOptions(Section):
    """Options of the synthetic set; see `lad data synth`."""

    train: PositiveInt = Field(default=240, description="training images")
    val: NonNegativeInt = Field(default=60, description="validation images")
    test: NonNegativeInt = Field(default=60, description="test images")
    width: PositiveInt = Field(default=320, description="width of an image in pixels, from 32")
    height: PositiveInt = Field(default=240, description="height of an image in pixels, from 32")
    classes: PositiveInt = Field(default=6, description="kinds of shapes, up to 8")
    objects: list[NonNegativeInt] = Field(
        default=[1, 8],
        min_length=2,
        max_length=2,
        description="least and most objects of an image",
    )
    sides: list[NonNegative] = Field(
        default=[0.05, 0.65],
        min_length=2,
        max_length=2,
        description="smallest and largest side of an object, as shares of the height",
    )
    clutter: Share = Field(default=1.0, description="how much distracts: strays, noise, faintness")


class Stage(Section):
    """One stage.  With several seeds it stands for one run per seed, NAME-seed0 and so on."""

    name: StageName = Field(
        description="how the stage is called: its folder, and what other stages refer to"
    )
    run: Literal["synth", "pretrain", "cache-teacher", "distill", "colad"] = Field(
        description="what the stage does: draw the synthetic set, or run the command of this name"
    )
    title: Text | None = Field(
        default=None, description="how tables and pages call it; by default its name"
    )
    seeds: list[NonNegativeInt] = Field(
        default=[0],
        min_length=1,
        description="one run per seed; with several, the runs are called NAME-seed0 and so on",
    )
    teacher: NetworkName | None = Field(
        default=None,
        description="cache-teacher, distill: the stage before it whose network teaches (NAME/a or "
        "NAME/b of a colad stage); of several seeds each run takes its own, or name one run, "
        "NAME-seed0",
    )
    cache: RunName | None = Field(
        default=None,
        description="distill: the cache-teacher stage before it whose cache is used; seeds as with "
        "teacher",
    )
    synth: Annotated[SynthOptions, BeforeValidator(_nothing_is_empty)] = Field(
        default=SynthOptions(), description="synth: what to draw"
    )
    recipe: RecipeLayer = Field(
        default={}, description="options of this stage, on top of the pipeline's"
    )

    @property
    def trains(self) -> bool:
        """True for stages that leave a network to evaluate."""
        return bool(self.networks)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks that each run of this stage leaves."""
        return {"pretrain": ("model",), "distill": ("model",), "colad": ("a", "b")}.get(
            self.run, ()
        )

    def network_names(self, name: str | None = None) -> list[str]:
        """How the networks of this stage (or of its run ``name``) are called: NAME, or NAME/a
        and NAME/b.  The final table has a row for each of the stage's."""
        name = name or self.name
        if len(self.networks) > 1:
            return [f"{name}/{network}" for network in self.networks]
        return [name] * len(self.networks)

    def run_names(self) -> list[str]:
        """Names of the runs that this stage stands for."""
        if len(self.seeds) == 1:
            return [self.name]
        return [f"{self.name}-seed{seed}" for seed in self.seeds]


class Pipeline(Section):
    """A whole pipeline file."""

    description: Text = Field(default="", description="what the pipeline is for, for readers")
    data: Literal["demo"] | None = Field(
        default=None, description="photos that come with the program, where --data names no folder"
    )
    recipe: RecipeLayer = Field(
        default={}, description="options of all stages, written as in a recipe file"
    )
    stages: list[Stage] = Field(min_length=1, description="what is run, in this order")
    evaluate: list[Split] = Field(
        default=["val"], description="sets on which every trained network is measured"
    )
    baseline: NetworkName | None = Field(
        default=None,
        description="the stage that tables and pages compare the others with (NAME/a or NAME/b "
        "of a colad stage)",
    )

    @model_validator(mode="after")
    def _runs_fit_together(self) -> Pipeline:
        self.runs()
        compared = [name for stage in self.stages for name in stage.network_names()]
        if self.baseline is not None and self.baseline not in compared:
            raise ValueError(
                f"baseline names {self.baseline!r}, which trains no network; there are "
                f"{', '.join(compared) or 'none'}"
            )
        return self

    def runs(self) -> list[PlannedRun]:
        """What is to be run, in order, with what each run takes from earlier ones.

        Raises:
            ValueError: two runs of one name, or a stage that refers to what is not before it.
        """
        earlier: list[Stage] = []
        runs: list[PlannedRun] = []
        for stage in self.stages:
            if stage.name in [before.name for before in earlier]:
                raise ValueError(f"two stages are called {stage.name!r}; names must differ")
            _check_names(stage, {run.name for run in runs})
            _check_needs(stage)
            _check_sets(stage, self.evaluate)
            runs += [
                PlannedRun(
                    stage,
                    name,
                    seed,
                    teacher=_resolved(stage, "teacher", seed, earlier),
                    cache=_resolved(stage, "cache", seed, earlier),
                )
                for name, seed in zip(stage.run_names(), stage.seeds, strict=True)
            ]
            earlier.append(stage)
        return runs


@dataclass(frozen=True)
class PlannedRun:
    """One run of a stage, and the runs that it builds on."""

    stage: Stage
    name: str
    seed: int  # as the file has it
    teacher: str | None  # RUN, or RUN/a; None where the stage names no teacher
    cache: str | None  # RUN


#: The models of a file's parts, as messages and documentation call them.
PARTS: dict[str, type[Section]] = {"pipeline": Pipeline, "stage": Stage, "synth": SynthOptions}


def load_pipeline(path: Path) -> Pipeline:
    """Read a pipeline file.

    Raises:
        UserError: no valid YAML, an unknown key, a value that does not fit, or a stage that
            refers to one that does not come before it.
    """
    source = f"pipeline {path}"
    content = read_yaml(path, source)
    if not isinstance(content, dict):
        raise UserError(f"{source}: must hold 'stages:' with a list below it, got {shown(content)}")
    try:
        return Pipeline.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(
            f"{source}{pipeline_complaint(problems[0], content, PARTS)}{more}"
        ) from error


def find_pipeline(name: str) -> Path:
    """The file of a pipeline, given as a path or as the name of one that is shipped.

    Raises:
        UserError: there is no such file; names those that are shipped.
    """
    path = Path(name)
    if path.is_file():
        return path
    folders = shipped_folders()
    for folder in folders:
        shipped = folder / f"{name.removesuffix('.yaml')}.yaml"
        if "/" not in name and shipped.is_file():
            return shipped
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    raise UserError(
        f"{name}: no such pipeline file; shipped with the program are {', '.join(known) or 'none'}"
    )


def shipped_folders() -> list[Path]:
    """Where pipelines lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    return [f for f in (package / "pipelines", package.parent / "pipelines") if f.is_dir()]


def _check_names(stage: Stage, earlier: set[str]) -> None:
    """Refuse a run that would share its folder with one of the ``earlier`` runs."""
    for name in stage.run_names():
        if name in earlier or stage.run_names().count(name) > 1:
            raise ValueError(
                f"stage {stage.name!r} has a run {name!r}, and so had something before it; "
                "names and seeds must differ"
            )


def _check_needs(stage: Stage) -> None:
    """Refuse a stage that refers to what it cannot use, or lacks what it needs."""
    takes = {"cache-teacher": ("teacher",), "distill": ("teacher", "cache")}.get(stage.run, ())
    for key in ("teacher", "cache"):
        if getattr(stage, key) is not None and key not in takes:
            raise ValueError(f"stage {stage.name!r} ({stage.run}) takes no {key}; remove the key")
    if stage.run == "cache-teacher" and stage.teacher is None:
        raise ValueError(f"stage {stage.name!r} needs a teacher; name the stage that trains it")
    if stage.run == "distill" and stage.teacher is None and stage.cache is None:
        raise ValueError(
            f"stage {stage.name!r} needs a teacher or a cache; name the stage that makes it"
        )


def _resolved(
    stage: Stage, key: Literal["teacher", "cache"], seed: int, earlier: Sequence[Stage]
) -> str | None:
    """The run (or network of a run) that the run of ``seed`` takes as its ``key``.

    A run is known by its own name, and by that of its stage to the runs of the same seed.
    """
    wanted: str | None = getattr(stage, key)
    if wanted is None:
        return None

    def names(of: Stage, name: str | None = None) -> list[str]:
        if key == "teacher":
            return of.network_names(name)
        return [name or of.name] if of.run == "cache-teacher" else []

    if any(wanted in names(s, run) for s in earlier for run in s.run_names()):
        return wanted
    source = next((s for s in earlier if wanted in names(s)), None)
    if source is None:
        known = [name for s in earlier for name in names(s)]
        raise ValueError(
            f"stage {stage.name!r} names {key} {wanted!r}, which no earlier stage makes; "
            f"there are {', '.join(known) or 'none'}"
        )
    if seed not in source.seeds:
        first = names(source, source.run_names()[0])[names(source).index(wanted)]
        raise ValueError(
            f"stage {stage.name!r} has the seed {seed}, but its {key} {wanted!r} has only the "
            f"seeds {', '.join(map(str, source.seeds))}; give both the same seeds, or name one "
            f"run, such as {first}"
        )
    run = source.run_names()[source.seeds.index(seed)]
    return names(source, run)[names(source).index(wanted)]


def _check_sets(stage: Stage, wanted: list[Split]) -> None:
    """Refuse to draw images without a set that will be evaluated."""
    if stage.run != "synth":
        return
    for split in wanted:
        if not getattr(stage.synth, split):
            raise ValueError(
                f"evaluate names {split!r}, but stage {stage.name!r} draws no image of it; "
                f"set synth.{split}"
            )
