"""A teacher that runs on every batch, and its double from a cache."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from ladcli.assign import paa_assigner
from ladcli.cache.batch_rows import BatchRows
from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.cache.format import POSITIVES
from ladcli.cache.reader import TeacherCache
from ladcli.cache.writer import CacheWriter
from ladcli.data.index import CocoIndex, load_index
from ladcli.data.loader import load_batches
from ladcli.data.plan import Plan, plan_epoch, plan_views
from ladcli.data.synth import write_synthetic
from ladcli.data.views import ViewGrid
from ladcli.detector.anchors import predicted_boxes
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.detector.model import Detector
from ladcli.objective.teacher import OnlineTeacher, Teacher
from ladcli.recipe import DataConfig
from ladcli.structures import Assignment, Batch
from tests.cache.caches import ATTRIBUTES, rows_of
from tests.detector.tiny import ARCHITECTURE, tiny_batch, tiny_detector

CPU = torch.device("cpu")
OTHER_STATISTICS = {"batch_mean": (0.1, 0.2, 0.3), "batch_std": (0.5, 0.6, 0.7)}


def online(detector: Detector, **options: Any) -> OnlineTeacher:
    return OnlineTeacher(detector, paa_assigner(), autocast=nullcontext(), **options)


def assigned_by(teacher: Teacher, batch: Batch) -> Assignment:
    return teacher.look_at(batch, DEFAULT_LAYOUT.scene(batch)).assignment()


def trained(seed: int = 0) -> Detector:
    """A network whose batch-norm layers have seen something, so that modes differ."""
    detector = tiny_detector(seed).train()
    with torch.no_grad():
        detector(tiny_batch(seed).images)
    return detector


def test_the_teacher_says_what_its_network_says() -> None:
    batch, detector = tiny_batch(content_hw=(40, 90)), trained().eval()
    with torch.no_grad():
        predictions = detector(batch.images)
    scene = DEFAULT_LAYOUT.scene(batch)
    expected = paa_assigner().assign(scene, predictions.cls, predicted_boxes(predictions, scene))
    assert expected.num_positive > 0
    assert torch.equal(assigned_by(online(detector), batch).gt_index, expected.gt_index)


def test_the_teacher_is_in_evaluation_mode_and_takes_no_gradient() -> None:
    detector = trained()
    teacher = online(detector)
    before = {k: v.clone() for k, v in detector.state_dict().items()}
    assert not any(m.training for m in detector.modules())
    assert not any(p.requires_grad for p in detector.parameters())
    seen = []
    detector.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    assigned_by(teacher, tiny_batch(3))
    assert seen == [False]
    assert all(torch.equal(v, before[k]) for k, v in detector.state_dict().items())


def test_a_student_that_trains_does_not_wake_the_teacher() -> None:
    teacher, student = online(trained()), tiny_detector(1)
    first = assigned_by(teacher, tiny_batch()).gt_index
    student.train()(tiny_batch().images).cls.raw.sum().backward()
    assert not teacher.detector.training
    assert torch.equal(assigned_by(teacher, tiny_batch()).gt_index, first)


def test_autocast_wraps_every_forward_pass() -> None:
    teacher = OnlineTeacher(
        trained(), paa_assigner(), autocast=torch.autocast("cpu", dtype=torch.bfloat16)
    )
    dtypes = []
    teacher.detector.head.cls_out.register_forward_hook(lambda *a: dtypes.append(a[2].dtype))
    assigned_by(teacher, tiny_batch())
    assigned_by(teacher, tiny_batch())
    assert dtypes == [torch.bfloat16] * 10  # five levels, twice
    assert not torch.is_autocast_enabled("cpu")


def test_a_student_with_other_pixel_statistics_shows_the_teacher_the_same_pixels() -> None:
    batch, detector = tiny_batch(content_hw=(40, 90)), trained()
    shown: list[torch.Tensor] = []
    detector.backbone.register_forward_pre_hook(lambda _, images: shown.append(images[0].clone()))
    assigned_by(online(detector), batch)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in OTHER_STATISTICS.values())
    own_mean = torch.tensor(ARCHITECTURE.pixel_mean).view(3, 1, 1)
    own_std = torch.tensor(ARCHITECTURE.pixel_std).view(3, 1, 1)
    pixels = batch.images[:, :, :40, :90] * own_std + own_mean
    batch.images[:, :, :40, :90] = (pixels - mean) / std
    assigned_by(online(detector, **OTHER_STATISTICS), batch)
    torch.testing.assert_close(shown[1], shown[0])


# Two short sides and both flips: four views, on canvases of both orientations.
DATA = DataConfig(short=[48, 64], long=96, scale_steps=2, workers=0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CocoIndex:
    """Landscape and portrait pictures with 0 to 4 objects."""
    folder = tmp_path_factory.mktemp("shapes")
    write_synthetic(
        folder / "set", train=6, val=0, test=0, size=(80, 60), classes=3, seed=3, objects=(0, 4)
    )
    found = load_index(folder / "set/annotations/train.json", folder / "set/images")
    turned = [1, 4]
    found.hw[turned] = found.hw[turned][:, ::-1]
    for row in turned:
        with Image.open(found.path(row)) as picture:
            picture.transpose(Image.Transpose.TRANSPOSE).save(found.path(row))
        part = slice(found.box_ptr[row], found.box_ptr[row + 1])
        found.boxes[part] = found.boxes[part][:, [1, 0, 3, 2]]
    return found


def batches_of(index: CocoIndex, plan: Plan, beside: BatchRows | None = None) -> list[Batch]:
    return list(
        load_batches(
            index,
            plan,
            mean=ARCHITECTURE.pixel_mean,
            std=ARCHITECTURE.pixel_std,
            workers=0,
            skip_bad_images=False,
            pin_memory=False,
            beside=beside,
        )
    )


@pytest.fixture
def teacher() -> OnlineTeacher:
    """A network with outputs that differ between anchors."""
    detector = trained()
    with torch.no_grad():
        for out in (detector.head.cls_out, detector.head.box_out):
            nn.init.normal_(out.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return online(detector)


def build_cache(path: Path, index: CocoIndex, teacher: OnlineTeacher) -> TeacherCache:
    """Every view of every image, as `lad cache-teacher` visits them."""
    plan = plan_views(index, DATA, batch_size=4)
    writer = CacheWriter(
        path,
        "assignments",
        ATTRIBUTES,
        image_ids=index.image_ids,
        view_ids=ViewGrid.from_config(DATA).view_ids(),
        num_parts=len(plan),
        num_classes=3,
    )
    for number, batch in enumerate(batches_of(index, plan)):
        writer.add(batch, rows_of(assigned_by(teacher, batch)))
        writer.close_part(number)
    writer.finish()
    return TeacherCache(path)


def test_a_cache_answers_as_the_network_behind_it(
    tmp_path: Path, index: CocoIndex, teacher: OnlineTeacher
) -> None:
    """Also where batches are shuffled, smaller, and of other canvases than while caching."""
    cache = build_cache(tmp_path / "cache.h5", index, teacher)
    rows = BatchRows(cache, index, DEFAULT_LAYOUT, (POSITIVES,))
    cached = CachedTeacher(rows, teacher.assigner)
    plans = [plan_epoch(index, DATA, batch_size=3, seed=5, epoch=e) for e in range(4)]
    batches = [batch for plan in plans for batch in batches_of(index, plan, rows)]
    assert {batch.canvas_hw for batch in batches} == {(64, 64), (64, 96), (96, 64)}
    assert {len(batch) for batch in batches} == {1, 2, 3}
    assert {view for batch in batches for view in batch.view_ids} == {0, 1, 2, 3}
    positives = 0
    for batch in batches:
        live, stored = (assigned_by(who, batch) for who in (teacher, cached))
        assert torch.equal(live.gt_index, stored.gt_index)
        assert live.gt_index.dtype is stored.gt_index.dtype
        positives += int(stored.num_positive)
    assert positives > len(batches)


def test_a_cache_of_two_builds_is_the_same(
    tmp_path: Path, index: CocoIndex, teacher: OnlineTeacher
) -> None:
    first = build_cache(tmp_path / "a.h5", index, teacher)
    second = build_cache(tmp_path / "b.h5", index, teacher)
    assert first.path.read_bytes() == second.path.read_bytes()
