from __future__ import annotations

import re

from ladcli.evaluate.report.content import RunRecord
from ladcli.evaluate.report.html import Html
from ladcli.evaluate.report.page import comparison_page, run_page
from tests.evaluate.report.markup import parse
from tests.evaluate.report.runs import NOTES
from tests.evaluate.report.test_scores import entry


def record(name: str, **notes: object) -> RunRecord:
    return RunRecord(name, {**NOTES, **notes}, None, [], results=[entry("x").result])


def test_page_is_whole_and_needs_nothing_else() -> None:
    page = run_page(record("run"))
    assert page.startswith("<!doctype html>\n<html")
    shown = parse(page.removeprefix("<!doctype html>"))
    assert shown.one("title").text == "run: report"
    assert not list(shown.all("script"))
    assert not list(shown.all("link"))
    # Nothing is fetched: the only references are inside the page.
    assert set(re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)) == set()
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page)
    policy = next(m for m in shown.all("meta") if "http-equiv" in m.attributes)
    assert (policy.attributes["content"] or "").startswith("default-src 'none'")
    assert [h.text for h in shown.all("h2")] == ["Learning curves", "Results on val"]


def test_identities_are_unique_and_references_lead_somewhere() -> None:
    page = run_page(record("run"))
    identities = re.findall(r' id="([^"]+)"', page)
    assert len(identities) == len(set(identities))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(identities)


def test_everything_from_outside_is_text() -> None:
    evil = "<script>alert(1)</script>"
    notes = {
        "status": evil, "seed": evil, "started": evil, "command": ["lad", evil],
        "classes": [[1, evil]], "fingerprints": {evil: evil}, "versions": {evil: evil},
        "skipped_images": [evil],
    }  # fmt: skip
    page = run_page(record(evil, **notes))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 8
    assert "<script" not in comparison_page([record(evil, **notes), record("b")])


def test_comparison_names_every_run_and_shows_further_parts() -> None:
    page = comparison_page(
        [record("one"), record("two", status="failed")], extra=[("Intervals", Html("<p>wide</p>"))]
    )
    shown = parse(page.removeprefix("<!doctype html>"))
    assert [h.text for h in shown.all("h2")] == ["Intervals", "Results on val"]
    assert "Differences are to the first: one." in shown.one("p", "lead").text
    assert "failed" in shown.one("table").text


def test_run_that_lacks_a_set_is_told() -> None:
    bare = RunRecord("bare", NOTES, None, [])
    assert "bare: was not evaluated" not in comparison_page([record("one"), record("two")])
    assert "bare: was not evaluated on val" in comparison_page([record("one"), bare])
