"""What every page has around its parts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from ladcli.evaluate.report.charts.svg import hatching
from ladcli.evaluate.report.html import Html, join, tag

#: The page needs nothing but itself, and no text in it can make it fetch or run anything.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, parts: Sequence[Html]) -> str:
    """A whole HTML file of ``parts``, with its style inside."""
    style = files("ladcli.evaluate.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        # The style sheet is ours and holds no "<".
        tag("style", Html(style)),
    )
    body = tag("body", hatching(), tag("main", join(parts)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
