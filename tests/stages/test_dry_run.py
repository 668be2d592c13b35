"""What `lad run --dry-run` foresees is what `lad run` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ladcli.errors import Interrupted, UserError
from ladcli.recipe.pipeline import Pipeline, load_pipeline
from ladcli.stages.dry_run import Forecast, forecast_pipeline
from ladcli.stages.pipeline_plan import PipelineOptions
from ladcli.stages.run import run_pipeline
from tests.stages.tiny import RECIPE, STEP, contents, ctrl_c_at_call

IMAGES = {
    "name": "images",
    "run": "synth",
    "synth": {"train": 9, "val": 4, "test": 0, "width": 128, "height": 96, "classes": 3},
}
SEEDS = {"seeds": [0, 1]}
STAGES: list[dict[str, Any]] = [
    {"name": "teacher", "run": "pretrain", **SEEDS},
    {"name": "cache", "run": "cache-teacher", "teacher": "teacher", **SEEDS},
    {"name": "student", "run": "distill", "cache": "cache", **SEEDS},
]


def pipeline(folder: Path, stages: list[dict[str, Any]], **recipe: Any) -> Pipeline:
    content = {**RECIPE, "train": {**RECIPE["train"], "eval_every": 0}, **recipe}
    file = folder / "p.yaml"
    file.write_text(yaml.safe_dump({"recipe": content, "stages": stages}))
    return load_pipeline(file)


def options(out: Path, data: Path | None = None, **changes: Any) -> PipelineOptions:
    flags = {"data.dir": None if data is None else str(data), "model.weights": None}
    return PipelineOptions(out, flags, quiet=True, **changes)


def forecast(what: Pipeline, given: PipelineOptions) -> dict[str, Forecast]:
    return {f.name: f for f in forecast_pipeline(what, "p.yaml", given)}


def steps_done(run: Path) -> int:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return max(line["step"] for line in lines)


def test_what_it_says_is_what_happens(tmp_path: Path) -> None:
    what = pipeline(tmp_path, [IMAGES, *STAGES], schedule={"epochs": 2, "decay_epochs": [1]})
    given = options(tmp_path / "out")
    before = forecast(what, given)
    assert not (tmp_path / "out").exists()
    assert [(f.does, f.seed, f.teacher, f.cache, f.state) for f in before.values()] == [
        ("synth", 0, None, None, "new"),
        ("pretrain", 0, None, None, "new"),
        ("pretrain", 1, None, None, "new"),
        ("cache-teacher", 0, "teacher-seed0", None, "new"),
        ("cache-teacher", 1, "teacher-seed1", None, "new"),
        ("distill", 0, None, "cache-seed0", "new"),
        ("distill", 1, None, "cache-seed1", "new"),
    ]
    assert before["images"].images == 13
    assert before["images"].settings["width"] == 128
    assert all(f.data == "images" for f in before.values() if f.does != "synth")
    assert not [f.missing for f in before.values() if f.missing]
    teacher = before["teacher-seed1"]
    assert (teacher.images, teacher.batches, teacher.epochs, teacher.steps) == (9, 3, 2, 6)
    assert teacher.settings["schedule.epochs"] == 2
    assert "data.dir" not in teacher.settings
    assert "optim.lr" not in teacher.settings
    assert (before["cache-seed0"].images, before["cache-seed0"].views) == (9, 2)

    run_pipeline(what, "p.yaml", given)
    contents_before = contents(tmp_path / "out")
    after = forecast(what, given)
    assert {f.state for n, f in after.items()} == {"finished"}
    assert contents(tmp_path / "out") == contents_before
    for name in ("teacher-seed0", "student-seed1"):
        assert steps_done(given.out / name) == before[name].steps
    # Counted in the images that were drawn, the numbers are those that were foreseen.
    for name, one in before.items():
        other = after[name]
        assert (one.images, one.batches, one.steps) == (other.images, other.batches, other.steps)


def test_settings_are_those_that_the_data_decide(data: Path, tmp_path: Path) -> None:
    """A rate for the batch, a warm-up for the length, and sizes of a preset."""
    schedule = {"epochs": 6, "decay_epochs": []}
    what = pipeline(tmp_path, STAGES[:2], optim={}, data={"workers": 0}, schedule=schedule)
    given = options(tmp_path / "out", data, overrides=["train.preset=small", "train.batch_size=2"])
    found = forecast(what, given)
    settings = found["teacher-seed0"].settings
    assert settings["data.short"] == [320]
    assert settings["optim.lr"] == 0.005  # for batches of 2
    assert settings["optim.warmup_steps"] == 2  # a tenth of 24 steps
    assert found["cache-seed0"].settings["data.short"] == [320]
    run_pipeline(what, "p.yaml", given)
    stored = yaml.safe_load((given.out / "teacher-seed0/recipe.yaml").read_text())
    assert {key: stored[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


def test_stopped_run_is_to_be_resumed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, given = pipeline(tmp_path, STAGES), options(tmp_path / "out", data)
    with monkeypatch.context() as patch:
        ctrl_c_at_call(patch, STEP, 1)
        with pytest.raises(Interrupted):
            run_pipeline(what, "p.yaml", given)
    found = forecast(what, given)
    assert [f.state for f in found.values()] == ["to be resumed", *["new"] * 5]
    assert not found["teacher-seed0"].missing
    changed = forecast(what, options(tmp_path / "out", data, overrides=["optim.lr=0.5"]))
    (message,) = changed["teacher-seed0"].missing
    assert "teacher-seed0: was started with --lr 0.01 (optim.lr), not 0.5;" in message


def test_half_built_cache_is_to_be_resumed(data: Path, tmp_path: Path) -> None:
    what, given = pipeline(tmp_path, STAGES), options(tmp_path / "out", data)
    (tmp_path / "out/cache-seed1/teacher.h5.parts").mkdir(parents=True)
    found = forecast(what, given)
    assert [found[f"cache-seed{seed}"].state for seed in (0, 1)] == ["new", "to be resumed"]


class TestMissing:
    def missing(self, what: Pipeline, given: PipelineOptions) -> list[str]:
        """What all runs lack, each once, in order; and nothing is written."""
        found = forecast(what, given)
        assert not given.out.exists()
        return list(dict.fromkeys(m for f in found.values() for m in f.missing))

    def test_data_folder(self, tmp_path: Path) -> None:
        what = pipeline(tmp_path, STAGES)
        (unnamed,) = self.missing(what, options(tmp_path / "out"))
        assert unnamed == "no data folder is named; name it with --data"
        (absent,) = self.missing(what, options(tmp_path / "out", tmp_path / "none"))
        assert absent == f"{tmp_path}/none: no such data folder; check --data"

    def test_counts_that_need_the_data_are_left_out(self, tmp_path: Path) -> None:
        found = forecast(pipeline(tmp_path, STAGES), options(tmp_path / "out"))
        teacher = found["teacher-seed0"]
        assert (teacher.images, teacher.batches, teacher.steps) == (None, None, None)
        assert teacher.epochs == 1

    def test_set_to_evaluate_on(self, data: Path, tmp_path: Path) -> None:
        what = pipeline(tmp_path, STAGES).model_copy(update={"evaluate": ["train", "val"]})
        assert self.missing(what, options(tmp_path / "out", data)) == []
        (data_copy := tmp_path / "data").mkdir()
        (data_copy / "annotations").mkdir()
        (data_copy / "images").symlink_to(data / "images")
        (data_copy / "annotations/train.json").write_bytes(
            (data / "annotations/train.json").read_bytes()
        )
        (message,) = self.missing(what, options(tmp_path / "out", data_copy))
        assert message == f"{data_copy}: has no val set, on which the pipeline evaluates"

    def test_weights_device_and_checkpoints(self, data: Path, tmp_path: Path) -> None:
        duo = {"name": "duo", "run": "colad", "recipe": {"net_b": {"init": "b.pt"}}}
        what = pipeline(tmp_path, [STAGES[0], duo])
        changes = ["model.weights=w.pth", "train.device=gpu"]
        found = self.missing(what, options(tmp_path / "out", data, overrides=changes))
        assert found == [
            "device 'gpu' is unknown; choose auto, cpu, cuda or cuda:N",
            "w.pth: no such weights file; give --weights (model.weights) a file that exists",
            "b.pt: no such weights file; give --init-b (net_b.init) a file that exists",
        ]

    def test_a_package(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def lacks() -> None:
            raise UserError("train.tensorboard: TensorBoard is not installed")

        monkeypatch.setattr("ladcli.stages.dry_run.require_tensorboard", lacks)
        given = options(tmp_path / "out", data, overrides=["train.tensorboard=true"])
        assert self.missing(pipeline(tmp_path, STAGES), given) == [
            "train.tensorboard: TensorBoard is not installed"
        ]

    def test_options_of_the_synthetic_set_out_of_range(self, tmp_path: Path) -> None:
        images = {**IMAGES, "synth": {"classes": 9}}
        (message,) = self.missing(pipeline(tmp_path, [images]), options(tmp_path / "out"))
        expected = "pipeline p.yaml, stage images: synthetic set: classes must be 1 to 8, got 9"
        assert message == expected
        with pytest.raises(UserError) as caught:
            run_pipeline(pipeline(tmp_path, [images]), "p.yaml", options(tmp_path / "out"))
        assert str(caught.value) == expected

    def test_folder_of_other_files(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "out/teacher-seed0").mkdir(parents=True)
        (tmp_path / "out/teacher-seed0/mine.txt").write_text("")
        found = forecast(pipeline(tmp_path, STAGES), options(tmp_path / "out", data))
        (message,) = found["teacher-seed0"].missing
        assert message.startswith(f"{tmp_path}/out/teacher-seed0: holds other files")

    def test_place_that_cannot_be_written(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        found = forecast(pipeline(tmp_path, STAGES[:1]), options(tmp_path / "file", data))
        assert [len(f.missing) for f in found.values()] == [1, 1]
        assert "is no folder); choose another place" in found["teacher-seed0"].missing[0]

    def test_damaged_label(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "out/teacher-seed0").mkdir(parents=True)
        for text in ("{", "[]", '{"a": 1}'):
            (tmp_path / "out/teacher-seed0/stage.json").write_text(text)
            found = forecast(pipeline(tmp_path, STAGES), options(tmp_path / "out", data))
            assert "stage.json: is damaged; " in found["teacher-seed0"].missing[0]

    def test_bad_option_is_refused_at_once(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"optim\.lr must be greater than 0, got -1"):
            forecast(
                pipeline(tmp_path, STAGES),
                options(tmp_path / "out", data, overrides=["optim.lr=-1"]),
            )
