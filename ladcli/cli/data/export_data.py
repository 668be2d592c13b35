"""`lad data export`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line


class ExportName(str, Enum):
    """Formats that are written."""

    yolo = "yolo"
    voc = "voc"


class SetName(str, Enum):
    """Sets of a data folder."""

    train = "train"
    val = "val"
    test = "test"


@friendly
def export_data(
    format_name: Annotated[ExportName, typer.Argument(metavar="FORMAT", help="yolo or voc.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to make.")],
    src: Annotated[
        Path | None,
        typer.Argument(
            metavar="SRC",
            help="Data folder or annotation file, as --data and --annotations name them.",
            show_default=False,
        ),
    ] = None,
    data: o.DataDir = None,
    split: Annotated[
        SetName | None,
        typer.Option(
            metavar="SET",
            help="Set of the data folder: train, val or test. Default: all.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Annotation file, instead of a data folder.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with the images; with --annotations they are left out without it.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="COCO results file: its detections with their scores, instead of the ground "
            "truth.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Leave out detections below this score.", rich_help_panel=o.DATA
        ),
    ] = None,
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Copy images. Default: hard links, where they can be made."),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an earlier export; anything else is refused."),
    ] = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Write annotations or predictions for another tool.

    YOLO: images/, labels/ and data.yaml; a sixth column holds the score of a prediction. VOC:
    Annotations/, JPEGImages/ and ImageSets/; coordinates count from 1 and include the last pixel.

    Examples:

        lad data export yolo birds --out birds-yolo

        lad data export voc val.json --predictions predictions.json --out found
    """
    from ladcli.cli.console import counted, print_notes
    from ladcli.formats.tally import several
    from ladcli.stages.export_data import ExportSource
    from ladcli.stages.export_data import export_data as export_set

    if src is not None:
        if data is not None or annotations is not None:
            raise UserError(f"{src}: name one source, not --data or --annotations besides")
        data, annotations = (None, src) if src.is_file() else (src, None)
    exported = export_set(
        format_name.value,
        ExportSource(
            data=data,
            split=split.value if split is not None else None,
            annotations=annotations,
            images=images,
            predictions=predictions,
            min_score=min_score,
        ),
        out,
        copy=copy,
        overwrite=overwrite,
    )
    if as_json:
        print(json.dumps(exported.to_plain(), indent=1))
    else:
        boxes = several(exported.num_boxes, "box")
        print_line(f"{boxes} of {counted(exported.num_images, 'image')} in {out}")
    print_notes(exported.notes)
