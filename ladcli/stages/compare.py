"""`lad compare`: two or more methods side by side, and whether the difference is real."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.data.folder import Split, find_split
from ladcli.errors import UserError
from ladcli.evaluate.bootstrap import Comparison, paired_bootstrap
from ladcli.evaluate.coco import CocoMetrics, metrics_of
from ladcli.evaluate.matching import Matching, match
from ladcli.evaluate.results import load_results
from ladcli.evaluate.run_folders import MethodResults, ResultsOf, find_results
from ladcli.evaluate.tide import TideReport, tide_errors
from ladcli.recipe.schema import DataConfig

#: Resamples by default: many where they are cheap, fewer from this number of images on.
RESAMPLES, RESAMPLES_OF_LARGE_SETS, LARGE_SET = 10_000, 1_000, 2_000


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and how."""

    split: Split = "val"
    network: str | None = None
    annotations: Path | None = None  # ground truth; by default that of the runs' own recipes
    data: Path | None = None  # data folder, where it has moved since
    resamples: int | None = None  # None: by the size of the set
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class ComparedMethod:
    """A method with what each of its runs reached."""

    name: str
    runs: tuple[str, ...]
    metrics: tuple[CocoMetrics, ...]  # beside the runs
    tide: tuple[TideReport, ...]
    gains: Comparison | None  # over the first method; None for the first itself

    def mean(self, key: str, class_name: str | None = None) -> float | None:
        """Mean of a number over the runs, share of 1."""
        values = self.values(key, class_name)
        return statistics.fmean(values) if values else None

    def spread(self, key: str) -> float | None:
        """Sample standard deviation over the runs; None for one run."""
        values = self.values(key)
        return statistics.stdev(values) if len(values) > 1 else None

    def values(self, key: str, class_name: str | None = None) -> list[float]:
        """A number of each run in which it is defined."""
        tables = (m.stats if class_name is None else m.per_class[class_name] for m in self.metrics)
        return [value for table in tables if (value := table[key]) is not None]

    def tide_cost(self, kind: str) -> float | None:
        """Mean dAP of a kind of error, points of 100."""
        costs = [report.entries[0].dap[kind] for report in self.tide]
        defined = [cost for cost in costs if cost is not None]
        return statistics.fmean(defined) if defined else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; gains with their intervals."""
        gains = None
        if self.gains is not None:
            gains = {
                "overall": {k: vars(g) for k, g in self.gains.overall.items()},
                "per_class": {
                    name: {k: vars(g) for k, g in table.items()}
                    for name, table in self.gains.per_class.items()
                },
            }
        return {
            "method": self.name,
            "runs": [
                {"run": run, **metrics.to_json(), **tide.to_json()}
                for run, metrics, tide in zip(self.runs, self.metrics, self.tide, strict=True)
            ],
            "gains": gains,
        }


@dataclass(frozen=True)
class ComparisonResult:
    """Everything that `lad compare` shows.  The first method is the baseline."""

    methods: tuple[ComparedMethod, ...]
    set_name: str
    num_images: int
    resamples: int
    confidence: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "set": self.set_name,
            "images": self.num_images,
            "resamples": self.resamples,
            "confidence": self.confidence,
            "baseline": self.methods[0].name,
            "methods": [method.to_json() for method in self.methods],
        }


@dataclass
class _Truths:
    """Ground truth of the runs: read once per file, and the same for all."""

    first: CocoFile | None = None
    first_of: str = ""
    by_path: dict[Path, CocoFile] = field(default_factory=dict)

    def of(self, results: ResultsOf, options: CompareOptions) -> CocoFile:
        path = _annotations_of(results, options)
        if path not in self.by_path:
            self.by_path[path] = read_coco(path)
        truth = self.by_path[path]
        if self.first is None:
            self.first, self.first_of = truth, results.given
        difference = _difference(self.first, truth)
        if difference:
            raise UserError(
                f"{results.given}: was measured on other data than {self.first_of} "
                f"({difference}); compare runs on the same set, or name one file for all with "
                "--annotations"
            )
        return truth


def compare(given: Sequence[str], options: CompareOptions) -> ComparisonResult:
    """Match every run's results once, and compare each method with the first.

    Raises:
        UserError: as `find_results`; ground truth that cannot be found, or differs.
    """
    methods = find_results(given, split=options.split, network=options.network)
    truths = _Truths()
    notes: dict[str, None] = {}
    matched = [_match_all(method, truths, options, notes) for method in methods]
    num_images = matched[0][0].num_images
    resamples = options.resamples
    if resamples is None:
        resamples = RESAMPLES if num_images < LARGE_SET else RESAMPLES_OF_LARGE_SETS
    gains: list[Comparison | None] = [None]
    gains += paired_bootstrap(
        matched[0],
        matched[1:],
        resamples=resamples,
        confidence=options.confidence,
        seed=options.seed,
    )
    compared = tuple(
        ComparedMethod(
            method.name,
            tuple(one.given for one in method.results),
            tuple(metrics_of(matching) for matching in matchings),
            tuple(_tide(one, truths.of(one, options)) for one in method.results),
            gain,
        )
        for method, matchings, gain in zip(methods, matched, gains, strict=True)
    )
    name = options.annotations.stem if options.annotations else options.split
    return ComparisonResult(compared, name, num_images, resamples, options.confidence, tuple(notes))


def _match_all(
    method: MethodResults, truths: _Truths, options: CompareOptions, notes: dict[str, None]
) -> list[Matching]:
    matchings = []
    for one in method.results:
        truth = truths.of(one, options)
        results = load_results(one.predictions, truth)
        notes |= dict.fromkeys((*truth.notes, *results.notes))
        matchings.append(match(truth, results))
    return matchings


def _tide(one: ResultsOf, truth: CocoFile) -> TideReport:
    return tide_errors(truth, load_results(one.predictions, truth))


def _annotations_of(results: ResultsOf, options: CompareOptions) -> Path:
    """The ground truth of one set of results."""
    if options.annotations is not None:
        return options.annotations
    if options.data is not None:
        config = DataConfig(dir=str(options.data))
    elif results.recipe is not None:
        config = results.recipe.data
    else:
        raise UserError(
            f"{results.given}: is a results file, so say what it was measured on with "
            "--annotations FILE"
        )
    files = find_split(config, options.split)
    if files is None:
        raise UserError(
            f"{results.given}: its data have no {options.split} set; choose another --split, or "
            "name the ground truth with --annotations FILE"
        )
    return files.annotations


def _difference(a: CocoFile, b: CocoFile) -> str | None:
    """How two files of ground truth differ, in words, or None."""
    if a is b:
        return None
    if a.classes != b.classes:
        difference = b.classes.difference(a.classes)
        return f"classes: {difference}" if difference else "the ids of the classes"
    if not np.array_equal(np.sort(a.image_ids), np.sort(b.image_ids)):
        return f"{len(a.image_ids)} images against {len(b.image_ids)}" + (
            "" if len(a.image_ids) != len(b.image_ids) else " with other ids"
        )
    order_a, order_b = _box_order(a), _box_order(b)
    same = len(a.boxes) == len(b.boxes) and all(
        np.array_equal(x, y) for x, y in zip(order_a, order_b, strict=True)
    )
    return None if same else "the boxes of the same images differ"


def _box_order(truth: CocoFile) -> list[np.ndarray]:
    """Boxes with their image and class in an order that does not hang on the file's."""
    columns = [
        truth.image_ids[truth.image_row],
        truth.class_row,
        truth.crowd,
        *np.asarray(truth.boxes).T,
    ]
    order = np.lexsort(columns[::-1])
    return [np.asarray(column)[order] for column in columns]
