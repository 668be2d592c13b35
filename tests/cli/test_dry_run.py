"""`lad run --dry-run` in a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.invoke import lad
from tests.stages.tiny import RECIPE, contents

PIPELINE = {
    "description": "a teacher, what it would say about every image, and two students of it",
    "recipe": RECIPE,
    "stages": [
        {"name": "paa", "run": "pretrain", "seeds": [0, 1], "recipe": {"schedule": {"epochs": 2}}},
        {"name": "cache", "run": "cache-teacher", "teacher": "paa", "seeds": [0, 1]},
        {"name": "lad", "run": "distill", "cache": "cache", "seeds": [0, 1]},
    ],
    "evaluate": ["val", "test"],
    "baseline": "paa",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(PIPELINE))
    return tmp_path / "mine.yaml"


def test_every_run_is_shown_with_what_it_takes_and_does(file: Path, data: Path) -> None:
    before = contents(file.parent)
    outcome = lad("run", file, "--data", data, "--out", file.parent / "out", "--dry-run")
    shown = outcome.done()
    assert outcome.err == ""
    assert contents(file.parent) == before
    words = " ".join(shown.split())
    assert f"6 runs into {file.parent}/out, measured on val and test" in words
    assert "[1/6] paa-seed0: train PAA (pretrain), seed 0; new" in words
    assert "work 8 images, 2 batches an epoch, 4 steps in 2 epochs settings schedule.epochs=2" in (
        words
    )
    assert "8 images, 2 views of each, 4 batches teacher paa-seed1" in words
    assert "[6/6] lad-seed1: train a student (distill), seed 1; new" in words
    assert "cache cache-seed1" in words
    assert shown.count("model.channels=16") == 1  # what all runs share is said once
    assert shown.count(str(data)) == 1
    assert words.endswith("6 new; this was a dry run: nothing was written")


@pytest.mark.parametrize("columns", [50, 80])
def test_no_word_is_broken_and_lines_fit(file: Path, columns: int) -> None:
    outcome = lad("run", file, "--out", "o", "--dry-run", columns=columns)
    wide = lad("run", file, "--out", "o", "--dry-run", columns=1000)
    assert outcome.out.split() == wide.out.split()
    for line in outcome.out.splitlines():
        assert len(line) <= columns or len(line.split()) <= 2


def test_what_is_missing_is_named_once_and_ends_with_code_2(file: Path) -> None:
    arguments = ("run", file, "--out", file.parent / "out", "--dry-run", "--weights", "no.pth")
    outcome = lad(*arguments, columns=200)
    assert outcome.code == 2
    assert outcome.out.count("  missing  no data folder is named; name it with --data\n") == 1
    assert outcome.out.count("  missing  no.pth: no such weights file") == 1
    assert outcome.out.splitlines()[-1].startswith("6 new; 2 things missing; this was a dry run")
    assert outcome.err == "lad: no data folder is named; name it with --data (and 1 more)\n"
    assert not (file.parent / "out").exists()
    outcome = lad(*arguments, "--json")
    assert outcome.code == 2
    assert len(json.loads(outcome.out)["missing"]) == 2


def test_json_holds_every_run_whole(file: Path, data: Path) -> None:
    arguments = ("run", file, "--data", data, "--out", file.parent / "out", "--dry-run", "--json")
    plan = json.loads(lad(*arguments).done())
    assert plan["evaluate"] == ["val", "test"]
    assert plan["missing"] == []
    assert [run["name"] for run in plan["runs"]] == [
        "paa-seed0", "paa-seed1", "cache-seed0", "cache-seed1", "lad-seed0", "lad-seed1",
    ]  # fmt: skip
    first, last = plan["runs"][0], plan["runs"][-1]
    assert {key: first[key] for key in ("steps", "epochs", "batches", "images", "state")} == {
        "steps": 4, "epochs": 2, "batches": 2, "images": 8, "state": "new",
    }  # fmt: skip
    assert first["settings"]["model.channels"] == 16
    assert first["settings"]["schedule.epochs"] == 2
    assert last["cache"] == "cache-seed1"
    assert last["folder"] == f"{file.parent}/out/lad-seed1"
