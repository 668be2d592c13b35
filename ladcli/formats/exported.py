"""A data set of ours as it leaves: images with boxes, under names that a foreign format can hold.

Formats that keep annotations in a file per image name it after the image without its ending, so
``a.jpg`` and ``a.png`` would share one; and some have one folder for all splits.  Names keep their
folders, and images whose annotations would share a file are renamed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ladcli.data.file_names import unsafe_reason
from ladcli.data.layouts import Split
from ladcli.errors import UserError
from ladcli.formats.foreign import Box
from ladcli.formats.found_images import folded
from ladcli.formats.sound import box_problem
from ladcli.formats.tally import Tally


@dataclass(frozen=True)
class ExportedImage:
    """One image of a data set of ours."""

    name: str  # with folders, forward slashes
    size: tuple[int, int]  # width and height, pixels
    boxes: tuple[Box, ...]  # corners in pixels
    split: Split | None  # None where only one set is written
    path: Path | None  # the file; None where annotations alone are written

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return posixpath.splitext(self.name)[0]


def without_unsound(images: Sequence[ExportedImage], tally: Tally) -> list[ExportedImage]:
    """The images without the boxes that no format can hold."""
    kept = []
    for image in images:
        boxes = []
        for box in image.boxes:
            problem = box_problem(box.corners, *image.size)
            if problem is None:
                boxes.append(box)
            else:
                tally.leave_out("box", problem, box.where)
        kept.append(replace(image, boxes=tuple(boxes)))
    return kept


def without_flagged(
    images: Sequence[ExportedImage],
    tally: Tally,
    *,
    format_name: str,
    crowd: bool = False,
    difficult: bool = False,
) -> list[ExportedImage]:
    """The images without boxes whose flags a format does not have: they would be plain boxes there.

    Args:
        crowd: leave crowd regions out.
        difficult: leave difficult boxes out.
    """
    kept = []
    for image in images:
        boxes = []
        for box in image.boxes:
            if (crowd and box.crowd) or (difficult and box.difficult):
                what = "crowd region" if box.crowd else "difficult box"
                tally.leave_out(what, f"{format_name} cannot mark them", box.where)
            else:
                boxes.append(box)
        kept.append(replace(image, boxes=tuple(boxes)))
    return kept


def with_names_apart(
    images: Sequence[ExportedImage], tally: Tally, *, one_folder: bool
) -> list[ExportedImage]:
    """The images under names that are unique without their ending.

    Args:
        one_folder: all splits share a folder; else each has its own.

    Raises:
        UserError: a name leaves its folder.
    """
    taken: set[tuple[str | None, str]] = set()
    named = []
    for image in images:
        reason = unsafe_reason(image.name)
        if reason is not None:
            raise UserError(f"{image.name!r}: {reason}, so it cannot be exported; rename it")
        scope = None if one_folder else image.split
        # Lists have a line per name, and XML cannot hold control characters.
        name = "".join(c if c.isprintable() else "_" for c in posixpath.normpath(image.name))
        folder, base = posixpath.split(name)
        stem, ending = posixpath.splitext(base)
        candidates = [name]
        if one_folder and image.split:
            candidates.append(posixpath.join(folder, f"{image.split}_{base}"))
        candidates.append(posixpath.join(folder, f"{stem}_{ending[1:] or 'image'}{ending}"))
        number = 2
        while (scope, _key(candidates[0])) in taken:
            candidates.pop(0)
            if not candidates:
                candidates = [posixpath.join(folder, f"{stem}_{number}{ending}")]
                number += 1
        taken.add((scope, _key(candidates[0])))
        if candidates[0] != image.name:
            tally.note("image", "exported under another name",
                          f"{image.name} as {candidates[0]}")  # fmt: skip
        named.append(replace(image, name=candidates[0]))
    return named


def _key(name: str) -> str:
    return folded(posixpath.splitext(name)[0])
