"""Where a data set's annotation files and images lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig
from ladcli.recognize import CLEANED_ENDING

Split: TypeAlias = Literal["train", "val", "test"]


@dataclass(frozen=True)
class SplitFiles:
    """One split of a data set."""

    annotations: Path
    images: Path


def find_split(data: DataConfig, split: Split) -> SplitFiles | None:
    """The files of one split: named by the recipe, else found in ``data.dir``.

    A folder holds ``annotations/`` with ``X.json`` or ``instances_X*.json`` per split, and images
    in ``images/`` or ``images/X*/``.  A lone ``instances.json`` is the training split.

    Returns:
        None where a validation or test split is simply absent.

    Raises:
        UserError: a folder or file is missing, the choice is ambiguous (with the candidates), or
            there is no training split (with what was found).
    """
    annotations = find_annotations(data, split)
    if annotations is None:
        return None
    return SplitFiles(annotations, _find_images(data, _root(data), annotations, split))


def find_annotations(data: DataConfig, split: Split) -> Path | None:
    """The annotation file of one split, wherever its images are; else as `find_split`."""
    root = _root(data)
    named = {"train": data.train_json, "val": data.val_json, "test": None}[split]
    if named is not None:
        annotations: Path | None = Path(named)
    elif root is not None:
        annotations = _find_annotations(root, split)
    elif split == "train":
        raise UserError("no training data: name a folder with --data, or a file with --train-json")
    else:
        annotations = None
    if annotations is not None and not annotations.is_file():
        raise UserError(f"{annotations}: no such annotation file; check the name")
    return annotations


def _root(data: DataConfig) -> Path | None:
    if data.dir is None:
        return None
    root = Path(data.dir)
    if not root.is_dir():
        raise UserError(f"{root}: no such data folder; check --data")
    return root


def _find_annotations(root: Path, split: Split) -> Path | None:
    folder = root / "annotations"
    if not folder.is_dir():
        raise UserError(
            f"{root}: has no folder annotations/; a COCO layout is needed, or name the files with "
            "--train-json, --val-json and --images (lad eval: --annotations)"
        )
    found = sorted(path for path in folder.glob("*.json") if path.is_file())
    candidates = [path for path in found if _belongs(path.name, split)]
    lone = folder / "instances.json"
    if not candidates and split == "train" and lone in found:
        candidates = [lone]
    if len(candidates) > 1:
        option = "; name the one you mean with " + (
            f"--{split}-json" if split != "test" else "--val-json"
        )
        names = ", ".join(path.name for path in candidates)
        raise UserError(f"{folder}: {len(candidates)} files may be {split}: {names}{option}")
    if not candidates and split == "train":
        names = ", ".join(path.name for path in found) or "no .json file"
        raise UserError(
            f"{folder}: no train.json or instances_train*.json (found: {names}); "
            "name the file with --train-json"
        )
    return candidates[0] if candidates else None


def _belongs(name: str, split: Split) -> bool:
    if name.endswith(CLEANED_ENDING):
        return False  # it lies beside the file that it was made of
    return name == f"{split}.json" or name.startswith(f"instances_{split}")


def _find_images(data: DataConfig, root: Path | None, annotations: Path, split: Split) -> Path:
    if data.images is not None:
        images = Path(data.images)
        if not images.is_dir():
            raise UserError(f"{images}: no such image folder; check --images")
        return images
    if root is None:
        # The folder that a COCO layout would have around the annotation file.
        root = annotations.parent.parent
    folder = root / "images"
    if not folder.is_dir():
        raise UserError(f"{root}: has no folder images/; name the image folder with --images")
    # A split's own folder has the better claim: images/ may hold the folders of all splits.
    own = sorted(path for path in folder.glob(f"{split}*") if path.is_dir())
    if len(own) > 1:
        named = [path for path in own if annotations.stem.endswith(path.name)]
        own = named if len(named) == 1 else own
    if len(own) > 1:
        names = ", ".join(f"images/{path.name}/" for path in own)
        raise UserError(
            f"{root}: {len(own)} folders may hold the images of {split}: {names}; "
            "name the one you mean with --images"
        )
    return own[0] if own else folder
