"""How good the detections are: COCO's numbers, AP per class, precision and recall, TIDE's errors.

Every chart takes any number of entries, so that the two networks of CoLAD stand side by side, and
so do several runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ladcli.evaluate.average_precision import RECALLS
from ladcli.evaluate.report.content import SetResult
from ladcli.evaluate.report.html import Child, Html, fold, join, paragraph, section, table, tag
from ladcli.evaluate.report.measure import STATS
from ladcli.evaluate.report.precision_recall import mean_curve
from ladcli.evaluate.report.svg import (
    NUM_PATTERNS,
    Bars,
    Line,
    Point,
    bar_chart,
    line_chart,
    line_legend,
)
from ladcli.evaluate.table import PRECISIONS, UNDEFINED, points
from ladcli.evaluate.tide_repairs import ALL_KINDS, MAIN_KINDS, SPECIAL_KINDS

#: Classes that get bars and curves; of more, the best and the worst, or the most frequent.
MAX_BARS, MAX_CURVES = 90, 40
_ROWS_PER_CHART = 30
#: So many classes are shown without being asked for.
_FEW = 8

#: TIDE's kinds in words.
KINDS = {
    "Cls": "Cls: wrong class",
    "Loc": "Loc: badly placed",
    "Both": "Both of these",
    "Dupe": "Dupe: duplicate",
    "Bkg": "Bkg: background",
    "Miss": "Miss: not found",
    "FalsePos": "FalsePos: all false",
    "FalseNeg": "FalseNeg: all lost",
}


@dataclass(frozen=True)
class Entry:
    """Something that was measured, under the name that legends give it."""

    name: str
    result: SetResult


def scores_section(entries: Sequence[Entry], *, differences: bool = False) -> Html:
    """Everything about the entries on one set.

    Args:
        entries: at least one; those without numbers are left out.
        differences: show gains over the first entry.
    """
    entries = [entry for entry in entries if entry.result.metrics is not None]
    if not entries:
        return Html("")
    return join(
        [
            section("COCO metrics", _numbers(entries, differences), level=3),
            section("AP per class", _classes(entries, differences), level=3),
            section("Precision and recall", *_precision_recall(entries), level=3),
            section("What kinds of error cost (TIDE)", *_tide(entries, differences), level=3),
        ]
    )


def _stats(entry: Entry) -> Mapping[str, float | None]:
    assert entry.result.metrics is not None  # entries without were left out
    return entry.result.metrics.stats


def _per_class(entry: Entry, name: str) -> Mapping[str, float | None]:
    assert entry.result.metrics is not None
    return entry.result.metrics.per_class.get(name, {})


def _numbers(entries: Sequence[Entry], differences: bool) -> Html:
    rows = []
    for k, entry in enumerate(entries):
        base = _stats(entries[0]) if differences and k else {}
        own = _stats(entry)
        rows.append([entry.name, *(_cell(own.get(s), base.get(s), points) for s in STATS)])
    aid = (
        "Points of 100. AP averages IoU thresholds .50 to .95; s, m, l are small, medium and large "
        "objects (area below 32², up to 96², beyond); AR1, AR10, AR100 are recalls with that many "
        "detections per image and class."
    )
    if differences:
        aid += " Signed numbers are gains over the first row."
    return join(
        [
            table(("", *STATS), rows, caption="COCO metrics"),
            tag("p", aid, class_="lead"),
        ]
    )


def _cell(value: float | None, base: float | None, shown: Callable[[float | None], str]) -> Child:
    """A number, and what it gained over ``base`` where that is one."""
    if value is None or base is None:
        return shown(value)
    difference = shown(abs(value - base))
    sign = "±" if float(difference) == 0 else "+" if value > base else "−"
    return join([shown(value), " ", tag("span", f"{sign}{difference}", class_="gain")])


def class_names(entries: Sequence[Entry]) -> list[str]:
    """The classes of all entries, each once, in the order of the class tables."""
    names: dict[str, None] = {}
    for entry in entries:
        assert entry.result.metrics is not None
        names |= dict.fromkeys(entry.result.metrics.per_class)
    return list(names)


def _classes(entries: Sequence[Entry], differences: bool) -> Html:
    """Bars, and the table beside them where it is short, else on demand."""
    bars, numbers = _class_bars(entries), _class_table(entries, differences)
    if len(class_names(entries)) <= _FEW:
        return tag("div", bars, numbers, class_="beside")
    return join([bars, fold("All numbers per class", numbers)])


def _class_bars(entries: Sequence[Entry]) -> Html:
    """AP of every class, the best one of the first entry at the top."""
    names = [n for n in class_names(entries) if any(_ap(e, n) is not None for e in entries)]
    names.sort(key=lambda name: -(_ap(entries[0], name) or 0.0))
    first = f" of {entries[0].name}" if len(entries) > 1 else ""
    aid = f"Longer is better; classes are sorted by the AP{first}."
    if len(names) > MAX_BARS:
        half = MAX_BARS // 2
        aid += (
            f" Shown are the {half} best and the {half} worst of {len(names)}; the table has all."
        )
        names = names[:half] + names[-half:]
    charts = []
    for start in range(0, len(names), _ROWS_PER_CHART):
        rows = names[start : start + _ROWS_PER_CHART]
        groups = [
            Bars(entry.name, [_points(_ap(entry, row)) for row in rows], k, k % (NUM_PATTERNS + 1))
            for k, entry in enumerate(entries)
        ]
        title = "AP per class" + (f", from place {start + 1}" if start else "")
        charts.append(
            bar_chart(title, aid, rows, groups, unit="AP, points of 100", limits=(0.0, 100.0))
        )
    return tag("div", *charts, class_="grid") if charts else Html("")


def _ap(entry: Entry, name: str) -> float | None:
    return _per_class(entry, name).get("AP")


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _class_table(entries: Sequence[Entry], differences: bool) -> Html:
    """One entry: all its numbers per class.  Several: their AP side by side."""
    names = class_names(entries)
    objects = _objects(entries)
    counts = ("objects",) if objects else ()

    def count(name: str) -> list[Child]:
        return [str(objects.get(name, UNDEFINED))] if objects else []

    rows: list[list[Child]]
    if len(entries) == 1:
        columns: tuple[str, ...] = (*PRECISIONS, "AR100")
        rows = [
            [n, *count(n), *(points(_per_class(entries[0], n).get(c)) for c in columns)]
            for n in names
        ]
    else:
        columns = tuple(entry.name for entry in entries)
        rows = [
            [
                n,
                *count(n),
                *(
                    _cell(_ap(e, n), _ap(entries[0], n) if differences and k else None, points)
                    for k, e in enumerate(entries)
                ),
            ]
            for n in names
        ]
    title = "Numbers per class" if len(entries) == 1 else "AP per class"
    return table(("class", *counts, *columns), rows, caption=title)


def _objects(entries: Sequence[Entry]) -> dict[str, int]:
    """How many objects each class has in the ground truth, where it is known."""
    truth = next((e.result.truth for e in entries if e.result.truth is not None), None)
    if truth is None:
        return {}
    told = truth.annotations
    counts = np.bincount(told.class_row[~told.crowd], minlength=len(told.classes))
    return dict(zip(told.classes.names, counts.tolist(), strict=True))


def _precision_recall(entries: Sequence[Entry]) -> list[Html]:
    """The mean curves, and on demand those of every class."""
    known = [(k, e) for k, e in enumerate(entries) if e.result.precision is not None]
    if not known:
        return []
    one = len(entries) == 1
    lines = [line for k, e in known for line in _curves(k, e, None, named=not one)]
    aid = (
        "Precision that is still reached at each recall, at IoU 0.5 (strong lines) and 0.75 (thin "
        "ones): the area below a curve is its AP."
    )
    above = [paragraph(aid, class_="lead"), line_legend(lines)]
    mean = _curve_chart("Mean over classes", _shown(e for _, e in known), lines)
    names = class_names(entries)
    objects = _objects(entries)
    if len(names) > MAX_CURVES:
        kept = sorted(names, key=lambda n: -objects.get(n, 0))[:MAX_CURVES]
        names = [n for n in names if n in kept]
    charts = []
    for name in names:
        own = [line for k, e in known for line in _curves(k, e, name, named=not one)]
        charts.append(_curve_chart(name, _shown((e for _, e in known), name), own))
    if len(names) <= _FEW:
        return [*above, tag("div", mean, *charts, class_="grid")]
    title = "Precision and recall per class" + (
        f", the {MAX_CURVES} most frequent" if len(names) == MAX_CURVES else ""
    )
    every = tag("div", *charts, class_="grid")
    return [*above, tag("div", mean, class_="grid"), fold(title, line_legend(lines), every)]


def _shown(entries: Iterable[Entry], name: str | None = None) -> str:
    """AP50 of every entry, of one class or, without a name, of all."""
    values = (_stats(e) if name is None else _per_class(e, name) for e in entries)
    return f"AP50 {', '.join(points(v.get('AP50')) for v in values)}"


def _curve_chart(title: str, aid: str, lines: Sequence[Line]) -> Html:
    return line_chart(
        title,
        aid,
        lines,
        x_label="recall",
        y_label="precision",
        x=(0.0, 1.0),
        y=(0.0, 1.0),
        legend=False,
    )


def _curves(position: int, entry: Entry, name: str | None, *, named: bool) -> list[Line]:
    """The curves of an entry at both thresholds, of one class or, without a name, of the mean."""
    precision, truth = entry.result.precision, entry.result.truth
    assert precision is not None
    assert truth is not None  # no curves without
    lines = []
    for row, (words, thin) in enumerate((("IoU 0.5", False), ("IoU 0.75", True))):
        if name is None:
            curve = mean_curve(precision[row])
        elif name in truth.annotations.classes.names:
            curve = precision[row, truth.annotations.classes.names.index(name)]
        else:
            continue
        steps = _without_repeats(curve)
        who = f"{entry.name}, " if named else ""
        lines.append(Line(who + words, steps, position, position, thin))
    return [line for line in lines if line.points]


def _without_repeats(curve: np.ndarray) -> list[Point]:
    """(recall, precision) of a curve [101], without the inner points of level stretches."""
    if np.isnan(curve).any():
        return []
    same = np.diff(curve) == 0
    inner = np.concatenate([[False], same[:-1] & same[1:], [False]])
    return list(zip(RECALLS[~inner].tolist(), curve[~inner].tolist(), strict=True))


def _tide(entries: Sequence[Entry], differences: bool) -> list[Html]:
    known = [(k, e) for k, e in enumerate(entries) if e.result.tide is not None]
    if not known:
        return []
    first = known[0][1].result.tide
    assert first is not None
    at = first.thresholds.positive
    main = _tide_bars(
        known,
        MAIN_KINDS,
        "Main kinds of error",
        f"Points of AP at IoU {at:g} that would be gained if this kind alone were repaired: "
        "the longest bar is what to work on first.",
    )
    special = _tide_bars(
        known,
        SPECIAL_KINDS,
        "False positives and false negatives",
        "The same if everything wrong were at the bottom of the ranking, or everything lost were "
        "no ground truth.",
    )
    return [tag("div", main, special, class_="grid"), _tide_table(known, differences)]


def _tide_bars(
    known: Sequence[tuple[int, Entry]], kinds: Sequence[str], title: str, aid: str
) -> Html:
    groups = []
    for k, entry in known:
        assert entry.result.tide is not None
        values = [_finite(entry.result.tide.dap.get(kind)) for kind in kinds]
        groups.append(Bars(entry.name, values, k, k % (NUM_PATTERNS + 1)))
    rows = [KINDS[kind] for kind in kinds]
    return bar_chart(title, aid, rows, groups, unit="dAP, points of AP", decimals=2)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _tide_table(known: Sequence[tuple[int, Entry]], differences: bool) -> Html:
    rows: list[list[Child]] = []
    base = known[0][1].result.tide
    for k, entry in known:
        tide = entry.result.tide
        assert tide is not None
        assert base is not None
        compare = differences and k != known[0][0]
        rows.append(
            [
                f"{entry.name}, dAP",
                *(
                    _cell(tide.dap.get(kind), base.dap.get(kind) if compare else None, _hundredths)
                    for kind in ALL_KINDS
                ),
            ]
        )
        counts = [str(tide.counts.get(kind, UNDEFINED)) for kind in ALL_KINDS]
        rows.append([f"{entry.name}, count", *counts])
    title = "TIDE in numbers"
    return fold(title, table(("", *ALL_KINDS), rows, caption=title))


def _hundredths(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}".replace("-", "−")
