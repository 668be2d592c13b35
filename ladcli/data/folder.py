"""Where a data set's annotation files and images lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ladcli.data.foreign import refuse_folder, refuse_foreign_file
from ladcli.data.image_folder import find_image_folder
from ladcli.data.layouts import SPLITS, Split, find_in_layout, image_lists
from ladcli.errors import UserError
from ladcli.recipe.flags import FLAGS
from ladcli.recipe.schema import DataConfig

__all__ = [
    "Split",
    "SplitFiles",
    "find_annotations",
    "find_split",
    "has_data",
    "missing_split",
    "splits_there",
]


@dataclass(frozen=True)
class SplitFiles:
    """One split of a data set."""

    annotations: Path
    images: Path


def has_data(data: DataConfig) -> bool:
    """Whether a training set is named at all."""
    return data.dir is not None or data.train_json is not None


def find_split(data: DataConfig, split: Split) -> SplitFiles | None:
    """The files of one split: named by the recipe, else found in ``data.dir``.

    `ladcli.data.layouts` says which layouts are known.

    Returns:
        None where a validation or test split is simply absent, see `missing_split`.

    Raises:
        UserError: a folder or file is missing, the choice is ambiguous (with the candidates), or
            there is no training split (with what the folder looks like, and what to do).
    """
    annotations = find_annotations(data, split)
    if annotations is None:
        return None
    named = image_option(data, split)
    if named is not None:
        option, folder = named
        return SplitFiles(annotations, _named_folder(Path(folder), FLAGS[option]))
    images = find_image_folder(annotations, split, _root(data), option=_own_option(split))
    return SplitFiles(annotations, images)


def splits_there(data: DataConfig) -> list[Split]:
    """The splits that there are, for what needs no training set among them.

    Raises:
        UserError: as `find_annotations`, but for a missing training set where another is there.
    """
    root = _root(data)
    there = [
        split
        for split in SPLITS
        if getattr(data, f"{split}_json") is not None
        or (root is not None and find_in_layout(root, split) is not None)
    ]
    if not there:
        find_annotations(data, "train")  # says what the folder looks like
    return there


def find_annotations(data: DataConfig, split: Split) -> Path | None:
    """The annotation file of one split, wherever its images are; else as `find_split`."""
    root = _root(data)
    named = {"train": data.train_json, "val": data.val_json, "test": data.test_json}[split]
    if named is not None:
        annotations = Path(named)
        if not annotations.is_file():
            raise UserError(f"{annotations}: {_no_file(annotations)}")
        refuse_foreign_file(annotations)
        return annotations
    if root is not None:
        found = find_in_layout(root, split)
        if found is None and split == "train":
            refuse_folder(root)
        return found
    if split == "train":
        raise UserError("no training data: name a folder with --data, or a file with --train-json")
    return None


def missing_split(data: DataConfig, split: Split) -> str:
    """Why `find_split` found no ``split``, as the beginning of a sentence."""
    lists = image_lists(Path(data.dir)) if split == "test" and data.dir is not None else []
    if lists:
        return (
            f"{data.dir}: has no test set to measure on: {lists[0].name} lists images without "
            "their boxes, which are kept secret (lad predict looks at such images)"
        )
    return f"{data.dir}: has no {split} set"


def image_option(data: DataConfig, split: Split) -> tuple[str, str] | None:
    """The option that names the image folder of a split, and the folder; None where none does."""
    for key in (_own_option(split), "data.images"):
        folder = getattr(data, key.removeprefix("data."))
        if folder is not None:
            return key, folder
    return None


def _own_option(split: Split) -> str:
    return "data.images" if split == "train" else f"data.{split}_images"


def _root(data: DataConfig) -> Path | None:
    if data.dir is None:
        return None
    root = Path(data.dir)
    if not root.is_dir():
        refuse_folder(root)
    return root


def _no_file(path: Path) -> str:
    if path.is_dir():
        return "is a folder; name the JSON file in it, or give the folder with --data"
    if path.exists():
        return "is no regular file; name a JSON file"
    return "no such annotation file; check the name"


def _named_folder(folder: Path, flag: str) -> Path:
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder}: is a file, not an image folder; check {flag}")
    raise UserError(f"{folder}: no such image folder; check {flag}")
