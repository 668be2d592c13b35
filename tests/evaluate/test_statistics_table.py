"""Statistics as a narrow terminal without color shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ladcli.data.statistics import COUNTED_BOXES, ClassCount, DataStatistics
from ladcli.evaluate.statistics_table import class_table, overview_table, remarks
from tests.data.measured import content_of, measured_set, statistics

IMAGES = [[("cup", [0.0, 0, 16, 16]), ("plate", [0, 0, 128, 32])], []]


def lines(table: Table) -> list[str]:
    console = Console(width=80, no_color=True, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return [line.rstrip() for line in console.export_text().splitlines()]


def three_sets(folder: Path) -> DataStatistics:
    return statistics(
        measured_set(folder, content_of(IMAGES), "train"),
        measured_set(folder, content_of(IMAGES, classes=("plate", "cup")), "val"),
        measured_set(folder, content_of([[]], classes=("cup",)), "test"),
    )


def test_numbers_stand_below_their_sets(tmp_path: Path) -> None:
    found = lines(overview_table(three_sets(tmp_path)))
    assert found[0].split() == ["train", "val", "test"]
    rows = {line[:30].strip(): line[30:].split() for line in found}
    assert rows["images"] == ["2", "2", "1"]
    assert rows["images without boxes"] == ["1", "1", "1"]
    assert rows["boxes"] == ["2", "2", "0"]
    assert rows["boxes per image, median/most"] == ["1/2", "1/2", "0/0"]
    assert rows["small, stored"] == ["50.0", "%", "50.0", "%", "–"]
    assert rows["best anchor on P3"] == ["100.0", "%", "100.0", "%", "–"]
    assert "crowd regions" not in rows
    assert "128x96, 100 %" in "\n".join(found)


def test_what_is_apart_is_shown_where_it_occurs(tmp_path: Path) -> None:
    (one,) = statistics(measured_set(tmp_path, content_of(IMAGES))).sets
    found = DataStatistics(96, 128, ("P3",), (replace(one, crowd=3, difficult=1234),))
    rows = {line[:30].strip(): line[30:].strip() for line in lines(overview_table(found))}
    assert rows["crowd regions"] == "3"
    assert rows["difficult boxes"] == "1,234"
    assert "boxes left out" not in rows


def test_class_that_a_set_lacks_is_marked(tmp_path: Path) -> None:
    found = three_sets(tmp_path)
    rows = [line.split() for line in lines(class_table(found))]
    assert rows[0] == ["train", "train", "val", "val", "test", "test"]
    assert ["cup", "1", "1", "1", "1", "none"] in rows
    assert ["plate", "1", "1", "1", "1", "not", "known"] in rows
    assert remarks(found) == ["test: no box of cup, plate, which another set has."]


def test_many_classes_are_cut_in_the_middle(tmp_path: Path) -> None:
    (one,) = statistics(measured_set(tmp_path, content_of(IMAGES))).sets
    classes = tuple(ClassCount(k, f"c{k}", 1000 - k, 1) for k in range(300))
    found = DataStatistics(96, 128, ("P3",), (replace(one, classes=classes),))
    shown = lines(class_table(found))
    assert len([line for line in shown if line.startswith("c") and line[1].isdigit()]) == 50
    assert remarks(found)[0].startswith("300 classes: shown are the 25 most and the 25 least")


def test_names_are_no_markup(tmp_path: Path) -> None:
    name = "[bold]cup[/bold]"
    content = content_of([[(name, [0.0, 0, 9, 9])]], classes=(name,))
    found = statistics(measured_set(tmp_path, content))
    assert any(line.startswith(name) for line in lines(class_table(found)))


def test_remarks(tmp_path: Path) -> None:
    (one,) = statistics(measured_set(tmp_path, content_of(IMAGES))).sets
    bad = tuple((f"{k}.png", "is empty") for k in range(4))
    odd = replace(one, above_counted=1, looked_at=9, images=50, unreadable=bad)
    assert remarks(DataStatistics(96, 128, ("P3",), (odd,))) == [
        f"train: 1 image of more than {COUNTED_BOXES} boxes; AP takes {COUNTED_BOXES} detections "
        "of an image, so it cannot reach 100 there.",
        "train: 4 images of the 9 decoded cannot be used: 0.png: is empty | 1.png: is empty | "
        "2.png: is empty | ...",
        "Brightness (mean luma, 0 to 255) is that of a sample: 9 of 50 in train.",
    ]
