from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import assert_same_weights, contents


def test_run_ends_with_a_table_and_the_place_of_the_network(
    data: Path, tiny: Path, teacher_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my runs" / "é"
    outcome = lad("pretrain", "--data", data, "--recipe", tiny, "--out", out)
    shown = outcome.done().splitlines()
    assert shown[0].split() == ["class", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"]
    assert shown[-1] == f"2 steps; network in {out}/checkpoints/model/best.pt"
    assert "pretrain  8/8" in outcome.err  # plain lines, as this is no terminal
    assert "\x1b" not in outcome.err
    # The stage, called from Python with the same recipe, gives the same network.
    last = "checkpoints/model/last.pt"
    assert_same_weights(teacher_run / last, out / last)


def test_quiet_json_is_one_object_and_nothing_else(
    data: Path, tiny: Path, teacher_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    outcome = lad("pretrain", "--data", data, "--recipe", tiny, "--out", run, "--json", "--quiet")
    assert outcome.err == ""
    found = json.loads(outcome.done())
    stored = json.loads((teacher_run / "eval/model/val/metrics.json").read_text())
    assert found == {
        "run": str(run),
        "checkpoint": str(run / "checkpoints/model/best.pt"),
        "steps": 2,
        "skipped_images": 0,
        **stored,
    }


def test_flags_and_sets_win_over_the_recipe(data: Path, tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    lad(
        "pretrain", "--data", data, "--recipe", tiny, "--out", run, "-q", "--batch-size", "8",
        "--lr", "0.5", "--seed", "3", "--set", "optim.lr=0.25", "--set", "train.eval_every=0",
    ).done()  # fmt: skip
    text = (run / "recipe.yaml").read_text()
    for line in ("batch_size: 8", "lr: 0.25", "seed: 3", "eval_every: 0", "short:\n  - 96"):
        assert line in text
    notes = json.loads((run / "run.json").read_text())
    assert notes["seed"] == 3


def test_finished_run_shows_its_table_and_takes_more_epochs(
    data: Path, tiny: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = lad("pretrain", "--data", data, "--recipe", tiny, "--out", run)
    again = lad("pretrain", "--out", run, "--resume")
    assert again.done() == first.out
    said = " ".join(again.err.split())
    assert said == (
        f"{run}: is finished after 1 epoch(s); more of them with --resume go on from here, such as "
        "--epochs 2"
    )
    assert "4 steps; network" in lad("pretrain", "--out", run, "--resume", "--epochs", "2").done()
    asked = json.loads((run / "run.json").read_text())["asked"]
    assert asked["data.dir"] == {"value": str(data), "source": "--data"}
    assert asked["train.batch_size"] == {"value": 4, "source": f"recipe {tiny}"}
    assert asked["schedule.epochs"] == {"value": 2, "source": "--epochs"}
    message = refused_untouched(run, "pretrain", "--out", run, "--resume", "--batch-size", "2")
    assert message.startswith(f"{run}: was started with --batch-size 4 (train.batch_size), not 2;")


def test_resume_needs_nothing_but_the_folder(teacher_run: Path, data: Path) -> None:
    outcome = lad("pretrain", "--out", teacher_run, "--resume", "--quiet")
    assert outcome.done().endswith("checkpoints/model/best.pt\n")
    message = refused_untouched(
        teacher_run, "pretrain", "--out", teacher_run, "--resume", "--lr", "0.5"
    )
    assert "was started with --lr 0.01 (optim.lr), not 0.5;" in message


def test_resume_without_a_run_is_refused(data: Path, tiny: Path, tmp_path: Path) -> None:
    args = ("pretrain", "--data", data, "--recipe", tiny, "--out", tmp_path / "run", "--resume")
    message = refused_untouched(tmp_path, *args)
    assert message == f"{tmp_path}/run: holds no run to resume; leave --resume out"


def test_resolved_recipe_runs_again_from_the_command_line(
    teacher_run: Path, tmp_path: Path
) -> None:
    args = ("pretrain", "--recipe", teacher_run / "recipe.yaml", "--out", tmp_path / "run", "-q")
    lad(*args).done()
    for name in ("last", "best"):
        file = f"checkpoints/model/{name}.pt"
        assert_same_weights(teacher_run / file, tmp_path / "run" / file)
    name = "eval/model/val/predictions.json"
    assert contents(teacher_run)[name] == contents(tmp_path / "run")[name]


def test_the_log_goes_to_tensorboard_on_request(
    data: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("pretrain", "--data", data, "--recipe", tiny, "--out", tmp_path / "run", "-q")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch.utils.tensorboard", None)
        message = refused_untouched(tmp_path, *args, "--tensorboard")
    assert message.startswith(
        "--tensorboard (train.tensorboard): TensorBoard is not installed; pip install"
    )
    pytest.importorskip("tensorboard")
    lad(*args, "--tensorboard").done()
    (file,) = (tmp_path / "run/tensorboard").iterdir()
    assert file.stat().st_size > 0
