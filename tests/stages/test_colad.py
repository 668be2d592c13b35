"""Two networks that learn together: what is left of each, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ladcli.detector.checkpoint import load_checkpoint
from ladcli.detector.model import Detector
from ladcli.errors import Interrupted, UserError
from ladcli.recipe import Recipe, load_recipe
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.colad import colad
from ladcli.stages.distill import distill
from ladcli.stages.evaluate_results import Evaluation
from ladcli.stages.training import RunOptions
from tests.stages.tiny import (
    STEP,
    assert_same_weights,
    contents,
    copy_of,
    ctrl_c_at_call,
    draw,
    duo_recipe,
    power_cut_at_call,
    tiny_recipe,
    weights,
)

LAST = {name: f"checkpoints/{name}/last.pt" for name in ("a", "b")}
BEST = {name: f"checkpoints/{name}/best.pt" for name in ("a", "b")}
DESCEND = "ladcli.engine.loop._descend"  # once per network and step, a before b


def train_lines(run: Path) -> list[dict[str, Any]]:
    return [line for line in read_metrics(run / "metrics.jsonl") if line["kind"] == "train"]


def notes(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "run.json").read_text())
    return content


def one_epoch(data: Path, **changes: Any) -> Recipe:
    """Two steps, and no evaluation unless asked for."""
    return duo_recipe(data, **{"schedule__epochs": 1, "train__eval_every": 0, **changes})


class TestRun:
    def test_each_network_has_its_own_files(self, duo: Path) -> None:
        assert [name for name, kind in contents(duo).items() if kind != "folder"] == [
            "checkpoints/a/best.pt",
            "checkpoints/a/last.pt",
            "checkpoints/b/best.pt",
            "checkpoints/b/last.pt",
            "checkpoints/state.pt",
            "eval/a/val/metrics.json",
            "eval/a/val/predictions.json",
            "eval/b/val/metrics.json",
            "eval/b/val/predictions.json",
            "metrics.jsonl",
            "probes/epoch_000.npz",
            "probes/epoch_001.npz",
            "probes/epoch_002.npz",
            "recipe.yaml",
            "run.json",
        ]
        assert (notes(duo)["stage"], notes(duo)["status"]) == ("colad", "finished")
        assert set(notes(duo)["fingerprints"]) == {"data"}

    def test_each_is_what_the_recipe_asks_for(self, duo: Path) -> None:
        a, b = (load_checkpoint(duo / LAST[name]) for name in ("a", "b"))
        mine, theirs = a.detector.architecture, b.detector.architecture
        assert (mine.backbone, theirs.backbone) == ("mobilenetv3_small_050", "test_resnet")
        assert (mine.objectness_kernel, theirs.objectness_kernel) == (0, 3)
        assert mine.pixel_mean != theirs.pixel_mean
        assert (a.training["step"], b.training["step"]) == (4, 4)
        assert a.input_rule == b.input_rule

    def test_both_learn_and_are_measured(self, duo: Path) -> None:
        lines = read_metrics(duo / "metrics.jsonl")
        assert [(m["kind"], m["step"], m.get("network")) for m in lines] == [
            ("train", 1, None),
            ("train", 2, None),
            ("eval", 2, "a"),
            ("eval", 2, "b"),
            ("train", 3, None),
            ("train", 4, None),
            ("eval", 4, "a"),
            ("eval", 4, "b"),
        ]
        for line in train_lines(duo):
            both = [line[f"{name}.{part}"] for name in "ab" for part in ("cls", "box", "iou")]
            assert line["loss"] == pytest.approx(sum(both), rel=1e-5)
            assert line["a.loss"] + line["b.loss"] == pytest.approx(line["loss"], rel=1e-5)
            assert 0 <= line["teacher_share"] <= 1
            assert line["num_positive"] > 0

    def test_each_has_its_own_learning_rate(self, duo: Path) -> None:
        """Two steps of warm-up from a thousandth; a has the shared rate, b its own."""
        rates = [(line["a.lr"], line["b.lr"]) for line in train_lines(duo)]
        assert [a for a, _ in rates] == pytest.approx([0.00001, 0.005005, 0.01, 0.01])
        assert [b for _, b in rates] == pytest.approx([0.00002, 0.01001, 0.02, 0.02])

    def test_rates_are_scaled_by_the_batch_where_asked(self, data: Path, tmp_path: Path) -> None:
        recipe = one_epoch(data, optim__lr_batch=16, optim__warmup_steps=0)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        line = train_lines(tmp_path / "run")[0]
        assert (line["a.lr"], line["b.lr"]) == pytest.approx((0.0025, 0.005))

    def test_either_can_teach(self, data: Path, duo: Path, tmp_path: Path) -> None:
        for name in ("a", "b"):
            recipe = tiny_recipe(data, distill__teacher=str(duo / LAST[name]), train__eval_every=0)
            result = distill(recipe, RunOptions(tmp_path / name, quiet=True))
            assert result.steps == 2

    def test_resolved_recipe_alone_repeats_the_run(self, duo: Path, tmp_path: Path) -> None:
        recipe = load_recipe(duo / "recipe.yaml")
        colad(recipe, RunOptions(tmp_path / "again", quiet=True))
        for name in ("a", "b"):
            assert_same_weights(duo / LAST[name], tmp_path / "again" / LAST[name])

    def test_an_iou_branch_may_be_left_out_of_one(self, data: Path, tmp_path: Path) -> None:
        recipe = one_epoch(data, net_b__iou_branch=False, colad__soft=True)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        line = train_lines(tmp_path / "run")[-1]
        assert {"a.iou", "a.soft_cls", "b.soft_cls"} < set(line)
        # What one of them does not predict, the other cannot learn from it.
        assert not {"b.iou", "a.soft_iou", "b.soft_iou"} & set(line)

    @pytest.mark.parametrize("scope", ["level", "object", "image", "batch"])
    @pytest.mark.parametrize("criterion", ["std-mean", "fisher"])
    def test_every_switch_trains(
        self, data: Path, tmp_path: Path, criterion: str, scope: str
    ) -> None:
        recipe = one_epoch(data, colad__switch=criterion, colad__switch_scope=scope)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        shares = [line["teacher_share"] for line in train_lines(tmp_path / "run")]
        assert all(0 <= share <= 1 for share in shares)
        if scope == "batch":  # one decision a step
            assert set(shares) <= {0.0, 1.0}

    def test_each_sees_the_pixels_as_it_wants_them(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[str, Tensor]] = []
        forward = Detector.forward

        def watched(self: Detector, images: Tensor) -> Any:
            mean, std = (
                torch.tensor(v).view(3, 1, 1)
                for v in (self.architecture.pixel_mean, self.architecture.pixel_std)
            )
            seen.append((self.architecture.backbone, images * std + mean))
            return forward(self, images)

        monkeypatch.setattr(Detector, "forward", watched)
        recipe = one_epoch(data, train__probe_images=0)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        names = [name for name, _ in seen]
        assert names == ["mobilenetv3_small_050", "test_resnet"] * 2
        # Undoing each one's normalization gives one picture, that of pixels in 0..1.
        for (_, mine), (_, theirs) in zip(seen[::2], seen[1::2], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
            assert mine.min() > -1e-5
            assert mine.max() < 1 + 1e-5


class TestSoft:
    def test_each_also_learns_the_others_outputs(self, data: Path, tmp_path: Path) -> None:
        recipe = one_epoch(data, colad__soft=True)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        for line in train_lines(tmp_path / "run"):
            for name in ("a", "b"):
                assert line[f"{name}.soft_cls"] > 0
                parts = ("cls", "box", "iou", "soft_cls", "soft_box", "soft_iou")
                total = sum(line[f"{name}.{part}"] for part in parts)
                assert line[f"{name}.loss"] == pytest.approx(total, rel=1e-5)

    def test_options_of_soft_labels_are_used(self, data: Path, tmp_path: Path) -> None:
        recipe = one_epoch(data, colad__soft=True, soft__cls_weight=0.0, soft__iou_weight=0.0)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        line = train_lines(tmp_path / "run")[0]
        assert (line["a.soft_cls"], line["b.soft_cls"], line["a.soft_iou"]) == (0, 0, 0)

    def test_without_it_nothing_of_the_kind_is_learned(self, duo: Path) -> None:
        assert not [key for key in train_lines(duo)[0] if "soft" in key]


class TestResume:
    @pytest.mark.parametrize(
        ("function", "call"),
        [
            (STEP, 1),
            (STEP, 2),  # the last of the first epoch
            (STEP, 3),
            (DESCEND, 5),  # in the third step, when a has moved and b has not
            ("ladcli.stages.evaluate.save_results", 1),  # of a
            ("ladcli.stages.evaluate.save_results", 2),  # of b, when a has been measured
        ],
    )
    def test_run_stopped_by_ctrl_c_ends_as_if_it_had_not_been(
        self,
        data: Path,
        duo: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        function: str,
        call: int,
    ) -> None:
        run = tmp_path / "run"
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, function, call)
            with pytest.raises(Interrupted, match=r"state is saved.*--resume"):
                colad(duo_recipe(data), RunOptions(run, quiet=True))
        result = colad(duo_recipe(data), RunOptions(run, resume=True, quiet=True))
        assert result.steps == 4
        self.assert_same_run(duo, run)

    def test_power_cut_between_the_two_networks_leaves_no_trace(
        self, data: Path, duo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = tmp_path / "run"
        with monkeypatch.context() as patch:
            power_cut_at_call(patch, DESCEND, 6)  # b in the third step
            with pytest.raises(KeyboardInterrupt):
                colad(duo_recipe(data), RunOptions(run, quiet=True))
        assert notes(run)["status"] == "running"
        colad(duo_recipe(data), RunOptions(run, resume=True, quiet=True))
        self.assert_same_run(duo, run)

    def assert_same_run(self, whole: Path, run: Path) -> None:
        for file in (*LAST.values(), *BEST.values()):
            assert_same_weights(whole / file, run / file)
        timing = {"images_per_second", "seconds_per_step", "seconds_trained"}
        mine, theirs = (
            [
                {key: value for key, value in line.items() if key not in timing}
                for line in read_metrics(folder / "metrics.jsonl")
            ]
            for folder in (run, whole)
        )
        assert mine == theirs

    def test_finished_run_is_left_as_it_is(self, data: Path, duo: Path, tmp_path: Path) -> None:
        run = copy_of(duo, tmp_path / "run")
        before = contents(run / "checkpoints")
        assert colad(duo_recipe(data), RunOptions(run, resume=True, quiet=True)).steps == 4
        assert contents(run / "checkpoints") == before

    def test_other_options_of_one_network_are_refused(self, data: Path, duo: Path) -> None:
        recipe = duo_recipe(data, net_b__lr=0.5)
        with pytest.raises(UserError, match=r"started with --lr-b 0\.02 \(net_b\.lr\), not 0\.5;"):
            colad(recipe, RunOptions(duo, resume=True, quiet=True))


class TestInit:
    def test_weights_are_those_of_the_checkpoint(
        self, data: Path, teacher: Path, tmp_path: Path
    ) -> None:
        """At a rate that moves next to nothing; the backbone's statistics are frozen too."""
        recipe = one_epoch(data, net_a__init=str(teacher), net_a__lr=1e-30)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        torch.testing.assert_close(
            weights(tmp_path / "run" / LAST["a"]), weights(teacher), rtol=0, atol=1e-20
        )

    @pytest.mark.parametrize("freeze", [True, False])
    def test_it_is_frozen_as_a_pretrained_backbone_is(
        self, data: Path, teacher: Path, tmp_path: Path, freeze: bool
    ) -> None:
        options: dict[str, Any] = {} if freeze else {"freeze_stride": 0, "freeze_bn": False}
        recipe = one_epoch(
            data, net_a__init=str(teacher), **{f"model__{k}": v for k, v in options.items()}
        )
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        before, after = weights(teacher), weights(tmp_path / "run" / LAST["a"])
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert "head.cls_out.weight" in moved
        assert ("backbone.net.conv_stem.weight" in moved) == (not freeze)
        assert ("backbone.net.bn1.running_mean" in moved) == (not freeze)

    def test_network_without_one_starts_as_ever(
        self, data: Path, teacher: Path, tmp_path: Path
    ) -> None:
        recipe = one_epoch(data, net_a__init=str(teacher), net_b__lr=1e-30)
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        statistics = weights(tmp_path / "run" / LAST["b"])["backbone.net.bn1.running_mean"]
        assert statistics.abs().sum() > 0  # random weights: nothing is frozen

    def test_files_that_do_not_fit_are_refused_untouched(
        self, data: Path, teacher: Path, tmp_path: Path
    ) -> None:
        four = draw(tmp_path / "four", classes=4)
        before = contents(tmp_path)
        for recipe, message in (
            (
                one_epoch(four, net_a__init=str(teacher)),
                r"last\.pt: knows other classes than the training set \(3 classes against 4,",
            ),
            (
                one_epoch(data, net_b__init=str(teacher)),
                r"last\.pt: is another network than the recipe asks for \(its backbone is "
                r"mobilenetv3_small_050, not test_resnet\); name the checkpoint's own backbone",
            ),
            (
                one_epoch(data, net_a__init=str(teacher), net_a__head="iop"),
                r"last\.pt: is another network .*its objectness_kernel is 0, not 1",
            ),
            (
                one_epoch(data, net_a__init=str(teacher), model__channels=32),
                r"last\.pt: is another network .*its channels is 16, not 32",
            ),
            (one_epoch(data, net_a__init=str(tmp_path / "none.pt")), "no such checkpoint"),
            (one_epoch(data, net_a__init=str(four)), "is a folder"),
        ):
            with pytest.raises(UserError, match=message):
                colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert contents(tmp_path) == before

    def test_one_file_for_both_is_refused_however_it_is_spelled(
        self, data: Path, teacher: Path, tmp_path: Path
    ) -> None:
        again = teacher.parent / ".." / "model" / teacher.name
        recipe = tiny_recipe(data, net_a__init=str(teacher), net_b__init=str(again))
        with pytest.raises(UserError, match="would stay equal for ever; give --init-a and --init"):
            colad(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert not (tmp_path / "run").exists()


class TestFirstTeacher:
    """Who wins a tie; looked up in run.json, without training."""

    @pytest.fixture
    def untrained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ladcli.stages.training.train", lambda *_: None)

    @pytest.fixture
    def measured(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Let network b be the better one in the beginning; which were measured."""
        asked: list[str] = []

        def evaluation(_: Any, network: str, *__: Any) -> Evaluation:
            asked.append(network)
            return Evaluation(CocoMetrics({"AP": {"a": 0.1, "b": 0.3}[network]}, {}), None)

        monkeypatch.setattr("ladcli.stages.colad.evaluate_network", evaluation)
        return asked

    def first_teacher(self, recipe: Recipe, out: Path) -> str:
        colad(recipe, RunOptions(out, quiet=True))
        found: str = notes(out)["first_teacher"]
        return found

    @pytest.mark.usefixtures("untrained")
    @pytest.mark.parametrize("name", ["a", "b"])
    def test_it_can_be_named(self, data: Path, teacher: Path, tmp_path: Path, name: str) -> None:
        other = {"a": "b", "b": "a"}[name]
        small = {"net_a__init": str(teacher)} if other == "a" else {}
        recipe = one_epoch(data, colad__first_teacher=name, **small)
        assert self.first_teacher(recipe, tmp_path / "run") == name

    @pytest.mark.usefixtures("untrained")
    def test_of_two_new_ones_it_is_the_larger(self, data: Path, tmp_path: Path) -> None:
        assert self.first_teacher(one_epoch(data), tmp_path / "b") == "b"
        swapped = one_epoch(
            data, net_a__backbone="test_resnet", net_b__backbone="mobilenetv3_small_050"
        )
        assert self.first_teacher(swapped, tmp_path / "a") == "a"
        equal = one_epoch(data, net_b__backbone="mobilenetv3_small_050", net_b__head="paa")
        assert self.first_teacher(equal, tmp_path / "equal") == "a"

    @pytest.mark.usefixtures("untrained")
    def test_a_trained_one_goes_before_a_larger_one(
        self, data: Path, teacher: Path, tmp_path: Path
    ) -> None:
        recipe = one_epoch(data, net_a__init=str(teacher))
        assert self.first_teacher(recipe, tmp_path / "run") == "a"

    @pytest.mark.usefixtures("untrained")
    def test_of_two_trained_ones_it_is_the_better(
        self,
        data: Path,
        teacher: Path,
        duo: Path,
        tmp_path: Path,
        measured: list[str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        both = {"net_a__init": str(duo / LAST["b"]), "net_b__init": str(teacher)}
        recipe = one_epoch(
            data, **both, net_a__backbone="test_resnet", net_a__head="cop",
            net_b__backbone="mobilenetv3_small_050", net_b__head="paa", train__eval_every=1,
        )  # fmt: skip
        assert self.first_teacher(recipe, tmp_path / "run") == "b"  # although it is smaller
        assert measured == ["a", "b"]
        assert "measuring both initial networks" in capsys.readouterr().err

    @pytest.mark.usefixtures("untrained")
    def test_without_a_validation_set_it_is_the_larger_of_them(
        self, data: Path, teacher: Path, duo: Path, tmp_path: Path, measured: list[str]
    ) -> None:
        recipe = one_epoch(data, net_a__init=str(teacher), net_b__init=str(duo / LAST["b"]))
        assert self.first_teacher(recipe, tmp_path / "run") == "b"
        assert measured == []

    def test_resumed_run_keeps_it_and_measures_nothing(
        self,
        data: Path,
        teacher: Path,
        duo: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        measured: list[str],
    ) -> None:
        recipe = one_epoch(
            data, net_a__init=str(teacher), net_b__init=str(duo / LAST["b"]), train__eval_every=1
        )
        run = tmp_path / "run"
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, STEP, 1)
            with pytest.raises(Interrupted):
                colad(recipe, RunOptions(run, quiet=True))
        assert notes(run)["first_teacher"] == "b"
        # Whoever was chosen then stays chosen, whatever the rule would say now.
        (run / "run.json").write_text(json.dumps({**notes(run), "first_teacher": "a"}))
        colad(recipe, RunOptions(run, resume=True, quiet=True))
        assert measured == ["a", "b"]
        assert notes(run)["first_teacher"] == "a"


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"net_b__backbone": "resnet5"}, "--backbone-b (net_b.backbone)"),
        ({"model__backbone": "resnet5"}, "--backbone (model.backbone)"),
    ],
)
def test_an_unknown_backbone_is_named_by_the_option_that_chose_it(
    data: Path, tmp_path: Path, changes: dict[str, Any], option: str
) -> None:
    recipe = tiny_recipe(data, **changes)
    with pytest.raises(UserError) as caught:
        colad(recipe, RunOptions(tmp_path / "run", quiet=True))
    assert str(caught.value).startswith(f"{option}: 'resnet5' is no model that timm knows")
    assert not (tmp_path / "run").exists()
