"""The cost of runs, of those that say it and of those that were made before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ladcli.cache.reader import read_cache_info
from ladcli.detector.checkpoint import load_training
from ladcli.errors import Interrupted
from ladcli.recipe import load_recipe, save_recipe
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.colad import colad
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.run_costs import cost_of_checkpoint, read_run_cost
from ladcli.stages.teachers import checkpoint_cost
from ladcli.stages.training import RunOptions
from ladcli.training_cost import UNKNOWN, TrainingCost
from tests.stages.tiny import STEP, change_json, ctrl_c_at_call, duo_recipe, tiny_recipe

LAST = "checkpoints/model/last.pt"


def older(run: Path, out: Path, **notes: Any) -> Path:
    """The run as programs left it that did not write down what it cost."""
    shutil.copytree(run, out)
    change_json(out / "run.json", lambda content: (content.pop("cost"), content.update(notes)))
    new = ("images_seen", "seconds_trained")
    kept = [
        {key: value for key, value in line.items() if key not in new}
        for line in read_metrics(out / "metrics.jsonl")
    ]
    (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    return out


@pytest.fixture(scope="module")
def student(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learns from the cache alone, for two epochs."""
    out = tmp_path_factory.mktemp("costs") / "student"
    recipe = tiny_recipe(data, distill__cache=str(cache), schedule__epochs=2)
    distill(recipe, RunOptions(out, quiet=True))
    return out


def test_a_run_says_what_it_cost(teacher_run: Path) -> None:
    cost = read_run_cost(teacher_run, "model")
    assert (cost.epochs, cost.images, cost.networks, cost.earlier) == (1, 8, 1, ())
    assert cost.seconds is not None
    assert cost.seconds > 0
    # Without pretrained weights nothing is frozen.
    assert cost.parameters == cost.trained
    assert cost.parameters is not None
    assert cost.parameters > 1000
    assert read_run_cost(teacher_run, "b").parameters is None


def test_a_checkpoint_carries_the_cost_of_its_network(teacher_run: Path, teacher: Path) -> None:
    carried = TrainingCost.from_plain(load_training(teacher)["cost"])
    assert carried == checkpoint_cost(teacher) == cost_of_checkpoint(teacher)


def test_the_cost_of_a_teacher_reaches_the_student_through_the_cache(
    teacher_run: Path, cache: Path, student: Path
) -> None:
    cost = read_run_cost(student, "model")
    assert (cost.epochs, cost.images) == (2, 16)
    taught = read_run_cost(teacher_run, "model")
    assert read_cache_info(cache).teacher_cost == taught
    assert cost.earlier == (taught,)


def test_the_whole_chain_is_kept(data: Path, student: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data, distill__teacher=str(student / LAST))
    distill(recipe, RunOptions(tmp_path / "third", quiet=True))
    cost = read_run_cost(tmp_path / "third", "model")
    assert cost.earlier == (read_run_cost(student, "model"),)
    before = cost.before()
    assert (before.epochs, before.images) == (3, 24)


def test_of_a_pair_both_networks_count(duo: Path) -> None:
    a, b = (read_run_cost(duo, network) for network in "ab")
    assert (a.epochs, a.images, a.seen, a.networks) == (2, 16, 32, 2)
    assert a.parameters is not None
    assert b.parameters is not None
    assert a.trained == b.trained == a.parameters + b.parameters


def test_networks_that_a_pair_started_from_are_counted(
    data: Path, teacher: Path, teacher_run: Path, tmp_path: Path
) -> None:
    recipe = duo_recipe(data, net_a__init=str(teacher), schedule__epochs=1)
    colad(recipe, RunOptions(tmp_path / "duo", quiet=True))
    cost = read_run_cost(tmp_path / "duo", "a")
    assert cost.earlier == (read_run_cost(teacher_run, "model"),)


