from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile, read_coco
from ladcli.errors import UserError
from ladcli.evaluate import measurements as module
from ladcli.evaluate.measurements import Measurements
from ladcli.evaluate.report.html import Html
from ladcli.runs.find_results import MethodResults, ResultsOf
from ladcli.stages.report import Report, compare_report, page_target, report
from tests.evaluate.report.markup import Node, figures, parse, rows_of, table_of
from tests.evaluate.report.runs import write_evaluation, write_probe, write_run
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
    assert headings(shown) == [
        "What training cost", *sets, "Learning curves", "Recipes and versions",
    ]  # fmt: skip
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
    with pytest.raises(UserError, match=r"name a file that ends in \.html"):
        report([run], out=tmp_path / name)


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        report([tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_a_run_given_twice_is_refused(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "x" / ".." / run.name
    (tmp_path / "x").mkdir()
    with pytest.raises(UserError, match=r"/x/\.\./lad: is given twice; leave one out"):
        report([run, again], out=tmp_path / "page.html")


def test_comparison_needs_a_place(run: Path) -> None:
    with pytest.raises(UserError, match=r"say where it goes with --out FILE\.html"):
        report([run, run])


def test_target_is_a_page_beside_runs(run: Path, tmp_path: Path) -> None:
    assert page_target([run], None) == run / "report.html"
    assert page_target([run, run], tmp_path / "both.htm") == tmp_path / "both.htm"


def stored(run: Path, network: str = "model", split: str = "val") -> float:
    """AP as the run recorded it."""
    path = run / "eval" / network / split / "metrics.json"
    average: float = json.loads(path.read_text())["coco"]["stats"][0]
    return average


def method(name: str, runs: tuple[tuple[Path, str], ...]) -> MethodResults:
    """A method of run folders and their networks."""
    return MethodResults(
        name,
        tuple(
            ResultsOf(str(folder), folder / "eval" / net / "val/predictions.json", None, name, name,
                      (folder, net))
            for folder, net in runs
        ),
    )  # fmt: skip


class TestSeveralRuns:
    """Odd runs beside sound ones."""

    def test_only_the_network_that_was_evaluated(
        self, run: Path, data: Path, tmp_path: Path
    ) -> None:
        co = write_run(tmp_path / "co", data, networks=("a", "b"))
        shutil.rmtree(co / "eval/a")
        shown = page(report([run, co], out=tmp_path / "both.html"))
        assert [row[0] for row in coco(shown)[1:]] == ["lad", "co/b"]

    def test_networks_that_were_only_trained_have_curves(
        self, run: Path, data: Path, tmp_path: Path
    ) -> None:
        co = write_run(tmp_path / "co", data, networks=("a", "b"))
        shutil.rmtree(co / "eval")
        written = report([run, co], out=tmp_path / "both.html")
        (note,) = written.notes
        assert note.startswith("co: no set was evaluated; lad eval --checkpoint")
        shown = page(written)
        assert [row[0] for row in table_of(shown, "Methods")[1:]] == ["lad", "co/a", "co/b"]
        assert [row[0] for row in coco(shown)[1:]] == ["lad"]
        dots = [t.text for t in figures(shown)["AP on val by epoch"].all("title")]
        assert [dot.split(",")[0] for dot in dots] == 2 * ["lad"] + 2 * ["co/a"] + 2 * ["co/b"]
        assert "co/b: was not evaluated on val." in shown.text

    def test_run_without_the_set_that_was_asked_for(
        self, run: Path, data: Path, tmp_path: Path
    ) -> None:
        other = write_run(tmp_path / "other", data, sets=("test",))
        written = report([run, other], set_names=["val"], out=tmp_path / "both.html")
        (note,) = written.notes
        assert note.startswith("other: none of the sets shown here was evaluated; lad eval")
        assert [row[0] for row in coco(page(written))[1:]] == ["lad"]

    def test_run_of_which_nothing_is_left_but_its_results(
        self, run: Path, data: Path, tmp_path: Path
    ) -> None:
        bare = write_run(tmp_path / "bare", data)
        for name in ("recipe.yaml", "metrics.jsonl"):
            (bare / name).unlink()
        (bare / "run.json").write_text("{")
        written = report([run, bare], out=tmp_path / "both.html")
        assert [note.split(";")[0].split(": ")[1] for note in written.notes] == [
            "is damaged, so status and versions are unknown.",
            "no such file, so the options are unknown.",
            "no data folder is known",
        ]
        shown = page(written)
        told = [p.text for p in shown.all("p", "remark")]
        assert told[2].startswith("bare: val: no data folder is known; name it with --data")
        assert table_of(shown, "Methods")[2][0] == "bare"
        assert coco(shown)[2][1] == f"{100 * stored(bare):.1f} +0.0"
        assert "Images that changed most" not in headings(shown, "h3")

    def test_the_same_data_by_another_path_is_the_same_ground_truth(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(data.parent)
        runs = [
            write_run(tmp_path / name, place)
            for name, place in (("one", data), ("two", Path(data.name)))
        ]
        truth = read_coco(data / "annotations/val.json")
        write_evaluation(runs[1] / "eval/model/val", truth, seed=1)
        read: list[Path] = []

        def counted(path: Path, **options: Any) -> CocoFile:
            read.append(path)
            return read_coco(path, **options)

        monkeypatch.setattr(module, "read_coco", counted)
        shown = page(report(runs, out=tmp_path / "both.html"))
        assert len(read) == 1
        assert "Images that changed most" in headings(shown, "h3")
        assert not list(shown.all("p", "remark"))

    def test_runs_on_other_data_are_told_apart(self, run: Path, data: Path, tmp_path: Path) -> None:
        shutil.copytree(data, tmp_path / "other")
        path = tmp_path / "other/annotations/val.json"
        content = json.loads(path.read_text())
        content["annotations"].pop()
        path.write_text(json.dumps(content))
        other = write_run(tmp_path / "x", tmp_path / "other")
        shown = page(report([run, other], out=tmp_path / "both.html"))
        assert shown.one("p", "remark").text == (
            "x: was measured on other ground truth than lad (boxes or areas in the same images "
            "differ), so their differences say nothing."
        )
        assert "Images that changed most" not in headings(shown, "h3")


class TestComparedMethods:
    """The page of `lad compare`."""

    @pytest.fixture
    def seeds(self, data: Path, tmp_path: Path) -> list[Path]:
        """Three runs that find other objects."""
        runs = [
            write_run(tmp_path / f"lad-seed{seed}", data, notes={"seed": seed}) for seed in range(3)
        ]
        truth = read_coco(data / "annotations/val.json")
        for seed, folder in enumerate(runs):
            write_evaluation(folder / "eval/model/val", truth, seed=10 + seed)
        return runs

    def shown(self, tmp_path: Path, *methods: MethodResults, **options: Any) -> tuple[Report, Node]:
        written = compare_report(
            methods, Measurements(), set_name="val", out=tmp_path / "page.html", **options
        )
        return written, page(written)

    def test_runs_of_a_method_are_averaged(
        self, run: Path, seeds: list[Path], tmp_path: Path
    ) -> None:
        paa = method("PAA", ((run, "model"),))
        lad = method("LAD", tuple((folder, "model") for folder in seeds))
        written, shown = self.shown(tmp_path, paa, lad)
        assert written == Report(tmp_path / "page.html", ())
        averages = [100 * stored(folder) for folder in seeds]
        mean, spread = np.mean(averages), np.std(averages, ddof=1)
        gain = mean - 100 * stored(run)
        sign = "+" if gain > 0 else "−"
        assert coco(shown)[2][:2] == [
            "LAD (3 runs)", f"{mean:.1f} ±{spread:.1f} {sign}{abs(gain):.1f}",
        ]  # fmt: skip
        assert table_of(shown, "Methods")[2][2:4] == [
            "lad-seed0, lad-seed1, lad-seed2", "0, 1, 2",
        ]  # fmt: skip
        assert "Circles are single runs" in figures(shown)["AP per class"].text
        assert "Images that changed most" in headings(shown, "h3")

    def test_one_run_may_stand_in_two_methods(self, run: Path, tmp_path: Path) -> None:
        methods = [method(name, ((run, "model"),)) for name in "AB"]
        _, shown = self.shown(tmp_path, *methods)
        assert coco(shown)[2][1] == f"{100 * stored(run):.1f} +0.0"
        assert "Images in which B loses less than A: none." in shown.text

    def test_only_the_network_and_the_set_that_were_compared(
        self, run: Path, data: Path, tmp_path: Path
    ) -> None:
        """What is wrong with the other network's results is nobody's concern."""
        co = write_run(tmp_path / "co", data, networks=("a", "b"), sets=("val", "test"))
        (co / "eval/b/val/metrics.json").write_text("{")
        (co / "eval/a/test/metrics.json").write_text("{")
        paa, colad = method("PAA", ((run, "model"),)), method("CoLAD", ((co, "a"),))
        written, shown = self.shown(tmp_path, paa, colad)
        assert written.notes == ()
        assert [row[0] for row in coco(shown)[1:]] == ["PAA", "CoLAD"]
        assert headings(shown)[:2] == ["What training cost", "Results on val"]
        assert "Results on test" not in headings(shown)
        _, both = self.shown(tmp_path, colad, method("b", ((co, "b"),)))
        assert [row[0] for row in coco(both)[1:]] == ["CoLAD", "b"]

    def test_ground_truth_elsewhere_with_the_images_of_the_data(
        self, run: Path, seeds: list[Path], data: Path, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere/night.json"
        elsewhere.parent.mkdir()
        shutil.copy(data / "annotations/val.json", elsewhere)
        methods = [method(folder.name, ((folder, "model"),)) for folder in (run, seeds[0])]
        written, shown = self.shown(tmp_path, *methods, annotations=elsewhere)
        assert written.notes == ()
        assert "Images that changed most" in headings(shown, "h3")
        assert list(shown.all("img"))
        # It is what the numbers are measured with: an object less to be found changes them.
        content = json.loads(elsewhere.read_text())
        content["annotations"] = content["annotations"][:-1]
        elsewhere.write_text(json.dumps(content))
        written, _ = self.shown(tmp_path, *methods, annotations=elsewhere)
        assert all("metrics.json holds other numbers" in note for note in written.notes)
        assert len(written.notes) == 2

    def test_ground_truth_elsewhere_and_neither_recipe_nor_images(
        self, seeds: list[Path], data: Path, tmp_path: Path
    ) -> None:
        """Curves and errors need no images."""
        elsewhere = tmp_path / "elsewhere/night.json"
        elsewhere.parent.mkdir()
        shutil.copy(data / "annotations/val.json", elsewhere)
        methods = [method(folder.name, ((folder, "model"),)) for folder in seeds[:2]]
        (seeds[0] / "recipe.yaml").unlink()
        recipe = seeds[1] / "recipe.yaml"
        recipe.write_text(recipe.read_text().replace(str(data), "gone/away"))
        written, shown = self.shown(tmp_path, *methods, annotations=elsewhere)
        (note,) = written.notes
        assert "recipe.yaml: no such file, so the options are unknown" in note
        assert headings(shown, "h3") == [
            "COCO metrics", "AP per class", "Precision and recall",
            "What kinds of error cost (TIDE)", "Images that changed most",
        ]  # fmt: skip
        remarks = [p.text for p in shown.all("p", "remark")]
        assert f"{tmp_path}/images: no such folder, so no images are shown" in remarks[-1]
        assert len(remarks) == 2

    def test_data_that_have_moved_are_named(
        self, run: Path, seeds: list[Path], data: Path, tmp_path: Path
    ) -> None:
        methods = [method(folder.name, ((folder, "model"),)) for folder in (run, seeds[0])]
        for folder in (run, seeds[0]):
            recipe = folder / "recipe.yaml"
            recipe.write_text(recipe.read_text().replace(str(data), "gone/away"))
        lost, _ = self.shown(tmp_path, *methods)
        assert "gone/away: no such data folder" in lost.notes[0]
        found, shown = self.shown(tmp_path, *methods, data=data)
        assert found.notes == ()
        assert list(shown.all("img"))

    def test_further_parts_come_before_the_results(self, run: Path, tmp_path: Path) -> None:
        methods = [method(name, ((run, "model"),)) for name in "AB"]
        _, shown = self.shown(tmp_path, *methods, extra=[("Is it so?", Html("<p>yes</p>"))])
        assert headings(shown)[:3] == ["Is it so?", "What training cost", "Results on val"]

    def test_names_are_text(self, run: Path, tmp_path: Path) -> None:
        evil = "<script>alert(1)</script>"
        methods = method(evil, ((run, "model"),)), method("B", ((run, "model"),))
        written, shown = self.shown(tmp_path, *methods)
        assert "<script" not in written.path.read_text(encoding="utf-8")
        assert coco(shown)[1][0] == evil

    def test_bad_targets_are_refused(self, run: Path, tmp_path: Path) -> None:
        methods = [method(name, ((run, "model"),)) for name in "AB"]
        with pytest.raises(UserError, match=r"name a file that ends in \.html"):
            compare_report(methods, Measurements(), set_name="val", out=tmp_path / "page.txt")
        (run / "run.json").unlink()
        (run / "recipe.yaml").unlink()
        with pytest.raises(UserError, match="holds no run"):
            compare_report(methods, Measurements(), set_name="val", out=tmp_path / "page.html")
        assert not (tmp_path / "page.html").exists()
