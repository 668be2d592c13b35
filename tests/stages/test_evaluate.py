from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ladcli.detector.checkpoint import load_checkpoint, save_checkpoint
from ladcli.engine.runner import Runner
from ladcli.errors import BadImageError, Interrupted, UserError
from ladcli.evaluate.tide import TideOptions
from ladcli.recipe.schema import DataConfig, InferenceConfig
from ladcli.stages.datasets import choose_evaluation_set
from ladcli.stages.evaluate import default_folder, evaluate_checkpoint, evaluate_on
from ladcli.stages.evaluate_results import Evaluation, evaluate_results
from tests.stages.tiny import contents, copy_of, ctrl_c_at_call, cut_pixels, draw

RUNNER = Runner(torch.device("cpu"), quiet=True)


def evaluate(checkpoint: Path, data: Path, split: Any = "val", **options: Any) -> Evaluation:
    where = choose_evaluation_set(
        DataConfig(dir=str(data), skip_bad_images=options.get("skip_bad_images", False)),
        split,
        None,
    )
    inference = InferenceConfig(batch_size=2)
    names = ("precision", "workers", "skip_bad_images", "quiet")
    runner = replace(RUNNER, **{name: options.pop(name) for name in names if name in options})
    options = {"out": None, **options}
    return evaluate_checkpoint(checkpoint, where, runner, inference=inference, **options)


def test_results_lie_in_the_run_of_the_checkpoint(
    teacher_run: Path, data: Path, tmp_path: Path
) -> None:
    run = copy_of(teacher_run, tmp_path / "run")
    found = evaluate(run / "checkpoints/model/last.pt", data, "test")
    assert found.folder == run / "eval/model/test"
    stored = json.loads((found.folder / "metrics.json").read_text())
    assert stored == found.metrics.to_json()
    assert len(stored["coco"]["stats"]) == 12
    assert set(stored["coco"]["per_class"]) == {"disc", "square", "triangle"}
    records = json.loads((found.folder / "predictions.json").read_text())
    assert records
    assert set(records[0]) == {"image_id", "category_id", "bbox", "score"}
    assert {r["category_id"] for r in records} <= {1, 3, 7}  # the ids of the data set


def test_metrics_of_the_run_are_those_of_its_last_epoch(
    teacher_run: Path, data: Path, tmp_path: Path
) -> None:
    found = evaluate(teacher_run / "checkpoints/model/last.pt", data, out=tmp_path / "eval")
    assert found.folder == tmp_path / "eval"
    run = json.loads((teacher_run / "eval/model/val/metrics.json").read_text())
    assert run == found.to_json()
    assert set(run) == {"coco", "thresholds"}


def test_bad_image_is_named_and_nothing_is_written(
    teacher: Path, data: Path, tmp_path: Path
) -> None:
    spoiled = copy_of(data, tmp_path / "data")
    cut_pixels(spoiled / "images/val_00001.jpg")
    before = contents(tmp_path)
    with pytest.raises(BadImageError, match=r"val_00001\.jpg: cannot be decoded"):
        evaluate(teacher, spoiled, out=tmp_path / "eval")
    assert contents(tmp_path) == before


@pytest.fixture
def spoiled(data: Path, tmp_path: Path) -> Path:
    """Of the validation images, one is cut off and one is missing."""
    copy = copy_of(data, tmp_path / "data")
    cut_pixels(copy / "images/val_00001.jpg")
    (copy / "images/val_00002.jpg").unlink()
    return copy


def ids_of(data: Path, *names: str) -> list[int]:
    images = json.loads((data / "annotations/val.json").read_text())["images"]
    return sorted(image["id"] for image in images if image["file_name"] in names)


def test_what_skipped_images_show_is_not_measured(
    teacher: Path, spoiled: Path, tmp_path: Path
) -> None:
    found = evaluate(teacher, spoiled, out=tmp_path / "eval", skip_bad_images=True)
    images = json.loads((spoiled / "annotations/val.json").read_text())["images"]
    skipped = ids_of(spoiled, "val_00001.jpg", "val_00002.jpg")
    told = f"AP is of {len(images) - 2} of {len(images)} images: without image {skipped[0]}, "
    (note,) = [note for note in found.notes if "AP is of" in note]
    assert told in note
    stored = json.loads((tmp_path / "eval/metrics.json").read_text())
    assert stored["images"] == {"measured": len(images) - 2, "skipped": skipped}

    # Whoever measures the file finds the same, with the same words.
    again = evaluate_results(
        tmp_path / "eval/predictions.json", spoiled / "annotations/val.json", tide=TideOptions()
    )
    assert again.metrics == found.metrics
    assert note in again.notes
    content = json.loads((spoiled / "annotations/val.json").read_text())
    for key, name in (("images", "id"), ("annotations", "image_id")):
        content[key] = [record for record in content[key] if record[name] not in skipped]
    (tmp_path / "rest.json").write_text(json.dumps(content))
    rest = evaluate_results(
        tmp_path / "eval/predictions.json", tmp_path / "rest.json", tide=TideOptions()
    )
    assert (rest.metrics, rest.tide) == (found.metrics, again.tide)
    assert "images" not in rest.to_json()


