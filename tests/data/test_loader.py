from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ladcli.data.index import CocoIndex, load_index
from ladcli.data.loader import load_batches
from ladcli.data.plan import Plan, plan_epoch, plan_eval
from ladcli.data.views import Sample
from ladcli.errors import BadImageError
from ladcli.recipe.schema import DataConfig
from ladcli.structures import Batch
from tests.data.corpus import index_of

DATA = DataConfig(short=[40, 56], long=80, scale_steps=3, brightness=0.3, saturation=0.3)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def load(index: CocoIndex, plan: Plan, *, workers: int = 0, skip: bool = False) -> list[Batch]:
    return list(
        load_batches(
            index,
            plan,
            mean=MEAN,
            std=STD,
            workers=workers,
            skip_bad_images=skip,
            pin_memory=False,
        )
    )


@pytest.fixture
def index(tmp_path: Path) -> CocoIndex:
    return index_of(tmp_path)


def equal(a: Batch, b: Batch) -> bool:
    tensors = (
        (a.images, b.images),
        (a.targets.boxes, b.targets.boxes),
        (a.targets.labels, b.targets.labels),
        (a.targets.valid, b.targets.valid),
        (a.targets.crowd, b.targets.crowd),
        (a.content_hw, b.content_hw),
        (a.valid_hw, b.valid_hw),
        (a.scale_wh, b.scale_wh),
    )
    same = all(x.dtype == y.dtype and torch.equal(x, y) for x, y in tensors)
    return same and (a.image_rows, a.view_ids) == (b.image_rows, b.view_ids)


def test_workers_do_not_change_the_result(index: CocoIndex) -> None:
    plan = [
        batch
        for epoch in range(4)
        for batch in plan_epoch(index, DATA, batch_size=2, seed=0, epoch=epoch)
    ]
    alone, shared = load(index, plan), load(index, plan, workers=2)
    assert len(alone) == len(plan)
    assert all(equal(a, b) for a, b in zip(alone, shared, strict=True))
    # Going on after three batches gives the rest.
    assert all(equal(a, b) for a, b in zip(alone[3:], load(index, plan[3:]), strict=True))


def test_loading_leaves_the_global_generator_alone(index: CocoIndex) -> None:
    before = torch.random.get_rng_state()
    load(index, plan_eval(index, DATA, batch_size=2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_shapes_and_scales(index: CocoIndex) -> None:
    (batch,) = load(index, [[Sample(2, 0, (36, 48), (64, 96)), Sample(1, 0, (48, 64), (64, 96))]])
    assert batch.images.shape == (2, 3, 64, 96)
    assert batch.images.dtype == torch.float32
    assert batch.content_hw.tolist() == [[36, 48], [48, 64]]
    assert batch.valid_hw.tolist() == [[64, 64], [64, 64]]
    assert batch.scale_wh.tolist() == [[0.75, 0.75], [1.0, 1.0]]
    assert batch.image_rows == (2, 1)
    assert batch.targets.boxes[0].tolist() == [[3, 6, 15, 15], [30, 15, 48, 36]]
    assert batch.targets.labels[0].tolist() == [1, 0]
    assert batch.targets.valid.tolist() == [[True, True], [False, False]]


def test_axes_scale_by_their_own_ratio(index: CocoIndex) -> None:
    (batch,) = load(index, [[Sample(0, 0, (65, 50), (96, 64))]])
    assert batch.scale_wh.tolist() == [[50 / 48, 65 / 64]]
    expected = torch.tensor([0, 0, 24 * 50 / 48, 32 * 65 / 64])
    torch.testing.assert_close(batch.targets.boxes[0, 0], expected)


def test_pixels_are_normalized_and_padding_is_zero(index: CocoIndex) -> None:
    (batch,) = load(index, [[Sample(1, 0, (48, 64), (64, 96))]])
    with Image.open(index.path(1)) as image:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(batch.images[0, :, :48, :64], (pixels - mean) / std)
    assert (batch.images[0, :, 48:] == 0).all()
    assert (batch.images[0, :, :, 64:] == 0).all()


def test_flip_mirrors_image_boxes_and_crowd_inside_the_content(index: CocoIndex) -> None:
    straight = Sample(0, 0, (64, 48), (96, 96))
    (batch,) = load(index, [[straight, replace(straight, flip=True, view_id=1)]])
    content = batch.images[:, :, :64, :48]
    torch.testing.assert_close(content[1], content[0].flip(-1))
    assert (batch.images[1, :, :, 48:] == 0).all()
    assert batch.targets.boxes[:, 0].tolist() == [[0, 0, 24, 32], [24, 0, 48, 32]]
    assert batch.targets.crowd[:, 0].tolist() == [[8, 8, 16, 16], [32, 8, 40, 16]]
    assert batch.view_ids == (0, 1)


def test_reduced_decoding_keeps_picture_and_boxes(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [160, 120, 320, 240]}],
        "categories": [{"id": 1, "name": "a"}],
    }
    index = index_of(tmp_path, content)
    pixels = np.zeros((480, 640, 3), dtype=np.uint8)
    pixels[120:360, 160:480] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    (batch,) = load(index, [[Sample(0, 0, (120, 160), (128, 160))]])
    assert batch.targets.boxes[0, 0].tolist() == [40, 30, 120, 90]
    bright = batch.images[0, 0] > 0.5
    rows, cols = bright.any(1).nonzero(), bright.any(0).nonzero()
    extent = (int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1)
    assert extent == (40, 30, 120, 90)


