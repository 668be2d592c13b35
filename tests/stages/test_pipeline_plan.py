"""What a pipeline will do, without doing it."""

from __future__ import annotations

from pathlib import Path

import yaml

from ladcli.recipe.pipeline import load_pipeline
from ladcli.stages.pipeline_plan import PipelineOptions, identity_of, plan_runs


def test_identities_of_earlier_versions_hold(tmp_path: Path) -> None:
    """Finished runs are known by them: a change would refuse every folder that is there."""
    recipe = {"model": {"channels": 64}, "schedule": {"epochs": 4, "decay_epochs": [3]}}
    stages = [
        {"name": "paa", "run": "pretrain", "seeds": [0, 1]},
        {"name": "cache", "run": "cache-teacher", "teacher": "paa-seed0"},
        {"name": "lad", "run": "distill", "cache": "cache", "recipe": {"optim": {"lr": 0.02}}},
    ]
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump({"recipe": recipe, "stages": stages}))
    runs, recipes = plan_runs(
        load_pipeline(file), "p", PipelineOptions(tmp_path / "out", {"data.dir": "/photos"})
    )
    assert {run.name: identity_of(run, recipes[run.name]) for run in runs} == {
        "paa-seed0": "76701351b59e2984850963f23c39451bb29a2197b1c236210e658ce04ae99d5b",
        "paa-seed1": "975b4be3cfcc6e2aa3dacc8886997ea7f97a4ba7fd7b3c3fd0af4c838f5a5f78",
        "cache": "5131543a79652cad673255c37ec5bdf579bda8bb9eb4b3de70069d0f7a7d9c2f",
        "lad": "e061a60d12212eb16f597654e247dc029cb860d1832e192685e8bdb650f26eeb",
    }
