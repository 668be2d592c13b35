from __future__ import annotations

from typing import Any

import pytest

from ladcli.evaluate.report.parts.learning_compared import learning_comparison
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.evaluate.report.reading.method import MethodRecord, Part
from tests.evaluate.report.markup import Node, figures, legend_of, parse, places
from tests.evaluate.report.runs import method

STEPS = (10, 20, 30)


def run(name: str = "run", *lines: dict[str, Any]) -> RunRecord:
    return RunRecord(name, {}, None, lines)


def trained(**values: float | None) -> list[dict[str, Any]]:
    """Three logged steps; ``values`` (with "__" for the dot) fall to half and to a quarter."""
    names = {key.replace("__", "."): value for key, value in values.items()}
    return [
        {"kind": "train", "step": step, **{k: v / 2**n if v else v for k, v in names.items()}}
        for n, step in enumerate(STEPS)
    ]


def evaluated(*averages: float, **where: Any) -> list[dict[str, Any]]:
    return [
        {"kind": "eval", "step": 10 * epoch, "epoch": epoch, "set": "val", "AP": ap, **where}
        for epoch, ap in enumerate(averages, start=1)
    ]


def shown(*methods: MethodRecord) -> Node:
    return parse(learning_comparison(methods))


def lines(page: Node, title: str) -> list[Node]:
    return list(figures(page)[title].all("polyline"))


def test_charts_of_all_that_was_logged() -> None:
    log = trained(loss=4.0, num_positive=100, teacher_share=0.8) + evaluated(0.1, 0.2)
    page = shown(method("A", run("a", *log)), method("B", run("b", *log)))
    assert list(figures(page)) == [
        "Loss", "AP on val by epoch", "Positives per batch", "Who assigned the labels",
    ]  # fmt: skip
    assert legend_of(page) == ["A", "B"]
    assert list(figures(shown(method("A", run("a", *trained(loss=4.0)))))) == ["Loss"]


def test_nothing_logged_is_no_section() -> None:
    assert learning_comparison([method("A", run()), method("B", run("b", {"kind": "odd"}))]) == ""


def test_every_run_has_a_line_and_further_seeds_are_thin() -> None:
    seeds = [run(f"lad-{k}", *trained(loss=4.0 + k)) for k in range(3)]
    page = shown(method("PAA", run("paa", *trained(loss=3.0))), method("LAD", *seeds))
    loss = lines(page, "Loss")
    assert ["thin" in line.classes for line in loss] == [False, False, True, True]
    # All lines of a method have its hue and its dashes.
    assert [{"h0", "d0"} <= set(line.classes) for line in loss] == [True, False, False, False]
    assert [{"h1", "d1"} <= set(line.classes) for line in loss] == [False, True, True, True]
    assert page.one("p", "lead").text == "Thin lines are further seeds."
    assert legend_of(page) == ["PAA", "LAD"]


def test_single_runs_have_no_thin_lines() -> None:
    page = shown(method("A", run("a", *trained(loss=4.0))), method("B", run("b")))
    assert not list(page.all("p", "lead"))
    assert len(lines(page, "Loss")) == 1
    assert legend_of(page) == ["A", "B"]  # hues stay with their methods


def test_networks_of_a_run_have_their_own_losses_and_evaluations() -> None:
    log = [
        *trained(loss=6.0, a__loss=4.0, b__loss=2.0, num_positive=100),
        *evaluated(0.1, network="a"),
        *evaluated(0.3, 0.2, network="b"),
    ]
    co = run("co", *log)
    page = shown(MethodRecord("co/a", (Part(co, "a"),)), MethodRecord("co/b", (Part(co, "b"),)))
    a, b = (places(line) for line in lines(page, "Loss"))
    base = places(lines(page, "Loss")[0])[0][1]
    assert base == a[0][1] < b[0][1]  # the larger loss is further up
    dots = [t.text for t in figures(page)["AP on val by epoch"].all("title")]
    assert dots == [
        "co/a, co, epochs trained 1: 10",
        "co/b, co, epochs trained 1: 30",
        "co/b, co, epochs trained 2: 20",
    ]
    # Both learn from the same positives.
    one, two = (places(line) for line in lines(page, "Positives per batch"))
    assert one == two


def test_network_that_was_not_logged_has_no_line() -> None:
    co = run("co", *trained(a__loss=4.0), *evaluated(0.1, network="a"))
    page = shown(
        MethodRecord("co/b", (Part(co, "b"),)), method("PAA", run("paa", *trained(loss=2.0)))
    )
    assert list(figures(page)) == ["Loss"]
    (line,) = lines(page, "Loss")
    assert "h1" in line.classes


def test_every_set_has_a_chart() -> None:
    log = evaluated(0.1, 0.2) + evaluated(0.3, set="night")
    page = shown(method("A", run("a", *log)), method("B", run("b", *evaluated(0.4, set="night"))))
    charts = figures(page)
    assert list(charts) == ["AP on val by epoch", "AP on night by epoch"]
    assert [t.text for t in charts["AP on night by epoch"].all("title")] == [
        "A, a, epochs trained 1: 30", "B, b, epochs trained 1: 40",
    ]  # fmt: skip


def test_shares_are_percents_of_a_whole_axis() -> None:
    page = shown(method("A", run("a", *trained(teacher_share=0.8))))
    chart = figures(page)["Who assigned the labels"]
    ticks = [t for t in chart.all("text", "tick") if t.attributes["text-anchor"] == "end"]
    assert [t.text for t in ticks][-1] == "100"
    heights = [y for _, y in places(lines(page, "Who assigned the labels")[0])]
    ends = [ticks[0].number("y") - 4, ticks[-1].number("y") - 4]
    shares = [(ends[0] - y) / (ends[0] - ends[1]) for y in heights]
    assert shares == pytest.approx([0.8, 0.4, 0.2], abs=0.002)


def test_values_that_are_no_numbers_are_left_out() -> None:
    log = trained(loss=4.0)
    log[1]["loss"] = float("nan")
    log += [{"kind": "train", "step": 40, "loss": None}, {"kind": "train", "loss": 1.0}]
    page = shown(method("A", run("a", *log)))
    assert len(places(lines(page, "Loss")[0])) == 2


def test_losses_far_apart_are_on_a_logarithmic_axis() -> None:
    near, far = run("near", *trained(loss=4.0)), run("far", *trained(loss=400.0))
    page = shown(method("A", near), method("B", far))
    assert "The axis is logarithmic." in figures(page)["Loss"].text
    one, two, three = places(lines(page, "Loss")[0])
    assert two[1] - one[1] == pytest.approx(three[1] - two[1], abs=0.2)
    assert "logarithmic" not in shown(method("A", near), method("B", near)).text


def test_names_are_text() -> None:
    evil = "<script>alert(1)</script>"
    log = evaluated(0.1, set=evil)
    markup = learning_comparison([method(evil, run(evil, *log))])
    assert "<script>" not in markup
    assert list(figures(parse(markup))) == [f"AP on {evil} by epoch"]
