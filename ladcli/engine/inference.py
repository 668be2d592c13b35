"""Running a detector over a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from ladcli.data.index import CocoIndex
from ladcli.data.plan import plan_inference
from ladcli.data.views import InferenceViews
from ladcli.detector.checkpoint import InputRule
from ladcli.detector.levels import AnchorLayout
from ladcli.detector.model import Detector
from ladcli.detector.postprocess import ScoredBoxes, postprocess, score_boxes, suppress
from ladcli.engine.interrupt import stop_on_signal
from ladcli.engine.progress import progress
from ladcli.engine.runner import Runner
from ladcli.errors import Interrupted
from ladcli.recipe.schema import InferenceConfig
from ladcli.structures import Batch, Detections, Predictions


def detect_all(
    detector: Detector,
    index: CocoIndex,
    runner: Runner,
    *,
    input_rule: InputRule,
    inference: InferenceConfig,
    views: InferenceViews = InferenceViews(),
    title: str = "evaluate",
) -> tuple[list[int], list[Detections]]:
    """Detections of every image of ``index``, boxes in pixels of the stored images.

    Args:
        detector: on the device of ``runner``; it is left in evaluation mode.
        input_rule: how images are resized.
        views: see every image so, and merge the boxes of all views before suppression.

    Returns:
        Image ids, and the detections of each (on the CPU), in the order of the plan.

    Raises:
        BadImageError: an image cannot be read (unless those are skipped).
        TooManyBadImages: too many are skipped.
        Interrupted: the user asked to stop.
    """
    detector.eval()
    grids = views.grids(input_rule.short, input_rule.long)
    plan = plan_inference(index, grids, batch_size=inference.batch_size)
    close = _Closing(
        inference, detector.architecture.anchors, num_views=sum(grid.num_views for grid in grids)
    )
    own = detector.architecture
    loader = runner.batches(index, plan, mean=own.pixel_mean, std=own.pixel_std)
    image_ids: list[int] = []
    found: list[Detections] = []
    total, unit = sum(map(len, plan)), "images" if close.num_views == 1 else "image views"
    done = 0
    with (
        progress(title, total, unit=unit, step="batch", quiet=runner.quiet) as reporter,
        stop_on_signal("this batch") as stop,
    ):
        reporter.update(done)
        for batch in loader:
            if stop:
                raise Interrupted("the same command evaluates anew")
            done += len(batch) + len(batch.skipped)
            if len(batch) == 0:
                continue
            batch = batch.to(runner.device)
            with torch.no_grad(), runner.autocast():
                predictions = detector(batch.images)
            for row, detections in close(predictions, batch):
                image_ids.append(int(index.image_ids[row]))
                found.append(
                    Detections(
                        detections.boxes.cpu(), detections.scores.cpu(), detections.labels.cpu()
                    )
                )
            reporter.update(done)
    return image_ids, found


class _Closing:
    """Makes detections of predictions, once all views of an image are there.

    An image of which some view could not be read is never closed.
    """

    def __init__(self, inference: InferenceConfig, anchors: AnchorLayout, num_views: int) -> None:
        self.num_views = num_views
        self._inference = inference
        self._anchors = anchors
        self._open: dict[int, list[ScoredBoxes]] = {}

    def __call__(self, predictions: Predictions, batch: Batch) -> Iterable[tuple[int, Detections]]:
        """Rows and detections of the images that ``batch`` (of one view) completes."""
        options, grid = self._inference, self._anchors.grid(batch.canvas_hw, batch.images.device)
        if self.num_views == 1:
            detections = postprocess(
                predictions,
                grid,
                batch.content_hw,
                scale_wh=batch.scale_wh,
                score_threshold=options.score_threshold,
                per_level=options.per_level,
                nms_iou=options.nms_iou,
                max_detections=options.max_detections,
                voting=options.voting,
                use_iou=options.use_iou,
            )
            return zip(batch.image_rows, detections, strict=True)
        boxes = score_boxes(
            predictions,
            grid,
            batch.content_hw,
            scale_wh=batch.scale_wh,
            flipped=bool(batch.view_ids[0] % 2),
            per_level=options.per_level,
            use_iou=options.use_iou,
        )
        return self._merge(batch.image_rows, boxes)

    def _merge(
        self, rows: Iterable[int], boxes: list[ScoredBoxes]
    ) -> Iterator[tuple[int, Detections]]:
        for row, view in zip(rows, boxes, strict=True):
            views = self._open.setdefault(row, [])
            views.append(view)
            if len(views) == self.num_views:
                merged = ScoredBoxes.merged(self._open.pop(row))
                yield (
                    row,
                    suppress(
                        merged,
                        score_threshold=self._inference.score_threshold,
                        nms_iou=self._inference.nms_iou,
                        max_detections=self._inference.max_detections,
                        voting=self._inference.voting,
                    ),
                )
