"""One image with its boxes and the anchors that answer for them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ladcli.evaluate.report.charts.svg import figure
from ladcli.evaluate.report.html import Html, join, tag
from ladcli.runs.probe_file import Decisions, Probe

_NUM_COLORS = 7  # of boxes, page.css


def positives_panel(
    title: str,
    probe: Probe,
    decisions: Decisions,
    name: str,
    *,
    photo: str | None,
    shown: Sequence[int],
) -> Html:
    """Boxes and positives of the image ``name``.

    Args:
        title: of the figure.
        probe: holds the image.
        decisions: whose positives.
        photo: identity of the picture that lies below; None for a blank ground.
        shown: places among the image's boxes that carry numbers, from 1.
    """
    row = probe.file_names.index(name)
    height, width = (int(side) for side in probe.content_hw[row])
    boxes = boxes_of(probe, name)
    own = np.flatnonzero(np.isin(decisions.positive_gt, boxes))
    unit = max(width, height) / 100
    place = {int(g): k for k, g in enumerate(boxes)}
    named = {k: n for n, k in enumerate(shown, start=1) if k < len(boxes)}
    words = f"{_counted(len(own), 'positive')} for {_counted(len(boxes), 'object')}"
    drawing = tag(
        "svg",
        tag("use", href=f"#{photo}") if photo else None,
        None if photo else tag("rect", width=width, height=height, class_="blank"),
        *(_outline(probe.gt_box[g], k, unit) for g, k in place.items()),
        *(_dot(decisions, k, place, unit) for k in own.tolist()),
        *(_number(probe.gt_box[boxes[k]], n, unit) for k, n in named.items()),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=f"{name}. {title}: {words}",
        class_="probe",
    )
    return figure(title, words, drawing, class_="photo")


def _outline(box: np.ndarray, place: int, unit: float) -> Html:
    x1, y1, x2, y2 = box.tolist()
    shape = {
        "x": f"{x1:.1f}",
        "y": f"{y1:.1f}",
        "width": f"{max(x2 - x1, 0):.1f}",
        "height": f"{max(y2 - y1, 0):.1f}",
    }
    casing = tag("rect", class_="casing", stroke_width=f"{unit:.2f}", **shape)
    line = tag(
        "rect", class_=f"box k{place % _NUM_COLORS}", stroke_width=f"{0.6 * unit:.2f}", **shape
    )
    return join([casing, line])


def _dot(decisions: Decisions, k: int, place: dict[int, int], unit: float) -> Html:
    x, y = decisions.positive_center[k].tolist()
    level = math.log2(max(float(decisions.positive_stride[k]), 8.0) / 8)
    color = place[int(decisions.positive_gt[k])] % _NUM_COLORS
    return tag(
        "circle",
        cx=f"{x:.1f}",
        cy=f"{y:.1f}",
        r=f"{unit * (0.8 + 0.35 * level):.2f}",
        stroke_width=f"{0.3 * unit:.2f}",
        class_=f"positive k{color}",
    )


def _number(box: np.ndarray, number: int, unit: float) -> Html:
    """The number by which an object's histograms refer to it, inside the corner of its box."""
    x, y = box.tolist()[0] + 0.8 * unit, box.tolist()[1] + 5 * unit
    return tag(
        "text",
        str(number),
        x=f"{max(x, unit):.1f}",
        y=f"{max(y, 5 * unit):.1f}",
        style=f"font-size: {5 * unit:.1f}px",
        stroke_width=f"{unit:.2f}",
        class_="mark",
    )


def boxes_of(probe: Probe, name: str) -> np.ndarray:
    """Rows of the boxes of an image."""
    return np.flatnonzero(probe.gt_image == probe.file_names.index(name))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
