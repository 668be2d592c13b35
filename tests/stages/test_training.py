"""Stopping, resuming and refusing: what the two training commands share."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ladcli.detector.model import Detector
from ladcli.errors import BadImageError, Interrupted, RunError, UserError
from ladcli.recipe.schema import Recipe
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.distill import distill
from ladcli.stages.prepare import (
    Prepared,
    TrainingMethod,
    input_rule,
    prepare,
    single_network,
)
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions
from tests.stages.tiny import (
    STEP,
    assert_same_weights,
    change_json,
    contents,
    copy_of,
    ctrl_c_at_call,
    cut_pixels,
    power_cut_at_call,
    tiny_recipe,
)

LAST = "checkpoints/model/last.pt"
BEST = "checkpoints/model/best.pt"
PAA = TrainingMethod("pretrain", single_network, lambda prepared: pytest.fail("nobody trains here"))


@pytest.fixture(scope="module")
def two_epochs(data: Path) -> Recipe:
    """Four steps, an evaluation after the second and the fourth."""
    return tiny_recipe(data, schedule__epochs=2)


@pytest.fixture(scope="module")
def whole(two_epochs: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two epochs that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    pretrain(two_epochs, RunOptions(out, quiet=True))
    return out


def notes(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "run.json").read_text())
    return content


class TestResume:
    # One call in a step, and one for each of the single batches of the evaluations.
    @pytest.mark.parametrize(
        ("function", "call"),
        [
            (STEP, 1),
            (STEP, 2),  # the last of the first epoch
            (STEP, 3),
            (STEP, 4),  # the very last
            ("ladcli.engine.inference.postprocess", 1),  # in the first evaluation's last batch
            ("ladcli.stages.evaluate.save_results", 1),  # after its last batch
        ],
    )
    def test_run_stopped_by_ctrl_c_ends_as_if_it_had_not_been(
        self,
        two_epochs: Recipe,
        whole: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        function: str,
        call: int,
    ) -> None:
        # A program that was started in the background ignores the signal from the start.
        handler = signal.getsignal(signal.SIGINT)
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, function, call)
            with pytest.raises(Interrupted, match=r"state is saved.*--resume"):
                pretrain(two_epochs, RunOptions(tmp_path / "run", quiet=True))
        assert notes(tmp_path / "run")["status"] == "interrupted"
        assert signal.getsignal(signal.SIGINT) is handler

        result = pretrain(two_epochs, RunOptions(tmp_path / "run", resume=True, quiet=True))
        assert result.steps == 4
        assert notes(tmp_path / "run")["status"] == "finished"
        assert_same_weights(whole / LAST, tmp_path / "run" / LAST)
        assert_same_weights(whole / BEST, tmp_path / "run" / BEST)
        mine, theirs = (
            read_metrics(tmp_path / "run/metrics.jsonl"),
            read_metrics(whole / "metrics.jsonl"),
        )
        assert [(m["kind"], m["step"]) for m in mine] == [(m["kind"], m["step"]) for m in theirs]
        assert [m["loss"] for m in mine if m["kind"] == "train"] == [
            m["loss"] for m in theirs if m["kind"] == "train"
        ]

    def test_ctrl_c_in_an_evaluation_keeps_the_epoch_before_it(
        self, two_epochs: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, "ladcli.stages.evaluate.save_results", 1)
            with pytest.raises(Interrupted):
                pretrain(two_epochs, RunOptions(tmp_path / "run", quiet=True))
        steps = ctrl_c_at_call(monkeypatch, STEP, 0)  # only counts
        pretrain(two_epochs, RunOptions(tmp_path / "run", resume=True, quiet=True))
        assert len(steps) == 2  # those of the second epoch

    def test_crash_goes_on_from_the_last_saved_state(
        self, two_epochs: Recipe, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after a kill: nothing is saved at the moment itself."""
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, 4)
            with pytest.raises(KeyboardInterrupt):
                pretrain(two_epochs, RunOptions(tmp_path / "run", quiet=True))
        assert notes(tmp_path / "run")["status"] == "running"
        # A line of work that is not part of the saved state.
        assert read_metrics(tmp_path / "run/metrics.jsonl")[-1]["step"] == 3
        pretrain(two_epochs, RunOptions(tmp_path / "run", resume=True, quiet=True))
        assert_same_weights(whole / LAST, tmp_path / "run" / LAST)
        steps = [m["step"] for m in read_metrics(tmp_path / "run/metrics.jsonl")]
        assert steps == [1, 2, 2, 3, 4, 4]

    def test_crash_before_the_first_saved_state_starts_anew(
        self, two_epochs: Recipe, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, 1)
            with pytest.raises(KeyboardInterrupt):
                pretrain(two_epochs, RunOptions(tmp_path / "run", quiet=True))
        assert not (tmp_path / "run/checkpoints/state.pt").exists()
        pretrain(two_epochs, RunOptions(tmp_path / "run", resume=True, quiet=True))
        assert_same_weights(whole / LAST, tmp_path / "run" / LAST)

    def test_finished_run_is_left_as_it_is(self, two_epochs: Recipe, whole: Path) -> None:
        before = contents(whole)
        result = pretrain(two_epochs, RunOptions(whole, resume=True, quiet=True))
        assert result.steps == 4
        assert contents(whole) == before
        # Its numbers are those that it ended with.
        recorded = json.loads((whole / "eval/model/val/metrics.json").read_text())
        assert result.metrics["model"].to_json()["coco"] == recorded["coco"]

    def test_other_options_are_refused_and_named(self, data: Path, whole: Path) -> None:
        before = contents(whole)
        recipe = tiny_recipe(data, schedule__epochs=2, optim__lr=0.5)
        with pytest.raises(UserError, match=r"started with --lr 0\.01 \(optim\.lr\), not 0\.5;"):
            pretrain(recipe, RunOptions(whole, resume=True, quiet=True))
        assert contents(whole) == before

    def test_options_that_do_not_change_the_result_may_differ(
        self, data: Path, whole: Path
    ) -> None:
        recipe = tiny_recipe(
            data,
            schedule__epochs=2,
            train__log_every=7,
            train__save_every_minutes=1.0,
            data__workers=1,
        )
        assert pretrain(recipe, RunOptions(whole, resume=True, quiet=True)).steps == 4

    def test_run_of_the_other_command_is_refused(
        self, data: Path, teacher: Path, teacher_run: Path, tmp_path: Path
    ) -> None:
        recipe = tiny_recipe(data, distill__teacher=str(teacher))
        distill(recipe, RunOptions(tmp_path / "student", quiet=True))
        before = contents(tmp_path / "student")
        with pytest.raises(UserError, match="holds a run of lad distill; resume it with that"):
            pretrain(recipe, RunOptions(tmp_path / "student", resume=True, quiet=True))
        assert contents(tmp_path / "student") == before
        with pytest.raises(UserError, match="holds a run of lad pretrain"):
            distill(recipe, RunOptions(teacher_run, resume=True, quiet=True))

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("checkpoints/state.pt", r"state\.pt: cannot be read as a training state"),
            ("metrics.jsonl", r"metrics\.jsonl: 1 line\(s\) cannot be read; first is line 1"),
        ],
    )
    def test_damaged_files_are_refused_and_left_alone(
        self, two_epochs: Recipe, whole: Path, tmp_path: Path, name: str, message: str
    ) -> None:
        run = copy_of(whole, tmp_path / "run")
        (run / name).write_bytes(b"rubbish\n")
        before = contents(run)
        with pytest.raises(UserError, match=message):
            pretrain(two_epochs, RunOptions(run, resume=True, quiet=True))
        assert contents(run) == before


