from __future__ import annotations

import json
from pathlib import Path

from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import change_json, copy_of


def test_tables(data: Path) -> None:
    outcome = lad("data", "stats", "--data", data, "--size", "480x640", "-q")
    lines = outcome.done().splitlines()
    assert lines[0].split() == ["train", "val", "test"]
    rows = {line[:30].strip(): line[30:].split() for line in lines}
    assert rows["images"] == ["8", "4", "4"]
    assert rows["images decoded"] == ["8", "4", "4"]
    assert rows["box side, px, at 480x640"]
    assert rows["best anchor on P3"]
    assert max(map(len, lines)) <= 80
    assert outcome.err == ""


def test_json(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ("--data", data, "--split", "val", "--sample", 2, "--json", "-q", "--html", page)
    found = json.loads(lad("data", "stats", *arguments).done())
    assert list(found["sets"]) == ["val"]
    assert found["sets"]["val"]["images"] == 4
    assert found["sets"]["val"]["brightness"]["looked_at"] == 2
    assert page.exists()


def test_page(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    out = lad("data", "stats", "--data", data, "--split", "val", "--html", page, "-q").done()
    assert out.endswith(f"page in {page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_names_from_files_are_no_markup(data: Path, tmp_path: Path) -> None:
    mine = copy_of(data, tmp_path / "set")
    name = "[red]<b>bold</b>"
    for split in ("train", "val"):
        change_json(
            mine / f"annotations/{split}.json",
            lambda content: content["categories"][0].update(name=name),
        )
    page = tmp_path / "page.html"
    out = lad("data", "stats", "--data", mine, "-q", "--html", page).done()
    assert name in out
    assert f"test: no box of {name}, which another set has." in out.replace("\n", " ")
    text = page.read_text(encoding="utf-8")
    assert "<b>bold" not in text
    assert "[red]&lt;b&gt;bold&lt;/b&gt;" in text


def test_bad_input_is_refused(data: Path, tmp_path: Path) -> None:
    file = data / "annotations/val.json"

    def refusal(*arguments: object) -> str:
        return refused_untouched(tmp_path, "data", "stats", *map(str, arguments))

    assert "--data" in refusal()
    assert "give one of them" in refusal("--annotations", file, "--split", "val")
    assert "no such annotation file" in refusal("--annotations", tmp_path / "absent.json")
    assert "no such data folder" in refusal("--data", tmp_path / "absent")
    assert "--sample -1" in refusal("--data", data, "--sample", -1)
    assert "--size 0" in refusal("--data", data, "--size", 0)
    (tmp_path / "notes.html").write_text("mine")
    assert "is not a page" in refusal("--data", data, "--html", tmp_path / "notes.html")
