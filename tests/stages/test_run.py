from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from ladcli.data.coco_json import CocoFile
from ladcli.detector.checkpoint import load_checkpoint
from ladcli.errors import BadImageError, Interrupted, UserError
from ladcli.evaluate import measurements
from ladcli.evaluate.results import Results
from ladcli.evaluate.summary import StageResult, summary_table
from ladcli.recipe.pipeline import Pipeline, load_pipeline
from ladcli.stages.pipeline_plan import PipelineOptions
from ladcli.stages.pipeline_results import PipelineResult
from ladcli.stages.run import run_pipeline
from tests.stages.tiny import (
    RECIPE,
    STEP,
    assert_same_weights,
    contents,
    copy_of,
    ctrl_c_at_call,
    cut_pixels,
    weights,
)

#: As the command line passes them: every option is there, None where it was not given.
NO_FLAGS: dict[str, Any] = {"data.dir": None, "train.seed": None, "model.weights": None}
STAGES: list[dict[str, Any]] = [
    {"name": "teacher", "run": "pretrain", "title": "the teacher"},
    {"name": "cache", "run": "cache-teacher", "teacher": "teacher"},
    {"name": "student", "run": "distill", "cache": "cache", "seeds": [0, 1]},
]
IMAGES: dict[str, Any] = {
    "name": "images",
    "run": "synth",
    "synth": {"train": 8, "val": 4, "test": 0, "width": 128, "height": 96, "classes": 3},
}


def pipeline(tmp_path: Path, stages: list[dict[str, Any]], **keys: Any) -> Pipeline:
    recipe = {**RECIPE, "train": {**RECIPE["train"], "eval_every": 0}}
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump({"recipe": recipe, "stages": stages, **keys}))
    return load_pipeline(file)


def run_to_its_end(what: Pipeline, out: Path, **options: Any) -> PipelineResult:
    options["flags"] = {**NO_FLAGS, **options.get("flags", {})}
    return run_pipeline(what, "p.yaml", PipelineOptions(out, quiet=True, **options))


def run(what: Pipeline, out: Path, **options: Any) -> list[StageResult]:
    return run_to_its_end(what, out, **options).measured


def runs_in(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if path.is_dir())


def seed_of(folder: Path) -> int:
    seed: int = yaml.safe_load((folder / "recipe.yaml").read_text())["train"]["seed"]
    return seed


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Path, list[StageResult]]:
    """A pipeline from images to students, run to its end."""
    folder = tmp_path_factory.mktemp("pipeline")
    what = pipeline(folder, [IMAGES, *STAGES], baseline="teacher")
    return what, folder / "out", run(what, folder / "out")


