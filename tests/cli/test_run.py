from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.invoke import Outcome, lad, refused_untouched
from tests.stages.tiny import RECIPE, contents

PIPELINE = {
    "recipe": {**RECIPE, "train": {**RECIPE["train"], "eval_every": 0}},
    "stages": [
        {"name": "paa", "run": "pretrain", "title": "alone (PAA)", "seeds": [0, 1]},
        {"name": "cache", "run": "cache-teacher", "teacher": "paa-seed0"},
        {"name": "lad", "run": "distill", "cache": "cache", "title": "taught (LAD)"},
    ],
    "evaluate": ["val", "test"],
    "baseline": "paa",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "mine.yaml").write_text(yaml.safe_dump(PIPELINE))
    return folder


@pytest.fixture(scope="module")
def first(folder: Path, data: Path) -> Outcome:
    return lad("run", folder / "mine.yaml", "--data", data, "--out", folder / "out")


def test_table_has_every_stage_on_every_set_and_says_who_won(first: Outcome, folder: Path) -> None:
    shown = first.done()
    assert "COCO metrics, points of 100" in shown
    # A row per set, its cost, what is compared, and two verdicts.
    assert len([line for line in shown.splitlines() if "alone (PAA)" in line]) == 6
    costs = [line.split() for line in shown.splitlines() if "what training cost" in shown]
    alone, taught, teacher = (
        next(cells for cells in costs if cells[: len(name)] == name)
        for name in (["alone", "(PAA)"], ["taught", "(LAD)"], ["+", "teacher"])
    )
    assert alone[2:4] == taught[2:4] == teacher[2:4] == ["1", "8"]
    assert "Compared at equal student schedule (1 epoch), not at equal total cost" in shown
    assert "taught (LAD) took 2.0 times the images of alone (PAA)." in shown
    assert [line.split()[0] for line in shown.splitlines() if "taught (LAD)  0" in line] == [
        "val",
        "test",
    ]
    out = folder / "out"
    assert shown.splitlines()[-3:] == [
        f"everything is in {out}, all numbers in {out}/summary.json",
        f"comparison in {out}/comparison-val.html, its numbers in {out}/comparison-val.json",
        f"comparison in {out}/comparison-test.html, its numbers in {out}/comparison-test.json",
    ]
    verdicts = [line for line in shown.splitlines() if " AP on alone (PAA) [" in line]
    assert [line.split(": ")[:2] for line in verdicts] == [
        ["val", "taught (LAD)"],
        ["test", "taught (LAD)"],
    ]


def test_progress_names_every_stage_on_standard_error(first: Outcome) -> None:
    lines = first.err.splitlines()
    for number, name in enumerate(("paa-seed0", "paa-seed1", "cache", "lad"), start=1):
        assert [line for line in lines if line.startswith(f"[{number}/4] {name} (")]


def test_second_call_skips_everything(
    first: Outcome, folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    again = lad("run", folder / "mine.yaml", "--data", data, "--out", folder / "out")
    assert again.done() == first.done()
    assert again.err.count(": finished before") == 4
    assert contents(folder) == before


def test_json_holds_the_numbers_of_the_summary(first: Outcome, folder: Path, data: Path) -> None:
    args = ("run", folder / "mine.yaml", "--data", data, "--out", folder / "out", "--json", "-q")
    outcome = lad(*args)
    assert outcome.err == ""
    rows = json.loads(outcome.done())
    assert [(row["run"], row["set"], row["seed"]) for row in rows] == [
        ("paa-seed0", "val", 0),
        ("paa-seed0", "test", 0),
        ("paa-seed1", "val", 1),
        ("paa-seed1", "test", 1),
        ("lad", "val", 0),
        ("lad", "test", 0),
    ]
    stored = json.loads((folder / "out/summary.json").read_text())
    assert [row["coco"] for row in rows] == [row["coco"] for row in stored]
    assert [row["cost"] for row in rows] == [row["cost"] for row in stored]
    assert [(row["cost"]["images"], len(row["cost"]["earlier"])) for row in rows[-3:]] == [
        (8, 0), (8, 1), (8, 1),
    ]  # fmt: skip


def test_changed_options_are_refused(first: Outcome, folder: Path, data: Path) -> None:
    args = ("run", folder / "mine.yaml", "--data", data, "--out", folder / "out", "-q")
    message = refused_untouched(folder, *args, "--set", "optim.lr=0.5")
    assert message.startswith(f"{folder}/out/paa-seed0: this stage was run with other options")
    message = refused_untouched(folder, *args, "--seed", "5")
    assert message.startswith(f"{folder}/out/paa-seed0: this stage was run with other options")


def test_shipped_pipeline_is_found_by_name(tmp_path: Path) -> None:
    message = lad("run", "bccd", "--out", tmp_path / "out").refused()
    assert "pipelines/bccd.yaml: needs a data folder; name it with --data" in message
    assert not (tmp_path / "out").exists()


def test_unknown_pipeline_names_those_that_are_shipped(tmp_path: Path) -> None:
    message = lad("run", "demmo", "--out", tmp_path / "out").refused()
    assert message.startswith("demmo: no such pipeline file; shipped with the program are ")
    assert "demo" in message


def test_folder_that_cannot_be_made_is_named(folder: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    args = ("run", folder / "mine.yaml", "--data", data, "--out", tmp_path / "file", "-q")
    assert refused_untouched(tmp_path, *args).startswith(f"{tmp_path}/file: cannot be")