def test_a_checkpoint_skips_bad_images_where_its_run_did(
    teacher_run: Path, spoiled: Path, tmp_path: Path
) -> None:
    """The run's own setting holds unless the command asks for more."""
    checkpoint = teacher_run / "checkpoints/model/last.pt"
    skipping = tmp_path / "skipping.pt"
    loaded = load_checkpoint(checkpoint)
    recipe = {**loaded.training["recipe"]}
    recipe["data"] = {**recipe["data"], "skip_bad_images": True}
    training = {**loaded.training, "recipe": recipe}
    save_checkpoint(skipping, loaded.detector, loaded.input_rule, training)
    config = DataConfig(dir=str(spoiled))
    with pytest.raises(UserError, match=r"1 of \d+ image files cannot be used"):
        evaluate_on(checkpoint, config, "val", None, RUNNER, out=tmp_path / "none")
    found = evaluate_on(skipping, config, "val", None, RUNNER, out=tmp_path / "some")
    assert found.images is not None
    assert len(found.images.skipped) == 2


def test_place_that_cannot_be_written_is_refused_before_the_network_runs(
    teacher: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ctrl_c_at_call(monkeypatch, "ladcli.stages.evaluate.detect_all", 0)  # only counts
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UserError, match=r"file/out/predictions\.json: cannot be written"):
        evaluate(teacher, data, out=tmp_path / "file/out")
    assert calls == []


def test_stopped_evaluation_writes_nothing(
    teacher: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctrl_c_at_call(monkeypatch, "ladcli.engine.inference.postprocess", 1)
    with pytest.raises(Interrupted, match="the same command evaluates anew"):
        evaluate(teacher, data, out=tmp_path / "eval")
    assert not (tmp_path / "eval").exists()


def test_set_of_other_classes_is_refused(teacher: Path, tmp_path: Path) -> None:
    other = draw(tmp_path / "four", classes=4)
    with pytest.raises(UserError, match=r"knows other classes than the set .*val\.json"):
        evaluate(teacher, other, out=tmp_path / "eval")
    assert not (tmp_path / "eval").exists()


def test_checkpoint_outside_a_run_needs_a_place_for_its_results(
    teacher: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "net.pt").write_bytes(teacher.read_bytes())
    with pytest.raises(UserError, match=r"net\.pt: lies in no run folder, .*--out"):
        evaluate(tmp_path / "net.pt", data)
    assert evaluate(tmp_path / "net.pt", data, out=tmp_path / "eval").folder == tmp_path / "eval"


def test_default_folder_names_net_and_set(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints/a/best.pt"
    assert default_folder(checkpoint, "test") == tmp_path / "eval/a/test"


def test_a_checkpoint_is_measured_as_its_own_run_did_it_unless_told_otherwise(
    teacher_run: Path, data: Path, tmp_path: Path
) -> None:
    where = choose_evaluation_set(DataConfig(dir=str(data)), "val", None)
    checkpoint = teacher_run / "checkpoints/model/last.pt"
    evaluate_checkpoint(checkpoint, where, RUNNER, out=tmp_path / "own")
    own = json.loads((tmp_path / "own" / "predictions.json").read_text())
    run = json.loads((teacher_run / "eval/model/val/predictions.json").read_text())
    assert [r["image_id"] for r in own] == [r["image_id"] for r in run]
    for mine, theirs in zip(own, run, strict=True):  # memory layouts differ in the last digit
        assert mine["bbox"] == pytest.approx(theirs["bbox"], abs=0.01)
    one = ["inference.max_detections=1"]
    evaluate_checkpoint(checkpoint, where, RUNNER, out=tmp_path / "one", overrides=one)
    few = json.loads((tmp_path / "one" / "predictions.json").read_text())
    assert len(own) > len(few) > 0
    assert len({r["image_id"] for r in few}) == len(few)
