"""`lad compare`: two or more methods side by side, and whether the difference is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ladcli.data.coco_json import CocoFile
from ladcli.data.folder import Split, find_annotations
from ladcli.engine.progress import progress
from ladcli.errors import UserError
from ladcli.evaluate.bootstrap import Draws
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.evaluate.gains import Gains, MatchedRun, gains_over
from ladcli.evaluate.images_seen import ImagesSeen
from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun
from ladcli.evaluate.measurements import Measurement, Measurements
from ladcli.evaluate.report.parts.intervals import intervals
from ladcli.evaluate.same_truth import truth_difference
from ladcli.recipe.schema import DataConfig
from ladcli.runs.find_results import MethodResults, ResultsOf, find_results
from ladcli.runs.names import ONLY_NETWORK
from ladcli.stages.report import compare_report, page_target, run_folders
from ladcli.stages.run_costs import read_run_cost
from ladcli.training_cost import UNKNOWN

#: Resamples by default: many where they are cheap, fewer from this number of images on.
RESAMPLES, RESAMPLES_OF_LARGE_SETS, LARGE_SET = 10_000, 1_000, 2_000


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, and how."""

    split: Split | None = None  # whose results to take from run folders; see `results_of`
    network: str | None = None
    annotations: Path | None = None  # ground truth; by default that of the runs' own recipes
    data: Path | None = None  # data folder, where it has moved since
    all_intervals: bool = False  # of sizes and TIDE too
    resamples: int | None = None  # None: by the size of the set
    confidence: float = 0.95
    seed: int = 0
    quiet: bool = False

    @property
    def results_of(self) -> str:
        """The set whose results run folders give: by default what `lad eval` calls the file."""
        if self.split is None and self.annotations is not None:
            return self.annotations.stem
        return self.split or "val"

    @property
    def set_name(self) -> str:
        """What the ground truth is called."""
        return self.annotations.stem if self.annotations is not None else self.results_of


def compare(
    given: Sequence[str], options: CompareOptions, *, page: Path | None = None
) -> ComparisonResult:
    """Measure every run once, and compare each method with the first.

    Args:
        given: run folders or results files, see `find_results`.
        options: what to compare, and how.
        page: HTML file to write too.

    Raises:
        UserError: as `find_results`; ground truth that cannot be found, or differs; a results
            file or a folder without notes where a page is asked for, or a bad name for it.
    """
    if options.annotations is not None and not options.annotations.is_file():
        raise UserError(f"{options.annotations}: no such annotation file; check --annotations")
    methods = find_results(given, split=options.results_of, network=options.network)
    _require_network(methods, options.network)
    return compare_methods(methods, options, page=page)


def _require_network(methods: Sequence[MethodResults], wanted: str | None) -> None:
    """Refuse a choice of network that chooses nothing."""
    runs = (one.run for method in methods for one in method.results if one.run is not None)
    if wanted is not None and all(network != wanted for _, network in runs):
        raise UserError(
            f"--network {wanted}: none of these runs trained such a network; leave it out"
        )


def compare_methods(
    methods: Sequence[MethodResults],
    options: CompareOptions,
    *,
    page: Path | None = None,
    measurements: Measurements | None = None,
) -> ComparisonResult:
    """The same of methods that are known already; at least two.

    Args:
        measurements: of some of their results, where they were made.
    """
    if page is not None:  # refused before the long part, not after it
        _require_runs(methods)
        page_target(run_folders(methods), page, flag="--html")
    measurements = measurements or Measurements()
    result = _compare(methods, options, measurements)
    if page is not None:
        written = compare_report(
            methods,
            measurements,
            set_name=options.results_of,
            data=options.data,
            annotations=options.annotations,
            out=page,
            extra=[("Is the gain real?", intervals(result))],
        )
        result = replace(result, notes=tuple(dict.fromkeys((*result.notes, *written.notes))))
    return result


def _require_runs(methods: Sequence[MethodResults]) -> None:
    """Refuse bare results files: a page needs the run folders behind them."""
    for one in (one for method in methods for one in method.results):
        if one.run is None:
            raise UserError(
                f"{one.given}: is a results file, and --html needs run folders; leave --html out"
            )


