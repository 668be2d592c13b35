from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ladcli.errors import UserError
from ladcli.stages.report import Report, report
from tests.evaluate.report.markup import Node, parse, rows_of
from tests.evaluate.report.runs import write_probe, write_run
from tests.stages.tiny import contents

MAX_BYTES = 5_000_000


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    return write_run(tmp_path / "lad", data)


def page(written: Report) -> Node:
    return parse(written.path.read_text(encoding="utf-8").removeprefix("<!doctype html>"))


def headings(shown: Node, name: str = "h2") -> list[str]:
    return [h.text for h in shown.all(name)]


def coco(shown: Node) -> list[list[str]]:
    return next(rows_of(t) for t in shown.all("table") if t.one("caption").text == "COCO metrics")


def test_page_of_a_run_lies_in_its_folder_and_nothing_else_changes(run: Path) -> None:
    before = contents(run)
    written = report([run])
    assert written == Report(run / "report.html", ())
    assert {k: v for k, v in contents(run).items() if k != "report.html"} == before
    shown = page(written)
    assert headings(shown) == ["Options", "Learning curves", "Results on val"]
    assert headings(shown, "h3") == [
        "COCO metrics", "AP per class", "Precision and recall", "What kinds of error cost (TIDE)",
        "Worst images",
    ]  # fmt: skip
    stats = json.loads((run / "eval/model/val/metrics.json").read_text())["coco"]["stats"]
    assert coco(shown)[1][1] == f"{100 * stats[0]:.1f}"
    pictures = [i.attributes["src"] or "" for i in shown.all("img")]
    assert len(pictures) == 4  # every validation image has losses
    assert all(src.startswith("data:image/jpeg;base64,") for src in pictures)


def test_the_same_run_gives_the_same_page(run: Path, tmp_path: Path) -> None:
    one, other = (report([run], out=tmp_path / f"{name}.html") for name in "ab")
    assert one.path.read_bytes() == other.path.read_bytes()


def test_page_of_a_real_training(teacher_run: Path, tmp_path: Path) -> None:
    written = report([teacher_run], out=tmp_path / "page.html")
    shown = page(written)
    assert "PAA" in shown.one("dl").text
    sections = ["Options", "Learning curves", "Results on val", "Label assignment"]
    assert headings(shown) == sections
    assert "AP on val by epoch" in shown.text
    assert written.notes == ()
    assert written.path.stat().st_size < MAX_BYTES


def test_run_that_was_never_evaluated(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "lad", data, sets=())
    written = report([run])
    assert "lad eval --checkpoint" in written.notes[0]
    assert headings(page(written)) == ["Options", "Learning curves"]


def test_two_networks_stand_side_by_side(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "co", data, networks=("a", "b"), notes={"stage": "colad"})
    shown = page(report([run]))
    assert [row[0] for row in coco(shown)[1:]] == ["network a", "network b"]
    assert "Worst images of network a" in headings(shown, "h3")
    assert "Worst images of network b" in headings(shown, "h3")


def test_damaged_lines_of_the_metrics_are_left_out(run: Path) -> None:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], '{"kind": "tra', "\xff\0", "[1]", "", *lines[2:]]))
    written = report([run])
    (note,) = written.notes
    assert "3 line(s) cannot be read" in note
    assert "first is line 3" in note
    # What follows the damage is there.
    assert "AP, epochs trained 2: 20" in page(written).text


def test_damaged_notes_and_recipe_are_remarks(run: Path) -> None:
    (run / "run.json").write_text("{")
    (run / "recipe.yaml").write_text("optim: {speed: 3}\n")
    written = report([run])
    assert "run.json: is damaged" in written.notes[0]
    assert "unknown key optim.speed" in written.notes[1]
    assert "no data folder is known; name it with --data" in written.notes[2]
    assert len(list(page(written).all("p", "remark"))) == 3


def test_data_of_another_place_can_be_named(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "lad", data)
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(data), "gone/away"))
    lost = report([run])
    assert "gone/away: no such data folder" in lost.notes[0]
    assert headings(page(lost), "h3") == ["COCO metrics", "AP per class"]
    assert coco(page(lost)) == coco(page(report([run], data=data)))
    assert report([run], data=data).notes == ()


def test_set_that_the_data_does_not_have(run: Path, data: Path) -> None:
    (run / "eval/model/val").rename(run / "eval/model/other")
    written = report([run])
    assert "no set of this name" in written.notes[0]
    assert "Results on other" in headings(page(written))


def test_only_the_sets_asked_for(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "lad", data, sets=("test", "val"))
    assert headings(page(report([run])))[2:] == ["Results on val", "Results on test"]
    assert headings(page(report([run], set_names=["test"])))[2:] == ["Results on test"]
    with pytest.raises(UserError, match=r"--split train: .* there are: test, val"):
        report([run], set_names=["test", "train"])


