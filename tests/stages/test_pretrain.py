from __future__ import annotations

import json
from pathlib import Path

from ladcli.detector.checkpoint import load_checkpoint
from ladcli.recipe import load_recipe
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions
from tests.stages.tiny import CLASSES, assert_same_weights, contents, tiny_recipe, weights


def test_run_folder_holds_what_the_design_names_and_nothing_else(teacher_run: Path) -> None:
    assert [name for name, kind in contents(teacher_run).items() if kind != "folder"] == [
        "checkpoints/model/best.pt",
        "checkpoints/model/last.pt",
        "checkpoints/state.pt",
        "eval/model/val/metrics.json",
        "eval/model/val/predictions.json",
        "metrics.jsonl",
        "probes/epoch_000.npz",
        "probes/epoch_001.npz",
        "recipe.yaml",
        "run.json",
    ]


def test_notes_say_what_was_run_and_how_it_ended(teacher_run: Path) -> None:
    notes = json.loads((teacher_run / "run.json").read_text())
    assert notes["stage"] == "pretrain"
    assert notes["status"] == "finished"
    assert notes["seed"] == 0
    assert notes["started"] <= notes["finished"]
    assert notes["skipped_images"] == []
    assert [name for _, name in notes["classes"]] == list(CLASSES)
    assert len(notes["fingerprints"]["data"]) == 64
    assert set(notes["fingerprints"]) == {"data"}  # PAA has no teacher
    assert {"python", "torch", "timm"} <= set(notes["versions"])
    assert isinstance(notes["command"], list)


def test_metrics_have_a_line_per_step_and_one_per_evaluation(teacher_run: Path) -> None:
    lines = read_metrics(teacher_run / "metrics.jsonl")
    assert [(line["kind"], line["step"]) for line in lines] == [
        ("train", 1),
        ("train", 2),
        ("eval", 2),
    ]
    first, second, evaluation = lines
    assert {"epoch", "lr", "loss", "cls", "box", "iou", "gradient_norm"} <= set(first)
    assert first["loss"] > 0
    assert first["lr"] < second["lr"] <= 0.01  # warm-up
    assert evaluation["epoch"] == 1
    assert evaluation["set"] == "val"
    stored = json.loads((teacher_run / "eval/model/val/metrics.json").read_text())
    assert evaluation["AP"] == stored["coco"]["stats"][0]


def test_checkpoint_stands_alone(teacher: Path) -> None:
    loaded = load_checkpoint(teacher)
    assert loaded.detector.classes.names == CLASSES
    assert loaded.detector.classes.ids == (1, 3, 7)
    assert loaded.detector.architecture.backbone == "mobilenetv3_small_050"
    assert (loaded.input_rule.short, loaded.input_rule.long) == (96, 128)
    assert loaded.training["epoch"] == 1
    assert loaded.training["step"] == 2
    assert not loaded.detector.training


def test_resolved_recipe_alone_repeats_the_run_bit_for_bit(
    teacher_run: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(teacher_run / "recipe.yaml")
    pretrain(recipe, RunOptions(tmp_path / "again", quiet=True))
    for name in ("last", "best"):
        file = f"checkpoints/model/{name}.pt"
        assert_same_weights(teacher_run / file, tmp_path / "again" / file)
    names = ("eval/model/val/metrics.json", "recipe.yaml")
    mine, theirs = contents(teacher_run), contents(tmp_path / "again")
    assert [mine[name] for name in names] == [theirs[name] for name in names]


def test_another_seed_gives_another_network(teacher: Path, data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, train__seed=1, train__eval_every=0)
    result = pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
    assert result.metrics == {}  # no evaluation was asked for
    assert not (tmp_path / "run/eval").exists()
    assert not result.run.checkpoint("best").exists()
    one, other = weights(teacher), weights(result.run.checkpoint("last"))
    assert [name for name in one if not one[name].equal(other[name])]
