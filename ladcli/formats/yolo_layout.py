"""Where a YOLO data set keeps its images, label files, class names and splits.

A ``data.yaml`` says it, or the lists of darknet, or the folders themselves: ``images/train`` with
``labels/train``, ``train/images`` with ``train/labels``, or images and label files side by side.
An image without label file is a negative.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ladcli.data.image_suffixes import SUFFIXES
from ladcli.data.layouts import SPLITS, Split
from ladcli.errors import UserError
from ladcli.formats.class_names import (
    GivenClasses,
    listed_names,
    read_data_yaml,
    without_repeats,
    yaml_names,
)
from ladcli.formats.foreign import Box, ForeignImage, ForeignSet, split_called
from ladcli.formats.found_images import ImageFiles, children, files_below
from ladcli.formats.sound import say_emptied
from ladcli.formats.tally import Tally
from ladcli.formats.text import read_lines
from ladcli.formats.yolo import LabelRow, read_label_file
from ladcli.formats.yolo_labels import NAME_FILES, LabelFiles, lists_images
from ladcli.recipe.yaml_text import as_text

_YAML = (".yaml", ".yml")
_DARKNET = ".data"
#: Keys of data.yaml, and names of darknet's lists, in order of their claim on an image.
_PARTS: tuple[tuple[str, Split], ...] = (
    ("test", "test"), ("val", "val"), ("valid", "val"), ("train", "train"),
)  # fmt: skip


@dataclass
class _Plan:
    """Which images there are, as far as the data set says so."""

    root: Path
    names: tuple[str, ...] | None = None
    has_keypoints: bool = False
    splits: dict[Path, Split] = field(default_factory=dict)  # images, each once


def read_yolo(
    src: Path,
    tally: Tally,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    classes: GivenClasses | None = None,
) -> ForeignSet:
    """Read a data set.

    Args:
        src: its folder, or its data.yaml.
        images: folder with the images, where they are not found in ``src``.
        labels: folder with the label files, where they are not found by the images.
        classes: names that the user gave; they win over those of the data set.

    Raises:
        UserError: there are no images, or no label file belongs to one.
    """
    plan = _plan(src, images, tally)
    if classes is not None:
        if plan.names is not None and plan.names != classes.names:
            tally.note(
                "list of class names", f"replaced by {classes.source}", ", ".join(plan.names)
            )
        plan.names = classes.names
    image_root = images or plan.root
    paths = list(plan.splits) or ImageFiles(image_root).paths
    if not paths:
        raise UserError(f"{image_root}: holds no image; name their folder with --images")
    label_files = LabelFiles(plan.root, image_root, labels)
    rows = {path: _rows(path, label_files.of(path), plan, tally) for path in paths}
    _refuse_without_labels(rows, label_files, plan.root, labels)
    label_files.say_unused(tally)
    names = _class_names(plan, rows, tally)
    sets = plan.splits or _folder_splits(paths, image_root)
    found = [
        ForeignImage(path, _boxes(lines, names), str(path), None, True, sets.get(path))
        for path, lines in rows.items()
        if lines is not None
    ]
    return ForeignSet(found, without_repeats(names, tally))


def _rows(image: Path, label_file: Path | None, plan: _Plan, tally: Tally) -> list[LabelRow] | None:
    """What a label file says; nothing is a negative, and None is a file that cannot be read."""
    if label_file is None:
        return []
    num_classes = len(plan.names) if plan.names is not None else None
    try:
        rows = read_label_file(
            label_file, tally, num_classes=num_classes, has_keypoints=plan.has_keypoints
        )
        if not rows and any(read_lines(label_file)):
            say_emptied(tally, image)
        return rows
    except UserError as error:
        tally.leave_out("image", "label file cannot be read", str(error))
        return None


def _boxes(rows: Sequence[LabelRow], names: Sequence[str]) -> tuple[Box, ...]:
    return tuple(Box(names[row.class_number], row.corners, row.where) for row in rows)


def _class_names(
    plan: _Plan, rows: dict[Path, list[LabelRow] | None], tally: Tally
) -> tuple[str, ...]:
    if plan.names is not None:
        return plan.names
    highest = max((row.class_number for lines in rows.values() for row in lines or ()), default=0)
    names = tuple(f"class_{number}" for number in range(highest + 1))
    tally.note(
        "class name",
        "made up, because nothing names the classes; give them with --classes FILE",
        f"class_0 to class_{highest}" if highest else "class_0",
    )
    return names


def _refuse_without_labels(
    rows: dict[Path, list[LabelRow] | None],
    label_files: LabelFiles,
    root: Path,
    labels: Path | None,
) -> None:
    if label_files.used:
        return
    first = next(iter(rows))
    others = sorted({path.parent for path in files_below(root, (".txt",))} - {root})
    hint = f"; {others[0]} holds text files" if others else ""
    raise UserError(
        f"{labels or root}: no label file is named like an image (such as "
        f"{label_files.wanted(first)}); name the folder of the label files with --labels{hint}"
    )


# --- what the data set says


def _plan(src: Path, images: Path | None, tally: Tally) -> _Plan:
    if src.is_file():
        if src.suffix.lower() == _DARKNET:
            return _plan_of_darknet(src, src.parent, images, tally)
        if src.suffix.lower() not in _YAML:
            raise UserError(f"{src}: is a file; name the folder, or its data.yaml or obj.data")
        return _plan_of_yaml(src, src.parent, images, tally)
    found = [path for path in children(src) if path.suffix.lower() in _YAML]
    usual = [path for path in found if path.name.lower() in ("data.yaml", "data.yml")]
    found = usual or [path for path in found if "names" in read_data_yaml(path)]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"{src}: holds {len(found)} descriptions ({names}); name one as SRC")
    if found:
        return _plan_of_yaml(found[0], src, images, tally)
    described = [path for path in files_below(src, (_DARKNET,)) if _darknet_keys(path)]
    if len(described) == 1:
        return _plan_of_darknet(described[0], src, images, tally)
    plan = _Plan(src)
    by_name = {path.name.lower(): path for path in files_below(src, (".txt", ".names", ".labels"))}
    listed = next((by_name[name] for name in NAME_FILES if name in by_name), None)
    if listed is not None:
        plan.names = listed_names(listed)
    _take_lists(plan, images, tally)
    return plan


def _plan_of_darknet(path: Path, root: Path, images: Path | None, tally: Tally) -> _Plan:
    """What an ``obj.data`` says: lists of images, and of class names."""
    keys = _darknet_keys(path)
    bases = [path.parent, root, Path(os.path.normpath(root / ".."))]
    plan = _Plan(root)
    names = _place(keys["names"], bases) if "names" in keys else None
    if names is not None:
        plan.names = listed_names(names)
    lists: list[tuple[Path, Split]] = []
    for key, split in _PARTS:
        place = _place(keys[key], bases) if key in keys else None
        if place is not None and place.is_file():
            lists.append((place, split))
        elif key in keys:
            tally.note(f"{key} list", f"of {path.name} not found", keys[key])
    _take_listed(plan, lists, images, tally)
    return plan


def _darknet_keys(path: Path) -> dict[str, str]:
    """The keys of an ``obj.data``; none where a file is no such."""
    try:
        pairs = [line.partition("=") for line in read_lines(path)]
    except UserError:  # no text
        return {}
    keys = {key.strip().lower(): value.strip() for key, equal, value in pairs if equal}
    return keys if {"train", "valid", "names"} & keys.keys() else {}


def _take_lists(plan: _Plan, images: Path | None, tally: Tally) -> None:
    """``train.txt``, ``valid.txt``, ``test.txt`` as darknet has them: a line per image.

    They may lie in a folder, such as ``data/``; those nearest to the root count.
    """
    there: dict[str, Path] = {}
    for path in sorted(files_below(plan.root, (".txt",)), key=lambda path: len(path.parts)):
        if path.stem.lower() in dict(_PARTS) and lists_images(path):
            there.setdefault(path.stem.lower(), path)
    lists = [(there[key], split) for key, split in _PARTS if key in there]
    _take_listed(plan, lists, images, tally)


def _take_listed(
    plan: _Plan, lists: list[tuple[Path, Split]], images: Path | None, tally: Tally
) -> None:
    """The splits that lists of images make."""
    if lists:
        index = ImageFiles(images or plan.root)
        parts: dict[Split, list[Path]] = {}
        for path, split in lists:
            parts.setdefault(split, []).extend(_listed_images(path, index, plan.root, tally))
        _add(plan, parts, tally)


def _plan_of_yaml(path: Path, root: Path, images: Path | None, tally: Tally) -> _Plan:
    content = read_data_yaml(path)
    plan = _Plan(root, yaml_names(content, path), "kpt_shape" in content)
    count = content.get("nc")
    if plan.names is not None and isinstance(count, int) and count != len(plan.names):
        tally.note("number of classes", "unlike the list of names, which is taken",
                      f"{path}: nc is {count}, names has {len(plan.names)}")  # fmt: skip
    parts = [(key, split) for key, split in _PARTS if content.get(key) not in (None, "", [])]
    if images is not None or not parts:
        return plan  # folders decide
    bases = _bases(content, path)
    index = ImageFiles(root)
    found: dict[Split, list[Path]] = {}
    for key, split in parts:
        value = content[key]
        for entry in value if isinstance(value, list) else [value]:
            text = as_text(entry)
            if not isinstance(text, str):
                raise UserError(f"{path}: {key!r} must name a folder or a list; got {entry!r}")
            place = _place(text, bases)
            if place is None:
                tally.note(f"{key} folder", "of data.yaml not found", text)
            elif place.is_dir():
                found.setdefault(split, []).extend(files_below(place, SUFFIXES))
            else:
                found.setdefault(split, []).extend(
                    _listed_images(place, index, place.parent, tally)
                )
    _add(plan, found, tally)
    if not plan.splits:
        raise UserError(
            f"{path}: none of its folders holds images here (looked in {bases[0]}); correct "
            "'path', 'train' and 'val', or name the folder with --images"
        )
    return plan


def _bases(content: dict[str, Any], path: Path) -> list[Path]:
    """Folders that entries of a data.yaml may be relative to, the likeliest first."""
    stated = as_text(content.get("path"))
    bases = [path.parent]
    if isinstance(stated, str) and stated:
        bases.insert(0, path.parent / stated)
        # Written on another machine: its last folders may be here.
        parts = Path(stated).parts
        bases += [path.parent.joinpath(*parts[start:]) for start in range(1, len(parts))]
    return bases


def _place(text: str, bases: Sequence[Path]) -> Path | None:
    """A folder or list that exists, for an entry of a data.yaml."""
    plain = text.strip().replace("\\", "/")
    for base in bases:
        if os.path.exists(base / plain):
            return base / plain
    # Roboflow writes ../train/images and means train/images; other machines have other folders.
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        for base in bases:
            place = base.joinpath(*parts[start:])
            if os.path.exists(place):
                return place
    return None


def _listed_images(listing: Path, index: ImageFiles, base: Path, tally: Tally) -> list[Path]:
    """The images that a text file lists, a line each."""
    found = []
    for number, line in enumerate(read_lines(listing), start=1):
        if not line:
            continue
        place = base / line.replace("\\", "/")
        image = place if os.path.isfile(place) else index.find(line, near=base)
        if isinstance(image, Path):
            found.append(image)
        else:
            tally.leave_out("listed image", image, f"{listing} line {number}: {line}")
    return found


def _add(plan: _Plan, parts: dict[Split, list[Path]], tally: Tally) -> None:
    """Every image once: for evaluation where it is in a part for that, too.

    A part that is no other than the training images (as in coco128.yaml) is none.
    """
    train = set(parts.get("train", ()))
    for split, images in parts.items():
        if split != "train" and train and train.issubset(images):
            tally.note("split", "of the training images themselves, used for training", split)
            images = [path for path in images if path not in train]
        for path in images:
            before = plan.splits.setdefault(path, split)
            if before != split:
                tally.note("image", f"in {before} and {split}; kept in the first", str(path))


def _folder_splits(images: Sequence[Path], root: Path) -> dict[Path, Split]:
    """Splits by the names of the folders that images lie in."""
    splits = {}
    for path in images:
        called = [split_called(part) for part in path.parent.relative_to(root).parts]
        named = [split for split in called if split]
        if named:
            splits[path] = named[-1]
    return splits if set(splits.values()) - {SPLITS[0]} else {}
