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
    soft = "soft"
    solad = "solad"


class SwitchChoice(str, Enum):
    """The dynamic switch, or none."""

    off = "off"
    std_mean = "std-mean"
    fisher = "fisher"


@friendly
def distill(
    out: o.Out,
    mode: Annotated[
        Mode | None,
        typer.Option(
            metavar="NAME",
            help="lad: the teacher assigns the labels. soft: its outputs are targets beside the "
            "student's own labels. solad: both.",
            rich_help_panel=TEACHER,
        ),
    ] = None,
    switch: Annotated[
        SwitchChoice | None,
        typer.Option(
            metavar="NAME",
            help="Of teacher and student, let the one whose costs tell candidates apart more "
            "clearly assign the labels, by std-mean or fisher. Default: off, the teacher always "
            "does.",
            rich_help_panel=TEACHER,
        ),
    ] = None,
    switch_scope: Annotated[
        o.Scope | None,
        typer.Option(
            metavar="SCOPE",
            help="What one decision of the switch covers: level (of an object), object, image or "
            "batch. Default: level.",
            rich_help_panel=TEACHER,
        ),
    ] = None,
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
    test_json: o.TestJson = None,
    images: o.Images = None,
    val_images: o.ValImages = None,
    test_images: o.TestImages = None,
    skip_bad_images: o.SkipBadImages = False,
    workers: o.Workers = None,
    backbone: o.Backbone = None,
    weights: o.Weights = None,
    head: o.HeadOption = None,
    recipe: o.RecipeFile = None,
    preset: o.PresetOption = None,
    schedule: o.ScheduleOption = None,
    epochs: o.Epochs = None,
    size: o.Size = None,
    batch_size: o.BatchSize = None,
    lr: o.LearningRate = None,
    precision: o.PrecisionOption = None,
    sets: o.Sets = None,
    seed: o.Seed = None,
    device: o.Device = None,
    tensorboard: o.TensorBoard = False,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Train a student with the help of a teacher.

    The teacher comes as a network (--teacher) or as a cache (--cache). A cache must fit: same data,
    views and assignment options, and a level that holds what the mode asks for: assignments for
    lad, costs for lad with --switch, soft for soft and solad.

    Examples:

        lad distill --mode lad --cache runs/teacher.h5 --data coco --weights timm --out runs/student

        lad distill --mode solad --teacher runs/teacher/checkpoints/model/last.pt --data coco
        --weights timm --out runs/solad
    """
    from ladcli.cli.training import train
    from ladcli.stages.distill import distill as run
    from ladcli.stages.training import RunOptions

    flags = o.recipe_flags(
        data=data,
        train_json=train_json,
        val_json=val_json,
        test_json=test_json,
        images=images,
        val_images=val_images,
        test_images=test_images,
        skip_bad_images=skip_bad_images,
        workers=workers,
        backbone=backbone,
        weights=weights,
        head=head,
        preset=preset,
        schedule=schedule,
        epochs=epochs,
        size=size,
        batch_size=batch_size,
        lr=lr,
        precision=precision,
        seed=seed,
        device=device,
        tensorboard=tensorboard,
    )
    flags |= {
        "distill.mode": mode.value if mode else None,
        "distill.teacher": str(teacher) if teacher else None,
        "distill.cache": str(cache) if cache else None,
        "distill.switch": switch.value if switch else None,
        "distill.switch_scope": switch_scope.value if switch_scope else None,
    }
    options = RunOptions(out, resume=resume, overwrite=overwrite, quiet=quiet, recipe_file=recipe)
    train(run, recipe, flags, sets or [], options, as_json=as_json)
