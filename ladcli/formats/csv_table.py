"""Tables of boxes: a row per box, in columns as Open Images or TensorFlow's tools have them.

| kind | image | class | corners |
|---|---|---|---|
| Open Images | ImageID | LabelName | XMin, XMax, YMin, YMax, as shares of the image |
| TensorFlow | filename | class | xmin, ymin, xmax, ymax, in pixels; width, height of the image |

Columns are found by name in any order and case, with the usual other names.  Pixels are
continuous: the width is xmax - xmin.  A row that names an image without a box is a negative.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ladcli.data.layouts import Split
from ladcli.errors import UserError
from ladcli.formats.class_names import GivenClasses, class_descriptions
from ladcli.formats.foreign import Box, Corners, ForeignImage, ForeignSet, split_called
from ladcli.formats.found_images import ImageFiles, files_below, folded, shared_folders
from ladcli.formats.tally import Tally
from ladcli.formats.text import as_number, read_text, table_rows
from ladcli.plain_text import one_line

#: Names of a column, as they are written without case and without anything but letters and digits.
_IMAGE = (
    "imageid",
    "filename",
    "image",
    "imagename",
    "imagepath",
    "path",
    "file",
    "filepath",
    "img",
)
_CLASS = ("labelname", "class", "label", "classname", "category", "name")
_CORNERS = (
    ("xmin", "x1", "left"),
    ("ymin", "y1", "top"),
    ("xmax", "x2", "right"),
    ("ymax", "y2", "bottom"),
)
_SIZED = (("bboxx", "x"), ("bboxy", "y"), ("bboxwidth", "w"), ("bboxheight", "h"))
_WIDTH, _HEIGHT = ("width", "imagewidth"), ("height", "imageheight")
#: Open Images' marks; -1 is unknown.
_FLAGS = {"istruncated": "truncated", "isoccluded": "occluded", "isdepiction": "depiction"}
_FLAGS |= {"isinside": "inside", "truncated": "truncated", "occluded": "occluded"}
_CROWD, _DIFFICULT = ("isgroupof", "iscrowd"), ("difficult",)
_DELIMITERS = (",", ";", "\t", "|")
_DESCRIPTIONS = "class-descriptions"


@dataclass(frozen=True)
class _Columns:
    """Where a table has what."""

    names: list[str]  # as the file has them
    image: int
    class_name: int
    box: tuple[int, ...]  # x1, y1, x2, y2, or x, y, width, height
    is_sized: bool
    size: tuple[int, int] | None
    crowd: int | None
    difficult: int | None
    flags: Mapping[int, str]
    in_shares: bool  # as this kind of table has them


@dataclass(frozen=True)
class _Row:
    where: str
    image: str
    box: Box | None  # None names an image alone
    size: tuple[int, int] | None


def read_csv(
    src: Path,
    tally: Tally,
    *,
    images: Path | None = None,
    classes: GivenClasses | None = None,
    coordinates: Literal["pixels", "shares"] | None = None,
) -> ForeignSet:
    """Read tables.

    Args:
        src: a table, or a folder with tables, whose names or folders may say a split.
        images: folder with the images, where they are not beside the table.
        classes: names that the user gave; else those that stand beside the tables are used.
        coordinates: what the numbers are, where the columns mean something else.

    Raises:
        UserError: there is no table, its columns are not known, its numbers are of the other kind,
            or there are no images.
    """
    tables, meanings = _tables(src, classes)
    files = ImageFiles(images if images is not None else src if src.is_dir() else src.parent)
    if not files.paths:
        raise UserError(f"{files.folders[0]}: holds no image; name the folder with --images")
    found: list[ForeignImage] = []
    used: set[Path] = set()
    for path in tables:
        split = _split_of(path, src) if src.is_dir() and len(tables) > 1 else None
        found += _table_images(path, files, split, meanings, coordinates, used, tally)
    for path in files.paths:
        if path not in used:
            tally.leave_out("image", "named by no row", str(path))
    return ForeignSet(found, None)


def _tables(src: Path, classes: GivenClasses | None) -> tuple[list[Path], Mapping[str, str]]:
    """The tables of boxes, and what their class names mean."""
    if src.is_file():
        beside = sorted(src.parent.glob("*.[cC][sS][vV]"))
        tables = [src]
    else:
        beside = files_below(src, (".csv", ".tsv"))
        tables = [path for path in beside if _DESCRIPTIONS not in path.name.lower()]
    if not tables:
        raise UserError(f"{src}: holds no .csv file; name the table")
    described = [path for path in beside if _DESCRIPTIONS in path.name.lower()]
    if classes is not None or not described:
        return tables, {}
    return tables, class_descriptions(described[0])


def _split_of(path: Path, src: Path) -> Split | None:
    """The split that a table's folder or a word of its name says."""
    words = [*path.parent.relative_to(src).parts]
    words += path.stem.replace("-", "_").replace(".", "_").split("_")
    return next((split for split in map(split_called, words) if split), None)


