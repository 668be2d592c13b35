"""`lad colad`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly

NET_A, NET_B, SWITCH = "Network a", "Network b", "Switch"


class FirstTeacher(str, Enum):
    """Who is the teacher where the two networks are equal."""

    auto = "auto"
    a = "a"
    b = "b"


# Options that either network has, each below the heading of its own.


def _backbone(network: str) -> Any:
    return typer.Option(
        metavar="NAME", help="timm model. Default: model.backbone.", rich_help_panel=network
    )


def _head(network: str) -> Any:
    return typer.Option(
        metavar="NAME", help="paa, iop or cop. Default: model.head.", rich_help_panel=network
    )


def _weights(network: str) -> Any:
    return typer.Option(
        metavar="FILE",
        help="Backbone weights, or 'timm'. Default: model.weights.",
        rich_help_panel=network,
    )


def _init(network: str) -> Any:
    return typer.Option(
        metavar="CKPT",
        help="Trained checkpoint of the same architecture to start from.",
        rich_help_panel=network,
    )


def _learning_rate(network: str) -> Any:
    return typer.Option(metavar="X", help="Learning rate. Default: --lr.", rich_help_panel=network)


@friendly
def colad(
    out: o.Out,
    backbone_a: Annotated[str | None, _backbone(NET_A)] = None,
    head_a: Annotated[o.Head | None, _head(NET_A)] = None,
    weights_a: Annotated[str | None, _weights(NET_A)] = None,
    init_a: Annotated[Path | None, _init(NET_A)] = None,
    lr_a: Annotated[float | None, _learning_rate(NET_A)] = None,
    backbone_b: Annotated[str | None, _backbone(NET_B)] = None,
    head_b: Annotated[o.Head | None, _head(NET_B)] = None,
    weights_b: Annotated[str | None, _weights(NET_B)] = None,
    init_b: Annotated[Path | None, _init(NET_B)] = None,
    lr_b: Annotated[float | None, _learning_rate(NET_B)] = None,
    switch: Annotated[
        o.Criterion | None,
        typer.Option(
            metavar="NAME",
            help="Criterion that decides whose costs assign the labels: std-mean or fisher. "
            "Default: std-mean.",
            rich_help_panel=SWITCH,
        ),
    ] = None,
    switch_scope: Annotated[
        o.Scope | None,
        typer.Option(
            metavar="SCOPE",
            help="What one decision covers: level (of an object), object, image or batch. "
            "Default: level.",
            rich_help_panel=SWITCH,
        ),
    ] = None,
    first_teacher: Annotated[
        FirstTeacher | None,
        typer.Option(
            metavar="NAME",
            help="Who wins a tie: auto, a or b. auto: the trained network, of two such the one "
            "with the higher AP on the validation set, else the one with more parameters. Default: "
            "auto.",
            rich_help_panel=SWITCH,
        ),
    ] = None,
    soft: Annotated[
        bool,
        typer.Option(
            "--soft", help="Each network also learns the other's outputs.", rich_help_panel=SWITCH
        ),
    ] = False,
    data: o.DataDir = None,
    train_json: o.TrainJson = None,
    val_json: o.ValJson = None,
    test_json: o.TestJson = None,
    images: o.Images = None,
    val_images: o.ValImages = None,
    test_images: o.TestImages = None,
    skip_bad_images: o.SkipBadImages = False,
    workers: o.Workers = None,
    weights: o.Weights = None,
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
    """Train two networks together (CoLAD): no trained teacher is needed.

    On every step the network whose costs tell candidates apart more clearly assigns the labels,
    and both learn from them. Options that are not given for one network alone (--set model.KEY=…)
    hold for both. Each is saved as an ordinary checkpoint, below checkpoints/a and checkpoints/b.

    Example:

        lad colad --backbone-a resnet50 --backbone-b resnet18 --weights timm --data coco
        --out runs/colad
    """
    from ladcli.cli.training import train
    from ladcli.stages.colad import colad as run
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
        weights=weights,
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
        "colad.switch": switch.value if switch else None,
        "colad.switch_scope": switch_scope.value if switch_scope else None,
        "colad.first_teacher": first_teacher.value if first_teacher else None,
        "colad.soft": soft or None,
        "net_a.backbone": backbone_a,
        "net_a.head": head_a.value if head_a else None,
        "net_a.weights": weights_a,
        "net_a.init": str(init_a) if init_a else None,
        "net_a.lr": lr_a,
        "net_b.backbone": backbone_b,
        "net_b.head": head_b.value if head_b else None,
        "net_b.weights": weights_b,
        "net_b.init": str(init_b) if init_b else None,
        "net_b.lr": lr_b,
    }
    options = RunOptions(out, resume=resume, overwrite=overwrite, quiet=quiet, recipe_file=recipe)
    train(run, recipe, flags, sets or [], options, as_json=as_json)
