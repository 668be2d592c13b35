"""Which images form which batch, in which view: pure planning, before any file is read.

A plan is drawn for the whole data set at once.  Workers and ranks only take their part of it, and a
run is resumed by dropping the batches that were done.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from ladcli.data import random_draws
from ladcli.data.index import CocoIndex
from ladcli.data.views import NO_VIEW, Sample, ViewGrid, is_ranged, resized_hw, round_up
from ladcli.recipe.schema import DataConfig

Plan: TypeAlias = list[list[Sample]]


def plan_epoch(
    index: CocoIndex, data: DataConfig, *, batch_size: int, seed: int, epoch: int
) -> Plan:
    """One pass over all images in random order, every image in one random view.

    Batches hold images of one canvas (or, with a continuous range of scales, of one orientation)
    and follow the random order; those that stay partial come last.

    Returns:
        Batches of at most ``batch_size`` samples; a pure function of the arguments.
    """
    samples = _draw_samples(index, data, seed, epoch)
    order = np.argsort(_draw(index, seed, epoch, random_draws.ORDER), kind="stable")
    walk = (samples[i] for i in order.tolist())
    if not is_ranged(data):
        return _fill_batches(walk, batch_size, key=lambda sample: sample.canvas_hw)
    batches = _fill_batches(walk, batch_size, key=lambda s: s.resized_hw[1] >= s.resized_hw[0])
    return [_on_common_canvas(batch) for batch in batches]


def plan_eval(index: CocoIndex, data: DataConfig, *, batch_size: int) -> Plan:
    """Every image once: unflipped, at the last short side, grouped by canvas.

    Groups come in order of their first image; inside a group images keep the order of the index.
    """
    return _plan_grid(index, ViewGrid.for_evaluation(data), batch_size)


def plan_inference(index: CocoIndex, grids: Sequence[ViewGrid], *, batch_size: int) -> Plan:
    """Every image once in every view of every grid, grouped by view and canvas.

    Images are taken as `plan_eval` takes them, with the first grid, and all views of some images
    come before the next images: whoever merges views keeps few images open.  View ids count over
    the grids; odd ones are flipped.
    """
    plan: Plan = []
    for group in _plan_grid(index, replace(grids[0], flips=(0,)), batch_size):
        rows = [sample.row for sample in group]
        for number, grid in enumerate(grids):
            for flip in grid.flips:
                one = replace(grid, flips=(flip,))
                plan += _plan_grid(index, one, batch_size, rows=rows, first_view=2 * number)
    return plan


def plan_views(index: CocoIndex, data: DataConfig, *, batch_size: int) -> Plan:
    """Every image in every view of the training grid, grouped by canvas.

    Inside a group samples are sorted by view, then by image.

    Raises:
        UserError: the recipe draws scales from a continuous range, so there is no grid.
    """
    return _plan_grid(index, ViewGrid.from_config(data), batch_size)


def _plan_grid(
    index: CocoIndex,
    grid: ViewGrid,
    batch_size: int,
    *,
    rows: Sequence[int] | None = None,
    first_view: int = 0,
) -> Plan:
    """``rows`` (by default all) of the index in every view, whose ids begin at ``first_view``."""
    groups: dict[tuple[int, int], list[Sample]] = {}
    rows = range(len(index)) if rows is None else rows
    sizes = [(h, w) for h, w in index.hw[rows].tolist()]
    for view_id in grid.view_ids():
        short, flip = grid.describe(view_id)
        for row, hw in zip(rows, sizes, strict=True):
            resized = grid.resized_hw(hw, short)
            canvas = grid.canvas_hw(resized, short)
            sample = Sample(row, first_view + view_id, resized, canvas, flip)
            groups.setdefault(canvas, []).append(sample)
    return [
        group[start : start + batch_size]
        for group in groups.values()
        for start in range(0, len(group), batch_size)
    ]


def _draw_samples(index: CocoIndex, data: DataConfig, seed: int, epoch: int) -> list[Sample]:
    """The sample of every image of the index, in the index's order."""
    scale = _draw(index, seed, epoch, random_draws.SCALE)
    flip = _draw(index, seed, epoch, random_draws.FLIP) < data.flip
    light = zip(
        _factors(index, seed, epoch, random_draws.BRIGHTNESS, data.brightness),
        _factors(index, seed, epoch, random_draws.CONTRAST, data.contrast),
        _factors(index, seed, epoch, random_draws.SATURATION, data.saturation),
        strict=True,
    )
    draws = zip(_sizes(index), scale.tolist(), flip.tolist(), light, strict=True)
    if is_ranged(data):
        low, high = data.short
        samples = []
        for row, (hw, u, flipped, factors) in enumerate(draws):
            resized = resized_hw(hw, low + (high - low) * u, data.long)
            samples.append(Sample(row, NO_VIEW, resized, resized, flipped, *factors))
        return samples
    grid = ViewGrid.from_config(data)
    samples = []
    for row, (hw, u, flipped, factors) in enumerate(draws):
        view_id = 2 * int(u * len(grid.shorts)) + int(flipped)
        short, _ = grid.describe(view_id)
        resized = grid.resized_hw(hw, short)
        canvas = grid.canvas_hw(resized, short)
        samples.append(Sample(row, view_id, resized, canvas, flipped, *factors))
    return samples


def _fill_batches(
    samples: Iterable[Sample], batch_size: int, *, key: Callable[[Sample], Hashable]
) -> Plan:
    """Walk the samples with one open batch per key; a full batch leaves at once."""
    done: Plan = []
    open_batches: dict[Hashable, list[Sample]] = {}
    for sample in samples:
        batch = open_batches.setdefault(key(sample), [])
        batch.append(sample)
        if len(batch) == batch_size:
            # Removed, so that a key's next batch is ordered by its own first image.
            done.append(open_batches.pop(key(sample)))
    return done + list(open_batches.values())


def _on_common_canvas(batch: list[Sample]) -> list[Sample]:
    height = round_up(max(sample.resized_hw[0] for sample in batch))
    width = round_up(max(sample.resized_hw[1] for sample in batch))
    return [replace(sample, canvas_hw=(height, width)) for sample in batch]


def _sizes(index: CocoIndex) -> list[tuple[int, int]]:
    return [(h, w) for h, w in index.hw.tolist()]


def _draw(index: CocoIndex, seed: int, epoch: int, stream: int) -> np.ndarray:
    return random_draws.uniform(seed, epoch, index.image_ids, stream)


def _factors(index: CocoIndex, seed: int, epoch: int, stream: int, amount: float) -> list[float]:
    """Photometric factors in [1 - amount, 1 + amount)."""
    draws = _draw(index, seed, epoch, stream)
    return (1 + amount * (2 * draws - 1)).tolist()
