"""Which tool wrote a file, by its beginning."""

from __future__ import annotations

import re
from pathlib import Path

from ladcli.data.layouts import head_of

_LABEL_LINE = re.compile(rb"\s*\d+(?:\.0*)?(?:\s+-?\d*\.?\d+(?:[eE]-?\d+)?){4,}\s*$")
#: Columns by which a table of boxes is known, as letters and digits.
_CSV_COLUMNS = ({"xmin", "ymin"}, {"x1", "y1", "x2", "y2"})
#: Formats that are recognized and not imported: a key at the beginning of a JSON file, and a name.
_OTHER_JSON = (
    (b'"_via_', "VGG Image Annotator"),
    (b'"shape_attributes"', "VGG Image Annotator"),
    (b'"coordinates"', "CreateML"),
    (b'"completions"', "Label Studio"),
    (b'"annotation_result', "Label Studio"),
    (b'"from_name"', "Label Studio"),
    (b'"data_row"', "Labelbox"),
    (b'"dataset_type"', "Datumaro"),
    (b'"dm_format_version"', "Datumaro"),
)


def is_box_table(path: Path) -> bool:
    """Whether a table has the columns of boxes, with any usual delimiter."""
    cells = re.split(r"[,;\t|]", _first_line(path).decode("latin-1").lower())
    columns = {re.sub(r"[^a-z0-9]", "", cell) for cell in cells}
    return any(wanted <= columns for wanted in _CSV_COLUMNS)


def _first_line(path: Path) -> bytes:
    return head_of(path).removeprefix(b"\xef\xbb\xbf").split(b"\n")[0]


def is_label_file(path: Path) -> bool:
    """Whether a text file is a label file of YOLO."""
    lines = head_of(path).splitlines()[:3]
    return bool(lines) and all(_LABEL_LINE.match(line) for line in lines)


def is_labelme(head: bytes) -> bool:
    """Whether a JSON file that begins with ``head`` is one of LabelMe."""
    return (
        head.lstrip().startswith(b"{")
        and b'"shapes"' in head
        and (b'"imagePath"' in head or b'"points"' in head)
    )


def is_results(head: bytes) -> bool:
    """Whether a JSON file that begins with ``head`` is a list of detections."""
    return head.lstrip().startswith(b"[") and b'"image_id"' in head and b'"score"' in head


def tool_of_json(head: bytes) -> str | None:
    """The tool that wrote a JSON file that begins with ``head``; None where it is not known."""
    return next((tool for key, tool in _OTHER_JSON if key in head), None)
