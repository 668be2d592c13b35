"""`lad distill`."""

from __future__ import annotations

from ladcli.cli import options as o
from ladcli.cli.failures import friendly


@friendly
@o.recipe_options("distill")
def distill(
    out: o.Out,
    recipe: o.RecipeOptions,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
    debug: o.Debug = False,
) -> None:
    """Train a student with the help of a teacher.

    The teacher comes as a network (--teacher) or as a cache (--cache). A cache must fit: same data,
    views and assignment options, and a level that holds what the mode asks for: assignments for
    lad, costs for lad with --switch, soft for soft and solad.

    Examples:

        lad distill --mode lad --cache runs/teacher.h5 --data coco --weights timm --out runs/student

        lad distill --mode solad --teacher runs/teacher/checkpoints/model/last.pt --data coco
        --weights timm --out runs/solad
    """
    from ladcli.cli.training import train
    from ladcli.stages.distill import distill as run
    from ladcli.stages.training import RunOptions

    options = RunOptions(
        out, resume=resume, overwrite=overwrite, quiet=quiet, recipe_file=recipe.file
    )
    train(run, recipe, options, as_json=as_json)
