"""COCO numbers against those of the published evaluator, for every golden set of detections."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ladcli.data.coco_json import read_coco
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.results import load_results
from ladcli.runs.coco_numbers import CocoMetrics
from tests.golden.scene import for_each

FILES = "eval/*.expected.json"


@pytest.fixture
def expected(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@pytest.fixture
def metrics(path: Path) -> CocoMetrics:
    return metrics_of(path)


@cache
def metrics_of(path: Path) -> CocoMetrics:
    """What we make of the detections that ``path`` is about."""
    expected = json.loads(path.read_text())
    ground_truth = read_coco(path.with_name(expected["ground_truth"]))
    results = load_results(path.with_name(expected["predictions"]), ground_truth)
    assert len(results) == expected["n_detections"]
    return coco_metrics(ground_truth, results)


def stored(numbers: dict[str, float | None]) -> dict[str, float]:
    """Our numbers as the files hold them: -1 for what has no ground truth."""
    return {name: -1 if value is None else value for name, value in numbers.items()}


@for_each(FILES)
def test_twelve_numbers(metrics: CocoMetrics, expected: dict[str, Any]) -> None:
    wanted = expected["coco"]["stats"]
    assert list(metrics.stats) == list(wanted)
    assert stored(metrics.stats) == pytest.approx(wanted, rel=0, abs=1e-6)


@for_each(FILES)
def test_numbers_of_each_class(metrics: CocoMetrics, expected: dict[str, Any]) -> None:
    wanted = expected["coco"]["per_class"]
    assert set(metrics.per_class) == set(wanted)
    for name, numbers in wanted.items():
        assert stored(metrics.per_class[name]) == pytest.approx(numbers, rel=0, abs=1e-6), name


@for_each(FILES)
def test_json_holds_the_same_numbers_in_order(
    metrics: CocoMetrics, expected: dict[str, Any]
) -> None:
    plain = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert set(plain) == {"coco"}
    names = list(expected["coco"]["stats"])
    assert plain["coco"]["stats"] == [metrics.stats[name] for name in names]
    assert plain["coco"]["per_class"] == metrics.per_class
