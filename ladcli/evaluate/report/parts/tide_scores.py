"""What each kind of error costs: bars like Figure 5 of the paper, and a table on demand."""

from __future__ import annotations

from collections.abc import Sequence

from ladcli.evaluate.measured import MeasuredMethod
from ladcli.evaluate.report.charts.svg import NUM_PATTERNS, Bars, bar_chart
from ladcli.evaluate.report.html import Child, Html, fold, paragraph, table, tag
from ladcli.evaluate.report.parts.cells import number_cell
from ladcli.evaluate.table import UNDEFINED
from ladcli.evaluate.tide_repairs import ALL_KINDS, MAIN_KINDS, SPECIAL_KINDS

#: TIDE's kinds in words.
WORDS = {
    "Cls": "Cls: wrong class",
    "Loc": "Loc: badly placed",
    "Both": "Both of these",
    "Dupe": "Dupe: duplicate",
    "Bkg": "Bkg: background",
    "Miss": "Miss: not found",
    "FalsePos": "FalsePos: all false",
    "FalseNeg": "FalseNeg: all lost",
}


def tide_scores(entries: Sequence[MeasuredMethod], differences: bool) -> list[Html]:
    """Costs of the main and of the special kinds; ``differences`` shows those to the first."""
    known = [entry for entry in entries if entry.tide_threshold() is not None]
    if not known:
        return []
    main = _bars(
        known,
        MAIN_KINDS,
        "Main kinds of error",
        f"Points of AP at IoU {known[0].tide_threshold():g} that would be gained if this kind "
        "alone were repaired: the longest bar is what to work on first.",
    )
    special = _bars(
        known,
        SPECIAL_KINDS,
        "False positives and false negatives",
        "The same if everything wrong were at the bottom of the ranking, or everything lost were "
        "no ground truth.",
    )
    return [
        tag("div", main, special, class_="grid"),
        _table(known, entries[0] if differences else None),
    ]


def _bars(known: Sequence[MeasuredMethod], kinds: Sequence[str], title: str, aid: str) -> Html:
    groups = [
        Bars(
            entry.name,
            [entry.tide_cost(kind) for kind in kinds],
            entry.place,
            entry.place % (NUM_PATTERNS + 1),
            [entry.tide_costs(kind) for kind in kinds],
        )
        for entry in known
    ]
    rows = [WORDS[kind] for kind in kinds]
    return bar_chart(title, aid, rows, groups, unit="dAP, points of AP", decimals=2)


def _table(known: Sequence[MeasuredMethod], first: MeasuredMethod | None) -> Html:
    """Costs and counts, with differences to ``first`` where there is one."""
    rows: list[list[Child]] = []
    for entry in known:
        base = None if entry is first else first
        costs = (
            number_cell(
                entry.tide_cost(kind), _hundredths, base=base.tide_cost(kind) if base else None
            )
            for kind in ALL_KINDS
        )
        rows.append([f"{entry.name}, dAP", *costs])
        rows.append([f"{entry.name}, count", *(_count(entry, kind) for kind in ALL_KINDS)])
    title = "TIDE in numbers"
    aid = "Signed numbers are differences to the first row; of costs, less is better."
    lead = paragraph(aid, class_="lead") if first and len(known) > 1 else None
    return fold(title, table(("", *ALL_KINDS), rows, caption=title), lead)


def _count(entry: MeasuredMethod, kind: str) -> str:
    """Whole for one run, a mean with a decimal for several."""
    count = entry.tide_count(kind)
    if count is None:
        return UNDEFINED
    return f"{count:.0f}" if len(entry.runs) == 1 else f"{count:.1f}"


def _hundredths(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}".replace("-", "−")
