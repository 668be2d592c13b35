"""`lad data stats`: what is in a data set, as numbers and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ladcli.data.brightness import Brightness, mean_brightness, spread_evenly
from ladcli.data.folder import Split, find_annotations, find_split
from ladcli.data.index import CocoIndex, build_index
from ladcli.data.layouts import SPLITS
from ladcli.data.statistics import Annotated, DataStatistics, MeasuredSet, read_annotated
from ladcli.detector.levels import DEFAULT_LAYOUT, FIRST_LEVELS
from ladcli.engine.progress import progress
from ladcli.errors import UserError
from ladcli.evaluate.report.data_page import data_page
from ladcli.files import write_text
from ladcli.outputs import require_replaceable
from ladcli.recipe.schema import DataConfig, Recipe
from ladcli.recognize import is_page
from ladcli.stages.input_boxes import input_boxes, reach_warning

#: Images of a set that are decoded for their brightness, by default.
USUAL_SAMPLE = 1000


@dataclass(frozen=True)
class StatsOptions:
    """What to look at.  The data themselves and the input size are a recipe's."""

    split: Split | None = None  # one set of the data folder; None is every one there is
    annotations: Path | None = None  # an annotation file instead
    sample: int = USUAL_SAMPLE  # images of each set to decode, evenly spread; 0 is none
    page: Path | None = None  # HTML page to write
    quiet: bool = False


@dataclass(frozen=True)
class DataLook:
    """What was found, and what is to be said of it."""

    statistics: DataStatistics
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Files:
    """Files of one set."""

    name: str
    annotations: Path
    images: Path | None  # None where no folder of images was found
    notes: tuple[str, ...] = ()


def data_stats(recipe: Recipe, options: StatsOptions) -> DataLook:
    """Count and measure the sets of a data folder, or of one annotation file.

    Args:
        recipe: its data are looked at, and its largest input size is the one that boxes have.

    Raises:
        UserError: no data are named or found, they are unsound, or the page cannot be written.
    """
    files = _find(recipe.data, options)
    if options.page is not None:
        _require_page_name(options.page, files)
    opened = [_open(one, options.sample) for one in files]
    bright = _brightness([(one.index, one.sample) for one in opened], quiet=options.quiet)
    sized = [input_boxes(one.index, recipe.data.short[-1], recipe.data.long) for one in opened]
    measured = [
        MeasuredSet(
            name=one.name,
            annotated=one.annotated,
            index=one.index,
            input_sides=boxes.sides,
            level=level,
            reached=iou >= recipe.assign.min_iou,
            has_images=one.has_images,
            brightness=brightness,
        )
        for one, boxes, brightness in zip(opened, sized, bright, strict=True)
        for iou, level in [boxes.best_anchor(DEFAULT_LAYOUT)]
    ]
    statistics = DataStatistics.of(
        measured,
        short=recipe.data.short[-1],
        long=recipe.data.long,
        level_names=DEFAULT_LAYOUT.level_names,
    )
    notes = [note for one in opened for note in one.notes]
    if opened[0].name == "train":
        warning = reach_warning(
            recipe, opened[0].index, sized[0], DEFAULT_LAYOUT, levels=FIRST_LEVELS
        )
        notes += [warning] if warning else []
    if options.page is not None:
        title = Path(recipe.data.dir or files[0].annotations).resolve().name
        write_text(options.page, data_page(title, statistics, measured, notes))
    return DataLook(statistics, tuple(notes))


def _find(data: DataConfig, options: StatsOptions) -> list[_Files]:
    """The files of every set that is to be looked at."""
    if options.annotations is not None:
        named = data.model_copy(update={"val_json": str(options.annotations)})
        return [_with_images(named, "val", options.annotations.stem)]
    if data.dir is None:
        raise UserError("no data: name a folder with --data, or a file with --annotations")
    if options.split is None:
        return _find_all(data)
    if find_annotations(data, options.split) is None:
        raise UserError(
            f"{data.dir}: has no {options.split} set; choose another --split, or name an "
            "annotation file with --annotations"
        )
    return [_with_images(data, options.split, options.split)]


def _find_all(data: DataConfig) -> list[_Files]:
    """Every set of a data folder; one without training images is as good as any."""
    found: list[_Files] = []
    problems: list[UserError] = []
    for split in SPLITS:
        try:
            if find_annotations(data, split) is not None:
                found.append(_with_images(data, split, split))
        except UserError as error:
            problems.append(error)
    if not found:
        raise problems[0]  # a missing training set is one
    found[0] = replace(found[0], notes=(*map(str, problems), *found[0].notes))
    return found


def _with_images(data: DataConfig, split: Split, name: str) -> _Files:
    """The files of a set.  Where its images are not found, a note says so: counting needs none."""
    try:
        files = find_split(data, split)
    except UserError as error:
        annotations = find_annotations(data, split)
        if annotations is None or data.images is not None:
            raise
        return _Files(name, annotations, None, (f"{name}: no image is looked at ({error})",))
    assert files is not None  # the caller has found its annotations
    return _Files(name, files.annotations, files.images)


def _require_page_name(page: Path, files: Sequence[_Files]) -> None:
    """Refuse a page that would replace anything but a page of this program."""
    if page.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--html {page}: is no name for a page; name a file that ends in .html")
    inputs = {f"the set {one.name}": one.annotations for one in files}
    require_replaceable(page, is_page, "a page of this program", flag="--html", inputs=inputs)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A set that was read."""

    name: str
    annotated: Annotated
    index: CocoIndex
    has_images: bool
    sample: np.ndarray  # [K] int64, rows of the images to look at
    notes: tuple[str, ...]


def _open(files: _Files, sample: int) -> _Opened:
    annotated = read_annotated(files.annotations)
    index = build_index(annotated.truth, files.images or Path())
    rows = spread_evenly(len(index), sample if files.images else 0)
    notes = (*files.notes, *index.notes)
    return _Opened(files.name, annotated, index, files.images is not None, rows, notes)


def _brightness(
    samples: Sequence[tuple[CocoIndex, np.ndarray]], *, quiet: bool
) -> list[Brightness]:
    """The brightness of a sample (rows) of each set, under one display."""
    total = sum(len(rows) for _, rows in samples)
    found: list[Brightness] = []
    with progress("decode", total, unit="images", quiet=quiet or not total) as reporter:
        for index, rows in samples:
            before = sum(one.looked_at for one in found)

            def report(done: int, before: int = before) -> None:
                reporter.update(before + done)

            found.append(mean_brightness(index, rows, on_progress=report))
    return found
