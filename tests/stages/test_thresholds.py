"""Score thresholds of a network: from a validation, in its checkpoint, for its pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ladcli.data.coco_json import read_coco
from ladcli.data.views import InferenceViews
from ladcli.detector.checkpoint import load_checkpoint, teacher_fingerprint
from ladcli.engine.runner import Runner
from ladcli.errors import UserError
from ladcli.evaluate.matching import match
from ladcli.evaluate.results import load_results
from ladcli.evaluate.thresholds import score_thresholds
from ladcli.recipe.schema import DataConfig, InferenceConfig
from ladcli.runs.run_directory import RunDirectory
from ladcli.stages.datasets import choose_evaluation_set
from ladcli.stages.evaluate import evaluate_checkpoint
from ladcli.stages.evaluate_results import Evaluation
from ladcli.stages.pretrain import pretrain
from ladcli.stages.thresholds import same_scoring, shown_from
from ladcli.stages.training import RunOptions
from tests.stages.tiny import assert_same_weights, contents, copy_of, tiny_recipe

LAST, BEST = "checkpoints/model/last.pt", "checkpoints/model/best.pt"
NOT_STORED = "score thresholds for pictures were not stored in the checkpoint"


RUNNER = Runner(torch.device("cpu"), quiet=True)


def evaluate(checkpoint: Path, data: Path, split: Any = "val", **options: Any) -> Evaluation:
    where = choose_evaluation_set(DataConfig(dir=str(data)), split, None)
    return evaluate_checkpoint(checkpoint, where, RUNNER, **{"out": None, **options})


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)


def in_checkpoint(path: Path) -> Any:
    return torch.load(path, weights_only=True).get("thresholds")


def in_metrics(folder: Path) -> Any:
    return json.loads((folder / "metrics.json").read_text()).get("thresholds")


@pytest.fixture
def bare(teacher_run: Path, tmp_path: Path) -> Path:
    """A run that was not evaluated, as `lad run` trains it and as older programs left theirs."""
    run = copy_of(teacher_run, tmp_path / "bare")
    for name in (LAST, BEST):
        change(run / name, lambda content: content.pop("thresholds"))
    shutil.rmtree(run / "eval")
    return run


class TestTraining:
    def test_checkpoints_of_the_evaluated_epoch_carry_its_thresholds(
        self, teacher_run: Path, data: Path
    ) -> None:
        folder = teacher_run / "eval/model/val"
        stored = in_metrics(folder)
        assert in_checkpoint(teacher_run / LAST) == in_checkpoint(teacher_run / BEST) == stored
        truth = read_coco(data / "annotations/val.json")
        found = match(truth, load_results(folder / "predictions.json", truth))
        assert stored == score_thresholds(found).to_plain()
        assert stored["iou"] == 0.5
        assert list(stored["per_class"]) == ["disc", "square", "triangle"]

    def test_checkpoint_of_another_epoch_carries_none(self, data: Path, tmp_path: Path) -> None:
        """``best`` stays that of the evaluated epoch, whatever comes later."""
        recipe = tiny_recipe(data, schedule__epochs=3, train__eval_every=2)
        kept: list[Any] = []
        from ladcli.stages import training

        class Watching(training.EpochFinisher):
            def __call__(self, position: Any) -> None:
                super().__call__(position)
                kept.append(in_checkpoint(self.run.checkpoint("last")))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "EpochFinisher", Watching)
            pretrain(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert kept[0] is None
        assert kept[1] is not None
        assert kept[2] == in_metrics(tmp_path / "run/eval/model/val")
        assert in_checkpoint(tmp_path / "run" / BEST) in kept[1:]

    def test_every_network_has_its_own(self, duo: Path) -> None:
        stored = {name: in_metrics(duo / f"eval/{name}/val") for name in "ab"}
        assert stored["a"] != stored["b"]
        for name in "ab":
            assert in_checkpoint(duo / f"checkpoints/{name}/last.pt") == stored[name]

    def test_without_evaluation_there_are_none(self, data: Path, tmp_path: Path) -> None:
        pretrain(tiny_recipe(data, train__eval_every=0), RunOptions(tmp_path / "run", quiet=True))
        assert in_checkpoint(tmp_path / "run" / LAST) is None


class TestKeeping:
    def test_later_validation_stores_them_and_nothing_else_changes(
        self, bare: Path, teacher: Path, data: Path
    ) -> None:
        before = torch.load(bare / LAST, weights_only=True)
        others = {k: v for k, v in contents(bare).items() if not k.startswith("eval") and k != LAST}
        found = evaluate(bare / LAST, data)
        assert found.stored_in == bare / LAST
        assert found.thresholds is not None
        assert found.notes == ()
        plain = found.thresholds.to_plain()
        assert in_checkpoint(bare / LAST) == in_metrics(bare / "eval/model/val") == plain
        after = torch.load(bare / LAST, weights_only=True)
        assert {**after, "model": 0, "thresholds": 0} == {**before, "model": 0, "thresholds": 0}
        assert_same_weights(bare / LAST, teacher)
        fingerprints = {
            teacher_fingerprint(load_checkpoint(path).detector) for path in (bare / LAST, teacher)
        }
        assert len(fingerprints) == 1
        now = {k: v for k, v in contents(bare).items() if not k.startswith("eval") and k != LAST}
        assert now == others

    def test_a_run_goes_on_after_it(self, bare: Path, data: Path) -> None:
        evaluate(bare / LAST, data)
        result = pretrain(tiny_recipe(data), RunOptions(bare, resume=True, quiet=True))
        assert result.steps == 2
        assert in_checkpoint(bare / LAST) is not None

    @pytest.mark.parametrize("split", ["test", "train"])
    def test_other_sets_never_give_any(self, bare: Path, data: Path, split: str) -> None:
        before = (bare / LAST).read_bytes()
        found = evaluate(bare / LAST, data, split)
        assert found.thresholds is None
        assert found.stored_in is None
        assert in_metrics(bare / "eval/model" / split) is None
        assert (bare / LAST).read_bytes() == before

    def test_results_that_go_elsewhere_leave_the_run_alone(
        self, bare: Path, data: Path, tmp_path: Path
    ) -> None:
        before = contents(bare)
        found = evaluate(bare / LAST, data, out=tmp_path / "elsewhere")
        assert in_metrics(tmp_path / "elsewhere") is not None
        assert (found.stored_in, found.notes) == (None, ())
        assert contents(bare) == before
        inside = evaluate(bare / LAST, data, out=bare / "eval/../eval/model/val")
        assert inside.stored_in == bare / LAST

    @pytest.mark.parametrize(
        "options",
        [
            {"views": InferenceViews(flip=True)},
            {"views": InferenceViews((64, 96))},
            {"overrides": ["inference.use_iou=false"]},
            {"inference": InferenceConfig(max_detections=7)},
        ],
    )
    def test_thresholds_of_other_scores_are_not_stored(
        self, bare: Path, data: Path, options: dict[str, Any]
    ) -> None:
        before = (bare / LAST).read_bytes()
        found = evaluate(bare / LAST, data, **options)
        (note,) = found.notes
        assert note.startswith(f"{NOT_STORED} ({bare / LAST}: is left as it is, because other vi")
        assert found.stored_in is None
        assert (bare / LAST).read_bytes() == before
        # They belong to the results that lie beside them.
        assert in_metrics(bare / "eval/model/val") is not None

    def test_batch_size_changes_no_score(self, bare: Path, data: Path) -> None:
        found = evaluate(bare / LAST, data, overrides=["inference.batch_size=1"])
        assert found.stored_in == bare / LAST

    @pytest.mark.parametrize("place", ["net.pt", "checkpoints/model/net.pt"])
    def test_checkpoint_outside_a_run_is_left_with_a_note(
        self, bare: Path, data: Path, tmp_path: Path, place: str
    ) -> None:
        path = tmp_path / "loose" / place
        path.parent.mkdir(parents=True)
        shutil.copy(bare / LAST, path)
        before = path.read_bytes()
        found = evaluate(path, data, out=tmp_path / "eval")
        assert found.notes == (f"{NOT_STORED} ({path}: lies in no run, so it is left as it is)",)
        assert path.read_bytes() == before
        assert in_metrics(tmp_path / "eval") is not None
        assert evaluate(path, data, "test", out=tmp_path / "test").notes == ()

    def test_checkpoint_that_cannot_be_written_is_left_with_a_note(
        self, bare: Path, data: Path
    ) -> None:
        (bare / LAST).chmod(0o444)
        found = evaluate(bare / LAST, data)
        assert found.notes == (f"{NOT_STORED} ({bare / LAST}: is marked read-only)",)
        assert in_checkpoint(bare / LAST) is None

    def test_checkpoint_that_a_training_replaced_meanwhile_is_left_with_a_note(
        self, bare: Path, duo: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ladcli.stages import evaluate as module

        detect = module.detect_all

        def replacing(*arguments: Any, **options: Any) -> Any:
            found = detect(*arguments, **options)
            shutil.copy(duo / "checkpoints/a/last.pt", bare / LAST)
            return found

        monkeypatch.setattr(module, "detect_all", replacing)
        found = evaluate(bare / LAST, data)
        assert found.notes == (f"{NOT_STORED} ({bare / LAST}: holds another network by now)",)
        assert_same_weights(bare / LAST, duo / "checkpoints/a/last.pt")


class TestShowing:
    OWN = InferenceConfig()

    def shown(self, path: Path, **changes: Any) -> Any:
        options: dict[str, Any] = {
            "given": None, "views": InferenceViews(), "inference": self.OWN,
            "own_inference": self.OWN, **changes,
        }  # fmt: skip
        return shown_from(load_checkpoint(path), **options)

    def test_classes_have_the_scores_of_the_validation(self, teacher: Path) -> None:
        stored = in_checkpoint(teacher)["per_class"]
        found = self.shown(teacher)
        assert found.scores.tolist() == [stored[n]["threshold"] for n in stored]
        assert found.rule.startswith("thresholds of best F1 on val: disc ")
        assert found.notes == ()

    def test_a_given_score_serves_all(self, teacher: Path, bare: Path) -> None:
        for path in (teacher, bare / LAST):
            found = self.shown(path, given=0.25)
            assert (found.scores.tolist(), found.rule) == (
                [0.25] * 3, "threshold 0.25 for every class",
            )  # fmt: skip

    def test_without_thresholds_the_default_is_said(self, bare: Path) -> None:
        found = self.shown(bare / LAST)
        assert found.scores.tolist() == [0.3] * 3
        assert found.rule == (
            "threshold 0.3 for every class: the checkpoint holds none of best F1, which lad eval "
            "stores"
        )

    def test_a_score_of_another_meaning_has_the_default(self, teacher: Path) -> None:
        found = self.shown(teacher, inference=InferenceConfig(use_iou=not self.OWN.use_iou))
        assert found.scores.tolist() == [0.3] * 3
        assert found.rule == (
            "threshold 0.3 for every class: those of best F1 are of scores with another "
            "inference.use_iou"
        )

    @pytest.mark.parametrize(
        "changes",
        [{"views": InferenceViews(flip=True)}, {"inference": InferenceConfig(nms_iou=0.5)}],
    )
    def test_other_views_and_options_are_noted(
        self, teacher: Path, changes: dict[str, Any]
    ) -> None:
        found = self.shown(teacher, **changes)
        assert found.scores.tolist() == self.shown(teacher).scores.tolist()
        (note,) = found.notes
        assert note.startswith("the score thresholds for pictures were found with one view")

    def test_damaged_thresholds_are_refused_with_the_way_out(self, bare: Path) -> None:
        change(bare / LAST, lambda content: content.update(thresholds={"overall": 0.5}))
        with pytest.raises(UserError, match=r"its score thresholds are damaged .*--threshold"):
            self.shown(bare / LAST)
        assert self.shown(bare / LAST, given=0.5).scores.tolist() == [0.5] * 3


def test_scoring_is_the_same_where_only_the_batch_differs() -> None:
    own = InferenceConfig()
    assert same_scoring(InferenceViews(), InferenceConfig(batch_size=own.batch_size + 1), own)
    assert not same_scoring(InferenceViews(), InferenceConfig(voting=not own.voting), own)
    assert not same_scoring(InferenceViews(flip=True), own, own)


def test_a_run_is_known_by_the_place_of_its_checkpoints(tmp_path: Path) -> None:
    found = RunDirectory.around(tmp_path / "checkpoints/a/best.pt")
    assert found is not None
    assert found.root == tmp_path
    assert RunDirectory.around(tmp_path / "a/best.pt") is None
