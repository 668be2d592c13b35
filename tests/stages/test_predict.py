"""Predictions of loose images: ids that mean something, and files that are whole."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ladcli.data.coco_json import read_coco
from ladcli.data.views import InferenceViews
from ladcli.engine.runner import Runner
from ladcli.errors import BadImageError, Interrupted, UserError
from ladcli.evaluate.results import load_results
from ladcli.stages.predict import PictureOptions, Prediction, picture_names, predict
from tests.stages.tiny import contents, ctrl_c_at_call, cut_pixels


@pytest.fixture
def shots(data: Path, tmp_path: Path) -> Path:
    """Four photos; two lie in folders of their own, with one name."""
    folder = tmp_path / "shots"
    names = ("b.jpg", "a.jpg", "one/x.jpg", "two/x.jpg")
    for name, source in zip(names, sorted((data / "images").glob("val_*.jpg")), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)
    return folder


RUNNER = Runner(torch.device("cpu"), quiet=True)


def run(shots: Path, teacher: Path, out: Path, **options: Any) -> Prediction:
    names = ("workers", "skip_bad_images", "quiet")
    runner = replace(RUNNER, **{name: options.pop(name) for name in names if name in options})
    return predict([str(shots)], teacher, out, runner, **options)


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def test_results_name_images_and_classes(shots: Path, teacher: Path, tmp_path: Path) -> None:
    found = run(shots, teacher, tmp_path / "found")
    images = load(tmp_path / "found/images.json")
    assert images["images"] == [
        {"id": i, "file_name": name, "width": 128, "height": 96}
        for i, name in enumerate(("a.jpg", "b.jpg", "one/x.jpg", "two/x.jpg"), start=1)
    ]
    assert [(c["id"], c["name"]) for c in images["categories"]] == [
        (1, "disc"), (3, "square"), (7, "triangle"),
    ]  # fmt: skip
    records = load(tmp_path / "found/predictions.json")
    assert set(records[0]) == {"image_id", "category_id", "bbox", "score"}
    assert {r["category_id"] for r in records} <= {1, 3, 7}
    ids = [r["image_id"] for r in records]
    assert ids == sorted(ids)
    assert found == Prediction(tmp_path / "found", 4, 0, len(records), found.drawn)
    assert found.drawn is not None
    assert (found.num_pictures, found.drawn.num_detections) == (4, len(records))


def test_images_json_is_ground_truth_without_boxes(
    shots: Path, teacher: Path, tmp_path: Path
) -> None:
    run(shots, teacher, tmp_path / "found", pictures=None)
    truth = read_coco(tmp_path / "found/images.json", need_annotations=False)
    results = load_results(tmp_path / "found/predictions.json", truth)
    assert len(results) == len(load(tmp_path / "found/predictions.json"))
    assert results.notes == ()


def test_detections_are_those_of_an_evaluation(
    data: Path, teacher_run: Path, teacher: Path, tmp_path: Path
) -> None:
    """Ids follow the names here, and the data set's own ids there."""
    truth = load(data / "annotations/val.json")
    by_name = {image["file_name"]: image["id"] for image in truth["images"]}
    images = tmp_path / "images"
    images.mkdir()
    for name in by_name:
        shutil.copy(data / "images" / name, images / name)
    run(images, teacher, tmp_path / "found", pictures=None)
    listed = load(tmp_path / "found/images.json")["images"]
    to_truth = {image["id"]: by_name[image["file_name"]] for image in listed}
    mine, theirs = {}, {}
    for record in load(tmp_path / "found/predictions.json"):
        mine.setdefault(to_truth[record["image_id"]], []).append(record)
    for record in load(teacher_run / "eval/model/val/predictions.json"):
        theirs.setdefault(record["image_id"], []).append(record)
    assert mine.keys() == theirs.keys()
    for image_id in mine:
        assert len(mine[image_id]) == len(theirs[image_id])
        for a, b in zip(mine[image_id], theirs[image_id], strict=True):
            assert a["score"] == pytest.approx(b["score"], abs=1e-4)


