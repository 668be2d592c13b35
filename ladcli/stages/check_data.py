"""`lad data check`: everything that is found about the sets of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ladcli.check.checked_set import CheckedSet, check_annotations
from ladcli.check.image_files import decode_files, look_at_files
from ladcli.check.mend import Changes, write_cleaned
from ladcli.check.same_classes import report_class_differences
from ladcli.check.same_content import report_same_content
from ladcli.data.findings import SEVERITIES, Finding
from ladcli.data.folder import find_annotations, find_split, splits_there
from ladcli.data.image_folder import find_image_folder
from ladcli.detector.levels import DEFAULT_LAYOUT, FIRST_LEVELS
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig, Recipe
from ladcli.stages.input_boxes import input_boxes, reach_warning


@dataclass(frozen=True)
class SetFiles:
    """A set to check."""

    name: str
    annotations: Path
    images: Path | None  # None where images are not looked at


@dataclass(frozen=True)
class Checked:
    """What was found, in the order of the sets and for each of them errors first."""

    sets: tuple[CheckedSet, ...]
    cleaned: dict[str, tuple[Path, Changes]] = field(default_factory=dict)  # by name of the set

    @property
    def findings(self) -> list[Finding]:
        return [
            finding
            for checked in self.sets
            for severity in SEVERITIES
            for finding in checked.findings.found
            if finding.severity == severity
        ]

    def count(self, severity: str) -> int:
        """Kinds of problems of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "sets": [checked.summary() for checked in self.sets],
            "findings": [finding.to_plain() for finding in self.findings],
            **{f"{severity}s": self.count(severity) for severity in SEVERITIES},
            "cleaned": [
                {"set": name, "file": str(path), "changes": changes.to_plain()}
                for name, (path, changes) in self.cleaned.items()
            ],
        }


def sets_of_folder(data: DataConfig, *, with_images: bool) -> list[SetFiles]:
    """The sets that a data folder has.

    Raises:
        UserError: it has none, or they are ambiguous.
    """
    found = []
    for split in splits_there(data):
        if with_images:
            files = find_split(data, split)
            if files is not None:
                found.append(SetFiles(split, files.annotations, files.images))
        else:
            annotations = find_annotations(data, split)
            if annotations is not None:
                found.append(SetFiles(split, annotations, None))
    return found


def sets_of_files(
    annotations: Sequence[Path], images: Sequence[Path], *, with_images: bool
) -> list[SetFiles]:
    """The sets of annotation files.

    Args:
        images: one folder for each of them, or one for all; none to look where a data folder with
            these annotations would have them.

    Raises:
        UserError: a file or folder is missing, or their numbers do not fit.
    """
    if images and len(images) not in (1, len(annotations)):
        raise UserError(
            f"{len(annotations)} --annotations and {len(images)} --images: give one folder for "
            "all, or one for each in the same order"
        )
    folders = list(images) * (len(annotations) if len(images) == 1 else 1)
    found = []
    for number, path in enumerate(annotations):
        name = path.stem if len({p.stem for p in annotations}) == len(annotations) else str(path)
        if not path.is_file():
            raise UserError(f"{path}: no such annotation file; check the name")
        if not with_images:
            found.append(SetFiles(name, path, None))
            continue
        folder = folders[number] if folders else None
        if folder is None:
            folder = find_image_folder(path, "val", None, option="data.images")
        elif not folder.is_dir():
            raise UserError(f"{folder}: no such image folder; check --images")
        found.append(SetFiles(name, path, folder))
    return found


def check_data(
    files: Sequence[SetFiles],
    *,
    size: tuple[list[int], int] | None = None,
    decode: bool = False,
    fix: bool = False,
    quiet: bool = False,
) -> Checked:
    """Check sets, each by itself and all together.

    Args:
        size: short sides and long side that images are resized to, by default the recipe's.
        decode: decode every image.
        fix: write cleaned annotations beside those that can be mended; where that is impossible
            (nothing sound is left, or the name is taken), it is an error among the others.
    """
    sets = [check_annotations(f.name, f.annotations, f.images) for f in files]
    for checked in sets:
        _report_reach(checked, size)
        look_at_files(checked, quiet=quiet)
    pixels = decode_files(sets, quiet=quiet) if decode else [{} for _ in sets]
    report_same_content(sets, pixels)
    report_class_differences(sets)
    cleaned = {}
    for checked in sets if fix else ():
        try:
            written = write_cleaned(checked)
        except UserError as error:
            checked.findings.add("not-cleaned", "error", 1, f"nothing was cleaned: {error}")
            continue
        if written is not None:
            cleaned[checked.name] = written
    return Checked(tuple(sets), cleaned)


def _report_reach(checked: CheckedSet, size: tuple[list[int], int] | None) -> None:
    """Warn of boxes that no anchor reaches at the input size, in what may be a training set."""
    if checked.index is None or checked.name in ("val", "test"):
        return
    if any(finding.kind == "boxes-fractions" for finding in checked.findings.found):
        return  # else it would be told that they are small, in pixels
    recipe = Recipe()
    if size is not None:
        data = recipe.data.model_copy(update={"short": size[0], "long": size[1]})
        recipe = recipe.model_copy(update={"data": data})
    boxes = input_boxes(checked.index, recipe.data.short[-1], recipe.data.long)
    warning = reach_warning(recipe, checked.index, boxes, DEFAULT_LAYOUT, levels=FIRST_LEVELS)
    if warning is not None:
        text, _, remedy = warning.partition("; ")
        missed = int((boxes.best_iou(DEFAULT_LAYOUT) < recipe.assign.min_iou).sum())
        size_text = f"{recipe.data.short[-1]}x{recipe.data.long}"
        text = text.replace("this image size", f"an image size of {size_text}")
        checked.findings.add("box-out-of-reach", "warning", missed, text, remedy=remedy)