class TestFolder:
    def test_run_is_never_replaced_unasked(self, data: Path, teacher_run: Path) -> None:
        before = contents(teacher_run)
        with pytest.raises(UserError, match=r"already holds a run \(finished\).*--resume.*--over"):
            pretrain(tiny_recipe(data), RunOptions(teacher_run))
        assert contents(teacher_run) == before

    def test_overwrite_replaces_the_run_and_leaves_other_files_alone(
        self, data: Path, teacher_run: Path, tmp_path: Path
    ) -> None:
        run = copy_of(teacher_run, tmp_path / "run")
        (run / "my notes.txt").write_text("keep me")
        (run / "checkpoints/model/epoch 5.pt").write_bytes(b"keep me too")
        (run / "eval/model/test").mkdir()
        recipe = tiny_recipe(data, train__eval_every=0)
        pretrain(recipe, RunOptions(run, overwrite=True, quiet=True))
        assert (run / "my notes.txt").read_text() == "keep me"
        assert (run / "checkpoints/model/epoch 5.pt").read_bytes() == b"keep me too"
        assert not (run / "eval").exists()
        assert not (run / BEST).exists()
        assert len(read_metrics(run / "metrics.jsonl")) == 2

    def test_overwrite_touches_nothing_where_the_new_run_cannot_start(
        self, teacher_run: Path, tmp_path: Path
    ) -> None:
        run = copy_of(teacher_run, tmp_path / "run")
        before = contents(run)
        with pytest.raises(UserError, match="no such data folder"):
            pretrain(tiny_recipe(tmp_path / "nowhere"), RunOptions(run, overwrite=True))
        assert contents(run) == before

    def test_what_a_run_reads_is_not_replaced_by_it(
        self, data: Path, teacher_run: Path, tmp_path: Path
    ) -> None:
        run = copy_of(teacher_run, tmp_path / "run")
        before = contents(run)
        (tmp_path / "link.pt").symlink_to(run / "checkpoints/model/last.pt")
        for weights in (run / "checkpoints/model/last.pt", tmp_path / "link.pt"):
            recipe = tiny_recipe(data, model__weights=str(weights))
            with pytest.raises(UserError, match=r"last\.pt: would be replaced, and is what model"):
                pretrain(recipe, RunOptions(run, overwrite=True, quiet=True))
        assert contents(run) == before

    def test_foreign_files_are_refused_even_with_overwrite(
        self, data: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        for overwrite in (False, True):
            with pytest.raises(UserError, match=r"holds other files \(thesis\.tex\); choose an "):
                pretrain(tiny_recipe(data), RunOptions(tmp_path, overwrite=overwrite))
        assert contents(tmp_path).keys() == {"thesis.tex"}

    def test_resume_and_overwrite_exclude_each_other(self, data: Path, teacher_run: Path) -> None:
        with pytest.raises(UserError, match="exclude each other"):
            pretrain(tiny_recipe(data), RunOptions(teacher_run, resume=True, overwrite=True))

    def test_empty_folder_will_do(self, data: Path, tmp_path: Path) -> None:
        recipe = tiny_recipe(data, train__eval_every=0)
        assert pretrain(recipe, RunOptions(tmp_path, quiet=True)).steps == 2


class TestBadImages:
    @pytest.fixture
    def spoiled(self, data: Path, tmp_path: Path) -> Path:
        """A set whose image train_00003.jpg shows its fault only when it is decoded."""
        copy = copy_of(data, tmp_path / "spoiled")
        cut_pixels(copy / "images/train_00003.jpg")
        return copy

    def test_state_is_saved_and_the_mended_run_ends_as_if_nothing_had_been(
        self, data: Path, spoiled: Path, tmp_path: Path
    ) -> None:
        recipe = tiny_recipe(spoiled)
        run = tmp_path / "run"
        with pytest.raises(BadImageError, match=r"train_00003\.jpg.*state is saved.*--resume"):
            pretrain(recipe, RunOptions(run, quiet=True))
        assert notes(run)["status"] == "interrupted"
        assert (run / "checkpoints/state.pt").exists()
        good = (data / "images/train_00003.jpg").read_bytes()
        (spoiled / "images/train_00003.jpg").write_bytes(good)
        pretrain(recipe, RunOptions(run, resume=True, quiet=True))
        pretrain(recipe, RunOptions(tmp_path / "other", quiet=True))
        assert_same_weights(tmp_path / "other" / LAST, run / LAST)

    def test_run_goes_on_past_them_when_it_is_told_to(self, spoiled: Path, tmp_path: Path) -> None:
        run = tmp_path / "run"
        with pytest.raises(BadImageError, match="--skip-bad-images"):
            pretrain(tiny_recipe(spoiled), RunOptions(run, quiet=True))
        recipe = tiny_recipe(spoiled, data__skip_bad_images=True)
        result = pretrain(recipe, RunOptions(run, resume=True, quiet=True))
        assert result.skipped == 1
        assert result.steps == 2
        (named,) = notes(run)["skipped_images"]
        assert named.startswith(f"{spoiled}/images/train_00003.jpg: cannot be decoded")
        # Resuming once more has nothing to do, and forgets nothing.
        assert pretrain(recipe, RunOptions(run, resume=True, quiet=True)).skipped == 1
        assert notes(run)["skipped_images"] == [named]

    def test_one_in_the_validation_set_loses_no_training(self, data: Path, tmp_path: Path) -> None:
        copy = copy_of(data, tmp_path / "data")
        cut_pixels(copy / "images/val_00001.jpg")
        with pytest.raises(BadImageError, match=r"val_00001\.jpg.*state is saved"):
            pretrain(tiny_recipe(copy), RunOptions(tmp_path / "run", quiet=True))
        recipe = tiny_recipe(copy, data__skip_bad_images=True)
        result = pretrain(recipe, RunOptions(tmp_path / "run", resume=True, quiet=True))
        assert set(result.metrics) == {"model"}
        assert result.skipped == 0  # none of the training images
        assert [note for note in result.notes if "1 image(s) could not be read" in note]
        steps = [m["step"] for m in read_metrics(tmp_path / "run/metrics.jsonl")]
        assert steps == [1, 2, 2]

    def test_those_with_a_bad_header_are_named_before_anything_is_written(
        self, data: Path, tmp_path: Path
    ) -> None:
        copy = copy_of(data, tmp_path / "data")
        (copy / "images/train_00003.jpg").write_bytes(b"")
        before = contents(tmp_path)
        with pytest.raises(UserError, match=r"1 of 8 .*train_00003\.jpg: the file is empty"):
            pretrain(tiny_recipe(copy), RunOptions(tmp_path / "run", quiet=True))
        assert contents(tmp_path) == before
        recipe = tiny_recipe(copy, data__skip_bad_images=True, train__eval_every=0)
        result = pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert [note for note in result.notes if "left out, 1 of 8" in note]


def test_divergence_is_the_runs_failure_and_says_so(data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, optim__lr=1e30, optim__warmup_steps=0, optim__clip_norm=0)
    with pytest.raises(RunError, match=r"loss is (nan|inf).*lower --lr \(optim\.lr\)"):
        pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
    assert notes(tmp_path / "run")["status"] == "failed"
    assert not (tmp_path / "run" / LAST).exists()


def test_set_without_validation_images_has_no_best(data: Path, tmp_path: Path) -> None:
    copy = copy_of(data, tmp_path / "data")
    (copy / "annotations/val.json").unlink()
    result = pretrain(tiny_recipe(copy), RunOptions(tmp_path / "run", quiet=True))
    assert result.metrics == {}
    assert not result.run.checkpoint("best").exists()
    assert result.run.checkpoint("last").exists()


def test_evaluation_comes_every_so_many_epochs_and_after_the_last(
    data: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(data, schedule__epochs=3, train__eval_every=2)
    pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
    lines = read_metrics(tmp_path / "run/metrics.jsonl")
    assert [line["epoch"] for line in lines if line["kind"] == "eval"] == [2, 3]


class TestTensorBoard:
    def curves(self, run: Path) -> dict[str, list[tuple[int, float]]]:
        accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        events = accumulator.EventAccumulator(str(run / "tensorboard"))
        events.Reload()
        return {
            tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }

    def test_it_shows_the_log_of_a_run_that_was_killed_and_resumed(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipe = tiny_recipe(
            data, schedule__epochs=2, train__tensorboard=True, train__probe_images=0
        )
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, STEP, 4)
            with pytest.raises(KeyboardInterrupt):
                pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert [step for step, _ in self.curves(tmp_path / "run")["train/loss"]] == [1, 2, 3]
        time.sleep(1.01)  # TensorBoard orders files by the second in their names
        pretrain(recipe, RunOptions(tmp_path / "run", resume=True, quiet=True))
        shown = self.curves(tmp_path / "run")
        for kind, tag, key in (
            ("train", "train/loss", "loss"),
            ("train", "train/num_positive", "num_positive"),
            ("eval", "eval/val/AP", "AP"),
        ):
            logged = [
                (line["step"], pytest.approx(line[key]))
                for line in read_metrics(tmp_path / "run/metrics.jsonl")
                if line["kind"] == kind
            ]
            assert shown[tag] == logged, tag
            assert len(logged) == {"train": 4, "eval": 2}[kind]

    def test_there_is_none_unless_asked_for(self, teacher_run: Path) -> None:
        assert not (teacher_run / "tensorboard").exists()

    def test_a_missing_package_stops_the_run_before_anything_is_written(
        self, data: Path, teacher_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        recipe = tiny_recipe(data, train__tensorboard=True)
        with pytest.raises(UserError, match="TensorBoard is not installed; pip install"):
            pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert not list(tmp_path.iterdir())
        before = contents(teacher_run)
        with pytest.raises(UserError, match="TensorBoard is not installed"):
            pretrain(recipe, RunOptions(teacher_run, overwrite=True, quiet=True))
        assert contents(teacher_run) == before


def test_evaluation_resizes_to_the_last_short_side() -> None:
    rule = input_rule(tiny_recipe(data__short=[64, 96]))
    assert (rule.short, rule.long) == (96, 128)


def student_of(prepared: Prepared) -> Detector:
    assert list(prepared.networks) == ["model"]
    return prepared.networks["model"].detector


def test_preparing_writes_nothing_and_draws_the_same_student(data: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, schedule__epochs=2)
    (one, hints), (other, _) = prepare(PAA, recipe), prepare(PAA, recipe)
    assert hints == []
    assert len(one.index) == 8
    assert one.validation is not None
    assert one.validation.name == "val"
    for mine, theirs in zip(*(student_of(p).parameters() for p in (one, other)), strict=True):
        assert torch.equal(mine, theirs)
    assert not list(tmp_path.iterdir())


def test_unknown_classes_of_the_validation_set_are_refused(data: Path, tmp_path: Path) -> None:
    copy = copy_of(data, tmp_path / "data")

    def rename(content: dict[str, Any]) -> None:
        content["categories"][0]["name"] = "blob"

    change_json(copy / "annotations/val.json", rename)
    before = contents(tmp_path)
    with pytest.raises(UserError, match="classes"):
        pretrain(tiny_recipe(copy), RunOptions(tmp_path / "run", quiet=True))
    assert contents(tmp_path) == before