def _table_images(
    path: Path,
    files: ImageFiles,
    split: Split | None,
    meanings: Mapping[str, str],
    coordinates: Literal["pixels", "shares"] | None,
    used: set[Path],
    tally: Tally,
) -> list[ForeignImage]:
    text = read_text(path)
    columns, delimiter = _columns(path, text)
    in_shares = columns.in_shares if coordinates is None else coordinates == "shares"
    rows = list(_rows(path, text, columns, delimiter, tally))
    _refuse_other_kind(path, rows, in_shares)
    boxes: dict[Path, list[Box]] = defaultdict(list)
    sizes: dict[Path, tuple[int, int] | None] = {}
    names: dict[str, Path | str] = {}
    called: dict[Path, str] = {}
    for row in rows:
        image = names.setdefault(row.image, files.find(row.image, near=path.parent))
        if isinstance(image, str):
            tally.leave_out("row", f"image not found: {image}", f"{row.where}: {row.image}")
            continue
        first = called.setdefault(image, row.image)
        if not _one_image(first, row.image):
            better = shared_folders(image, row.image) > shared_folders(image, first)
            loser = first if better else row.image
            tally.leave_out("image name", "it leads to the image of another one",
                               f"{row.where}: {loser}")  # fmt: skip
            if not better:
                continue
            called[image], boxes[image] = row.image, []
            sizes.pop(image)
        sizes.setdefault(image, row.size)
        drawn = boxes[image]
        if row.box is not None:
            name = meanings.get(row.box.class_name, row.box.class_name)
            drawn.append(Box(name, row.box.corners, row.where, row.box.crowd, row.box.difficult,
                             row.box.flags))  # fmt: skip
    used.update(boxes)
    return [
        ForeignImage(
            image,
            tuple(drawn),
            f"{path}: {image.name}",
            sizes[image],
            in_shares,
            split,
            called[image],
        )
        for image, drawn in boxes.items()
    ]


def _one_image(first: str, second: str) -> bool:
    """Whether two names that lead to one file mean it both: the folders of one end the other's.

    Names are taken loosely, so ``b/x.jpg`` may lead to ``a/x.jpg`` where there is no other.
    """
    if first == second:
        return True
    parts = [folded(name).replace("\\", "/").split("/")[:-1] for name in (first, second)]
    shorter, longer = sorted(([p for p in names if p not in ("", ".", "..")] for names in parts),
                             key=len)  # fmt: skip
    return not shorter or longer[-len(shorter) :] == shorter


def _columns(path: Path, text: str) -> tuple[_Columns, str]:
    """The columns of a table and what separates them."""
    header = next(filter(None, map(str.strip, text.splitlines())), "")
    if not header:
        raise UserError(f"{path}: the file is empty; write it again")
    for delimiter in _DELIMITERS:
        columns = _known_columns(next(csv.reader([header], delimiter=delimiter)))
        if columns is not None:
            return columns, delimiter
    delimiter = max(_DELIMITERS, key=header.count)
    names = [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter))]
    raise UserError(
        f"{path}: the columns of a box are not among {one_line(', '.join(names)[:200])}; name "
        "them ImageID, LabelName, XMin, XMax, YMin, YMax (shares), or filename, class, xmin, ymin, "
        "xmax, ymax (pixels) in the first line"
    )


