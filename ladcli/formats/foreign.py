"""What a reader gives: the images of a data set as another tool describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ladcli.data.layouts import Split

#: x1, y1, x2, y2; continuous coordinates, the left edge of the first pixel is 0.
Corners: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class Box:
    """One object of an image."""

    class_name: str
    corners: Corners  # in pixels, or in shares of the image where its image says so
    where: str = ""  # file and record, as a message names it
    crowd: bool = False  # a group, which stands for any number of objects
    difficult: bool = False
    flags: Mapping[str, int] = field(default_factory=dict)  # truncated, occluded: each 0 or 1
    score: float | None = None  # of a prediction


@dataclass(frozen=True)
class ForeignImage:
    """One image with what was drawn on it."""

    path: Path
    boxes: tuple[Box, ...]
    where: str  # the annotations, as a message names them
    stated_size: tuple[int, int] | None = None  # width and height, as the annotations have it
    in_shares: bool = False  # corners are shares of width and height
    split: Split | None = None
    called: str = ""  # as the annotations call the image, folders included


@dataclass(frozen=True)
class ForeignSet:
    """A data set of another tool."""

    images: list[ForeignImage]
    class_names: tuple[str, ...] | None  # in the data set's own order; None where it has none


#: Folder and file names by which data sets call their parts.
_SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_called(name: str) -> Split | None:
    """The split that a folder or a list is named after: ``Train``, ``valid``, ``val2017``."""
    return _SPLIT_NAMES.get(name.casefold().rstrip("0123456789-_"))