def test_every_network_is_measured_in_the_order_of_the_stages(
    finished: tuple[Pipeline, Path, list[StageResult]],
) -> None:
    _, out, measured = finished
    assert [(m.stage, m.title, m.run, m.seed, m.split) for m in measured] == [
        ("teacher", "the teacher", "teacher", 0, "val"),
        ("student", "student", "student-seed0", 0, "val"),
        ("student", "student", "student-seed1", 1, "val"),
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert [(row["run"], row["set"], row["seed"]) for row in summary] == [
        (m.run, m.split, m.seed) for m in measured
    ]
    assert [row["coco"] for row in summary] == [m.metrics.to_json()["coco"] for m in measured]
    for m in measured:
        stored = json.loads((out / m.run / "eval/model/val/metrics.json").read_text())
        # Trained without evaluation, so it is this one's thresholds that the checkpoint holds.
        checkpoint = out / m.run / "checkpoints/model/last.pt"
        assert stored.pop("thresholds") == load_checkpoint(checkpoint).thresholds
        assert stored == m.metrics.to_json()


def test_every_network_is_matched_once(
    finished: tuple[Pipeline, Path, list[StageResult]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring, comparing and drawing the page take the same matching."""
    what, out, before = finished
    matched: Counter[str] = Counter()
    for name in ("match", "tide_errors"):
        original = getattr(measurements, name)

        def counting(
            truth: CocoFile, results: Results, name: str = name, original: Any = original
        ) -> Any:
            matched[name] += 1
            return original(truth, results)

        monkeypatch.setattr(measurements, name, counting)
    page = (out / "comparison-val.html").read_bytes()
    again = run(what, out)
    assert [m.metrics for m in again] == [m.metrics for m in before]
    assert matched == {"match": len(before), "tide_errors": len(before)}
    assert (out / "comparison-val.html").read_bytes() == page


def test_every_run_has_a_folder_of_its_own(
    finished: tuple[Pipeline, Path, list[StageResult]],
) -> None:
    _, out, _ = finished
    assert {path.name for path in out.iterdir()} == {
        "images", "teacher", "cache", "student-seed0", "student-seed1", "summary.json",
        "comparison-val.html", "comparison-val.json",
    }  # fmt: skip
    assert {path.name for path in (out / "images/data").iterdir()} == {"annotations", "images"}
    assert {path.name for path in (out / "cache").iterdir()} == {"stage.json", "teacher.h5"}


def test_every_run_trains_with_its_own_seed(
    finished: tuple[Pipeline, Path, list[StageResult]],
) -> None:
    _, out, _ = finished
    assert [seed_of(out / name) for name in ("student-seed0", "student-seed1")] == [0, 1]
    notes = json.loads((out / "student-seed1/run.json").read_text())
    assert notes["seed"] == 1
    one = weights(out / "student-seed0/checkpoints/model/last.pt")
    other = weights(out / "student-seed1/checkpoints/model/last.pt")
    assert [name for name in one if not one[name].equal(other[name])]


def test_cache_is_compared_with_the_teacher_that_was_trained(
    finished: tuple[Pipeline, Path, list[StageResult]],
) -> None:
    _, out, _ = finished
    recipe = yaml.safe_load((out / "student-seed0/recipe.yaml").read_text())
    assert recipe["distill"] == {
        "mode": "lad",
        "teacher": str(out / "teacher/checkpoints/model/last.pt"),
        "cache": str(out / "cache/teacher.h5"),
        "switch": "off",
        "switch_scope": "level",
    }


def test_second_call_runs_nothing_again(
    finished: tuple[Pipeline, Path, list[StageResult]], monkeypatch: pytest.MonkeyPatch
) -> None:
    what, out, measured = finished
    before = contents(out)
    steps = ctrl_c_at_call(monkeypatch, STEP, 0)  # only counts
    again = run(what, out)
    assert steps == []
    assert [m.metrics.to_json() for m in again] == [m.metrics.to_json() for m in measured]
    assert contents(out) == before


@pytest.mark.parametrize(
    "options",
    [
        {"overrides": ["optim.lr=0.02"]},
        {"seed": 1},
        {"flags": {"train.precision": "bf16"}},
        {"overrides": ["assign.topk=5"]},
    ],
    ids=["lr", "seed", "precision", "assignment"],
)
def test_finished_runs_of_other_options_are_refused_not_replaced(
    finished: tuple[Pipeline, Path, list[StageResult]], options: dict[str, Any]
) -> None:
    what, out, _ = finished
    before = contents(out)
    with pytest.raises(UserError, match=r"run with other options.*; .*another --out.*remove"):
        run(what, out, **options)
    assert contents(out) == before


@pytest.mark.parametrize(
    "options",
    [
        {"flags": {"data.workers": 1}},
        {"overrides": ["train.log_every=5", "train.save_every_minutes=1"]},
        {"flags": {"data.skip_bad_images": True}},
        {"overrides": ["optim.momentum=0.9", "colad.switch=std-mean"]},  # defaults, spelled out
    ],
    ids=["workers", "logging", "skip", "defaults"],
)
def test_options_that_do_not_change_the_result_may_differ(
    finished: tuple[Pipeline, Path, list[StageResult]],
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    what, out, measured = finished
    steps = ctrl_c_at_call(monkeypatch, STEP, 0)
    assert [m.metrics.stats for m in run(what, out, **options)] == [
        m.metrics.stats for m in measured
    ]
    assert steps == []


def test_section_of_nothing_but_such_options_is_no_difference(tmp_path: Path) -> None:
    what = pipeline(tmp_path, [IMAGES]).model_copy(update={"recipe": {}})
    run(what, tmp_path / "out", flags={"train.device": "cpu"})
    before = contents(tmp_path / "out")
    run(what, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_seed_of_the_command_line_is_added_to_every_seed(tmp_path: Path) -> None:
    what = pipeline(tmp_path, [IMAGES, {"name": "net", "run": "pretrain", "seeds": [0, 2]}])
    measured = run(what, tmp_path / "out", seed=10)
    assert [(m.run, m.seed) for m in measured] == [("net-seed0", 10), ("net-seed2", 12)]
    assert [seed_of(tmp_path / "out" / m.run) for m in measured] == [10, 12]
    drawn = json.loads((tmp_path / "out/images/data/annotations/train.json").read_text())
    assert "seed 10" in drawn["info"]["description"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "call"),
    [
        (STEP, 2),  # in the teacher
        ("ladcli.cache.writer.CacheWriter.close_part", 1),
        (STEP, 5),  # in the second student
        ("ladcli.engine.inference.postprocess", 2),  # in the evaluation at the end
    ],
)
def test_stopped_pipeline_goes_on_and_ends_as_if_it_had_not_been(
    finished: tuple[Pipeline, Path, list[StageResult]],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    call: int,
) -> None:
    what, _, measured = finished
    with monkeypatch.context() as patch:
        calls = ctrl_c_at_call(patch, function, call)
        try:
            run(what, tmp_path / "out")
        except Interrupted as stopped:
            assert "the same command" in str(stopped)  # noqa: PT017
        assert len(calls) >= call
    again = run(what, tmp_path / "out")
    assert [m.metrics.to_json() for m in again] == [m.metrics.to_json() for m in measured]


def test_run_that_was_stopped_is_not_continued_with_other_options(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = pipeline(tmp_path, STAGES)
    flags = {"data.dir": str(data)}
    with monkeypatch.context() as patch:
        ctrl_c_at_call(patch, STEP, 1)
        with pytest.raises(Interrupted):
            run(what, tmp_path / "out", flags=flags)
    before = contents(tmp_path / "out")
    with pytest.raises(
        UserError, match=r"teacher: was started with --lr 0\.01 \(optim\.lr\), not 0\.02;"
    ):
        run(what, tmp_path / "out", flags=flags, overrides=["optim.lr=0.02"])
    assert contents(tmp_path / "out") == before


def test_data_of_the_command_line_serve_every_stage(data: Path, tmp_path: Path) -> None:
    what = pipeline(tmp_path, STAGES[:2], evaluate=["test", "val"])
    measured = run(what, tmp_path / "out", flags={"data.dir": str(data)})
    assert [(m.run, m.split) for m in measured] == [("teacher", "test"), ("teacher", "val")]


def test_student_may_have_its_teacher_online(data: Path, tmp_path: Path) -> None:
    online = {"name": "student", "run": "distill", "teacher": "teacher"}
    what = pipeline(tmp_path, [STAGES[0], online])
    measured = run(what, tmp_path / "out", flags={"data.dir": str(data)})
    assert [m.run for m in measured] == ["teacher", "student"]


def test_teacher_named_beside_a_cache_must_be_that_of_the_cache(data: Path, tmp_path: Path) -> None:
    other = {"name": "other", "run": "pretrain", "seeds": [7]}
    student = {"name": "student", "run": "distill", "cache": "cache", "teacher": "other"}
    what = pipeline(tmp_path, [*STAGES[:2], other, student])
    with pytest.raises(UserError, match="was made for another teacher network"):
        run(what, tmp_path / "out", flags={"data.dir": str(data)})


def test_bad_image_can_be_left_out_by_the_next_call(data: Path, tmp_path: Path) -> None:
    spoiled = copy_of(data, tmp_path / "data")
    cut_pixels(spoiled / "images/train_00003.jpg")
    what = pipeline(tmp_path, STAGES)
    flags = {"data.dir": str(spoiled)}
    with pytest.raises(BadImageError, match=r"train_00003\.jpg"):
        run(what, tmp_path / "out", flags=flags)
    measured = run(what, tmp_path / "out", flags={**flags, "data.skip_bad_images": True})
    assert len(measured) == 3


class TestTwoNetworks:
    """A CoLAD stage leaves two; either is measured, teaches, and may be the baseline."""

    STAGES: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "duo",
            "run": "colad",
            "title": "CoLAD",
            "recipe": {"net_b": {"backbone": "test_resnet"}},
        },
        {"name": "cache", "run": "cache-teacher", "teacher": "duo/a"},
        {"name": "cached", "run": "distill", "cache": "cache"},
        {"name": "online", "run": "distill", "teacher": "duo/b"},
    ]

    def test_both_are_measured_and_teach(self, data: Path, tmp_path: Path) -> None:
        what = pipeline(tmp_path, self.STAGES, baseline="duo/a")
        out = tmp_path / "out"
        measured = run(what, out, flags={"data.dir": str(data)})
        assert [(m.stage, m.title, m.run) for m in measured] == [
            ("duo/a", "CoLAD, network a", "duo/a"),
            ("duo/b", "CoLAD, network b", "duo/b"),
            ("cached", "cached", "cached"),
            ("online", "online", "online"),
        ]
        for m in measured[:2]:
            stored = json.loads((out / "duo/eval" / m.run[-1] / "val/metrics.json").read_text())
            checkpoint = out / f"duo/checkpoints/{m.run[-1]}/last.pt"
            assert stored.pop("thresholds") == load_checkpoint(checkpoint).thresholds
            assert stored == m.metrics.to_json()
        teachers = {
            name: yaml.safe_load((out / name / "recipe.yaml").read_text())["distill"]["teacher"]
            for name in ("cached", "online")
        }
        assert teachers == {
            "cached": str(out / "duo/checkpoints/a/last.pt"),
            "online": str(out / "duo/checkpoints/b/last.pt"),
        }
        rows = json.loads((out / "summary.json").read_text())
        assert [row["run"] for row in rows] == ["duo/a", "duo/b", "cached", "online"]
        table = summary_table(measured, baseline=what.baseline)
        methods = list(table.columns[1].cells)
        assert [str(cell) for cell in methods] == [m.title for m in measured]
        gains = [str(cell) for cell in table.columns[-1].cells]
        assert [gain == "–" for gain in gains] == [True, False, False, False]

    def test_stopped_stage_goes_on(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        what = pipeline(tmp_path, self.STAGES[:1])
        flags = {"data.dir": str(data)}
        run(what, tmp_path / "whole", flags=flags)
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, STEP, 1)
            with pytest.raises(Interrupted):
                run(what, tmp_path / "out", flags=flags)
        run(what, tmp_path / "out", flags=flags)
        for name in ("a", "b"):
            file = f"duo/checkpoints/{name}/last.pt"
            assert_same_weights(tmp_path / "whole" / file, tmp_path / "out" / file)


class TestSeeds:
    """Stages that name a stage with several seeds: each run takes the run of its seed."""

    STAGES: ClassVar[list[dict[str, Any]]] = [
        {"name": "teacher", "run": "pretrain", "seeds": [0, 1]},
        {"name": "cache", "run": "cache-teacher", "teacher": "teacher", "seeds": [0, 1]},
        {"name": "student", "run": "distill", "cache": "cache", "seeds": [0, 1]},
    ]

    def one_by_one(self) -> list[dict[str, Any]]:
        """The same runs, each as a stage of its own."""
        stages = []
        for seed, stage in product((0, 1), self.STAGES):
            names = {key: stage[key] for key in ("name", "teacher", "cache") if key in stage}
            named = {key: f"{name}-seed{seed}" for key, name in names.items()}
            stages.append({**stage, **named, "seeds": [seed]})
        return stages

    def test_each_run_takes_the_run_of_its_seed(self, data: Path, tmp_path: Path) -> None:
        out, flags = tmp_path / "out", {"data.dir": str(data)}
        measured = run(pipeline(tmp_path, self.STAGES), out, flags=flags)
        assert [m.run for m in measured] == [
            "teacher-seed0", "teacher-seed1", "student-seed0", "student-seed1",
        ]  # fmt: skip
        for seed in (0, 1):
            chosen = yaml.safe_load((out / f"student-seed{seed}/recipe.yaml").read_text())
            assert chosen["distill"]["cache"] == str(out / f"cache-seed{seed}/teacher.h5")
            assert chosen["distill"]["teacher"] == str(
                out / f"teacher-seed{seed}/checkpoints/model/last.pt"
            )

    @pytest.mark.parametrize("first", ["one by one", "by stage"])
    def test_runs_are_taken_over_however_the_file_names_them(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
    ) -> None:
        files = [self.one_by_one(), self.STAGES]
        if first == "by stage":
            files.reverse()
        out, flags = tmp_path / "out", {"data.dir": str(data)}
        run(pipeline(tmp_path, files[0]), out, flags=flags)
        before = {name: (out / name / "stage.json").read_text() for name in runs_in(out)}
        steps = ctrl_c_at_call(monkeypatch, STEP, 0)  # only counts
        run(pipeline(tmp_path, files[1]), out, flags=flags)
        assert steps == []
        assert len(before) == 6
        assert {name: (out / name / "stage.json").read_text() for name in runs_in(out)} == before

    def test_teacher_of_another_seed_is_another_run(self, data: Path, tmp_path: Path) -> None:
        out, flags = tmp_path / "out", {"data.dir": str(data)}
        run(pipeline(tmp_path, self.STAGES[:2]), out, flags=flags)
        crossed = {**self.STAGES[1], "teacher": "teacher-seed0"}
        with pytest.raises(UserError, match="cache-seed1: this stage was run with other options;"):
            run(pipeline(tmp_path, [self.STAGES[0], crossed]), out, flags=flags)


class TestRefusedBeforeTheFirstStage:
    def refusal(self, what: Pipeline, out: Path, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            run(what, out, **options)
        assert not out.exists()
        return str(caught.value)

    def test_without_data(self, tmp_path: Path) -> None:
        message = self.refusal(pipeline(tmp_path, STAGES), tmp_path / "out")
        assert message == "pipeline p.yaml: needs a data folder; name it with --data"

    def test_with_data_that_lack_a_set_to_evaluate_on(self, data: Path, tmp_path: Path) -> None:
        copy = copy_of(data, tmp_path / "data")
        (copy / "annotations/test.json").unlink()
        what = pipeline(tmp_path, STAGES, evaluate=["test"])
        message = self.refusal(what, tmp_path / "out", flags={"data.dir": str(copy)})
        assert message.startswith(f"{copy}: has no test set, on which the pipeline evaluates")

    def test_with_a_bad_option_in_a_late_stage(self, data: Path, tmp_path: Path) -> None:
        late = {**STAGES[2], "recipe": {"optim": {"lr": -1}}}
        message = self.refusal(pipeline(tmp_path, [*STAGES[:2], late]), tmp_path / "out")
        assert message == (
            "pipeline p.yaml, stage student: optim.lr must be greater than 0, got -1"
        )

    def test_with_an_unknown_key_in_the_shared_recipe(self, tmp_path: Path) -> None:
        what = pipeline(tmp_path, STAGES).model_copy(update={"recipe": {"optim": {"rate": 1}}})
        message = self.refusal(what, tmp_path / "out")
        assert message.startswith("pipeline p.yaml, recipe: unknown key optim.rate")

    def test_with_a_bad_override(self, tmp_path: Path) -> None:
        what = pipeline(tmp_path, [IMAGES, *STAGES])
        message = self.refusal(what, tmp_path / "out", overrides=["optim.lt=1"])
        assert message.startswith("--set: unknown key optim.lt; did you mean optim.lr?")

    def test_with_a_negative_seed(self, tmp_path: Path) -> None:
        what = pipeline(tmp_path, [IMAGES, *STAGES])
        assert "train.seed must be at least 0" in self.refusal(what, tmp_path / "out", seed=-1)


def test_later_sources_win(data: Path, tmp_path: Path) -> None:
    """Defaults, the pipeline's recipe, the stage's, options, --set."""
    stage = {**STAGES[0], "recipe": {"optim": {"lr": 0.03, "momentum": 0.7}}}
    what = pipeline(tmp_path, [stage])
    run(
        what,
        tmp_path / "out",
        flags={"data.dir": str(data), "train.precision": "bf16"},
        overrides=["optim.momentum=0.5"],
    )
    recipe = yaml.safe_load((tmp_path / "out/teacher/recipe.yaml").read_text())
    assert recipe["optim"]["lr"] == 0.03
    assert recipe["optim"]["momentum"] == 0.5
    assert recipe["optim"]["warmup_steps"] == RECIPE["optim"]["warmup_steps"]
    assert recipe["optim"]["weight_decay"] == 1e-4
    assert recipe["train"]["precision"] == "bf16"
