"""`lad data import`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.stages.import_data import Imported

SPLITS, WRITING = "Splits", "Writing"


class FormatName(str, Enum):
    """Formats that are read."""

    yolo = "yolo"
    voc = "voc"
    csv = "csv"
    labelme = "labelme"
    cvat = "cvat"


class CoordinateKind(str, Enum):
    """What numbers in a table mean."""

    pixels = "pixels"
    shares = "shares"


@friendly
def import_data(
    format_name: Annotated[
        FormatName,
        typer.Argument(metavar="FORMAT", help="yolo, voc, csv, labelme or cvat."),
    ],
    src: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="Folder of the data set, or its data.yaml, .csv, .json or .xml."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to make.")],
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with the images, where SRC does not hold them."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="yolo: folder with the label files."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAMES",
            help="Class names in their order: a list with a name per line, a data.yaml, Open "
            "Images' class descriptions, or NAME,NAME,...",
        ),
    ] = None,
    zero_based: Annotated[
        bool,
        typer.Option(
            "--zero-based",
            help="voc: coordinates count from 0 and width is xmax - xmin. Default: from 1, with "
            "the last pixel included, as VOC defines it.",
        ),
    ] = False,
    coordinates: Annotated[
        CoordinateKind | None,
        typer.Option(
            metavar="KIND",
            help="csv: pixels or shares (of width and height). Default: by the columns.",
        ),
    ] = None,
    val: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of images for validation, where the data set has no such split.",
            rich_help_panel=SPLITS,
        ),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of images for testing, where the data set has no such split.",
            rich_help_panel=SPLITS,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Keep images together whose names (with folders) give the same capture, such as "
            "'^(scene[0-9]+)'.",
            rich_help_panel=SPLITS,
        ),
    ] = None,
    copy: Annotated[
        bool,
        typer.Option(
            "--copy",
            help="Copy images. Default: hard links, where they can be made.",
            rich_help_panel=WRITING,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace an earlier import; anything else is refused.",
            rich_help_panel=WRITING,
        ),
    ] = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Make a data folder of what another tool exported.

    What is sound is written, and the rest is counted by kind with the first examples. The data
    set's own splits are kept. Without any, --val and --test divide by a hash of each image's
    content, so an image stays in its split when others are added.

    Examples:

        lad data import yolo export/data.yaml --out birds

        lad data import voc VOCdevkit/VOC2007 --out voc

        lad data import csv boxes.csv --images photos --out set --val 0.2 --test 0.1
    """
    from ladcli.cli.console import print_notes, working
    from ladcli.formats.split import Shares
    from ladcli.stages.import_data import Source
    from ladcli.stages.import_data import import_data as import_set

    source = Source(
        format_name.value,
        src,
        images=images,
        labels=labels,
        classes=classes,
        zero_based=zero_based,
        coordinates=coordinates.value if coordinates is not None else None,
    )
    with working(quiet=quiet) as say:
        imported = import_set(
            source,
            out,
            shares=Shares(val, test, group_by),
            copy=copy,
            overwrite=overwrite,
            at=say,
        )
    if as_json:
        print(json.dumps(imported.to_plain(), indent=1))
    else:
        _show(imported)
    print_notes(imported.notes)


def _show(imported: Imported) -> None:
    from ladcli.cli.console import counted
    from ladcli.formats.tally import several
    from ladcli.plain_text import one_line

    for split, count in imported.images.items():
        boxes = several(imported.boxes[split], "box")
        print_line(f"{split}: {counted(count, 'image')}, {boxes}")
    names = [f"{name} {count:,}" for name, count in list(imported.classes.items())[:10]]
    more = ", ..." if len(imported.classes) > 10 else ""
    classes = several(len(imported.classes), "class")
    print_line(one_line(f"{classes} (with boxes): {', '.join(names)}{more}"))
    print_line(f"data folder: {imported.out}")
