"""What is asked of a set beyond the rules of reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ladcli.check.checked_set import check_annotations
from ladcli.data.findings import Finding
from tests.data.corpus import plain, write_json


def findings(folder: Path, content: Any) -> dict[str, Finding]:
    found = check_annotations("t", write_json(folder, content), None).findings.found
    return {finding.kind: finding for finding in found}


def boxes(count: int, image: int = 9, category: int = 20, first: int = 100) -> list[dict[str, Any]]:
    return [
        {
            "id": first + i,
            "image_id": image,
            "category_id": category,
            "bbox": [i % 50, i % 40, 9, 8],
        }
        for i in range(count)
    ]


def test_an_image_with_more_objects_than_are_counted(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] = boxes(100)
    assert "image-crowded" not in findings(tmp_path, content)
    content["annotations"] += [*boxes(20, first=300), *boxes(1, image=4, first=400)]
    found = findings(tmp_path, content)["image-crowded"]
    assert (found.count, found.examples) == (1, ("image 9",))
    assert "image 9: 120" in found.text
    assert "20 of 121 objects cannot be found" in found.text
    for record in content["annotations"][:30]:
        record["iscrowd"] = 1
    assert "image-crowded" not in findings(tmp_path, content)


def test_rare_classes_are_named_in_sets_of_some_size(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] = [*boxes(30), *boxes(2, category=10, first=200)]
    assert "class-rare" not in findings(tmp_path, content)
    content["images"] += [
        {"id": 100 + i, "file_name": f"{i}.png", "width": 9, "height": 9} for i in range(8)
    ]
    assert "plate (2)" in findings(tmp_path, content)["class-rare"].text


def test_a_set_without_boxes_is_told(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] = []
    assert findings(tmp_path, content)["no-boxes"].severity == "warning"
    content["annotations"] = [{**record, "iscrowd": 1} for record in boxes(2)]
    assert "every box is a crowd region" in findings(tmp_path, content)["no-boxes"].text


def test_thin_boxes_and_absurd_numbers(tmp_path: Path) -> None:
    content = plain()
    content["annotations"] = boxes(10_001)
    content["annotations"][0]["bbox"] = [5, 5, 0.05, 9]
    found = findings(tmp_path, content)
    assert found["box-thin"].examples == ("annotation 100",)
    assert "image-too-many-boxes" not in found
    content["annotations"] += boxes(1, first=20_000)
    assert findings(tmp_path, content)["image-too-many-boxes"].severity == "error"


def test_a_file_that_makes_no_sense_is_one_finding(tmp_path: Path) -> None:
    found = check_annotations("t", write_json(tmp_path, [1]), None)
    assert [(f.kind, f.severity) for f in found.findings.found] == [("file-unusable", "error")]
    assert found.summary()["images"] == 0


def test_an_image_too_large_to_be_decoded_is_named_without_its_file(tmp_path: Path) -> None:
    content = plain()
    content["images"][0] |= {"width": 99_999, "height": 99_999}
    found = findings(tmp_path, content)["image-too-large"]
    assert (found.severity, found.examples) == ("error", ("image 9",))
    assert "image 9 of 99999x99999" in found.text
