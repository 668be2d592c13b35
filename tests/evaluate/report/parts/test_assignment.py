from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ladcli.evaluate.report.parts.assignment import (
    MAX_COMPARED_IMAGES,
    MAX_IMAGES,
    assignment_comparison,
    assignment_section,
)
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.runs.probe_file import read_probe
from tests.evaluate.report.markup import Node, parse
from tests.evaluate.report.runs import NOTES, method, probe_arrays, write_probe


def record(
    folder: Path,
    *epochs: int,
    names: tuple[str, ...] = ("a.jpg",),
    teacher: bool = True,
    **notes: Any,
) -> RunRecord:
    probes = []
    for epoch in epochs:
        path = folder / f"epoch_{epoch:03d}.npz"
        probes.append(read_probe(write_probe(path, epoch=epoch, names=names, teacher=teacher)))
    return RunRecord("run", {**NOTES, **notes}, None, [], probes=probes, probe_images=[folder])


def panels(shown: Node) -> list[Node]:
    return list(shown.all("svg", "probe"))


def test_first_and_last_epoch_by_both_prices(tmp_path: Path) -> None:
    Image.new("RGB", (256, 192), (90, 120, 60)).save(tmp_path / "a.jpg")
    shown = parse(assignment_section(record(tmp_path, 0, 12)))
    titles = [f.one("b").text for f in shown.all("figure", "photo")]
    assert titles == [
        "Epoch 0, own prices", "Epoch 0, teacher's prices",
        "Epoch 12, own prices", "Epoch 12, teacher's prices",
    ]  # fmt: skip
    # One photo, to which all panels refer.
    (photo,) = shown.all("image")
    assert (photo.attributes["href"] or "").startswith("data:image/jpeg;base64,")
    assert {p.one("use").attributes["href"] for p in panels(shown)} == {"#probe-0"}


def test_labels_of_a_cache_without_costs_are_shown_and_the_lack_is_told(tmp_path: Path) -> None:
    arrays = probe_arrays(epoch=3, names=("a.jpg",), prices=False)
    np.savez(tmp_path / "epoch_003.npz", **arrays)
    run = RunRecord("run", NOTES, None, [], probes=[read_probe(tmp_path / "epoch_003.npz")])
    shown = parse(assignment_section(run))
    own, teacher = panels(shown)
    assert len(list(own.all("circle", "positive"))) == 2
    assert len(list(teacher.all("circle", "positive"))) == 2
    told = [f.text for f in shown.all("figure") if "holds its labels, not its costs" in f.text]
    assert len(told) == 2  # one for each object
    assert all("Epoch 3, teacher's prices" in text for text in told)


def test_of_two_networks_each_is_named(tmp_path: Path) -> None:
    run = record(tmp_path, 0)
    both = replace(run, notes={**NOTES, "first_teacher": "b"})
    titles = [f.one("b").text for f in parse(assignment_section(both)).all("figure", "photo")]
    assert titles == ["Epoch 0, network a's prices", "Epoch 0, network b's prices"]


def test_objects_are_named_by_class_and_numbered_from_large_to_small(tmp_path: Path) -> None:
    shown = parse(assignment_section(record(tmp_path, 0)))
    assert [h.text for h in shown.all("h4")] == ["Object 1: triangle", "Object 2: disc"]
    assert [t.text for t in panels(shown)[0].all("text", "mark")] == ["1", "2"]


def test_missing_image_leaves_boxes_on_a_plain_ground(tmp_path: Path) -> None:
    shown = parse(assignment_section(record(tmp_path, 0)))
    assert "the image was not found" in shown.one("p", "remark").text
    assert len(list(panels(shown)[0].all("rect", "blank"))) == 1
    assert not list(shown.all("use"))


def test_names_that_leave_the_folder_are_not_opened(tmp_path: Path) -> None:
    Image.new("RGB", (128, 96)).save(tmp_path / "secret.jpg")
    inside = tmp_path / "images"
    shown = parse(assignment_section(record(inside, 0, names=("../secret.jpg",))))
    assert "leaves the image folder" in shown.one("p", "remark").text
    assert not list(shown.all("image"))


