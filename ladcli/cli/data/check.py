"""`lad data check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import BAD_INPUT, friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.stages.check_data import Checked


@friendly
def check(
    data: o.DataDir = None,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Annotation file to check, instead of a folder; may be repeated.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Image folder: one for all annotation files, or one for each.",
            rich_help_panel=o.DATA,
        ),
    ] = None,
    no_images: Annotated[
        bool,
        typer.Option(
            "--no-images",
            help="Check the annotations alone, without a look at the image files.",
            rich_help_panel=o.DATA,
        ),
    ] = False,
    size: o.Size = None,
    decode: Annotated[
        bool,
        typer.Option(
            "--decode",
            help="Decode every image, on all cores: finds damage that the headers do not show.",
        ),
    ] = False,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Write X.cleaned.json beside X.json: sound records as they are, others repaired "
            "where there is one right answer, the rest dropped.",
        ),
    ] = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Look for whatever is wrong with a data set, before the first step of training.

    One line per kind of problem, with a count and the first examples. Exit code 2 if there is an
    error, something that training or evaluation refuses; 0 if there are only warnings (what is left
    out, or hardly meant) and notes.

    Examples:

        lad data check --data coco --decode

        lad data check --annotations instances_val.json --images val2017 --json
    """
    if (data is None) == (not annotations):
        raise UserError("give either --data DIR or --annotations FILE")
    if no_images:
        for given, flag in ((images, "--images"), (decode or None, "--decode")):
            if given:
                raise UserError(f"{flag} is about images, so leave out --no-images")
    if data is not None and len(images or []) > 1:
        raise UserError("--data takes one --images; name several beside as many --annotations")

    from ladcli.recipe.schema import DataConfig
    from ladcli.stages.check_data import check_data, sets_of_files, sets_of_folder

    if data is not None:
        folder = str(images[0]) if images else None
        config = DataConfig(dir=str(data), images=folder)
        files = sets_of_folder(config, with_images=not no_images)
    else:
        files = sets_of_files(annotations or [], images or [], with_images=not no_images)
    wanted = None if size is None else o.image_size(size)
    checked = check_data(files, size=wanted, decode=decode, fix=fix, quiet=quiet)
    _show(checked, as_json=as_json)
    if checked.count("error"):
        raise typer.Exit(BAD_INPUT)


def _show(checked: Checked, *, as_json: bool) -> None:
    import json

    from ladcli.cli.console import counted

    if as_json:
        print(json.dumps(checked.to_json()))
        return
    for finding in checked.findings:
        print_line(f"{finding.severity}: {finding.line()}")
    for found in checked.sets:
        known = found.summary()
        parts = (
            counted(known["images"], "image"),
            f"{known['boxes']:,} box{'' if known['boxes'] == 1 else 'es'}",
            f"{known['classes']:,} class{'' if known['classes'] == 1 else 'es'}",
        )
        print_line(f"{found.name}: {', '.join(parts)}")
    for path, changes in checked.cleaned.values():
        print_line(f"cleaned annotations in {path}")
        for line in changes.lines():
            print_line(f"  {line}")
    numbers = [counted(checked.count(s), s) for s in ("error", "warning", "note")]
    print_line(", ".join(numbers))