def _compare(
    methods: Sequence[MethodResults], options: CompareOptions, measurements: Measurements
) -> ComparisonResult:
    reader = _Reader(options, measurements)
    measured = [[reader.measure(one) for one in method.results] for method in methods]
    num_images = measured[0][0].matching.num_images
    resamples = options.resamples
    if resamples is None:
        resamples = RESAMPLES if num_images < LARGE_SET else RESAMPLES_OF_LARGE_SETS
    quiet = options.quiet or num_images < LARGE_SET  # takes seconds
    draws = Draws(resamples, options.confidence, options.seed)
    gains = _gains(measured, draws, everything=options.all_intervals, quiet=quiet)
    compared = tuple(
        MeasuredMethod(
            method.name,
            tuple(
                _run(one, found, options.results_of)
                for one, found in zip(method.results, runs, strict=True)
            ),
            place,
            gain,
        )
        for place, (method, runs, gain) in enumerate(
            zip(methods, measured, (None, *gains), strict=True)
        )
    )
    return ComparisonResult(
        compared, options.set_name, num_images, resamples, options.confidence, tuple(reader.notes)
    )


def _run(one: ResultsOf, found: Measurement, set_name: str) -> MeasuredRun:
    """What a set of results says of its run; of a bare results file no cost is known."""
    return MeasuredRun(
        ONLY_NETWORK if one.run is None else one.run[1],
        set_name,
        found.metrics,
        found.tide.entries[0],
        name=one.given,
        cost=UNKNOWN if one.run is None else read_run_cost(*one.run),
    )


def _gains(
    measured: list[list[Measurement]], draws: Draws, *, everything: bool, quiet: bool
) -> list[Gains]:
    """Differences to the first method; of ``everything``, sizes and TIDE included."""
    matched = [
        [MatchedRun(run.matching, run.repairs if everything else None) for run in runs]
        for runs in measured
    ]
    total = draws.count * sum(len(runs) for runs in matched)
    with progress("resample", total, unit="resamples", quiet=quiet) as reporter:
        return gains_over(matched[0], matched[1:], draws, on_progress=reporter.update)


class _Reader:
    """Sees to it that all results are of the same.

    They are measured on the ground truth of the first: the others have the same, perhaps in
    another order.
    """

    def __init__(self, options: CompareOptions, measurements: Measurements) -> None:
        self.notes: dict[str, None] = {}  # each once, in order
        self._options = options
        self._first: tuple[str, CocoFile] | None = None  # whose it is, and the ground truth
        self._known_equal: set[Path] = set()
        self._images: tuple[str, ImagesSeen] | None = None  # and what was seen of it
        self._measurements = measurements

    def measure(self, one: ResultsOf) -> Measurement:
        """Read a set of results."""
        truth = self._truth_of(one)
        found = self._measurements.of(one.predictions, truth)
        self.notes |= dict.fromkeys(found.results.notes)
        self._require_same_images(one, truth, found.images)
        return found

    def _require_same_images(self, one: ResultsOf, truth: CocoFile, images: ImagesSeen) -> None:
        """Refuse results of another part of ``truth`` than the first's."""
        if self._images is None:
            self._images = one.given, images
            self.notes |= dict.fromkeys(images.notes(truth))
        first_of, first = self._images
        if images != first:
            other = str(images) if str(images) != str(first) else f"{images}, others of them"
            raise UserError(
                f"{one.given}: is of {other}, and {first_of} is of {first} (the rest could not be "
                "read), so the difference would be one of images; evaluate both where the same "
                "images can be read"
            )

    def _truth_of(self, one: ResultsOf) -> CocoFile:
        path = _annotations_of(one, self._options)
        if self._first is None:
            self._first = one.given, self._measurements.truth(path)
            self.notes |= dict.fromkeys(self._first[1].notes)
        elif path not in self._known_equal:
            _require_same_truth(*self._first, one.given, self._measurements.truth(path))
            # From here on one stands for both.
            self._measurements.know_truth(path, self._first[1])
        self._known_equal.add(path)
        return self._first[1]


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
            f"{results.given}: no recipe beside these results says what they were measured on; "
            "name the ground truth with --annotations FILE"
        )
    split = options.split or "val"
    try:
        path = find_annotations(config, split)
    except UserError as error:
        if options.data is not None:
            raise
        reason, _, _ = str(error).partition(";")  # its remedy is for those who named the data
        raise UserError(
            f"{results.given}: its recipe names data that are not there ({reason}); say where they "
            "are with --data DIR, or name the ground truth with --annotations FILE"
        ) from error
    if path is None:
        raise UserError(
            f"{results.given}: its data have no {split} set; choose another --split, or name the "
            "ground truth with --annotations FILE"
        )
    return path


def _require_same_truth(first_of: str, first: CocoFile, other_of: str, other: CocoFile) -> None:
    difference = truth_difference(other, first)
    if difference:
        raise UserError(
            f"{other_of}: was measured on other data than {first_of} ({difference}); compare runs "
            "on the same set, or name one file for all with --annotations"
        )
