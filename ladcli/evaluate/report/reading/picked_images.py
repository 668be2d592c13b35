"""Which images of a data set are worth a look, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ladcli.data.statistics import MeasuredSet

#: Seed of the random images: the same data give the same page.
_SEED = 0


@dataclass(frozen=True)
class Picked:
    """An image to show."""

    row: int  # in the index
    why: str
    focus: int | None = None  # the box that it is about, among the set's boxes; None: the whole


def picked_images(measured: MeasuredSet, count: int) -> list[Picked]:
    """Images of extremes, and some at random; each once.

    Args:
        count: images with the most boxes; with none or the fewest; with the smallest box; with the
            largest; of the rarest classes; at random twice as many.  The darkest and the brightest
            are one each.
    """
    taken = set(measured.brightness.bad)  # there is nothing to see
    picked: list[Picked] = []
    order = np.random.default_rng(_SEED).permutation(len(measured.index)).tolist()
    for kind, number in (
        (_most_boxes(measured), count),
        (_fewest_boxes(measured), count),
        (_by_box(measured, np.argsort(measured.sides, kind="stable"), "Smallest box"), count),
        (_by_box(measured, np.argsort(-measured.sides, kind="stable"), "Largest box"), count),
        (_rarest_classes(measured, count), count),
        (_by_luma(measured, 1, "Darkest"), 1),
        (_by_luma(measured, -1, "Brightest"), 1),
        ((Picked(row, "At random") for row in order), 2 * count),
    ):
        _take(kind, number, picked, taken)
    return picked


def _take(candidates: Iterable[Picked], count: int, picked: list[Picked], taken: set[int]) -> None:
    """Add the first ``count`` candidates whose image is not among them yet."""
    wanted = len(picked) + count
    for candidate in candidates:
        if len(picked) == wanted:
            return
        if candidate.row not in taken:
            taken.add(candidate.row)
            picked.append(candidate)


def _most_boxes(measured: MeasuredSet) -> Iterable[Picked]:
    rows = np.argsort(-measured.boxes_per_image, kind="stable")
    return (Picked(row, "Most boxes") for row in rows.tolist() if measured.boxes_per_image[row])


def _fewest_boxes(measured: MeasuredSet) -> Iterable[Picked]:
    for row in np.argsort(measured.boxes_per_image, kind="stable").tolist():
        yield Picked(row, "Fewest boxes" if measured.boxes_per_image[row] else "No box")


def _by_box(measured: MeasuredSet, order: np.ndarray, why: str) -> Iterable[Picked]:
    return (
        Picked(int(measured.owner[box]), f"{why}, {measured.sides[box]:.0f} px", int(box))
        for box in order.tolist()
    )


def _rarest_classes(measured: MeasuredSet, count: int) -> Iterable[Picked]:
    """An image of each of the ``count`` rarest classes that occur, then further ones."""
    num_classes = len(measured.index.classes)
    boxes = np.bincount(measured.labels, minlength=num_classes)
    occurring = np.flatnonzero(boxes)
    rarest = occurring[np.argsort(boxes[occurring], kind="stable")][: max(count, 1)]
    # In turns, the images with the most boxes of a class first.
    turns = [_with_class(measured, int(label)) for label in rarest]
    for turn in range(max(map(len, turns), default=0)):
        for label, rows in zip(rarest.tolist(), turns, strict=True):
            if turn < len(rows):
                name = measured.index.classes.names[label]
                yield Picked(rows[turn], f"Rare class {name}: {boxes[label]:,} in all")


def _with_class(measured: MeasuredSet, label: int) -> list[int]:
    rows, counts = np.unique(measured.owner[measured.labels == label], return_counts=True)
    found: list[int] = rows[np.argsort(-counts, kind="stable")].tolist()
    return found


def _by_luma(measured: MeasuredSet, sign: int, why: str) -> Iterable[Picked]:
    bright = measured.brightness
    order = np.argsort(sign * bright.luma, kind="stable").tolist()
    return (Picked(int(bright.rows[k]), f"{why}, mean luma {bright.luma[k]:.0f}") for k in order)
