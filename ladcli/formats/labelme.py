"""LabelMe: a JSON file per image, with ``shapes`` of ``points``.

Rectangles, polygons and circles become the boxes around them; shapes that enclose nothing (lines,
points) are left out.  Shapes of one label and ``group_id`` are parts of one object, as LabelMe's
own converters have it.  ``imageData`` is not looked at.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.formats.foreign import Box, Corners, ForeignImage, ForeignSet, split_called
from ladcli.formats.found_images import ImageFiles, files_below
from ladcli.formats.tally import Tally
from ladcli.json_text import read_json

_ENCLOSING = ("rectangle", "polygon", "rotation", "mask", "quadrilateral")
_LEAST_POINTS = {"rectangle": 2, "mask": 2, "polygon": 3, "rotation": 3, "quadrilateral": 3}


def read_labelme(src: Path, tally: Tally, *, images: Path | None = None) -> ForeignSet:
    """Read the JSON files in a folder, and below it.

    Raises:
        UserError: there is none, or there are no images.
    """
    paths = [src] if src.is_file() else files_below(src, (".json",))
    if not paths:
        raise UserError(f"{src}: holds no .json file; name the folder of LabelMe's files")
    folder = src.parent if src.is_file() else src
    files = ImageFiles(images if images is not None else folder)
    if not files.paths:
        raise UserError(f"{files.folders[0]}: holds no image; name the folder with --images")
    read = [_read_file(path, folder, files, tally) for path in paths]
    found = [image for image in read if image is not None]
    taken = {image.path for image in found}
    for left in files.paths:
        if left not in taken and src.is_dir():
            tally.leave_out("image", "no JSON file that can be used", str(left))
    return ForeignSet(found, None)


def _read_file(path: Path, folder: Path, files: ImageFiles, tally: Tally) -> ForeignImage | None:
    try:
        content = read_json(path)
    except UserError as error:
        tally.leave_out("JSON file", "cannot be read", str(error))
        return None
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        is_coco = isinstance(content, dict) and "annotations" in content
        why = "COCO, which needs no import" if is_coco else "no shapes in them"
        tally.leave_out("JSON file", why, str(path))
        return None
    image = _image(path, content.get("imagePath"), files)
    if isinstance(image, str):
        named = content.get("imagePath")
        tally.leave_out("JSON file", f"image not found: {image}", f"{path}: {named}")
        return None
    boxes = _boxes(shapes, path, tally)
    splits = [split_called(part) for part in path.parent.relative_to(folder).parts]
    split = next((split for split in reversed(splits) if split), None)
    called = path.relative_to(folder).as_posix()
    return ForeignImage(image, boxes, str(path), _size(content), split=split, called=called)


def _image(path: Path, named: Any, files: ImageFiles) -> Path | str:
    """The image that a file names, or that is called like it."""
    found: Path | str = "it names none"
    if isinstance(named, str) and named.strip():
        found = files.find(named, near=path.parent)
    if isinstance(found, Path):
        return found
    by_stem = files.find(path.stem, near=path.parent)
    return by_stem if isinstance(by_stem, Path) else found


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    sides = (content.get("imageWidth"), content.get("imageHeight"))
    if not all(isinstance(side, int) and 0 < side < 10_000_000 for side in sides):
        return None
    width, height = sides
    return int(width or 0), int(height or 0)


def _boxes(shapes: list[Any], path: Path, tally: Tally) -> tuple[Box, ...]:
    grouped: dict[object, Box] = {}
    for number, shape in enumerate(shapes, start=1):
        where = f"{path} shape {number}"
        box = _box(shape, where, tally)
        if box is None:
            continue
        group = shape.get("group_id")
        key = number if group is None else ("group", str(group), box.class_name)
        if key in grouped:
            tally.note("shape", "joined with others of its label and group", where)
            box = _joined(grouped[key], box)
        grouped[key] = box
    return tuple(grouped.values())


def _box(shape: Any, where: str, tally: Tally) -> Box | None:
    label = shape.get("label") if isinstance(shape, dict) else None
    if isinstance(label, bool) or not isinstance(label, (str, int)) or not str(label).strip():
        tally.leave_out("shape", "no label", where)
        return None
    kind = shape.get("shape_type") or "polygon"
    points = _points(shape.get("points"))
    if points is None:
        tally.leave_out("shape", "points that are no pairs of numbers", where)
        return None
    if kind == "circle" and len(points) == 2:
        corners = _around_circle(points)
    elif kind in _ENCLOSING and len(points) >= _LEAST_POINTS[kind]:
        corners = _around(points)
    elif kind in _ENCLOSING or kind == "circle":
        tally.leave_out("shape", f"{len(points)} points are no {kind}", where)
        return None
    else:
        tally.leave_out("shape", f"a {kind} encloses nothing", where)
        return None
    flags = shape.get("flags") if isinstance(shape.get("flags"), dict) else {}
    difficult = shape.get("difficult") is True or flags.get("difficult") is True
    return Box(str(label).strip(), corners, where, difficult=difficult)


def _points(value: Any) -> list[tuple[float, float]] | None:
    if not isinstance(value, list):
        return None
    points = []
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            return None
        if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in point):
            return None
        x, y = point
        if not (abs(x) < 1e9 and abs(y) < 1e9):  # nor not-a-number, which min and max pass over
            return None
        points.append((float(x), float(y)))
    return points


def _around(points: list[tuple[float, float]]) -> Corners:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _around_circle(points: list[tuple[float, float]]) -> Corners:
    """The box around a circle of a center and a point on it."""
    (x, y), on_it = points
    radius = math.dist((x, y), on_it)
    return x - radius, y - radius, x + radius, y + radius


def _joined(first: Box, second: Box) -> Box:
    a, b = first.corners, second.corners
    corners = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    return Box(
        first.class_name, corners, first.where, difficult=first.difficult or second.difficult
    )
