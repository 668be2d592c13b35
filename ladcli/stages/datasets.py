"""Opening the sets that a stage works on, with every file checked before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.data.folder import Split, SplitFiles, find_split
from ladcli.data.index import CocoIndex, build_index, check_files, for_training, load_index
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig


@dataclass(frozen=True)
class EvaluationSet:
    """A set to evaluate on: the annotations as stored, and the index to load images from."""

    name: str  # train, val, test, or the stem of an annotation file
    truth: CocoFile
    index: CocoIndex


def open_training_set(data: DataConfig) -> CocoIndex:
    """The training images of a recipe.

    Raises:
        UserError: the set is missing, unsound, or has nothing to learn.
    """
    return check_files(listed_training_set(data), skip_bad=data.skip_bad_images)


def listed_training_set(data: DataConfig) -> CocoIndex:
    """The training images as annotated, whether or not they can be read.

    Raises:
        UserError: as `open_training_set`, but for images.
    """
    files = find_split(data, "train")
    assert files is not None  # a missing training set raises
    return for_training(load_index(files.annotations, files.images), skip_empty=data.skip_empty)


def open_evaluation_set(
    data: DataConfig, split: Split, *, required: bool = True
) -> EvaluationSet | None:
    """A split to evaluate on, or None where it is absent and not ``required``.

    Raises:
        UserError: the set is unsound, or absent and required.
    """
    files = find_split(data, split)
    if files is None:
        if required and data.dir is None:
            raise UserError(
                "no data to evaluate on: name a folder with --data, or a file with --annotations"
            )
        if required:
            raise UserError(
                f"{data.dir}: has no {split} set; name an annotation file with "
                "--annotations, or choose another --split"
            )
        return None
    return open_annotated_set(split, files, skip_bad=data.skip_bad_images)


def choose_evaluation_set(
    data: DataConfig, split: Split, annotations: Path | None
) -> EvaluationSet:
    """The set that `lad eval` names: an annotation file, or a split of the data folder.

    Raises:
        UserError: there is no such set, or it is unsound.
    """
    if annotations is None:
        opened = open_evaluation_set(data, split)
        assert opened is not None  # required sets raise
        return opened
    named = data.model_copy(update={"val_json": str(annotations)})
    files = find_split(named, "val")
    assert files is not None  # a named file that is missing raises
    return open_annotated_set(annotations.stem, files, skip_bad=data.skip_bad_images)


def open_annotated_set(name: str, files: SplitFiles, *, skip_bad: bool) -> EvaluationSet:
    """An evaluation set from its annotation file and image folder."""
    truth = read_coco(files.annotations, use="evaluation")
    if not files.images.is_dir():
        raise UserError(f"{files.images}: no such image folder; name it with --images")
    index = check_files(build_index(truth, files.images), skip_bad=skip_bad)
    return EvaluationSet(name, truth, index)


def require_same_classes(
    mine: ClassTable, what: str, theirs: ClassTable, where: Path | str
) -> None:
    """Refuse to mix two networks or sets that name other classes.

    Raises:
        UserError: says how they differ.
    """
    difference = theirs.difference(mine)
    if difference:
        raise UserError(
            f"{where}: knows other classes than {what} ({difference}); use one with the "
            f"classes {', '.join(mine.names[:8])}{', …' if len(mine) > 8 else ''}"
        )
