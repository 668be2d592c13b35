"""Precision over recall, of all classes together and of each one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ladcli.evaluate.average_precision import RECALLS
from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.charts.svg import Line, Point, line_chart, line_legend
from ladcli.evaluate.report.html import Html, fold, paragraph, tag
from ladcli.evaluate.report.parts.class_scores import FEW, class_names, object_counts
from ladcli.evaluate.report.reading.precision_recall import mean_curve
from ladcli.evaluate.table import points

#: Classes that get curves; of more, the most frequent.
MAX_CURVES = 40


def precision_recall(entries: Sequence[MeasuredMethod]) -> list[Html]:
    """The mean curves, and on demand those of every class; of measured entries."""
    known = [entry for entry in entries if entry.precision() is not None]
    if not known:
        return []
    one = len(entries) == 1
    lines = [line for entry in known for line in _curves(entry, None, named=not one)]
    aid = (
        "Precision that is still reached at each recall, at IoU 0.5 (strong lines) and 0.75 (thin "
        "ones): the area below a curve is its AP."
    )
    above = [paragraph(aid, class_="lead"), line_legend(lines)]
    mean = _chart("Mean over classes", _average(e.mean("AP50") for e in known), lines)
    title, names = "Precision and recall per class", class_names(entries)
    if len(names) > MAX_CURVES:
        objects = object_counts(entries)
        kept = sorted(names, key=lambda n: -objects.get(n, 0))[:MAX_CURVES]
        title, names = f"{title}, the {MAX_CURVES} most frequent", [n for n in names if n in kept]
    charts = []
    for name in names:
        own = [line for entry in known for line in _curves(entry, name, named=not one)]
        charts.append(_chart(name, _average(e.mean("AP50", name) for e in known), own))
    if len(names) <= FEW:
        return [*above, tag("div", mean, *charts, class_="grid")]
    every = tag("div", *charts, class_="grid")
    return [*above, tag("div", mean, class_="grid"), fold(title, line_legend(lines), every)]


def _average(values: Iterable[float | None]) -> str:
    """AP50 of every entry."""
    return f"AP50 {', '.join(points(value) for value in values)}"


def _chart(title: str, aid: str, lines: Sequence[Line]) -> Html:
    return line_chart(
        title,
        aid,
        lines,
        x_label="recall",
        y_label="precision",
        x=(0.0, 1.0),
        y=(0.0, 1.0),
        legend=False,
    )


def _curves(entry: MeasuredMethod, name: str | None, *, named: bool) -> list[Line]:
    """The curves of an entry at both thresholds, of one class or, without a name, of the mean."""
    precision, truth = entry.precision(), entry.truth()
    assert precision is not None
    assert truth is not None  # no curves without
    classes = truth.annotations.classes.names
    lines = []
    for row, (words, thin) in enumerate((("IoU 0.5", False), ("IoU 0.75", True))):
        if name is None:
            curve = mean_curve(precision[row])
        elif name in classes:
            curve = precision[row, classes.index(name)]
        else:
            continue
        who = f"{entry.name}, " if named else ""
        lines.append(Line(who + words, _without_repeats(curve), entry.place, entry.place, thin))
    return [line for line in lines if line.points]


def _without_repeats(curve: np.ndarray) -> list[Point]:
    """(recall, precision) of a curve [101], without the inner points of level stretches."""
    if np.isnan(curve).any():
        return []
    same = np.diff(curve) == 0
    inner = np.concatenate([[False], same[:-1] & same[1:], [False]])
    return list(zip(RECALLS[~inner].tolist(), curve[~inner].tolist(), strict=True))
