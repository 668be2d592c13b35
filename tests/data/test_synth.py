from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.folder import find_split
from ladcli.data.image_check import check_files
from ladcli.data.index import load_index
from ladcli.data.synth import write_synthetic
from ladcli.errors import UserError
from ladcli.recipe.schema import DataConfig

SMALL: dict[str, Any] = {
    "train": 6, "val": 3, "test": 0, "size": (160, 120), "classes": 8, "seed": 5, "objects": (1, 6),
}  # fmt: skip


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_set_is_sound_and_found(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "shapes", **SMALL)
    data = DataConfig(dir=str(tmp_path / "shapes"))
    for split, count in (("train", 6), ("val", 3)):
        files = find_split(data, split)  # type: ignore[arg-type]
        assert files is not None
        index = check_files(load_index(files.annotations, files.images), skip_bad=False)
        assert len(index) == count
        assert len(index.boxes) > 0
        assert not [note for note in index.notes if "no annotation" not in note]
        assert index.classes.ids == (1, 3, 7, 8, 13, 21, 34, 55)
    assert find_split(data, "test") is None
    assert not list(tmp_path.glob(".*"))


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_synthetic(tmp_path / name, **SMALL)
    write_synthetic(tmp_path / "c", **{**SMALL, "seed": 6})
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_ids_are_awkward_and_disjoint(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "s", **SMALL)
    ids = {}
    for split in ("train", "val"):
        content = json.loads((tmp_path / f"s/annotations/{split}.json").read_text())
        ids[split] = [image["id"] for image in content["images"]]
    assert ids["train"] != sorted(ids["train"])
    assert not set(ids["train"]) & set(ids["val"])


def test_fewer_classes_are_the_first_ones(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "s", **{**SMALL, "classes": 2})
    content = json.loads((tmp_path / "s/annotations/train.json").read_text())
    assert [category["id"] for category in content["categories"]] == [1, 3]
    assert {annotation["category_id"] for annotation in content["annotations"]} <= {1, 3}


def test_earlier_set_is_replaced_only_on_request(tmp_path: Path) -> None:
    out = tmp_path / "s"
    out.mkdir()
    write_synthetic(out, **SMALL)  # an empty folder is in nobody's way
    before = digests(out)
    with pytest.raises(UserError, match="not empty: it holds a synthetic set; replace it with --o"):
        write_synthetic(out, **SMALL)
    assert digests(out) == before
    write_synthetic(out, **{**SMALL, "train": 2, "val": 0}, overwrite=True)
    assert sorted(digests(out)) == [
        "annotations/train.json", "images/train_00000.jpg", "images/train_00001.jpg",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(
    "name", ["mine.txt", "images/me.jpg", "images/train_00042.jpg", "annotations/mine.json", "x/y"]
)
def test_strangers_file_is_never_deleted(tmp_path: Path, name: str) -> None:
    out = tmp_path / "s"
    write_synthetic(out, **SMALL)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_bytes(b"precious")
    before = digests(out)
    for overwrite in (False, True):
        with pytest.raises(UserError) as caught:
            write_synthetic(out, **SMALL, overwrite=overwrite)
        assert f"it holds {name.removesuffix('/y')}, which is not of a synthetic" in str(
            caught.value
        )
    assert digests(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_strangers_data_set_is_never_deleted(tmp_path: Path) -> None:
    out = tmp_path / "s"
    write_synthetic(out, **SMALL)
    path = out / "annotations" / "train.json"
    path.write_text(path.read_text().replace("synthetic shapes", "my photos"))
    before = digests(out)
    with pytest.raises(UserError, match=r"it holds annotations/train\.json, which is not of a syn"):
        write_synthetic(out, **SMALL, overwrite=True)
    assert digests(out) == before


def test_links_are_never_followed(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "s", **SMALL)
    (tmp_path / "link").symlink_to(tmp_path / "s")
    (tmp_path / "t").mkdir()
    (tmp_path / "t/images").symlink_to(tmp_path / "s/images")
    before = digests(tmp_path / "s")
    for name, words in (("link", "is a link"), ("t", "it holds images, which")):
        with pytest.raises(UserError, match=words):
            write_synthetic(tmp_path / name, **SMALL, overwrite=True)
    assert digests(tmp_path / "s") == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": 0}, "classes"),
        ({"classes": 9}, "classes"),
        ({"train": -1}, "train"),
        ({"train": 0, "val": 0}, "no images"),
        ({"size": (10, 200)}, "size"),
        ({"objects": (5, 2)}, "objects"),
        ({"seed": -1}, "seed"),
        ({"sides": (0.5, 0.1)}, "sides"),
        ({"clutter": 1.5}, "clutter"),
    ],
)
def test_values_out_of_range(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        write_synthetic(tmp_path / "s", **{**SMALL, **change})
    assert not list(tmp_path.iterdir())
