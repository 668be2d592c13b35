"""Pictures of label assignment: which anchors became positives, and why (the paper's Figure 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ladcli.data.decode import decode_image
from ladcli.data.file_names import unsafe_reason
from ladcli.errors import BadImageError
from ladcli.evaluate.report.content import RunRecord
from ladcli.evaluate.report.html import Html, join, paragraph, section, tag
from ladcli.evaluate.report.method import Method, Part
from ladcli.evaluate.report.pictures import jpeg_uri, scaled
from ladcli.evaluate.report.probes import Decisions, Probe, Samples
from ladcli.evaluate.report.svg import (
    Counts,
    Line,
    Point,
    bar_legend,
    figure,
    histogram,
    line_legend,
)

MAX_IMAGES, MAX_COMPARED_IMAGES, MAX_OBJECTS = 6, 3, 3
_PHOTO_SIDE, _PHOTO_BYTES = 480, 70_000
_NUM_BINS = 14
_NUM_COLORS = 7  # of boxes, page.css

_DOTS_AID = (
    "Dots are the centers of positive anchors, in the color of the box that they answer for; "
    "larger dots belong to coarser levels. Numbers name the objects whose costs are shown below. "
)
_WHOSE_AID = (
    "the anchors that the network's own prices would choose, and those that its teacher's would, "
    "where there is one; of two networks that learn together, those of either."
)
_RUN_AID = f"At the first and at the last probe: {_WHOSE_AID}"
_COMPARISON_AID = f"For the first run of each method, at its last probe: {_WHOSE_AID}"
_HISTOGRAM_AID = (
    "Costs of the cheapest candidates of one object, with the two Gaussians fitted to them: "
    "positives are taken from what the lower one holds, the cheapest first. The wider apart the "
    "two, the clearer the choice; axes differ between pictures."
)


@dataclass(frozen=True, eq=False)
class View:
    """One way to assign labels, shown as a panel."""

    title: str
    probe: Probe
    source: str  # whose prices: own or teacher

    @property
    def decisions(self) -> Decisions:
        return self.probe.decisions[self.source]


def assignment_section(run: RunRecord) -> Html:
    """The probe images of a run at its first and its last probe; nothing without probes."""
    if not run.probes:
        return Html("")
    first, last = run.probes[0], run.probes[-1]
    moments = [first] if first is last else [first, last]
    views = [
        View(f"Epoch {probe.epoch}, {_whose(run, source)}", probe, source)
        for probe in moments
        for source in probe.decisions
    ]
    return _section(run, views, _RUN_AID, MAX_IMAGES)


def assignment_comparison(methods: Sequence[Method]) -> Html:
    """The probe images of all methods at the last probe of their first runs.

    Nothing where fewer than two methods have probes.
    """
    parts = [method.parts[0] for method in methods]
    views = [_views_of(method.name, method.parts[0], parts) for method in methods]
    probed = [(part, own) for part, own in zip(parts, views, strict=True) if own]
    if len(probed) < 2:
        return Html("")
    shown = [view for _, own in probed for view in own]
    return _section(probed[0][0].run, shown, _COMPARISON_AID, MAX_COMPARED_IMAGES)


def _views_of(name: str, part: Part, parts: Sequence[Part]) -> list[View]:
    """Whose prices the last probe of a part holds, without what another one of ``parts`` shows."""
    run = part.run
    if not run.probes:
        return []
    elsewhere = {other.network for other in parts if other.run is run} - {part.network}
    return [
        View(f"{name}, {_whose(run, source)}", run.probes[-1], source)
        for source in run.probes[-1].decisions
        if _network_of(run, source) not in elsewhere
    ]


def _whose(run: RunRecord, source: str) -> str:
    """Whose prices a probe's source stands for; of two that learn together, which network's."""
    network = _network_of(run, source)
    if network is None:
        return {"own": "own prices", "teacher": "teacher's prices"}[source]
    return f"network {network}'s prices"


def _network_of(run: RunRecord, source: str) -> str | None:
    """Which of two networks: probes call the one that began as the teacher so.  None for one."""
    first = run.notes.get("first_teacher")
    if first not in ("a", "b"):
        return None
    other = "b" if first == "a" else "a"
    return str(first) if source == "teacher" else other


def _section(run: RunRecord, views: Sequence[View], aid: str, max_images: int) -> Html:
    """Images that all views have; photos and class names are those of ``run``."""
    if not views:
        return Html("")
    names = [
        name
        for name in views[0].probe.file_names
        if all(name in view.probe.file_names for view in views)
    ][:max_images]
    parts = [_image_part(run, name, k, views) for k, name in enumerate(names)]
    if not parts:
        return Html("")
    aids = (paragraph(text, class_="lead") for text in (_DOTS_AID + aid, _HISTOGRAM_AID))
    return section("Label assignment", *aids, _histogram_legend(), *parts)


def _image_part(run: RunRecord, name: str, number: int, views: Sequence[View]) -> Html:
    """One image: panels of positives, then the costs of some of its objects."""
    photo, remark = _photo(run, name, f"probe-{number}")
    first = views[0].probe
    shown = _typical(first, _boxes(first, name))
    panels = [_panel(view, name, f"probe-{number}" if photo else None, shown) for view in views]
    return section(
        name,
        photo,
        paragraph(remark, class_="remark") if remark else None,
        tag("div", *panels, class_=_grid(views)),
        *_histograms(run, name, views, shown),
        level=3,
    )


def _grid(views: Sequence[View]) -> str:
    return "grid four" if len(views) > 1 else "grid"


def _photo(run: RunRecord, name: str, identity: str) -> tuple[Html, str | None]:
    """The image for all panels to refer to, or why there is none."""
    if unsafe_reason(name) is not None:
        return Html(""), f"{name}: {unsafe_reason(name)}, so it is not opened."
    path = next((f / name for f in run.probe_images if (f / name).is_file()), None)
    if path is None:
        return Html(""), f"{name}: the image was not found; name its data folder with --data."
    try:
        pixels = decode_image(path)
    except BadImageError as error:
        return Html(""), str(error)
    image, _ = scaled(Image.fromarray(pixels), _PHOTO_SIDE)
    stored = tag(
        "image",
        id=identity,
        href=jpeg_uri(image, max_bytes=_PHOTO_BYTES),
        width="100%",
        height="100%",
        preserveAspectRatio="none",
    )
    return tag(
        "svg", tag("defs", stored), width=0, height=0, class_="defs", aria_hidden="true"
    ), None


def _typical(probe: Probe, boxes: np.ndarray) -> list[int]:
    """Places among ``boxes`` of the largest, the middle and the smallest object."""
    if not len(boxes):
        return []
    sides = probe.gt_box[boxes]
    area = (sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1])
    by_area = np.argsort(-area, kind="stable")
    places = np.unique(np.linspace(0, len(boxes) - 1, min(MAX_OBJECTS, len(boxes))).round())
    return [int(by_area[int(place)]) for place in places]


def _panel(view: View, name: str, photo: str | None, shown: Sequence[int]) -> Html:
    """Boxes and positives of one image, with numbers at the boxes in the places ``shown``."""
    probe, decisions = view.probe, view.decisions
    row = probe.file_names.index(name)
    height, width = (int(side) for side in probe.content_hw[row])
    boxes = _boxes(probe, name)
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
        aria_label=f"{name}. {view.title}: {words}",
        class_="probe",
    )
    return figure(view.title, words, drawing, class_="photo")


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


def _histograms(
    run: RunRecord, name: str, views: Sequence[View], shown: Sequence[int]
) -> list[Html]:
    """Costs of each shown object, in the order of the panels."""
    boxes = [_boxes(view.probe, name) for view in views]
    parts: list[Html] = []
    for number, place in enumerate(shown, start=1):
        # The first view is of the run whose class names these are.
        label = int(views[0].probe.gt_label[boxes[0][place]])
        charts = (
            _costs(view, int(own[place]))
            for view, own in zip(views, boxes, strict=True)
            if place < len(own)
        )
        parts.append(tag("h4", f"Object {number}: {_class_name(run, label)}"))
        parts.append(tag("div", *charts, class_=_grid(views)))
    return parts


def _boxes(probe: Probe, name: str) -> np.ndarray:
    """Rows of the boxes of an image."""
    return np.flatnonzero(probe.gt_image == probe.file_names.index(name))


def _class_name(run: RunRecord, label: int) -> str:
    rows = run.notes.get("classes")
    if isinstance(rows, list) and label < len(rows) and len(rows[label]) == 2:
        return str(rows[label][1])
    return f"class {label}"


def _costs(view: View, box: int) -> Html:
    """The histogram of one object's samples."""
    samples = view.decisions.samples
    if samples is None:
        return figure(view.title, "the teacher's cache holds its labels, not its costs")
    cost = samples.cost[box]
    sampled = np.isfinite(cost)
    cost, positive = cost[sampled], samples.positive[box][sampled]
    words = f"{int(positive.sum())} of {len(cost)} are positive"
    if len(cost) < 2:
        return figure(view.title, "fewer than two candidates, so no positives")
    edges = _edges(cost)
    counts = [np.histogram(cost[part], edges)[0] for part in (positive, ~positive)]
    top = max(1.0, 1.15 * float((counts[0] + counts[1]).max()))
    drawing = histogram(
        f"{view.title}: {words}",
        edges.tolist(),
        [
            Counts("positive", counts[0].tolist(), hue=0),
            Counts("background", counts[1].tolist(), hue=7, pattern=1),
        ],
        [_gaussian(samples, box, k, edges, len(cost)) for k in (0, 1)],
        x_label="cost",
        top=top,
    )
    return figure(view.title, words, drawing, class_="chart hist")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _edges(cost: np.ndarray) -> np.ndarray:
    """Equal bins over the costs; a little room where all are equal."""
    low, high = float(cost.min()), float(cost.max())
    if high - low < 1e-6 * max(abs(high), 1.0):
        low, high = low - 0.01, high + 0.01
    return np.linspace(low, high, _NUM_BINS + 1)


def _gaussian(samples: Samples, box: int, k: int, edges: np.ndarray, num: int) -> Line:
    """A component in samples per bin, so that it can be laid over the histogram."""
    mean, variance = samples.means[box, k], max(float(samples.variances[box, k]), 1e-12)
    weight, deviation = samples.weights[box, k], math.sqrt(variance)
    # Narrow components need points of their own.
    near = mean + deviation * np.linspace(-3, 3, 25)
    x = np.unique(np.concatenate([np.linspace(edges[0], edges[-1], 40), near]))
    x = x[(x >= edges[0]) & (x <= edges[-1])]
    density = np.exp(-((x - mean) ** 2) / (2 * variance)) / (deviation * math.sqrt(2 * math.pi))
    y = weight * num * (edges[1] - edges[0]) * density
    points: list[Point] = list(zip(x.tolist(), y.tolist(), strict=True))
    return Line(("lower", "upper")[k], points, hue=(1, 3)[k], dash=k)


def _histogram_legend() -> Html:
    bars = bar_legend([Counts("positive", (), 0), Counts("background", (), 7, 1)])
    lines = line_legend([Line("lower Gaussian", (), 1, 0), Line("upper Gaussian", (), 3, 1)])
    return join([bars, lines])
