"""Draws docs/cost-curve.png: AP over what training cost, of the runs of pipeline `bccd-cost`.

python docs/make_cost_curve.py runs/bccd-cost

Needs matplotlib (`pip install matplotlib`). Prints the table below the picture. Works while the
pipeline is still running: methods that lack a seed are drawn with those that are there, and said.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

EPOCHS = (4, 8, 12, 24, 48)
TEACHERS = (12, 48)
SEEDS = (0, 1, 2)
#: A run's folder: paa-EPOCHS or ladTEACHER-EPOCHS, and the seed.
FOLDER = re.compile(r"(?:paa|lad(?P<teacher>\d+))-(?P<epochs>\d+)-seed(?P<seed>\d+)")
COLORS = {None: "#555555", 12: "#d1495b", 48: "#00798c"}


@dataclass(frozen=True)
class Point:
    """One method at one length, over the seeds that were measured."""

    teacher: int | None  # epochs of the teacher; None is plain PAA
    epochs: int  # of the network itself
    aps: tuple[float, ...]  # points of 100, by seed

    @property
    def mean(self) -> float:
        return statistics.fmean(self.aps)

    @property
    def deviation(self) -> float:
        return statistics.stdev(self.aps) if len(self.aps) > 1 else 0.0

    @property
    def total(self) -> int:
        """Epochs of training, the teacher's included."""
        return self.epochs + (self.teacher or 0)

    @property
    def name(self) -> str:
        return "PAA" if self.teacher is None else f"LAD, teacher of {self.teacher} epochs"


def main() -> None:
    """Parse the command line, print the table and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the pipeline")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "cost-curve.png")
    options = parser.parse_args()
    found = {split: collect(options.runs, split) for split in ("val", "test")}
    for line in table(found):
        print(line)
    draw(found["test"], options.out)


def collect(runs: Path, split: str) -> list[Point]:
    """AP of every run that was measured on ``split``, by method and length."""
    aps: dict[tuple[int | None, int], dict[int, float]] = {}
    for file in sorted(runs.glob(f"*/eval/model/{split}/metrics.json")):
        named = FOLDER.fullmatch(file.relative_to(runs).parts[0])
        if named is None:
            continue
        teacher = int(named["teacher"]) if named["teacher"] else None
        ap = json.loads(file.read_text(encoding="utf-8"))["coco"]["stats"][0]
        aps.setdefault((teacher, int(named["epochs"])), {})[int(named["seed"])] = 100 * ap
    return [
        Point(teacher, epochs, tuple(of_seeds[seed] for seed in sorted(of_seeds)))
        for (teacher, epochs), of_seeds in sorted(aps.items(), key=lambda i: (i[0][0] or 0, i[0]))
    ]


def table(found: Mapping[str, Iterable[Point]]) -> list[str]:
    """Rows in Markdown: AP and its deviation over seeds, by cost."""
    rows = ["| method | epochs | with the teacher's | val | test |", "|---|---|---|---|---|"]
    tests = {(p.teacher, p.epochs): p for p in found["test"]}
    for point in found["val"]:
        other = tests.get((point.teacher, point.epochs))
        shown = [_shown(p) for p in (point, other)]
        rows.append(f"| {point.name} | {point.epochs} | {point.total} | {' | '.join(shown)} |")
    return rows


def _shown(point: Point | None) -> str:
    if point is None:
        return "–"
    seeds = "" if len(point.aps) == len(SEEDS) else f" ({len(point.aps)} of {len(SEEDS)} seeds)"
    return f"{point.mean:.1f} ±{point.deviation:.1f}{seeds}"


def draw(points: Iterable[Point], out: Path) -> None:
    """Two charts: the teacher is there anyway, and the teacher is paid for."""
    from matplotlib import pyplot as plt

    figure, (free, paid) = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    points = list(points)
    for teacher in (None, *TEACHERS):
        own = [p for p in points if p.teacher == teacher]
        if not own:
            continue
        for axes, costs in ((free, [p.epochs for p in own]), (paid, [p.total for p in own])):
            axes.errorbar(
                costs,
                [p.mean for p in own],
                yerr=[p.deviation for p in own],
                color=COLORS[teacher],
                marker="o",
                capsize=3,
                label=own[0].name,
            )
    free.set(title="The teacher is there anyway", xlabel="epochs of the student", ylabel="AP, test")
    paid.set(title="The teacher is paid for", xlabel="epochs of teacher and student")
    for axes, ticks in ((free, EPOCHS), (paid, (4, 8, 12, 16, 24, 36, 48, 60, 96))):
        axes.set_xscale("log")
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    free.legend(frameon=False, loc="lower right")
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
