"""Draws docs/positives.png: which anchors two networks make positives on the same images.

python docs/make_picture.py --data DIR --left CKPT --right CKPT
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from ladcli.assign import paa_assigner
from ladcli.data.index import CocoIndex, load_index
from ladcli.data.loader import load_batches
from ladcli.data.plan import plan_eval
from ladcli.detector.anchors import predicted_boxes
from ladcli.detector.checkpoint import Checkpoint, load_checkpoint
from ladcli.recipe.schema import DataConfig
from ladcli.structures import Batch

ZOOM = 1
COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


def main() -> None:
    """Parse the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder in COCO layout")
    parser.add_argument("--left", type=Path, required=True, help="checkpoint of the left column")
    parser.add_argument("--right", type=Path, required=True, help="checkpoint of the right column")
    parser.add_argument("--rows", type=int, default=2, help="number of images")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "positives.png")
    options = parser.parse_args()
    index = load_index(options.data / "annotations" / "val.json", options.data / "images")
    # Images with an ordinary number of boxes, so that the dots can be told apart.
    usual = np.argsort(np.diff(index.box_ptr), kind="stable")[len(index) // 3 :]
    index = index.subset(np.sort(usual[: options.rows]))
    columns = [draw_column(load_checkpoint(path), index) for path in (options.left, options.right)]
    width, height = columns[0].size
    sheet = Image.new("RGB", (2 * width + 8, height), "white")
    sheet.paste(columns[0], (0, 0))
    sheet.paste(columns[1], (width + 8, 0))
    sheet.save(options.out)


@torch.no_grad()
def draw_column(checkpoint: Checkpoint, index: CocoIndex) -> Image.Image:
    """All images of ``index`` below each other, with the positives of one network."""
    detector, rule = checkpoint.detector, checkpoint.input_rule
    data = DataConfig(short=[rule.short], long=rule.long)
    loader = load_batches(
        index,
        plan_eval(index, data, batch_size=1),
        mean=detector.architecture.pixel_mean,
        std=detector.architecture.pixel_std,
        workers=0,
        skip_bad_images=False,
        pin_memory=False,
    )
    assigner = paa_assigner()
    pictures = []
    for batch in loader:
        scene = detector.architecture.anchors.scene(batch)
        predictions = detector(batch.images)
        boxes = predicted_boxes(predictions, scene)
        assignment = assigner.assign(scene, predictions.cls, boxes)
        pictures.append(draw_image(index, batch, scene.priors.boxes, assignment.gt_index[0]))
    column = Image.new("RGB", (pictures[0].width, sum(p.height + 8 for p in pictures)), "white")
    top = 0
    for picture in pictures:
        column.paste(picture, (0, top))
        top += picture.height + 8
    return column


def draw_image(
    index: CocoIndex, batch: Batch, anchors: torch.Tensor, gt_index: torch.Tensor
) -> Image.Image:
    """Ground truth as boxes, positives as dots at anchor centers (larger on coarser levels)."""
    scale = [ZOOM / float(s) for s in batch.scale_wh[0]]
    picture = Image.open(index.path(batch.image_rows[0])).convert("RGB")
    picture = picture.resize((picture.width * ZOOM, picture.height * ZOOM))
    pen = ImageDraw.Draw(picture)
    for number, box in enumerate(batch.targets.boxes[0][batch.targets.valid[0]].tolist()):
        color = COLORS[number % len(COLORS)]
        pen.rectangle([v * scale[i % 2] for i, v in enumerate(box)], outline=color, width=3)
        for anchor in anchors[gt_index == number].tolist():
            x = (anchor[0] + anchor[2]) / 2 * scale[0]
            y = (anchor[1] + anchor[3]) / 2 * scale[1]
            r = 2 + (anchor[2] - anchor[0]) / 64
            pen.ellipse([x - r, y - r, x + r, y + r], fill=color, outline="white")
    return picture


if __name__ == "__main__":
    main()