def test_no_more_images_than_a_page_can_hold(tmp_path: Path) -> None:
    names = tuple(f"{k}.jpg" for k in range(MAX_IMAGES + 3))
    shown = parse(assignment_section(record(tmp_path, 0, names=names)))
    assert len(list(shown.all("h3"))) == MAX_IMAGES


def test_without_probes_there_is_no_section() -> None:
    assert assignment_section(RunRecord("run", {}, None, [])) == ""


def test_probe_without_prices_is_no_section(tmp_path: Path) -> None:
    arrays = probe_arrays(epoch=0, names=("a.jpg",), teacher=False)
    kept = {name: array for name, array in arrays.items() if not name.startswith("own")}
    np.savez(tmp_path / "epoch_000.npz", **kept)
    run = RunRecord("run", {}, None, [], probes=[read_probe(tmp_path / "epoch_000.npz")])
    assert assignment_section(run) == ""
    assert assignment_comparison([method("A", run), method("B", run)]) == ""


@pytest.mark.parametrize(
    ("first", "sources"), [("a", ("teacher", "own")), ("b", ("own", "teacher"))]
)
def test_prices_of_two_networks_are_named_by_them(
    tmp_path: Path, first: str, sources: tuple[str, str]
) -> None:
    """A probe of CoLAD calls the network that began as the teacher so, whichever it was."""
    arrays = probe_arrays(epoch=0, names=("a.jpg",))
    arrays["own_positive_gt"], arrays["own_positive_center"] = np.array([0]), np.zeros((1, 2))
    arrays["own_positive_stride"] = np.array([8])
    np.savez(tmp_path / "epoch_000.npz", **arrays)
    probe = read_probe(tmp_path / "epoch_000.npz")
    run = RunRecord("co", {**NOTES, "first_teacher": first}, None, [], probes=[probe])
    positives = {"own": "1 positive for 2 objects", "teacher": "2 positives for 2 objects"}
    own = {
        net: f"network {net}'s prices {positives[s]}" for net, s in zip("ab", sources, strict=True)
    }
    alone = captions(parse(assignment_section(run)))
    assert sorted(alone) == [f"Epoch 0, {own['a']}", f"Epoch 0, {own['b']}"]
    # Side by side, each shows its own; and both where the other is no method of the comparison.
    both = [MethodRecord(f"co/{net}", (Part(run, net),)) for net in ("a", "b")]
    shown = captions(parse(assignment_comparison(both)))
    assert shown == [f"co/a, {own['a']}", f"co/b, {own['b']}"]
    paa = method("PAA", RunRecord("paa", NOTES, None, [], probes=[probe]))
    shown = captions(parse(assignment_comparison([both[1], paa])))
    assert sorted(shown[:2]) == [f"co/b, {own['a']}", f"co/b, {own['b']}"]
    assert len(shown) == 4


def captions(shown: Node) -> list[str]:
    return [f.one("figcaption").text for f in shown.all("figure", "photo")]


def titles(shown: Node) -> list[str]:
    return [f.one("b").text for f in shown.all("figure", "photo")]


