from __future__ import annotations

from ladcli.evaluate.report.html import Html, fold, join, remarks, section, table, tag, text
from tests.evaluate.report.markup import parse, rows_of


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = tag("b", "1 < 2 & 3")
    assert inner == "<b>1 &lt; 2 &amp; 3</b>"
    assert tag("p", inner, " <script>") == "<p><b>1 &lt; 2 &amp; 3</b> &lt;script&gt;</p>"


def test_attributes_cannot_be_left() -> None:
    assert tag("i", title='"><script>') == '<i title="&quot;&gt;&lt;script&gt;"></i>'


def test_attribute_names_and_flags() -> None:
    shown = tag("line", class_="rule", stroke_width=2, viewBox="0 0 1 1", open=True, id=None, x=0)
    assert shown == '<line class="rule" stroke-width="2" viewBox="0 0 1 1" open x="0"></line>'


def test_what_no_page_can_hold_is_replaced() -> None:
    shown = text("a\ud800b\x00c\x1bd\ne")
    assert shown == "a?b\ufffdc\ufffdd\ne"
    shown.encode("utf-8")


def test_void_elements_have_no_end() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_joining_escapes_text_and_leaves_none_out() -> None:
    joined = join(["<", None, Html("<br>")])
    assert joined == "&lt;<br>"
    assert isinstance(joined, Html)


def test_table_names_rows_and_columns_and_can_be_reached_by_keyboard() -> None:
    shown = parse(table(("class", "AP"), [("<b>", "1.0"), ("cat", tag("i", "2"))], caption="All"))
    frame = shown.one("div", "scroll")
    assert frame.attributes["tabindex"] == "0"
    assert frame.attributes["aria-label"] == "All"
    assert rows_of(shown) == [["class", "AP"], ["<b>", "1.0"], ["cat", "2"]]
    assert [cell.attributes["scope"] for cell in shown.all("th")] == ["col", "col", "row", "row"]


def test_section_without_content_is_nothing() -> None:
    assert section("Title", Html("")) == ""
    assert section("A & B", "text", level=3) == "<section><h3>A &amp; B</h3>text</section>"


def test_fold_is_closed_unless_told() -> None:
    assert parse(fold("more", "x")).one("details").attributes == {}
    assert parse(fold("more", "x", open_=True)).one("details").attributes == {"open": None}


def test_remarks_are_paragraphs_of_text() -> None:
    shown = parse(remarks(["<one>", "two"]))
    assert [p.text for p in shown.all("p", "remark")] == ["<one>", "two"]
