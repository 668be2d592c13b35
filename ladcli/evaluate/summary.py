"""The table at the end of a pipeline: every method on every set, seeds averaged."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from ladcli.evaluate.coco import CocoMetrics

_COLUMNS = ("AP", "AP50", "AP75")


@dataclass(frozen=True)
class Measured:
    """One trained network on one set."""

    stage: str
    title: str  # how people call the stage
    run: str
    seed: int
    split: str
    metrics: CocoMetrics


@dataclass(frozen=True)
class _Spread:
    """Points of 100 over the seeds of a stage."""

    mean: float
    deviation: float | None  # sample standard deviation; None for one seed

    @staticmethod
    def of(measured: Sequence[Measured], key: str) -> _Spread:
        points = [100 * (m.metrics.stats[key] or 0.0) for m in measured]
        deviation = statistics.stdev(points) if len(points) > 1 else None
        return _Spread(statistics.fmean(points), deviation)

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ±{self.deviation:.1f}"
        return f"{self.mean:.1f}{spread}"


def summary_table(measured: Sequence[Measured], *, baseline: str | None) -> Table:
    """A row for every stage: AP, AP50 and AP75 on every set, mean ± deviation over its seeds.

    Args:
        measured: in the order of the stages.
        baseline: the stage whose AP the others are compared with, or None.
    """
    splits = list(dict.fromkeys(m.split for m in measured))
    table = Table(title="COCO metrics, points of 100")
    table.add_column("method", no_wrap=True)
    table.add_column("seeds", no_wrap=True)
    for split in splits:
        for key in _COLUMNS:
            table.add_column(f"{split}\n{key}", justify="right", no_wrap=True)
        if baseline is not None:
            table.add_column(f"{split}\nvs base", justify="right", no_wrap=True)
    for stage, rows in _by_stage(measured).items():
        cells = [rows[0].title, ", ".join(str(s) for s in dict.fromkeys(m.seed for m in rows))]
        for split in splits:
            here = [m for m in rows if m.split == split]
            cells += [str(_Spread.of(here, key)) for key in _COLUMNS]
            if baseline is not None:
                cells.append(_against(measured, here, stage, baseline, split))
        table.add_row(*cells)
    return table


def verdict(measured: Sequence[Measured], *, baseline: str | None) -> list[str]:
    """Who won on each set, in a sentence each; nothing without a baseline."""
    if baseline is None:
        return []
    lines = []
    for split in dict.fromkeys(m.split for m in measured):
        means = {
            stage: _Spread.of([m for m in rows if m.split == split], "AP").mean
            for stage, rows in _by_stage(measured).items()
        }
        titles = {m.stage: m.title for m in measured}
        best = max(means, key=lambda stage: means[stage])
        gain = means[best] - means[baseline]
        if best == baseline:
            lines.append(f"{split}: the baseline {titles[baseline]} wins with AP {means[best]:.1f}")
        else:
            lines.append(
                f"{split}: {titles[best]} wins with AP {means[best]:.1f}, {gain:+.1f} on the "
                f"baseline {titles[baseline]}"
            )
    return lines


def _by_stage(measured: Sequence[Measured]) -> dict[str, list[Measured]]:
    groups: dict[str, list[Measured]] = {}
    for m in measured:
        groups.setdefault(m.stage, []).append(m)
    return groups


def _against(
    measured: Sequence[Measured], here: Sequence[Measured], stage: str, baseline: str, split: str
) -> str:
    if stage == baseline:
        return "–"
    base = [m for m in measured if m.stage == baseline and m.split == split]
    return f"{_Spread.of(here, 'AP').mean - _Spread.of(base, 'AP').mean:+.1f}"
