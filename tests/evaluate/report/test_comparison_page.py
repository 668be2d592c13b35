from __future__ import annotations

import re
from dataclasses import replace

from ladcli.evaluate.measured import MeasuredRun
from ladcli.evaluate.report.comparison_page import comparison_page
from ladcli.evaluate.report.html import Html
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord
from tests.evaluate.report.markup import Node, drawing_of, parse, rows_of, table_of
from tests.evaluate.report.runs import NOTES, method, plain_result, random_entry, record


def test_every_method_is_named_and_further_parts_are_shown() -> None:
    one, two, three = record("one"), record("two", status="failed", seed=5), record("three")
    page = comparison_page(
        [method("A", one), method("B", two, three)], extra=[("Intervals", Html("<p>wide</p>"))]
    )
    shown = parse(page.removeprefix("<!doctype html>"))
    titles = [h.text for h in shown.all("h2")]
    assert titles == ["Intervals", "Results on val", "Recipes and versions"]
    assert "Differences are to the first: A." in shown.one("p", "lead").text
    overview = shown.one("table").text
    assert "two, three" in overview
    assert "failed, finished" in overview
    assert "5, 3" in overview


def test_method_that_lacks_a_set_is_told() -> None:
    bare = method("B", RunRecord("bare", NOTES, None, []))
    told = "B: was not evaluated on val"
    assert told not in comparison_page([method("A", record("one")), method("B", record("two"))])
    assert told in comparison_page([method("A", record("one")), bare])


def test_everything_from_outside_is_text() -> None:
    evil = "<script>alert(1)</script>"
    notes = {"status": evil, "seed": evil, "versions": {evil: evil}}
    page = comparison_page([method(evil, record(evil, **notes)), method("B", record("b"))])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5


def shown(*methods: MethodRecord) -> Node:
    return parse(comparison_page(methods).removeprefix("<!doctype html>"))


def remarks_of(page: Node) -> list[str]:
    return [p.text for p in page.all("p", "remark")]


def on(split: str, ap: float) -> MeasuredRun:
    return plain_result(ap, classes={"cup": ap}, split=split)


def test_methods_keep_their_hue_on_every_set() -> None:
    """The second method was not evaluated on the second set."""
    page = shown(
        method("A", record("a", on("val", 0.1), on("test", 0.1))),
        method("B", record("b", on("val", 0.2))),
        method("C", record("c", on("val", 0.3), on("test", 0.4))),
    )
    charts = [f for f in page.all("figure") if f.one("b").text == "AP per class"]
    hues = [[r.classes[-1] for r in drawing_of(f).all("rect", "fill")] for f in charts]
    assert hues == [["h0", "h1", "h2"], ["h0", "h2"]]
    assert remarks_of(page) == ["B: was not evaluated on test."]
    *_, last = (rows_of(t) for t in page.all("table") if t.one("caption").text == "COCO metrics")
    assert [row[:2] for row in last[1:]] == [["A", "10.0"], ["C", "40.0 +30.0"]]


def test_set_that_the_first_method_lacks_has_no_differences() -> None:
    """They would be to another method than the page says."""
    page = shown(
        method("A", record("a", on("val", 0.1))),
        method("B", record("b", on("test", 0.2))),
        method("C", record("c", on("test", 0.3))),
    )
    assert remarks_of(page) == [
        "B: was not evaluated on val.",
        "C: was not evaluated on val.",
        "A: was not evaluated on test.",
        "Differences would be to A, so none are shown.",
    ]
    tables = [rows_of(t) for t in page.all("table") if t.one("caption").text == "COCO metrics"]
    assert [row[:2] for row in tables[1][1:]] == [["B", "20.0"], ["C", "30.0"]]


def test_other_ground_truth_is_told() -> None:
    one, two = (random_entry("", seed=seed).runs for seed in (0, 1))
    page = shown(method("A", record("a", *one)), method("B", record("b", *two)))
    assert remarks_of(page) == [
        "B: was measured on other ground truth than A (12 images against 12 with other ids), so "
        "their differences say nothing."
    ]
    assert "Images that changed most" not in page.text
    same = shown(method("A", record("a", *one)), method("B", record("b", *one)))
    assert remarks_of(same) == []


def test_runs_of_a_method_are_averaged() -> None:
    seeds = [record(f"lad-{seed}", on("val", ap), seed=seed) for seed, ap in ((0, 0.4), (1, 0.5))]
    page = shown(method("PAA", record("paa", on("val", 0.3))), method("LAD", *seeds))
    assert table_of(page, "COCO metrics")[2][:3] == [
        "LAD (2 runs)",
        "45.0 ±7.1 +15.0",
        "45.0 +15.0",
    ]
    assert table_of(page, "Methods")[2] == [
        "LAD", "lad distill", "lad-0, lad-1", "0, 1", "finished",
    ]  # fmt: skip


def test_remarks_of_runs_and_results_are_told_once() -> None:
    odd = replace(on("val", 0.3), remarks=("val: moved.",))
    runs = [replace(record(name, odd), remarks=("run.json: is damaged.",)) for name in "ab"]
    page = shown(method("A", runs[0]), method("B", runs[1]))
    assert remarks_of(page) == ["run.json: is damaged.", "val: moved."]


def test_remarks_about_some_results_name_the_methods() -> None:
    odd, sound = replace(on("val", 0.3), remarks=("val: moved.",)), on("val", 0.3)
    page = shown(
        method("A", record("a", odd)),
        method("B", record("b", sound), record("b-1", odd)),
        method("C", record("c", sound)),
    )
    assert remarks_of(page) == ["A, B: val: moved."]


def test_runs_of_which_nothing_is_known_make_a_page() -> None:
    bare = [RunRecord(name, {}, None, []) for name in "ab"]
    page = shown(method("A", bare[0]), method("B", bare[1]))
    assert table_of(page, "Methods")[1] == ["A", "unknown", "a", "unknown", "unknown"]
    assert [h.text for h in page.all("h2")] == []


def test_page_needs_nothing_else_and_its_references_lead_somewhere() -> None:
    page = comparison_page([method("A", record("a")), method("B", record("b"))])
    assert set(re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)) == set()
    identities = re.findall(r' id="([^"]+)"', page)
    assert len(identities) == len(set(identities))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(identities)