class TestComparison:
    """Methods side by side."""

    def test_last_probe_of_the_first_run_of_every_method(self, tmp_path: Path) -> None:
        paa = record(tmp_path / "paa", 0, 12, teacher=False)
        lad, more = (record(tmp_path / name, 0, epoch) for name, epoch in (("lad", 9), ("x", 12)))
        Image.new("RGB", (256, 192), (90, 120, 60)).save(tmp_path / "paa" / "a.jpg")
        shown = parse(assignment_comparison([method("PAA", paa), method("LAD", lad, more)]))
        assert titles(shown) == ["PAA, own prices", "LAD, own prices", "LAD, teacher's prices"]
        # The photo of the first run is that of all panels.
        assert len(list(shown.all("image"))) == 1
        assert {p.one("use").attributes["href"] for p in panels(shown)} == {"#probe-0"}
        costs = [f.one("b").text for f in shown.all("figure")][3:]
        assert costs == 2 * titles(shown)  # two objects

    def test_without_two_methods_that_have_probes_there_is_no_section(self, tmp_path: Path) -> None:
        probed, bare = record(tmp_path, 0), RunRecord("bare", NOTES, None, [])
        assert assignment_comparison([method("A", probed), method("B", bare)]) == ""
        assert assignment_comparison([method("A", bare), method("B", bare)]) == ""
        three = [method("A", bare), method("B", probed), method("C", probed)]
        assert titles(parse(assignment_comparison(three)))[::2] == [
            "B, own prices", "C, own prices",
        ]  # fmt: skip

    def test_images_that_all_have_and_no_more_than_a_page_can_hold(self, tmp_path: Path) -> None:
        names = tuple(f"{k}.jpg" for k in range(MAX_COMPARED_IMAGES + 3))
        one = method("A", record(tmp_path / "a", 0, names=names))
        two = method("B", record(tmp_path / "b", 0, names=names[1:]))
        shown = parse(assignment_comparison([one, two]))
        assert [h.text for h in shown.all("h3")] == list(names[1 : MAX_COMPARED_IMAGES + 1])
        other = method("C", record(tmp_path / "c", 0, names=("other.jpg",)))
        assert assignment_comparison([one, other]) == ""

    def test_objects_are_those_of_the_first_method(self, tmp_path: Path) -> None:
        """Other data may have other class names, and the boxes in other sizes."""
        first = record(tmp_path / "first", 0, teacher=False)
        arrays = probe_arrays(epoch=0, names=("a.jpg",), teacher=False)
        arrays["gt_box"] = np.array([[10, 10, 20, 20], [30, 20, 90, 80]], dtype=np.float32)
        arrays["gt_label"] = np.array([0, 1])
        np.savez(tmp_path / "epoch_000.npz", **arrays)
        probe = read_probe(tmp_path / "epoch_000.npz")
        notes = {**NOTES, "classes": [[1, "x"], [2, "y"]]}
        second = RunRecord("second", notes, None, [], probes=[probe])
        shown = parse(assignment_comparison([method("A", first), method("B", second)]))
        assert [h.text for h in shown.all("h4")] == ["Object 1: triangle", "Object 2: disc"]
        marks = [[t.text for t in panel.all("text", "mark")] for panel in panels(shown)]
        assert marks == [["1", "2"], ["1", "2"]]
        corners = [panel.one("text", "mark").number("x") for panel in panels(shown)]
        assert corners[0] == corners[1]  # the same box is number 1, though B's other is larger

    def test_box_that_another_method_lacks_is_left_out(self, tmp_path: Path) -> None:
        first = record(tmp_path / "first", 0, teacher=False)
        arrays = probe_arrays(epoch=0, names=("a.jpg",), teacher=False)
        half = ("cost", "sample_positive", "means", "variances", "weights")
        for name in ("gt_image", "gt_box", "gt_label", *(f"own_{part}" for part in half)):
            arrays[name] = arrays[name][:1]
        np.savez(tmp_path / "epoch_000.npz", **arrays)
        second = RunRecord("b", {}, None, [], probes=[read_probe(tmp_path / "epoch_000.npz")])
        shown = parse(assignment_comparison([method("A", first), method("B", second)]))
        assert [[t.text for t in p.all("text", "mark")] for p in panels(shown)] == [
            ["1", "2"],
            ["1"],
        ]

    def test_names_are_text(self, tmp_path: Path) -> None:
        evil = "<script>alert(1)</script>"
        run = record(tmp_path, 0, names=(evil.replace("/", ""),), classes=[[1, evil]] * 3)
        markup = assignment_comparison([method(evil, run), method("B", run)])
        assert "<script>" not in markup
        assert titles(parse(markup))[0] == f"{evil}, own prices"
