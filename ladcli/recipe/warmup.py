"""How long the learning rate warms up where the recipe leaves it open (section 3.3.1)."""

from __future__ import annotations

from ladcli.recipe.schema import Recipe

#: Steps of warm-up by default.
STEPS = 500
#: Soft-label distillation alone, by KL or L1, starts with large errors and needs longer.
SOFT_STEPS = 3000
#: … but no more of a short run than this.
SOFT_SHARE = 0.25


def default_warmup(recipe: Recipe, *, distills: bool, total_steps: int) -> tuple[int, str | None]:
    """Steps of warm-up for a recipe that names none.

    Args:
        distills: whether the stage reads the recipe's `distill` section at all.
        total_steps: optimizer steps of the whole run.

    Returns:
        The steps; and what to tell the user where they were cut short.
    """
    soft_alone = distills and recipe.distill.mode == "soft" and recipe.soft.loss in ("kl", "l1")
    if not soft_alone:
        return STEPS, None
    most = int(SOFT_SHARE * total_steps)
    if most >= SOFT_STEPS:
        return SOFT_STEPS, None
    return most, (
        f"warm-up cut to {most} steps, a quarter of this run, where soft labels usually take "
        f"{SOFT_STEPS}; --set optim.warmup_steps=N chooses another"
    )