def test_probes_of_the_first_and_the_last_epoch(run: Path) -> None:
    for epoch in (0, 1, 2, 10):
        write_probe(run / f"probes/epoch_{epoch:03d}.npz", epoch=epoch, names=("train_00000.jpg",))
    shown = page(report([run]))
    assert headings(shown)[-1] == "Label assignment"
    titles = [
        f.one("b").text for f in shown.all("figure", "photo") if f.one("b").text[:5] == "Epoch"
    ]
    assert titles[::2] == ["Epoch 0, own prices", "Epoch 10, own prices"]
    assert len(list(shown.all("image"))) == 1  # found among the training images


def test_damaged_probes_give_way_to_the_next(run: Path) -> None:
    for epoch in (0, 1, 2):
        write_probe(run / f"probes/epoch_{epoch:03d}.npz", epoch=epoch, names=("train_00000.jpg",))
    (run / "probes/epoch_002.npz").write_bytes(b"PK")
    written = report([run])
    assert "epoch_002.npz: is no probe file" in written.notes[0]
    assert "Epoch 1, own prices" in page(written).text


def test_only_damaged_probes_are_only_remarks(run: Path) -> None:
    (run / "probes").mkdir()
    np.savez(run / "probes/epoch_000.npz", epoch=0)
    written = report([run])
    assert len(written.notes) == 1
    assert "Label assignment" not in headings(page(written))


def test_several_runs_side_by_side(data: Path, tmp_path: Path) -> None:
    paa = write_run(tmp_path / "paa", data, notes={"stage": "pretrain"})
    co = write_run(tmp_path / "co", data, networks=("a", "b"), sets=("val", "test"))
    shown = page(report([paa, co], out=tmp_path / "both.html"))
    assert [row[0] for row in coco(shown)[1:]] == ["paa", "co/a", "co/b"]
    sets = ["Results on val", "Results on test"]
    assert headings(shown) == [*sets, "Learning curves", "Recipes and versions"]
    assert "paa: was not evaluated on test." in shown.text
    stored = [
        json.loads((run / "eval" / net / "val/metrics.json").read_text())["coco"]["stats"][0]
        for run, net in ((paa, "model"), (co, "a"))
    ]
    gain = 100 * (stored[1] - stored[0])
    assert abs(gain) >= 0.05
    sign = "+" if gain > 0 else "−"
    assert coco(shown)[2][1] == f"{100 * stored[1]:.1f} {sign}{abs(gain):.1f}"


def test_runs_of_one_name_are_told_apart_by_their_paths(data: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / seed / "lad", data) for seed in ("0", "1")]
    shown = page(report(runs, out=tmp_path / "both.html"))
    assert [row[0] for row in coco(shown)[1:]] == [str(run) for run in runs]


def test_names_from_outside_are_text(data: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)<"
    run = write_run(tmp_path / evil, data, notes={"classes": [[1, evil]], "command": ["x", evil]})
    metrics = run / "eval/model/val/metrics.json"
    content = json.loads(metrics.read_text())
    content["coco"]["per_class"] = {evil: content["coco"]["per_class"]["disc"]}
    metrics.write_text(json.dumps(content))
    (run / "eval/model/val/predictions.json").unlink()
    text = report([run]).path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert evil in next(parse(text.removeprefix("<!doctype html>")).all("h1")).text


def test_large_pages_stay_below_their_limit(data: Path, tmp_path: Path) -> None:
    networks, sets = ("a", "b"), ("val", "test", "train")
    run = write_run(tmp_path / "co", data, networks=networks, sets=sets)
    lines = [
        {"kind": "train", "step": s, **{f"{n}.{t}": 1.0 + s % 7 for n in networks for t in
         ("loss", "cls", "box", "iou", "soft_cls", "soft_box", "soft_iou", "lr")}}
        for s in range(1, 30_001, 10)
    ]  # fmt: skip
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    names = tuple(f"train_{k:05d}.jpg" for k in range(8))
    for epoch in (0, 12):
        write_probe(run / f"probes/epoch_{epoch:03d}.npz", epoch=epoch, names=names)
    written = report([run])
    assert len(list(page(written).all("img"))) == 6 * 3  # six results, three pictures each
    assert written.path.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("name", ["page.txt", "folder.html"])
def test_target_that_is_no_page_is_refused(run: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UserError, match=r"must name a file that ends in \.html"):
        report([run], out=tmp_path / name)


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        report([tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_comparison_needs_a_place(run: Path) -> None:
    with pytest.raises(UserError, match=r"say where it goes with --out FILE\.html"):
        report([run, run])
