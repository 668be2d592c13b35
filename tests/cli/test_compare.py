from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.invoke import Outcome, lad, refused_untouched
from tests.evaluate.compared import share, truth_content, write_results, write_run, write_truth

FEW = ("--resamples", "200")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Runs of PAA (three seeds, half of the cups found) and of LAD (all found), and their data."""
    write_truth(tmp_path / "data/annotations/val.json")
    data = {"data__dir": str(tmp_path / "data")}
    for seed in range(3):
        write_run(tmp_path / f"paa-seed{seed}", cups=2, train__seed=seed, **data)
    write_run(tmp_path / "lad", optim__lr=0.5, **data)
    write_run(tmp_path / "colad", networks=("a", "b"), optim__lr=0.1, **data)
    return tmp_path


def compare(*arguments: str | Path) -> Outcome:
    return lad("compare", *arguments, *FEW)


def seeds(root: Path) -> list[Path]:
    return [root / f"paa-seed{seed}" for seed in range(3)]


def words(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines() if line.strip(" ─")]


def test_tables_and_a_sentence(root: Path) -> None:
    outcome = compare(*seeds(root), root / "lad")
    assert outcome.err == ""
    shown = words(outcome.done())
    assert " ".join(shown[0]) == "val, 4 images, points of 100"
    # Half of the cups are an AP of 51 of 101 points.
    assert shown[2] == ["paa", "3", "75.2", "±0.0", "75.2", "75.2", "–", "75.2", "–"]
    assert shown[3] == ["lad", "1", "100.0", "100.0", "100.0", "–", "100.0", "–"]
    assert " ".join(shown[4]) == "difference to paa, 95 % interval"
    assert shown[6][:5] == ["lad", "AP", "+24.8", "[+0.0,", "+50.0]"]
    assert [row[0] for row in shown[7:9]] == ["AP50", "AP75"]
    assert " ".join(shown[9]) == "what errors cost (TIDE, points of AP50)"
    assert shown[11] == ["paa", "0.0", "0.0", "0.0", "0.0", "0.0", "24.8", "0.0", "24.8"]
    # These runs left no log.
    assert " ".join(shown[13]) == (
        "What paa, lad cost is not known, so it cannot be said at what cost they compare."
    )
    assert " ".join(shown[14]) == (
        "lad: not told apart on these images, +24.8 AP on paa [+0.0, +50.0], lad has one seed only"
    )
    assert len(shown) == 15


def test_classes_on_request(root: Path) -> None:
    shown = words(compare(*seeds(root), root / "lad", "--per-class").done())
    assert shown[9][:3] == ["AP", "cup", "+49.5"]
    assert shown[10] == ["AP", "plate", "+0.0", "[+0.0,", "+0.0]", "0.0", "%"]


def test_a_better_run_is_called_better(root: Path) -> None:
    nothing = write_results(root / "nothing.json", cups=0, plates=0)
    truth = root / "data/annotations/val.json"
    shown = compare(nothing, f"LAD={root}/lad", "--annotations", truth).done()
    assert (
        shown.splitlines()[-1]
        == "LAD: better, +100.0 AP on nothing [+100.0, +100.0], one seed only"
    )


def test_a_trained_run_is_not_better_than_itself(teacher_run: Path) -> None:
    shown = compare(f"A={teacher_run}", f"B={teacher_run}").done()
    last = shown.splitlines()[-1]
    assert last == "B: not told apart on these images, +0.0 AP on A [+0.0, +0.0], one seed only"
    found = json.loads(compare(f"A={teacher_run}", f"B={teacher_run}", "--json").done())
    stored = json.loads((teacher_run / "eval/model/val/metrics.json").read_text())
    for method in found["methods"]:
        assert method["runs"][0]["coco"] == stored["coco"]


def test_json_is_exactly_one_object(root: Path) -> None:
    """Remarks go to standard error."""
    content = truth_content()
    content["categories"].append({"id": 9, "name": "fork"})
    write_truth(root / "data/annotations/val.json", content)
    target = root / "table.csv"
    outcome = compare(*seeds(root), root / "lad", "--json", "--csv", target, "--confidence", "0.9")
    shown = outcome.done()
    assert shown.count("\n") == 1
    (note,) = outcome.err.splitlines()
    assert note.startswith("note: ")
    found = json.loads(shown)
    assert found["confidence"] == 0.9
    assert found["resamples"] == 200
    assert [method["method"] for method in found["methods"]] == ["paa", "lad"]
    assert len(found["methods"][0]["runs"]) == 3
    gain = found["methods"][1]["gains"]["overall"]["AP"]
    assert gain["difference"] == pytest.approx((1 - share(2)) / 2)
    assert [method["verdict"] for method in found["methods"]] == [None, "not told apart"]
    assert found["methods"][0]["mean"]["AP"] == pytest.approx((1 + share(2)) / 2)
    assert found["methods"][0]["spread"] == {
        **dict.fromkeys(("AP", "AP50", "AP75", "APm"), 0.0), "APs": None, "APl": None,
    }  # fmt: skip
    assert target.exists()


def test_csv_has_a_row_per_method_and_class(root: Path) -> None:
    shown = compare(*seeds(root), root / "lad", "--csv", root / "table.csv").done()
    assert shown.splitlines()[-1] == f"table in {root}/table.csv"
    with (root / "table.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["method"], row["class"]) for row in table] == [
        (name, label) for name in ("paa", "lad") for label in ("all", "cup", "plate")
    ]
    assert float(table[1]["AP"]) == pytest.approx(share(2), abs=1e-6)
    assert table[1]["AP_difference"] == ""
    assert float(table[4]["AP_difference"]) == pytest.approx(1 - share(2), abs=1e-6)
    assert float(table[5]["share_above_0"]) == 0


def test_sizes_and_errors_have_intervals_on_request(root: Path) -> None:
    given = *seeds(root), root / "lad", "--intervals", "all"
    shown = words(compare(*given).done())
    assert shown[9] == ["APs", "–", "–", "–"]
    assert shown[10][:2] == ["APm", "+24.8"]
    # Half of the cups were missed: repairing that is worth what LAD gained.
    missed = next(row for row in shown if row[:2] == ["TIDE", "Miss"])
    assert missed[2:5] == ["-24.8", "[-50.0,", "+0.0]"]
    gains = json.loads(compare(*given, "--json").done())["methods"][1]["gains"]
    assert gains["tide"]["Miss"]["difference"] == pytest.approx(100 * (share(2) - 1) / 2)
    assert gains["overall"]["APm"]["difference"] == pytest.approx((1 - share(2)) / 2)
    assert gains["per_class"]["cup"]["APm"]["low"] is not None


def test_a_network_of_two_is_chosen(root: Path) -> None:
    write_results(root / "colad/eval/b/val/predictions.json", cups=0)
    given = root / "lad", root / "colad"
    shown = compare(*given, "--network", "a").done()
    assert "colad/a: not told apart on these images, +0.0 AP on lad" in shown
    shown = compare(*given, "--network", "b").done()
    assert "colad/b: worse, -50.0 AP on lad" in shown


def test_the_seed_of_the_draws_is_an_option(root: Path) -> None:
    given = *seeds(root), root / "lad", "--json"
    one, again, other = (
        json.loads(compare(*given, "--seed", seed).done())["methods"][1]["gains"]["overall"]["AP"]
        for seed in ("1", "1", "2")
    )
    assert one == again
    assert one["share_above"] != other["share_above"]


class TestBadInput:
    def test_one_run_alone(self, root: Path) -> None:
        message = refused_untouched(root, "compare", root / "lad")
        assert message.startswith("a comparison needs two methods")

    def test_missing_folder(self, root: Path) -> None:
        message = refused_untouched(root, "compare", root / "lad", root / "none")
        assert message == f"{root}/none: no such run folder or results file"

    def test_set_without_results(self, root: Path) -> None:
        args = ("compare", root / "lad", root / "paa-seed0", "--split", "test")
        message = refused_untouched(root, *args)
        assert message.startswith(f"{root}/lad: has no results on the set test (there are val); ")

    def test_set_that_no_data_folder_has(self, root: Path) -> None:
        outcome = lad("compare", root / "lad", root / "paa-seed0", "--split", "dev")
        assert outcome.code == 2
        assert "dev" in outcome.err

    def test_other_data(self, root: Path) -> None:
        content = truth_content()
        content["images"].append({**content["images"][0], "id": 9})
        write_truth(root / "more/annotations/val.json", content)
        run = write_run(root / "x", data__dir=str(root / "more"), optim__lr=0.3)
        message = refused_untouched(root, "compare", root / "lad", run)
        assert message.startswith(f"{run}: was measured on other data than {root}/lad (5 images")

    def test_two_networks_and_no_choice(self, root: Path) -> None:
        message = refused_untouched(root, "compare", root / "lad", root / "colad")
        assert message.endswith("has results of network a and network b; choose one with --network")

    def test_unknown_network(self, root: Path) -> None:
        args = ("compare", root / "lad", root / "colad", "--network", "c")
        assert refused_untouched(root, *args) == "--network c: is a or b"

    def test_network_that_chooses_nothing(self, root: Path) -> None:
        """Of runs that trained one network each."""
        args = ("compare", root / "lad", root / "paa-seed0", "--network", "a")
        message = refused_untouched(root, *args)
        assert message == "--network a: none of these runs trained such a network; leave it out"

    @pytest.mark.parametrize("value", ["0", "1", "95", "-0.1", "nan"])
    def test_confidence_out_of_range(self, root: Path, value: str) -> None:
        args = ("compare", root / "lad", root / "paa-seed0", "--confidence", value)
        message = refused_untouched(root, *args)
        assert message == f"--confidence {value}: must lie between 0 and 1, such as 0.95"

    def test_unreadable_annotations(self, root: Path) -> None:
        file = root / "broken.json"
        file.write_text("{")
        given = root / "lad", root / "paa-seed0", "--split", "val", "--annotations", file
        assert refused_untouched(root, "compare", *given).startswith(f"{file}: invalid JSON")

    def test_results_file_without_ground_truth(self, root: Path) -> None:
        file = write_results(root / "theirs.json")
        message = refused_untouched(root, "compare", root / "lad", file)
        assert message.startswith(f"{file}: no recipe beside these results")
        assert message.endswith("--annotations FILE")

    def test_nowhere_to_write_to(self, root: Path) -> None:
        (root / "file").write_text("")
        for place in (root / "file/table.csv", root / "file/page.html"):
            flag = "--csv" if place.suffix == ".csv" else "--html"
            outcome = compare(root / "lad", root / "paa-seed0", flag, place)
            assert f"{place}: cannot be written" in outcome.refused()

    @pytest.mark.parametrize("name", ["lad", "data/annotations/val.json", "lad/recipe.yaml"])
    def test_a_table_replaces_no_other_file(self, root: Path, name: str) -> None:
        args = ("compare", root / "lad", root / "paa-seed0", "--csv", root / name)
        message = refused_untouched(root, *args)
        assert (
            message == f"--csv {root}/{name}: is no name for a table; name a file that ends in .csv"
        )

    def test_missing_annotations(self, root: Path) -> None:
        args = ("compare", root / "lad", root / "paa-seed0", "--annotations", root / "nope.json")
        message = refused_untouched(root, *args)
        assert message == f"{root}/nope.json: no such annotation file; check --annotations"

    def test_too_few_draws_for_an_interval(self, root: Path) -> None:
        outcome = lad("compare", root / "lad", root / "paa-seed0", "--resamples", "5")
        assert outcome.code == 2
        assert "resamples" in outcome.err


def test_a_page_holds_the_intervals_and_escapes_names(teacher_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    compare(f"<b>A</b>={teacher_run}", f"B={teacher_run}", "--html", page).done()
    text = page.read_text(encoding="utf-8")
    assert "Is the gain real?" in text
    assert "not told apart on these images, +0.0 AP on &lt;b&gt;A&lt;/b&gt;" in text
    assert "<b>A</b>" not in text


def test_a_page_needs_run_folders(root: Path, tmp_path: Path) -> None:
    nothing = write_results(root / "nothing.json", cups=0, plates=0)
    truth = root / "data/annotations/val.json"
    page = tmp_path / "page.html"
    outcome = compare(nothing, f"LAD={root}/lad", "--annotations", truth, "--html", page)
    assert "is a results file, and --html needs run folders" in outcome.refused()
    assert not page.exists()
