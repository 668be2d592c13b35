from __future__ import annotations

from typing import Any

import pytest

from ladcli.evaluate.measured import MeasuredRun
from ladcli.evaluate.report.parts.heading import heading, method_of
from ladcli.evaluate.report.reading.content import RunRecord
from ladcli.recipe import load_recipe
from ladcli.recipe.options import option_keys
from ladcli.runs.coco_numbers import CocoMetrics
from tests.evaluate.report.markup import Node, parse, rows_of
from tests.evaluate.report.runs import NOTES


def record(notes: dict[str, Any] | None = None, *overrides: str, **options: Any) -> RunRecord:
    recipe = load_recipe(None, overrides=overrides)
    return RunRecord("my run", {**NOTES, **(notes or {})}, recipe, [], **options)


def facts(run: RunRecord) -> dict[str, str]:
    shown = parse(heading(run)).one("dl", "facts")
    return {
        name.text: value.text for name, value in zip(shown.all("dt"), shown.all("dd"), strict=True)
    }


def tables(run: RunRecord) -> list[Node]:
    return list(parse(heading(run)).all("table"))


def test_facts_of_a_run() -> None:
    shown = facts(record())
    assert shown["status"] == "finished"
    assert shown["command"].split() == ["lad", "distill", "--out", "'my", "run'"]
    assert shown["started"] == "2025-03-01 10:00:00 +0000"
    assert shown["finished"].endswith("1 h 05 min after the start")
    assert shown["seed"] == "3"
    assert shown["classes"] == "3: disc, square, triangle"
    assert shown["fingerprints"] == "data 0123456789ab"
    assert "left out" not in shown


def test_average_precision_is_at_the_top() -> None:
    metrics = CocoMetrics({"AP": 0.4567}, {})
    results = [MeasuredRun("a", "val", metrics), MeasuredRun("b", "val", None)]
    assert facts(record(results=results))["AP"] == "45.7 of a on val"


def test_skipped_images_are_told() -> None:
    assert facts(record({"skipped_images": ["a.jpg"]}))["left out"].startswith("1 image(s)")


def test_options_that_were_set_stand_alone_and_the_others_are_folded() -> None:
    run = record(None, "optim.lr=0.02", "data.short=[240, 320]", "data.dir=<b>")
    own, rest, _ = tables(run)
    shown = {row[0]: row[1:3] for row in rows_of(own)[1:]}
    assert shown == {
        "data.dir": ["<b>", "null"],
        "data.short": ["[240, 320]", "[800]"],
        "optim.lr": ["0.02", "0.01"],
    }
    assert len(rows_of(rest)) - 1 == len(option_keys()) - 3
    folded = parse(heading(run)).one("details")
    assert folded.attributes == {}
    assert folded.one("table").text == rest.text


def test_run_without_notes_or_recipe_has_a_heading() -> None:
    shown = heading(RunRecord("x", {}, None, []))
    assert "unknown" in shown
    assert "<h1>x</h1>" in shown


@pytest.mark.parametrize(
    "notes",
    [
        {"command": "text"}, {"command": []}, {"versions": []}, {"classes": {"a": 1}},
        {"classes": [3]}, {"started": 5, "finished": "soon"}, {"fingerprints": "x"},
        {"started": "2025-03-01T10:00:00", "finished": "2025-03-01T11:00:00+0000"},
    ],
)  # fmt: skip
def test_odd_notes_do_no_harm(notes: dict[str, Any]) -> None:
    assert "my run" in heading(record(notes))


@pytest.mark.parametrize(
    ("stage", "override", "words"),
    [
        ("pretrain", "optim.lr=1", "PAA"),
        ("distill", "distill.mode=lad", "LAD: the teacher prices"),
        ("distill", "distill.switch=fisher", "fisher switch per level"),
        ("distill", "distill.mode=soft", "soft labels"),
        ("distill", "distill.mode=solad", "SoLAD"),
        ("colad", "colad.soft=true", "CoLAD: two networks"),
        ("other", "optim.lr=1", "lad other"),
    ],
)
def test_method_in_words(stage: str, override: str, words: str) -> None:
    assert words in method_of(record({"stage": stage}, override))