def test_photometric_factors_change_pixels_only(index: CocoIndex) -> None:
    plain = Sample(1, 0, (48, 64), (64, 64))
    dark = replace(plain, brightness=0.5)
    gray = replace(plain, saturation=0.0)
    flat = replace(plain, contrast=0.0)
    (batch,) = load(index, [[plain, dark, gray, flat]])
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    pixels = batch.images[:, :, :48] * std + mean
    torch.testing.assert_close(pixels[1], pixels[0] / 2, atol=1e-5, rtol=0)
    assert pixels[2].std(dim=0).max() < 1e-5
    assert pixels[3].std() < 1e-5
    assert (batch.images[:, :, 48:] == 0).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_image_stops_with_its_name(index: CocoIndex, workers: int) -> None:
    index.path(1).write_bytes(b"")
    with pytest.raises(BadImageError, match=r"bare\.png: the file is empty") as caught:
        load(index, plan_eval(index, DATA, batch_size=1), workers=workers)
    assert "\n" not in str(caught.value)
    assert caught.value.path == str(index.path(1))


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_image_can_be_skipped(index: CocoIndex, workers: int) -> None:
    index.path(1).unlink()
    landscape = [Sample(2, 0, (48, 64), (64, 64)), Sample(1, 0, (48, 64), (64, 64))]
    whole, nothing = load(index, [landscape, landscape[1:]], workers=workers, skip=True)
    assert whole.image_rows == (2,)
    assert len(whole.skipped) == 1
    assert "bare.png" in whole.skipped[0]
    assert nothing.images.shape == (0, 3, 64, 64)
    assert nothing.targets.boxes.shape == (0, 0, 4)
    assert nothing.targets.crowd.shape == (0, 0, 4)
    assert nothing.content_hw.shape == nothing.valid_hw.shape == nothing.scale_wh.shape == (0, 2)
    assert len(nothing.skipped) == 1


def test_size_that_contradicts_the_index_is_a_bad_image(index: CocoIndex) -> None:
    Image.new("RGB", (10, 10)).save(index.path(1))
    with pytest.raises(BadImageError, match="10x10"):
        load(index, [[Sample(1, 0, (48, 64), (64, 64))]])


def test_truncated_image_of_the_corpus(shared: Path) -> None:
    bad = shared / "data/bad"
    index = load_index(bad / "json/with_truncated_jpg.json", bad / "images")
    plan = plan_eval(index, DataConfig(short=[64], long=96), batch_size=2)
    (batch,) = load(index, plan, skip=True)
    assert batch.image_rows == (0,)
    assert "truncated.jpg" in batch.skipped[0]


def test_odd_images_of_the_corpus_load(shared: Path) -> None:
    bad = shared / "data/bad"
    for name in ("cmyk_jpg", "gray_jpg", "gray16_png", "rgba_png", "animated_gif", "one_pixel_jpg"):
        index = load_index(bad / f"json/with_{name}.json", bad / "images")
        for batch in load(index, plan_eval(index, DataConfig(short=[64], long=96), batch_size=2)):
            assert torch.isfinite(batch.images).all()
            assert batch.skipped == ()


def test_length_is_that_of_the_plan(index: CocoIndex) -> None:
    plan = plan_eval(index, DATA, batch_size=1)
    loader = load_batches(
        index, plan, mean=MEAN, std=STD, workers=0, skip_bad_images=False, pin_memory=False
    )
    assert len(loader) == len(plan) == 3
    assert len(list(loader)) == 3
    assert len(list(loader)) == 3
    assert load(index, [], workers=2) == []
