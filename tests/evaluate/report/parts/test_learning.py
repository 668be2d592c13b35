from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ladcli.evaluate.report.parts.learning import MAX_POINTS, averaged, learning_section, points_of
from ladcli.evaluate.report.reading.content import RunRecord
from tests.evaluate.report.markup import Node, parse
from tests.evaluate.report.runs import write_metrics


def section(lines: list[dict[str, Any]], **notes: Any) -> Node:
    return parse(learning_section(RunRecord("run", notes, None, lines)))


def logged(folder: Path, networks: tuple[str, ...]) -> list[dict[str, Any]]:
    write_metrics(folder / "metrics.jsonl", networks)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def titles(shown: Node) -> list[str]:
    return [figure.one("b").text for figure in shown.all("figure")]


def legend(shown: Node, title: str) -> list[str]:
    figure = next(f for f in shown.all("figure") if f.one("b").text == title)
    return [item.text for item in figure.one("ul", "legend").all("li")]


def test_one_network(tmp_path: Path) -> None:
    shown = section(logged(tmp_path, ("model",)))
    assert titles(shown) == ["Losses", "Learning rate", "AP on val by epoch", "Positives per batch"]
    assert legend(shown, "Losses") == ["total", "class"]
    assert legend(shown, "AP on val by epoch") == ["AP", "AP50"]  # AP75 is null
    dots = [t.text for t in shown.all("title")]
    assert dots == [
        "AP, epochs trained 1: 10", "AP, epochs trained 2: 20",
        "AP50, epochs trained 1: 20", "AP50, epochs trained 2: 40",
    ]  # fmt: skip


def test_two_networks_and_the_share_of_the_teacher(tmp_path: Path) -> None:
    shown = section(logged(tmp_path, ("a", "b")), first_teacher="b")
    assert titles(shown)[:3] == ["Losses of network a", "Losses of network b", "Learning rate"]
    assert legend(shown, "Learning rate") == ["network a", "network b"]
    assert legend(shown, "AP on val by epoch") == ["AP of a", "AP50 of a", "AP of b", "AP50 of b"]
    assert legend(shown, "Who assigned the labels") == ["network b", "half"]
    share = next(f for f in shown.all("figure") if "Who assigned" in f.text)
    heights = [point.split(",")[1] for point in _points(share)]
    # Shares of 20, 40, 60 and 80 %, over an axis that always ends at 0 and 100.
    steps = [float(a) - float(b) for a, b in pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.15)
    assert [t.text for t in share.all("text", "tick")][:2] == ["0", "20"]


def _points(figure: Node) -> list[str]:
    return (figure.one("polyline").attributes["points"] or "").split()


def test_nothing_logged_is_said() -> None:
    assert "Nothing was logged" in section([]).text
    assert "Nothing was logged" in section([{"kind": "other"}]).text


def test_values_that_are_no_numbers_are_left_out() -> None:
    lines = [{"x": x, "y": y} for x, y in [(3, 1), (1, None), (2, "4"), (1, True), (1, 2.5)]]
    lines += [{"x": 4, "y": float("nan")}, {"x": 5, "y": 10**400}, {"y": 1}]
    assert points_of(lines, "x", "y") == [(1, 2.5), (3, 1)]


@pytest.mark.parametrize(
    "values",
    [[1.7e308, -1.7e308, 1.0], [5e-324, 5e-324, 5e-324], [3e38, 1.0, 2.0], [-1e-320, 0, 0]],
)
def test_numbers_at_the_ends_of_their_range_do_no_harm(values: list[float]) -> None:
    lines = [{"kind": "train", "step": s, "loss": v} for s, v in enumerate(values)]
    assert titles(section(lines)) == ["Losses"]
    assert points_of([{"x": 1, "y": 1e308}, {"x": 2, "y": -1e-308}], "x", "y") == [(2, 0)]


def test_long_runs_are_averaged() -> None:
    points = [(float(k), float(k % 2)) for k in range(10 * MAX_POINTS)]
    means = averaged(points)
    assert len(means) == MAX_POINTS
    assert means[0] == (9, 0.5)
    assert averaged(points[:5]) == points[:5]


def test_losses_over_decades_are_on_a_logarithmic_axis() -> None:
    lines = [{"kind": "train", "step": s, "loss": 1000 / s**2} for s in (1, 2, 5, 20)]
    assert "logarithmic" in section(lines).text
    assert "logarithmic" not in section(lines[:2]).text


def test_names_of_sets_are_text() -> None:
    shown = section([{"kind": "eval", "set": "<script>", "epoch": 1, "AP": 0.5}])
    assert titles(shown) == ["AP on <script> by epoch"]
