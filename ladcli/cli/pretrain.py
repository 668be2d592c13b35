"""`lad pretrain`."""

from __future__ import annotations

from ladcli.cli import options as o
from ladcli.cli.failures import friendly


@friendly
@o.recipe_options("pretrain")
def pretrain(
    out: o.Out,
    recipe: o.RecipeOptions,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Train a PAA detector: a baseline, or a teacher.

    The run folder gets the resolved recipe, metrics.jsonl, checkpoints/model/{last,best}.pt and the
    evaluation on the validation set.

    Example:

        lad pretrain --data coco --weights timm --schedule 1x --out runs/teacher
    """
    from ladcli.cli.training import train
    from ladcli.stages.pretrain import pretrain as run
    from ladcli.stages.training import RunOptions

    options = RunOptions(
        out, resume=resume, overwrite=overwrite, quiet=quiet, recipe_file=recipe.file
    )
    train(run, recipe, options, as_json=as_json)
