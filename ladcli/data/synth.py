"""A synthetic data set in COCO layout: shapes on textured ground, for demos and tests.

It needs no download, is the same for the same seed, and is hard enough that detectors differ.  Ids
are made awkward on purpose: category ids have gaps, image ids are not sorted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ladcli.data.synth_scene import SIDES, Scene, SceneStyle, draw_scene
from ladcli.data.synth_shapes import CLASSES
from ladcli.errors import UserError
from ladcli.outputs import Layout, replacing_folder, require_whole_folder
from ladcli.recognize import is_jpeg, is_synthetic

_CATEGORY_IDS = (1, 3, 7, 8, 13, 21, 34, 55)
_SPLITS = ("train", "val", "test")
_MIN_SIZE = 32


def write_synthetic(
    out: Path,
    *,
    train: int,
    val: int,
    test: int,
    size: tuple[int, int],
    classes: int,
    seed: int,
    objects: tuple[int, int],
    sides: tuple[float, float] = SIDES,
    clutter: float = 1.0,
    overwrite: bool = False,
) -> None:
    """Write ``annotations/{train,val,test}.json`` and ``images/*.jpg`` into ``out``.

    The folder appears complete or not at all.

    Args:
        train: number of images; a split of 0 images gets no file.  Likewise ``val``, ``test``.
        size: width and height in pixels.
        classes: 1 to 8 kinds of shapes.
        seed: every picture is a function of the seed, its split and its number.
        objects: least and most objects of a picture.
        sides: smallest and largest side of an object, as shares of the picture's height.
        clutter: 0 to 1, how much distracts: stray shapes and lines, faint contrasts, noise.
        overwrite: replace ``out`` where it is a synthetic set and nothing else.

    Raises:
        UserError: a value out of range, or ``out`` exists and must not be replaced.
    """
    counts = {"train": train, "val": val, "test": test}
    style = SceneStyle(size, classes, objects, sides, clutter)
    check_synthetic(counts, seed, style)
    layout = set_layout(out)
    require_whole_folder(out, layout, "a synthetic set", overwrite=overwrite, flag="--out")
    with replacing_folder(out, layout) as new:
        (new / "images").mkdir()
        (new / "annotations").mkdir()
        for split, count in counts.items():
            if count:
                _write_split(new, split, count, seed, style)


def set_layout(folder: Path) -> Layout:
    """What this program wrote into ``folder``: its annotations, and the pictures that they name."""
    files = {f"annotations/{split}.json": is_synthetic for split in _SPLITS}
    pictures: set[str] = set()
    for split in _SPLITS:
        path = folder / "annotations" / f"{split}.json"
        if is_synthetic(path):
            pictures |= {_picture(split, number) for number in range(_num_images(path))}

    def is_picture(path: Path) -> bool:
        return path.name in pictures and is_jpeg(path)

    return Layout({**files, **{f"images/{split}_*.jpg": is_picture for split in _SPLITS}})


def _num_images(annotations: Path) -> int:
    try:
        return len(json.loads(annotations.read_bytes())["images"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # damaged: then its pictures are nobody's


def check_synthetic(counts: dict[str, int], seed: int, style: SceneStyle) -> None:
    """Refuse options of `write_synthetic` that are out of range.

    Raises:
        UserError: names the option and its range.
    """
    size, objects, sides = style.size, style.objects, style.sides
    for split, count in counts.items():
        if count < 0:
            raise UserError(f"synthetic set: {split} must be 0 or more images, got {count}")
    if not any(counts.values()):
        raise UserError("synthetic set: no images asked for; give train, val or test a number")
    if min(size) < _MIN_SIZE:
        raise UserError(
            f"synthetic set: size must be at least {_MIN_SIZE}x{_MIN_SIZE} pixels, "
            f"got {size[0]}x{size[1]}"
        )
    if not 1 <= style.classes <= len(CLASSES):
        raise UserError(f"synthetic set: classes must be 1 to {len(CLASSES)}, got {style.classes}")
    if seed < 0:
        raise UserError(f"synthetic set: seed must be 0 or more, got {seed}")
    if not 0 <= objects[0] <= objects[1]:
        raise UserError(
            f"synthetic set: objects must be a least and a most number, got {objects[0]} and "
            f"{objects[1]}"
        )
    if not 0.01 <= sides[0] <= sides[1] <= 2:
        raise UserError(
            "synthetic set: sides must be a smallest and a largest share of the height between "
            f"0.01 and 2, got {sides[0]} and {sides[1]}"
        )
    if not 0 <= style.clutter <= 1:
        raise UserError(f"synthetic set: clutter must be between 0 and 1, got {style.clutter}")


def _write_split(root: Path, split: str, count: int, seed: int, style: SceneStyle) -> None:
    width, height = style.size
    part = _SPLITS.index(split)
    # Splits share no id; the order in the file is not that of the ids.
    ids = np.random.default_rng([seed, part]).permutation(count) * len(_SPLITS) + part
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image_id in enumerate(ids.tolist()):
        rng = np.random.default_rng([seed, part, number])
        scene = draw_scene(rng, style)
        name = _picture(split, number)
        scene.picture.save(root / "images" / name, quality=int(rng.integers(75, 93)))
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        annotations.extend(_annotations(scene, image_id, first_id=len(annotations) + 1))
    content = {
        "info": {"description": f"synthetic shapes, {split} split, seed {seed}"},
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": i, "name": name, "supercategory": "shape"}
            for i, name in list(zip(_CATEGORY_IDS, CLASSES, strict=True))[: style.classes]
        ],
    }
    path = root / "annotations" / f"{split}.json"
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _picture(split: str, number: int) -> str:
    return f"{split}_{number:05d}.jpg"


def _annotations(scene: Scene, image_id: int, first_id: int) -> list[dict[str, Any]]:
    pairs = zip(scene.boxes.tolist(), scene.labels.tolist(), strict=True)
    return [
        {
            "id": first_id + k,
            "image_id": image_id,
            "category_id": _CATEGORY_IDS[label],
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for k, (box, label) in enumerate(pairs)
    ]
