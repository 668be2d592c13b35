from __future__ import annotations

import pytest

from ladcli.evaluate.measured import MeasuredMethod, MeasuredRun
from ladcli.evaluate.report.parts.scores import scores_section
from tests.evaluate.report.markup import Node, parse, table_of
from tests.evaluate.report.runs import plain_result, random_entry


def shown(entries: list[MeasuredMethod], *, differences: bool = False) -> Node:
    return parse(scores_section(entries, differences=differences))


def headings(page: Node) -> list[str]:
    return [h.text for h in page.all("h3")]


def share(entry: MeasuredMethod, name: str) -> float:
    assert entry.runs[0].metrics is not None
    value = entry.runs[0].metrics.stats[name]
    assert value is not None
    return 100 * value


def test_numbers_are_points_of_100() -> None:
    one = random_entry("run")
    head, row = table_of(shown([one]), "COCO metrics")
    assert head[1:4] == ["AP", "AP50", "AP75"]
    assert row[:3] == ["run", f"{share(one, 'AP'):.1f}", f"{share(one, 'AP50'):.1f}"]


def test_differences_are_to_the_first() -> None:
    one, two = random_entry("one"), random_entry("two", seed=1)
    _, first, second = table_of(shown([one, two], differences=True), "COCO metrics")
    gain = share(two, "AP") - share(one, "AP")
    sign = "+" if gain > 0 else "−"
    assert second[1] == f"{share(two, 'AP'):.1f} {sign}{abs(gain):.1f}"
    assert "+" not in first[1]
    same = table_of(shown([one, random_entry("again")], differences=True), "COCO metrics")
    assert same[2][1].endswith("+0.0")


def test_several_runs_are_means_with_the_spread_of_their_average_precision() -> None:
    paa = MeasuredMethod("PAA", (plain_result(0.4), plain_result(0.44)))
    lad = MeasuredMethod("LAD", (plain_result(0.5),), place=1)
    page = shown([paa, lad], differences=True)
    _, first, second = table_of(page, "COCO metrics")
    assert first[:3] == ["PAA (2 runs)", "42.0 ±2.8", "42.0"]  # 4 points apart: 4 / sqrt(2)
    assert second[:3] == ["LAD", "50.0 +8.0", "50.0 +8.0"]
    assert "after ± the standard deviation of AP over the runs" in page.text
    assert "±" not in shown([lad]).text


def test_without_numbers_of_the_first_there_are_no_differences() -> None:
    """They would be to some other entry than the page says."""
    first = MeasuredMethod("PAA", (MeasuredRun("model", "val", None),))
    others = [MeasuredMethod(name, (plain_result(ap),)) for name, ap in (("A", 0.4), ("B", 0.5))]
    page = shown([first, *others], differences=True)
    assert [row[:2] for row in table_of(page, "COCO metrics")[1:]] == [["A", "40.0"], ["B", "50.0"]]
    assert "gains" not in page.text


def test_recorded_numbers_alone_give_no_curves() -> None:
    page = shown([MeasuredMethod("run", (plain_result(0.4, classes={"cup": 0.4}),))])
    assert headings(page) == ["COCO metrics", "AP per class"]


def test_what_was_measured_gives_all_parts() -> None:
    assert headings(shown([random_entry("run")])) == [
        "COCO metrics", "AP per class", "Precision and recall", "What kinds of error cost (TIDE)",
    ]  # fmt: skip


def test_entries_without_numbers_are_left_out() -> None:
    assert scores_section([MeasuredMethod("run", (MeasuredRun("model", "val", None),))]) == ""


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a "quoted" & <b>'])
def test_names_are_text(name: str) -> None:
    markup = scores_section([random_entry(name), random_entry("other")])
    assert "<script>" not in markup
    assert name in parse(markup).one("ul", "legend").text
