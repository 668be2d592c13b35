"""The layouts of a data folder that are found by themselves.

A split is looked for in this order; the first place that has it counts:

1. ``annotations/`` with ``X.json`` or ``instances_X*.json`` (this program's, COCO's own download,
   CVAT's COCO export), or where no file is called so with X as a word of one name, as in
   ``X_annotations.json``; a lone ``instances.json`` or ``instances_default.json`` is train.
2. files of these names in the folder itself.
3. a folder per split, ``X/``, with ``_annotations.coco.json`` beside the images (Roboflow's COCO
   export), with ``annotations/`` of its own, or with one COCO file of any name.
4. a lone COCO file of any name in the folder: train.

X is train, val or test, or another word for it, in upper or lower case.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, TypeAlias

from ladcli.errors import UserError
from ladcli.recognize import CLEANED_ENDING

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

#: What tools call the splits.
NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
#: Roboflow's annotation file, which lies beside the images of its split.
ROBOFLOW = "_annotations.coco.json"
#: Annotation files that name no split, in `annotations/`.
_LONE = ("instances.json", "instances_default.json")
#: Words in the names of files that hold something else than boxes.
_OTHER_TASKS = {"captions", "keypoints", "panoptic", "stuff", "info", "results", "predictions"}
#: A folder with more JSON files than this holds one per image, which is no COCO layout.
_MAX_JSON = 20
_COCO_KEY = re.compile(rb'^\s*\{.*?"(?:info|licenses|images|annotations|categories)"\s*:', re.S)
_HEAD = 4096


def find_in_layout(root: Path, split: Split) -> Path | None:
    """The annotation file of a split below ``root``.

    Raises:
        UserError: several files may be meant (with their names), or ``root`` is a part of a data
            set, which is named.
    """
    _refuse_part(root)
    for candidates in (_in_annotations(root, split), _by_name(root, split)):
        if candidates:
            return _only(candidates, split)
    candidates = [f for folder in split_folders(root, split) for f in _of_split_folder(folder)]
    if candidates:
        return _only(candidates, split)
    if split == "train" and not _has_named_splits(root):
        candidates = coco_files(root)
        if candidates:
            return _only(candidates, split)
    return None


def has_layout(folder: Path) -> bool:
    """Whether some split is found in ``folder``, by the names of files or folders."""
    return any(splits_of(folder))


def splits_of(folder: Path) -> list[Split]:
    """The splits that are found in ``folder`` by the names of files or folders."""
    return [
        split
        for split in SPLITS
        if _in_annotations(folder, split)
        or _by_name(folder, split)
        or any(_of_split_folder(inner) for inner in split_folders(folder, split))
    ]


def image_lists(root: Path) -> list[Path]:
    """COCO's lists of test images, which have no annotations."""
    folder = annotations_folder(root)
    if folder is None:
        return []
    return [path for path in json_files(folder) if path.name.startswith("image_info_test")]


def annotations_folder(root: Path) -> Path | None:
    """``annotations/`` of a data folder, whatever its case."""
    return next((f for f in folders(root) if f.name.casefold() == "annotations"), None)


def split_folders(root: Path, split: Split) -> list[Path]:
    """Folders of ``root`` that bear the name of a split."""
    return [f for f in folders(root) if f.name.casefold() in NAMES[split]]


def coco_files(folder: Path) -> list[Path]:
    """JSON files right in ``folder`` that begin like COCO instances; none if they are many."""
    found = json_files(folder)
    return [] if len(found) > _MAX_JSON else [path for path in found if looks_like_coco(path)]


def looks_like_coco(path: Path) -> bool:
    """Whether a JSON file begins as COCO instances do.

    One that is read to its end here must list images: other tools leave their class names in
    files that have `categories` alone.
    """
    head = head_of(path)
    whole = len(head) < _HEAD
    return bool(_COCO_KEY.match(head.removeprefix(b"\xef\xbb\xbf"))) and not (
        whole and b'"images"' not in head
    )


