from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ladcli.evaluate.measured import MeasuredMethod, Truth
from ladcli.evaluate.report.parts.class_scores import (
    FEW,
    MAX_BARS,
    class_names,
    class_scores,
    object_counts,
)
from tests.evaluate.report.markup import Node, drawing_of, figures, legend_of, parse, table_of
from tests.evaluate.report.runs import plain_result, random_entry
from tests.evaluate.scenes import scene

BOX = [10.0, 10, 20, 20]


def shown(*entries: MeasuredMethod, differences: bool = False) -> Node:
    return parse(class_scores(entries, differences))


def of_classes(name: str, *runs: dict[str, float | None], place: int = 0) -> MeasuredMethod:
    return MeasuredMethod(name, tuple(plain_result(None, classes=run) for run in runs), place)


def rows(page: Node) -> list[str]:
    """Names of the bars of all charts, from the top."""
    return [
        t.one("title").text if list(t.all("title")) else t.text for t in page.all("text", "name")
    ]


def test_classes_are_sorted_bars_with_their_numbers() -> None:
    one = random_entry("run")
    assert one.runs[0].metrics is not None
    page = shown(one)
    values = [float(t.text) for t in figures(page)["AP per class"].all("text", "value")]
    assert values == sorted(values, reverse=True)
    assert len(values) == 2  # the third class has no objects, and so no AP
    by_name = {r[0]: r for r in table_of(page, "Numbers per class")}
    assert by_name["class 2"][1:3] == ["0", "–"]
    expected = one.runs[0].metrics.per_class["class 0"]["AP"]
    assert expected is not None
    assert by_name["class 0"][2] == f"{100 * expected:.1f}"


def test_entries_stand_side_by_side_in_their_own_hue_and_hatching() -> None:
    page = shown(random_entry("one"), random_entry("three", seed=1, place=2), differences=True)
    assert table_of(page, "AP per class")[0] == ["class", "objects", "one", "three"]
    bars = figures(page)["AP per class"]
    assert legend_of(bars) == ["one", "three"]
    filled = list(bars.all("rect", "fill"))
    assert len(filled) == 2 * 2 + 2  # and in the legend
    # Hue and hatching are those of the place on the page, whoever else was evaluated on this set.
    assert sum("h0" in r.classes for r in filled) == sum("h2" in r.classes for r in filled) == 3
    hatched = {r.attributes["fill"] for r in bars.all("rect") if "fill" in r.attributes}
    assert hatched == {"url(#hatch-2)"}


def test_gains_are_to_the_first_entry_where_it_knows_the_class() -> None:
    page = shown(
        of_classes("PAA", {"cup": 0.4, "plate": None}),
        of_classes("LAD", {"cup": 0.43, "plate": 0.2}),
        of_classes("less", {"cup": 0.38, "plate": 0.1}),
        differences=True,
    )
    assert table_of(page, "AP per class") == [
        ["class", "PAA", "LAD", "less"],
        ["cup", "40.0", "43.0 +3.0", "38.0 −2.0"],
        ["plate", "–", "20.0", "10.0"],
    ]


def test_runs_are_averaged_and_circles_are_their_own_numbers() -> None:
    page = shown(of_classes("LAD", {"cup": 0.2}, {"cup": 0.4}), of_classes("PAA", {"cup": 0.5}))
    assert table_of(page, "AP per class")[1] == ["cup", "30.0", "50.0"]
    chart = drawing_of(figures(page)["AP per class"])
    assert [t.text for t in chart.all("text", "value")] == ["30.0", "50.0"]
    mean, _ = chart.all("rect", "fill")
    low, high = (c.number("cx") - mean.number("x") for c in chart.all("circle", "part"))
    assert mean.number("width") == pytest.approx((low + high) / 2, abs=0.2)
    assert high == pytest.approx(2 * low, abs=0.2)


def test_entries_of_other_classes_have_gaps() -> None:
    page = shown(random_entry("two", classes=2), random_entry("three", seed=1), differences=True)
    rows = {row[0]: row for row in table_of(page, "AP per class")}
    assert rows["class 1"][2] == "–"  # known to the second alone
    assert rows["class 1"][3] != "–"


def test_classes_that_nobody_has_a_number_for_have_no_bar_but_a_row() -> None:
    page = shown(of_classes("run", {"cup": 0.5, "plate": None}))
    assert rows(page) == ["cup"]
    assert [row[0] for row in table_of(page, "Numbers per class")[1:]] == ["cup", "plate"]
    assert not list(shown(of_classes("run", {"plate": None})).all("figure"))


def test_many_classes_are_cut_short_in_charts_and_whole_in_the_table() -> None:
    page = shown(random_entry("run", classes=120))
    assert len(rows(page)) == MAX_BARS
    assert len(table_of(page, "Numbers per class")) == 121
    assert "the 45 best and the 45 worst of 119; the table has all" in page.text
    assert page.one("details").one("summary").text == "All numbers per class"


def test_few_classes_are_shown_without_being_asked_for() -> None:
    few = {f"class {k}": 0.5 for k in range(FEW)}
    assert not list(shown(of_classes("run", few)).all("details"))
    assert list(shown(of_classes("run", {**few, "one more": 0.5})).all("details"))


def test_charts_of_many_entries_hold_fewer_classes() -> None:
    table = {f"class {k:02d}": 1 - k / 100 for k in range(25)}
    alone = shown(of_classes("A", table))
    assert list(figures(alone)) == ["AP per class"]
    page = shown(*(of_classes(name, table, place=k) for k, name in enumerate("ABCDEFGH")))
    assert list(figures(page)) == [
        "AP per class", "AP per class, from place 11", "AP per class, from place 21",
    ]  # fmt: skip
    assert rows(page) == list(table)


def test_classes_in_the_order_of_the_tables_and_without_repeats() -> None:
    entries = [of_classes("A", {"b": 0.1, "a": 0.2}), of_classes("B", {"a": 0.1, "c": 0.2})]
    assert class_names(entries) == ["b", "a", "c"]


def test_crowd_regions_are_no_objects() -> None:
    truth, _ = scene([(0, BOX), (0, BOX), (1, BOX)], [], crowd=(1,))
    known = replace(plain_result(0.4), truth=Truth(truth, Path()))
    told = [of_classes("A", {"class 0": 0.4}), MeasuredMethod("B", (known,))]
    assert object_counts(told) == {"class 0": 1, "class 1": 1}
    assert object_counts(told[:1]) == {}


def test_names_of_classes_are_text() -> None:
    name = "<script>alert(1)</script>"
    markup = class_scores([of_classes("A", {name: 0.4})], differences=False)
    assert "<script>" not in markup
    assert name in rows(parse(markup))
