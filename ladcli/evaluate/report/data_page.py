"""The page of a data set: what is in it, in numbers, charts and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.data.statistics import DataStatistics, MeasuredSet
from ladcli.evaluate.drawing import class_colors
from ladcli.evaluate.report.html import Child, Html, join, paragraph, remarks, section, table, tag
from ladcli.evaluate.report.page import document
from ladcli.evaluate.report.parts.class_counts import class_counts
from ladcli.evaluate.report.parts.data_charts import data_charts
from ladcli.evaluate.report.parts.data_pictures import pictures_section
from ladcli.evaluate.statistics_table import overview_rows
from ladcli.evaluate.statistics_table import remarks as findings

#: Bytes of all pictures on a page.
_PICTURE_BYTES = 4_000_000
#: Images that cannot be used which are listed.
_MAX_BAD = 100


def data_page(
    title: str, found: DataStatistics, sets: Sequence[MeasuredSet], notes: Sequence[str]
) -> str:
    """The statistics of a data set as one HTML file.

    Args:
        title: what the data are called.
        found: the numbers.
        sets: what was measured, beside ``found.sets``.
        notes: what was odd about the files.
    """
    colors = dict(zip(found.class_names, class_colors(len(found.class_names)), strict=True))
    each = _PICTURE_BYTES // len(sets)
    parts = [
        _heading(title, found),
        remarks(dict.fromkeys([*findings(found), *notes])),
        section("Overview", tag("div", _overview(found), _image_sizes(found), class_="beside")),
        section("Classes", class_counts(found)),
        section("Images and boxes", data_charts(found, sets)),
        section("Images that cannot be used", _bad_images(found)),
        *(
            section(
                f"Pictures of {one.name}",
                pictures_section(one, colors, few=len(sets) > 1, max_bytes=each),
            )
            for one in sets
        ),
    ]
    return document(f"{title}: data", parts)


def _heading(title: str, found: DataStatistics) -> Html:
    facts: list[tuple[str, Child]] = [
        *((f"{one.name}", str(one.annotations)) for one in found.sets),
        ("classes", f"{len(found.class_names):,}"),
        (
            "input size",
            f"short side {found.short} px, unless the long side would exceed {found.long} px",
        ),
    ]
    pairs = join(join([tag("dt", name), tag("dd", value)]) for name, value in facts)
    return join([tag("h1", title), tag("dl", pairs, class_="facts")])


def _overview(found: DataStatistics) -> Html:
    rows = [[name, *cells] for group in overview_rows(found) for name, cells in group]
    return table(("", *(one.name for one in found.sets)), rows, caption="Numbers of every set")


def _image_sizes(found: DataStatistics) -> Html:
    told = ", ".join(
        f"{one.distinct_sizes:,} in {one.name}" for one in found.sets if one.distinct_sizes > 1
    )
    rows = [
        (f"{width}x{height}", one.name, f"{images:,}", f"{100 * images / one.images:.1f} %")
        for one in found.sets
        for width, height, images in one.image_sizes
    ]
    lead = f"The most common ones; different sizes in all: {told}." if told else ""
    return tag(
        "div",
        table(("width x height", "set", "images", "share"), rows, caption="Image sizes"),
        paragraph(lead, class_="lead") if lead else None,
    )


def _bad_images(found: DataStatistics) -> Html:
    rows = [bad for one in found.sets for bad in one.unreadable]
    if not rows:
        return Html("")
    listed = table(("image", "reason"), rows[:_MAX_BAD], caption="Bad images")
    more = len(rows) - _MAX_BAD
    return join(
        [
            tag("div", listed, class_="words"),
            paragraph(f"And {more:,} more, which --json lists.") if more > 0 else None,
        ]
    )
