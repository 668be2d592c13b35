"""`metrics.jsonl` is appended to, and cut back when a run is resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ladcli.errors import UserError
from ladcli.runs.metrics_log import MetricsLog, read_metrics, scan_metrics
from tests.refusals import refusal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "metrics.jsonl"


def new(path: Path, *, keep_steps: int = 0, keep_epochs: int = 0) -> MetricsLog:
    return MetricsLog(path, keep_steps=keep_steps, keep_epochs=keep_epochs)


def write_steps(log: MetricsLog, *steps: int) -> None:
    for step in steps:
        log.write("train", step, epoch=0, loss=1 / step)


def steps_of(path: Path) -> list[int]:
    return [line["step"] for line in read_metrics(path)]


def test_every_line_is_one_object(path: Path) -> None:
    log = new(path)
    log.write("train", 5, epoch=0, loss=0.25)
    log.write("eval", 5, epoch=1, set="val", AP=None)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"kind": "train", "step": 5, "epoch": 0, "loss": 0.25},
        {"kind": "eval", "step": 5, "epoch": 1, "set": "val", "AP": None},
    ]
    assert read_metrics(path) == [json.loads(line) for line in lines]


def test_a_new_run_starts_an_empty_file(path: Path) -> None:
    write_steps(new(path), 1, 2)
    new(path)
    assert path.read_text() == ""


def test_lines_after_the_resume_point_are_dropped(path: Path) -> None:
    write_steps(new(path), 2, 4, 6, 8)
    before = path.read_text().splitlines()
    log = new(path, keep_steps=6)
    assert path.read_text().splitlines() == before[:3]
    write_steps(log, 8)
    assert path.read_text().splitlines() == before


def test_an_evaluation_that_is_made_again_is_dropped(path: Path) -> None:
    """It was logged at the last step that counts, but its epoch was not saved as finished."""
    log = new(path)
    write_steps(log, 2)
    log.write("eval", 2, epoch=1, AP=0.5)
    new(path, keep_steps=2, keep_epochs=1)
    assert [line["kind"] for line in read_metrics(path)] == ["train", "eval"]
    new(path, keep_steps=2, keep_epochs=0)
    assert [line["kind"] for line in read_metrics(path)] == ["train"]


def test_numbers_that_json_lacks_become_null(path: Path) -> None:
    new(path).write("train", 1, epoch=0, loss=1.5, gradient_norm=math.inf, other=math.nan)
    expected = {"kind": "train", "step": 1, "epoch": 0, "loss": 1.5}
    assert json.loads(path.read_text()) == {**expected, "gradient_norm": None, "other": None}


def test_a_last_line_that_was_cut_off_is_left_out(path: Path) -> None:
    write_steps(new(path), 1, 2, 3)
    path.write_text(path.read_text()[:-9])
    assert steps_of(path) == [1, 2]
    write_steps(new(path, keep_steps=3), 3)
    assert steps_of(path) == [1, 2, 3]


#: Lines that hold no object, or none that says when it was written.
DAMAGED = {
    "cut": '{"kind": "tra',
    "list": "[1]",
    "binary": "\xff\0",
    "no step": '{"loss": 0.5}',
    "step in quotes": '{"step": "5"}',
    "no epoch": '{"step": 5, "epoch": null}',
    "deep": "[" * 100_000,
    "huge number": '{"step": ' + "9" * 5000 + "}",
}


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
    def test_a_damaged_line_is_refused_and_nothing_is_lost(self, path: Path, damage: str) -> None:
        write_steps(new(path), 1, 2, 3)
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], damage, *lines[1:], ""]))
        before = path.read_bytes()
        message = f"{path}: 1 line(s) cannot be read; first is line 2; delete them and try again"
        assert refusal_of(new, path, keep_steps=3) == message
        assert path.read_bytes() == before

    def test_a_scan_goes_on_after_damaged_lines(self, path: Path) -> None:
        write_steps(new(path), 1, 2)
        first, second = path.read_text().splitlines()
        path.write_text("\n".join([first, "{", "", second, "[1]", '{"step": 3, "lo']))
        lines, damaged = scan_metrics(path)
        assert lines == [json.loads(first), json.loads(second)]
        # Neither the empty line nor the last one, which has no end.
        assert damaged == [2, 5]

    def test_a_last_line_without_its_end_may_be_whole(self, path: Path) -> None:
        write_steps(new(path), 1, 2)
        path.write_text(path.read_text()[:-1])
        write_steps(new(path, keep_steps=2), 3)
        assert steps_of(path) == [1, 2, 3]

    def test_a_new_run_does_not_look_at_it(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("{\n")
        new(path)
        assert path.read_text() == ""


class TestMirror:
    """Whoever listens gets every line that is written, and none that was there before."""

    @pytest.fixture
    def heard(self) -> list[tuple[str, int, dict[str, Any]]]:
        return []

    def listened(self, path: Path, heard: list[Any], *, keep_steps: int = 0) -> MetricsLog:
        def mirror(kind: str, step: int, values: dict[str, Any]) -> None:
            heard.append((kind, step, values))

        return MetricsLog(path, keep_steps=keep_steps, keep_epochs=0, mirror=mirror)

    def test_it_gets_what_is_written(self, path: Path, heard: list[Any]) -> None:
        log = self.listened(path, heard)
        log.write("train", 5, epoch=0, loss=0.25)
        log.write("eval", 5, epoch=0, set="val", AP=0.5)
        assert heard == [
            ("train", 5, {"epoch": 0, "loss": 0.25}),
            ("eval", 5, {"epoch": 0, "set": "val", "AP": 0.5}),
        ]
        assert read_metrics(path) == [{"kind": k, "step": s, **values} for k, s, values in heard]

    def test_it_gets_null_where_the_file_does(self, path: Path, heard: list[Any]) -> None:
        self.listened(path, heard).write("train", 1, loss=math.nan)
        assert heard == [("train", 1, {"loss": None})]

    def test_kept_lines_are_not_told_again(self, path: Path, heard: list[Any]) -> None:
        write_steps(new(path), 1, 2, 3)
        log = self.listened(path, heard, keep_steps=2)
        assert heard == []
        write_steps(log, 3)
        assert [step for _, step, _ in heard] == steps_of(path)[2:] == [3]


def test_no_file_has_no_lines(path: Path) -> None:
    assert read_metrics(path) == []
    new(path, keep_steps=7)
    assert path.read_text() == ""


def test_a_log_that_cannot_be_written_is_refused(path: Path) -> None:
    log = new(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be written"):
        log.write("train", 1)
