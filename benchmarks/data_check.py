"""How long `lad data check` takes for annotations of COCO's size, without a look at the images.

python -m benchmarks.data_check [--images 118287] [--boxes 860001] [--seed 0] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

#: Seconds that the whole command may take.
TARGET = 15.0


def synthetic_annotations(num_images: int, num_boxes: int, num_classes: int, seed: int) -> bytes:
    """A sound annotation file with the keys that COCO's own has, as JSON.

    Segmentations are polygons of eight corners, which is what most of the file's bytes are.
    """
    rng = np.random.default_rng(seed)
    wh = rng.choice([[640, 480], [480, 640], [500, 375], [640, 427]], num_images)
    owner = np.sort(rng.integers(0, num_images, num_boxes))
    sides = np.exp(rng.normal(-2, 0.9, (num_boxes, 2))).clip(0.02, 0.98) * wh[owner]
    low = rng.random((num_boxes, 2)) * (wh[owner] - sides)
    boxes = np.concatenate([low, sides], axis=1).round(2)
    labels = rng.integers(1, num_classes + 1, num_boxes)
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([np.cos(turns), np.sin(turns)], axis=1) / 2 + 0.5
    outlines = (low[:, None] + ring * sides[:, None]).round(2).reshape(num_boxes, -1)
    images = [
        {
            "license": 1,
            "file_name": f"{number:012d}.jpg",
            "coco_url": f"http://images.cocodataset.org/train2017/{number:012d}.jpg",
            "height": int(height),
            "width": int(width),
            "date_captured": "2013-11-14 11:18:45",
            "id": number,
        }
        for number, (width, height) in enumerate(wh.tolist(), start=1)
    ]
    columns = (owner.tolist(), boxes.tolist(), labels.tolist(), outlines.tolist())
    annotations = [
        {
            "segmentation": [outline],
            "area": round(box[2] * box[3] * 0.6, 4),
            "iscrowd": 0,
            "image_id": row + 1,
            "bbox": box,
            "category_id": label,
            "id": number,
        }
        for number, (row, box, label, outline) in enumerate(zip(*columns, strict=True), start=1)
    ]
    categories = [
        {"supercategory": "thing", "id": number, "name": f"class {number}"}
        for number in range(1, num_classes + 1)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    return orjson.dumps(content)


def timed_check(path: Path) -> tuple[float, float, dict[str, Any]]:
    """Seconds that the command takes in a process of its own, on the clock and of the processor.

    And what it says.
    """
    command = [sys.executable, "-m", "ladcli", "data", "check", "--annotations", str(path)]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--no-images", "--json"], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=118_287)
    parser.add_argument("--boxes", type=int, default=860_001)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the annotations here and keep them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "instances.json"
        path.write_bytes(
            synthetic_annotations(options.images, options.boxes, options.classes, options.seed)
        )
        from ladcli.json_text import read_json

        start = time.perf_counter(), time.process_time()
        read_json(path)
        reading = time.perf_counter() - start[0], time.process_time() - start[1]
        seconds, busy, said = timed_check(path)
        (found,) = said["sets"]
        print(
            f"{found['images']:,} images, {found['boxes']:,} boxes, {found['classes']} classes, "
            f"{path.stat().st_size / 1e6:.0f} MB"
        )
    for finding in said["findings"]:
        print(f"{finding['severity']}: {finding['text']}")
    print(f"lad data check --no-images  {seconds:5.1f} s, of the processor {busy:5.1f} s")
    print(f"  of which reading JSON     {reading[0]:5.1f} s, of the processor {reading[1]:5.1f} s")
    print(f"target                      {TARGET:5.1f} s")
    if seconds > TARGET:
        sys.exit("slower than the target")


if __name__ == "__main__":
    main()
