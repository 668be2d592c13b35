"""Which images a run looks at, when, in which view, and through whose eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ladcli.assign import Switch, paa_assigner
from ladcli.data.index import CocoIndex, load_index
from ladcli.data.loader import load_batches
from ladcli.data.plan import plan_eval
from ladcli.detector.anchors import predicted_boxes
from ladcli.detector.checkpoint import load_checkpoint
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.detector.model import Detector
from ladcli.engine.device import autocast
from ladcli.engine.state import Learner, Position
from ladcli.objective.objectives import CoObjective, Objective
from ladcli.objective.teacher import OnlineTeacher
from ladcli.recipe.schema import Recipe
from ladcli.runs.metrics_log import read_metrics
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.colad import colad
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.probes import Opinionated, Prober
from ladcli.stages.training import RunOptions
from tests.detector.tiny import tiny_detector
from tests.engine.runs import learner_for
from tests.stages.tiny import assert_same_weights, change_json, copy_of, cut_pixels, tiny_recipe

LAST = "checkpoints/model/last.pt"
STATISTICS = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
CPU = torch.device("cpu")

Probe = dict[str, np.ndarray]


def read(run: Path, epoch: int) -> Probe:
    with np.load(run / f"probes/epoch_{epoch:03d}.npz", allow_pickle=False) as file:
        return dict(file)


def positives(probe: Probe, name: str) -> list[list[float]]:
    """Ground truth, center and stride of every positive, as rows."""
    keys = ("positive_gt", "positive_center", "positive_stride", "positive_image")
    columns = [
        probe[f"{name}_{key}"].reshape(len(probe[f"{name}_positive_gt"]), -1) for key in keys
    ]
    rows: list[list[float]] = np.concatenate(columns, axis=1).tolist()
    return rows


def prober(
    recipe: Recipe,
    folder: Path,
    *,
    index: CocoIndex | None = None,
    learners: dict[str, Learner] | None = None,
    objective: Opinionated | None = None,
) -> Prober:
    """Of an untrained network, by default of PAA."""
    if index is None:
        root = Path(recipe.data.dir or "")
        index = load_index(root / "annotations/train.json", root / "images")
    return Prober(
        recipe,
        index,
        learners or {"model": learner_for()},
        objective or Objective(paa_assigner(), recipe.loss, DEFAULT_LAYOUT),
        STATISTICS,
        CPU,
        RunDirectory(folder),
    )


def take(recipe: Recipe, folder: Path, **options: Any) -> Probe:
    prober(recipe, folder, **options).take(Position())
    return read(folder, 0)


@pytest.fixture(scope="module")
def recipe(data: Path) -> Recipe:
    """Two epochs."""
    return tiny_recipe(data, schedule__epochs=2, train__channels_last=False)


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("probed") / "run"
    pretrain(recipe, RunOptions(out, quiet=True))
    return out


def train_student(out: Path, data: Path, **options: Any) -> Path:
    recipe = tiny_recipe(data, train__eval_every=0, train__probe_images=2, **options)
    distill(recipe, RunOptions(out, quiet=True))
    return out


@pytest.fixture(scope="module")
def online(data: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student whose teacher runs beside it."""
    out = tmp_path_factory.mktemp("student") / "online"
    return train_student(out, data, distill__teacher=str(teacher))


class TestRun:
    """Two epochs of PAA, with probes and without."""

    def test_probes_are_taken_before_the_first_epoch_and_after_every_one(self, run: Path) -> None:
        names = sorted(path.name for path in (run / "probes").iterdir())
        assert names == ["epoch_000.npz", "epoch_001.npz", "epoch_002.npz"]
        probes = [read(run, epoch) for epoch in range(3)]
        assert [int(probe["epoch"]) for probe in probes] == [0, 1, 2]
        assert [int(probe["step"]) for probe in probes] == [0, 2, 4]
        for probe in probes[1:]:
            for key in ("image_id", "file_name", "gt_box", "gt_label", "gt_image"):
                assert np.array_equal(probe[key], probes[0][key])
            assert not np.array_equal(probe["own_cost"], probes[0]["own_cost"], equal_nan=True)

    def test_images_are_spread_over_the_training_set(self, data: Path, run: Path) -> None:
        index = load_index(data / "annotations/train.json", data / "images")
        probe = read(run, 0)
        rows = [0, 2, 4, 7]
        assert probe["image_id"].tolist() == index.image_ids[rows].tolist()
        assert probe["file_name"].tolist() == [index.file_name(row) for row in rows]
        labels = [label for row in rows for label in index.targets(row)[1].tolist()]
        assert probe["gt_label"].tolist() == labels

    def test_positives_are_those_of_the_trained_network(
        self, recipe: Recipe, data: Path, run: Path
    ) -> None:
        probe = read(run, 2)
        detector = load_checkpoint(run / LAST).detector
        index = load_index(data / "annotations/train.json", data / "images")
        index = index.subset([0, 2, 4, 7])
        loaded = load_batches(
            index, plan_eval(index, recipe.data, batch_size=1),
            mean=detector.architecture.pixel_mean, std=detector.architecture.pixel_std,
            workers=0, skip_bad_images=False, pin_memory=False,
        )  # fmt: skip
        first_gt = 0
        for place, batch in enumerate(loaded):
            scene = DEFAULT_LAYOUT.scene(batch)
            with torch.no_grad():
                outputs = detector.eval()(batch.images)
            boxes = predicted_boxes(outputs, scene)
            expected = paa_assigner().assign(scene, outputs.cls, boxes)
            gt_index = expected.gt_index[0]
            mine = probe["own_positive_image"] == place
            found = probe["own_positive_gt"][mine] - first_gt
            assert found.tolist() == gt_index[gt_index >= 0].tolist()
            assert probe["gt_box"][probe["gt_image"] == place].tolist() == (
                batch.targets.boxes[0].tolist()
            )
            first_gt += batch.targets.boxes.shape[1]

    def test_training_is_the_same_without_them(
        self, recipe: Recipe, data: Path, run: Path, tmp_path: Path
    ) -> None:
        blind = tiny_recipe(
            data, schedule__epochs=2, train__channels_last=False, train__probe_images=0
        )
        pretrain(blind, RunOptions(tmp_path / "run", quiet=True))
        assert not (tmp_path / "run/probes").exists()
        assert_same_weights(run / LAST, tmp_path / "run" / LAST)
        mine, theirs = (
            [line["loss"] for line in read_metrics(r / "metrics.jsonl") if line["kind"] == "train"]
            for r in (run, tmp_path / "run")
        )
        assert mine == theirs
        first, second = (
            (r / "eval/model/val/predictions.json").read_bytes() for r in (run, tmp_path / "run")
        )
        assert first == second


