"""Small objects: anchors of another scale and a finer level, from training to pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladcli.detector.checkpoint import load_checkpoint
from ladcli.detector.levels import AnchorLayout
from ladcli.runs.metrics_log import read_metrics
from tests.cli.invoke import lad

FINE = ("--set", "model.first_level=2", "--set", "model.anchor_scale=4")


@pytest.fixture(scope="module")
def run(data: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of PAA and an evaluation."""
    out = tmp_path_factory.mktemp("fine") / "run"
    lad("pretrain", "--recipe", tiny, "--data", data, "--out", out, *FINE, "-q").done()
    return out


def test_a_network_with_finer_anchors_is_trained_and_measured(run: Path) -> None:
    lines = read_metrics(run / "metrics.jsonl")
    assert [line["kind"] for line in lines] == ["train", "train", "eval"]
    assert all(line["num_positive"] > 0 for line in lines[:2])
    found = load_checkpoint(run / "checkpoints/model/last.pt").detector
    assert found.architecture.anchors == AnchorLayout(4.0, 2)
    assert len(found.head.scales) == 6


def test_its_checkpoint_predicts_and_is_evaluated(run: Path, data: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints/model/last.pt"
    shots = sorted((data / "images").glob("val_*.jpg"))[:2]
    options = ("--checkpoint", checkpoint, "--workers", "0", "--device", "cpu", "-q")
    shown = lad("predict", *shots, *options, "--out", tmp_path / "found", "--json")
    assert json.loads(shown.done())["images"] == 2
    lad("eval", *options, "--data", data, "--out", tmp_path / "measured").done()
    again, before = (
        json.loads((folder / "predictions.json").read_text())
        for folder in (tmp_path / "measured", run / "eval/model/val")
    )
    # Another memory layout rounds another way.
    assert len(again) == len(before) > 0
    assert [r["score"] for r in again] == pytest.approx([r["score"] for r in before], abs=1e-3)


def test_a_teacher_with_other_anchors_is_refused_in_one_line(
    run: Path, data: Path, tiny: Path, tmp_path: Path
) -> None:
    teacher = run / "checkpoints/model/last.pt"
    message = lad(
        "distill", "--recipe", tiny, "--data", data, "--teacher", teacher, "--out", tmp_path / "s"
    ).refused()
    assert "model.anchor_scale 4, model.first_level 2" in message
    assert "model.anchor_scale 8, model.first_level 3" in message


@pytest.mark.parametrize("value", ["0", "-1", "none"])
def test_a_scale_that_is_none_is_refused(
    data: Path, tiny: Path, tmp_path: Path, value: str
) -> None:
    arguments = ("--data", data, "--out", tmp_path / "s", "--set", f"model.anchor_scale={value}")
    assert "model.anchor_scale" in lad("pretrain", "--recipe", tiny, *arguments).refused()
