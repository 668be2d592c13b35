from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.invoke import ROOT, lad
from tests.data.corpus import plain, write_images, write_json
from tests.stages.tiny import contents


def write_set(folder: Path, **sets: Any) -> Path:
    """A data folder with the annotations given, by split, and images of their own."""
    (folder / "annotations").mkdir(parents=True)
    for split, content in sets.items():
        (folder / "images" / split).mkdir(parents=True)
        write_images(folder / "images" / split, content)
        write_json(folder / "annotations", content, f"{split}.json")
    return folder


def sound() -> dict[str, Any]:
    content = plain()
    content["annotations"].pop(2)  # it sticks out
    return content


def other() -> dict[str, Any]:
    """A set of other images."""
    content = sound()
    for image in content["images"]:
        image["id"] += 100
    for record in content["annotations"]:
        record["image_id"] += 100
    return content


def test_a_sound_folder(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "d", train=sound(), val=other())
    assert lad("data", "check", "--data", folder).done() == (
        "train: 3 images, 3 boxes, 2 classes\n"
        "val: 3 images, 3 boxes, 2 classes\n"
        "0 errors, 0 warnings, 0 notes\n"
    )


def test_a_folder_for_evaluation_alone(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", test=sound())
    assert lad("data", "check", "--data", folder).done().startswith("test: 3 images, 3 boxes")


def test_errors_come_first_and_end_with_exit_code_2(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] += [
        {"id": 5, "image_id": 9, "category_id": 20, "bbox": [5, 5, 0, 5]},
        {"id": 6, "image_id": 90, "category_id": 20, "bbox": [5, 5, 3, 5]},
    ]
    folder = write_set(tmp_path / "d", train=content)
    shown = lad("data", "check", "--data", folder)
    assert shown.code == 2
    assert [line.split(":")[0] for line in shown.out.splitlines()] == [
        "error", "warning", "note", "train", "1 error, 1 warning, 1 note"
    ]  # fmt: skip
    path = folder / "annotations/train.json"
    assert shown.out.startswith(f"error: {path}: annotation 6 has image_id 90, which is not in")


def test_json_is_one_object(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "d", train=plain())
    found = json.loads(lad("data", "check", "--data", folder, "--json").done())
    assert found["sets"] == [
        {
            "name": "train",
            "annotations": str(folder / "annotations/train.json"),
            "images_dir": str(folder / "images/train"),
            "images": 3,
            "boxes": 4,
            "classes": 2,
        }
    ]
    assert [(f["kind"], f["severity"], f["count"]) for f in found["findings"]] == [
        ("box-sticks-out", "note", 1)
    ]
    assert (found["errors"], found["warnings"], found["notes"]) == (0, 0, 1)


def test_sets_are_compared(tmp_path: Path) -> None:
    val = other()
    val["categories"][0]["name"] = "mug"
    folder = write_set(tmp_path / "d", train=sound(), val=val)
    shutil.copy(folder / "images/train/wide.png", folder / "images/val/wide.png")
    shown = lad("data", "check", "--data", folder)
    assert shown.code == 2
    assert "val has other classes than train: it lacks 'cup' and it has 'mug' besides" in shown.out
    assert "val shares 1 image(s) with train: wide.png = wide.png" in shown.out
    files = [
        argument
        for split in ("train", "val")
        for argument in (
            *("--annotations", folder / f"annotations/{split}.json"),
            *("--images", folder / f"images/{split}"),
        )
    ]
    assert lad("data", "check", *files).out == shown.out


def test_damage_and_orientation(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "d", train=sound())
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.effect_noise((64, 48), 90).save(folder / "images/train/wide.png", "JPEG", exif=exif)
    data = (folder / "images/train/tall.png").read_bytes()
    (folder / "images/train/tall.png").write_bytes(data[: len(data) // 2])
    quick = lad("data", "check", "--data", folder).done()
    assert "1 image(s) have an EXIF orientation, which is not applied: 'wide.png'" in quick
    assert "of another format than their name says" in quick
    whole = lad("data", "check", "--data", folder, "--decode")
    assert whole.code == 2
    assert "1 of 3 image files cannot be decoded" in whole.out


def test_annotations_alone(tmp_path: Path) -> None:
    path = write_json(tmp_path, sound())
    shown = lad("data", "check", "--annotations", path, "--no-images").done()
    assert shown.endswith("0 errors, 0 warnings, 0 notes\n")
    message = lad("data", "check", "--annotations", path).refused()
    assert "--images" in message


def test_small_boxes_at_an_input_size(tmp_path: Path) -> None:
    path = write_json(tmp_path, sound())
    args = ("data", "check", "--annotations", path, "--no-images", "--size")
    assert "overlap no anchor" not in lad(*args, "800").done()
    shown = lad(*args, "48x64").done()
    assert "overlap no anchor by 0.1 at an image size of 48x64" in shown
    assert "--size" in shown


def test_fix_writes_beside_the_old(tmp_path: Path) -> None:
    content = plain()
    content["annotations"][0]["image_id"] = 77
    folder = write_set(tmp_path / "d", train=content)
    before = contents(folder)
    shown = lad("data", "check", "--data", folder, "--fix")
    assert shown.code == 2  # it was found, and the original is as it was
    cleaned = folder / "annotations/train.cleaned.json"
    assert f"cleaned annotations in {cleaned}\n" in shown.out
    assert "1 x dropped, no usable annotation: annotation 1\n" in shown.out
    assert {k: v for k, v in contents(folder).items() if k in before} == before
    again = lad("data", "check", "--annotations", cleaned, "--images", folder / "images/train")
    assert again.done().endswith("0 errors, 0 warnings, 0 notes\n")


def test_a_cleaned_file_is_no_set_of_its_own(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "d", train=plain())
    (folder / "annotations/train.json").rename(folder / "annotations/instances_train2017.json")
    lad("data", "check", "--data", folder, "--fix").done()
    assert (folder / "annotations/instances_train2017.cleaned.json").is_file()
    assert "train: 3 images" in lad("data", "check", "--data", folder).done()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either --data DIR or --annotations FILE"),
        (["--data", "d", "--annotations", "a.json"], "give either"),
        (["--annotations", "a.json", "--no-images", "--decode"], "--decode is about images"),
        (["--annotations", "absent.json", "--no-images"], "no such annotation file"),
        (["--data", "absent"], "absent"),
        (["--annotations", "a.json", "--size", "x", "--no-images"], "--size x"),
        (["--data", "d", "--images", "a", "--images", "b"], "takes one --images"),
    ],
)
def test_bad_options_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path, sound(), "a.json")
    assert words in lad("data", "check", *arguments).refused()


def test_names_cannot_command_the_terminal(tmp_path: Path) -> None:
    content = sound()
    content["categories"][0]["name"] = "cup\x1b[2J"
    val = other()
    folder = write_set(tmp_path / "d", train=content, val=val)
    shown = lad("data", "check", "--data", folder)
    assert shown.code == 2
    assert "\x1b" not in shown.out + shown.err
    assert "\\x1b[2J" in shown.out


def test_it_needs_no_torch(tmp_path: Path) -> None:
    path = write_json(tmp_path, sound())
    program = "import sys; sys.modules['torch'] = None; from ladcli.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "data", "check", "--annotations", path, "--no-images"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
