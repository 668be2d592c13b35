"""`lad predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ladcli.cli import options as o
from ladcli.cli.failures import friendly
from ladcli.errors import UserError
from ladcli.terminal import print_line

if TYPE_CHECKING:
    from ladcli.stages.predict import Prediction

#: Panel of `lad predict --help`.
PICTURES = "Pictures"


@friendly
@o.recipe_options("predict")
def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Image files, folders (searched with all below them), and quoted patterns such as "
            "'shots/**/*.jpg'. In folders and by patterns only files with the ending of an image "
            "are found, and nothing hidden.",
            show_default=False,
        ),
    ],
    checkpoint: Annotated[Path, typer.Option(metavar="CKPT", help="Network to run.")],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder for predictions.json, images.json and pictures/.",
        ),
    ],
    flip: o.Flip = False,
    scales: o.Scales = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            "--score",
            metavar="X",
            help="Draw detections of every class from this score on. Changes the pictures and "
            "nothing else: predictions.json holds everything above inference.score_threshold. "
            "Default: each class from its score of best F1 on the validation set, which "
            "evaluations store in CKPT; a fixed score where it holds none.",
            show_default=False,
            rich_help_panel=PICTURES,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Draw only the first N images; all of them are predicted. Default: all.",
            rich_help_panel=PICTURES,
        ),
    ] = None,
    no_pictures: Annotated[
        bool,
        typer.Option("--no-pictures", help="Draw nothing.", rich_help_panel=PICTURES),
    ] = False,
    skip_bad_images: o.SkipBadImages = False,
    sets: o.InferenceSets = None,
    *,
    recipe: o.RecipeOptions,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace the predictions in --out.", rich_help_panel=o.RUN
        ),
    ] = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Detections of images, folders and patterns: a COCO results file, and pictures.

    predictions.json holds the detections, with the category ids that the network was trained with;
    images.json says which image and which class an id means. Boxes are in stored pixels.

    Examples:

        lad predict photos --checkpoint runs/student/checkpoints/model/last.pt --out found

        lad predict 'shots/**/*.png' --checkpoint last.pt --out found --flip --scales 480,640
    """
    if no_pictures:
        for given, flag in ((threshold, "--threshold"), (limit, "--limit")):
            if given is not None:
                raise UserError(f"{flag} changes what is drawn, so leave out --no-pictures")
    o.check_inference_only(sets, "lad predict")
    views = o.inference_views(flip=flip, scales=scales)

    from ladcli.engine.runner import Runner
    from ladcli.recipe import load_recipe
    from ladcli.stages.predict import PictureOptions
    from ladcli.stages.predict import predict as predict_stage

    flags = {**recipe.flags, "data.skip_bad_images": skip_bad_images or None}
    resolved = load_recipe(None, flags=flags, overrides=sets or [])
    prediction = predict_stage(
        inputs,
        checkpoint,
        out,
        Runner.of(resolved, quiet=quiet),
        pictures=None if no_pictures else PictureOptions(threshold, limit),
        views=views,
        overrides=sets or [],
        overwrite=overwrite,
    )
    _show(prediction, as_json=as_json)


def _show(prediction: Prediction, *, as_json: bool) -> None:
    import json

    from ladcli.cli.console import counted, print_notes

    print_notes(prediction.notes)
    if as_json:
        print(json.dumps(prediction.to_json()))
        return
    found = counted(prediction.num_detections, "detection")
    print_line(f"{found} in {counted(prediction.num_images, 'image')}")
    drawn = prediction.drawn
    if drawn is not None:
        where = " in these pictures" if drawn.num_pictures < prediction.num_images else ""
        of = counted(drawn.num_detections, "detection")
        print_line(f"drew {drawn.num_drawn:,} of {of}{where} ({drawn.rule})")
    print_line(
        f"predictions and {counted(prediction.num_pictures, 'picture')} in {prediction.folder}"
    )
