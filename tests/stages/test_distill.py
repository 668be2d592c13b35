from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladcli.detector.checkpoint import load_checkpoint, teacher_fingerprint
from ladcli.distill.cache_reader import read_cache_info
from ladcli.engine.metrics_log import read_metrics
from ladcli.errors import Interrupted, UserError
from ladcli.recipe import load_recipe
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions
from tests.stages.tiny import (
    STEP,
    assert_same_weights,
    contents,
    copy_of,
    ctrl_c_at_call,
    cut_pixels,
    draw,
    tiny_recipe,
    weights,
)

LAST = "checkpoints/model/last.pt"


@pytest.fixture(scope="module")
def from_cache(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("student") / "cached"
    recipe = tiny_recipe(data, distill__cache=str(cache), schedule__epochs=2)
    distill(recipe, RunOptions(out, quiet=True))
    return out


def test_cached_and_online_teacher_train_the_same_student(
    data: Path, teacher: Path, from_cache: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(data, distill__teacher=str(teacher), schedule__epochs=2)
    distill(recipe, RunOptions(tmp_path / "online", quiet=True))
    cached = [m for m in read_metrics(from_cache / "metrics.jsonl") if m["kind"] == "train"]
    online = [m for m in read_metrics(tmp_path / "online/metrics.jsonl") if m["kind"] == "train"]
    assert len(cached) == len(online) == 4
    for mine, theirs in zip(cached, online, strict=True):
        assert mine["num_positive"] == theirs["num_positive"] > 0
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


def test_student_of_a_teacher_is_not_the_student_alone(
    data: Path, from_cache: Path, tmp_path: Path
) -> None:
    pretrain(
        tiny_recipe(data, schedule__epochs=2, train__eval_every=0),
        RunOptions(tmp_path / "alone", quiet=True),
    )
    alone, taught = weights(tmp_path / "alone" / LAST), weights(from_cache / LAST)
    assert alone.keys() == taught.keys()
    assert [name for name in alone if not alone[name].equal(taught[name])]


def test_notes_name_the_teacher_wherever_it_comes_from(
    teacher: Path, cache: Path, from_cache: Path
) -> None:
    notes = json.loads((from_cache / "run.json").read_text())
    assert notes["stage"] == "distill"
    assert notes["fingerprints"] == {
        "data": read_cache_info(cache).fingerprints["data"],
        "teacher": teacher_fingerprint(load_checkpoint(teacher).detector),
    }


def test_teacher_beside_a_cache_is_only_compared(
    data: Path, teacher: Path, cache: Path, from_cache: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(
        data, distill__cache=str(cache), distill__teacher=str(teacher), schedule__epochs=2
    )
    distill(recipe, RunOptions(tmp_path / "both", quiet=True))
    assert_same_weights(from_cache / LAST, tmp_path / "both" / LAST)


def test_resolved_recipe_alone_repeats_the_run(from_cache: Path, tmp_path: Path) -> None:
    recipe = load_recipe(from_cache / "recipe.yaml")
    distill(recipe, RunOptions(tmp_path / "again", quiet=True))
    assert_same_weights(from_cache / LAST, tmp_path / "again" / LAST)


def test_student_that_was_stopped_ends_as_if_it_had_not_been(
    data: Path, cache: Path, from_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(data, distill__cache=str(cache), schedule__epochs=2)
    with monkeypatch.context() as patch:
        ctrl_c_at_call(patch, STEP, 3)
        with pytest.raises(Interrupted):
            distill(recipe, RunOptions(tmp_path / "run", quiet=True))
    distill(recipe, RunOptions(tmp_path / "run", resume=True, quiet=True))
    assert_same_weights(from_cache / LAST, tmp_path / "run" / LAST)


def test_somebody_must_teach(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^nobody to learn from: .*--teacher.*--cache"):
        distill(tiny_recipe(data), RunOptions(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


class TestCacheOfSomethingElse:
    """Each is refused before anything is written, and the message says what differs."""

    def refusal(self, tmp_path: Path, data: Path, cache: Path, **changes: object) -> str:
        before = contents(tmp_path)
        recipe = tiny_recipe(data, distill__cache=str(cache), **changes)
        with pytest.raises(UserError) as caught:
            distill(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert contents(tmp_path) == before
        message = str(caught.value)
        assert message.startswith(f"{cache}: was made for ")
        assert message.endswith("build one that fits with lad cache-teacher")
        return message.removeprefix(f"{cache}: was made for ")

    def test_teacher(self, data: Path, cache: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        pretrain(
            tiny_recipe(data, train__seed=1, train__eval_every=0), RunOptions(other, quiet=True)
        )
        message = self.refusal(tmp_path, data, cache, distill__teacher=str(other / LAST))
        assert message.startswith("another teacher network (teacher ")

    def test_data_set(self, cache: Path, tmp_path: Path) -> None:
        other = draw(tmp_path / "other", seed=1)
        assert self.refusal(tmp_path, other, cache).startswith("another data set (")

    def test_views(self, data: Path, cache: Path, tmp_path: Path) -> None:
        message = self.refusal(tmp_path, data, cache, data__short=64)
        assert message.startswith("another view set (")

    def test_assignment(self, data: Path, cache: Path, tmp_path: Path) -> None:
        message = self.refusal(tmp_path, data, cache, assign__topk=5)
        assert message.startswith("other assignment options (")

    def test_several_at_once(self, data: Path, cache: Path, tmp_path: Path) -> None:
        message = self.refusal(tmp_path, data, cache, assign__topk=5, data__flip=0.0)
        assert "another view set" in message
        assert "and other assignment options" in message


def test_cache_that_lacks_a_view_is_named_when_it_is_needed(
    data: Path, teacher: Path, tmp_path: Path
) -> None:
    """An image that could not be read while the cache was built can be read now."""
    spoiled = copy_of(data, tmp_path / "spoiled")
    cut_pixels(spoiled / "images/train_00003.jpg")
    recipe = tiny_recipe(spoiled, data__skip_bad_images=True)
    cache_teacher(recipe, teacher, tmp_path / "t.h5", quiet=True)
    recipe = tiny_recipe(data, distill__cache=str(tmp_path / "t.h5"))
    with pytest.raises(UserError, match=r"t\.h5: holds no view \d of image \d+; build a cache"):
        distill(recipe, RunOptions(tmp_path / "run", quiet=True))
