"""Pipelines: YAML files that name stages, their order and what they take from each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ladcli.errors import UserError
from ladcli.recipe.messages import complaint
from ladcli.recipe.schema import NonNegativeInt, PositiveInt, Section, Share
from ladcli.recipe.yaml_text import read_yaml

Split = Literal["train", "val", "test"]
StageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]
#: A run, or one of the two networks of a CoLAD run: NAME/a, NAME/b.
NetworkName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[ab])?$", max_length=62)]


class SynthOptions(Section):
    """Options of the synthetic set; see `lad data synth`."""

    train: PositiveInt = 240
    val: NonNegativeInt = 60
    test: NonNegativeInt = 60
    width: PositiveInt = 320
    height: PositiveInt = 240
    classes: PositiveInt = 6
    objects: list[NonNegativeInt] = Field(default=[1, 8], min_length=2, max_length=2)
    sides: list[float] = Field(default=[0.05, 0.65], min_length=2, max_length=2)
    clutter: Share = 1.0


class Stage(Section):
    """One stage.  With several seeds it stands for one run per seed, NAME-seed0 and so on."""

    name: StageName
    run: Literal["synth", "pretrain", "cache-teacher", "distill", "colad"]
    title: str | None = None  # how the final table calls it
    seeds: list[NonNegativeInt] = Field(default=[0], min_length=1)
    teacher: NetworkName | None = None  # a network that an earlier stage trained
    cache: StageName | None = None  # an earlier cache-teacher stage
    synth: SynthOptions = SynthOptions()
    recipe: dict[str, Any] = Field(default={})  # on top of the pipeline's own

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

    def compared_names(self) -> list[str]:
        """What the final table has a row for: the stage, or STAGE/a and STAGE/b."""
        if len(self.networks) > 1:
            return [f"{self.name}/{network}" for network in self.networks]
        return [self.name] * len(self.networks)

    def trained_names(self) -> list[str]:
        """How later stages name the networks of this one: RUN, or RUN/a and RUN/b."""
        several = len(self.networks) > 1
        return [
            f"{run}/{network}" if several else run
            for run in self.run_names()
            for network in self.networks
        ]

    def run_names(self) -> list[str]:
        """Names of the runs that this stage stands for."""
        if len(self.seeds) == 1:
            return [self.name]
        return [f"{self.name}-seed{seed}" for seed in self.seeds]


class Pipeline(Section):
    """A whole pipeline file."""

    description: str = ""
    recipe: dict[str, Any] = Field(default={})  # shared by all stages
    stages: list[Stage] = Field(min_length=1)
    evaluate: list[Split] = Field(
        default=["val"]
    )  # sets on which every trained network is measured
    baseline: NetworkName | None = None  # the stage that the table compares the others with

    @model_validator(mode="after")
    def _references_exist(self) -> Pipeline:
        runs: dict[str, str] = {}  # earlier runs by name, and what they do
        trained: list[str] = []  # networks of earlier runs
        names: set[str] = set()
        for stage in self.stages:
            if stage.name in names:
                raise ValueError(f"two stages are called {stage.name!r}; names must differ")
            names.add(stage.name)
            _check_stage(stage, runs, trained)
            _check_sets(stage, self.evaluate)
            runs.update(dict.fromkeys(stage.run_names(), stage.run))
            trained += stage.trained_names()
        compared = [name for stage in self.stages for name in stage.compared_names()]
        if self.baseline is not None and self.baseline not in compared:
            raise ValueError(
                f"baseline names {self.baseline!r}, which trains no network; there are "
                f"{', '.join(compared) or 'none'}"
            )
        return self


def load_pipeline(path: Path) -> Pipeline:
    """Read a pipeline file.

    Raises:
        UserError: no valid YAML, an unknown key, a value that does not fit, or a stage that
            refers to one that does not come before it.
    """
    source = f"pipeline {path}"
    content = read_yaml(path, source)
    if not isinstance(content, dict):
        raise UserError(f"{source}: must hold 'stages:' with a list below it")
    try:
        return Pipeline.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "extra_forbidden":
            place = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{source}: unknown key {place!r}; remove it") from error
        raise UserError(f"{source}: {complaint(first)}") from error


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


def _check_stage(stage: Stage, earlier: dict[str, str], trained: list[str]) -> None:
    """Refuse references that cannot work.

    Args:
        earlier: what earlier runs do, by name.
        trained: networks that they leave.
    """
    for name in stage.run_names():
        if name in earlier or stage.run_names().count(name) > 1:
            raise ValueError(
                f"stage {stage.name!r} has a run {name!r}, and so had something before it; "
                "names and seeds must differ"
            )
    caches = [name for name, what in earlier.items() if what == "cache-teacher"]
    takes = {"cache-teacher": ("teacher",), "distill": ("teacher", "cache")}.get(stage.run, ())
    for key, value, known in (("teacher", stage.teacher, trained), ("cache", stage.cache, caches)):
        if value is None:
            continue
        if key not in takes:
            raise ValueError(f"stage {stage.name!r} ({stage.run}) takes no {key}")
        if value not in known:
            raise ValueError(
                f"stage {stage.name!r} names {key} {value!r}, which no earlier stage makes; "
                f"there are {', '.join(known) or 'none'}"
            )
    if stage.run == "cache-teacher" and stage.teacher is None:
        raise ValueError(f"stage {stage.name!r} needs a teacher")
    if stage.run == "distill" and stage.teacher is None and stage.cache is None:
        raise ValueError(f"stage {stage.name!r} needs a teacher or a cache")


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
