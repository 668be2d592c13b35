"""How the trainings of several methods went, on common axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ladcli.evaluate.report.charts.svg import Line, Point, line_chart, line_legend
from ladcli.evaluate.report.html import Html, paragraph, section, tag
from ladcli.evaluate.report.parts.learning import averaged, points_of, spans_decades
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.runs.names import ONLY_NETWORK


def learning_comparison(methods: Sequence[MethodRecord]) -> Html:
    """Loss, AP by epoch, positives and the switch of all methods; a line for every run."""
    charts = [
        _losses(methods),
        *_average_precision(methods),
        line_chart(
            "Positives per batch",
            "Anchors that answer for an object.",
            _lines(methods, lambda part: _trained(part, "num_positive")),
            x_label="step",
            y_label="anchors",
            whole_x=True,
            legend=False,
        ),
        line_chart(
            "Who assigned the labels",
            "Share of the switch's decisions that went to the teacher, or to the network that "
            "began as one.",
            _lines(methods, lambda part: _percent(_trained(part, "teacher_share"))),
            x_label="step",
            y_label="% of decisions",
            y=(0, 100),
            whole_x=True,
            legend=False,
        ),
    ]
    if not any(charts):
        return Html("")
    legend = line_legend(Line(m.name, (), k, k) for k, m in enumerate(methods))
    several = any(len(method.parts) > 1 for method in methods)
    aid = paragraph("Thin lines are further seeds.", class_="lead") if several else None
    return section("Learning curves", aid, legend, tag("div", *charts, class_="grid"))


def _losses(methods: Sequence[MethodRecord]) -> Html:
    lines = _lines(methods, lambda part: _trained(part, part.key("loss")))
    log = spans_decades(lines)
    return line_chart(
        "Loss",
        "Means between two logged steps. Methods add up different terms, so compare where the "
        "lines bend, not how high they are." + (" The axis is logarithmic." if log else ""),
        lines,
        x_label="step",
        y_label="loss",
        log_y=log,
        whole_x=True,
        legend=False,
    )


def _lines(methods: Sequence[MethodRecord], points: Callable[[Part], list[Point]]) -> list[Line]:
    """One line per run that has points, in the hue of its method."""
    lines = [
        Line(f"{method.name}, {part.run.name}", points(part), k, k, thin=number > 0)
        for k, method in enumerate(methods)
        for number, part in enumerate(method.parts)
    ]
    return [line for line in lines if line.points]


def _trained(part: Part, key: str) -> list[Point]:
    lines = [line for line in part.run.metrics if line.get("kind") == "train"]
    return averaged(points_of(lines, "step", key))


def _average_precision(methods: Sequence[MethodRecord]) -> list[Html]:
    """AP by epoch, a chart for every set."""
    parts = [part for method in methods for part in method.parts]
    sets = dict.fromkeys(str(line.get("set", "val")) for part in parts for line in _evals(part))
    return [
        line_chart(
            f"AP on {split} by epoch",
            "Higher is better.",
            _lines(methods, partial(_measured, split=split)),
            x_label="epochs trained",
            y_label="points of 100",
            whole_x=True,
            legend=False,
            dots=True,
        )
        for split in sets
    ]


def _measured(part: Part, *, split: str) -> list[Point]:
    lines = [line for line in _evals(part) if str(line.get("set", "val")) == split]
    return _percent(points_of(lines, "epoch", "AP"))


def _evals(part: Part) -> list[Any]:
    """Evaluations of the part's network during training."""
    return [
        line
        for line in part.run.metrics
        if line.get("kind") == "eval" and str(line.get("network", ONLY_NETWORK)) == part.network
    ]


def _percent(points: list[Point]) -> list[Point]:
    return [(x, 100 * y) for x, y in points]
