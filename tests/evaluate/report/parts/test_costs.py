"""What training cost, on pages."""

from __future__ import annotations

from dataclasses import replace

from ladcli.evaluate.report.parts.costs import cost_facts, cost_section
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from ladcli.training_cost import UNKNOWN, TrainingCost
from tests.evaluate.report.markup import parse, table_of

ONE = TrainingCost(12, 2460, 372.0, 2_900_000, 2_800_000)
STUDENT = replace(ONE, earlier=(ONE,))


def record(name: str, **costs: TrainingCost) -> RunRecord:
    return RunRecord(name, {}, None, [], costs=costs)


def method(name: str, *runs: RunRecord, network: str = "model") -> MethodRecord:
    return MethodRecord(name, tuple(Part(run, network) for run in runs))


def test_methods_and_their_teachers_have_a_row_each() -> None:
    seeds = record("s0", model=STUDENT), record("s1", model=replace(STUDENT, seconds=348.0))
    shown = parse(cost_section([method("PAA", record("p", model=ONE)), method("<LAD>", *seeds)]))
    assert table_of(shown, "What training cost")[1:] == [
        ["PAA", "12", "2,460", "6.2 min", "2.9 M", "2.8 M"],
        ["<LAD>", "12", "2,460", "6.0 min", "2.9 M", "2.8 M"],
        ["+ teacher", "12", "2,460", "6.2 min", "", "2.8 M"],
    ]
    assert "not at equal total cost" in shown.text
    assert "counted in full for each" in shown.text


def test_nothing_is_shown_of_which_nothing_is_known() -> None:
    assert cost_section([method("A", record("a")), method("B", record("b"))]) == ""
    assert cost_facts(record("a")) == []


def test_a_run_tells_its_own_cost_and_its_teachers() -> None:
    assert cost_facts(record("a", model=STUDENT)) == [
        ("training", "12 epochs, 2,460 images seen, 6.2 min"),
        ("parameters", "2.9 M; 2.8 M of them trained"),
        ("teacher's training", "12 epochs, 2,460 images seen, 6.2 min"),
    ]
    assert cost_facts(record("a", model=replace(ONE, earlier=(UNKNOWN,))))[-1] == (
        "teacher's training", "unknown",
    )  # fmt: skip


def test_a_pair_tells_the_parameters_of_both() -> None:
    pair = replace(ONE, networks=2, trained=7_000_000)
    facts = dict(cost_facts(record("duo", a=pair, b=replace(pair, parameters=5_000_000))))
    assert facts == {
        "training": "12 epochs, 2,460 images seen by each of two networks, 6.2 min",
        "parameters": "2.9 M (network a), 5.0 M (network b); 7.0 M of them trained",
    }
