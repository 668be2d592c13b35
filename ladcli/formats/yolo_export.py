"""A YOLO data set: ``images/``, ``labels/`` and ``data.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ladcli.data.layouts import SPLITS
from ladcli.formats.exported import (
    ExportedImage,
    with_names_apart,
    without_flagged,
    without_unsound,
)
from ladcli.formats.tally import Tally
from ladcli.formats.writing import place_file
from ladcli.formats.yolo import holds, label_line
from ladcli.recipe.yaml_text import write_yaml


def write_yolo(
    folder: Path,
    images: Sequence[ExportedImage],
    classes: Sequence[str],
    tally: Tally,
    *,
    copy: bool,
) -> int:
    """Write label files, images where they are known, and data.yaml.

    A class's number is its position.  Every image gets a label file, also one without boxes.

    Returns:
        How many images were copied because they could not be linked.
    """
    images = without_unsound(images, tally)
    images = without_flagged(images, tally, format_name="YOLO", crowd=True, difficult=True)
    images = with_names_apart(images, tally, one_folder=False)
    number_of = {name: number for number, name in enumerate(classes)}
    num_copied = 0
    for image in images:
        below = image.split or "."
        target = folder / "labels" / below / f"{image.stem}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(_lines(image, number_of, tally)), encoding="utf-8")
        if image.path is not None:
            num_copied += place_file(image.path, folder / "images" / below / image.name, copy=copy)
    (folder / "data.yaml").write_text(_data_yaml(images, classes), encoding="utf-8")
    return num_copied


def _lines(image: ExportedImage, number_of: dict[str, int], tally: Tally) -> list[str]:
    lines = []
    for box in image.boxes:
        if not holds(box.corners, image.size):
            tally.note("box", "clipped to the image, as YOLO has it", box.where)
        lines.append(label_line(box, number_of[box.class_name], image.size) + "\n")
    return lines


def _data_yaml(images: Sequence[ExportedImage], classes: Sequence[str]) -> str:
    # Without the key path, tools take the folder of this file.
    content: dict[str, Any] = {}
    if any(image.path for image in images):
        splits = {image.split for image in images}
        content |= {split: f"images/{split}" for split in SPLITS if split in splits}
        if None in splits:
            content["train"] = "images"
    return write_yaml({**content, "nc": len(classes), "names": list(classes)})
