"""Four images with a cup and a plate each, and run folders with results whose AP is plain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ladcli.recipe import load_recipe, save_recipe

CATEGORIES = ((3, "cup"), (8, "plate"))
NUM_IMAGES = 4
#: x, y, width, height of both objects in every image; of medium size.
BOXES = {3: [10.0, 20.0, 40.0, 30.0], 8: [100.0, 60.0, 50.0, 40.0]}


def truth_content() -> dict[str, Any]:
    """COCO instances: images 1 to 4."""
    ids = range(1, NUM_IMAGES + 1)
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 150} for i in ids],
        "categories": [{"id": i, "name": name} for i, name in CATEGORIES],
        "annotations": [
            {
                "id": 10 * image + category,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for image in ids
            for category, box in BOXES.items()
        ],
    }


def write_truth(path: Path, content: dict[str, Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content or truth_content()))
    return path


def write_results(path: Path, *, cups: int = NUM_IMAGES, plates: int = NUM_IMAGES) -> Path:
    """Exact boxes of the cups and plates in the first images, and nothing else."""
    records = [
        {
            "image_id": image,
            "category_id": category,
            "bbox": BOXES[category],
            "score": round(0.9 - 0.1 * image, 3),
        }
        for category, count in ((3, cups), (8, plates))
        for image in range(1, count + 1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    return path


def write_run(
    folder: Path,
    *,
    networks: tuple[str, ...] = ("model",),
    sets: tuple[str, ...] = ("val",),
    cups: int = NUM_IMAGES,
    plates: int = NUM_IMAGES,
    **options: Any,
) -> Path:
    """A run folder with its recipe (``options`` with "__" for the dot) and the same results of
    every network on every set."""
    flags = {key.replace("__", "."): value for key, value in options.items()}
    folder.mkdir(parents=True)
    save_recipe(load_recipe(None, flags=flags), folder / "recipe.yaml")
    for network in networks:
        for name in sets:
            file = folder / "eval" / network / name / "predictions.json"
            write_results(file, cups=cups, plates=plates)
    return folder


def share(found: int) -> float:
    """AP of a class of which ``found`` of four objects are found, and nothing else is detected.

    Precision is 1 up to a recall of found / 4, at 25 found + 1 of the 101 points of recall.
    """
    return (25 * found + 1) / 101 if found else 0.0
