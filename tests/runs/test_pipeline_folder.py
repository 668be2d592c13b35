from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladcli.runs.pipeline_folder import PipelineFolder, StageFolder
from tests.refusals import refusal_of


def test_files_lie_where_they_always_did(tmp_path: Path) -> None:
    folder, stage = PipelineFolder(tmp_path), StageFolder(tmp_path / "teacher")
    assert folder.summary == tmp_path / "summary.json"
    assert folder.comparison_page("val") == tmp_path / "comparison-val.html"
    assert folder.comparison("val") == tmp_path / "comparison-val.json"
    assert stage.label == tmp_path / "teacher/stage.json"
    assert stage.cache == tmp_path / "teacher/teacher.h5"
    assert stage.data == tmp_path / "teacher/data"


def test_a_label_says_what_was_finished(tmp_path: Path) -> None:
    stage = StageFolder(tmp_path)
    stage.write_label(identity="abc", stage="student", seed=3)
    assert json.loads(stage.label.read_text()) == {"identity": "abc", "stage": "student", "seed": 3}
    assert stage.finished_as() == "abc"


@pytest.mark.parametrize("content", ["{", "[]", "{}", "3"])
def test_a_damaged_label_is_named(tmp_path: Path, content: str) -> None:
    stage = StageFolder(tmp_path)
    stage.label.write_text(content)
    assert refusal_of(stage.finished_as) == (
        f"{stage.label}: is damaged; choose another --out, or remove the folder to run it anew"
    )
