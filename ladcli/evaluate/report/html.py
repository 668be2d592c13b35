"""Markup that cannot be broken by what it shows.

Text and markup are two types.  `tag` escapes every child and attribute that is not markup already,
so a class called ``<script>`` shows as that text wherever it appears.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeAlias

from ladcli.plain_text import CONTROL

#: Line ends and tabs are white space of the page.
_CONTROL = re.compile(rf"(?![\n\t]){CONTROL.pattern}")
_VOID = frozenset({"meta", "link", "br", "img"})


class Html(str):
    """Finished markup.  Only this module and constants of this package make it."""

    __slots__ = ()


Child: TypeAlias = "str | Html | None"


def text(value: object) -> Html:
    """Any value as text; what no page should hold (half surrogates, control codes) is replaced."""
    if isinstance(value, Html):
        return value
    plain = str(value).encode("utf-8", "replace").decode("utf-8")
    return Html(escape(_CONTROL.sub("\ufffd", plain)))


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element.  Children and attributes that are None are left out.

    Args:
        name: of the element.
        children: `Html` stays as it is, anything else is escaped.
        attributes: ``class_`` stands for class, ``stroke_width`` for stroke-width; True gives an
            attribute without a value, False none.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Pieces one after the other, escaped where they are text."""
    return Html("".join(text(child) for child in children if child is not None))


def table(
    head: Sequence[str], rows: Iterable[Sequence[Child]], *, caption: str | None = None
) -> Html:
    """A table that scrolls inside its own frame; the first column names the row, others are right.

    Args:
        head: column titles.
        rows: cells, as many as ``head``.
        caption: what the table shows, for those who cannot see where it stands.
    """
    columns = tag("tr", *(tag("th", title, scope="col") for title in head))
    body = (
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    label = caption or "table"
    grid = tag(
        "table",
        tag("caption", caption, class_="unseen") if caption else None,
        tag("thead", columns),
        tag("tbody", join(body)),
    )
    # A frame that scrolls must be reachable by keyboard.
    return tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label=label)


def fold(summary: str, *children: Child, open_: bool = False) -> Html:
    """Something that opens on demand."""
    return tag("details", tag("summary", summary), *children, open=open_)


def section(title: str, *children: Child, level: int = 2) -> Html:
    """A part of the page under its heading; nothing where there is no content."""
    content = join(children)
    return tag("section", tag(f"h{level}", title), content) if content else Html("")


def paragraph(*children: Child, class_: str | None = None) -> Html:
    """A paragraph of text."""
    return tag("p", *children, class_=class_)


def remarks(lines: Iterable[str]) -> Html:
    """What is missing or odd, one line each."""
    return join(paragraph(line, class_="remark") for line in lines)


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    # SVG has attributes in camel case and with hyphens, never with underscores.
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value)}"'
