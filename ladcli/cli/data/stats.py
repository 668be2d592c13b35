"""`lad data stats`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line


class SplitChoice(str, Enum):
    """Sets of a data folder, or all that there are."""

    train = "train"
    val = "val"
    test = "test"
    all = "all"


@friendly
def stats(
    data: o.DataDir = None,
    split: Annotated[
        SplitChoice | None,
        typer.Option(
            metavar="SET",
            help="Set of the data folder: train, val, test or all. Default: all.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Annotation file to look at, instead of a folder's sets.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    images: o.Images = None,
    size: o.Size = None,
    sample: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Images of each set, evenly spread, that are decoded for their brightness; 0 "
            "decodes none.",
        ),
    ] = 1000,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a page with charts, tables, and pictures of images with their boxes.",
            rich_help_panel=o.RUN,
        ),
    ] = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """What is in a data set: images, boxes, classes, and sizes as a network meets them.

    Boxes are counted as training sees them: without crowd regions and difficult objects, and
    clipped to their images. Levels are those of their best anchors at the input size.

    Examples:

        lad data stats --data coco --size 640

        lad data stats --data cells --split train --html cells.html
    """
    import json

    from ladcli.cli.console import print_notes, print_sentence, print_table
    from ladcli.evaluate.statistics_table import class_table, overview_table, remarks
    from ladcli.recipe import load_recipe
    from ladcli.stages.data_stats import StatsOptions, data_stats

    if annotations is not None and split is not None:
        raise UserError("--split names a set of --data, and --annotations a file; give one of them")
    if sample < 0:
        raise UserError(f"--sample {sample}: is no number of images; 0 decodes none")
    places = {"data.dir": data and str(data), "data.images": images and str(images)}
    recipe = load_recipe(None, flags={**places, **o.size_flags(size)})
    options = StatsOptions(
        split=None if split in (None, SplitChoice.all) else split.value,
        annotations=annotations,
        sample=sample,
        page=html,
        quiet=quiet,
    )
    look = data_stats(recipe, options)
    print_notes(look.notes)
    if as_json:
        print(json.dumps(look.statistics.to_json(), allow_nan=False))
        return
    print_table(overview_table(look.statistics))
    print()
    print_table(class_table(look.statistics))
    for line in remarks(look.statistics):
        print_sentence(line)
    if html is not None:
        print_line(f"page in {html}")
