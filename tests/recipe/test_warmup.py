"""How long a run warms up where its recipe leaves that open."""

from __future__ import annotations

from typing import Any

import pytest

from ladcli.recipe import load_recipe
from ladcli.recipe.warmup import default_warmup

LONG, SHORT = 100_000, 1000  # optimizer steps of a run


def warmup(steps: int, *, distills: bool = True, **options: Any) -> tuple[int, str | None]:
    recipe = load_recipe(None, flags={key.replace("__", "."): v for key, v in options.items()})
    return default_warmup(recipe, distills=distills, total_steps=steps)


@pytest.mark.parametrize("loss", ["kl", "l1"])
def test_soft_labels_alone_take_longer(loss: str) -> None:
    assert warmup(LONG, distill__mode="soft", soft__loss=loss) == (3000, None)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"distill__mode": "solad"},
        {"distill__mode": "soft", "soft__loss": "l2"},
        {"distill__mode": "soft", "distills": False},  # the stage does not read that section
    ],
)
@pytest.mark.parametrize("steps", [SHORT, LONG])
def test_everything_else_takes_the_usual_time(options: dict[str, Any], steps: int) -> None:
    assert warmup(steps, **options) == (500, None)


@pytest.mark.parametrize(("total", "steps"), [(12_000, 3000), (11_999, 2999), (1000, 250), (3, 0)])
def test_a_short_run_gives_a_quarter_to_it(total: int, steps: int) -> None:
    found, hint = warmup(total, distill__mode="soft")
    assert found == steps
    assert (hint is None) == (steps == 3000)


def test_who_gets_less_is_told_how_much_and_how_to_choose() -> None:
    _, hint = warmup(SHORT, distill__mode="soft")
    assert hint == (
        "warm-up cut to 250 steps, a quarter of this run, where soft labels usually take 3000; "
        "--set optim.warmup_steps=N chooses another"
    )