class TestTeacher:
    """Distillation from one teacher, asked in three ways."""

    def test_an_online_teacher_is_seen_beside_its_student(self, online: Path) -> None:
        before, after = read(online, 0), read(online, 1)
        assert before["teacher_cost"].shape == before["own_cost"].shape
        assert positives(before, "teacher") != positives(before, "own")
        # The student learns, the teacher does not.
        assert not np.array_equal(before["own_cost"], after["own_cost"], equal_nan=True)
        for key in [key for key in before if key.startswith("teacher_")]:
            assert np.array_equal(before[key], after[key], equal_nan=before[key].dtype.kind == "f")

    def test_a_cache_of_assignments_knows_positives_alone(
        self, data: Path, cache: Path, online: Path, tmp_path: Path
    ) -> None:
        cached = train_student(tmp_path / "run", data, distill__cache=str(cache))
        for epoch in (0, 1):
            probe = read(cached, epoch)
            assert positives(probe, "teacher") == positives(read(online, epoch), "teacher")
            assert "teacher_cost" not in probe
            assert "own_cost" in probe

    def test_a_cache_of_costs_knows_what_the_mixture_saw(
        self, data: Path, teacher: Path, online: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "costs.h5"
        cache_teacher(tiny_recipe(data, cache__level="costs"), teacher, file, quiet=True)
        cached = train_student(
            tmp_path / "run", data, distill__cache=str(file), distill__switch="std-mean"
        )
        probe, expected = read(cached, 0), read(online, 0)
        assert positives(probe, "teacher") == positives(expected, "teacher")
        for key in ("cost", "sample_positive", "means", "weights"):
            mine, theirs = probe[f"teacher_{key}"], expected[f"teacher_{key}"]
            assert mine == pytest.approx(theirs, rel=1e-3, nan_ok=True), key


def test_colad_shows_both_networks(data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, train__eval_every=0, train__probe_images=1, colad__first_teacher="b")
    colad(recipe, RunOptions(tmp_path / "run", quiet=True))
    for epoch in (0, 1):
        probe = read(tmp_path / "run", epoch)
        assert probe["own_cost"].shape == probe["teacher_cost"].shape
        assert not np.array_equal(probe["own_cost"], probe["teacher_cost"], equal_nan=True)


def test_colads_first_teacher_is_called_the_teacher(data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, train__probe_images=1)
    learners = {"a": learner_for(seed=1), "b": learner_for(seed=2)}
    both = CoObjective(paa_assigner(), recipe.loss, DEFAULT_LAYOUT, Switch(), first_teacher="b")
    probe = take(recipe, tmp_path / "both", learners=learners, objective=both)
    for network, name in (("a", "own"), ("b", "teacher")):
        alone = take(recipe, tmp_path / network, learners={"model": learners[network]})
        assert positives(alone, "own") == positives(probe, name)
        assert alone["own_cost"] == pytest.approx(probe[f"{name}_cost"], nan_ok=True)


def test_a_teacher_that_assigns_nothing_is_not_shown(data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, train__probe_images=1)
    teacher = OnlineTeacher(
        tiny_detector(3), paa_assigner(), autocast=autocast("fp32", CPU),
        batch_mean=STATISTICS[0], batch_std=STATISTICS[1],
    )  # fmt: skip
    objective = Objective(
        paa_assigner(), recipe.loss, DEFAULT_LAYOUT, teacher, teacher_assigns=False
    )
    probe = take(recipe, tmp_path, objective=objective)
    assert [key for key in probe if key.endswith("_positive_gt")] == ["own_positive_gt"]


class TestImages:
    def without_boxes(self, data: Path, tmp_path: Path, *, crowd: bool) -> Path:
        """A copy of the data where two images alone keep their boxes; the others have none, or
        crowd regions."""
        copy = copy_of(data, tmp_path / "data")

        def change(content: dict[str, Any]) -> None:
            kept = sorted(image["id"] for image in content["images"])[2:4]
            boxes = content["annotations"]
            content["annotations"] = [b for b in boxes if crowd or b["image_id"] in kept]
            for box in content["annotations"]:
                box["iscrowd"] = int(box["image_id"] not in kept)

        change_json(copy / "annotations/train.json", change)
        return copy

    @pytest.mark.parametrize("crowd", [False, True], ids=["empty", "crowd regions alone"])
    def test_those_without_boxes_are_passed_over(
        self, data: Path, tmp_path: Path, crowd: bool
    ) -> None:
        copy = self.without_boxes(data, tmp_path, crowd=crowd)
        index = load_index(copy / "annotations/train.json", copy / "images")
        probe = take(tiny_recipe(copy), tmp_path, index=index)
        assert probe["image_id"].tolist() == index.image_ids[2:4].tolist()
        assert set(probe["gt_image"].tolist()) == {0, 1}

    def test_where_none_has_boxes_nothing_is_written(self, data: Path, tmp_path: Path) -> None:
        copy = copy_of(data, tmp_path / "data")
        change_json(copy / "annotations/train.json", lambda c: c.update(annotations=[]))
        prober(tiny_recipe(copy), tmp_path).take(Position())
        assert not (tmp_path / "probes").exists()

    def test_those_that_cannot_be_read_are_left_out(self, data: Path, tmp_path: Path) -> None:
        copy = copy_of(data, tmp_path / "data")
        index = load_index(copy / "annotations/train.json", copy / "images")
        cut_pixels(index.path(2))
        probe = take(tiny_recipe(copy), tmp_path, index=index)
        assert probe["image_id"].tolist() == index.image_ids[[0, 4, 7]].tolist()

    def test_there_may_be_fewer_than_asked_for(self, data: Path, tmp_path: Path) -> None:
        probe = take(tiny_recipe(data, train__probe_images=100), tmp_path)
        assert len(probe["image_id"]) == 8


class TestView:
    def test_it_is_unflipped_where_that_occurs(self, data: Path, tmp_path: Path) -> None:
        def boxes(flip: float) -> np.ndarray:
            recipe = tiny_recipe(data, train__probe_images=1, data__flip=flip)
            return take(recipe, tmp_path / f"{flip}")["gt_box"]

        straight, either, always = boxes(0.0), boxes(0.5), boxes(1.0)
        assert np.array_equal(straight, either)
        width = 128
        mirrored = np.stack([width - straight[:, 2], width - straight[:, 0]], axis=1)
        assert always[:, ::2] == pytest.approx(mirrored)

    @pytest.mark.parametrize("scales", ["grid", "range"])
    def test_it_is_of_the_last_scale(self, data: Path, tmp_path: Path, scales: str) -> None:
        recipe = tiny_recipe(data, train__probe_images=1, data__short=[64, 90], data__scales=scales)
        probe = take(recipe, tmp_path)
        assert probe["content_hw"].tolist() == [[90, 120]]
        assert probe["canvas_hw"].tolist() == [[96, 128]]

    def test_scales_that_share_canvases_are_told_apart(self, tmp_path: Path) -> None:
        """The small view of the wide image has the canvas of the large view of the other."""
        sizes = {1: (128, 96), 2: (115, 96)}
        (tmp_path / "images").mkdir()
        for number, size in sizes.items():
            Image.new("RGB", size, (90, 120, 150)).save(tmp_path / f"images/{number}.png")
        content = {
            "images": [
                {"id": i, "file_name": f"{i}.png", "width": w, "height": h}
                for i, (w, h) in sizes.items()
            ],
            "categories": [{"id": c, "name": f"class {c}"} for c in (1, 2, 3)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": [20, 20, 40, 40], "iscrowd": 0}
                for i in sizes
            ],
        }
        file = tmp_path / "train.json"
        file.write_text(json.dumps(content))
        recipe = tiny_recipe(data__short=[80, 96], data__scale_steps=2, data__long=128)
        probe = take(recipe, tmp_path, index=load_index(file, tmp_path / "images"))
        assert probe["content_hw"].tolist() == [[96, 128], [96, 115]]


def test_networks_are_left_as_they_were(data: Path, tmp_path: Path) -> None:
    learner = learner_for()
    model: Detector = learner.model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    take(tiny_recipe(data), tmp_path, learners={"model": learner})
    assert torch.equal(torch.get_rng_state(), random)
    after = model.state_dict()
    assert not [name for name in before if not torch.equal(before[name], after[name])]
