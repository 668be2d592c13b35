"""Opening the sets that a stage works on, with every file checked before the first step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ladcli.classes import ClassTable
from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.data.folder import Split, SplitFiles, find_split, missing_split
from ladcli.data.image_check import check_files
from ladcli.data.index import CocoIndex, build_index, for_training, load_index
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig


@dataclass(frozen=True)
class EvaluationSet:
    """A set to evaluate on: the annotations as stored, and the index to load images from."""

    name: str  # train, val, test, or the stem of an annotation file
    truth: CocoFile
    index: CocoIndex
    max_bad_share: float = 1.0  # of the images, that may turn out to be bad, see `data.bad_share`

    def suited_to(self, classes: ClassTable) -> EvaluationSet:
        """With the root category as a class where ``classes`` has it, see `CocoFile.suited_to`."""
        truth = self.truth.suited_to(classes)
        if truth is self.truth:
            return self
        index = replace(self.index, classes=truth.classes, labels=self.index.labels + 1)
        return replace(self, truth=truth, index=index)


def open_training_set(
    data: DataConfig,
    *,
    left_out: Collection[int] | None = None,
    classes: ClassTable | None = None,
) -> CocoIndex:
    """The training images of a recipe.

    Args:
        left_out: ids of images that the run left out when it was started; None at its start.
        classes: that the run learns since then.

    Raises:
        UserError: the set is missing, unsound, or has nothing to learn.
    """
    return check_files(
        listed_training_set(data, classes=classes),
        skip_bad=data.skip_bad_images,
        max_bad_share=data.max_bad_share,
        left_out=left_out,
    )


def listed_training_set(data: DataConfig, *, classes: ClassTable | None = None) -> CocoIndex:
    """The training images as annotated, whether or not they can be read.

    Args:
        classes: as in `open_training_set`.

    Raises:
        UserError: as `open_training_set`, but for images.
    """
    files = find_split(data, "train")
    assert files is not None  # a missing training set raises
    loaded = load_index(files.annotations, files.images, classes)
    return for_training(loaded, skip_empty=data.skip_empty)


def open_evaluation_set(
    data: DataConfig, split: Split, *, required: bool = True
) -> EvaluationSet | None:
    """A split to evaluate on, or None where it is absent and not ``required``.

    Raises:
        UserError: the set is unsound, or absent and required.
    """
    files = find_split(data, split)
    if files is None:
        if required:
            raise _absent(data, split)
        return None
    return open_annotated_set(
        split,
        files,
        skip_bad=data.skip_bad_images,
        max_bad_share=data.max_bad_share,
        flag=f"--{split}-images" if split != "train" else "--images",
    )


def choose_evaluation_set(
    data: DataConfig, split: Split, annotations: Path | None
) -> EvaluationSet:
    """The set that `lad eval` names: an annotation file, or a split of the data folder.

    There is no limit of bad images here: the result says of how many images it is.

    Raises:
        UserError: there is no such set, or it is unsound.
    """
    key = {"train": "train_json", "val": "val_json", "test": "test_json"}[split]
    named = data if annotations is None else data.model_copy(update={key: str(annotations)})
    files = find_split(named, split)
    if files is None:
        raise _absent(data, split)
    name = split if annotations is None else annotations.stem
    return open_annotated_set(name, files, skip_bad=data.skip_bad_images)


def _absent(data: DataConfig, split: Split) -> UserError:
    if data.dir is None:
        return UserError(
            "no data to evaluate on: name a folder with --data, or a file with --annotations"
        )
    return UserError(
        f"{missing_split(data, split)}; name an annotation file with --annotations, or choose "
        "another --split"
    )


def open_annotated_set(
    name: str,
    files: SplitFiles,
    *,
    skip_bad: bool,
    max_bad_share: float = 1.0,
    flag: str = "--images",
) -> EvaluationSet:
    """An evaluation set from its annotation file and image folder; ``flag`` names the latter."""
    truth = read_coco(files.annotations, use="evaluation")
    if not files.images.is_dir():
        raise UserError(f"{files.images}: no such image folder; name it with {flag}")
    index = check_files(
        build_index(truth, files.images), skip_bad=skip_bad, max_bad_share=max_bad_share, flag=flag
    )
    return EvaluationSet(name, truth, index, max_bad_share)


def with_shared_files_note(index: CocoIndex, validation: EvaluationSet) -> EvaluationSet:
    """The validation set with a note where its images are, file by file, images of training too.

    That is meant where one looks whether training can succeed at all; else two sets that count
    their frames from zero were given one folder.
    """
    if index.images_dir.resolve() != validation.index.images_dir.resolve():
        return validation
    train = {index.path(row) for row in range(len(index))}
    own = validation.index
    shared = [row for row in range(len(own)) if own.path(row) in train]
    if not shared:
        return validation
    note = (
        f"{own.annotations}: {len(shared)} of {len(own)} images are files of the training set too "
        f"(such as {own.path(shared[0])}); if each set has a folder of its own, name it with "
        "--val-images"
    )
    return replace(validation, index=replace(own, notes=(*own.notes, note)))


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
