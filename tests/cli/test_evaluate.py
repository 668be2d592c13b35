from __future__ import annotations

import csv
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
    # A results file does not tell whether it is of the validation set.
    assert set(stored.pop("thresholds")) == {"iou", "overall", "per_class"}
    assert json.loads(shown) == stored
    assert all(value is None or 0 <= value <= 1 for value in stored["coco"]["stats"])


def test_table_has_a_row_per_class_where_that_is_asked_for(results: Path, truth: Path) -> None:
    args = ("eval", "--predictions", results, "--annotations", truth)
    assert "disc" not in lad(*args).done()
    shown = lad(*args, "--per-class", columns=60).done()
    for name in ("all classes", "disc", "square", "triangle"):
        assert f"\n{name} " in shown


def test_csv_has_a_row_per_class(results: Path, truth: Path, tmp_path: Path) -> None:
    file = tmp_path / "classes.csv"
    args = ("eval", "--predictions", results, "--annotations", truth)
    found = json.loads(lad(*args, "--json", "--csv", file).done())["coco"]
    with file.open(newline="") as text:
        rows = {row["class"]: row for row in csv.DictReader(text)}
    assert list(rows) == ["all", *found["per_class"]]
    assert float(rows["all"]["AP50"]) == pytest.approx(found["stats"][1], abs=1e-6)
    assert float(rows["disc"]["AP"]) == pytest.approx(found["per_class"]["disc"]["AP"], abs=1e-6)
    # A table replaces no other file, such as what it was made from.
    message = refused_untouched(truth.parent, *args, "--csv", truth)
    assert message == f"--csv {truth}: is no name for a table; name a file that ends in .csv"


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
    shown = lad(*args[:-1], "--skip-bad-images").done()
    assert "\nof 3 of 4 images\n" in shown


