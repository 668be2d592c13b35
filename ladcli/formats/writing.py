"""A data folder of ours: ``annotations/{train,val,test}.json`` and ``images/``.

Images are hard links to the originals: they take no room, the folder may be moved, and it keeps its
images where the originals are moved, renamed or deleted (a symbolic link would break).  Nothing
here ever writes to them.  Where a link cannot be made (another file system, or one without links)
they are copied, and that is said.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ladcli.data.headers import look_at_all
from ladcli.data.layouts import SPLITS, Split
from ladcli.formats.foreign import Box
from ladcli.formats.sound import DECIMALS, AnnotatedImage
from ladcli.outputs import Layout
from ladcli.recognize import is_imported

#: What the operating system says where hard links are not possible.
_NO_LINK = (
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.EMLINK,
    errno.EROFS,
    errno.ENOSYS,
)


@dataclass(frozen=True)
class NamedImage:
    """An image under the name that it has in the folder."""

    image: AnnotatedImage
    name: str
    digest: str  # SHA-256 of the file, hex


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_annotations(
    folder: Path, splits: Mapping[Split, Sequence[NamedImage]], classes: Sequence[str], source: str
) -> None:
    """``annotations/`` in ``folder``: ids from 1, no id in two files, classes in their order.

    Args:
        source: the format, for the files' description.
    """
    (folder / "annotations").mkdir()
    ids = {name: number for number, name in enumerate(classes, start=1)}
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    images_before = boxes_before = 0
    for split, members in splits.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image_id, named in enumerate(members, start=images_before + 1):
            images.append(
                {
                    "id": image_id,
                    "file_name": named.name,
                    "width": named.image.width,
                    "height": named.image.height,
                    "sha256": named.digest,
                }
            )
            for box in named.image.boxes:
                number = boxes_before + len(annotations) + 1
                annotations.append(_annotation(number, image_id, ids[box.class_name], box))
        images_before += len(images)
        boxes_before += len(annotations)
        content = {
            "info": {"description": f"imported by lad from {source}, {split}"},
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        (folder / "annotations" / f"{split}.json").write_bytes(orjson.dumps(content) + b"\n")


def _annotation(number: int, image_id: int, category_id: int, box: Box) -> dict[str, Any]:
    x1, y1, x2, y2 = box.corners
    width, height = round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)
    record: dict[str, Any] = {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [round(x1, DECIMALS), round(y1, DECIMALS), width, height],
        "area": round(width * height, DECIMALS),
        "iscrowd": int(box.crowd),
    }
    if box.difficult:
        record |= {"ignore": 1, "difficult": 1}
    return record | {name: value for name, value in box.flags.items() if name not in record}


def place_images(folder: Path, named: Sequence[NamedImage], *, copy: bool) -> int:
    """``images/`` in ``folder``, as links or copies.

    Returns:
        How many were copied because they could not be linked.
    """
    (folder / "images").mkdir()
    return sum(
        look_at_all(
            lambda item: place_file(item.image.path, folder / "images" / item.name, copy=copy),
            named,
        )
    )


def place_file(source: Path, target: Path, *, copy: bool) -> bool:
    """Link a file, or copy it.

    Returns:
        Whether it was copied although a link was wanted.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    real = os.path.realpath(source)  # else a link to a link would be made
    if not copy:
        try:
            os.link(real, target)
            return False
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
    shutil.copyfile(real, target)
    return not copy


def imported_layout(folder: Path) -> Layout:
    """What an import wrote into ``folder``: its annotations, and the images that they name.

    An image is ours where its content is still that of the import, or where it is a link, whose
    content stays elsewhere.
    """
    files = {f"annotations/{split}.json": is_imported for split in SPLITS}
    digests: dict[str, str] = {}
    for split in SPLITS:
        path = folder / "annotations" / f"{split}.json"
        if is_imported(path):
            digests |= _digests(path)

    def is_image(path: Path) -> bool:
        digest = digests.get(path.name)
        if digest is None:
            return False
        return path.stat().st_nlink > 1 or file_digest(path) == digest

    return Layout({**files, "images/*": is_image})


def _digests(annotations: Path) -> dict[str, str]:
    """The images of a file of ours; none where it is damaged, for then they are nobody's."""
    try:
        images = json.loads(annotations.read_bytes())["images"]
        return {str(image["file_name"]): str(image["sha256"]) for image in images}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
