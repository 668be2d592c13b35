"""`lad colad`."""

from __future__ import annotations

from ladcli.cli import options as o
from ladcli.cli.failures import friendly


@friendly
@o.recipe_options("colad")
def colad(
    out: o.Out,
    recipe: o.RecipeOptions,
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

    options = RunOptions(
        out, resume=resume, overwrite=overwrite, quiet=quiet, recipe_file=recipe.file
    )
    train(run, recipe, options, as_json=as_json)
