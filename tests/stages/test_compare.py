"""Comparisons whose every number can be worked out by hand."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ladcli.errors import UserError
from ladcli.evaluate import measurements
from ladcli.evaluate.bootstrap import Gain
from ladcli.evaluate.comparison import ComparisonResult
from ladcli.stages import compare as module
from ladcli.stages.compare import CompareOptions, compare
from tests.evaluate.compared import share, truth_content, write_results, write_run, write_truth
from tests.evaluate.report.markup import Node, parse, table_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a validation set and no images, which nobody needs here."""
    write_truth(tmp_path / "data/annotations/val.json")
    return tmp_path / "data"


@pytest.fixture
def paa(tmp_path: Path, data: Path) -> Path:
    """Finds half of the cups and all plates."""
    return write_run(tmp_path / "paa", cups=2, data__dir=str(data))


@pytest.fixture
def lad(tmp_path: Path, data: Path) -> Path:
    """Finds everything."""
    return write_run(tmp_path / "lad", data__dir=str(data), optim__lr=0.5)


def run(*given: str | Path, **options: Any) -> ComparisonResult:
    options = {"resamples": 200, **options}
    return compare([str(text) for text in given], CompareOptions(**options))


def refusal(*given: str | Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        run(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def gain_of(result: ComparisonResult, number: str = "AP", class_name: str | None = None) -> Gain:
    gains = result.methods[1].gains
    assert gains is not None
    return (gains.overall if class_name is None else gains.per_class[class_name])[number]


def test_a_run_against_itself_gains_nothing(paa: Path) -> None:
    result = run(f"A={paa}", f"B={paa}")
    for number in ("AP", "AP50", "AP75"):
        gain = gain_of(result, number)
        assert gain.baseline == gain.value == pytest.approx((share(2) + 1) / 2)
        assert (gain.difference, gain.low, gain.high, gain.share_above) == (0, 0, 0, 0)


def test_a_better_run_gains_what_the_other_misses(paa: Path, lad: Path) -> None:
    result = run(paa, lad, resamples=3000)
    cups, plates, all_classes = (gain_of(result, "AP", name) for name in ("cup", "plate", None))
    assert (cups.baseline, cups.value) == (pytest.approx(share(2)), pytest.approx(1))
    assert (plates.difference, plates.low, plates.high, plates.share_above) == (0, 0, 0, 0)
    assert all_classes.difference == pytest.approx((1 - share(2)) / 2)
    # Above zero wherever image 3 or 4 is drawn among four: in 15 of 16 resamples.
    assert all_classes.share_above == pytest.approx(15 / 16, abs=0.015)
    # Between those where the better run gains nothing and those where it gains everything.
    assert (all_classes.low, all_classes.high) == (0, pytest.approx(0.5))


def test_the_baseline_comes_first_and_has_no_gain(paa: Path, lad: Path) -> None:
    result = run(lad, paa)
    assert [method.name for method in result.methods] == ["lad", "paa"]
    assert result.methods[0].gains is None
    assert gain_of(result).difference == pytest.approx((share(2) - 1) / 2)
    assert gain_of(result).share_above == 0


def test_seeds_are_averaged_and_their_spread_is_told(tmp_path: Path, data: Path, paa: Path) -> None:
    options = {"data__dir": str(data), "optim__lr": 0.5}
    seeds = [
        write_run(tmp_path / f"lad-seed{seed}", cups=cups, train__seed=seed, **options)
        for seed, cups in enumerate((1, 3, 4))
    ]
    result = run(paa, *seeds)
    method = result.methods[1]
    of_runs = [(share(cups) + 1) / 2 for cups in (1, 3, 4)]
    assert [run.name for run in method.runs] == [*map(str, seeds)]
    assert method.values("AP") == pytest.approx(of_runs)
    assert method.mean("AP") == pytest.approx(statistics.fmean(of_runs)) == gain_of(result).value
    assert method.spread("AP") == pytest.approx(statistics.stdev(of_runs))
    assert method.mean("AP50", "cup") == pytest.approx((share(1) + share(3) + 1) / 3)
    assert result.methods[0].spread("AP") is None
    # Cups that are not found are all that costs anything.
    missed = [100 * (1 - ap) for ap in of_runs]
    assert method.tide_cost("Miss") == pytest.approx(statistics.fmean(missed))
    assert method.tide_cost("Cls") == 0


def test_numbers_that_are_undefined_stay_so(paa: Path, lad: Path) -> None:
    method = run(paa, lad).methods[0]
    assert method.mean("APl") is None  # no box is that large
    assert method.spread("APl") is None
    assert method.values("APl") == []


def test_runs_without_detections_have_no_errors_to_weigh(
    tmp_path: Path, data: Path, lad: Path
) -> None:
    empty = write_run(tmp_path / "empty", cups=0, plates=0, data__dir=str(data))
    result = run(empty, lad)
    assert result.methods[0].tide_cost("Miss") is None
    gain = gain_of(result)
    assert (gain.difference, gain.low, gain.high) == (1, 1, 1)
    assert gain.share_above == 1


def calls(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[Path], Counter[str]]:
    """How often each file is read from now on, and how often detections are looked at anew."""
    read: Counter[Path] = Counter()
    matched: Counter[str] = Counter()

    def counted(name: str) -> None:
        original = getattr(measurements, name)

        def counting(first: Any, *args: Any, **options: Any) -> Any:
            if isinstance(first, Path):
                read[first] += 1
            else:
                matched[name] += 1
            return original(first, *args, **options)

        monkeypatch.setattr(measurements, name, counting)

    for name in ("read_coco", "load_results", "match", "tide_errors"):
        counted(name)
    return read, matched


@pytest.mark.parametrize("page", ["page.html", None])
def test_every_file_is_read_once(
    tmp_path: Path, paa: Path, lad: Path, monkeypatch: pytest.MonkeyPatch, page: str | None
) -> None:
    read, matched = calls(monkeypatch)
    (tmp_path / "data/images").mkdir()  # without them a page shows the recorded numbers
    target = tmp_path / page if page else None
    given = [f"A={paa}", f"B={paa}", str(lad)]
    compare(given, CompareOptions(resamples=20), page=target)
    # Two results files on one set, and one of them is given under two names.
    assert matched == {"match": 2, "tide_errors": 2}
    assert read == {
        tmp_path / "data/annotations/val.json": 1,
        paa / "eval/model/val/predictions.json": 1,
        lad / "eval/model/val/predictions.json": 1,
    }


def skip(run: Path, *ids: int) -> None:
    """Make it so that the run was measured without these images."""
    folder = run / "eval/model/val"
    records = json.loads((folder / "predictions.json").read_text())
    seen = [record for record in records if record["image_id"] not in ids]
    (folder / "predictions.json").write_text(json.dumps(seen))
    (folder / "metrics.json").write_text(json.dumps({"images": {"skipped": list(ids)}}))


class TestSkippedImages:
    def test_runs_on_the_same_images_are_compared_on_these(self, paa: Path, lad: Path) -> None:
        for one in (paa, lad):
            skip(one, 2, 3)
        result = run(paa, lad)
        assert result.num_images == 2
        # Of the cups in images 1 and 4, the baseline finds the first.
        assert gain_of(result, "AP", "cup").baseline == pytest.approx(share(2))  # half of them
        assert gain_of(result, "AP", "cup").value == pytest.approx(1)
        assert result.methods[1].tide_cost("Miss") == 0
        (note,) = result.notes
        assert "AP is of 2 of 4 images" in note
        assert note.endswith("image 2, 3")

    def test_runs_on_other_images_are_refused(self, paa: Path, lad: Path) -> None:
        skip(lad, 2)
        assert (
            f"{lad}: is of 3 of 4 images, and {paa} is of all images (the rest could not be read)"
        ) in refusal(paa, lad)
        skip(paa, 3)
        message = f"{lad}: is of 3 of 4 images, others of them, and {paa} is of 3 of 4 images"
        assert message in refusal(paa, lad)


def test_resamples_go_by_the_size_of_the_set(
    paa: Path, lad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(paa, lad, resamples=17).resamples == 17
    assert run(paa, lad, resamples=None).resamples == 10_000
    monkeypatch.setattr(module, "LARGE_SET", 4)
    assert run(paa, lad, resamples=None).resamples == 1_000


def test_seed_and_confidence_decide_the_interval(tmp_path: Path, data: Path) -> None:
    """Nine images, so that resamples differ: the interval grows with confidence."""
    content = truth_content()
    content["images"] = [{**content["images"][0], "id": i} for i in range(1, 10)]
    content["annotations"] = [
        {**content["annotations"][0], "id": i, "image_id": i} for i in range(1, 10)
    ]
    write_truth(data / "annotations/val.json", content)
    one, two = (
        write_run(tmp_path / f"{cups}", cups=cups, plates=0, data__dir=str(data), optim__lr=0.1)
        for cups in (2, 4)
    )
    given = f"A={one}", f"B={two}"
    sure, unsure, other = (
        gain_of(run(*given, **options))
        for options in ({}, {"confidence": 0.5}, {"confidence": 0.5, "seed": 1})
    )
    assert gain_of(run(*given)) == sure
    assert sure.low < unsure.low < sure.difference < unsure.high < sure.high
    assert unsure.share_above != other.share_above


class TestGroundTruth:
    def write_test_set(self, data: Path) -> None:
        write_truth(data / "annotations/test.json")

    def test_set_is_chosen_by_its_name(self, tmp_path: Path, data: Path, lad: Path) -> None:
        self.write_test_set(data)
        runs = [
            write_run(tmp_path / name, sets=("val", "test"), data__dir=str(data), **options)
            for name, options in (("x", {}), ("y", {"optim__lr": 0.1}))
        ]
        write_results(runs[1] / "eval/model/test/predictions.json", cups=0)
        assert gain_of(run(*runs)).difference == 0
        result = run(*runs, split="test")
        assert (result.set_name, result.num_images) == ("test", 4)
        assert gain_of(result).difference == pytest.approx(-0.5)

    def test_data_that_have_moved_are_named(self, tmp_path: Path, paa: Path, lad: Path) -> None:
        (tmp_path / "data").rename(tmp_path / "moved")
        assert refusal(paa, lad) == (
            f"{paa}: its recipe names data that are not there ({tmp_path}/data: no such data "
            "folder); say where they are with --data DIR, or name the ground truth with "
            "--annotations FILE"
        )
        assert run(paa, lad, data=tmp_path / "moved").num_images == 4

    def test_results_files_need_a_named_one(self, tmp_path: Path, data: Path, paa: Path) -> None:
        file = write_results(tmp_path / "theirs.json", cups=3)
        assert refusal(file, paa) == (
            f"{file}: no recipe beside these results says what they were measured on; name the "
            "ground truth with --annotations FILE"
        )
        result = run(file, paa, annotations=data / "annotations/val.json")
        assert result.set_name == "val"
        assert gain_of(result).difference == pytest.approx((share(2) - share(3)) / 2)
        assert run(file, paa, data=data).methods[0].name == "theirs"

    def test_a_named_file_tells_whose_results_to_take(self, tmp_path: Path, data: Path) -> None:
        """`lad eval --annotations FILE` stores its results under the name of FILE."""
        truth = write_truth(tmp_path / "night.json")
        runs = [
            write_run(
                tmp_path / name, sets=("night", "val"), cups=cups, data__dir=str(data), optim__lr=lr
            )
            for name, cups, lr in (("x", 1, 0.1), ("y", 2, 0.2))
        ]
        for folder in runs:
            write_results(folder / "eval/model/val/predictions.json", cups=0)
        result = run(*runs, annotations=truth)
        assert result.set_name == "night"
        assert result.methods[0].mean("AP", "cup") == pytest.approx(share(1))
        # Another set's results may be measured on it; that has to be said.
        result = run(*runs, annotations=truth, split="val")
        assert result.set_name == "night"
        assert result.methods[0].mean("AP", "cup") == 0

    def test_a_named_file_whose_results_nobody_has(
        self, tmp_path: Path, paa: Path, lad: Path
    ) -> None:
        truth = write_truth(tmp_path / "night.json")
        message = refusal(paa, lad, annotations=truth)
        assert message.startswith(f"{paa}: has no results on the set night (there are val); choose")
        assert run(paa, lad, annotations=truth, split="val").set_name == "night"

    def test_set_that_the_data_lack(self, tmp_path: Path, data: Path) -> None:
        runs = [
            write_run(tmp_path / name, sets=("test",), data__dir=str(data), **options)
            for name, options in (("x", {}), ("y", {"optim__lr": 0.1}))
        ]
        assert refusal(*runs, split="test") == (
            f"{runs[0]}: its data have no test set; choose another --split, or name the ground "
            "truth with --annotations FILE"
        )

    def test_files_that_cannot_be_read(self, tmp_path: Path, data: Path, paa: Path) -> None:
        broken = tmp_path / "broken.json"
        broken.write_text('{"images": [')
        given = paa, write_results(tmp_path / "theirs.json")
        assert refusal(*given, annotations=broken, split="val").startswith(
            f"{broken}: invalid JSON at line 1"
        )
        missing = tmp_path / "missing.json"
        assert refusal(*given, annotations=missing, split="val").startswith(
            f"{missing}: no such annotation file; check --annotations"
        )

    def test_damaged_results_are_named(self, paa: Path, lad: Path) -> None:
        file = lad / "eval/model/val/predictions.json"
        file.write_text('[{"image_id": 99, "category_id": 3, "bbox": [1, 1, 1, 1], "score": 1}]')
        assert f"{file}: detection at position 0" in refusal(paa, lad)

    def test_notes_are_told_once(self, tmp_path: Path, data: Path, paa: Path, lad: Path) -> None:
        content = truth_content()
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] == 3]
        write_truth(data / "annotations/val.json", content)
        (note,) = run(paa, lad).notes
        assert note.endswith("1 class(es) have no annotation: category 8")


class TestOtherData:
    """The second run names a set of its own."""

    def compare_with(self, tmp_path: Path, paa: Path, content: dict[str, Any]) -> ComparisonResult:
        write_truth(tmp_path / "other/annotations/val.json", content)
        folder = write_run(tmp_path / "lad", optim__lr=0.5, data__dir=str(tmp_path / "other"))
        return run(paa, folder)

    def test_the_same_in_another_order_is_fine(self, tmp_path: Path, paa: Path) -> None:
        content = truth_content()
        for key in ("images", "annotations", "categories"):
            content[key].reverse()
        for number, annotation in enumerate(content["annotations"]):
            annotation["id"] = number
        result = self.compare_with(tmp_path, paa, content)
        assert gain_of(result).difference == pytest.approx((1 - share(2)) / 2)

    @pytest.mark.parametrize(
        ("change", "difference"),
        [
            (lambda c: c["categories"][1].update(name="bowl"), "classes: class 'bowl' is missing"),
            (
                lambda c: c["categories"].append({"id": 9, "name": "fork"}),
                "classes: 3 classes against 2, which lack 'fork'",
            ),
            (lambda c: c["images"].append({**c["images"][0], "id": 9}), "5 images against 4"),
            (
                lambda c: c["annotations"][0].update(bbox=[10, 20, 41, 30]),
                "boxes or areas in the same images differ",
            ),
            (
                lambda c: c["annotations"][0].update(area=90.0),
                "boxes or areas in the same images differ",
            ),
            (
                lambda c: c["annotations"][0].update(iscrowd=1),
                "boxes or areas in the same images differ",
            ),
            (lambda c: c["annotations"].pop(), "boxes or areas in the same images differ"),
        ],
        ids=["name", "number of classes", "images", "box", "area", "crowd", "number of boxes"],
    )
    def test_what_differs_is_told(
        self, tmp_path: Path, paa: Path, change: Any, difference: str
    ) -> None:
        content = truth_content()
        change(content)
        with pytest.raises(UserError) as caught:
            self.compare_with(tmp_path, paa, content)
        assert str(caught.value) == (
            f"{tmp_path}/lad: was measured on other data than {paa} ({difference}); compare runs "
            "on the same set, or name one file for all with --annotations"
        )

    def test_other_ids_of_classes_and_images(self, tmp_path: Path, paa: Path) -> None:
        content = truth_content()
        content["categories"][1]["id"] = 9
        for annotation in content["annotations"]:
            if annotation["category_id"] == 8:
                annotation["category_id"] = 9
        with pytest.raises(UserError, match=r"\(the ids of the classes\)"):
            self.compare_with(tmp_path / "classes", paa, content)
        content = truth_content()
        content["images"][3]["id"] = 40
        content["annotations"] = content["annotations"][:6]
        with pytest.raises(UserError, match=r"\(4 images against 4 with other ids\)"):
            self.compare_with(tmp_path / "images", paa, content)

    def test_one_file_for_all_settles_it(self, tmp_path: Path, data: Path, paa: Path) -> None:
        other = write_truth(tmp_path / "other/annotations/val.json")
        content = truth_content()
        content["annotations"].pop()
        write_truth(other, content)
        folder = write_run(tmp_path / "lad", optim__lr=0.5, data__dir=str(tmp_path / "other"))
        result = run(paa, folder, annotations=data / "annotations/val.json")
        assert gain_of(result).difference == pytest.approx((1 - share(2)) / 2)


def test_json_holds_every_run_and_every_gain(paa: Path, lad: Path) -> None:
    content = run(paa, lad, confidence=0.9).to_json()
    methods = content.pop("methods")
    assert content == {
        "set": "val",
        "images": 4,
        "resamples": 200,
        "confidence": 0.9,
        "baseline": "paa",
        "compared_at": "What paa, lad cost is not known, so it cannot be said at what cost they "
        "compare.",
    }
    first, second = methods
    assert (first["method"], first["gains"]) == ("paa", None)
    (measured,) = first["runs"]
    assert set(measured) == {"run", "coco", "tide_definition", "tide", "cost"}
    assert measured["run"] == str(paa)
    assert measured["coco"]["stats"][0] == pytest.approx((share(2) + 1) / 2)
    assert list(second["gains"]) == ["overall", "per_class", "tide"]
    assert second["gains"]["tide"] == {}
    assert list(second["gains"]["per_class"]) == ["cup", "plate"]
    assert list(second["gains"]["overall"]["AP"]) == [
        "baseline", "value", "difference", "low", "high", "share_above",
    ]  # fmt: skip
    assert second["gains"]["overall"]["AP"]["difference"] == pytest.approx((1 - share(2)) / 2)


class TestPage:
    """The page that is written beside the numbers."""

    def page_of(self, *given: str | Path, **options: Any) -> Node:
        target = self.write(*given, **options)
        return parse(target.read_text(encoding="utf-8").removeprefix("<!doctype html>"))

    def write(self, *given: str | Path, page: Path, **options: Any) -> Path:
        compare(
            [str(text) for text in given], CompareOptions(**{"resamples": 50, **options}), page=page
        )
        return page

    def refused(self, *given: str | Path, page: Path, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            self.write(*given, page=page, **options)
        return str(caught.value)

    @pytest.fixture(autouse=True)
    def no_images(self, data: Path) -> None:
        (data / "images").mkdir()

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        return tmp_path / "page.html"

    @pytest.fixture
    def not_computed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever is refused must be so before the long part."""

        def measured(*args: Any) -> None:
            raise AssertionError("was computed")

        monkeypatch.setattr(module, "_compare", measured)

    def test_numbers_are_means_over_seeds_and_those_of_the_table(
        self, tmp_path: Path, data: Path, paa: Path, target: Path
    ) -> None:
        options = {"data__dir": str(data), "optim__lr": 0.5}
        seeds = [
            write_run(tmp_path / f"lad-seed{seed}", cups=cups, train__seed=seed, **options)
            for seed, cups in enumerate((1, 4))
        ]
        shown = self.page_of(paa, *seeds, page=target)
        averages = [(share(cups) + 1) / 2 for cups in (1, 4)]
        mean, spread = statistics.fmean(averages), statistics.stdev(averages)
        gain = 100 * (mean - (share(2) + 1) / 2)
        rows = table_of(shown, "COCO metrics")
        assert rows[1][:2] == ["paa", f"{100 * (share(2) + 1) / 2:.1f}"]
        assert rows[2][:2] == [
            "lad (2 runs)", f"{100 * mean:.1f} ±{100 * spread:.1f} {gain:+.1f}",
        ]  # fmt: skip
        assert table_of(shown, "Differences to paa")[1][:3] == ["lad", "AP", f"{gain:+.1f}"]
        assert table_of(shown, "Methods")[2][2] == "lad-seed0, lad-seed1"
        assert "Is the gain real?" in [h.text for h in shown.all("h2")]

    def test_notes_of_the_page_are_told_too(self, paa: Path, lad: Path, target: Path) -> None:
        (lad / "metrics.jsonl").write_text("{\n{}\n")
        options = CompareOptions(resamples=50)
        result = compare([str(paa), str(lad)], options, page=target)
        (note,) = result.notes
        assert "2 line(s) cannot be read" in note

    def test_only_the_network_that_was_compared(
        self, tmp_path: Path, data: Path, paa: Path, target: Path
    ) -> None:
        co = write_run(tmp_path / "co", networks=("a", "b"), data__dir=str(data), optim__lr=0.1)
        write_results(co / "eval/b/val/predictions.json", cups=0, plates=0)
        for network, average in (("a", 1.0), ("b", 0.0)):
            shown = self.page_of(paa, co, page=target, network=network)
            rows = table_of(shown, "COCO metrics")
            assert [row[0] for row in rows[1:]] == ["paa", f"co/{network}"]
            assert rows[2][1].split()[0] == f"{100 * average:.1f}"
            assert [row[0] for row in table_of(shown, "Methods")[1:]] == ["paa", f"co/{network}"]

    def test_ground_truth_elsewhere(
        self, tmp_path: Path, paa: Path, lad: Path, target: Path
    ) -> None:
        """As in the intervals, also where the recipes know no data any more."""
        content = truth_content()
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] <= 2]
        truth = write_truth(tmp_path / "elsewhere/night.json", content)
        (tmp_path / "data").rename(tmp_path / "moved")
        (paa / "recipe.yaml").write_text("{}\n")
        given = f"PAA={paa}", f"LAD={lad}"
        result = run(*given, annotations=truth, split="val")
        shown = self.page_of(*given, page=target, annotations=truth, split="val")
        rows = table_of(shown, "COCO metrics")
        for row, method in zip(rows[1:], result.methods, strict=True):
            assert row[1].split()[0] == f"{100 * (method.mean('AP') or 0):.1f}"
        assert result.methods[0].mean("AP") != pytest.approx((share(2) + 1) / 2)
        assert "Precision and recall" in [h.text for h in shown.all("h3")]

    def test_results_file_is_refused_before_anything_is_computed(
        self, tmp_path: Path, data: Path, paa: Path, target: Path, not_computed: None
    ) -> None:
        file = write_results(tmp_path / "theirs.json", cups=3)
        before = sorted(tmp_path.rglob("*"))
        assert self.refused(file, paa, page=target, data=data) == (
            f"{file}: is a results file, and --html needs run folders; leave --html out"
        )
        assert sorted(tmp_path.rglob("*")) == before

    def test_name_that_is_no_page_is_refused_before_anything_is_computed(
        self, tmp_path: Path, paa: Path, lad: Path, not_computed: None
    ) -> None:
        for name in ("page.txt", "data"):
            target = tmp_path / name
            assert self.refused(paa, lad, page=target) == (
                f"{target}: is no name for a page; name a file that ends in .html"
            )
        assert not (tmp_path / "page.txt").exists()

    def test_folder_that_holds_no_run_is_refused_before_anything_is_computed(
        self, paa: Path, lad: Path, target: Path, not_computed: None
    ) -> None:
        (lad / "recipe.yaml").unlink()
        assert self.refused(paa, lad, page=target).startswith(f"{lad}: holds no run")
        assert not target.exists()

    def test_what_cannot_be_compared_leaves_no_page(
        self, tmp_path: Path, paa: Path, target: Path
    ) -> None:
        content = truth_content()
        content["images"].append({**content["images"][0], "id": 9})
        write_truth(tmp_path / "other/annotations/val.json", content)
        other = write_run(tmp_path / "x", data__dir=str(tmp_path / "other"), optim__lr=0.3)
        assert "was measured on other data" in self.refused(paa, other, page=target)
        assert not target.exists()
