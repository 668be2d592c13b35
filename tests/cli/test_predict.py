from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ladcli.detector.checkpoint import load_checkpoint
from tests.cli.invoke import lad, refused_untouched


@pytest.fixture
def shots(data: Path, tmp_path: Path) -> Path:
    """Two photos."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for name, source in zip("ab", sorted((data / "images").glob("val_*.jpg")), strict=False):
        shutil.copy(source, folder / f"{name}.jpg")
    return folder


@pytest.fixture
def args(teacher: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    """What every call here needs besides inputs."""
    return ("--checkpoint", teacher, "--out", tmp_path / "found", "--workers", "0", "-q")


def test_the_result_is_said_and_lies_in_the_folder(
    shots: Path, args: tuple[str | Path, ...], teacher: Path, tmp_path: Path
) -> None:
    outcome = lad("predict", shots, *args, "--device", "cpu")
    records = json.loads((tmp_path / "found/predictions.json").read_text())
    # The teacher was evaluated on its validation set, one class with another.
    stored = load_checkpoint(teacher).thresholds
    assert stored is not None
    least = {name: one["threshold"] for name, one in stored["per_class"].items()}
    names = {1: "disc", 3: "square", 7: "triangle"}
    drawn = [r for r in records if r["score"] >= least[names[r["category_id"]]]]
    assert 0 < len(drawn) < len(records)
    rule = ", ".join(f"{name} {score:.2f}" for name, score in least.items())
    assert outcome.done().splitlines() == [
        f"{len(records)} detections in 2 images",
        f"drew {len(drawn)} of {len(records)} detections (thresholds of best F1 on val: {rule})",
        f"predictions and 2 pictures in {tmp_path}/found",
    ]
    assert outcome.err == ""


def test_the_result_as_json_is_exactly_one_object(
    shots: Path, args: tuple[str | Path, ...], tmp_path: Path
) -> None:
    shown = lad("predict", f"{shots}/*.jpg", shots / "a.jpg", *args, "--json", "--no-pictures")
    assert shown.done().count("\n") == 1
    found = json.loads(shown.out)
    assert found.pop("detections") > 0
    assert found == {"folder": f"{tmp_path}/found", "images": 2, "skipped": 0, "pictures": 0}
    assert not (tmp_path / "found/pictures").exists()


def test_options_reach_the_stage(shots: Path, args: tuple[str | Path, ...], tmp_path: Path) -> None:
    shown = lad(
        "predict", shots, *args, "--flip", "--scales", "64,96", "--limit", "1", "--threshold", "0",
        "--set", "inference.max_detections=3", "--precision", "bf16", "--json",
    )  # fmt: skip
    found = json.loads(shown.done())
    assert (found["detections"], found["pictures"], found["drawn"]) == (6, 1, 3)
    assert set(found["drawn_from"].values()) == {0}
    message = refused_untouched(tmp_path, "predict", shots, *args)
    assert "already holds predictions; replace them with --overwrite" in message
    lad("predict", shots, *args, "--overwrite", "--no-pictures").done()
    assert not (tmp_path / "found/pictures").exists()


def test_skipped_images_are_counted_on_standard_error(
    shots: Path, args: tuple[str | Path, ...], tmp_path: Path
) -> None:
    (shots / "a.jpg").write_text("<html>")
    message = refused_untouched(tmp_path, "predict", shots, *args)
    assert message.startswith(f"1 of 2 image files cannot be used: {shots}/a.jpg: is a web page")
    outcome = lad("predict", shots, *args, "--skip-bad-images", "--json")
    assert json.loads(outcome.done())["skipped"] == 1
    assert outcome.err.startswith("note: left out, 1 of 2 image files cannot be used")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scales", "96,0"], "scale 0 is out of range; "),
        (["--scales", "-96"], "scale -96 is out of range; "),
        (["--scales", "two"], "--scales two: write short sides in pixels"),
        (["--threshold", "2"], "the score to draw from must be 0 to 1, got 2"),
        (["--score", "2"], "the score to draw from must be 0 to 1, got 2"),
        (["--limit", "0"], "the limit of pictures must be at least 1, got 0"),
        (
            ["--no-pictures", "--threshold", "0.5"],
            "--threshold changes what is drawn, so leave out --no-",
        ),
        (["--no-pictures", "--limit", "5"], "--limit changes what is drawn, so leave out --no-"),
        (["--set", "data.short=64"], "--set data.short=64: lad predict changes inference options"),
        (
            ["--set", "inference.nms=1"],
            "--set: unknown key inference.nms; did you mean inference.nms_iou?",
        ),
        (["--device", "tpu"], "device 'tpu' is unknown"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    shots: Path, args: tuple[str | Path, ...], tmp_path: Path, options: list[str], message: str
) -> None:
    refusal = refused_untouched(tmp_path, "predict", shots, *args, *options)
    assert refusal.startswith(message)


@pytest.mark.parametrize("name", ["none.jpg", "*.png", "../found"])
def test_inputs_that_lead_nowhere_are_refused(
    shots: Path, args: tuple[str | Path, ...], tmp_path: Path, name: str
) -> None:
    message = refused_untouched(tmp_path, "predict", shots, f"{shots}/{name}", *args)
    assert message.startswith(f"{shots}/{name}: ")
    assert message.endswith("; check the name")


def test_one_threshold_serves_all_classes_where_it_is_given(
    shots: Path, args: tuple[str | Path, ...], tmp_path: Path
) -> None:
    for number, option in enumerate(("--threshold", "--score")):
        out = ("--overwrite",) if number else ()
        shown = lad("predict", shots, *args, *out, option, "0.05", "--limit", "1").done()
        records = json.loads((tmp_path / "found/predictions.json").read_text())
        first = sum(r["image_id"] == 1 for r in records)
        assert shown.splitlines()[1] == (
            f"drew {first} of {first} detections in these pictures (threshold 0.05 for every class)"
        )


def test_other_views_than_the_thresholds_were_found_with_are_noted(
    shots: Path, args: tuple[str | Path, ...]
) -> None:
    outcome = lad("predict", shots, *args, "--flip")
    assert "(thresholds of best F1 on val: " in outcome.done()
    assert outcome.err.startswith("note: the score thresholds for pictures were found with one")
