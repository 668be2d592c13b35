"""By a few bytes of every kind; whole files of the program stand in stages/test_recognized.py."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from ladcli import recognize as r

PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;; '
)
NUMBERS = "AP,AP50,AP75,APs,APm,APl,"
SECTIONS = "".join(
    f"{name}:\n  {key}: null\n"
    for name, key in (
        ("data", "dir"), ("model", "a"), ("assign", "a"), ("loss", "a"), ("optim", "lr"),
        ("schedule", "a"), ("train", "a"), ("inference", "a"),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "ours", "others"),
    [
        (r.is_page, f"{PAGE}img-src data:", PAGE.removesuffix("&#x27;none&#x27;; ")),
        (r.is_table, f"class,{NUMBERS}AR100\nall,1,1", f"class,{NUMBERS}AR100\ncat,1,1"),
        (
            r.is_table,
            f"method,class,{NUMBERS}AR100\nPAA,all,1",
            f"class,method,{NUMBERS}\nPAA,all,",
        ),
        (
            r.is_results,
            '[\n {\n  "image_id": -3,\n  "category_id": 1,\n  "bbox": [1, 2, 3, 4]}]',
            '[{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4]}]',
        ),
        (r.is_results, "[]\n", "[]"),
        (r.is_metrics, '{"coco": {"stats": [], "per_class": {}}}', '{"coco": {"stats": []}}'),
        (
            r.is_image_list,
            '{\n "images": [],\n "categories": []}',
            '{\n "images": [],\n "categories": [], "annotations": []}',
        ),
        (r.is_cleaned, '{"cleaned_by": "lad 1"}', '{"info": {}, "cleaned_by": "lad 1"}'),
        (r.is_notes, '{"stage": "pretrain", "status": "finished"}', '{"stage": "pretrain"}'),
        (r.is_stage_label, '{"identity": "f0", "stage": "paa"}', '{"identity": "f0"}'),
        (
            r.is_summary,
            '[{"run": "paa", "set": "val", "coco": {}}]',
            '[{"run": "paa", "set": "val", "coco": {}}, {"run": "lad"}]',
        ),
        (
            r.is_comparison,
            '{"set": "val", "images": 3, "resamples": 9, "confidence": 0.9}',
            '{"set": "val", "images": 3}',
        ),
        (r.is_recipe, SECTIONS, SECTIONS.replace("loss:", "losses:")),
        (r.is_log, '{"kind": "train", "step": 1, "loss": 2}', '{"kind": "train", "loss": 2}'),
        (r.is_log, '{"step": 1}', '{"Step": 1}'),
        (r.is_log, "", " "),
        (r.is_event_log, "........brain.Event:2", "." * 64 + "brain.Event:2"),
        (r.is_cache_build, '{"fingerprints": {}, "num_parts": 3}', '{"fingerprints": {}}'),
        (
            r.is_synthetic,
            '{"info": {"description": "synthetic shapes, val split, seed 12"}}',
            '{"info": {"description": "synthetic shapes, dev split, seed 12"}}',
        ),
        (
            r.is_imported,
            '{"info":{"description":"imported by lad from yolo, train"}}',
            '{"info":{"description":"imported by me from yolo, train"}}',
        ),
        (r.is_export, '{"lad-export": 1, "files": {"a.txt": "f0"}}', '{"files": {"a.txt": "f0"}}'),
    ],
)
def test_a_file_is_ours_by_what_it_holds(
    kind: r.Recognizer, ours: str, others: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(ours)
    assert kind(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert not kind(tmp_path / "link")
    (tmp_path / "file").write_text(others)
    assert not kind(tmp_path / "file")
    assert not kind(tmp_path / "none")


@pytest.mark.parametrize("word", ["lad-checkpoint", "lad-state"])
def test_checkpoints_are_read_without_unpickling(word: str, tmp_path: Path) -> None:
    for name, ours in ((word, True), ("somebody's", False)):
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
            archive.writestr("x/data.pkl", f"\x80\x02X {name} no pickle at all")
        assert r.is_checkpoint(tmp_path / "x.pt") is ours
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/other", word)
    assert not r.is_checkpoint(tmp_path / "x.pt")


def test_archives_are_known_by_their_arrays(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, epoch=1, step=2, gt_image=3, cost=4)
    assert r.is_probe(file)
    assert not r.is_cache_part(file)
    np.savez(file, row=1, view=2, canvas=3)
    assert r.is_cache_part(file)
    assert not r.is_probe(file)
    file.write_bytes(file.read_bytes()[:40])
    assert not r.is_cache_part(file)


@pytest.mark.parametrize(
    ("label", "ours"),
    [("lad-teacher-cache", True), (b"lad-teacher-cache", True), ("theirs", False), (3, False)],
)
def test_caches_are_known_by_their_label(label: object, ours: bool, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.attrs["format"] = np.bytes_(label) if isinstance(label, bytes) else label
    assert r.is_cache(tmp_path / "t.h5") is ours


def test_an_export_lists_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps({"lad-export": 1, "files": {"a": "f0"}}))
    assert r.export_files(tmp_path / "list.json") == {"a": "f0"}
    (tmp_path / "list.json").write_text("{")
    assert r.export_files(tmp_path / "list.json") == {}


def test_pictures_that_were_taken_are_not_drawn_ones(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01")
    assert r.is_jpeg(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00")
    assert not r.is_jpeg(tmp_path / "x.jpg")


def test_a_file_that_cannot_be_read_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert not r.is_notes(tmp_path / "deep.json")
    (tmp_path / "latin.json").write_bytes(b'{"stage": "\xff", "status": 1}')
    assert not r.is_notes(tmp_path / "latin.json")
