from __future__ import annotations

from typing import Any

from ladcli.evaluate.report.parts.differences import differences_section
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.recipe import load_recipe
from tests.evaluate.report.markup import Node, parse, table_of
from tests.evaluate.report.runs import method

OPTIONS, VERSIONS = "Options that differ", "Versions"


def run(name: str = "run", *, versions: Any = None, **options: Any) -> RunRecord:
    """A run with ``options`` (with "__" for the dot)."""
    flags = {key.replace("__", "."): value for key, value in options.items()}
    notes = {"versions": {"torch": "2.4.0"} if versions is None else versions}
    return RunRecord(name, notes, load_recipe(None, flags=flags), [])


def without_recipe(name: str = "bare") -> RunRecord:
    return RunRecord(name, {}, None, [])


def shown(*methods: MethodRecord) -> Node:
    return parse(differences_section(methods))


def options(*methods: MethodRecord) -> dict[str, list[str]]:
    """Values of every method by option, without what the option means."""
    return {row[0]: row[1:-1] for row in table_of(shown(*methods), OPTIONS)[1:]}


def test_options_that_differ_between_methods() -> None:
    paa = method("PAA", run(optim__lr=0.02))
    lad = method("LAD", run(data__short=[240, 320], optim__lr=0.02))
    page = shown(paa, lad)
    head, row = table_of(page, OPTIONS)
    assert head == ["option", "PAA", "LAD", "meaning"]
    assert row[:3] == ["data.short", "[800]", "[240, 320]"]
    assert row[3].startswith("short side in pixels")
    assert "Options that are not the same for all runs." in page.text


def test_options_that_differ_between_the_seeds_of_a_method() -> None:
    """Also where every method has the same seeds."""
    methods = [
        method(name, *(run(train__seed=seed, optim__lr=lr) for seed in (0, 1, 1)))
        for name, lr in (("PAA", 0.01), ("LAD", 0.02))
    ]
    assert options(*methods) == {"optim.lr": ["0.01", "0.02"], "train.seed": ["0; 1", "0; 1"]}


def test_nothing_that_differs_is_told() -> None:
    page = shown(method("A", run()), method("B", run("other")))
    assert "No option differs." in page.text
    assert not list(page.one("section").all("code"))


def test_run_without_a_recipe_differs_in_nothing_that_is_known() -> None:
    methods = method("A", run(optim__lr=0.02)), method("B", run()), method("C", without_recipe())
    assert options(*methods) == {"optim.lr": ["0.02", "0.01", "unknown"]}
    assert options(method("A", run(optim__lr=0.02), without_recipe()), methods[1]) == {
        "optim.lr": ["0.02", "0.01"]
    }


def test_without_recipes_and_versions_there_is_no_section() -> None:
    bare = method("A", without_recipe()), method("B", without_recipe())
    assert differences_section(bare) == ""
    odd = [RunRecord("x", {"versions": versions}, None, []) for versions in ([], "text", {})]
    assert differences_section([method(str(k), record) for k, record in enumerate(odd)]) == ""


def test_versions_of_all_runs_are_folded() -> None:
    versions = {"python": "3.11", "torch": "2.4.0"}
    page = shown(method("A", run(versions=versions)), method("B", run(versions=versions)))
    assert table_of(page.one("details"), VERSIONS)[1:] == [["python", "3.11"], ["torch", "2.4.0"]]
    assert not list(page.all("p", "remark"))


def test_versions_that_differ_are_a_remark() -> None:
    page = shown(
        method("A", run(versions={"torch": "2.4.0", "numpy": "1; 2"})),
        method("B", run(versions={"torch": "2.5.0", "numpy": "1; 2"}), without_recipe()),
        method("C", run(versions={"numpy": "1; 2"})),
    )
    assert page.one("p", "remark").text == (
        "Not all runs used the same programs: torch (2.4.0; 2.5.0; unknown)."
    )
    assert table_of(page, VERSIONS)[1:] == [["torch", "2.4.0; 2.5.0; unknown"], ["numpy", "1; 2"]]


def test_two_networks_of_a_run_differ_in_nothing() -> None:
    both = run()
    page = shown(MethodRecord("co/a", (Part(both, "a"),)), MethodRecord("co/b", (Part(both, "b"),)))
    assert "No option differs." in page.text
    assert table_of(page, VERSIONS)[1:] == [["torch", "2.4.0"]]


def test_values_and_names_are_text() -> None:
    evil = "<script>alert(1)</script>"
    methods = method(evil, run(data__dir=evil, versions={evil: evil})), method("B", run())
    markup = differences_section(methods)
    assert "<script>" not in markup
    assert options(*methods) == {"data.dir": [evil, "null"]}