class TestEngines:
    def test_pycocotools_gives_the_same_layout(self, results: Path, truth: Path) -> None:
        args = ("eval", "--predictions", results, "--annotations", truth)
        own = json.loads(lad(*args, "--json").done())
        published = json.loads(lad(*args, "--json", "--engine", "pycocotools").done())
        assert published.pop("engine") == "pycocotools"
        assert published["coco"]["stats"] == pytest.approx(own["coco"]["stats"], abs=1e-9)
        for name, values in own["coco"]["per_class"].items():
            assert published["coco"]["per_class"][name] == pytest.approx(values, abs=1e-9)
        assert published.keys() == own.keys()
        assert "\nmeasured by pycocotools\n" in lad(*args, "--engine", "pycocotools").done()

    def test_both_are_compared(self, results: Path, truth: Path) -> None:
        args = ("eval", "--predictions", results, "--annotations", truth, "--verify", "--tide")
        assert "\nlargest difference to pycocotools 2." in lad(*args).done()
        found = json.loads(lad(*args, "--json").done())["verify"]
        assert found["largest_difference"] < 1e-9
        assert found["same"] is True

    def test_disagreement_fails(
        self, results: Path, truth: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = "ladcli.evaluate.pycocotools_engine"
        monkeypatch.setattr(f"{module}._mean", lambda values: 0.25)
        args = ("eval", "--predictions", results, "--annotations", truth, "--verify")
        outcome = lad(*args)
        assert outcome.code == 1
        assert "the engines disagree: largest difference to pycocotools" in outcome.err
        assert lad(*args, "--json").code == 1

    def test_of_a_checkpoint(self, teacher: Path, data: Path, tmp_path: Path) -> None:
        args = ("eval", "--checkpoint", teacher, "--data", data, "--workers", "0", "-q")
        args = (*args, "--out", tmp_path / "e", "--engine", "pycocotools", "--verify", "--json")
        found = json.loads(lad(*args).done())
        assert found == json.loads((tmp_path / "e/metrics.json").read_text())
        assert (found["engine"], found["verify"]["same"]) == ("pycocotools", True)
        assert "thresholds" in found

    def test_tide_is_none_of_its_numbers(self, results: Path, truth: Path) -> None:
        args = ("eval", "--predictions", results, "--annotations", truth)
        message = lad(*args, "--engine", "pycocotools", "--tide").refused()
        assert message.startswith("--tide: pycocotools knows no TIDE; leave --engine out")


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


def test_views_change_what_is_measured(teacher: Path, data: Path, tmp_path: Path) -> None:
    args = ("eval", "--checkpoint", teacher, "--data", data, "--workers", "0", "-q", "--json")
    one, more = (
        json.loads(lad(*args, "--out", tmp_path / f"{len(views)}", *views).done())
        for views in ((), ("--flip", "--scales", "64,96"))
    )
    assert one["coco"]["per_class"].keys() == more["coco"]["per_class"].keys()
    first, second = (
        json.loads((tmp_path / name / "predictions.json").read_text()) for name in ("0", "3")
    )
    assert {r["image_id"] for r in first} == {r["image_id"] for r in second}
    assert [r["score"] for r in first] != [r["score"] for r in second]


@pytest.mark.parametrize("views", [["--flip"], ["--scales", "64"]])
def test_views_need_a_network(results: Path, truth: Path, views: list[str]) -> None:
    message = lad("eval", "--predictions", results, "--annotations", truth, *views).refused()
    assert message == f"{views[0]} says how a network sees images; it needs --checkpoint"


KINDS = ["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FalsePos", "FalseNeg"]


def test_tide_comes_with_the_metrics(results: Path, truth: Path) -> None:
    args = ("eval", "--predictions", results, "--annotations", truth, "--tide", "--json")
    found = json.loads(lad(*args).done())
    assert found["tide_definition"] == "corrected"
    (entry,) = found["tide"]
    assert (entry["pos_threshold"], entry["background_threshold"]) == (0.5, 0.1)
    assert list(entry["dAP"]) == KINDS
    assert list(entry["counts"]) == KINDS[:6]
    plain = json.loads(lad(*args[:5], "--json").done())
    assert plain == {"coco": found["coco"]}


def test_tide_thresholds_may_be_repeated(results: Path, truth: Path) -> None:
    found = json.loads(
        lad(
            "eval", "--predictions", results, "--annotations", truth, "--tide", "--tide-compat",
            "--tide-threshold", "0.75", "--tide-threshold", "0.6:0.2", "--json",
        ).done()
    )  # fmt: skip
    assert found["tide_definition"] == "tidecv"
    pairs = [(e["pos_threshold"], e["background_threshold"]) for e in found["tide"]]
    assert pairs == [(0.75, 0.1), (0.6, 0.2)]


def test_tide_of_a_checkpoint_is_stored_with_its_metrics(
    teacher: Path, data: Path, tmp_path: Path
) -> None:
    shown = lad(
        "eval", "--checkpoint", teacher, "--data", data, "--workers", "0", "-q", "--tide",
        "--out", tmp_path / "e",
    ).done()  # fmt: skip
    header = next(line for line in shown.splitlines() if line.startswith("TIDE"))
    assert header.split() == ["TIDE", *KINDS]
    stored = json.loads((tmp_path / "e/metrics.json").read_text())
    measured = lad(
        "eval", "--predictions", tmp_path / "e/predictions.json", "--annotations",
        data / "annotations/val.json", "--tide", "--json",
    ).done()  # fmt: skip
    assert stored.pop("thresholds")["iou"] == 0.5
    assert stored == json.loads(measured)
    assert set(stored) == {"coco", "tide_definition", "tide"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tide-threshold", "0.5"], "--tide-threshold changes what --tide shows, so add --tide"),
        (["--tide-compat"], "--tide-compat changes what --tide shows, so add --tide"),
        (
            ["--tide", "--tide-threshold", "half"],
            "--tide-threshold half: write POS or POS:BG, such as 0.5 or 0.5:0.1",
        ),
        (
            ["--tide", "--tide-threshold", "0.5:0.1:0"],
            "--tide-threshold 0.5:0.1:0: write POS or POS:BG, such as 0.5 or 0.5:0.1",
        ),
        (
            ["--tide", "--tide-threshold", "1.5"],
            "TIDE thresholds 1.5:0.1 are out of range; choose 0 < BG < POS <= 1, such as 0.5:0.1",
        ),
        (
            ["--tide", "--tide-threshold", "0.05"],
            "TIDE thresholds 0.05:0.1 are out of range; choose 0 < BG < POS <= 1, such as 0.5:0.1",
        ),
    ],
)
def test_tide_options_that_make_no_sense_are_refused(
    results: Path, truth: Path, options: list[str], message: str
) -> None:
    refusal = lad("eval", "--predictions", results, "--annotations", truth, *options).refused()
    assert refusal == message


