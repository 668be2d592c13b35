"""The table at the end of a pipeline: every method on every set, seeds averaged."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from ladcli.evaluate.method_cost import MethodCost
from ladcli.evaluate.table import UNDEFINED, fitted, signed
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.training_cost import UNKNOWN, TrainingCost

_COLUMNS = ("AP", "AP50", "AP75")
#: Columns that go where there is no room, in this order.
_GIVEN_UP = ("AP75", "seeds", "AP50")


@dataclass(frozen=True)
class StageResult:
    """One trained network on one set."""

    stage: str
    title: str  # how people call the stage
    run: str
    seed: int
    split: str
    metrics: CocoMetrics
    cost: TrainingCost = UNKNOWN


@dataclass(frozen=True)
class _Spread:
    """Points of 100 over the seeds of a stage."""

    mean: float
    deviation: float | None  # sample standard deviation; None for one seed

    @staticmethod
    def of(measured: Sequence[StageResult], key: str) -> _Spread:
        points = [100 * (m.metrics.stats[key] or 0.0) for m in measured]
        deviation = statistics.stdev(points) if len(points) > 1 else None
        return _Spread(statistics.fmean(points), deviation)

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ±{self.deviation:.1f}"
        return f"{self.mean:.1f}{spread}"


def summary_table(
    measured: Sequence[StageResult], *, baseline: str | None, width: int | None = None
) -> Table:
    """A row for every set and stage: AP, AP50 and AP75, mean ± deviation over its seeds.

    Args:
        measured: in the order of the stages.
        baseline: the stage over which the others' gain in AP is shown, or None.
        width: columns of the terminal; where they are few, AP75 goes first, then the seeds and
            AP50.
    """
    splits = list(dict.fromkeys(m.split for m in measured))
    rows = [
        _row(measured, stage, split, baseline)
        for split in splits
        for stage in _by_stage([m for m in measured if m.split == split])
    ]
    headers = ["set", "method", "seeds", *_COLUMNS, *(["gain"] if baseline else [])]
    return fitted(lambda shown: _table(headers, rows, shown), headers, _GIVEN_UP, width)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[str]) -> Table:
    """The columns of ``rows`` that are ``shown``."""
    table = Table(
        title="COCO metrics, points of 100",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    for number, header in enumerate(headers):
        if header not in shown:
            continue
        # Names wrap on a narrow terminal; numbers are always shown whole.
        if header in ("method", "seeds"):
            table.add_column(header, overflow="fold", min_width=len(header))
        else:
            width = max(len(cell) for cell in (header, *(row[number] for row in rows)))
            justify: JustifyMethod = "left" if header == "set" else "right"
            table.add_column(header, justify=justify, no_wrap=True, min_width=width)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        # Text, not str: a title such as "[red]" is no markup.
        cells = (Text(cell) for header, cell in zip(headers, row, strict=True) if header in shown)
        table.add_row(*cells, end_section=after is not None and after[0] != row[0])
    return table


def costs_by_method(measured: Sequence[StageResult]) -> list[MethodCost]:
    """What every method cost, in the order of the table; a run counts once for all sets."""
    return [
        MethodCost(here[0].title, tuple({m.run: m.cost for m in here}.values()))
        for here in _by_stage(measured).values()
    ]


def _by_stage(measured: Sequence[StageResult]) -> dict[str, list[StageResult]]:
    groups: dict[str, list[StageResult]] = {}
    for m in measured:
        groups.setdefault(m.stage, []).append(m)
    return groups


def _row(
    measured: Sequence[StageResult], stage: str, split: str, baseline: str | None
) -> list[str]:
    """The cells of one stage on one set."""
    here = [m for m in measured if m.stage == stage and m.split == split]
    base = [m for m in measured if m.stage == baseline and m.split == split]
    cells = [split, here[0].title, ", ".join(str(m.seed) for m in here)]
    cells += [str(_Spread.of(here, key)) for key in _COLUMNS]
    if stage == baseline:
        cells.append(UNDEFINED)
    elif baseline is not None:
        gain = _Spread.of(here, "AP").mean - _Spread.of(base, "AP").mean
        cells.append(signed(gain))
    return cells
