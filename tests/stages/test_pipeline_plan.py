"""What a pipeline will do, without doing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ladcli.data.shipped import shipped_photos
from ladcli.fingerprint import fingerprint_plain
from ladcli.recipe.pipeline import find_pipeline, load_pipeline
from ladcli.stages.pipeline_plan import PipelineOptions, identity_of, list_runs, plan_runs

PHOTOS = {"data.dir": "/photos"}


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


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("bccd", {}, "7e6351f7f01b16bee3aeebd416dfd2b0e50c170634a881cf2202663515496cca"),
        ("bccd", PHOTOS, "3b3421be19a2b23c683f20e24c3d9aa1265e68dd103322be04414a6ea9c379e7"),
        ("bccd-cost", PHOTOS, "605d3b151d31f04050faff2ba953f56b89b01590e48cbb67bda3c0f890e5a850"),
        ("bccd-small", PHOTOS, "4a3f85bb4de5b4f6ede33cebbb4ad97ff7616455287d34cb77055c4c0d7ece85"),
        ("demo", {}, "8f61bc1d752f0ba9924e3241ccca2415a64e0946c689f790189d7ee9eb09b9bc"),
    ],
    ids=str,
)
def test_finished_runs_of_shipped_pipelines_are_known(
    name: str, flags: dict[str, str], expected: str
) -> None:
    """Only a pipeline whose runs have changed may get another digest."""
    pipeline = load_pipeline(find_pipeline(name))
    runs, recipes = list_runs(pipeline, name, PipelineOptions(Path("/nowhere"), dict(flags)))
    identities = {run.name: identity_of(run, recipes[run.name]) for run in runs}
    assert fingerprint_plain(identities) == expected


def identity(folder: Path, recipe: dict[str, Any], **keys: Any) -> tuple[str, str]:
    """The identity of a lone training under ``recipe``, and the data folder that it takes."""
    file = folder / "p.yaml"
    stages = [{"name": "net", "run": "pretrain"}]
    file.write_text(yaml.safe_dump({"recipe": recipe, "stages": stages, "data": "demo", **keys}))
    runs, recipes = plan_runs(load_pipeline(file), "p", PipelineOptions(folder / "out", {}))
    return identity_of(runs[0], recipes["net"]), str(recipes["net"].data.dir)


def test_shipped_photos_stand_in_for_a_data_folder_and_may_lie_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, folder = identity(tmp_path, {})
    assert folder == str(shipped_photos("demo"))
    elsewhere = tmp_path / "installed" / "demo"
    elsewhere.parent.mkdir()
    elsewhere.symlink_to(shipped_photos("demo"))
    monkeypatch.setattr("ladcli.stages.pipeline_plan.shipped_photos", lambda name: elsewhere)
    monkeypatch.setattr(Path, "resolve", Path.absolute)
    assert identity(tmp_path, {}) == (here, str(elsewhere))


def test_rate_that_follows_the_batch_is_not_the_default_that_was_given(tmp_path: Path) -> None:
    given, _ = identity(tmp_path, {"train": {"batch_size": 8}, "optim": {"lr": 0.01}})
    followed, _ = identity(tmp_path, {"train": {"batch_size": 8}})
    same, _ = identity(tmp_path, {"train": {"batch_size": 8}, "optim": {"lr": 0.005}})
    assert followed == same != given
    assert identity(tmp_path, {"optim": {"lr": 0.01}}) == identity(tmp_path, {})


def test_options_that_change_no_result_are_in_no_identity(tmp_path: Path) -> None:
    bare, _ = identity(tmp_path, {})
    free = {
        "data": {"workers": 0, "skip_bad_images": True, "max_bad_share": 0.5},
        "train": {"device": "cpu", "log_every": 1, "probe_images": 0, "tensorboard": True},
    }
    assert identity(tmp_path, free)[0] == bare
    assert identity(tmp_path, {"train": {"channels_last": False}})[0] != bare


def test_what_a_preset_leaves_alone_tells_runs_apart(tmp_path: Path) -> None:
    small = {"train": {"preset": "small"}}
    twelve, _ = identity(tmp_path, {**small, "schedule": {"epochs": 12}})
    assert twelve != identity(tmp_path, small)[0]
