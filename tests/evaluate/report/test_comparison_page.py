from __future__ import annotations

from ladcli.evaluate.report.comparison_page import comparison_page
from ladcli.evaluate.report.content import RunRecord
from ladcli.evaluate.report.html import Html
from ladcli.evaluate.report.method import Method, Part
from tests.evaluate.report.markup import parse
from tests.evaluate.report.runs import NOTES
from tests.evaluate.report.test_run_page import record


def method(name: str, *runs: RunRecord) -> Method:
    return Method(name, tuple(Part(run, "model") for run in runs))


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
