from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.errors import UserError
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.images_seen import ImagesSeen, images_behind
from ladcli.evaluate.results import Results
from ladcli.evaluate.tide import tide_errors
from ladcli.runs.metrics_file import images_content
from tests.evaluate.pycoco import published_stats
from tests.evaluate.random_sets import CASES


def drawn(seed: int = 0) -> tuple[CocoFile, Results]:
    return CASES["ordinary"].draw(seed)


def on_images(results: Results, ids: np.ndarray) -> Results:
    keep = np.isin(results.image_ids, ids)
    return Results(
        results.image_ids[keep],
        results.category_ids[keep],
        results.boxes[keep],
        results.scores[keep],
    )


def test_all_images_change_nothing() -> None:
    truth, _ = drawn()
    images = ImagesSeen.only(truth.image_ids.tolist(), truth)
    assert images == ImagesSeen(12)
    assert images.part_of(truth) is truth
    assert images_content(images.measured, images.skipped) == {}
    assert images.notes(truth) == ()
    assert str(images) == "all images"


def test_what_skipped_images_show_leaves_the_ground_truth() -> None:
    """The numbers are those of a set that never held these images."""
    truth, results = drawn()
    shown = truth.image_ids[[0, 2, 3, 5, 8, 11]]
    images = ImagesSeen.only(shown.tolist(), truth)
    part, found = images.part_of(truth), on_images(results, shown)
    assert part.image_ids.tolist() == shown.tolist()
    assert [int(name.removesuffix(".jpg")) for name in part.file_names] == shown.tolist()
    owners = part.image_ids[part.image_row]
    kept = np.isin(truth.image_ids[truth.image_row], shown)
    assert owners.tolist() == truth.image_ids[truth.image_row][kept].tolist()
    assert part.boxes.tolist() == truth.boxes[kept].tolist()
    stats = list(coco_metrics(part, found).stats.values())
    assert stats == pytest.approx(published_stats(part, found), abs=1e-9)
    assert stats[0] > coco_metrics(truth, found).stats["AP"]  # where they count as missed
    assert tide_errors(part, found).entries[0].ap is not None


def test_note_and_json_tell_how_many() -> None:
    truth, _ = drawn()
    images = ImagesSeen.only(truth.image_ids[2:].tolist(), truth)
    first, second = sorted(truth.image_ids[:2].tolist())
    assert images_content(images.measured, images.skipped) == {
        "images": {"measured": 10, "skipped": [first, second]}
    }
    (note,) = images.notes(truth)
    assert note == (
        "truth.json: 2 image(s) could not be read and left the ground truth with their boxes, so "
        f"AP is of 10 of 12 images: without image {first}, {second}"
    )


def test_not_a_single_image() -> None:
    with pytest.raises(UserError, match=r"truth\.json: not a single image could be read"):
        ImagesSeen.only([], drawn()[0])


class TestBesideResults:
    def behind(self, folder: Path, content: Any, name: str = "predictions.json") -> ImagesSeen:
        truth, results = drawn()
        (folder / "metrics.json").write_text(json.dumps(content))
        return images_behind(folder / name, truth, on_images(results, truth.image_ids[1:]))

    def test_metrics_name_the_skipped(self, tmp_path: Path) -> None:
        absent = int(drawn()[0].image_ids[0])
        content = {"images": {"measured": 11, "skipped": [absent]}}
        assert self.behind(tmp_path, content) == ImagesSeen(12, (absent,))
        # Another name is another program's file, whatever lies beside it.
        assert self.behind(tmp_path, content, "results.json") == ImagesSeen(12)

    def test_image_with_detections_was_not_skipped(self, tmp_path: Path) -> None:
        ids = drawn()[0].image_ids[:2].tolist()
        assert self.behind(tmp_path, {"images": {"skipped": ids}}) == ImagesSeen(12)

    @pytest.mark.parametrize(
        "content",
        [[], {}, {"images": 3}, {"images": {"skipped": "x"}}, {"images": {"skipped": [{}]}}],
    )
    def test_other_content_says_nothing(self, tmp_path: Path, content: Any) -> None:
        assert self.behind(tmp_path, content) == ImagesSeen(12)

    def test_no_metrics_beside(self, tmp_path: Path) -> None:
        assert images_behind(tmp_path / "predictions.json", *drawn()) == ImagesSeen(12)