def _known_columns(header: list[str]) -> _Columns | None:
    plain = ["".join(filter(str.isalnum, name)).lower() for name in header]

    def place(names: tuple[str, ...]) -> int | None:
        return next((plain.index(name) for name in names if name in plain), None)

    image, class_name = place(_IMAGE), place(_CLASS)
    corners, sized = [[place(names) for names in group] for group in (_CORNERS, _SIZED)]
    is_sized = None in corners
    box = tuple(number for number in (sized if is_sized else corners) if number is not None)
    if image is None or class_name is None or len(box) < 4:
        return None
    width, height = place(_WIDTH), place(_HEIGHT)
    size = (width, height) if width is not None and height is not None else None
    return _Columns(
        header, image, class_name, box, is_sized, size, place(_CROWD), place(_DIFFICULT),
        {plain.index(name): flag for name, flag in _FLAGS.items() if name in plain},
        in_shares="imageid" in plain and "labelname" in plain,
    )  # fmt: skip


def _rows(path: Path, text: str, columns: _Columns, delimiter: str, tally: Tally) -> Iterator[_Row]:
    has_header = False
    for number, cells in table_rows(path, text, delimiter):
        where = f"{path} line {number}"
        if not any(cell.strip() for cell in cells):
            continue
        if not has_header:
            has_header = True
            continue
        if len(cells) != len(columns.names):
            tally.leave_out("row", "another number of columns than the first line", where)
            continue
        cells = [cell.strip() for cell in cells]
        if not cells[columns.image]:
            tally.leave_out("row", "no image named", where)
            continue
        size = _size(cells, columns)
        if not any(cells[number] for number in columns.box):
            yield _Row(where, cells[columns.image], None, size)
            continue
        box = _box(cells, columns, where, tally)
        if box is not None:
            yield _Row(where, cells[columns.image], box, size)


def _box(cells: list[str], columns: _Columns, where: str, tally: Tally) -> Box | None:
    numbers = [as_number(cells[number]) for number in columns.box]
    values = [number for number in numbers if number is not None]
    if len(values) < 4:
        tally.leave_out("row", "a coordinate missing or no number", where)
        return None
    if not cells[columns.class_name]:
        tally.leave_out("row", "no class named", where)
        return None
    x1, y1, x2, y2 = values
    corners: Corners = (x1, y1, x1 + x2, y1 + y2) if columns.is_sized else (x1, y1, x2, y2)
    flags = {flag: 1 for number, flag in columns.flags.items() if _is_true(cells, number)}
    return Box(
        cells[columns.class_name],
        corners,
        where,
        crowd=_is_true(cells, columns.crowd),
        difficult=_is_true(cells, columns.difficult),
        flags=flags,
    )


def _is_true(cells: list[str], column: int | None) -> bool:
    return column is not None and cells[column].lower() in ("1", "1.0", "true", "yes")


def _size(cells: list[str], columns: _Columns) -> tuple[int, int] | None:
    if columns.size is None:
        return None
    width, height = (as_number(cells[number]) for number in columns.size)
    if width is None or height is None or not (1 <= width < 1e7 and 1 <= height < 1e7):
        return None
    return int(width), int(height)


def _refuse_other_kind(path: Path, rows: list[_Row], in_shares: bool) -> None:
    """Stop where numbers are plainly of the other kind: nothing is guessed."""
    highest = [max(row.box.corners) for row in rows if row.box is not None]
    if not highest:
        return
    if not in_shares and max(highest) <= 1:
        raise UserError(
            f"{path}: the columns mean pixels, and no number is above 1; if they are shares of the "
            "image size, say --coordinates shares"
        )
    if in_shares and sum(value > 2 for value in highest) > len(highest) / 2:
        raise UserError(
            f"{path}: the numbers should be shares of the image size, and most are above 1; if "
            "they are pixels, say --coordinates pixels"
        )
