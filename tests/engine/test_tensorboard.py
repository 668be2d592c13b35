"""Numbers that TensorBoard reads back, with its own reader."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from ladcli.engine.tensorboard import open_tensorboard, require_tensorboard
from ladcli.errors import UserError
from ladcli.runs.metrics_log import MetricsLog

pytest.importorskip("tensorboard")

Curves = dict[str, list[tuple[int, float]]]


def curves(folder: Path) -> Curves:
    """Steps and values by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }
    return {tag: values for tag, values in found.items() if values}


def log_to(folder: Path, *, after_step: int = 0) -> MetricsLog:
    """The log of a run up to ``after_step``, with TensorBoard listening."""
    mirror = open_tensorboard(folder / "board", after_step=after_step)
    return MetricsLog(folder / "metrics.jsonl", keep_steps=after_step, keep_epochs=9, mirror=mirror)


def next_second() -> None:
    """TensorBoard orders the files of a run by the second that is in their names."""
    time.sleep(1.01)


def test_numbers_are_on_disk_as_soon_as_they_are_written(tmp_path: Path) -> None:
    log = log_to(tmp_path)
    log.write("train", 10, epoch=0, loss=0.5)
    assert curves(tmp_path / "board") == {"train/epoch": [(10, 0)], "train/loss": [(10, 0.5)]}
    log.write("train", 20, epoch=0, loss=0.25)
    assert curves(tmp_path / "board")["train/loss"] == [(10, 0.5), (20, 0.25)]


def test_evaluations_are_told_apart_by_set_and_network(tmp_path: Path) -> None:
    log = log_to(tmp_path)
    log.write("eval", 10, set="val", AP=0.5)
    log.write("eval", 10, set="val", network="a", AP=0.25)
    log.write("eval", 10, set="val", network="b", AP=0.75)
    assert curves(tmp_path / "board") == {
        "eval/val/AP": [(10, 0.5)],
        "eval/val/a/AP": [(10, 0.25)],
        "eval/val/b/AP": [(10, 0.75)],
    }


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    log_to(tmp_path).write("eval", 10, set="val", AP=0.5, APs=None, gradient_norm=float("inf"))
    assert curves(tmp_path / "board") == {"eval/val/AP": [(10, 0.5)]}


@pytest.mark.parametrize(
    ("after_step", "expected"),
    [(0, [(1, 8.0), (2, 8.0)]), (2, [(1, 1.0), (2, 1.0), (3, 8.0), (4, 8.0)])],
    ids=["from the start", "from step 2"],
)
def test_steps_that_a_resumed_run_repeats_are_hidden(
    tmp_path: Path, after_step: int, expected: list[tuple[int, float]]
) -> None:
    log = log_to(tmp_path)
    for step in (1, 2, 3, 4, 5):
        log.write("train", step, loss=1.0)
    next_second()
    log = log_to(tmp_path, after_step=after_step)
    for step in (after_step + 1, after_step + 2):
        log.write("train", step, loss=8.0)
    assert curves(tmp_path / "board")["train/loss"] == expected


def test_a_missing_package_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    require_tensorboard()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError) as caught:
        require_tensorboard()
    assert str(caught.value) == (
        "--tensorboard (train.tensorboard): TensorBoard is not installed; pip install "
        "tensorboard, or leave the option out (metrics.jsonl holds the same numbers)"
    )
