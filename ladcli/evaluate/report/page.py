"""Whole pages: one for a run, one for several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from ladcli.evaluate.report.assignment import assignment_section
from ladcli.evaluate.report.content import RunRecord
from ladcli.evaluate.report.heading import heading, method_of
from ladcli.evaluate.report.html import (
    Child,
    Html,
    join,
    paragraph,
    remarks,
    section,
    table,
    tag,
)
from ladcli.evaluate.report.learning import learning_section
from ladcli.evaluate.report.scores import Entry, scores_section
from ladcli.evaluate.report.svg import hatching
from ladcli.evaluate.report.worst import worst_section

#: Pictures of the worst images: on a page, per network and set, and bytes of all.
_PHOTOS, _PHOTOS_OF_ONE, _PHOTO_BYTES = 18, 6, 2_400_000
#: The page needs nothing but itself, and no text in it can make it fetch or run anything.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def run_page(run: RunRecord) -> str:
    """The report of one run as one HTML file."""
    alone = {r: Entry(run.entry_name(r.network, alone=True), r) for r in run.results}
    sets = list(dict.fromkeys(r.split for r in run.results))
    parts = [
        heading(run),
        remarks(run.remarks),
        learning_section(run),
        *(
            _set_part(split, [e for r, e in alone.items() if r.split == split], run)
            for split in sets
        ),
        assignment_section(run),
    ]
    return _document(f"{run.name}: report", parts)


def _set_part(split: str, entries: Sequence[Entry], run: RunRecord) -> Html:
    """Everything about one set."""
    count = max(1, min(_PHOTOS_OF_ONE, _PHOTOS // len(run.results)))
    max_bytes = min(150_000, _PHOTO_BYTES // (count * len(run.results)))
    photos = [
        section(
            "Worst images" + (f" of {entry.name}" if len(entries) > 1 else ""),
            worst_section(entry.result, count=count, max_bytes=max_bytes),
            level=3,
        )
        for entry in entries
    ]
    return section(
        f"Results on {split}",
        remarks(dict.fromkeys(line for entry in entries for line in entry.result.remarks)),
        scores_section(entries),
        *photos,
    )


def comparison_page(runs: Sequence[RunRecord], *, extra: Sequence[tuple[str, Html]] = ()) -> str:
    """Several runs side by side: for each set the same charts as in a run's own report.

    Args:
        runs: the first one is what the others are compared with.
        extra: further parts before the sets, a title and its content each.
    """
    names = ", ".join(run.name for run in runs)
    sets = list(dict.fromkeys(result.split for run in runs for result in run.results))
    parts = [
        tag("h1", "Comparison of runs"),
        paragraph(f"Differences are to the first: {runs[0].name}.", class_="lead"),
        _overview(runs),
        remarks(line for run in runs for line in run.remarks),
        *(section(title, content) for title, content in extra),
        *(_compared_set(split, runs) for split in sets),
    ]
    return _document(f"Comparison of {names}", parts)


def _compared_set(split: str, runs: Sequence[RunRecord]) -> Html:
    entries = []
    lines = []
    for run in runs:
        here = [result for result in run.results if result.split == split]
        if not here:
            lines.append(f"{run.name}: was not evaluated on {split}.")
        for result in here:
            entries.append(Entry(run.entry_name(result.network, alone=False), result))
            lines += result.remarks
    return section(
        f"Results on {split}",
        remarks(dict.fromkeys(lines)),
        scores_section(entries, differences=True),
    )


def _overview(runs: Sequence[RunRecord]) -> Html:
    rows: list[list[Child]] = [
        [
            run.name,
            method_of(run),
            str(run.notes.get("status", "unknown")),
            str(run.notes.get("seed", "unknown")),
        ]
        for run in runs
    ]
    grid = table(("run", "method", "status", "seed"), rows, caption="Runs")
    return tag("div", grid, class_="words")


def _document(title: str, parts: Sequence[Html]) -> str:
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
