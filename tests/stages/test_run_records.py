"""Run folders, whole and damaged, as records."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.run_records import read_runs
from ladcli.stages.truths import Truths
from tests.evaluate.report.runs import write_probe, write_run


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    return write_run(tmp_path / "lad", data, networks=("a", "b"), sets=("val", "test"))


def read(*folders: Path, only: str | None = None) -> list[RunRecord]:
    return read_runs(folders, Truths(None), lambda found: only in (None, found.set_name))


def test_a_whole_run(run: Path) -> None:
    (record,) = read(run)
    assert record.name == "lad"
    assert record.notes["seed"] == 3
    assert record.recipe is not None
    assert record.recipe.optim.lr == 0.02
    assert [line["kind"] for line in record.metrics] == ["train"] * 4 + ["eval"] * 4
    assert [(r.split, r.network) for r in record.results] == [
        ("val", "a"), ("val", "b"), ("test", "a"), ("test", "b"),
    ]  # fmt: skip
    assert all(r.tide is not None for r in record.results)
    assert record.remarks == ()


def test_results_that_are_wanted(run: Path) -> None:
    (record,) = read(run, only="test")
    assert {r.split for r in record.results} == {"test"}
    (record,) = read(run, only="train")
    assert "none of the sets shown here was evaluated" in record.remarks[0]


def test_evaluated_folders_put_val_and_test_first(run: Path) -> None:
    for name in ("train", "holdout", "empty"):
        (run / "eval/a" / name).mkdir()
    for name in ("train", "holdout"):
        (run / "eval/a" / name / "metrics.json").write_text("{}")
    found = [str(one.path.relative_to(run / "eval")) for one in RunDirectory(run).evaluations()]
    assert found == ["a/val", "b/val", "a/test", "b/test", "a/train", "a/holdout"]


def test_names_are_paths_where_they_repeat(run: Path, data: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "second/lad", data)
    assert [record.name for record in read(run, other)] == [str(run), str(other)]


def test_what_cannot_be_read_is_a_remark(run: Path) -> None:
    (run / "run.json").write_text("{")
    (run / "recipe.yaml").unlink()
    (run / "metrics.jsonl").write_text('[1]\n{"kind": "train", "step": 1}\n')
    (record,) = read(run)
    assert [remark.split(": ")[1] for remark in record.remarks] == [
        "is damaged, so status and versions are unknown.",
        "no such file, so the options are unknown.",
        "1 line(s) cannot be read and are left out; first is line 1.",
    ]
    assert (dict(record.notes), record.recipe) == ({}, None)
    assert [line["step"] for line in record.metrics] == [1]


def test_first_and_last_probe_that_can_be_read(run: Path) -> None:
    for epoch in range(4):
        write_probe(run / f"probes/epoch_{epoch:03d}.npz", epoch=epoch, names=("train_00000.jpg",))
    for epoch in (0, 3):
        (run / f"probes/epoch_{epoch:03d}.npz").write_bytes(b"PK")
    (record,) = read(run)
    assert [probe.epoch for probe in record.probes] == [1, 2]
    assert len(record.remarks) == 2
    (run / "probes/epoch_002.npz").unlink()
    (record,) = read(run)
    assert [probe.epoch for probe in record.probes] == [1]


def test_folders_of_probed_images_are_known(run: Path, data: Path) -> None:
    assert read(run)[0].probe_images == []
    write_probe(run / "probes/epoch_000.npz", epoch=0, names=("train_00000.jpg",))
    assert read(run)[0].probe_images == [data / "images"]
