"""What is in a data set, in numbers: images, boxes, classes, sizes.

A box is what a detector learns and is measured by; crowd regions and difficult objects are counted
apart.  Sides are square roots of areas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.brightness import Brightness
from ladcli.data.coco_json import CocoFile, examine
from ladcli.data.findings import Findings
from ladcli.data.index import CocoIndex
from ladcli.json_text import read_json

#: Shares of the values that lie below each number of a `Spread`, with the names of the numbers.
QUANTILES = {
    "min": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0,
}  # fmt: skip
#: Sides from which a box is medium and large in COCO's sense, pixels.
MEDIUM_FROM, LARGE_FROM = 32, 96
SIZES = ("small", "medium", "large")
#: Detections of an image that COCO's AP takes; further objects cannot be found.
COUNTED_BOXES = 100
#: Image sizes that are listed, the most common ones.
_LISTED_SIZES = 5


@dataclass(frozen=True, eq=False)
class Annotated:
    """The annotations of a set.  A annotations that count."""

    truth: CocoFile
    difficult: np.ndarray  # [A] bool, marked ``ignore``
    total: int  # annotations in the file, sound or not


def read_annotated(path: Path) -> Annotated:
    """As `ladcli.data.coco_json.read_coco`, with difficult annotations told apart.

    Raises:
        UserError: as there.
    """
    records = examine(path, read_json(path), Findings(path), need_annotations=False)
    counting = records.sound_annotations() & records.keep
    return Annotated(records.sound(), records.ignored[counting], len(records.annotation_ids))


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """One set, image by image and box by box.  N images, M boxes (crowd regions are none)."""

    name: str
    annotated: Annotated
    index: CocoIndex  # what may be learned from
    input_sides: np.ndarray  # [M] float64, sides of the boxes at the input size, pixels
    level: np.ndarray  # [M] int64, level of the box's best anchor, the finest is 0
    reached: np.ndarray  # [M] bool, whether that anchor may become a positive
    has_images: bool  # whether the folder of the images was found
    brightness: Brightness

    @property
    def num_left_out(self) -> int:
        """Annotations that nothing is learned from, though they are not difficult."""
        apart = int(self.annotated.difficult.sum())
        return self.annotated.total - len(self.index.boxes) - apart

    @cached_property
    def labels(self) -> np.ndarray:
        """[M] class of each box."""
        return self.index.labels[~self.index.crowd]

    @cached_property
    def boxes(self) -> np.ndarray:
        """[M, 4] xyxy in stored pixels, clipped to the image."""
        return self.index.boxes[~self.index.crowd].astype(np.float64)

    @cached_property
    def owner(self) -> np.ndarray:
        """[M] row of each box's image."""
        rows = np.repeat(np.arange(len(self.index)), np.diff(self.index.box_ptr))
        return rows[~self.index.crowd]

    @cached_property
    def boxes_per_image(self) -> np.ndarray:
        """[N] number of boxes."""
        return np.bincount(self.owner, minlength=len(self.index))

    @cached_property
    def sides(self) -> np.ndarray:
        """[M] in stored pixels."""
        return np.sqrt((self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1))

    @cached_property
    def aspects(self) -> np.ndarray:
        """[M] width over height of each box."""
        width, height = (self.boxes[:, 2:] - self.boxes[:, :2]).T
        return width / height

    @cached_property
    def class_images(self) -> np.ndarray:
        """[C] in how many images each class has a box."""
        num_classes = len(self.index.classes)
        pairs = np.unique(self.owner * num_classes + self.labels)
        return np.bincount(pairs % num_classes, minlength=num_classes)


@dataclass(frozen=True)
class Spread:
    """How some values are spread."""

    mean: float
    quantiles: dict[str, float]  # at `QUANTILES`

    @staticmethod
    def of(values: np.ndarray) -> Spread | None:
        """Of ``values`` [K]; None where there are none."""
        if not len(values):
            return None
        found = np.quantile(values, list(QUANTILES.values())).tolist()
        return Spread(float(values.mean()), dict(zip(QUANTILES, found, strict=True)))

    def to_json(self) -> dict[str, float]:
        """The mean and the quantiles by name."""
        return {"mean": self.mean, **self.quantiles}


@dataclass(frozen=True)
class ClassCount:
    """How often a class occurs in a set."""

    id: int  # category id of the set
    name: str
    boxes: int
    images: int


