"""Which label file belongs to an image of a YOLO data set, and which text files are none."""

from __future__ import annotations

import os
from pathlib import Path

from ladcli.data.image_suffixes import SUFFIXES
from ladcli.errors import UserError
from ladcli.formats.found_images import files_below, folded
from ladcli.formats.tally import Tally
from ladcli.formats.text import read_lines

#: Files that list class names, in order of their claim.
NAME_FILES = (
    "classes.txt",
    "obj.names",
    "labels.txt",
    "_darknet.labels",
    "names.txt",
    "classes.names",
)
#: Text files that are no label files.
_NO_LABELS = {
    *NAME_FILES,
    "readme.txt",
    "license.txt",
    "readme.dataset.txt",
    "readme.roboflow.txt",
}


class LabelFiles:
    """Which label file belongs to an image."""

    def __init__(self, root: Path, image_root: Path, labels: Path | None) -> None:
        self._image_root = image_root
        self._labels = labels
        self._files: dict[str, Path] = {}
        self._by_stem: dict[str, list[Path]] = {}
        for folder in dict.fromkeys((labels,) if labels else (root, image_root)):
            for path in files_below(folder, (".txt",)):
                self._files[_key(path)] = path
                self._by_stem.setdefault(folded(path.stem), []).append(path)
        self.used: set[Path] = set()

    def of(self, image: Path) -> Path | None:
        """The label file of an image; None where it has none."""
        found = self._find(image)
        if found is not None:
            self.used.add(found)
        return found

    def _find(self, image: Path) -> Path | None:
        for place in self._places(image):
            if _key(place) in self._files:
                return self._files[_key(place)]
            if os.path.isfile(place):  # outside of the data set's folder
                return place
        if self._labels is None:
            return None
        found = self._by_stem.get(folded(image.stem), [])
        return found[0] if len(found) == 1 else None

    def wanted(self, image: Path) -> str:
        """Where the label file of an image would be."""
        return str(next(iter(self._places(image))))

    def _places(self, image: Path) -> list[Path]:
        name = f"{image.stem}.txt"
        if self._labels is not None:
            inside = image.is_relative_to(self._image_root)
            below = image.parent.relative_to(self._image_root).parts if inside else ()
            return [self._labels.joinpath(*below[start:], name) for start in range(len(below) + 1)]
        places = []
        parts = image.parent.parts
        for position in range(len(parts) - 1, -1, -1):
            if folded(parts[position]) in ("images", "image", "jpegimages"):
                places.append(Path(*parts[:position], "labels", *parts[position + 1 :], name))
        return [*places, image.with_suffix(".txt")]

    def say_unused(self, tally: Tally) -> None:
        """Name label files that belong to no image."""
        folders = {path.parent for path in self.used}
        there = {path: None for folder in folders for path in sorted(folder.glob("*.txt"))}
        used = {_key(path) for path in self.used}
        for path in [*self._files.values(), *there]:
            beside = path.parent in folders or folded(path.parent.name) == "labels"
            if _key(path) in used or path.name.lower() in _NO_LABELS or not beside:
                continue
            used.add(_key(path))
            if not lists_images(path):
                tally.leave_out("label file", "no image belongs to them", str(path))


def _key(path: Path) -> str:
    return folded(os.path.abspath(path))


def lists_images(path: Path) -> bool:
    """Whether a text file lists images, a line each, as darknet and data.yaml have it."""
    try:
        lines = [line for line in read_lines(path) if line]
    except UserError:  # no text
        return False
    return bool(lines) and Path(lines[0].replace("\\", "/")).suffix.lower() in SUFFIXES
