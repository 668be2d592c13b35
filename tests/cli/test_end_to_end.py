"""The whole way through, in processes of their own, as a shell would start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.invoke import lad, lad_process
from tests.stages.tiny import assert_same_weights

pytestmark = pytest.mark.slow

LAST = "checkpoints/model/last.pt"
DEADLINE = 300.0  # seconds; on a busy machine torch alone takes many to import


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Until the run has logged an optimizer step."""
    end = time.monotonic() + DEADLINE
    metrics = run / "metrics.jsonl"
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        if metrics.exists() and metrics.read_text().count("\n") >= step:
            return
        time.sleep(0.02)
    raise AssertionError("the run logged nothing")


def run(*arguments: str | Path) -> tuple[int, str, str]:
    process = lad_process(*arguments)
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def test_from_no_images_to_measured_students(tmp_path: Path, tiny: Path) -> None:
    """`lad data synth`, pretrain, cache-teacher, distill both ways, eval both ways."""
    data, cache = tmp_path / "a set", tmp_path / "teacher cache.h5"
    base, teacher = tmp_path / "runs", tmp_path / "runs/teacher" / LAST
    common = ("--data", data, "--recipe", tiny, "--quiet")
    size = ("--width", "128", "--height", "96", "--train", "8", "--val", "4", "--test", "4")
    assert run("data", "synth", "--out", data, *size)[0] == 0
    assert run("pretrain", *common, "--out", base / "teacher")[0] == 0
    assert run("cache-teacher", *common, "--teacher", teacher, "--out", cache)[0] == 0
    students = {"cached": ("--cache", cache), "online": ("--teacher", teacher)}
    losses = {}
    for name, source in students.items():
        code, out, err = run("distill", *common, *source, "--out", base / name, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)["steps"] == 2
        lines = (base / name / "metrics.jsonl").read_text().splitlines()
        losses[name] = [json.loads(line)["loss"] for line in lines if "loss" in line]
    assert losses["cached"] == pytest.approx(losses["online"], rel=1e-3)

    checkpoint = base / "cached" / LAST
    args = ("--data", data, "--split", "test", "--workers", "1", "--json", "--quiet")
    code, out, err = run("eval", "--checkpoint", checkpoint, *args)
    assert (code, err) == (0, "")
    folder = base / "cached/eval/model/test"
    results, truth = folder / "predictions.json", data / "annotations/test.json"
    assert json.loads(out) == json.loads((folder / "metrics.json").read_text())
    again = run("eval", "--predictions", results, "--annotations", truth, "--json")
    assert again == (0, out, "")


def test_ctrl_c_saves_and_the_resumed_run_is_bit_identical(
    data: Path, tiny: Path, tmp_path: Path
) -> None:
    args = ("pretrain", "--data", data, "--recipe", tiny, "--set", "schedule.epochs=10", "-q")
    args = (*args, "--workers", "1", "--set", "train.eval_every=0")
    process = lad_process(*args, "--out", tmp_path / "run")
    wait_for_step(process, tmp_path / "run", 3)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does: workers get it too
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, err
    assert out == ""
    first, last = err.splitlines()
    assert first.startswith("lad: stopping after this step; Ctrl-C again stops now and keeps ")
    assert last == "lad: interrupted; the state is saved; the same command with --resume goes on"
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "interrupted"
    lad(*args, "--out", tmp_path / "run", "--resume").done()
    lad(*args, "--out", tmp_path / "whole").done()
    assert_same_weights(tmp_path / "whole" / LAST, tmp_path / "run" / LAST)


def test_killed_run_is_resumed_bit_identical(data: Path, tiny: Path, tmp_path: Path) -> None:
    args = ("pretrain", "--data", data, "--recipe", tiny, "--set", "schedule.epochs=10", "-q")
    args = (*args, "--set", "train.eval_every=0")
    args = (*args, "--set", "train.save_every_minutes=1e-6")  # after every step
    process = lad_process(*args, "--out", tmp_path / "run")
    wait_for_step(process, tmp_path / "run", 3)
    process.kill()
    process.communicate(timeout=DEADLINE)
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "running"
    lad(*args, "--out", tmp_path / "run", "--resume").done()
    lad(*args, "--out", tmp_path / "whole").done()
    assert_same_weights(tmp_path / "whole" / LAST, tmp_path / "run" / LAST)


def test_reader_of_a_pipe_may_go_away(data: Path, teacher_run: Path) -> None:
    results = teacher_run / "eval/model/val/predictions.json"
    truth = data / "annotations/val.json"
    process = lad_process("eval", "--predictions", results, "--annotations", truth, "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.wait(timeout=DEADLINE)
