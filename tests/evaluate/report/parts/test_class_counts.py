from __future__ import annotations

from pathlib import Path

from ladcli.evaluate.report.parts.class_counts import class_counts
from tests.data.measured import content_of, measured_set, statistics
from tests.evaluate.report.markup import drawing_of, figures, parse, table_of

CUP, PLATE = ("cup", [0.0, 0, 20, 20]), ("plate", [0.0, 0, 20, 20])


def test_shares_compare_sets_of_any_size(tmp_path: Path) -> None:
    found = statistics(
        measured_set(tmp_path, content_of([[CUP] * 3, [PLATE]]), "train"),
        measured_set(tmp_path, content_of([[CUP]]), "val"),
    )
    page = parse(class_counts(found))
    chart = drawing_of(figures(page)["Boxes per class"])
    values = [label.text for label in chart.all("text", "value")]
    assert values == ["75.0", "100.0", "25.0", "–"]
    assert table_of(page, "Boxes and images of every class")[1:] == [
        ["cup", "3", "1", "1", "1"],
        ["plate", "1", "1", "none", ""],
    ]


def test_charts_of_many_classes_have_one_axis(tmp_path: Path) -> None:
    names = tuple(f"c{k}" for k in range(40))
    boxes = [(name, [0.0, 0, 20, 20]) for name in names]
    content = content_of([[*boxes, *[boxes[0]] * 60]], classes=names)
    page = parse(class_counts(statistics(measured_set(tmp_path, content, pixels=False))))
    charts = figures(page)
    assert list(charts) == ["Boxes per class", "Boxes per class, from place 31"]
    ticks = [[t.text for t in drawing_of(c).all("text", "tick")] for c in charts.values()]
    assert ticks[0] == ticks[1]
    assert len(page.one("details").one("table").one("tbody").children) == 40
