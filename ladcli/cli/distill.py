"""`lad distill`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly

TEACHER = "Teacher"


class Mode(str, Enum):
    """Methods of distillation."""

    lad = "lad"


@friendly
def distill(
    out: o.Out,
    mode: Annotated[
        Mode,
        typer.Option(
            help="lad: the teacher decides which anchors are positives.", rich_help_panel=TEACHER
        ),
    ] = Mode.lad,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT",
            help="Teacher checkpoint, run on every step. With --cache it is only compared.",
            rich_help_panel=TEACHER,
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Teacher cache from lad cache-teacher: no teacher runs in training.",
            rich_help_panel=TEACHER,
        ),
    ] = None,
    data: o.DataDir = None,
    train_json: o.TrainJson = None,
    val_json: o.ValJson = None,
    images: o.Images = None,
    skip_bad_images: o.SkipBadImages = False,
    workers: o.Workers = None,
    backbone: o.Backbone = None,
    weights: o.Weights = None,
    recipe: o.RecipeFile = None,
    schedule: o.ScheduleOption = None,
    batch_size: o.BatchSize = None,
    lr: o.LearningRate = None,
    precision: o.PrecisionOption = None,
    sets: o.Sets = None,
    seed: o.Seed = None,
    device: o.Device = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Train a student whose labels a teacher assigns.

    The teacher comes as a network (--teacher) or as a cache (--cache); both give the same
    positives. A cache must fit: same data, views and assignment options.

    Example:

        lad distill --mode lad --cache runs/teacher.h5 --data coco --weights timm --out runs/student
    """
    from ladcli.cli.training import resolve_recipe, show_result
    from ladcli.stages.distill import distill as run
    from ladcli.stages.training import RunOptions

    flags = o.recipe_flags(
        data=data,
        train_json=train_json,
        val_json=val_json,
        images=images,
        skip_bad_images=skip_bad_images,
        workers=workers,
        backbone=backbone,
        weights=weights,
        schedule=schedule,
        batch_size=batch_size,
        lr=lr,
        precision=precision,
        seed=seed,
        device=device,
    )
    flags |= {
        "distill.mode": mode.value,
        "distill.teacher": str(teacher) if teacher else None,
        "distill.cache": str(cache) if cache else None,
    }
    options = RunOptions(out, resume=resume, overwrite=overwrite, quiet=quiet)
    show_result(run(resolve_recipe(recipe, flags, sets or [], options), options), as_json=as_json)
