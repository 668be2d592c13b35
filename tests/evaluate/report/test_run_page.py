from __future__ import annotations

import re

from ladcli.evaluate.report.content import RunRecord
from ladcli.evaluate.report.run_page import run_page
from tests.evaluate.report.markup import parse
from tests.evaluate.report.runs import NOTES
from tests.evaluate.report.test_scores import entry


def record(name: str, **notes: object) -> RunRecord:
    return RunRecord(name, {**NOTES, **notes}, None, [], results=entry("x").results)


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
