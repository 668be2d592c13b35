from __future__ import annotations

import pytest

from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.recipe.schema import AssignConfig
from ladcli.stages.assigner import assigner_fingerprint, build_assigner


def fingerprint(**options: object) -> str:
    return assigner_fingerprint(
        build_assigner(AssignConfig.model_validate(options)), DEFAULT_LAYOUT
    )


@pytest.mark.parametrize(
    "change",
    [
        {"min_iou": 0.2},
        {"topk": 5},
        {"box_weight": 1.0},
        {"alpha": 0.5},
        {"gamma": 1.0},
        {"selection": "mean"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_option_that_changes_positives_changes_the_fingerprint(
    change: dict[str, object],
) -> None:
    assert fingerprint(**change) != fingerprint()


def test_both_engines_of_the_mixture_have_one_fingerprint() -> None:
    assert fingerprint(mixture="sklearn") == fingerprint(mixture="batched")


def test_crowd_regions_are_treated_after_the_cache() -> None:
    """They decide between background and ignore, never about positives."""
    assert fingerprint(ignore_crowd=True) == fingerprint()


def test_fingerprint_is_the_same_for_equal_options() -> None:
    assert fingerprint() == fingerprint(topk=9, min_iou=0.1)
