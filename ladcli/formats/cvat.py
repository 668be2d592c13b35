"""CVAT's own XML, version 1.1: "for images" with shapes in images, "for video" with tracks.

Boxes, polygons, ellipses, masks and cuboids become the boxes around them, turned ones too; lines,
points and skeletons enclose nothing and are left out.  A track has a shape for every frame of its
object; frames that it marks ``outside`` have none.  Frames are found among the images by number.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element

from ladcli.data.layouts import Split
from ladcli.errors import UserError
from ladcli.formats.foreign import Box, Corners, ForeignImage, ForeignSet, split_called
from ladcli.formats.found_images import ImageFiles, files_below, folder_called
from ladcli.formats.tally import Tally
from ladcli.formats.text import as_number, child_text, read_xml

_SHAPES = ("box", "polygon", "ellipse", "mask", "cuboid")
_LINES = ("polyline", "points", "skeleton")
_CUBOID = ("xtl1", "xbl1", "xtr1", "xbr1", "xtl2", "xbl2", "xtr2", "xbr2")
_CROWD = ("iscrowd", "is_crowd", "crowd")
_NUMBER = re.compile(r"(\d+)$")


def read_cvat(src: Path, tally: Tally, *, images: Path | None = None) -> ForeignSet:
    """Read one file, or all in a folder.

    Raises:
        UserError: there is none of this kind, or there are no images.
    """
    paths = [src] if src.is_file() else files_below(src, (".xml",))
    if not paths:
        raise UserError(f"{src}: holds no .xml file; name CVAT's annotations.xml")
    found: list[ForeignImage] = []
    names: dict[str, None] = {}
    for path in paths:
        try:
            root = _root(path)
        except UserError as error:
            if len(paths) == 1:
                raise
            tally.leave_out("XML file", "cannot be used", str(error))
            continue
        folder = images or folder_called(path.parent, "images") or path.parent
        files = ImageFiles(folder)
        if not files.paths:
            raise UserError(
                f'{folder}: holds no image; CVAT exports them with "Save images"; name their '
                "folder with --images"
            )
        names |= dict.fromkeys(_label_names(root))
        split = split_called(path.stem) if len(paths) > 1 else None
        found += _images(root, path, files, split, tally)
        found += _frames(root, path, files, split, tally)
    used = {box.class_name for image in found for box in image.boxes}
    # Old files may lack their list, or have renamed a label since.
    listed = tuple(names) + tuple(sorted(used - names.keys())) if names else None
    return ForeignSet(found, listed)


def _root(path: Path) -> Element:
    root = read_xml(path)
    if root.tag != "annotations":
        hint = "; run lad data import voc" if root.tag == "annotation" else ""
        raise UserError(f"{path}: is no file of CVAT (its root is <{root.tag}>){hint}")
    if root.find("image") is None and root.find("track") is None:
        raise UserError(f"{path}: holds neither images nor tracks; export it again")
    return root


def _label_names(root: Element) -> list[str]:
    """Labels in the order of the task; parts of skeletons are none."""
    found = []
    for label in root.iterfind("meta//labels/label"):
        name = child_text(label, "name")
        if name and child_text(label, "parent") is None:
            found.append(name)
    return found


# --- for images


def _images(
    root: Element, path: Path, files: ImageFiles, split: Split | None, tally: Tally
) -> list[ForeignImage]:
    found = []
    for number, element in enumerate(root.iterfind("image"), start=1):
        name = element.get("name", "")
        where = f"{path} image {name or number}"
        image = files.find(name, near=path.parent)
        if isinstance(image, str):
            tally.leave_out("image", f"file not found: {image}", where)
            continue
        boxes = _boxes(element, where, None, tally)
        own = split_called(element.get("subset", "")) or split
        found.append(
            ForeignImage(image, tuple(boxes), where, _size(element), split=own, called=name)
        )
    return found


def _size(element: Element) -> tuple[int, int] | None:
    width, height = as_number(element.get("width")), as_number(element.get("height"))
    if width is None or height is None or not (1 <= width < 1e7 and 1 <= height < 1e7):
        return None
    return int(width), int(height)


def _boxes(parent: Element, where: str, label: str | None, tally: Tally) -> Iterable[Box]:
    """Boxes around the shapes in an image.

    Args:
        label: of all of them, where they belong to a track; else each has its own.
    """
    boxes = []
    for number, shape in enumerate(parent, start=1):
        place = f"{where} shape {number}"
        if shape.tag in _LINES:
            tally.leave_out("shape", f"a {shape.tag} encloses nothing", place)
        elif shape.tag == "tag":
            tally.leave_out("tag", "of the whole image, no box", place)
        elif shape.tag in _SHAPES:
            box = _box(shape, place, label, tally)
            if box is not None:
                boxes.append(box)
    return boxes


def _box(shape: Element, where: str, label: str | None, tally: Tally) -> Box | None:
    name = (label or shape.get("label") or "").strip()
    if not name:
        tally.leave_out("shape", "no label", where)
        return None
    corners = _corners(shape)
    if corners is None:
        tally.leave_out("shape", "a coordinate missing or no number", where)
        return None
    degrees = as_number(shape.get("rotation")) or 0.0
    if degrees and shape.tag == "box":
        tally.note("turned box", "replaced by the box around it", where)
        corners = _around_turned(corners, degrees)
    attributes = {
        (a.get("name") or "").casefold(): (a.text or "").strip().casefold()
        for a in shape.iterfind("attribute")
    }
    flags = {"occluded": 1} if shape.get("occluded") == "1" else {}
    return Box(
        name,
        corners,
        where,
        crowd=any(attributes.get(key) in ("1", "true") for key in _CROWD),
        difficult=attributes.get("difficult") in ("1", "true"),
        flags=flags,
    )


def _corners(shape: Element) -> Corners | None:
    match shape.tag:
        case "box":
            return _four(shape, ("xtl", "ytl", "xbr", "ybr"))
        case "mask":
            found = _four(shape, ("left", "top", "width", "height"))
            return found and (found[0], found[1], found[0] + found[2], found[1] + found[3])
        case "ellipse":
            found = _four(shape, ("cx", "cy", "rx", "ry"))
            return found and _around_ellipse(found, as_number(shape.get("rotation")) or 0.0)
        case "cuboid":
            xs = [as_number(shape.get(key)) for key in _CUBOID]
            ys = [as_number(shape.get(f"y{key[1:]}")) for key in _CUBOID]
            return _around(list(zip(xs, ys, strict=True)))
        case _:
            pairs = [point.split(",") for point in (shape.get("points") or "").split(";") if point]
            if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
                return None
            return _around([(as_number(x), as_number(y)) for x, y in pairs])


def _four(shape: Element, keys: tuple[str, ...]) -> Corners | None:
    a, b, c, d = (as_number(shape.get(key)) for key in keys)
    if a is None or b is None or c is None or d is None:
        return None
    return a, b, c, d


def _around(points: list[tuple[float | None, float | None]]) -> Corners | None:
    xs = [x for x, _ in points if x is not None and math.isfinite(x)]
    ys = [y for _, y in points if y is not None and math.isfinite(y)]
    if len(xs) < len(points) or len(ys) < len(points):
        return None
    return min(xs), min(ys), max(xs), max(ys)


def _around_turned(corners: Corners, degrees: float) -> Corners:
    """The upright box around one that is turned about its center."""
    x1, y1, x2, y2 = corners
    x, y, half_w, half_h = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    dx, dy = half_w * cos + half_h * sin, half_w * sin + half_h * cos
    return x - dx, y - dy, x + dx, y + dy


def _around_ellipse(ellipse: Corners, degrees: float) -> Corners:
    """The upright box around an ellipse of center and radii that is turned about its center."""
    x, y, rx, ry = ellipse
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    dx, dy = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    return x - dx, y - dy, x + dx, y + dy


# --- for video


def _frames(
    root: Element, path: Path, files: ImageFiles, split: Split | None, tally: Tally
) -> list[ForeignImage]:
    """Frames of the video that there are images of, negatives too."""
    tracks = root.findall("track")
    if not tracks:
        return []
    boxes = _track_boxes(tracks, path, tally)
    numbered = _numbered(files)
    original = root.find("meta//original_size")
    size = None
    if original is not None:
        sides = [as_number(child_text(original, key)) for key in ("width", "height")]
        if all(side is not None and 1 <= side < 1e7 for side in sides):
            size = (int(sides[0] or 0), int(sides[1] or 0))
    for frame in sorted(boxes.keys() - numbered.keys()):
        tally.leave_out("frame", "no image has its number", f"{path} frame {frame}")
    last = max(boxes, default=0)
    stop = as_number(child_text(root.find("meta/task") or Element("task"), "stop_frame"))
    if stop is not None and math.isfinite(stop):
        last = max(last, int(stop))
    return [
        ForeignImage(image, tuple(boxes.get(frame, ())), f"{path} frame {frame}", size, split=split)
        for frame, image in sorted(numbered.items())
        if frame <= last
    ]


def _track_boxes(tracks: list[Element], path: Path, tally: Tally) -> dict[int, list[Box]]:
    boxes: dict[int, list[Box]] = defaultdict(list)
    for track in tracks:
        label = track.get("label")
        for shape in track:
            where = f"{path} track {track.get('id', '?')} frame {shape.get('frame', '?')}"
            frame = as_number(shape.get("frame"))
            if shape.tag in _LINES:
                tally.leave_out("shape", f"a {shape.tag} encloses nothing", where)
            elif shape.tag not in _SHAPES or shape.get("outside") == "1":
                continue
            elif frame is None or not math.isfinite(frame):
                tally.leave_out("shape", "no frame named", where)
            else:
                box = _box(shape, where, label, tally)
                if box is not None:
                    boxes[int(frame)].append(box)
    return boxes


def _numbered(files: ImageFiles) -> dict[int, Path]:
    """Images by the number at the end of their names.

    Raises:
        UserError: two have one number.
    """
    numbered: dict[int, Path] = {}
    for path in files.paths:
        match = _NUMBER.search(path.stem)
        if match is None:
            continue
        frame = int(match[1])
        if frame in numbered:
            raise UserError(
                f"{path}: has the number of {numbered[frame]}, so frames are unclear; name the "
                "folder of one video with --images"
            )
        numbered[frame] = path
    return numbered
