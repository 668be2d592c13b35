from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoke import lad, refused_untouched
from tests.formats.foreign_sets import picture, voc_xml, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(3):
        picture(tmp_path / f"src/{number}.jpg", seed=number)
        write(tmp_path / f"src/{number}.xml", voc_xml(("cat", 4, 5, 10, 20)))
    lad("data", "import", "voc", tmp_path / "src", "--out", tmp_path / "data").done()
    return tmp_path / "data"


@pytest.mark.parametrize("format_name", ["yolo", "voc"])
def test_a_data_folder_goes_out_and_comes_back(
    data: Path, tmp_path: Path, format_name: str
) -> None:
    out = tmp_path / "out"
    done = lad("data", "export", format_name, "--data", data, "--out", out)
    assert done.done() == f"3 boxes of 3 images in {out}\n"
    assert done.err == ""
    back = lad("data", "import", format_name, out, "--out", tmp_path / "back", "--json")
    assert json.loads(back.done())["classes"] == [{"id": 1, "name": "cat", "boxes": 3}]
    assert (
        json.loads((tmp_path / "back/annotations/train.json").read_bytes())["annotations"]
        == (json.loads((data / "annotations/train.json").read_bytes())["annotations"])
    )


def test_predictions_go_out_with_scores(data: Path, tmp_path: Path) -> None:
    records = [
        {"image_id": 2, "category_id": 1, "bbox": [0, 0, 32, 24], "score": score}
        for score in (0.9, 0.2)
    ]
    results = write(tmp_path / "results.json", json.dumps(records))
    done = lad(
        "data", "export", "yolo", "--annotations", data / "annotations/train.json",
        "--predictions", results, "--min-score", "0.5", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert json.loads(done.done()) == {
        "out": str(tmp_path / "out"), "images": 3, "boxes": 1, "image_files": 0, "findings": [],
    }  # fmt: skip
    assert (tmp_path / "out/labels/1.txt").read_text() == "0 0.25 0.25 0.5 0.5 0.9\n"


def test_a_source_may_stand_by_itself(data: Path, tmp_path: Path) -> None:
    lad("data", "export", "yolo", data, "--out", tmp_path / "a").done()
    assert (tmp_path / "a/images/train/0.jpg").is_file()
    lad("data", "export", "voc", data / "annotations/train.json", "--out", tmp_path / "b").done()
    assert (tmp_path / "b/Annotations/0.xml").is_file()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("coco", "--data", "data"), "invalid value for 'FORMAT'"),
        (("yolo",), "give either --data DIR or --annotations FILE"),
        (("yolo", "data", "--data", "data"), "name one source, not --data or --annotations"),
        (("yolo", "gone"), "gone: no such data folder"),
        (("yolo", "--data", "gone"), "gone: no such data folder; check --data"),
        (("voc", "--annotations", "gone.json"), "gone.json: no such file; check the name"),
        (("voc", "--data", "data", "--out", "src"), "src: exists and is not empty: it holds"),
        (("voc", "--data", "data", "--out", "data"), "data: exists and is not empty: it holds"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = () if "--out" in arguments else ("--out", "out")
    assert why in refused_untouched(tmp_path, "data", "export", *arguments, *given, "--overwrite")
