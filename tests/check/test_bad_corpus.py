"""Every odd file of the corpus is met as its README says, by `lad data check --decode`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import places
from tests.cli.invoke import lad

BAD = places.shared_dir() / "data/bad"

#: What becomes of a file: the worst severity, or nothing to say.
SEVERITIES = ("error", "warning", "note")


def readme_rows(folder: str) -> dict[str, str]:
    """Names of a folder's table with the words of its last column."""
    file = BAD / "README.md"
    if not file.exists():
        return {}
    section = file.read_text(encoding="utf-8").split(f"## {folder}/")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|.*\| (.+) \|$", section, re.MULTILINE)
    found: dict[str, str] = {}
    for name, words in rows:
        # "same" is as the row above it.
        found[name.rstrip("/")] = list(found.values())[-1] if words.startswith("same") else words
    return found


IMAGES, ANNOTATIONS = readme_rows("images"), readme_rows("json")


def allowed(words: str) -> set[str]:
    """The outcomes that a README's words leave open."""
    outcomes: set[str] = set()
    if "accept" in words:
        outcomes |= {"sound", "note", "warning"}
    if "reject" in words or "as truncated.jpg" in words:
        outcomes |= {"error"}
    if "warn" in words or "note" in words:  # one message that names the record
        outcomes |= {"error", "warning", "note"}
    if "cannot be told from sound" in words or "by the EXIF rule" in words:
        outcomes |= {"sound", *SEVERITIES}
    return outcomes


def outcome(annotations: Path, images: Path) -> tuple[str, list[dict[str, Any]]]:
    """The worst that `lad data check` says, and all of its findings."""
    shown = lad(
        "data", "check", "--annotations", annotations, "--images", images, "--decode", "--json"
    )
    assert shown.err == ""
    findings = json.loads(shown.out)["findings"]
    assert all("\n" not in f["text"] and "\0" not in f["text"] for f in findings)
    worst = next((s for s in SEVERITIES if any(f["severity"] == s for f in findings)), "sound")
    assert shown.code == (2 if worst == "error" else 0)
    return worst, findings


def test_the_corpus_is_whole(shared: Path) -> None:
    del shared  # only asked for, so that the test is skipped without it
    assert {path.name for path in (BAD / "images").iterdir()} == IMAGES.keys()
    assert {path.name for path in (BAD / "json").iterdir()} == ANNOTATIONS.keys()
    assert (len(IMAGES), len(ANNOTATIONS)) == (28, 90)


@pytest.mark.parametrize("name", sorted(ANNOTATIONS))
def test_annotations(shared: Path, name: str) -> None:
    del shared
    words = ANNOTATIONS[name]
    if words.startswith("as for that image"):
        stem = name.removeprefix("with_").removesuffix(".json")
        words = IMAGES[".".join(stem.rsplit("_", 1))]
    worst, findings = outcome(BAD / "json" / name, BAD / "images")
    assert worst in allowed(words), (words, findings)
    if name == "size_swapped_exif.json":
        assert "EXIF" in findings[0]["text"]
    if worst == "error":
        assert findings[0]["file"] == str(BAD / "json" / name)


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_images(shared: Path, tmp_path: Path, name: str) -> None:
    del shared
    worst, findings = outcome(annotations_of(BAD / "images" / name, tmp_path), BAD / "images")
    assert worst in allowed(IMAGES[name]), (IMAGES[name], findings)
    if worst == "error":
        assert name in findings[0]["text"]


def annotations_of(image: Path, folder: Path) -> Path:
    """Annotations of one image, with the size of its header where it has one."""
    try:
        with Image.open(image) as opened:
            width, height = opened.size
    except (OSError, Image.DecompressionBombError):
        width, height = 96, 64
    box = [0, 0, width, height]
    content = {
        "images": [{"id": 1, "file_name": image.name, "width": width, "height": height}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": "thing"}],
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
