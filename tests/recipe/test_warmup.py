"""How long a run warms up where its recipe leaves that open."""

from __future__ import annotations

from typing import Any

import pytest

from ladcli.recipe import load_recipe
from ladcli.recipe.warmup import default_warmup, too_long

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
def test_everything_else_takes_500_steps_or_a_tenth(options: dict[str, Any]) -> None:
    assert warmup(LONG, **options) == (500, None)
    assert warmup(5000, **options) == (500, None)
    assert warmup(4999, **options)[0] == 499
    assert warmup(96, **options)[0] == 9
    assert warmup(3, **options)[0] == 0


@pytest.mark.parametrize(("total", "steps"), [(12_000, 3000), (11_999, 2999), (1000, 250), (3, 0)])
def test_soft_labels_alone_give_a_quarter_of_a_short_run_to_it(total: int, steps: int) -> None:
    found, hint = warmup(total, distill__mode="soft")
    assert found == steps
    assert (hint is None) == (steps == 3000)


def test_who_gets_less_is_told_how_much_and_how_to_choose() -> None:
    assert warmup(96)[1] == (
        "warm-up cut to 9 steps, a tenth of this run, where long runs take 500; "
        "--set optim.warmup_steps=N chooses another"
    )
    assert warmup(SHORT, distill__mode="soft")[1] == (
        "warm-up cut to 250 steps, a quarter of this run, where soft labels usually take 3000; "
        "--set optim.warmup_steps=N chooses another"
    )


def test_a_warmup_longer_than_the_run_is_told() -> None:
    assert too_long(0, 0) is None
    assert too_long(95, 96) is None
    assert too_long(500, 96) == (
        "warm-up takes 500 steps, but the run has only 96: it never reaches its learning rate; "
        "lower optim.warmup_steps, or leave it out"
    )
