"""A small data set that tests write themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ladcli.data.index import CocoIndex, load_index


def plain() -> dict[str, Any]:
    """Three images (ids not sorted), four boxes of which one is a crowd region, two classes."""
    return {
        "images": [
            {"id": 9, "file_name": "wide.png", "width": 64, "height": 48},
            {"id": 4, "file_name": "tall.png", "width": 48, "height": 64},
            {"id": 7, "file_name": "bare.png", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 20, "bbox": [4, 8, 16, 12]},
            {"id": 2, "image_id": 4, "category_id": 10, "bbox": [0, 0, 24, 32]},
            {"id": 3, "image_id": 9, "category_id": 10, "bbox": [40, 20, 40, 40]},
            {"id": 4, "image_id": 4, "category_id": 20, "bbox": [8, 8, 8, 8], "iscrowd": 1},
        ],
        "categories": [{"id": 20, "name": "cup"}, {"id": 10, "name": "plate"}],
    }


def write_json(folder: Path, content: Any, name: str = "instances.json") -> Path:
    """Write ``content`` as a JSON file."""
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_images(folder: Path, content: dict[str, Any]) -> None:
    """Write a noisy picture for every image, lighter on its left half."""
    for image in content["images"]:
        rng = np.random.default_rng(image["id"])
        pixels = rng.integers(0, 100, (image["height"], image["width"], 3), dtype=np.uint8)
        pixels[:, : image["width"] // 2] += 150
        Image.fromarray(pixels).save(folder / image["file_name"])


def index_of(folder: Path, content: dict[str, Any] | None = None) -> CocoIndex:
    """Write ``content`` with its images, and load it."""
    content = plain() if content is None else content
    write_images(folder, content)
    return load_index(write_json(folder, content), folder)
