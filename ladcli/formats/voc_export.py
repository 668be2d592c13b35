"""A Pascal VOC data set: ``Annotations/``, ``JPEGImages/`` and ``ImageSets/Main/``."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from ladcli.data.layouts import SPLITS
from ladcli.formats.exported import (
    ExportedImage,
    with_names_apart,
    without_flagged,
    without_unsound,
)
from ladcli.formats.tally import Tally
from ladcli.formats.voc import inclusive, voc_xml
from ladcli.formats.writing import place_file


def write_voc(
    folder: Path,
    images: Sequence[ExportedImage],
    tally: Tally,
    *,
    copy: bool,
) -> int:
    """Write an XML file per image, images where they are known, and a list per split.

    Returns:
        How many images were copied because they could not be linked.
    """
    images = without_unsound(images, tally)
    images = without_flagged(images, tally, format_name="VOC", crowd=True)
    images = with_names_apart(images, tally, one_folder=True)
    num_copied = 0
    for image in images:
        for box in image.boxes:
            x1, y1, x2, y2 = inclusive(box.corners)
            if x1 == x2 and y1 == y2:
                tally.note("box", "of one pixel, which VOC cannot tell from a click", box.where)
        target = folder / "Annotations" / f"{image.stem}.xml"
        target.parent.mkdir(parents=True, exist_ok=True)
        below, name = posixpath.split(image.name)
        inside = posixpath.join("JPEGImages", below) if below else "JPEGImages"
        xml = voc_xml(name, inside, image.size, image.boxes)
        target.write_text(xml, encoding="utf-8")
        if image.path is not None:
            num_copied += place_file(image.path, folder / "JPEGImages" / image.name, copy=copy)
    lists = folder / "ImageSets" / "Main"
    for split in SPLITS:
        stems = [image.stem for image in images if image.split == split]
        if stems:
            lists.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{stem}\n" for stem in stems)
            (lists / f"{split}.txt").write_text(text, encoding="utf-8")
    return num_copied
