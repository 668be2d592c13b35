"""`lad cache-teacher`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.cache.reader import CacheInfo


@friendly
@o.recipe_options("cache-teacher")
def cache_teacher(
    teacher: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Checkpoint of the teacher.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="HDF5 file to make.")
    ] = None,
    info: Annotated[
        Path | None,
        typer.Option("--info", metavar="FILE", help="Show what a cache holds, and run nothing."),
    ] = None,
    *,
    recipe: o.RecipeOptions,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace a teacher cache, and forget an unfinished one.",
            rich_help_panel=o.RUN,
        ),
    ] = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Run a teacher over every view of the training images and store its opinion.

    Views are the scales and flips that training will draw from, so use the recipe (or the data.*
    and assign.* options) of the student. A build that was stopped goes on when the same command is
    given again.

    Example:

        lad cache-teacher --teacher runs/teacher/checkpoints/model/last.pt --data coco --out t.h5
    """
    if info is not None:
        from ladcli.cache.reader import read_cache_info

        _show(read_cache_info(info), as_json=as_json)
        return
    if teacher is None or out is None:
        raise UserError("give --teacher CKPT and --out FILE, or --info FILE")

    from ladcli.recipe import load_recipe
    from ladcli.stages.cache_teacher import cache_teacher as run

    resolved = load_recipe(recipe.file, flags=recipe.flags, overrides=recipe.sets)
    _show(run(resolved, teacher, out, overwrite=overwrite, quiet=quiet), as_json=as_json)


def _show(info: CacheInfo, *, as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(info.to_json()))
        return
    from ladcli.cache.differences import teacher_in_words, views_in_words
    from ladcli.classes import ClassTable

    print_line(f"{info.path}: level {info.level}, {info.precision}")
    positives = "" if info.num_positives is None else f", {info.num_positives} positives"
    print_line(f"{info.num_images} images x {info.num_views} views{positives}")
    print_line(f"{info.num_bytes} bytes, {info.bytes_per_image_view:.0f} per image view")
    unknown = "not noted (the cache is of an older version)"
    teacher, data = info.origin.get("teacher"), info.origin.get("data")
    print_line(f"teacher     {teacher_in_words(teacher) if teacher else unknown}")
    where = data and (data.get("folder") or data.get("annotations"))
    boxes = f", {data['boxes']} boxes" if data else ""
    print_line(f"data        {where or unknown}{boxes}")
    print_line(f"views       {views_in_words(info.views) if info.views else unknown}")
    names = ClassTable.from_plain(info.classes).names
    print_line(f"classes     {len(names)}: {', '.join(names)}")
    print_line("fingerprints")
    for name, digest in info.fingerprints.items():
        print_line(f"  {name:<9} {digest}")
