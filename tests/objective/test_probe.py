"""What a probe holds, against the assigner and the mixture it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ladcli.assign import Assigner, fit_mixtures, paa_assigner
from ladcli.detector.anchors import anchor_grid
from ladcli.objective.opinion import Opinion
from ladcli.objective.probe import probe_image
from ladcli.runs.probe_file import Record, save_probe
from ladcli.structures import Batch
from tests.cache.caches import look_at, teacher_of
from tests.objective.opinions import (
    CANVAS,
    CONTENT,
    random_batch,
    random_opinion,
    scene_of,
    write_opinion,
)

#: Nine of each of five levels.
MAX_SAMPLES = 45
OF_POSITIVES = ("positive_gt", "positive_center", "positive_stride")
OF_SAMPLES = ("cost", "sample_positive", "means", "variances", "weights")


def one_image(seed: int, boxes: int = 4) -> Batch:
    return random_batch(seed, boxes_per_image=(boxes,))


def probe_of(opinion: Opinion, batch: Batch, assigner: Assigner | None = None) -> Record:
    return probe_image(batch, scene_of(batch), {"own": opinion}, assigner or paa_assigner())


def test_arrays_are_those_that_are_documented() -> None:
    batch = one_image(0)
    opinions = {"own": random_opinion(1, batch), "teacher": random_opinion(2, batch)}
    record = probe_image(batch, scene_of(batch), opinions, paa_assigner())
    assert set(record) == {
        "content_hw", "canvas_hw", "gt_box", "gt_label",
        *(f"{name}_{key}" for name in opinions for key in (*OF_POSITIVES, *OF_SAMPLES)),
    }  # fmt: skip
    assert record["content_hw"].tolist() == [list(CONTENT)]
    assert record["canvas_hw"].tolist() == [list(CANVAS)]
    assert np.array_equal(record["gt_box"], batch.targets.boxes[0].numpy())
    assert np.array_equal(record["gt_label"], batch.targets.labels[0].numpy())
    for name in opinions:
        assert record[f"{name}_cost"].shape == (4, MAX_SAMPLES)
        assert record[f"{name}_sample_positive"].shape == (4, MAX_SAMPLES)
        for key in ("means", "variances", "weights"):
            assert record[f"{name}_{key}"].shape == (4, 2)
    assert not np.array_equal(record["own_cost"], record["teacher_cost"], equal_nan=True)


def test_positives_are_the_assigners() -> None:
    batch = one_image(3)
    opinion = random_opinion(4, batch)
    record = probe_of(opinion, batch)
    gt_index, grid = opinion.assignment().gt_index[0], anchor_grid(batch.canvas_hw)
    anchor = torch.nonzero(gt_index >= 0).squeeze(1)
    assert len(anchor) > 4
    assert record["own_positive_gt"].tolist() == gt_index[anchor].tolist()
    assert record["own_positive_stride"].tolist() == grid.stride[anchor].tolist()
    # Anchors are centered on the corner of their cell.
    column, row = record["own_positive_center"].T / record["own_positive_stride"]
    assert column.tolist() == grid.col[anchor].tolist()
    assert row.tolist() == grid.row[anchor].tolist()


def test_costs_ascend_and_end_with_nothing() -> None:
    batch = one_image(5)
    opinion = random_opinion(6, batch)
    cost = probe_of(opinion, batch)["own_cost"]
    values, owner = opinion.costs.values[0], opinion.candidates.gt_index[0]
    for gt, row in enumerate(cost):
        known = row[~np.isnan(row)]
        assert np.isnan(row[len(known) :]).all()
        assert (np.diff(known) >= 0).all()
        # The cheapest of all candidates comes first; no level gives more than nine.
        mine = values[owner == gt]
        assert known[0] == mine.min()
        assert len(known) <= min(45, len(mine))
        assert set(known.tolist()) <= set(mine.tolist())


def test_positive_samples_are_the_positives() -> None:
    batch = one_image(7)
    opinion = random_opinion(8, batch)
    record = probe_of(opinion, batch)
    values, gt_index = opinion.costs.values[0], opinion.assignment().gt_index[0]
    for gt in range(4):
        marked = record["own_cost"][gt][record["own_sample_positive"][gt]]
        assert len(marked) > 0
        assert marked.tolist() == sorted(values[gt_index == gt].tolist())
    assert record["own_sample_positive"].sum() == len(record["own_positive_gt"])


def test_mixture_is_fitted_to_the_costs() -> None:
    batch = one_image(9)
    record = probe_of(random_opinion(10, batch), batch)
    cost = torch.from_numpy(record["own_cost"]).double()
    fit = fit_mixtures(cost.nan_to_num(), ~cost.isnan())
    for key in ("means", "variances", "weights"):
        assert record[f"own_{key}"] == pytest.approx(getattr(fit, key).numpy())
    assert record["own_weights"].sum(axis=1) == pytest.approx(np.ones(4))


def test_every_sample_has_room() -> None:
    """As many columns as an assigner of 40 samples per level can fill."""
    batch = one_image(11)
    many = paa_assigner(topk=40)
    opinion = random_opinion(12, batch, many)
    record = probe_of(opinion, batch, many)
    assert record["own_cost"].shape == (4, 200)
    stored = (~np.isnan(record["own_cost"])).sum(axis=1)
    full = int(stored.argmax())
    mine = opinion.costs.values[0][opinion.candidates.gt_index[0] == full]
    assert len(mine) >= stored[full] > MAX_SAMPLES
    assert record["own_cost"][full, 0] == mine.min()


def test_an_image_without_boxes_has_empty_arrays() -> None:
    batch = one_image(13, boxes=0)
    record = probe_of(random_opinion(14, batch), batch)
    assert record["gt_box"].shape == (0, 4)
    assert record["own_cost"].shape == (0, MAX_SAMPLES)
    assert record["own_means"].shape == (0, 2)
    assert record["own_positive_center"].shape == (0, 2)


class TestCachedTeacher:
    """What a cache holds of a teacher, beside the teacher itself."""

    def probe_from(self, tmp_path: Path, level: str) -> tuple[Record, Record]:
        batch = one_image(15)
        opinion = random_opinion(16, batch)
        cache = write_opinion(tmp_path / "t.h5", opinion, level)  # type: ignore[arg-type]
        cached = look_at(teacher_of(cache, paa_assigner()), batch)
        return probe_of(opinion, batch), probe_of(cached, batch)

    @pytest.mark.parametrize("level", ["assignments", "costs", "soft"])
    def test_positives_are_the_teachers(self, tmp_path: Path, level: str) -> None:
        online, cached = self.probe_from(tmp_path, level)
        for key in OF_POSITIVES:
            assert cached[f"own_{key}"].tolist() == online[f"own_{key}"].tolist()

    def test_assignments_have_no_costs(self, tmp_path: Path) -> None:
        _, cached = self.probe_from(tmp_path, "assignments")
        assert not set(cached).intersection(f"own_{key}" for key in OF_SAMPLES)

    @pytest.mark.parametrize("level", ["costs", "soft"])
    def test_costs_are_the_teachers(self, tmp_path: Path, level: str) -> None:
        online, cached = self.probe_from(tmp_path, level)
        for key in OF_SAMPLES:
            assert cached[f"own_{key}"] == pytest.approx(online[f"own_{key}"], nan_ok=True)

    def test_dense_outputs_are_judged_anew(self, tmp_path: Path) -> None:
        online, cached = self.probe_from(tmp_path, "dense")
        assert set(cached) == set(online)
        # Half precision.
        assert cached["own_cost"] == pytest.approx(online["own_cost"], rel=0.01, nan_ok=True)


class TestFile:
    def saved(self, path: Path, records: list[Record]) -> dict[str, np.ndarray]:
        ids = np.arange(len(records)) + 70
        save_probe(path, records, epoch=2, step=30, names={"image_id": ids})
        with np.load(path, allow_pickle=False) as file:
            return dict(file)

    def records(self, *boxes: int) -> list[Record]:
        batches = [one_image(20 + i, boxes=count) for i, count in enumerate(boxes)]
        return [probe_of(random_opinion(30, batch), batch) for batch in batches]

    def test_images_come_end_to_end(self, tmp_path: Path) -> None:
        records = self.records(3, 0, 2)
        found = self.saved(tmp_path / "probes/epoch_002.npz", records)
        assert (int(found["epoch"]), int(found["step"])) == (2, 30)
        assert found["image_id"].tolist() == [70, 71, 72]
        assert found["gt_image"].tolist() == [0, 0, 0, 2, 2]
        assert found["content_hw"].shape == found["canvas_hw"].shape == (3, 2)
        assert found["gt_box"].tolist() == [box for r in records for box in r["gt_box"].tolist()]
        assert found["own_cost"].shape == (5, MAX_SAMPLES)

    def test_positives_name_rows_among_all_boxes(self, tmp_path: Path) -> None:
        records = self.records(3, 0, 2)
        found = self.saved(tmp_path / "p.npz", records)
        image, gt = found["own_positive_image"], found["own_positive_gt"]
        assert set(image.tolist()) == {0, 2}
        assert found["gt_image"][gt].tolist() == image.tolist()
        assert gt[image == 0].tolist() == records[0]["own_positive_gt"].tolist()
        assert gt[image == 2].tolist() == (records[2]["own_positive_gt"] + 3).tolist()
        # One sample each, in the row of its box.
        assert found["own_sample_positive"].sum(axis=1).tolist() == np.bincount(gt).tolist()

    def test_what_an_image_lacks_is_left_out_of_all(self, tmp_path: Path) -> None:
        first, second = self.records(2, 3)
        short = {key: value for key, value in second.items() if key != "own_cost"}
        found = self.saved(tmp_path / "p.npz", [first, short])
        assert "own_cost" not in found
        assert found["own_means"].shape == (5, 2)

    def test_an_older_file_is_replaced_as_a_whole(self, tmp_path: Path) -> None:
        self.saved(tmp_path / "p.npz", self.records(3))
        found = self.saved(tmp_path / "p.npz", self.records(2, 1))
        assert found["gt_image"].tolist() == [0, 0, 1]
        assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_no_gradient_is_kept() -> None:
    batch = one_image(40)
    opinion = random_opinion(41, batch)
    opinion.predictions.box_deltas.requires_grad_(True)
    assert probe_of(opinion, batch)["own_cost"].shape == (4, MAX_SAMPLES)
