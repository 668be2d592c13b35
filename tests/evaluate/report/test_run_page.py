from __future__ import annotations

import re

from ladcli.evaluate.report.run_page import run_page
from tests.evaluate.report.markup import drawing_of, parse
from tests.evaluate.report.runs import plain_result, record


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


def test_networks_have_one_hue_on_all_sets() -> None:
    """Only network b was evaluated on the second set."""
    results = [
        plain_result(0.4, classes={"cup": 0.4}, network=network, split=split)
        for network, split in (("a", "val"), ("b", "val"), ("b", "test"))
    ]
    page = parse(run_page(record("co", *results)).removeprefix("<!doctype html>"))
    hues = [
        [r.classes[-1] for r in drawing_of(f).all("rect", "fill")]
        for f in page.all("figure")
        if f.one("b").text == "AP per class"
    ]
    assert hues == [["h0", "h1"], ["h1"]]
