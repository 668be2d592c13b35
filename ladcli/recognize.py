"""Whether a file was written by this program, by what it holds.

Each test reads the beginning of a file, or little more, and needs none of the heavy libraries.  A
file that is a link, unreadable or damaged is nobody's: whoever wrote it, it is not ours to replace.
Files of earlier versions are recognized too.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

#: Says whether a file is one of a kind that this program writes.
Recognizer = Callable[[Path], bool]

#: Bytes that are read to recognize a file by its beginning.
_HEAD = 4096
#: A JSON file of this program that is larger than this is none of those that are read whole.
_MAX_JSON = 64 * 2**20

_PAGE = (
    b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    b'<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;; '
)
_NUMBERS = b"AP,AP50,AP75,APs,APm,APl,"
_TABLE = re.compile(
    rb"(?:class," + _NUMBERS + rb"AR100\nall,|method,class," + _NUMBERS + rb"[^\n]*\n[^\n]*,all,)"
)
_RESULTS = re.compile(rb'\[\n \{\n  "image_id": -?\d+,\n  "category_id": -?\d+,\n  "bbox": \[')
_RECIPE_SECTIONS = ("data", "model", "assign", "loss", "optim", "schedule", "train", "inference")
_SYNTHETIC = re.compile(
    rb'\{"info": \{"description": "synthetic shapes, (?:train|val|test) split, seed \d+"'
)
_IMPORTED = re.compile(rb'\{"info":\{"description":"imported by lad from \w+, (?:train|val|test)"')
#: First key of an annotation file that `lad data check --fix` wrote.
CLEANED_BY = "cleaned_by"
#: And how its name ends.
CLEANED_ENDING = ".cleaned.json"
#: Beginning of a JPEG file without camera data, as the imaging library writes it.
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"


def is_page(path: Path) -> bool:
    """An HTML page of `lad report`, `lad compare`, `lad run` or `lad data stats`."""
    return _head(path).startswith(_PAGE)


def is_table(path: Path) -> bool:
    """A CSV file of `lad eval` or `lad compare`."""
    return bool(_TABLE.match(_head(path)))


def is_results(path: Path) -> bool:
    """A COCO results file in the layout of this program."""
    head = _head(path)
    return head == b"[]\n" or bool(_RESULTS.match(head))


def is_metrics(path: Path) -> bool:
    """The metrics of an evaluation."""
    coco = _object(path).get("coco")
    return isinstance(coco, dict) and {"stats", "per_class"} <= coco.keys()


def is_image_list(path: Path) -> bool:
    """What `lad predict` says about image ids; unlike data sets it knows no annotations."""
    found = _object(path)
    ours = _head(path).startswith(b'{\n "images": [')
    return ours and {"images", "categories"} <= found.keys() and "annotations" not in found


def is_cleaned(path: Path) -> bool:
    """Annotations that `lad data check --fix` wrote."""
    return _head(path).startswith(f'{{"{CLEANED_BY}":'.encode())


def is_notes(path: Path) -> bool:
    """`run.json` of a run."""
    return {"stage", "status"} <= _object(path).keys()


def is_stage_label(path: Path) -> bool:
    """`stage.json` of a finished stage of a pipeline."""
    return {"identity", "stage"} <= _object(path).keys()


def is_summary(path: Path) -> bool:
    """`summary.json` of a pipeline."""
    rows = _json(path)
    return isinstance(rows, list) and all(
        isinstance(row, dict) and {"run", "set", "coco"} <= row.keys() for row in rows
    )


def is_comparison(path: Path) -> bool:
    """The numbers of a comparison, as a pipeline stores them."""
    return {"set", "images", "resamples", "confidence"} <= _object(path).keys()


def is_recipe(path: Path) -> bool:
    """A whole recipe, as a run stores it; one that somebody wrote says only what differs."""
    text = _head(path, 2**16).decode("utf-8", "replace")
    sections = re.findall(r"^(\w+):$", text, re.MULTILINE)
    return text.startswith("data:\n  dir:") and sections[: len(_RECIPE_SECTIONS)] == list(
        _RECIPE_SECTIONS
    )


def is_log(path: Path) -> bool:
    """`metrics.jsonl` of a run; empty before its first line."""
    head = _head(path)
    if not head:
        return path.is_file() and not path.is_symlink()
    return bool(re.match(rb'\{("kind": "\w+", )?"step": \d+', head))


def is_checkpoint(path: Path) -> bool:
    """A checkpoint, or the state of a training."""
    return any(name in _pickled(path) for name in (b"lad-checkpoint", b"lad-state"))


def is_probe(path: Path) -> bool:
    """Costs and positives of a few images."""
    return _has_arrays(path, ("epoch", "step", "gt_image"))


def is_event_log(path: Path) -> bool:
    """A file of TensorBoard."""
    return b"brain.Event:" in _head(path, 64)


def is_cache(path: Path) -> bool:
    """A teacher cache."""
    if not _head(path, 8).startswith(b"\x89HDF"):
        return False
    import h5py

    name = "lad-teacher-cache"
    try:
        with h5py.File(path) as file:
            # The second version of the format has bytes where the first had text.
            found = file.attrs.get("format")
            return isinstance(found, str | bytes) and found in (name, name.encode())
    except (OSError, RuntimeError, ValueError, TypeError):
        return False


def is_cache_build(path: Path) -> bool:
    """The label of a cache that is being built."""
    return {"fingerprints", "num_parts"} <= _object(path).keys()


def is_cache_part(path: Path) -> bool:
    """A part of a cache that is being built."""
    return _has_arrays(path, ("row", "view", "canvas"))


def is_synthetic(path: Path) -> bool:
    """Annotations of a synthetic set."""
    return bool(_SYNTHETIC.match(_head(path)))


def is_imported(path: Path) -> bool:
    """Annotations of an imported set."""
    return bool(_IMPORTED.match(_head(path)))


def is_export(path: Path) -> bool:
    """The list of what an export wrote."""
    return bool(export_files(path))


def export_files(path: Path) -> dict[str, str]:
    """Digests by name of what an export wrote; nothing where ``path`` is no such list."""
    found = _object(path)
    files = found.get("files")
    return files if "lad-export" in found and isinstance(files, dict) else {}


def is_jpeg(path: Path) -> bool:
    """A picture that was drawn, not taken."""
    return _head(path).startswith(_JPEG)


def _head(path: Path, size: int = _HEAD) -> bytes:
    """The first bytes of a file; none where there is no file, or a link."""
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _json(path: Path) -> Any:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_JSON:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _object(path: Path) -> dict[str, Any]:
    found = _json(path)
    return found if isinstance(found, dict) else {}


def _pickled(path: Path) -> bytes:
    """The beginning of the values in a file of torch; nothing is unpickled."""
    try:
        if not _head(path, 2):
            return b""
        with zipfile.ZipFile(path) as archive:
            name = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
            if name is None:
                return b""
            with archive.open(name) as file:
                return file.read(_HEAD)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return b""


def _has_arrays(path: Path, names: Iterable[str]) -> bool:
    """Whether an archive of arrays holds these."""
    try:
        if not _head(path, 2):
            return False
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in names} <= set(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