def test_pictures_show_what_is_above_the_score(shots: Path, teacher: Path, tmp_path: Path) -> None:
    every = PictureOptions(min_score=0.0)
    found = run(shots, teacher, tmp_path / "all", pictures=every)
    none = run(shots, teacher, tmp_path / "none", pictures=PictureOptions(min_score=1.0))
    names = {"a.jpg", "b.jpg", "x.jpg", "x_4.jpg"}
    assert {p.name for p in (tmp_path / "all/pictures").iterdir()} == names
    assert found.num_detections == none.num_detections > 0
    assert found.drawn is not None
    assert none.drawn is not None
    assert (found.drawn.num_drawn, none.drawn.num_drawn) == (found.num_detections, 0)
    for file in ("predictions.json", "images.json"):
        assert (tmp_path / "all" / file).read_bytes() == (tmp_path / "none" / file).read_bytes()
    # 128 pixels wide, and so enlarged to twice the size.
    plain = np.asarray(Image.open(shots / "a.jpg")).repeat(2, axis=0).repeat(2, axis=1)
    bare, drawn = (
        np.asarray(Image.open(tmp_path / name / "pictures/a.jpg")).astype(int)
        for name in ("none", "all")
    )
    assert bare.shape == plain.shape == (192, 256, 3)
    assert np.abs(bare - plain).mean() < 6  # compressed once more
    assert np.abs(drawn - plain).mean() > 12


def test_pictures_can_be_few_or_none(shots: Path, teacher: Path, tmp_path: Path) -> None:
    two = run(shots, teacher, tmp_path / "two", pictures=PictureOptions(limit=2))
    assert (two.num_images, two.num_pictures) == (4, 2)
    assert {p.name for p in (tmp_path / "two/pictures").iterdir()} == {"a.jpg", "b.jpg"}
    assert run(shots, teacher, tmp_path / "no", pictures=None).num_pictures == 0
    assert {p.name for p in (tmp_path / "no").iterdir()} == {"images.json", "predictions.json"}


def test_views_and_inference_options_reach_the_network(
    shots: Path, teacher: Path, tmp_path: Path
) -> None:
    views = InferenceViews((64, 96), flip=True)
    run(shots, teacher, tmp_path / "plain", pictures=None)
    run(shots, teacher, tmp_path / "views", pictures=None, views=views)
    one = run(
        shots, teacher, tmp_path / "one", pictures=None, overrides=["inference.max_detections=1"]
    )
    assert one.num_detections == 4
    plain, seen = (load(tmp_path / name / "predictions.json") for name in ("plain", "views"))
    assert {r["image_id"] for r in plain} == {r["image_id"] for r in seen} == {1, 2, 3, 4}
    assert [r["score"] for r in plain] != [r["score"] for r in seen]


