"""What every page has around its parts."""

from __future__ import annotations

from ladcli.evaluate.report.html import tag
from ladcli.evaluate.report.page import document
from tests.evaluate.report.markup import Node, parse


def page(title: str = "Title") -> str:
    return document(title, [tag("h1", "One"), tag("p", "two")])


def shown(title: str = "Title") -> Node:
    return parse(page(title).removeprefix("<!doctype html>"))


def test_parts_are_the_main_content_in_their_order() -> None:
    assert page().startswith("<!doctype html>\n<html")
    assert shown().one("main").text == "Onetwo"
    assert shown().one("html").attributes["lang"] == "en"


def test_the_title_is_text() -> None:
    assert "<b>" not in page("<b>run</b>")
    assert shown("<b>run</b>").one("title").text == "<b>run</b>"


def test_nothing_may_be_fetched_or_run() -> None:
    metas = list(shown().all("meta"))
    policy = next(m.attributes["content"] for m in metas if "http-equiv" in m.attributes)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not list(shown().all("script"))
    assert not list(shown().all("link"))


def test_phones_keep_their_width_and_both_themes_are_styled() -> None:
    names = {m.attributes.get("name"): m.attributes.get("content") for m in shown().all("meta")}
    assert names["viewport"] == "width=device-width, initial-scale=1"
    style = page().partition("<style>")[2].partition("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert style.count("{") == style.count("}") > 50


def test_patterns_of_bars_are_there_once() -> None:
    identities = [p.attributes["id"] for p in shown().all("pattern")]
    assert identities == ["hatch-1", "hatch-2", "hatch-3", "hatch-4"]