@dataclass(frozen=True)
class BoxSizes:
    """Sizes of boxes at one scale."""

    sides: Spread | None  # pixels; None without boxes
    counts: dict[str, int]  # by `SIZES`

    @staticmethod
    def of(sides: np.ndarray) -> BoxSizes:
        """Of boxes of ``sides`` [M], pixels."""
        bins = np.searchsorted([MEDIUM_FROM, LARGE_FROM], sides, side="right")
        counts = np.bincount(bins, minlength=len(SIZES)).tolist()
        return BoxSizes(Spread.of(sides), dict(zip(SIZES, counts, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"side": _plain(self.sides), **self.counts}


@dataclass(frozen=True)
class SetStatistics:
    """One set in numbers."""

    name: str
    annotations: Path
    images: int
    without_boxes: int  # images
    boxes: int
    crowd: int  # regions
    difficult: int  # annotations
    left_out: int  # other annotations that are no box inside their image, of some size
    classes: tuple[ClassCount, ...]  # in the order of the class table
    image_sizes: tuple[tuple[int, int, int], ...]  # width, height, images; the most common first
    distinct_sizes: int
    image_aspects: Spread | None  # width over height
    stored: BoxSizes
    at_input: BoxSizes
    boxes_per_image: Spread | None
    above_counted: int  # images with more than `COUNTED_BOXES` boxes
    levels: tuple[int, ...]  # boxes by the level of their best anchor, the finest first
    out_of_reach: int  # boxes whose best anchor overlaps too little to become a positive
    aspects: Spread | None  # width over height of the boxes
    luma: Spread | None  # None where no image was read
    looked_at: int  # images that were opened for it
    unreadable: tuple[tuple[str, str], ...]  # those of them that cannot be used: path, reason

    @staticmethod
    def of(measured: MeasuredSet, num_levels: int) -> SetStatistics:
        """The numbers of a set that was measured."""
        index, per_image = measured.index, measured.boxes_per_image
        hw = index.hw.astype(np.int64)
        sizes, images = np.unique(hw[:, 1] << 32 | hw[:, 0], return_counts=True)
        common = np.argsort(-images, kind="stable")[:_LISTED_SIZES]
        bright = measured.brightness
        return SetStatistics(
            name=measured.name,
            annotations=index.annotations,
            images=len(index),
            without_boxes=int((per_image == 0).sum()),
            boxes=len(measured.labels),
            crowd=int(index.crowd.sum()),
            difficult=int(measured.annotated.difficult.sum()),
            left_out=measured.num_left_out,
            classes=_class_counts(measured),
            image_sizes=tuple(
                (int(sizes[k] >> 32), int(sizes[k] & 0xFFFFFFFF), int(images[k])) for k in common
            ),
            distinct_sizes=len(sizes),
            image_aspects=Spread.of(hw[:, 1] / hw[:, 0]),
            stored=BoxSizes.of(measured.sides),
            at_input=BoxSizes.of(measured.input_sides),
            boxes_per_image=Spread.of(per_image),
            above_counted=int((per_image > COUNTED_BOXES).sum()),
            levels=tuple(np.bincount(measured.level, minlength=num_levels).tolist()),
            out_of_reach=int((~measured.reached).sum()),
            aspects=Spread.of(measured.aspects),
            luma=Spread.of(bright.luma),
            looked_at=bright.looked_at,
            unreadable=tuple((error.path, error.reason) for error in bright.bad.values()),
        )

    def count(self, name: str) -> ClassCount | None:
        """How often the class ``name`` occurs; None where the set does not know it."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, ClassCount]:
        return {count.name: count for count in self.classes}

    def to_json(self, level_names: Sequence[str]) -> dict[str, Any]:
        """Plain numbers, by the keys that docs/data.md lists."""
        return {
            "annotations": str(self.annotations),
            "images": self.images,
            "images_without_boxes": self.without_boxes,
            "boxes": self.boxes,
            "crowd": self.crowd,
            "difficult": self.difficult,
            "left_out": self.left_out,
            "classes": [asdict(count) for count in self.classes],
            "image_size": {
                "distinct": self.distinct_sizes,
                "most_common": [
                    {"width": width, "height": height, "images": images}
                    for width, height, images in self.image_sizes
                ],
                "aspect_ratio": _plain(self.image_aspects),
            },
            "box_size": {"stored": self.stored.to_json(), "input": self.at_input.to_json()},
            "boxes_per_image": _plain(self.boxes_per_image),
            "images_above_100_boxes": self.above_counted,
            "levels": dict(zip(level_names, self.levels, strict=True)),
            "out_of_reach": self.out_of_reach,
            "aspect_ratio": _plain(self.aspects),
            "brightness": {
                "looked_at": self.looked_at,
                "luma": _plain(self.luma),
                "unreadable": [
                    {"file": path, "reason": reason} for path, reason in self.unreadable
                ],
            },
        }


@dataclass(frozen=True)
class DataStatistics:
    """The sets of some data, in numbers."""

    short: int  # input size: short side of the images, pixels
    long: int  # limit of the long side
    level_names: tuple[str, ...]  # the finest first
    sets: tuple[SetStatistics, ...]

    @staticmethod
    def of(
        sets: Sequence[MeasuredSet], *, short: int, long: int, level_names: tuple[str, ...]
    ) -> DataStatistics:
        """The numbers of sets that were measured at an input size."""
        numbers = tuple(SetStatistics.of(one, len(level_names)) for one in sets)
        return DataStatistics(short, long, level_names, numbers)

    @property
    def class_names(self) -> list[str]:
        """The classes of all sets, each once, in the order of the class tables."""
        return list(dict.fromkeys(count.name for one in self.sets for count in one.classes))

    def lacking(self) -> dict[str, list[str]]:
        """By set the classes that have a box in another set, and none there."""
        found = {
            one.name: {count.name for count in one.classes if count.boxes} for one in self.sets
        }
        somewhere = [name for name in self.class_names if any(name in f for f in found.values())]
        missing = {
            one: [name for name in somewhere if name not in names] for one, names in found.items()
        }
        return {one: names for one, names in missing.items() if names}

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, by the keys that docs/data.md lists."""
        return {
            "input_size": {"short": self.short, "long": self.long},
            "sets": {one.name: one.to_json(self.level_names) for one in self.sets},
            "lacking_classes": self.lacking(),
        }


def _class_counts(measured: MeasuredSet) -> tuple[ClassCount, ...]:
    classes = measured.index.classes
    boxes = np.bincount(measured.labels, minlength=len(classes)).tolist()
    images = measured.class_images.tolist()
    rows = zip(classes.ids, classes.names, boxes, images, strict=True)
    return tuple(ClassCount(*row) for row in rows)


def _plain(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else spread.to_json()