def head_of(path: Path, size: int = _HEAD) -> bytes:
    """The first bytes of a regular file; none where it cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def folders(root: Path) -> list[Path]:
    """Folders right in ``root``, by name; none where it cannot be read."""
    return [Path(entry.path) for entry in _entries(root) if _is(entry, "dir")]


def json_files(root: Path) -> list[Path]:
    """JSON files right in ``root``, by name."""
    return [
        Path(entry.path)
        for entry in _entries(root)
        if entry.name.lower().endswith(".json") and _is(entry, "file")
    ]


def _entries(root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            return sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
    except OSError:
        return []


def _is(entry: os.DirEntry[str], kind: Literal["dir", "file"]) -> bool:
    try:
        return entry.is_dir() if kind == "dir" else entry.is_file()
    except OSError:
        return False


def _in_annotations(root: Path, split: Split) -> list[Path]:
    folder = annotations_folder(root)
    if folder is None:
        return []
    return _by_name(folder, split) or _lone(folder, split)


def _by_name(folder: Path, split: Split) -> list[Path]:
    """Files of a folder that are called after the split, in the usual way or else by a word."""
    if any(_by_usual_name(folder, other) for other in SPLITS):
        return _by_usual_name(folder, split)
    found = [
        path
        for path in json_files(folder)
        if not path.name.casefold().endswith(CLEANED_ENDING)
        and any(word in NAMES[split] for word in _words(path))
        and not _OTHER_TASKS.intersection(_words(path))
    ]
    # Names of one's own making are no reason to refuse what is unclear.
    return found if len(found) == 1 and looks_like_coco(found[0]) else []


def _words(path: Path) -> list[str]:
    return re.findall(r"[a-z]+", path.stem.casefold())


def _by_usual_name(folder: Path, split: Split) -> list[Path]:
    exact = tuple(f"{name}.json" for name in NAMES[split])
    begins = tuple(f"instances_{name}" for name in NAMES[split])
    found = []
    for path in json_files(folder):
        name = path.name.casefold()
        if name.endswith(CLEANED_ENDING):
            continue  # it lies beside the file that it was made of
        if name in exact or name.startswith(begins):
            found.append(path)
    return found


def _lone(folder: Path, split: Split) -> list[Path]:
    if split != "train":
        return []
    return [path for path in json_files(folder) if path.name.casefold() in _LONE][:1]


def _of_split_folder(folder: Path) -> list[Path]:
    """Annotation files of a folder that holds one split."""
    if (folder / ROBOFLOW).is_file():
        return [folder / ROBOFLOW]
    inner = annotations_folder(folder)
    return (coco_files(inner) if inner is not None else []) or coco_files(folder)


def _has_named_splits(root: Path) -> bool:
    """Whether val or test is there under its name, so that another file is hardly train."""
    return any(split != "train" for split in splits_of(root))


def _only(candidates: list[Path], split: Split) -> Path:
    if len(candidates) == 1:
        return candidates[0]
    folder = Path(os.path.commonpath([path.parent for path in candidates]))
    names = ", ".join(str(path.relative_to(folder)) for path in candidates)
    raise UserError(
        f"{folder}: {len(candidates)} files may be {split}: {names}; name the one you mean with "
        f"--{split}-json (lad eval: --annotations)"
    )


def _refuse_part(root: Path) -> None:
    """Refuse a folder inside of a data set where the whole set must be meant."""
    name = root.absolute().name.casefold()
    parts = ("annotations", "images", *(n for names in NAMES.values() for n in names))
    if name not in parts:
        return
    above = Path(os.path.normpath(root / ".."))
    inner = name in ("annotations", "images")
    # A set of its own may well lie in a folder called train.
    if (inner and has_layout(above)) or (not inner and len(splits_of(above)) > 1):
        raise UserError(
            f"{root}: is a part of the data set in {above}, which is meant; give --data {above}"
        )
