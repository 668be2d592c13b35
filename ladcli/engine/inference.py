"""Running a detector over a data set."""

from __future__ import annotations

import torch

from ladcli.data.index import CocoIndex
from ladcli.data.loader import load_batches
from ladcli.data.plan import plan_eval
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.checkpoint import InputRule
from ladcli.detector.model import Detector
from ladcli.detector.postprocess import postprocess
from ladcli.engine.device import autocast
from ladcli.engine.interrupt import stop_on_signal
from ladcli.engine.progress import progress
from ladcli.errors import Interrupted
from ladcli.recipe.schema import DataConfig, InferenceConfig
from ladcli.structures import Detections


def detect_all(
    detector: Detector,
    index: CocoIndex,
    *,
    input_rule: InputRule,
    inference: InferenceConfig,
    device: torch.device,
    precision: str = "fp32",
    workers: int = 0,
    skip_bad_images: bool = False,
    title: str = "evaluate",
    quiet: bool = False,
) -> tuple[list[int], list[Detections]]:
    """Detections of every image of ``index``, boxes in pixels of the stored images.

    Args:
        detector: on ``device``; it is left in evaluation mode.
        input_rule: how images are resized.

    Returns:
        Image ids, and the detections of each (on the CPU), in the order of the plan.

    Raises:
        BadImageError: an image cannot be read (unless those are skipped).
        Interrupted: the user asked to stop.
    """
    detector.eval()
    data = DataConfig(short=[input_rule.short], long=input_rule.long)
    plan = plan_eval(index, data, batch_size=inference.batch_size)
    loader = load_batches(
        index,
        plan,
        mean=detector.architecture.pixel_mean,
        std=detector.architecture.pixel_std,
        workers=workers,
        skip_bad_images=skip_bad_images,
        pin_memory=device.type == "cuda",
    )
    options = inference.model_dump(exclude={"batch_size"})
    image_ids: list[int] = []
    found: list[Detections] = []
    with progress(title, len(plan), quiet=quiet) as reporter, stop_on_signal() as stop:
        for number, batch in enumerate(loader, start=1):
            if stop:
                raise Interrupted("the same command evaluates anew")
            if len(batch) == 0:
                continue
            batch = batch.to(device)
            with torch.no_grad(), autocast(precision, device):
                predictions = detector(batch.images)
            grid = anchor_grid(batch.canvas_hw, device)
            detections = postprocess(
                predictions, grid, batch.content_hw, scale_wh=batch.scale_wh, **options
            )
            image_ids.extend(int(index.image_ids[row]) for row in batch.image_rows)
            found.extend(
                Detections(d.boxes.cpu(), d.scores.cpu(), d.labels.cpu()) for d in detections
            )
            reporter.update(number)
    return image_ids, found