def test_a_run_that_was_stopped_and_went_on_counts_every_image_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(data, schedule__epochs=2, train__log_every=100)
    with monkeypatch.context() as patch:
        ctrl_c_at_call(patch, STEP, 3)
        with pytest.raises(Interrupted):
            pretrain(recipe, RunOptions(tmp_path, quiet=True))
    first = read_run_cost(tmp_path, "model").seconds
    assert first is not None
    pretrain(recipe, RunOptions(tmp_path, resume=True, quiet=True))
    cost = read_run_cost(tmp_path, "model")
    assert (cost.epochs, cost.images) == (2, 16)
    assert cost.seconds is not None
    assert cost.seconds > first


class TestOlderRuns:
    """Their log and their recipe tell all but the parameters."""

    def test_log_and_recipe(self, teacher_run: Path, tmp_path: Path) -> None:
        was = read_run_cost(teacher_run, "model")
        cost = read_run_cost(older(teacher_run, tmp_path / "old"), "model")
        assert (cost.epochs, cost.images, cost.earlier) == (1, 8, ())
        assert cost.seconds == pytest.approx(was.seconds, rel=0.2)
        assert (cost.parameters, cost.trained) == (None, None)

    def test_a_teacher_is_found_where_it_was(
        self, teacher_run: Path, student: Path, tmp_path: Path
    ) -> None:
        old = older(student, tmp_path / "old")
        assert read_run_cost(old, "model").earlier == (UNKNOWN,)  # its cache alone is named
        self.name_teacher(old, teacher_run / LAST)
        (found,) = read_run_cost(old, "model").earlier
        assert found == read_run_cost(teacher_run, "model")

    def test_a_teacher_that_was_trained_anew_since_is_another_one(
        self, teacher_run: Path, student: Path, tmp_path: Path
    ) -> None:
        old = older(student, tmp_path / "old", started="2020-01-01T00:00:00+0000")
        self.name_teacher(old, teacher_run / LAST)
        assert read_run_cost(old, "model").earlier == (UNKNOWN,)

    @pytest.mark.parametrize("place", ["gone/checkpoints/model/last.pt", "elsewhere.pt"])
    def test_a_teacher_that_is_gone_is_unknown(
        self, place: str, student: Path, tmp_path: Path
    ) -> None:
        old = older(student, tmp_path / "old")
        self.name_teacher(old, tmp_path / place)
        assert read_run_cost(old, "model").earlier == (UNKNOWN,)

    def test_a_checkpoint_that_says_nothing_is_looked_up_in_its_run(
        self, teacher_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = older(teacher_run, tmp_path / "old")
        told = {"epoch": 1}
        monkeypatch.setattr("ladcli.stages.teachers.load_training", lambda path: told)
        assert checkpoint_cost(run / LAST).images == 8
        told["epoch"] = 3  # of another training than lies there
        assert checkpoint_cost(run / LAST) == UNKNOWN
        assert checkpoint_cost(tmp_path / "loose.pt") == UNKNOWN

    def test_a_resumed_one_counts_what_was_done_before(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipe = tiny_recipe(data, schedule__epochs=2)
        run = tmp_path / "run"
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, STEP, 3)
            with pytest.raises(Interrupted):
                pretrain(recipe, RunOptions(run, quiet=True))
        old = older(run, tmp_path / "old")

        def forget(path: Path, learners: Any) -> Any:
            from ladcli.engine.state import load_state

            position = load_state(path, learners)
            position.images, position.seconds = 0, 0.0
            return position

        monkeypatch.setattr("ladcli.stages.training.load_state", forget)
        pretrain(recipe, RunOptions(old, resume=True, quiet=True))
        assert read_run_cost(old, "model").images == 16

    @staticmethod
    def name_teacher(run: Path, teacher: Path) -> None:
        flags = {"distill.teacher": str(teacher)}
        save_recipe(load_recipe(run / "recipe.yaml", flags=flags), run / "recipe.yaml")


def test_damaged_and_foreign_folders_are_unknown(teacher_run: Path, tmp_path: Path) -> None:
    assert read_run_cost(tmp_path, "model") == UNKNOWN
    run = shutil.copytree(teacher_run, tmp_path / "run")
    change_json(run / "run.json", lambda content: content.update(cost={"earlier": 3}))
    assert read_run_cost(run, "model").parameters is None
    (run / "run.json").write_text("{")
    assert read_run_cost(run, "model") == UNKNOWN
