"""One picture of the synthetic set: its boxes are tight to what was drawn and can be seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ladcli.data import synth_scene
from ladcli.data.synth_scene import MIN_VISIBLE, SIDES, Scene, SceneStyle, draw_scene


def scene_of(seed: int, **changes: Any) -> Scene:
    style = {"size": (320, 240), "classes": 8, "objects": (1, 8), **changes}
    return draw_scene(np.random.default_rng(seed), SceneStyle(**style))


@pytest.fixture
def on_black(monkeypatch: pytest.MonkeyPatch) -> None:
    """White objects on black ground, before a perfect camera."""

    def black(_: np.random.Generator, width: int, height: int) -> np.ndarray:
        return np.zeros((height, width, 3), dtype=np.float32)

    def white(rng: Any, under: np.ndarray, *_: Any) -> np.ndarray:
        return np.full_like(under, 255)

    monkeypatch.setattr(synth_scene, "_background", black)
    monkeypatch.setattr(synth_scene, "_fill", white)
    monkeypatch.setattr(synth_scene, "_blobs", lambda rng, image: image)
    monkeypatch.setattr(synth_scene, "_camera", lambda rng, picture, clutter: picture)


def brightness(scene: Scene) -> np.ndarray:
    """[H, W] of a gray picture."""
    channels = np.asarray(scene.picture)
    assert (channels == channels[:, :, :1]).all()
    return channels[:, :, 0]


@pytest.mark.usefixtures("on_black")
def test_the_box_of_one_object_is_tight_to_its_pixels() -> None:
    """Objects let some of the ground through: what is covered by half is half as bright."""
    cut = 0
    for seed in range(60):
        scene = scene_of(seed, objects=(1, 1), sides=(0.2, 0.5), clutter=0.0)
        if not len(scene.boxes):
            continue  # most of it lies outside
        light = brightness(scene)
        rows, cols = np.nonzero(light > light.max() / 2)
        box = [cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1]
        assert scene.boxes.tolist() == [box], seed
        cut += box[0] == 0 or box[1] == 0 or box[0] + box[2] == 320 or box[1] + box[3] == 240
    assert cut > 5  # some boxes end where the picture does


@pytest.mark.usefixtures("on_black")
def test_an_object_that_lies_mostly_outside_is_not_annotated() -> None:
    whole = 0.784 * (1.2 * 64) ** 2  # pixels of a disc, however it is stretched
    style = {"size": (64, 64), "classes": 1, "objects": (1, 1), "sides": (1.2, 1.2)}
    shares = {}
    for seed in range(150):
        scene = scene_of(seed, **style, clutter=0.0)
        light = brightness(scene)
        shares[(light > light.max() / 2).sum() / whole] = len(scene.boxes)
    assert {number for share, number in shares.items() if share < MIN_VISIBLE - 0.01} == {0}
    assert {number for share, number in shares.items() if share > MIN_VISIBLE + 0.01} == {1}


@pytest.mark.usefixtures("on_black")
def test_only_clutter_draws_what_is_no_object() -> None:
    for seed in range(5):
        bare = scene_of(seed, objects=(0, 0), clutter=0.0)
        assert not brightness(bare).any()
        assert np.asarray(scene_of(seed, objects=(0, 0), clutter=1.0).picture).any()


def test_a_picture_without_objects_has_empty_boxes() -> None:
    scene = scene_of(0, objects=(0, 0))
    assert scene.boxes.shape == (0, 4)
    assert scene.labels.shape == (0,)
    assert scene.boxes.dtype == scene.labels.dtype == np.int64


def test_a_picture_has_the_size_asked_for() -> None:
    picture = scene_of(0, size=(96, 64)).picture
    assert picture.mode == "RGB"
    assert picture.size == (96, 64)


def test_the_generator_decides_all() -> None:
    one, same, other = scene_of(3), scene_of(3), scene_of(4)
    assert one.picture.tobytes() == same.picture.tobytes()
    assert one.boxes.tolist() == same.boxes.tolist()
    assert one.labels.tolist() == same.labels.tolist()
    assert one.picture.tobytes() != other.picture.tobytes()
    assert one.boxes.tolist() != other.boxes.tolist()


def test_boxes_hold_what_is_seen() -> None:
    sides = []
    for seed in range(40):
        scene = scene_of(seed)
        low, high = scene.boxes[:, :2], scene.boxes[:, :2] + scene.boxes[:, 2:]
        assert (low >= 0).all()
        assert (high <= (320, 240)).all()
        assert (scene.boxes[:, 2:] >= 1).all()
        assert len(scene.labels) == len(scene.boxes) <= 8
        sides.extend(scene.boxes[:, 2:].max(axis=1).tolist())
    assert min(sides) < 20
    assert max(sides) > 120


def test_labels_are_those_of_the_first_classes() -> None:
    labels = np.concatenate([scene_of(seed, classes=3, size=(64, 64)).labels for seed in range(20)])
    assert set(labels.tolist()) == {0, 1, 2}


def test_objects_that_are_hidden_are_not_annotated() -> None:
    """Of ten that are as large as the picture, the last ones cover the first."""
    numbers = [
        len(scene_of(seed, size=(64, 64), objects=(10, 10), sides=(1.0, 1.0)).boxes)
        for seed in range(20)
    ]
    assert max(numbers) < 10
    assert np.mean(numbers) < 5


@dataclass
class Drawn:
    """What was drawn, in order, and which of it can be seen."""

    corners: list[int] = field(default_factory=list)  # of the outlines
    sides: list[float] = field(default_factory=list)
    visible: list[bool] = field(default_factory=list)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Listens while a picture is drawn."""
    found = Drawn()
    draw_mask, visible_boxes = synth_scene.draw_mask, synth_scene._visible_boxes

    def heard(outline: list[np.ndarray], side: float, *others: float) -> np.ndarray:
        found.corners.append(len(outline[0]))
        found.sides.append(side)
        return draw_mask(outline, side, *others)

    def seen(owner: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, visible = visible_boxes(owner, areas)
        found.visible = visible.tolist()
        return boxes, visible

    monkeypatch.setattr(synth_scene, "draw_mask", heard)
    monkeypatch.setattr(synth_scene, "_visible_boxes", seen)
    return found


def test_large_objects_lie_below_small_ones(drawn: Drawn) -> None:
    scene_of(0, objects=(12, 12), clutter=0.0)
    assert len(drawn.sides) == 12
    assert drawn.sides == sorted(drawn.sides, reverse=True)


def test_labels_are_those_of_the_objects_that_can_be_seen(drawn: Drawn) -> None:
    scene = scene_of(0, size=(64, 64), classes=3, objects=(20, 20), clutter=0.0)
    assert 0 < sum(drawn.visible) < 20
    label_of = {40: 0, 4: 1, 3: 2}  # a disc, a square and a triangle, by their corners
    labels = [label_of[corners] for corners in drawn.corners]
    seen = [label for label, visible in zip(labels, drawn.visible, strict=True) if visible]
    assert scene.labels.tolist() == seen


def test_visible_boxes_by_hand() -> None:
    owner = np.full((5, 6), -1)
    owner[1:4, 2:5] = 0  # 9 pixels, of which the next object takes 4
    owner[2:4, 3:6] = 1
    owner[0, 0] = owner[4, 5] = 3  # two ends of something that is hidden between them
    boxes, visible = synth_scene._visible_boxes(owner, np.array([9.0, 6.0, 4.0, 2.0]))
    assert visible.tolist() == [True, True, False, True]
    assert boxes[visible].tolist() == [[2, 1, 3, 3], [3, 2, 3, 2], [0, 0, 6, 5]]


@pytest.mark.parametrize(("seen", "expected"), [(34, False), (35, True)])
def test_a_share_of_an_object_must_be_visible(seen: int, expected: bool) -> None:
    assert MIN_VISIBLE == 0.35
    owner = np.full((10, 10), -1)
    owner.reshape(-1)[:seen] = 0
    assert synth_scene._visible_boxes(owner, np.array([100.0]))[1].tolist() == [expected]


def test_an_object_that_covers_no_pixel_is_not_visible() -> None:
    owner = np.full((4, 4), -1)
    assert synth_scene._visible_boxes(owner, np.zeros(1))[1].tolist() == [False]


def test_there_are_as_many_small_objects_as_large_ones() -> None:
    """Sides are even on a logarithmic scale, so half of them lie below its middle."""
    rng = np.random.default_rng(0)
    sides = [synth_scene._random_side(rng, 100, SIDES) for _ in range(4000)]
    assert 5 <= min(sides) < 5.1
    assert 64 < max(sides) <= 65
    below = np.mean(np.array(sides) < 100 * (0.05 * 0.65) ** 0.5)
    assert below == pytest.approx(0.5, abs=0.03)  # standard deviation 0.008
