from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ladcli.cli import app
from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import copy_of, cut_pixels


@pytest.fixture
def results(teacher_run: Path) -> Path:
    return teacher_run / "eval/model/val/predictions.json"


@pytest.fixture
def truth(data: Path) -> Path:
    return data / "annotations/val.json"


def test_results_file_as_json_is_exactly_one_object(
    results: Path, truth: Path, teacher_run: Path
) -> None:
    outcome = lad("eval", "--predictions", results, "--annotations", truth, "--json")
    assert outcome.err == ""
    shown = outcome.done()
    assert shown.count("\n") == 1
    stored = json.loads((teacher_run / "eval/model/val/metrics.json").read_text())
    assert json.loads(shown) == stored
    assert all(value is None or 0 <= value <= 1 for value in stored["coco"]["stats"])


def test_table_has_a_row_per_class_where_that_is_asked_for(results: Path, truth: Path) -> None:
    args = ("eval", "--predictions", results, "--annotations", truth)
    assert "disc" not in lad(*args).done()
    shown = lad(*args, "--per-class", columns=60).done()
    for name in ("all classes", "disc", "square", "triangle"):
        assert f"\n{name} " in shown


def test_checkpoint_is_run_over_a_split(
    teacher: Path, data: Path, tmp_path: Path, results: Path
) -> None:
    args = ("--data", data, "--workers", "0", "--device", "cpu", "--out", tmp_path / "e", "-q")
    outcome = lad("eval", "--checkpoint", teacher, *args, "--json")
    assert outcome.err == ""
    found = json.loads(outcome.done())
    assert found == json.loads((tmp_path / "e/metrics.json").read_text())
    run = json.loads((results.parent / "metrics.json").read_text())
    assert found["coco"]["stats"][0] == pytest.approx(run["coco"]["stats"][0], abs=1e-3)
    other = json.loads(lad("eval", "--checkpoint", teacher, *args, "--split", "test", "--json").out)
    assert other != found


def test_annotations_may_be_named_instead_of_a_split(
    teacher: Path, data: Path, tmp_path: Path, truth: Path
) -> None:
    shown = lad(
        "eval", "--checkpoint", teacher, "--annotations", truth, "--images", data / "images",
        "--workers", "0", "--out", tmp_path / "e",
    ).done()  # fmt: skip
    assert shown.splitlines()[-1] == f"predictions and metrics in {tmp_path}/e"


def test_results_of_a_checkpoint_go_into_its_run(
    teacher_run: Path, data: Path, tmp_path: Path
) -> None:
    run = copy_of(teacher_run, tmp_path / "run")
    checkpoint = run / "checkpoints/model/best.pt"
    lad(
        "eval", "--checkpoint", checkpoint, "--data", data, "--split", "test", "--workers", "0"
    ).done()
    assert (run / "eval/model/test/metrics.json").is_file()


def test_skipped_images_are_counted_on_standard_error(
    teacher: Path, data: Path, tmp_path: Path
) -> None:
    spoiled = copy_of(data, tmp_path / "data")
    cut_pixels(spoiled / "images/val_00001.jpg")
    args = ("eval", "--checkpoint", teacher, "--data", spoiled, "--workers", "0", "-q")
    args = (*args, "--out", tmp_path / "e", "--json")
    message = refused_untouched(tmp_path, *args)
    assert message.startswith(f"{spoiled}/images/val_00001.jpg: cannot be decoded")
    outcome = lad(*args, "--skip-bad-images")
    assert len(json.loads(outcome.done())["coco"]["stats"]) == 12
    assert "1 image(s) could not be read" in outcome.err


def test_incomplete_commands_say_what_is_missing(teacher: Path, results: Path) -> None:
    either = "give either --checkpoint CKPT or --predictions FILE"
    assert lad("eval").refused() == either
    assert lad("eval", "--checkpoint", teacher, "--predictions", results).refused() == either
    assert (
        lad("eval", "--predictions", results).refused() == "--predictions needs --annotations FILE"
    )
    message = lad("eval", "--checkpoint", teacher).refused()
    assert message == (
        "no data to evaluate on: name a folder with --data, or a file with --annotations"
    )


def test_swapped_and_foreign_files_are_recognized(results: Path, truth: Path, data: Path) -> None:
    swapped = lad("eval", "--predictions", truth, "--annotations", results).refused()
    assert "ground truth" in swapped
    foreign = lad(
        "eval", "--predictions", results, "--annotations", data / "annotations/test.json"
    ).refused()
    assert "which is no image of" in foreign
    missing = lad("eval", "--predictions", "none.json", "--annotations", truth).refused()
    assert missing == "none.json: no such file; check the name"


def test_options_that_come_with_the_checkpoint_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["eval", "--checkpoint", "x.pt", "--data", str(tmp_path), "--set", "data.short=64"]
    )
    assert result.exit_code == 2
    assert "--set data.short=64: lad eval changes inference options only" in result.output
