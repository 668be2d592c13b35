"""The page of a run: how it was trained, what it reached, where it fails, and why."""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.html import Html, remarks, section
from ladcli.evaluate.report.page import document
from ladcli.evaluate.report.parts.assignment import assignment_section
from ladcli.evaluate.report.parts.heading import heading
from ladcli.evaluate.report.parts.learning import learning_section
from ladcli.evaluate.report.parts.scores import scores_section
from ladcli.evaluate.report.parts.worst import worst_section
from ladcli.evaluate.report.reading.content import RunRecord

#: Pictures of the worst images: on a page, per network and set, and bytes of all.
_PHOTOS, _PHOTOS_OF_ONE, _PHOTO_BYTES = 18, 6, 2_400_000


def run_page(run: RunRecord) -> str:
    """The report of one run as one HTML file."""
    networks = sorted({r.network for r in run.results})
    entries = [
        MeasuredMethod(run.entry_name(r.network, alone=True), (r,), networks.index(r.network))
        for r in run.results
    ]
    sets = dict.fromkeys(r.split for r in run.results)
    parts = [
        heading(run),
        remarks(run.remarks),
        learning_section(run),
        *(
            _set_part(split, [e for e in entries if e.runs[0].split == split], run)
            for split in sets
        ),
        assignment_section(run),
    ]
    return document(f"{run.name}: report", parts)


def _set_part(split: str, entries: Sequence[MeasuredMethod], run: RunRecord) -> Html:
    """Everything about one set."""
    count = max(1, min(_PHOTOS_OF_ONE, _PHOTOS // len(run.results)))
    max_bytes = min(150_000, _PHOTO_BYTES // (count * len(run.results)))
    photos = [
        section(
            "Worst images" + (f" of {entry.name}" if len(entries) > 1 else ""),
            worst_section(entry.runs[0], count=count, max_bytes=max_bytes),
            level=3,
        )
        for entry in entries
    ]
    return section(
        f"Results on {split}",
        remarks(dict.fromkeys(line for entry in entries for line in entry.runs[0].remarks)),
        scores_section(entries),
        *photos,
    )
