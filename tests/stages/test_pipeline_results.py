"""What a pipeline's networks reached, of runs that lie there finished."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ladcli.recipe import load_recipe
from ladcli.recipe.pipeline import Pipeline
from ladcli.stages.pipeline_results import PipelineResult, PipelineRun, measure_pipeline
from tests.stages.tiny import copy_of


@dataclass(frozen=True)
class Finished:
    """A PAA network, the same one once more as two seeds of another stage, and a pair."""

    out: Path
    data: Path

    def measure(self, *, baseline: str | None, moved: Path | None = None) -> PipelineResult:
        """``moved`` is another data folder, of the stage "again"."""
        pipeline = Pipeline.model_validate(
            {
                "stages": [
                    {"name": "paa", "run": "pretrain", "title": "PAA"},
                    {"name": "again", "run": "pretrain", "title": "<again>", "seeds": [0, 1]},
                    {"name": "duo", "run": "colad", "title": "CoLAD"},
                ],
                "baseline": baseline,
            }
        )
        runs, recipes = [], {}
        for stage in pipeline.stages:
            data = moved if moved is not None and stage.name == "again" else self.data
            for name, seed in zip(stage.run_names(), stage.seeds, strict=True):
                runs.append(PipelineRun(stage, name, seed, self.out / name))
                recipes[name] = load_recipe(
                    self.out / name / "recipe.yaml", flags={"data.dir": str(data)}
                )
        return measure_pipeline(pipeline, runs, recipes, self.out, quiet=True)


@pytest.fixture
def finished(teacher_run: Path, duo: Path, data: Path, tmp_path: Path) -> Finished:
    for name in ("paa", "again-seed0", "again-seed1"):
        shutil.copytree(teacher_run, tmp_path / "out" / name)
    shutil.copytree(duo, tmp_path / "out/duo")
    return Finished(tmp_path / "out", data)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_stages_are_compared_with_the_baseline(finished: Finished) -> None:
    result = finished.measure(baseline="paa")
    (comparison,) = result.comparisons
    assert [method.name for method in comparison.methods] == [
        "PAA", "<again>", "CoLAD, network a", "CoLAD, network b",
    ]  # fmt: skip
    again = comparison.methods[1]
    assert len(again.runs) == 2
    assert again.gains is not None
    assert again.gains.overall["AP"].difference == 0  # it is the same network
    ap = {m.run: m.metrics.stats["AP"] for m in result.measured}
    network_b = comparison.methods[3].gains
    assert network_b is not None
    assert network_b.overall["AP"].value == pytest.approx(ap["duo/b"])


def test_numbers_intervals_and_a_page_are_stored(finished: Finished) -> None:
    result = finished.measure(baseline="paa")
    rows = read(finished.out / "summary.json")
    assert [row["run"] for row in rows] == ["paa", "again-seed0", "again-seed1", "duo/a", "duo/b"]
    assert read(finished.out / "comparison-val.json") == result.comparisons[0].to_json()
    assert result.pages == [finished.out / "comparison-val.html"]
    page = result.pages[0].read_text(encoding="utf-8")
    assert "Differences are to the first: PAA." in page
    assert "&lt;again&gt; (2 runs)" in page


def test_either_network_of_a_pair_may_be_the_baseline(finished: Finished) -> None:
    (comparison,) = finished.measure(baseline="duo/b").comparisons
    assert [method.name for method in comparison.methods] == [
        "CoLAD, network b", "PAA", "<again>", "CoLAD, network a",
    ]  # fmt: skip


def test_without_a_baseline_nothing_is_compared(finished: Finished) -> None:
    result = finished.measure(baseline=None)
    assert len(result.measured) == 5
    assert (result.comparisons, result.pages) == ([], [])
    assert not list(finished.out.glob("comparison*"))


def test_stages_with_data_of_their_own_are_measured_and_not_compared(
    finished: Finished, tmp_path: Path
) -> None:
    """After hours of training, that is no reason to fail."""
    moved = copy_of(finished.data, tmp_path / "moved")
    truth = read(moved / "annotations/val.json")
    truth["annotations"][0]["area"] += 1
    (moved / "annotations/val.json").write_text(json.dumps(truth))
    result = finished.measure(baseline="paa", moved=moved)
    assert len(result.measured) == 5
    assert result.comparisons == []
    assert (finished.out / "summary.json").exists()
