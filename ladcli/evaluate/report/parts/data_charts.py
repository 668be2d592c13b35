"""Charts of a data set: a histogram of every quantity for every set, over the same bins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ladcli.data.statistics import (
    COUNTED_BOXES,
    LARGE_FROM,
    MEDIUM_FROM,
    DataStatistics,
    MeasuredSet,
)
from ladcli.evaluate.report.charts.svg import (
    NUM_PATTERNS,
    Bars,
    Counts,
    bar_chart,
    bar_legend,
    figure,
    histogram,
)
from ladcli.evaluate.report.html import Html, join, paragraph, section, tag

_NUM_BINS = 32
_SIZE = (360, 200)
_NO_BOXES = "no boxes"


@dataclass(frozen=True)
class Quantity:
    """Something that images or boxes have."""

    title: str
    meaning: str  # a sentence, or none
    x_label: str
    edges: np.ndarray  # of the bins
    parts: tuple[str, ...]  # names of the parts of the bars
    values: Callable[[MeasuredSet], list[np.ndarray]]  # of a set, by part
    summary: Callable[[MeasuredSet], str]
    axis: Literal["linear", "log", "whole"] = "linear"


def data_charts(found: DataStatistics, sets: Sequence[MeasuredSet]) -> Html:
    """All charts.  Those of several sets stand side by side, those of a single one together."""
    levels = _levels(found)
    quantities = _quantities(found, sets)
    if len(sets) == 1:
        figures = [
            _histogram(
                q.title, f"{q.meaning} {_sentence(q.summary(sets[0]))}".strip(), q, sets[0], 0
            )
            for q in quantities
        ]
        return tag("div", *figures, levels, class_="grid")
    return join(
        [
            *(
                section(
                    q.title,
                    paragraph(q.meaning, class_="lead") if q.meaning else None,
                    _grid(
                        _histogram(one.name, q.summary(one), q, one, place)
                        for place, one in enumerate(sets)
                    ),
                    level=3,
                )
                for q in quantities
            ),
            tag("h3", "Levels"),
            _grid([levels]),
        ]
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _grid(figures: Iterable[Html]) -> Html:
    return tag("div", *figures, class_="grid")


def _quantities(found: DataStatistics, sets: Sequence[MeasuredSet]) -> list[Quantity]:
    size = f"{found.short}x{found.long}"
    quantities = [
        Quantity(
            "Boxes per image",
            "",
            "boxes",
            _whole_edges(max(int(one.boxes_per_image.max()) for one in sets)),
            ("images",),
            lambda one: [one.boxes_per_image],
            _empty_and_full,
            axis="whole",
        ),
        Quantity(
            "Sides of boxes, stored",
            "The square root of the area; small, medium and large are COCO's.",
            "side, stored pixels",
            _log_edges([one.sides for one in sets]),
            (f"small, below {MEDIUM_FROM}", f"medium, below {LARGE_FROM}", "large"),
            lambda one: _split(one.sides, np.digitize(one.sides, [MEDIUM_FROM, LARGE_FROM]), 3),
            lambda one: _median(one.sides, " px"),
            axis="log",
        ),
        Quantity(
            f"Sides of boxes at {size}",
            "As a network meets them, and on which level their best anchor lies.",
            "side, pixels of the input",
            _log_edges([one.input_sides for one in sets]),
            found.level_names,
            lambda one: _split(one.input_sides, one.level, len(found.level_names)),
            lambda one: _median(one.input_sides, " px"),
            axis="log",
        ),
        Quantity(
            "Aspect ratios of boxes",
            "",
            "width / height",
            _log_edges([one.aspects for one in sets]),
            ("boxes",),
            lambda one: [one.aspects],
            lambda one: _median(one.aspects, "", digits=2),
            axis="log",
        ),
    ]
    if any(one.brightness.looked_at for one in sets):
        quantities.append(
            Quantity(
                "Brightness of images",
                "",
                "mean luma, 0 black to 255 white",
                np.linspace(0, 256, _NUM_BINS + 1),
                ("images",),
                lambda one: [one.brightness.luma],
                _decoded,
            )
        )
    return quantities


def _histogram(title: str, aid: str, of: Quantity, one: MeasuredSet, place: int) -> Html:
    """The histogram of one set, the ``place``-th."""
    counts = [np.histogram(values, of.edges)[0] for values in of.values(one)]
    highest = int(np.sum(counts, axis=0).max())
    if not highest:
        return figure(title, aid)
    alone = len(counts) == 1
    stack = [
        Counts(name, count.tolist(), place if alone else k, 0 if alone else k)
        for k, (name, count) in enumerate(zip(of.parts, counts, strict=True))
    ]
    drawn = histogram(
        f"{title}: {of.x_label}. {aid}",
        of.edges.tolist(),
        stack,
        [],
        x_label=of.x_label,
        top=1.1 * highest,
        size=_SIZE,
        log_x=of.axis == "log",
        whole_x=of.axis == "whole",
    )
    legend = Html("") if alone else bar_legend(stack)
    return figure(title, aid, legend, drawn, class_="chart lines")


def _levels(found: DataStatistics) -> Html:
    """The share of boxes on every level, and beyond the reach of all."""
    groups = [
        Bars(
            one.name,
            [
                100 * number / one.boxes if one.boxes else None
                for number in (*one.levels, one.out_of_reach)
            ],
            place,
            place % (NUM_PATTERNS + 1),
        )
        for place, one in enumerate(found.sets)
    ]
    return bar_chart(
        f"Levels at {found.short}x{found.long}",
        "A box is on the level of the anchor that overlaps it best, and out of reach where even "
        "that overlaps it too little to be learned well.",
        [*found.level_names, "out of reach"],
        groups,
        unit="share of the boxes, %",
        limits=(0.0, 100.0),
    )


def _empty_and_full(one: MeasuredSet) -> str:
    empty = int((one.boxes_per_image == 0).sum())
    full = int((one.boxes_per_image > COUNTED_BOXES).sum())
    return f"{empty:,} of {len(one.index):,} images have none, {full:,} above {COUNTED_BOXES}"


def _decoded(one: MeasuredSet) -> str:
    bad = len(one.brightness.bad)
    told = f"{one.brightness.looked_at:,} of {len(one.index):,} images were decoded"
    return told + (f", {bad:,} cannot be used" if bad else "")


def _median(values: np.ndarray, unit: str, digits: int = 0) -> str:
    return f"median {np.median(values):.{digits}f}{unit}" if len(values) else _NO_BOXES


def _split(values: np.ndarray, part: np.ndarray, num: int) -> list[np.ndarray]:
    """``values`` [M] by their ``part`` [M], 0 to num - 1."""
    return [values[part == k] for k in range(num)]


def _log_edges(values: Sequence[np.ndarray]) -> np.ndarray:
    """Bins of equal ratio over all of ``values``, which are above 0."""
    found = [value for value in values if len(value)]
    low = min((float(value.min()) for value in found), default=1.0)
    high = max((float(value.max()) for value in found), default=2.0)
    edges = np.geomspace(low, max(high, low * 1.5), _NUM_BINS + 1)
    # The ends lie a little outside, so that rounding leaves no value out.
    edges[0], edges[-1] = edges[0] * 0.999, edges[-1] * 1.001
    return edges


def _whole_edges(most: int) -> np.ndarray:
    """Bins of one or several whole numbers from 0 to ``most``."""
    step = -(-(most + 1) // _NUM_BINS)
    return np.arange(0, most + step + 1, step) - 0.5
