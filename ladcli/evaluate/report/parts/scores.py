"""How good the detections are on one set: COCO's numbers, and whatever tells where they come from.

Every chart takes any number of entries, so that the two networks of CoLAD stand side by side, and
so do several methods.
"""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.html import Child, Html, join, section, table, tag
from ladcli.evaluate.report.parts.cells import number_cell
from ladcli.evaluate.report.parts.class_scores import class_scores
from ladcli.evaluate.report.parts.curves import precision_recall
from ladcli.evaluate.report.parts.tide_scores import tide_scores
from ladcli.evaluate.table import points
from ladcli.runs.coco_numbers import STATS


def scores_section(entries: Sequence[MeasuredMethod], *, differences: bool = False) -> Html:
    """Everything about the entries on one set.

    Args:
        entries: at least one; those without numbers are left out.
        differences: show gains over the first entry, where that has numbers.
    """
    measured = [entry.measured() for entry in entries]
    known = [entry for entry in measured if entry is not None]
    if not known:
        return Html("")
    differences = differences and measured[0] is not None
    return join(
        [
            section("COCO metrics", _numbers(known, differences), level=3),
            section("AP per class", class_scores(known, differences), level=3),
            section("Precision and recall", *precision_recall(known), level=3),
            section("What kinds of error cost (TIDE)", *tide_scores(known, differences), level=3),
        ]
    )


def _numbers(entries: Sequence[MeasuredMethod], differences: bool) -> Html:
    rows: list[list[Child]] = []
    for k, entry in enumerate(entries):
        base = entries[0] if differences and k else None
        cells = (
            number_cell(
                entry.mean(key),
                points,
                base=base.mean(key) if base else None,
                spread=entry.spread(key) if key == "AP" else None,
            )
            for key in STATS
        )
        rows.append([entry.title, *cells])
    aid = (
        "Points of 100. AP averages IoU thresholds .50 to .95; s, m, l are small, medium and large "
        "objects (area below 32², up to 96², beyond); AR1, AR10, AR100 are recalls with that many "
        "detections per image and class."
    )
    if any(len(entry.runs) > 1 for entry in entries):
        aid += " Several runs: means, and after ± the standard deviation of AP over the runs."
    if differences:
        aid += " Signed numbers are gains over the first row."
    return join(
        [
            table(("", *STATS), rows, caption="COCO metrics"),
            tag("p", aid, class_="lead"),
        ]
    )