def test_bad_files_stop_before_anything_is_written(
    shots: Path, teacher: Path, tmp_path: Path
) -> None:
    (shots / "a.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"^1 of 4 image files cannot be used: .*/a\.jpg: is not"):
        run(shots, teacher, tmp_path / "found")
    (shots / "a.jpg").unlink()
    cut_pixels(shots / "b.jpg")  # its header is whole
    with pytest.raises(BadImageError, match=r"b\.jpg: cannot be decoded"):
        run(shots, teacher, tmp_path / "found")
    assert not (tmp_path / "found").exists()


def test_bad_files_are_left_out_and_counted(shots: Path, teacher: Path, tmp_path: Path) -> None:
    (shots / "a.jpg").write_text("no image")
    cut_pixels(shots / "one/x.jpg")
    found = run(shots, teacher, tmp_path / "found", skip_bad_images=True)
    assert (found.num_images, found.num_skipped, found.num_pictures) == (2, 2, 2)
    (note,) = found.notes
    assert note.startswith(f"left out, 2 of 4 image files cannot be used: {shots}/a.jpg: is not an")
    assert f"{shots}/one/x.jpg: cannot be decoded" in note
    listed = load(tmp_path / "found/images.json")["images"]
    assert [(i["id"], i["file_name"]) for i in listed] == [(2, "b.jpg"), (4, "two/x.jpg")]
    assert {r["image_id"] for r in load(tmp_path / "found/predictions.json")} == {2, 4}
    cut_pixels(shots / "b.jpg")
    cut_pixels(shots / "two/x.jpg")
    with pytest.raises(UserError, match=r"^4 of 4 image files cannot be used"):
        run(shots, teacher, tmp_path / "none", skip_bad_images=True)
    assert not (tmp_path / "none").exists()


def test_earlier_predictions_are_replaced_only_on_request(
    shots: Path, teacher: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found"
    run(shots, teacher, out)
    before = contents(out)
    with pytest.raises(UserError, match="found: already holds predictions; replace them with"):
        run(shots, teacher, out)
    assert contents(out) == before
    (shots / "a.jpg").unlink()
    run(shots, teacher, out, overwrite=True)
    assert {p.name for p in (out / "pictures").iterdir()} == {"b.jpg", "x.jpg", "x_3.jpg"}
    run(shots, teacher, out, overwrite=True, pictures=None)
    assert not (out / "pictures").exists()


@pytest.mark.parametrize("file", ["thesis.tex", "pictures/wedding.jpg"])
def test_foreign_files_are_never_replaced(
    shots: Path, teacher: Path, tmp_path: Path, file: str
) -> None:
    out = tmp_path / "found"
    (out / file).parent.mkdir(parents=True)
    (out / file).write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match=rf"found: holds other files \({file}\); choose an"):
            run(shots, teacher, out, overwrite=overwrite)
    assert contents(out).keys() <= {"pictures", file}


@pytest.mark.parametrize("file", ["notes.txt", "pictures/wedding.jpg", "pictures/a.png"])
def test_strangers_beside_earlier_predictions_are_never_deleted(
    shots: Path, teacher: Path, tmp_path: Path, file: str
) -> None:
    out = tmp_path / "found"
    run(shots, teacher, out)
    (out / file).write_text("years of work")
    before = contents(out)
    with pytest.raises(UserError, match=rf"found: holds other files \({file}\)"):
        run(shots, teacher, out, overwrite=True)
    assert contents(out) == before


def test_strangers_results_are_never_replaced(shots: Path, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "found"
    out.mkdir()
    (out / "predictions.json").write_text('[{"image_id": 1, "category_id": 2}]')
    with pytest.raises(UserError, match=r"holds other files \(predictions\.json\)"):
        run(shots, teacher, out, overwrite=True)
    assert (out / "predictions.json").read_text() == '[{"image_id": 1, "category_id": 2}]'


def test_inputs_inside_the_output_are_refused(shots: Path, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "found"
    run(shots, teacher, out)
    before = contents(out)
    with pytest.raises(UserError, match=r"pictures/a\.jpg: lies in --out"):
        run(out / "pictures", teacher, out, overwrite=True)
    assert contents(out) == before


def test_places_that_cannot_be_written_are_refused_before_the_work(
    shots: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    missing = tmp_path / "none.pt"  # would be the next complaint
    with pytest.raises(UserError, match="file: is a file; choose another --out"):
        run(shots, missing, file)
    with pytest.raises(UserError, match=r"file/found: cannot be written \(.*/file is no"):
        run(shots, missing, file / "found")
    with pytest.raises(UserError, match=r"none\.pt: no such checkpoint"):
        run(shots, missing, tmp_path / "found")


def test_ctrl_c_while_predicting_writes_nothing(
    shots: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctrl_c_at_call(monkeypatch, "ladcli.engine.inference.postprocess", 1)
    options = ["inference.batch_size=2"]
    with pytest.raises(Interrupted, match="nothing was written; the same command starts anew"):
        run(shots, teacher, tmp_path / "found", overrides=options)
    assert not (tmp_path / "found").exists()


def test_ctrl_c_while_drawing_keeps_the_results(
    shots: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "found"
    with monkeypatch.context() as pressed:
        ctrl_c_at_call(pressed, "ladcli.stages.predict.draw_detections", 2)
        with pytest.raises(Interrupted, match=r"the results in .* are complete, the pictures are"):
            run(shots, teacher, out)
    assert {p.name for p in out.iterdir()} == {"images.json", "predictions.json", "pictures"}
    assert {p.name for p in (out / "pictures").iterdir()} == {"a.jpg", "b.jpg"}
    load(out / "predictions.json")
    run(shots, teacher, out, overwrite=True)
    assert len(list((out / "pictures").iterdir())) == 4


def test_pictures_have_names_of_their_own() -> None:
    files = ["x.jpg", "b/X.PNG", "x_3.jpg", "c/x.jpg", "no suffix", "ü" * 300 + ".jpg"]
    names = picture_names([1, 2, 3, 3, 5, 6], files)
    assert names == [
        "x.jpg",
        "X_2.jpg",
        "x_3.jpg",
        "x_3_3.jpg",
        "no suffix.jpg",
        "ü" * 100 + ".jpg",
    ]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"min_score": 1.5}, "the score to draw from must be 0 to 1, got 1.5"),
        ({"min_score": float("nan")}, "the score to draw from must be 0 to 1, got nan"),
        ({"limit": 0}, "the limit of pictures must be at least 1, got 0"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError) as caught:
        PictureOptions(**values)
    assert str(caught.value) == reason
