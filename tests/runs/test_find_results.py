"""Which runs are one method, what methods are called, and where results lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ladcli.runs.find_results import MethodResults, find_results
from tests.evaluate.compared import write_results, write_run
from tests.refusals import refusal_of


def find(*given: str | Path, split: str = "val", network: str | None = None) -> list[MethodResults]:
    return find_results([str(text) for text in given], split=split, network=network)


def refusal(*given: str | Path, split: str = "val", network: str | None = None) -> str:
    return refusal_of(find, *given, split=split, network=network)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A run of another method than any other here."""
    return write_run(tmp_path / "other", optim__momentum=0.8)


def num_methods(tmp_path: Path, other: Path, one: dict[str, Any], two: dict[str, Any]) -> int:
    """How many methods two runs are, beside a third."""
    runs = [write_run(tmp_path / name, **o) for name, o in (("one", one), ("two", two))]
    return len(find(*runs, other)) - 1


@pytest.mark.parametrize(
    "option",
    [
        {"train__seed": 7},
        {"train__device": "cpu"},
        {"train__log_every": 3},
        {"train__save_every_minutes": 0.0},
        {"train__tensorboard": True},
        {"train__probe_images": 0},
        {"data__workers": 0},
        {"data__skip_bad_images": True},
        {"data__max_bad_share": 0.5},
        {"data__dir": "elsewhere"},
        {"data__train_json": "a.json", "data__val_json": "b.json", "data__images": "c"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_that_do_not_make_a_method(
    tmp_path: Path, other: Path, option: dict[str, Any]
) -> None:
    """Also where a section holds nothing but such options."""
    assert num_methods(tmp_path, other, {}, option) == 1


@pytest.mark.parametrize(
    "option",
    [
        {"train__batch_size": 8},
        {"train__precision": "bf16"},
        {"data__short": 640},
        {"data__flip": 0.0},
        {"model__backbone": "resnet18"},
        {"assign__topk": 5},
        {"optim__lr": 0.02},
        {"schedule__epochs": 24, "schedule__decay_epochs": [16, 22]},
        {"inference__use_iou": False},
        {"distill__mode": "solad"},
        {"distill__teacher": "t.pt"},
        {"soft__loss": "l1"},
    ],
    ids=lambda option: next(iter(option)),
)
def test_all_other_options_make_a_method(
    tmp_path: Path, other: Path, option: dict[str, Any]
) -> None:
    assert num_methods(tmp_path, other, {}, option) == 2


@pytest.mark.parametrize(
    ("option", "one", "two", "methods"),
    [
        ("distill__teacher", "runs/paa-seed0/last.pt", "runs/paa-seed12/last.pt", 1),
        ("distill__teacher", "runs/small/last.pt", "runs/large/last.pt", 2),
        ("distill__cache", "runs/cache_seed_0.h5", "runs/cache_seed_1.h5", 1),
        ("distill__cache", "runs/cache-small.h5", "runs/cache-large.h5", 2),
        ("net_a__init", "runs/paa-seed0/last.pt", "runs/paa-seed1/last.pt", 1),
        ("net_b__init", "runs/paa/last.pt", "runs/lad/last.pt", 2),
    ],
)
def test_teachers_of_two_seeds_are_one_and_other_teachers_are_not(
    tmp_path: Path, other: Path, option: str, one: str, two: str, methods: int
) -> None:
    assert num_methods(tmp_path, other, {option: one}, {option: two}) == methods


def test_a_warmup_that_was_left_open_makes_no_method(tmp_path: Path, other: Path) -> None:
    """It is a share of the steps, whose number the seed draws where it draws scales."""
    runs = [write_run(tmp_path / f"net-{n}", optim__warmup_steps=n) for n in (63, 64)]
    assert len(find(*runs, other)) == 3
    for run, steps in zip(runs, (63, 64), strict=True):
        notes = {"resolved": {"optim.warmup_steps": steps}}
        (run / "run.json").write_text(json.dumps(notes))
    assert len(find(*runs, other)) == 2
    asked = write_run(tmp_path / "asked", optim__warmup_steps=63)
    assert len(find(*runs, asked, other)) == 3
    (runs[0] / "run.json").write_text("[]")
    assert len(find(*runs, other)) == 3


def test_teacher_and_cache_of_it_are_two_methods(tmp_path: Path, other: Path) -> None:
    options = {"distill__teacher": "t.pt"}, {"distill__cache": "t.pt"}
    assert num_methods(tmp_path, other, *options) == 2


def test_methods_come_in_the_order_given_with_their_seeds(tmp_path: Path) -> None:
    lad = {"optim__lr": 0.5}
    runs = [
        write_run(tmp_path / "lad-seed0", **lad),
        write_run(tmp_path / "paa_seed0"),
        write_run(tmp_path / "lad-seed1", train__seed=1, **lad),
        write_run(tmp_path / "paa_seed1", train__seed=1),
    ]
    first, second = find(*runs)
    assert (first.name, second.name) == ("lad", "paa")
    assert [r.given for r in first.results] == [str(runs[0]), str(runs[2])]
    assert first.results[1].predictions == runs[2] / "eval/model/val/predictions.json"
    assert first.results[1].recipe is not None
    assert first.results[1].recipe.train.seed == 1
    assert [r.given for r in second.results] == [str(runs[1]), str(runs[3])]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("lad-seed10", "lad"), ("lad_seed_3", "lad"), ("seed4", "seed4"), ("reseed", "reseed")],
)
def test_a_method_is_called_by_its_folder_without_the_seed(
    tmp_path: Path, other: Path, folder: str, name: str
) -> None:
    first, _ = find(write_run(tmp_path / folder), other)
    assert first.name == name


class TestNames:
    def test_equal_names_make_one_method_of_different_recipes(self, tmp_path: Path) -> None:
        a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", optim__lr=0.5)
        c = write_run(tmp_path / "c", optim__lr=0.7)
        first, second = find(f"X={a}", f"X={b}", c)
        assert (first.name, len(first.results), second.name) == ("X", 2, "c")

    def test_other_names_tell_equal_recipes_apart(self, tmp_path: Path) -> None:
        a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b")
        assert [method.name for method in find(f"X={a}", f"Y={b}")] == ["X", "Y"]

    def test_a_name_does_not_join_a_folder_of_that_name(self, tmp_path: Path) -> None:
        a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", optim__lr=0.5)
        assert [method.name for method in find(f"b={a}", b)] == [f"b (b={a})", f"b ({b})"]

    def test_folders_of_one_name_are_told_apart_by_their_paths(self, tmp_path: Path) -> None:
        a = write_run(tmp_path / "x/run")
        b = write_run(tmp_path / "y/run", optim__lr=0.5)
        assert [method.name for method in find(a, b)] == [f"run ({a})", f"run ({b})"]

    def test_a_path_may_hold_an_equals_sign(self, tmp_path: Path) -> None:
        a, b = write_run(tmp_path / "lr=1"), write_run(tmp_path / "lr=2", optim__lr=0.5)
        assert [method.name for method in find(a, f"two={b}")] == ["lr=1", "two"]

    def test_half_a_name_is_part_of_the_path(self, other: Path) -> None:
        assert refusal("PAA=", other) == "PAA=: no such run folder or results file"
        assert refusal(f"={other}", other) == f"={other}: no such run folder or results file"


class TestResultsFiles:
    def test_each_is_a_method_called_by_its_file(self, tmp_path: Path, other: Path) -> None:
        file = write_results(tmp_path / "theirs.json")
        first, second = find(file, other)
        assert (first.name, second.name) == ("theirs", "other")
        (one,) = first.results
        assert (one.predictions, one.recipe) == (file, None)

    def test_files_of_one_name_are_told_apart_by_their_paths(self, tmp_path: Path) -> None:
        a, b = (write_results(tmp_path / folder / "r.json") for folder in "ab")
        assert [method.name for method in find(a, b)] == [f"r ({a})", f"r ({b})"]

    def test_a_name_makes_seeds_of_them(self, tmp_path: Path, other: Path) -> None:
        a, b = (write_results(tmp_path / folder / "r.json") for folder in "ab")
        first, _ = find(f"theirs={a}", f"theirs={b}", other)
        assert (first.name, len(first.results)) == ("theirs", 2)


class TestTwoNetworks:
    @pytest.fixture
    def colad(self, tmp_path: Path) -> Path:
        return write_run(tmp_path / "colad", networks=("a", "b"), optim__lr=0.5)

    @pytest.mark.parametrize("network", ["a", "b"])
    def test_one_is_chosen_and_named(self, colad: Path, other: Path, network: str) -> None:
        baseline, method = find(other, colad, network=network)
        assert baseline.name == "other"  # it has one network, which is meant anyway
        assert method.name == f"colad/{network}"
        assert method.results[0].predictions == colad / f"eval/{network}/val/predictions.json"

    @pytest.mark.parametrize("network", [None, "model"])
    def test_without_a_choice_they_are_refused(
        self, colad: Path, other: Path, network: str | None
    ) -> None:
        assert refusal(other, colad, network=network) == (
            f"{colad}: has results of network a and network b; choose one with --network"
        )

    def test_the_other_network_is_no_substitute(self, tmp_path: Path, other: Path) -> None:
        run = write_run(tmp_path / "colad", networks=("b",))
        assert refusal(other, run, network="a") == (
            f"{run}: has results of network b; choose one with --network"
        )
        assert find(other, run)[1].name == "colad/b"

    def test_seeds_are_grouped_by_network_too(self, tmp_path: Path, colad: Path) -> None:
        again = write_run(
            tmp_path / "colad-seed1", networks=("a", "b"), optim__lr=0.5, train__seed=1
        )
        paa = write_run(tmp_path / "paa")
        assert [len(m.results) for m in find(paa, colad, again, network="b")] == [1, 2]


class TestRefusals:
    def test_one_method_alone(self, tmp_path: Path) -> None:
        a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", train__seed=1)
        for given in ([a], [a, b], [f"X={a}", f"X={b}"]):
            assert refusal(*given).startswith("a comparison needs two methods, and this is one (")

    def test_results_that_are_given_twice(self, tmp_path: Path, other: Path) -> None:
        run = write_run(tmp_path / "run")
        expected = f"{run}: is given twice; leave one out, or give each a NAME= of its own"
        assert refusal(run, other, run) == expected
        assert len(find(f"A={run}", f"B={run}")) == 2

    def test_nothing_there(self, tmp_path: Path, other: Path) -> None:
        expected = f"{tmp_path}/none: no such run folder or results file"
        assert refusal(tmp_path / "none", other) == expected
        assert refusal(f"PAA={tmp_path}/none", other) == expected

    def test_no_evaluation_at_all(self, tmp_path: Path, other: Path) -> None:
        run = write_run(tmp_path / "run", networks=())
        assert refusal(run, other) == f"{run}: holds no evaluation; make one with lad eval"

    def test_no_results_on_that_set(self, tmp_path: Path, other: Path) -> None:
        run = write_run(tmp_path / "run", sets=("val", "train"))
        assert refusal(run, other, split="test") == (
            f"{run}: has no results on the set test (there are train, val); choose another "
            f"--split, or make them with lad eval --checkpoint {run}/checkpoints/model/last.pt "
            "and --split SET or --annotations FILE"
        )

    def test_a_damaged_recipe(self, tmp_path: Path, other: Path) -> None:
        run = write_run(tmp_path / "run")
        (run / "recipe.yaml").write_text("optim: {speed: 3}\n")
        assert f"recipe {run}/recipe.yaml: " in refusal(run, other)


def test_folders_that_an_evaluation_wrote_are_results(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "ours/predictions.json").parent
    theirs = write_results(tmp_path / "theirs/predictions.json")
    methods = find_results([str(ours), str(theirs)], split="val", network=None)
    assert [method.name for method in methods] == ["ours", "theirs"]
    (found,) = methods[0].results
    assert found.predictions == ours / "predictions.json"
    assert found.run is None


def test_folders_without_a_recipe_are_methods_of_their_own(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "x/run"), write_run(tmp_path / "y/run")
    for run in (a, b):
        (run / "recipe.yaml").unlink()
    assert [method.name for method in find(a, b)] == [f"run ({a})", f"run ({b})"]
