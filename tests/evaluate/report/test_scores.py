from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ladcli.evaluate.coco import IOU_50, IOU_75, metrics_of
from ladcli.evaluate.matching import match
from ladcli.evaluate.report.class_scores import MAX_BARS
from ladcli.evaluate.report.content import SetResult, Truth
from ladcli.evaluate.report.curves import MAX_CURVES
from ladcli.evaluate.report.entry import Entry
from ladcli.evaluate.report.precision_recall import precision_curves
from ladcli.evaluate.report.scores import scores_section
from ladcli.evaluate.tide import tide_errors
from tests.evaluate.random_sets import RandomSet
from tests.evaluate.report.markup import Node, parse, rows_of


def entry(name: str, *, seed: int = 0, classes: int = 3, known: bool = True) -> Entry:
    """Something measured on a random set; without ``known``, as from metrics.json alone."""
    truth, results = RandomSet(classes=classes, boxes=30 * classes).draw(seed)
    matching = match(truth, results)
    if not known:
        return Entry(name, (SetResult("model", "val", metrics_of(matching)),))
    result = SetResult(
        "model",
        "val",
        metrics_of(matching),
        tide_errors(truth, results).entries[0],
        np.stack([precision_curves(matching, t) for t in (IOU_50, IOU_75)]),
        Truth(truth, Path()),
        results,
    )
    return Entry(name, (result,))


def shown(entries: list[Entry], *, differences: bool = False) -> Node:
    return parse(scores_section(entries, differences=differences))


def table(page: Node, caption: str) -> list[list[str]]:
    return next(rows_of(t) for t in page.all("table") if t.one("caption").text == caption)


def headings(page: Node) -> list[str]:
    return [h.text for h in page.all("h3")]


def share(entry: Entry, name: str) -> float:
    assert entry.results[0].metrics is not None
    value = entry.results[0].metrics.stats[name]
    assert value is not None
    return 100 * value


def test_numbers_are_points_of_100() -> None:
    one = entry("run")
    head, row = table(shown([one]), "COCO metrics")
    assert head[1:4] == ["AP", "AP50", "AP75"]
    assert row[:3] == ["run", f"{share(one, 'AP'):.1f}", f"{share(one, 'AP50'):.1f}"]


def test_differences_are_to_the_first() -> None:
    one, two = entry("one"), entry("two", seed=1)
    _, first, second = table(shown([one, two], differences=True), "COCO metrics")
    gain = share(two, "AP") - share(one, "AP")
    sign = "+" if gain > 0 else "−"
    assert second[1] == f"{share(two, 'AP'):.1f} {sign}{abs(gain):.1f}"
    assert "+" not in first[1]
    same = table(shown([one, entry("again")], differences=True), "COCO metrics")
    assert same[2][1].endswith("+0.0")


def test_classes_are_sorted_bars_with_their_numbers() -> None:
    one = entry("run")
    assert one.results[0].metrics is not None
    page = shown([one])
    bars = next(f for f in page.all("figure") if f.one("b").text == "AP per class")
    values = [float(t.text) for t in bars.all("text", "value")]
    assert values == sorted(values, reverse=True)
    assert len(values) == 2  # the third class has no objects, and so no AP
    by_name = {r[0]: r for r in table(page, "Numbers per class")}
    assert by_name["class 2"][1:3] == ["0", "–"]
    expected = one.results[0].metrics.per_class["class 0"]["AP"]
    assert expected is not None
    assert by_name["class 0"][2] == f"{100 * expected:.1f}"


def test_entries_stand_side_by_side() -> None:
    page = shown([entry("one"), entry("two", seed=1)], differences=True)
    assert table(page, "AP per class")[0] == ["class", "objects", "one", "two"]
    bars = next(f for f in page.all("figure") if f.one("b").text == "AP per class")
    assert [item.text for item in bars.one("ul", "legend").all("li")] == ["one", "two"]
    assert len(list(bars.all("rect", "fill"))) == 2 * 2 + 2  # and in the legend
    rows = table(page, "TIDE in numbers")
    assert [row[0] for row in rows[1:]] == ["one, dAP", "one, count", "two, dAP", "two, count"]


def test_curves_at_both_thresholds_for_the_mean_and_every_class() -> None:
    page = shown([entry("run")])
    charts = [f for f in page.all("figure") if f.one("span").text.startswith("AP50")]
    assert [f.one("b").text for f in charts] == ["Mean over classes", "class 0", "class 1"]
    for chart in charts:
        strong, thin = chart.all("polyline")
        assert "thin" not in strong.classes
        assert "thin" in thin.classes


def test_errors_are_bars_of_eight_kinds() -> None:
    one = entry("run")
    assert one.results[0].tide is not None
    page = shown([one])
    main, special = (
        next(f for f in page.all("figure") if f.one("b").text == title)
        for title in ("Main kinds of error", "False positives and false negatives")
    )
    expected = [one.results[0].tide.dap[k] for k in ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")]
    assert [t.text.replace("−", "-") for t in main.all("text", "value")] == [
        f"{value:.2f}" for value in expected
    ]
    assert len(list(special.all("text", "value"))) == 2


def test_recorded_numbers_alone_give_no_curves() -> None:
    page = shown([entry("run", known=False)])
    assert headings(page) == ["COCO metrics", "AP per class"]


def test_entries_without_numbers_are_left_out() -> None:
    assert scores_section([Entry("run", (SetResult("model", "val", None),))]) == ""


def test_entries_of_other_classes_have_gaps() -> None:
    page = shown([entry("two", classes=2), entry("three", seed=1)], differences=True)
    rows = {row[0]: row for row in table(page, "AP per class")}
    assert rows["class 1"][2] == "–"  # known to the second alone
    assert rows["class 1"][3] != "–"


def test_many_classes_are_cut_short_in_charts_and_whole_in_the_table() -> None:
    page = shown([entry("run", classes=120)])
    bars = [t.text for t in page.all("text", "name") if t.text.startswith("class")]
    assert len(bars) == MAX_BARS
    assert len(table(page, "Numbers per class")) == 121
    charts = [f for f in page.all("figure") if f.one("span").text.startswith("AP50")]
    assert 1 < len(charts) <= MAX_CURVES + 1
    assert "the 40 most frequent" in page.text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a "quoted" & <b>'])
def test_names_are_text(name: str) -> None:
    markup = scores_section([entry(name), entry("other")])
    assert "<script>" not in markup
    assert name in parse(markup).one("ul", "legend").text