def changed(results: Path, target: Path, **values: object) -> Path:
    """A copy of a results file whose second record has other ``values``."""
    records = json.loads(results.read_text())
    records[1] |= values
    target.write_text(json.dumps(records))
    return target


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_id": 99999}, "has image_id 99999, which is no image of"),
        ({"score": float("nan")}, "has score nan, which must be a finite number; correct it"),
        ({"score": float("inf")}, "has score inf, which must be a finite number; correct it"),
        ({"bbox": [1, 2, -3, 4]}, "has bbox [1, 2, -3, 4], a negative size"),
    ],
)
def test_bad_records_are_named(
    results: Path, truth: Path, tmp_path: Path, values: dict[str, object], words: str
) -> None:
    file = changed(results, tmp_path / "bad.json", **values)
    message = lad("eval", "--predictions", file, "--annotations", truth, "--tide").refused()
    assert message.startswith(f"{file}: detection at position 1 (counted from 0) {words}")


def test_odd_scores_and_classes_are_noted_and_measured(
    results: Path, truth: Path, tmp_path: Path
) -> None:
    args = ("--annotations", truth, "--tide", "--json")
    file = changed(results, tmp_path / "odd.json", score=40.0)
    outcome = lad("eval", "--predictions", file, *args)
    assert json.loads(outcome.done())["coco"]["stats"][0] is not None
    assert "1 of" in outcome.err
    assert "scores are outside 0 to 1" in outcome.err
    file = changed(results, tmp_path / "odd.json", category_id=12345)
    outcome = lad("eval", "--predictions", file, *args)
    assert json.loads(outcome.done())["tide"][0]["ap"] is not None
    assert "the annotations have no such category: 12345 (1)" in outcome.err


def test_no_detections_score_zero(truth: Path, tmp_path: Path) -> None:
    file = tmp_path / "empty.json"
    file.write_text("[]")
    args = ("eval", "--predictions", file, "--annotations", truth, "--tide")
    found = json.loads(lad(*args, "--json").done())
    assert set(found["coco"]["stats"]) <= {0, None}
    assert found["coco"]["stats"][0] == 0
    assert found["tide"][0]["ap"] == 0
    assert found["tide"][0]["dAP"] == dict.fromkeys(KINDS)
    assert found["tide"][0]["counts"]["Miss"] > 0
    assert "–" in lad(*args).done()


def test_a_class_without_ground_truth_is_undefined(
    results: Path, truth: Path, tmp_path: Path
) -> None:
    content = json.loads(truth.read_text())
    gone = content["categories"][0]
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] != gone["id"]]
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(content))
    args = ("eval", "--predictions", results, "--annotations", file, "--tide", "--json")
    found = json.loads(lad(*args).done())
    assert set(found["coco"]["per_class"][gone["name"]].values()) == {None}
    assert found["coco"]["stats"][0] is not None
    assert found["tide"][0]["ap"] is not None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--data", "folder"),
        ("--images", "folder"),
        ("--workers", "0"),
        ("--set", "inference.voting=false"),
        ("--precision", "bf16"),
        ("--device", "cpu"),
        ("--out", "folder"),
    ],
)
def test_what_runs_a_network_is_refused_beside_a_results_file(option: str, value: str) -> None:
    """It would be ignored."""
    files = ("--predictions", "results.json", "--annotations", "truth.json")
    assert f"{option} is for running a network" in lad("eval", *files, option, value).refused()
