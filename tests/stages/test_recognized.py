"""Every file that this program writes is recognized, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ladcli import recognize
from ladcli.data.synth import set_layout
from ladcli.evaluate.table import metrics_csv
from ladcli.formats.manifest import exported_layout
from ladcli.formats.split import Shares
from ladcli.formats.writing import imported_layout
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.run_directory import LAYOUT
from ladcli.stages.export_data import ExportSource, export_data
from ladcli.stages.import_data import Source, import_data
from ladcli.stages.report import report
from tests.stages.tiny import copy_of

KINDS = [value for name, value in vars(recognize).items() if name.startswith("is_")]


def all_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("which", ["teacher_run", "duo"])
def test_everything_in_a_run_is_ours(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = copy_of(request.getfixturevalue(which), tmp_path / "run")
    report([run])
    survey = LAYOUT.survey(run)
    assert sorted(survey.ours) == all_files(run)
    assert len(survey.ours) >= 8
    assert not survey.strangers


def test_everything_in_a_synthetic_set_is_ours(data: Path) -> None:
    survey = set_layout(data).survey(data)
    assert sorted(survey.ours) == all_files(data)
    assert not survey.strangers


@pytest.mark.parametrize("format_name", ["yolo", "voc"])
def test_everything_in_an_exported_and_an_imported_set_is_ours(
    format_name: Any, data: Path, tmp_path: Path
) -> None:
    out, back = tmp_path / "out", tmp_path / "back"
    export_data(format_name, ExportSource(data=data), out)
    survey = exported_layout(out).survey(out)
    assert sorted(survey.ours) == all_files(out)
    assert not survey.strangers
    import_data(Source(format_name, out), back, shares=Shares())
    survey = imported_layout(back).survey(back)
    assert sorted(survey.ours) == all_files(back)
    assert not survey.strangers


def test_caches_are_recognized(caches: dict[str, Path], teacher: Path) -> None:
    assert all(recognize.is_cache(path) for path in caches.values())
    assert not recognize.is_cache(teacher)


def test_tables_are_recognized(tmp_path: Path) -> None:
    stats = dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"), 0.5)
    (tmp_path / "t.csv").write_text(metrics_csv(CocoMetrics(stats, {"cat": stats})))
    assert recognize.is_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("class,AP,AP50\nmine,0.5,0.6\n")
    assert not recognize.is_table(tmp_path / "t.csv")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "content",
    [
        b"years of work",
        b"[1, 2]",
        b'{"a": 1}',
        b'[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]',
        b'{"images": [], "annotations": [], "categories": []}',
        b"<!doctype html>\n<html><body>mine</body></html>",
        b"\x89HDF\r\n\x1a\n rest",
        b"PK\x03\x04 broken archive",
        b"\xff\xd8\xff\xe1\x00\x10Exif\x00",
        b"optim:\n  lr: 0.1\n",
    ],
)
def test_strangers_files_are_nobodys(
    kind: recognize.Recognizer, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not kind(tmp_path / "file")
    assert not kind(tmp_path / "none")
    assert not kind(tmp_path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_links_are_nobodys(kind: recognize.Recognizer, teacher_run: Path, tmp_path: Path) -> None:
    for number, path in enumerate(LAYOUT.survey(teacher_run).ours):
        (tmp_path / str(number)).symlink_to(path)
        assert not kind(tmp_path / str(number))
