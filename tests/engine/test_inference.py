"""Running a detector over a data set."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from ladcli.data.index import CocoIndex
from ladcli.data.loader import load_batches
from ladcli.data.views import InferenceViews, Sample
from ladcli.detector.anchors import anchor_grid
from ladcli.detector.checkpoint import InputRule
from ladcli.detector.model import Detector
from ladcli.detector.postprocess import postprocess
from ladcli.engine import runner as module
from ladcli.engine.inference import detect_all
from ladcli.engine.runner import Runner
from ladcli.errors import BadImageError, Interrupted
from ladcli.recipe import InferenceConfig
from ladcli.structures import Batch, Detections
from tests.data.corpus import index_of
from tests.detector.tiny import ARCHITECTURE, tiny_detector

RULE = InputRule(short=64, long=96)
OPTIONS = InferenceConfig(batch_size=2, score_threshold=0.1, max_detections=7)


@pytest.fixture
def index(tmp_path: Path) -> CocoIndex:
    """Two landscape pictures and a portrait one, by ascending id 4, 7, 9."""
    return index_of(tmp_path)


@pytest.fixture
def detector() -> Detector:
    """A network that reports something everywhere."""
    found = tiny_detector()
    with torch.no_grad():
        nn.init.normal_(found.head.cls_out.weight, std=0.3)
        found.head.cls_out.bias.zero_()
    return found


def run(
    detector: Detector, index: CocoIndex, inference: InferenceConfig = OPTIONS, **options: Any
) -> tuple[list[int], list[Detections]]:
    views = options.pop("views", InferenceViews())
    runner = Runner(torch.device("cpu"), **{"quiet": True, **options})
    return detect_all(detector, index, runner, input_rule=RULE, inference=inference, views=views)


def by_id(result: tuple[list[int], list[Detections]]) -> dict[int, Detections]:
    return dict(zip(*result, strict=True))


def test_every_image_is_detected_once_and_named(detector: Detector, index: CocoIndex) -> None:
    image_ids, found = run(detector, index)
    assert sorted(image_ids) == [4, 7, 9]
    assert [len(d.scores) for d in found] == [7, 7, 7]
    assert all((d.scores > 0.1).all() for d in found)


def test_detections_are_those_of_the_network_in_stored_pixels(
    detector: Detector, index: CocoIndex
) -> None:
    """The portrait picture of 48 x 64 pixels is seen at 64 x 85."""
    found = by_id(run(detector, index))[4]
    sample = Sample(0, 0, (85, 64), (96, 64))
    (batch,) = load_batches(
        index,
        [[sample]],
        mean=ARCHITECTURE.pixel_mean,
        std=ARCHITECTURE.pixel_std,
        workers=0,
        skip_bad_images=False,
        pin_memory=False,
    )
    with torch.no_grad():
        predictions = detector.eval()(batch.images)
    (expected,) = postprocess(
        predictions,
        anchor_grid((96, 64)),
        batch.content_hw,
        scale_wh=torch.tensor([[64 / 48, 85 / 64]]),
        score_threshold=0.1,
        max_detections=7,
    )
    torch.testing.assert_close(found.boxes, expected.boxes)
    torch.testing.assert_close(found.scores, expected.scores)
    assert torch.equal(found.labels, expected.labels)
    assert (found.boxes <= torch.tensor([48, 64, 48, 64])).all()


def test_the_batch_size_does_not_matter(detector: Detector, index: CocoIndex) -> None:
    pairs = (
        by_id(run(detector, index)),
        by_id(run(detector, index, OPTIONS.model_copy(update={"batch_size": 1}))),
    )
    for image_id in (4, 7, 9):
        a, b = (pair[image_id] for pair in pairs)
        # Convolutions may sum in another order for another batch size.
        torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.boxes, b.boxes, rtol=1e-4, atol=1e-2)


def test_the_network_is_left_in_evaluation_mode_and_unchanged(
    detector: Detector, index: CocoIndex
) -> None:
    before = {k: v.clone() for k, v in detector.state_dict().items()}
    _, found = run(detector.train(), index)
    assert not any(m.training for m in detector.modules())
    assert all(torch.equal(v, before[k]) for k, v in detector.state_dict().items())
    assert not any(d.boxes.requires_grad or d.scores.requires_grad for d in found)


def test_the_network_runs_in_the_asked_precision(detector: Detector, index: CocoIndex) -> None:
    dtypes = set()
    detector.head.cls_out.register_forward_hook(lambda *a: dtypes.add(a[2].dtype))
    _, found = run(detector, index, precision="bf16")
    assert dtypes == {torch.bfloat16}
    assert {d.scores.dtype for d in found} == {d.boxes.dtype for d in found} == {torch.float32}


def test_a_bad_image_stops_or_is_left_out(detector: Detector, index: CocoIndex) -> None:
    index.path(1).write_bytes(b"torn")
    with pytest.raises(BadImageError, match=r"bare\.png"):
        run(detector, index)
    assert sorted(by_id(run(detector, index, skip_bad_images=True))) == [4, 9]
    # Alone in its batch, it leaves an empty one.
    alone = OPTIONS.model_copy(update={"batch_size": 1})
    assert sorted(by_id(run(detector, index, alone, skip_bad_images=True))) == [4, 9]


def test_ctrl_c_stops_before_the_next_batch(
    detector: Detector, index: CocoIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    detector.register_forward_hook(lambda *_: seen.append(1))
    load = module.load_batches

    def pressed(*args: Any, **options: Any) -> Iterator[Batch]:
        for number, batch in enumerate(load(*args, **options)):
            if number == 1:
                signal.raise_signal(signal.SIGINT)
            yield batch

    monkeypatch.setattr(module, "load_batches", pressed)
    with pytest.raises(Interrupted):
        run(detector, index)
    assert len(seen) == 1


def test_progress_is_reported_unless_quiet(
    detector: Detector, index: CocoIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    run(detector, index)
    assert capsys.readouterr() == ("", "")
    runner = Runner(torch.device("cpu"))
    detect_all(detector, index, runner, input_rule=RULE, inference=OPTIONS, title="evaluate val")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("evaluate val  3/3 images")


def test_a_mirrored_image_gives_mirrored_detections_when_both_are_seen(
    detector: Detector, tmp_path: Path
) -> None:
    index = index_of(tmp_path)
    views = InferenceViews(flip=True)
    straight = by_id(run(detector, index, views=views))
    for row in range(len(index)):
        with Image.open(index.path(row)) as image:
            ImageOps.mirror(image).save(index.path(row))
    mirrored = by_id(run(detector, index, views=views))
    single = by_id(run(detector, index))
    for row, image_id in enumerate(index.image_ids.tolist()):
        a, b, width = straight[image_id], mirrored[image_id], int(index.hw[row, 1])
        torch.testing.assert_close(a.scores, b.scores, rtol=1e-4, atol=1e-5)
        back = torch.stack(
            [width - b.boxes[:, 2], b.boxes[:, 1], width - b.boxes[:, 0], b.boxes[:, 3]], dim=1
        )
        torch.testing.assert_close(a.boxes, back, rtol=1e-3, atol=1e-2)
        assert not torch.allclose(a.scores, single[image_id].scores, atol=1e-3)


def test_every_scale_is_seen(detector: Detector, index: CocoIndex) -> None:
    seen = []
    detector.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    image_ids, found = run(detector, index, views=InferenceViews((32, 64), flip=True))
    assert sorted(image_ids) == [4, 7, 9]
    assert [len(d.scores) for d in found] == [7, 7, 7]
    # One portrait picture, then two landscape ones; the long side's limit shrinks along.
    portrait = [(1, 3, 64, 32)] * 2 + [(1, 3, 96, 64)] * 2
    assert seen == portrait + [(2, *shape[1:2], shape[3], shape[2]) for shape in portrait]


def test_one_scale_that_is_the_networks_own_changes_nothing(
    detector: Detector, index: CocoIndex
) -> None:
    plain, named = (
        by_id(run(detector, index)),
        by_id(run(detector, index, views=InferenceViews((64,)))),
    )
    for image_id in (4, 7, 9):
        assert torch.equal(plain[image_id].boxes, named[image_id].boxes)


def test_an_image_that_cannot_be_read_in_any_view_is_left_out(
    detector: Detector, index: CocoIndex
) -> None:
    index.path(1).write_bytes(b"torn")
    found = run(detector, index, views=InferenceViews(flip=True), skip_bad_images=True)
    assert sorted(by_id(found)) == [4, 9]
