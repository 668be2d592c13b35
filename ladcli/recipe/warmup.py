"""How long the learning rate warms up where the recipe leaves it open (section 3.3.1)."""

from __future__ import annotations

from ladcli.recipe.schema import Recipe

#: Steps of warm-up by default.
STEPS = 500
#: … but no more of a short run than this.  Half of a warm-up's learning is lost, so a tenth costs
#: a run a twentieth; and it is as long as the warm-ups that the shipped pipelines do well with.
SHARE = 0.1
#: Soft-label distillation alone, by KL or L1, starts with large errors and needs longer.
SOFT_STEPS = 3000
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
    steps, share = (SOFT_STEPS, SOFT_SHARE) if soft_alone else (STEPS, SHARE)
    most = int(share * total_steps)
    if most >= steps:
        return steps, None
    part, usual = (
        ("a quarter", "soft labels usually take") if soft_alone else ("a tenth", "long runs take")
    )
    return most, (
        f"warm-up cut to {most} steps, {part} of this run, where {usual} {steps}; "
        "--set optim.warmup_steps=N chooses another"
    )


def too_long(warmup_steps: int, total_steps: int) -> str | None:
    """What to tell the user whose run ends before its warm-up does."""
    if warmup_steps < total_steps or not warmup_steps:
        return None
    return (
        f"warm-up takes {warmup_steps} steps, but the run has only {total_steps}: it never reaches "
        "its learning rate; lower optim.warmup_steps, or leave it out"
    )
