from __future__ import annotations

from ladcli.evaluate.report.reading.method import MethodRecord, Part, runs_of
from tests.evaluate.report.runs import method, plain_result, record


def test_numbers_of_a_network_of_two_carry_its_name() -> None:
    run = record("co", plain_result(0.4))
    assert Part(run, "model").key("loss") == "loss"
    assert Part(run, "b").key("loss") == "b.loss"


def test_results_are_those_of_the_network_on_the_set() -> None:
    kept = plain_result(0.4, network="b", split="test")
    others = [plain_result(0.1, network="b"), plain_result(0.2, network="a", split="test")]
    run, more = record("co-0", *others, kept), record("co-1", kept)
    found = method("CoLAD", run, more, network="b").entry("test", 3)
    assert found is not None
    assert (found.name, found.place) == ("CoLAD", 3)
    assert found.runs == (kept, kept)
    assert method("CoLAD", run, network="b").entry("train", 0) is None


def test_every_run_is_listed_once() -> None:
    co, paa = record("co", plain_result(0.4)), record("paa", plain_result(0.4))
    methods = [
        MethodRecord("a", (Part(co, "a"),)),
        method("PAA", paa),
        MethodRecord("b", (Part(co, "b"),)),
    ]
    assert runs_of(methods) == [co, paa]
