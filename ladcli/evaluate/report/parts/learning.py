"""How training went: losses, learning rate, AP by epoch, and who was the teacher."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ladcli.evaluate.report.charts.svg import Line, Point, line_chart
from ladcli.evaluate.report.html import Html, join, paragraph, section, tag
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.runs.names import ONLY_NETWORK

#: Losses by their names in metrics.jsonl, with the words of the legend; in the order of the hues.
LOSSES = {
    "loss": "total",
    "cls": "class",
    "box": "box",
    "iou": "IoU branch",
    "soft_cls": "soft class",
    "soft_box": "soft box",
    "soft_iou": "soft IoU",
}
#: Lines with more points than this are averaged.
MAX_POINTS = 300
#: With numbers beyond this, or beyond one part of it, no axis could be computed.
_LARGEST = 1e100
#: Losses that vary by a larger factor are shown on a logarithmic axis.
_LOG_FROM = 20


def learning_section(run: RunRecord) -> Html:
    """All curves of one run that its metrics file can give."""
    trained = [line for line in run.metrics if line.get("kind") == "train"]
    measured = [line for line in run.metrics if line.get("kind") == "eval"]
    if not trained and not measured:
        return section("Learning curves", paragraph("Nothing was logged."))
    networks = logged_networks(trained)
    charts = [
        *(_losses(trained, network) for network in networks),
        _rates(trained, networks),
        _average_precision(measured),
        _teacher_share(run, trained),
        _positives(trained),
    ]
    return section("Learning curves", tag("div", *charts, class_="grid"))


def logged_networks(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Networks whose losses are logged: one without a prefix, or several."""
    keys = {key for line in lines for key in line}
    named = {key.partition(".")[0] for key in keys if key.partition(".")[2] in LOSSES}
    return sorted(named) or [ONLY_NETWORK]


def _key(network: str, name: str) -> str:
    return name if network == ONLY_NETWORK else f"{network}.{name}"


def _losses(lines: Sequence[Mapping[str, Any]], network: str) -> Html:
    curves = [
        Line(words, averaged(points_of(lines, "step", _key(network, name))), hue, hue)
        for hue, (name, words) in enumerate(LOSSES.items())
    ]
    curves = [curve for curve in curves if curve.points]
    log = spans_decades(curves)
    who = "" if network == ONLY_NETWORK else f" of network {network}"
    return line_chart(
        f"Losses{who}",
        "Means between two logged steps, weights included, so that the terms add up to the total; "
        + ("falling lines mean learning; the axis is logarithmic." if log
           else "falling lines mean learning."),
        curves,
        x_label="step",
        y_label="loss",
        log_y=log,
        whole_x=True,
    )  # fmt: skip


def _rates(lines: Sequence[Mapping[str, Any]], networks: Sequence[str]) -> Html:
    curves = [
        Line(_called(network), averaged(points_of(lines, "step", _key(network, "lr"))), k, k)
        for k, network in enumerate(networks)
    ]
    return line_chart(
        "Learning rate",
        "It rises during warm-up and falls where the schedule says so.",
        [curve for curve in curves if curve.points],
        x_label="step",
        y_label="learning rate",
        whole_x=True,
        legend=len(networks) > 1,
    )


def _average_precision(lines: Sequence[Mapping[str, Any]]) -> Html:
    """AP, AP50 and AP75 of every network after each epoch that was evaluated."""
    networks = sorted({str(line.get("network", ONLY_NETWORK)) for line in lines})
    sets = list(dict.fromkeys(str(line.get("set", "val")) for line in lines))
    charts = []
    for split in sets:
        curves = []
        for hue, network in enumerate(networks):
            own = [
                line
                for line in lines
                if str(line.get("network", ONLY_NETWORK)) == network
                and str(line.get("set", "val")) == split
            ]
            for dash, name in enumerate(("AP", "AP50", "AP75")):
                points = [(x, 100 * y) for x, y in points_of(own, "epoch", name)]
                words = name if network == ONLY_NETWORK else f"{name} of {network}"
                curves.append(Line(words, points, hue, dash))
        charts.append(
            line_chart(
                f"AP on {split} by epoch",
                "Higher is better; solid is AP over all IoU thresholds, dashes are AP at IoU 0.5 "
                "and dots at 0.75.",
                [curve for curve in curves if curve.points],
                x_label="epochs trained",
                y_label="points of 100",
                whole_x=True,
                dots=True,
            )
        )
    return join(charts)


def _teacher_share(run: RunRecord, lines: Sequence[Mapping[str, Any]]) -> Html:
    points = [(x, 100 * y) for x, y in averaged(points_of(lines, "step", "teacher_share"))]
    if not points:
        return Html("")
    first = run.notes.get("first_teacher")
    teacher = f"network {first}" if first in ("a", "b") else "the teacher"
    ends = [points[0][0], points[-1][0]]
    return line_chart(
        "Who assigned the labels",
        f"Share of the switch's decisions that went to {teacher}; above the thin line it decided "
        "more often than the other network.",
        [
            Line(teacher, points),
            Line("half", [(x, 50.0) for x in ends], hue=7, dash=2, thin=True),
        ],
        x_label="step",
        y_label="% of decisions",
        y=(0, 100),
        whole_x=True,
    )


def _positives(lines: Sequence[Mapping[str, Any]]) -> Html:
    return line_chart(
        "Positives per batch",
        "Anchors that answer for an object; it settles when the costs tell good from bad.",
        [Line("positives", averaged(points_of(lines, "step", "num_positive")))],
        x_label="step",
        y_label="anchors",
        whole_x=True,
        legend=False,
    )


def spans_decades(lines: Sequence[Line]) -> bool:
    """Whether a logarithmic axis shows them better: all are above 0, and far apart."""
    values = [y for line in lines for _, y in line.points]
    return bool(values) and min(values) > 0 and max(values) > _LOG_FROM * min(values)


def points_of(lines: Iterable[Mapping[str, Any]], x: str, y: str) -> list[Point]:
    """The pairs of two entries where both are finite numbers, by ascending x."""
    pairs = ((_finite(line.get(x)), _finite(line.get(y))) for line in lines)
    return sorted((a, b) for a, b in pairs if a is not None and b is not None)


def averaged(points: Sequence[Point]) -> list[Point]:
    """At most `MAX_POINTS` points: means of neighbors, each at the last x of its group."""
    size = math.ceil(len(points) / MAX_POINTS)
    if size <= 1:
        return list(points)
    groups = [points[k : k + size] for k in range(0, len(points), size)]
    return [(group[-1][0], math.fsum(y for _, y in group) / len(group)) for group in groups]


def _finite(value: Any) -> float | None:
    """``value`` where it is a number that an axis can show; true and "0.5" are none."""
    if type(value) not in (int, float) or not abs(value) <= _LARGEST:
        return None
    return float(value) if abs(value) >= 1 / _LARGEST else 0.0


def _called(network: str) -> str:
    return "learning rate" if network == ONLY_NETWORK else f"network {network}"
