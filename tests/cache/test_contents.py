"""What each level of a cache keeps: its tables, and what stands in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ladcli.assign import cheapest_samples, cost_moments, fisher_scores, paa_assigner
from ladcli.cache.contents import encode_opinion
from ladcli.cache.format import (
    BOXES,
    CHEAPEST,
    CLASSES,
    DENSE,
    LEVEL_STATISTICS,
    LEVELS,
    OBJECT_STATISTICS,
    POSITIVES,
    REST,
    TABLES_OF,
    Level,
    columns_of,
)
from ladcli.cache.records import Rows
from ladcli.cache.sparse_classes import stand_out
from ladcli.objective.opinion import PredictedOpinion
from ladcli.recipe.schema import SoftConfig
from tests.objective.opinions import random_batch, random_opinion


def opinion_of(seed: int, **options: Any) -> PredictedOpinion:
    """Three images with 3, 0 and 5 boxes."""
    return random_opinion(seed + 100, random_batch(seed), **options)


def encoded(opinion: PredictedOpinion, level: Level, **soft: Any) -> dict[str, list[Rows]]:
    return encode_opinion(opinion, level, SoftConfig(**soft))


def lengths(rows: list[Rows]) -> list[int]:
    """Rows of each image; all columns of a table have the same."""
    found = [{len(column) for column in row.values()} for row in rows]
    assert all(len(of_image) == 1 for of_image in found)
    return [of_image.pop() for of_image in found]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("boxes_per_image", [(3, 0, 5), (0, 0)], ids=str)
def test_a_level_fills_its_tables_and_no_other(
    level: Level, boxes_per_image: tuple[int, ...]
) -> None:
    batch = random_batch(0, boxes_per_image=boxes_per_image)
    tables = encoded(random_opinion(1, batch), level)
    assert tuple(tables) == TABLES_OF[level]
    for name, rows in tables.items():
        assert len(rows) == len(boxes_per_image)
        assert all(set(row) == set(columns_of(name)) for row in rows)
        lengths(rows)


def test_every_level_holds_the_positives_in_one_form_or_another() -> None:
    opinion = opinion_of(1)
    expected = opinion.assignment()
    for level in ("assignments", "costs", "soft"):
        rows = encoded(opinion, level)[POSITIVES]  # type: ignore[arg-type]
        for image, row in zip(expected.gt_index, rows, strict=True):
            assert row["anchor"].tolist() == (image >= 0).nonzero().flatten().tolist()
            assert row["gt"].tolist() == image[image >= 0].tolist()
    assert POSITIVES not in encoded(opinion, "dense")


def test_larger_levels_repeat_the_smaller_ones() -> None:
    opinion = opinion_of(2)
    small, middle, large = (encoded(opinion, level) for level in LEVELS[:3])
    for less, more in ((small, middle), (middle, large)):
        for name, rows in less.items():
            for row, other in zip(rows, more[name], strict=True):
                assert all(np.array_equal(row[column], other[column]) for column in row)


@pytest.mark.parametrize("topk", [2, 9])
def test_costs_are_those_of_the_samples_of_the_assigner(topk: int) -> None:
    opinion = opinion_of(3, assigner=paa_assigner(topk=topk))
    rows = encoded(opinion, "costs")[CHEAPEST]
    arguments = (opinion.candidates, opinion.costs, opinion.scene)
    samples = cheapest_samples(*arguments, topk=topk)
    assert lengths(rows) == samples.valid.sum(dim=(1, 2)).tolist()
    for image, row in enumerate(rows):
        chosen = samples.prior[image][samples.valid[image]]
        owner = samples.valid[image].nonzero()[:, 0]
        assert row["anchor"].tolist() == chosen.tolist()
        assert row["gt"].tolist() == owner.tolist()
        assert opinion.candidates.gt_index[image, chosen].tolist() == owner.tolist()
        assert row["cost"].tolist() == opinion.costs.values[image, chosen].tolist()


def test_statistics_run_over_all_candidates() -> None:
    """One row per ground truth and level, and one per ground truth; padding has none."""
    opinion = opinion_of(4)
    tables = encoded(opinion, "costs")
    arguments = (opinion.candidates, opinion.costs, opinion.scene)
    moments = cost_moments(*arguments)
    assert lengths(tables[LEVEL_STATISTICS]) == [15, 0, 25]
    assert lengths(tables[OBJECT_STATISTICS]) == [3, 0, 5]
    row = tables[LEVEL_STATISTICS][2]
    assert row["candidates"].sum() == opinion.candidates.mask[2].sum()
    assert row["candidates"].sum() > lengths(tables[CHEAPEST])[2]
    for name, values in (
        ("candidates", moments.count),
        ("mean", moments.mean),
        ("squared_deviation", moments.squared_deviation),
        ("fisher", fisher_scores(*arguments, "level")),
    ):
        assert row[name].tolist() == values[2].flatten().tolist(), name
    of_objects = fisher_scores(*arguments, "object")
    assert tables[OBJECT_STATISTICS][0]["fisher"].tolist() == of_objects[0, :3, 0].tolist()


def test_classes_that_stand_out_are_listed_and_the_rest_is_averaged() -> None:
    opinion = opinion_of(5)
    tables = encoded(opinion, "soft")
    prob = opinion.predictions.cls.prob()
    listed = stand_out(prob, opinion.scene.priors)
    assert lengths(tables[CLASSES]) == listed.sum(dim=(1, 2)).tolist()
    assert lengths(tables[REST]) == [opinion.scene.priors.num_levels] * 3
    first = prob[0, : opinion.scene.priors.level_lengths[0], 1]
    left = first[~listed[0, : len(first), 1]]
    mean = left.mean().item() if len(left) else 0.0
    assert tables[REST][0]["prob"][0, 1] == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("soft", [{}, {"min_iou": 0.3}, {"select": "anchor"}], ids=str)
def test_boxes_are_stored_where_the_recipe_selects_them(soft: dict[str, Any]) -> None:
    opinion = opinion_of(6)
    rows = encoded(opinion, "soft", **soft)[BOXES]
    options = SoftConfig(**soft)
    weight = opinion.soft_targets(select=options.select, min_iou=options.min_iou).weight
    assert lengths(rows) == (weight > 0).sum(dim=1).tolist()
    for image, row in enumerate(rows):
        assert row["anchor"].tolist() == (weight[image] > 0).nonzero().flatten().tolist()
    assert lengths(rows)[0] > 0


@pytest.mark.parametrize("probs", [True, False])
def test_everything_is_kept_as_the_head_says_it(*, probs: bool) -> None:
    opinion = opinion_of(7, probs=probs)
    rows = encoded(opinion, "dense")[DENSE]
    assert lengths(rows) == [opinion.scene.priors.num_priors] * 3
    raw = torch.from_numpy(np.stack([row["cls"] for row in rows]))
    assert torch.equal(raw, opinion.predictions.cls.raw.half())


def test_rows_fit_the_types_of_their_columns() -> None:
    """Casting to what the file holds loses nothing of integers."""
    opinion = opinion_of(8)
    for level in LEVELS:
        for name, rows in encoded(opinion, level).items():
            for column, (dtype, _) in columns_of(name).items():
                if np.issubdtype(dtype, np.integer):
                    for row in rows:
                        assert np.array_equal(row[column].astype(dtype), row[column]), column
