"""Pictures of label assignment: which anchors became positives, and why (the paper's Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ladcli.data.decode import decode_image
from ladcli.data.file_names import unsafe_reason
from ladcli.data.spelling import locate
from ladcli.errors import BadImageError
from ladcli.evaluate.report.charts.cost_histogram import (
    HISTOGRAM_AID,
    cost_histogram,
    histogram_legend,
)
from ladcli.evaluate.report.html import Html, paragraph, section, tag
from ladcli.evaluate.report.parts.pictures import jpeg_uri, scaled
from ladcli.evaluate.report.parts.positives_panel import boxes_of, positives_panel
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.runs.probe_file import Decisions, Probe

MAX_IMAGES, MAX_COMPARED_IMAGES, MAX_OBJECTS = 6, 3, 3
_PHOTO_SIDE, _PHOTO_BYTES = 480, 70_000

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


@dataclass(frozen=True, eq=False)
class Panel:
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
    panels = [
        Panel(f"Epoch {probe.epoch}, {_whose(run, source)}", probe, source)
        for probe in moments
        for source in probe.decisions
    ]
    return _section(run, panels, _RUN_AID, MAX_IMAGES)


def assignment_comparison(methods: Sequence[MethodRecord]) -> Html:
    """The probe images of all methods at the last probe of their first runs.

    Nothing where fewer than two methods have probes.
    """
    parts = [method.parts[0] for method in methods]
    panels = [_panels_of(method.name, method.parts[0], parts) for method in methods]
    probed = [(part, own) for part, own in zip(parts, panels, strict=True) if own]
    if len(probed) < 2:
        return Html("")
    shown = [panel for _, own in probed for panel in own]
    return _section(probed[0][0].run, shown, _COMPARISON_AID, MAX_COMPARED_IMAGES)


def _panels_of(name: str, part: Part, parts: Sequence[Part]) -> list[Panel]:
    """Whose prices the last probe of a part holds, without what another one of ``parts`` shows."""
    run = part.run
    if not run.probes:
        return []
    elsewhere = {other.network for other in parts if other.run is run} - {part.network}
    return [
        Panel(f"{name}, {_whose(run, source)}", run.probes[-1], source)
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


def _section(run: RunRecord, panels: Sequence[Panel], aid: str, max_images: int) -> Html:
    """Images that all panels have; photos and class names are those of ``run``."""
    if not panels:
        return Html("")
    names = [
        name
        for name in panels[0].probe.file_names
        if all(name in panel.probe.file_names for panel in panels)
    ][:max_images]
    parts = [_image_part(run, name, k, panels) for k, name in enumerate(names)]
    if not parts:
        return Html("")
    aids = (paragraph(text, class_="lead") for text in (_DOTS_AID + aid, HISTOGRAM_AID))
    return section("Label assignment", *aids, histogram_legend(), *parts)


def _image_part(run: RunRecord, name: str, number: int, panels: Sequence[Panel]) -> Html:
    """One image: its positives in every panel, then the costs of some of its objects."""
    photo, remark = _photo(run, name, f"probe-{number}")
    first = panels[0].probe
    shown = _typical(first, boxes_of(first, name))
    identity = f"probe-{number}" if photo else None
    drawn = [
        positives_panel(
            panel.title, panel.probe, panel.decisions, name, photo=identity, shown=shown
        )
        for panel in panels
    ]
    return section(
        name,
        photo,
        paragraph(remark, class_="remark") if remark else None,
        tag("div", *drawn, class_=_grid(panels)),
        *_histograms(run, name, panels, shown),
        level=3,
    )


def _grid(panels: Sequence[Panel]) -> str:
    return "grid four" if len(panels) > 1 else "grid"


def _photo(run: RunRecord, name: str, identity: str) -> tuple[Html, str | None]:
    """The image for all panels to refer to, or why there is none."""
    if unsafe_reason(name) is not None:
        return Html(""), f"{name}: {unsafe_reason(name)}, so it is not opened."
    places = (locate(folder, name) for folder in run.probe_images)
    path = next((place for place in places if place.is_file()), None)
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


def _histograms(
    run: RunRecord, name: str, panels: Sequence[Panel], shown: Sequence[int]
) -> list[Html]:
    """Costs of each shown object, in the order of the panels."""
    boxes = [boxes_of(panel.probe, name) for panel in panels]
    parts: list[Html] = []
    for number, place in enumerate(shown, start=1):
        # The first panel is of the run whose class names these are.
        label = int(panels[0].probe.gt_label[boxes[0][place]])
        charts = (
            cost_histogram(panel.title, panel.decisions.samples, int(own[place]))
            for panel, own in zip(panels, boxes, strict=True)
            if place < len(own)
        )
        parts.append(tag("h4", f"Object {number}: {_class_name(run, label)}"))
        parts.append(tag("div", *charts, class_=_grid(panels)))
    return parts


def _class_name(run: RunRecord, label: int) -> str:
    rows = run.notes.get("classes")
    if isinstance(rows, list) and label < len(rows) and len(rows[label]) == 2:
        return str(rows[label][1])
    return f"class {label}"
