"""What a run says before its first step."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ladcli.engine.state import Position
from ladcli.recipe import update_recipe
from ladcli.stages import summary
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.colad import _networks, _objective, colad
from ladcli.stages.input_boxes import input_boxes, reach_warning
from ladcli.stages.prepare import Prepared, TrainingMethod, prepare, single_network
from ladcli.stages.pretrain import pretrain
from ladcli.stages.summary import (
    brief_summary,
    duration,
    resumed_summary,
    show_summary,
    slow_warning,
    summary_rows,
)
from ladcli.stages.training import RunOptions
from tests.stages.tiny import duo_recipe, tiny_recipe

PAA = TrainingMethod("pretrain", single_network, lambda _: NotImplemented)


def prepared(data: Path, **changes: object) -> Prepared:
    return prepare(PAA, tiny_recipe(data, **changes))[0]


def rows(what: Prepared, stage: str = "pretrain") -> dict[str, str]:
    data = what.recipe.data
    boxes = input_boxes(what.index, data.short[-1], data.long)
    found = summary_rows(what, stage, boxes)
    assert len(dict(found)) == len(found)
    return dict(found)


def test_every_line(data: Path) -> None:
    found = rows(prepared(data, schedule__epochs=12, schedule__decay_epochs=[8, 11]))
    num_boxes = len(prepared(data).index.boxes)
    assert found.pop("boxes").startswith("median side ")
    assert found == {
        "data": f"8 images, {num_boxes} boxes, 3 classes: disc, square, triangle",
        "validation": "4 images of val, after every epoch",
        "image size": "128 x 96 as input, 128 x 96 as stored (medians)",
        "schedule": "12 epochs x 2 batches of 4 = 24 steps",
        "rate": "0.01 after 2 steps of warm-up, x 0.1 after epochs 8 and 11",
        "network": "mobilenetv3_small_050, 295 k parameters, 295 k trained",
        "weights": "random: nothing is pretrained (--weights FILE gives the backbone a start)",
        "device": "cpu (1 thread), fp32",
    }


def test_several_sizes_and_no_evaluation(data: Path) -> None:
    what = prepared(data, data__short=[48, 96], train__eval_every=0, optim__warmup_steps=0)
    found = rows(what)
    assert found["image size"].startswith("64 x 48 to 128 x 96 as input")
    assert found["validation"] == "none, as train.eval_every is 0"
    assert "x about " in found["schedule"]
    assert found["rate"] == "0.01, without warm-up, then constant"


def test_two_networks_have_lines_of_their_own(data: Path) -> None:
    what = prepare(TrainingMethod("colad", _networks, _objective), duo_recipe(data))[0]
    found = rows(what, "colad")
    assert found["rate"].startswith("0.01 (a), 0.02 (b) after 2 steps")
    assert found["network a"].startswith("mobilenetv3_small_050, ")
    assert found["network b"].startswith("test_resnet, ")
    assert found["weights a"] == found["weights b"]


@pytest.mark.parametrize("columns", [50, 80])
def test_words_stay_whole(
    data: Path, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    found = list(rows(prepared(data)).items())
    show_summary(found)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) < columns
    words = [word for label, text in found for word in f"{label} {text}".split()]
    assert " ".join(lines).split() == words
    indent = lines[0].index("8 images")
    assert all(line[indent - 1] == " " and line[indent] != " " for line in lines)


def test_boxes_may_all_be_in_images_that_were_left_out(data: Path) -> None:
    what = prepared(data)
    empty = dataclasses.replace(what.index, crowd=np.ones(len(what.index.boxes), dtype=bool))
    found = rows(dataclasses.replace(what, index=empty))
    assert found["data"].startswith("8 images, 0 boxes, ")
    assert found["boxes"] == "none in the images that can be read"
    boxes = input_boxes(empty, 96, 128)
    assert reach_warning(what.recipe, empty, boxes, what.anchors, levels=(3, 2)) is None


def test_short_forms(data: Path) -> None:
    what = prepared(data, schedule__epochs=3)
    assert brief_summary(what) == (
        "8 images of 128 x 96, 3 epochs of 2 steps, lr 0.01, mobilenetv3_small_050 (295 k), "
        "cpu fp32"
    )
    assert resumed_summary(what, Position(epoch=1, step=3)) == (
        "goes on after 3 steps of 6, in epoch 2 of 3"
    )
    assert (
        resumed_summary(what, Position(epoch=3, step=6))
        == "epoch 3 of 3 is done: nothing is left to train"
    )


def test_slow_steps_are_told_with_what_would_help(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = prepared(data)
    pixels: list[float] = []

    def guess(_: object, of: float) -> float:
        pixels.append(of)
        return 90.0

    assert slow_warning(what) is None
    monkeypatch.setattr(summary, "guess_step_seconds", guess)
    assert slow_warning(what) == (
        "a step takes roughly 90 s on this CPU, the run 3 min, with batches of 4, images of "
        "128 x 96, mobilenetv3_small_050 and 16 channels; faster are --preset small, a lighter "
        "network (--backbone tf_efficientnet_lite0), a GPU"
    )
    assert pixels == [4 * 128 * 96]
    wide = update_recipe(
        what.recipe,
        {"train.preset": "small", "data.long": 1333, "data.short": [800], "model.channels": 256},
    )
    text = slow_warning(dataclasses.replace(what, recipe=wide))
    assert text is not None
    assert text.endswith(
        "faster are smaller images (--size 320x512), a lighter network "
        "(--backbone tf_efficientnet_lite0), a narrower one (--set model.channels=64), a GPU"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (99.4, "99 s"), (100, "2 min"), (6100, "2 h"), (172_800, "2 days")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_run_begins_with_it_and_quiet_runs_do_not(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe(data, train__eval_every=0, assign__min_iou=0.9)
    pretrain(recipe, RunOptions(tmp_path / "run"))
    shown = capsys.readouterr().err
    assert shown.startswith("data        8 images, ")
    assert "overlap no anchor by 0.9" in " ".join(shown.split())
    pretrain(recipe, RunOptions(tmp_path / "run", resume=True))
    assert "is finished after 1 epoch(s)" in capsys.readouterr().err
    longer = tiny_recipe(data, train__eval_every=0, assign__min_iou=0.9, schedule__epochs=2)
    pretrain(longer, RunOptions(tmp_path / "run", resume=True))
    assert capsys.readouterr().err.startswith("goes on after 2 steps of 4, ")
    pretrain(recipe, RunOptions(tmp_path / "quiet", quiet=True))
    assert capsys.readouterr().err == ""


def test_notes_are_said_once_in_a_pipeline(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: set[str] = set()
    recipe = duo_recipe(data, train__eval_every=0, assign__min_iou=0.9, schedule__epochs=1)
    colad(recipe, RunOptions(tmp_path / "a", brief=True, said=said))
    shown = " ".join(capsys.readouterr().err.split())
    assert shown.startswith("8 images of 128 x 96, 1 epoch of 2 steps, lr 0.01 (a), 0.02 (b), ")
    assert shown.count("overlap no anchor") == 1
    pretrain(recipe, RunOptions(tmp_path / "b", brief=True, said=said))
    cache_teacher(recipe, teacher, tmp_path / "t.h5", said=said)
    assert "overlap no anchor" not in " ".join(capsys.readouterr().err.split())
    cache_teacher(recipe, teacher, tmp_path / "other.h5")
    assert "overlap no anchor" in " ".join(capsys.readouterr().err.split())
