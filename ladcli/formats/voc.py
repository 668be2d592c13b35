"""Pascal VOC XML: an ``annotation`` with its ``object``s, each with a ``name`` and a ``bndbox``.

VOC counts pixels from 1 and includes the last: a box from xmin to xmax covers the pixels xmin, ...,
xmax.  In continuous coordinates from 0 that is xmin - 1 to xmax, so the width is
xmax - xmin + 1.  Many exporters write coordinates from 0 that are continuous already
(``zero_based``); nothing in a file tells which was meant, but a 0 cannot be of the first kind.

A box whose corners are one pixel is what a click without a drag leaves, and is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ladcli.errors import UserError
from ladcli.formats.foreign import Box, Corners
from ladcli.formats.tally import Tally
from ladcli.formats.text import as_number, child_text, read_xml

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS = ("truncated", "occluded")
_TRUE = ("1", "true", "yes")
#: Decimals that are written of a coordinate.
_DECIMALS = 6


@dataclass(frozen=True)
class VocAnnotation:
    """One XML file."""

    path: Path
    file_name: str | None  # of the image
    size: tuple[int, int] | None  # width and height
    boxes: tuple[Box, ...]


def read_voc_file(path: Path, tally: Tally, *, zero_based: bool = False) -> VocAnnotation:
    """Read one XML file.

    Args:
        zero_based: coordinates are continuous and counted from 0.

    Raises:
        UserError: no valid XML, or of another kind.
    """
    root = read_xml(path)
    if root.tag.casefold() != "annotation":
        hint = "; run lad data import cvat" if root.tag == "annotations" else ""
        raise UserError(f"{path}: is no Pascal VOC annotation (its root is <{root.tag}>){hint}")
    boxes = []
    # Direct children only: an object may hold parts with boxes of their own.
    objects = [child for child in root if child.tag == "object"]
    for number, element in enumerate(objects, start=1):
        box = _box(element, f"{path} object {number}", tally, zero_based=zero_based)
        if box is not None:
            boxes.append(box)
    return VocAnnotation(path, child_text(root, "filename"), _size(root), tuple(boxes))


def _size(root: Element) -> tuple[int, int] | None:
    """Width and height; None where they are absent or 0, as some tools leave them."""
    element = root.find("size")
    if element is None:
        return None
    sides = [as_number(child_text(element, name)) for name in ("width", "height")]
    if any(side is None or not math.isfinite(side) or side < 1 for side in sides):
        return None
    width, height = (int(side or 0) for side in sides)
    return width, height


def _box(element: Element, where: str, tally: Tally, *, zero_based: bool) -> Box | None:
    name = child_text(element, "name")
    if not name:
        tally.leave_out("box", "no class name", where)
        return None
    frame = element.find("bndbox")
    if frame is None:
        tally.leave_out("object", "no bndbox", where)
        return None
    numbers = [as_number(child_text(frame, key)) for key in _CORNERS]
    if None in numbers:
        missing = _CORNERS[numbers.index(None)]
        tally.leave_out("box", "a coordinate missing or no number", f"{where}, {missing}")
        return None
    x1, y1, x2, y2 = (number or 0.0 for number in numbers)
    if not zero_based:
        if x1 == x2 and y1 == y2:
            tally.leave_out("box", "corners of one pixel, as a click leaves them", where)
            return None
        if min(x1, y1) < 0.5:
            tally.note(
                "box",
                "with a coordinate of 0, which VOC does not have; if the exporter counts from "
                "0, import with --zero-based",
                where,
            )
        x1, y1 = x1 - 1, y1 - 1
    flags = {key: 1 for key in _FLAGS if _is_true(element, key)}
    difficult = _is_true(element, "difficult")
    return Box(name, (x1, y1, x2, y2), where, difficult=difficult, flags=flags)


def _is_true(element: Element, key: str) -> bool:
    return (child_text(element, key) or "").casefold() in _TRUE


def inclusive(corners: Corners) -> Corners:
    """Continuous corners as VOC writes them: from 1, the last pixel included."""
    x1, y1, x2, y2 = corners
    return x1 + 1, y1 + 1, x2, y2


def voc_xml(file_name: str, folder: str, size: tuple[int, int], boxes: tuple[Box, ...]) -> str:
    """One XML file.

    Coordinates that are no whole numbers keep their decimals.  A prediction has its score as
    ``confidence`` in its object.
    """
    root = Element("annotation")
    _add(root, "folder", folder)
    _add(root, "filename", file_name)
    sides = SubElement(root, "size")
    for key, value in (("width", size[0]), ("height", size[1]), ("depth", 3)):
        _add(sides, key, str(value))
    _add(root, "segmented", "0")
    for box in boxes:
        element = SubElement(root, "object")
        _add(element, "name", box.class_name)
        if box.score is not None:
            _add(element, "confidence", _plain(box.score))
        else:
            _add(element, "pose", "Unspecified")
            for key in _FLAGS:
                if key == "truncated" or key in box.flags:
                    _add(element, key, str(box.flags.get(key, 0)))
            _add(element, "difficult", str(int(box.difficult)))
        frame = SubElement(element, "bndbox")
        for key, number in zip(_CORNERS, inclusive(box.corners), strict=True):
            _add(frame, key, _plain(number))
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _add(parent: Element, name: str, text: str) -> None:
    # XML has no way to say control characters.
    SubElement(parent, name).text = "".join(c for c in text if c >= " " or c in "\t\n")


def _plain(value: float) -> str:
    """A number without exponent and without needless zeros."""
    text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
