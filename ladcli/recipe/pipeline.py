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
    run: Literal["synth", "pretrain", "cache-teacher", "distill"]
    title: str | None = None  # how the final table calls it
    seeds: list[NonNegativeInt] = Field(default=[0], min_length=1)
    teacher: StageName | None = None  # a run of an earlier stage
    cache: StageName | None = None  # an earlier cache-teacher stage
    synth: SynthOptions = SynthOptions()
    recipe: dict[str, Any] = Field(default={})  # on top of the pipeline's own

    @property
    def trains(self) -> bool:
        """True for stages that leave a network to evaluate."""
        return self.run in ("pretrain", "distill")

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
    baseline: StageName | None = None  # the stage that the table compares the others with

    @model_validator(mode="after")
    def _references_exist(self) -> Pipeline:
        runs: dict[str, str] = {}  # earlier runs by name, and what they do
        stages: dict[str, Stage] = {}
        for stage in self.stages:
            if stage.name in stages:
                raise ValueError(f"two stages are called {stage.name!r}; names must differ")
            stages[stage.name] = stage
            _check_stage(stage, runs)
            _check_sets(stage, self.evaluate)
            runs.update(dict.fromkeys(stage.run_names(), stage.run))
        if self.baseline is not None and self.baseline not in stages:
            raise ValueError(f"baseline names {self.baseline!r}, which is no stage")
        if self.baseline is not None and not stages[self.baseline].trains:
            raise ValueError(
                f"baseline names {self.baseline!r}, which trains no network; name a stage that does"
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


def _check_stage(stage: Stage, earlier: dict[str, str]) -> None:
    """Refuse references that cannot work; ``earlier`` maps run names to what they do."""
    for name in stage.run_names():
        if name in earlier or stage.run_names().count(name) > 1:
            raise ValueError(
                f"stage {stage.name!r} has a run {name!r}, and so had something before it; "
                "names and seeds must differ"
            )
    needs = {"cache-teacher": ("teacher",), "distill": ()}.get(stage.run)
    given = {"teacher": stage.teacher, "cache": stage.cache}
    for key, value in given.items():
        if value is None:
            continue
        if needs is None or (stage.run == "cache-teacher" and key == "cache"):
            raise ValueError(f"stage {stage.name!r} ({stage.run}) takes no {key}")
        wanted = ("pretrain", "distill") if key == "teacher" else ("cache-teacher",)
        if earlier.get(value) not in wanted:
            raise ValueError(
                f"stage {stage.name!r} names {key} {value!r}, which is no earlier run of "
                f"{' or '.join(wanted)}; earlier are {', '.join(earlier) or 'none'}"
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
