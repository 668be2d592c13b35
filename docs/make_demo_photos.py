"""Makes ladcli/demo/, the photos that `lad run demo` trains on, from BCCD in COCO layout.

python docs/make_demo_photos.py --data DIR

Photos become 320x240 (Pillow's bilinear filter, which averages when it shrinks), JPEG of quality 88
without chroma subsampling; boxes and areas are scaled to match.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image

SIZE = (320, 240)
QUALITY = 88
SPLITS = ("train", "val", "test")


def main() -> None:
    """Parse the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="BCCD, 640x480, in COCO layout")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent.parent / "ladcli" / "demo"
    )
    options = parser.parse_args()
    for folder in ("annotations", "images"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        content = json.loads((options.data / "annotations" / f"{split}.json").read_bytes())
        for entry in content["images"]:
            shrink(options.data / "images" / entry["file_name"], options.out / "images")
        text = json.dumps(scaled(content), separators=(",", ":"))
        (options.out / "annotations" / f"{split}.json").write_text(text + "\n", encoding="utf-8")


def shrink(source: Path, folder: Path) -> None:
    """Write one photo at the demo's size."""
    with Image.open(source) as image:
        small = image.convert("RGB").resize(SIZE, Image.Resampling.BILINEAR)
    small.save(folder / source.name, "JPEG", quality=QUALITY, subsampling=0, optimize=True)


def scaled(content: dict[str, Any]) -> dict[str, Any]:
    """The annotations of one set for photos of the demo's size; ids stay as they are."""
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in content["images"]}
    annotations = []
    for one in content["annotations"]:
        stored_w, stored_h = sizes[one["image_id"]]
        x, y, w, h = one["bbox"]
        sx, sy = SIZE[0] / stored_w, SIZE[1] / stored_h
        box = [x * sx, y * sy, w * sx, h * sy]
        annotations.append({**one, "bbox": box, "area": box[2] * box[3]})
    images = [{**entry, "width": SIZE[0], "height": SIZE[1]} for entry in content["images"]]
    info = {**content["info"], "description": "BCCD blood cell photos at 320x240, for lad's demo"}
    return {**content, "info": info, "images": images, "annotations": annotations}


if __name__ == "__main__":
    main()
