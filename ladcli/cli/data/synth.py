"""`lad data synth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.terminal import print_line


@friendly
def synth(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to make.")],
    train: Annotated[int, typer.Option(metavar="N", help="Training images.")] = 240,
    val: Annotated[int, typer.Option(metavar="N", help="Validation images.")] = 60,
    test: Annotated[int, typer.Option(metavar="N", help="Test images.")] = 60,
    width: Annotated[int, typer.Option(metavar="PX", help="Width of the images.")] = 320,
    height: Annotated[int, typer.Option(metavar="PX", help="Height of the images.")] = 240,
    classes: Annotated[int, typer.Option(metavar="N", help="Kinds of shapes, 1 to 8.")] = 6,
    min_objects: Annotated[int, typer.Option(metavar="N", help="Least objects per image.")] = 1,
    max_objects: Annotated[int, typer.Option(metavar="N", help="Most objects per image.")] = 8,
    min_side: Annotated[
        float, typer.Option(metavar="X", help="Smallest object, share of the height.")
    ] = 0.05,
    max_side: Annotated[
        float, typer.Option(metavar="X", help="Largest object, share of the height.")
    ] = 0.65,
    clutter: Annotated[
        float,
        typer.Option(
            metavar="X", help="0 to 1: stray shapes and lines, faint contrasts, blur and noise."
        ),
    ] = 1.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of every random draw.")] = 0,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a synthetic set; anything else is refused."),
    ] = False,
    debug: o.Debug = False,
) -> None:
    """Draw a synthetic data set in COCO layout.

    Shapes of several classes and sizes on textured backgrounds, with occlusion and clutter. The
    same options give the same files.

    Example:

        lad data synth --out shapes --train 240 --val 60
    """
    from ladcli.data.synth import write_synthetic

    write_synthetic(
        out,
        train=train,
        val=val,
        test=test,
        size=(width, height),
        classes=classes,
        seed=seed,
        objects=(min_objects, max_objects),
        sides=(min_side, max_side),
        clutter=clutter,
        overwrite=overwrite,
    )
    print_line(f"{train + val + test} images in {out}")
