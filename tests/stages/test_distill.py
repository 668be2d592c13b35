from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ladcli.cache.format import Level
from ladcli.cache.reader import read_cache_info
from ladcli.detector.checkpoint import load_checkpoint, teacher_fingerprint
from ladcli.errors import Interrupted, UserError
from ladcli.recipe import Recipe, load_recipe
from ladcli.recipe.schema import OptimConfig
from ladcli.runs.metrics_log import read_metrics
from ladcli.stages.cache_teacher import cache_teacher
from ladcli.stages.distill import distill
from ladcli.stages.pretrain import pretrain
from ladcli.stages.training import RunOptions
from tests.stages.caches import older
from tests.stages.tiny import (
    RECIPE,
    STEP,
    assert_same_weights,
    change_json,
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
        assert message.startswith("another teacher network (")
        assert f"last.pt (mobilenetv3_small_050); here it is {other / LAST} (mobilenet" in message

    def test_data_set(self, cache: Path, tmp_path: Path) -> None:
        other = draw(tmp_path / "other", seed=1)
        message = self.refusal(tmp_path, other, cache)
        assert message.startswith("another data set (")
        assert re.search(r"\d+ boxes, here \d+, the first image that differs is 0 \(", message)

    def test_data_set_with_fewer_images_and_classes(self, cache: Path, tmp_path: Path) -> None:
        other = draw(tmp_path / "other", train=6, classes=2)
        message = self.refusal(tmp_path, other, cache)
        assert "8 images, here 6" in message
        assert "classes disc, square, triangle, here disc, square (3 classes against 2" in message
        assert "which lack 'triangle')" in message

    def test_one_box_that_moved(self, data: Path, cache: Path, tmp_path: Path) -> None:
        other = copy_of(data, tmp_path / "other")
        moved: dict[str, int] = {}

        def move(content: dict[str, Any]) -> None:
            box = content["annotations"][-1]
            box["bbox"][2] /= 2
            moved["image"] = box["image_id"]

        change_json(other / "annotations/train.json", move)
        message = self.refusal(tmp_path, other, cache)
        named = f"the first image that differs is {moved['image']} ("
        assert message.startswith(f"another data set ({named}")
        assert "): its name, size or boxes);" in message
        # An older cache tells only that something differs.
        message = self.refusal(tmp_path, other, older(cache, tmp_path / "old.h5"))
        assert "images, boxes, labels or classes) (data " in message

    def test_views(self, data: Path, cache: Path, tmp_path: Path) -> None:
        message = self.refusal(tmp_path, data, cache, data__short=64)
        assert message.startswith(
            "another view set (short side 96, long side up to 128, "
            "with and without flip; here they are short side 64, long side up to 128, with and "
            "without flip);"
        )

    def test_assignment(self, data: Path, cache: Path, tmp_path: Path) -> None:
        message = self.refusal(tmp_path, data, cache, assign__topk=5)
        assert message.startswith("other assignment options (--set assign.topk=9, here 5);")

    def test_several_at_once(self, data: Path, cache: Path, tmp_path: Path) -> None:
        message = self.refusal(tmp_path, data, cache, assign__topk=5, data__flip=0.0)
        assert "another view set" in message
        assert "and other assignment options" in message


class TestSizesOfTheCache:
    """`tiny_recipe` gives sizes; without them those of the cache are taken."""

    def recipe(self, data: Path, cache: Path, **changes: Any) -> Recipe:
        plain = {**RECIPE, "data": {"workers": 0}}
        flags = {"data.dir": str(data), "distill.cache": str(cache), "train.eval_every": 0}
        flags |= {key.replace("__", "."): value for key, value in changes.items()}
        return load_recipe(None, layers=[("tests", plain)], flags=flags)

    def test_they_are_taken_and_said(
        self, data: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = tmp_path / "run"
        distill(self.recipe(data, cache), RunOptions(run))
        said = "note: sizes are those of the cache: short side 96, long side up to 128, with and"
        assert said in " ".join(capsys.readouterr().err.split())
        stored = load_recipe(run / "recipe.yaml").data
        assert (stored.short, stored.long, stored.flip) == ([96], 128, 0.5)
        asked = json.loads((run / "run.json").read_text())["asked"]
        assert asked["data.short"] == {"value": [96], "source": f"cache {cache}"}
        before = contents(run)
        distill(self.recipe(data, cache), RunOptions(run, resume=True, quiet=True))
        assert contents(run) == before

    def test_sizes_that_were_given_are_not(self, data: Path, cache: Path, tmp_path: Path) -> None:
        recipe = self.recipe(data, cache, data__short=[80])
        with pytest.raises(UserError, match=r"short side 96, .*; here they are short side 80, "):
            distill(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert not (tmp_path / "run").exists()

    def test_a_flip_that_was_given_is_not(self, data: Path, cache: Path, tmp_path: Path) -> None:
        recipe = self.recipe(data, cache, data__flip=0.0)
        with pytest.raises(UserError, match=r"with and without flip; .* 128, unflipped only\)"):
            distill(recipe, RunOptions(tmp_path / "run", quiet=True))


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


def one_epoch(data: Path, **changes: Any) -> Recipe:
    """Two steps and no evaluation."""
    return tiny_recipe(data, **{"train__eval_every": 0, **changes})


def train_lines(recipe: Recipe, out: Path) -> list[dict[str, Any]]:
    """What each step of a student's run logs."""
    distill(recipe, RunOptions(out, quiet=True))
    return [line for line in read_metrics(out / "metrics.jsonl") if line["kind"] == "train"]


def switched(criterion: str, scope: str) -> dict[str, str]:
    return {"distill__switch": criterion, "distill__switch_scope": scope}


SOFT, SOLAD = {"distill__mode": "soft"}, {"distill__mode": "solad"}
#: Options of a method, and the least level of a cache that serves it.
METHODS: list[tuple[dict[str, str], Level]] = [
    ({}, "assignments"),
    (switched("std-mean", "level"), "costs"),
    (switched("std-mean", "object"), "costs"),
    (switched("std-mean", "image"), "costs"),
    (switched("std-mean", "batch"), "costs"),
    (switched("fisher", "level"), "costs"),
    (switched("fisher", "object"), "costs"),
    (switched("fisher", "image"), "dense"),
    (switched("fisher", "batch"), "dense"),
    (SOFT, "soft"),
    (SOLAD, "soft"),
    ({**SOLAD, **switched("std-mean", "level")}, "soft"),
    ({**SOLAD, **switched("fisher", "image")}, "dense"),
]
#: How far the first losses may be from those of the network: costs are stored in single, soft
#: targets in part, and dense outputs in half precision.
CLOSE: dict[Level, float] = {"assignments": 1e-4, "costs": 1e-4, "soft": 5e-3, "dense": 5e-3}


def title(value: object) -> str | None:
    return "-".join(value.values()) or "lad" if isinstance(value, dict) else None


class TestMethods:
    @pytest.mark.parametrize(("options", "level"), METHODS, ids=title)
    def test_cache_of_the_right_level_teaches_as_the_network_does(
        self,
        data: Path,
        teacher: Path,
        caches: dict[Level, Path],
        tmp_path: Path,
        options: dict[str, str],
        level: Level,
    ) -> None:
        recipe = one_epoch(data, distill__teacher=str(teacher), **options)
        online = train_lines(recipe, tmp_path / "online")
        recipe = one_epoch(data, distill__cache=str(caches[level]), **options)
        cached = train_lines(recipe, tmp_path / "cached")
        assert len(online) == len(cached) == 2
        assert online[0].keys() == cached[0].keys()
        for theirs, mine in zip(online, cached, strict=True):
            assert mine["loss"] == pytest.approx(theirs["loss"], rel=CLOSE[level])
            assert theirs["num_positive"] > 0
            if level != "dense":
                assert mine["num_positive"] == theirs["num_positive"]
                assert mine.get("teacher_share") == theirs.get("teacher_share")

    @pytest.mark.parametrize(("options", "level"), METHODS, ids=title)
    def test_what_is_learned_is_what_the_method_says(
        self, data: Path, teacher: Path, tmp_path: Path, options: dict[str, str], level: Level
    ) -> None:
        recipe = one_epoch(data, distill__teacher=str(teacher), **options)
        line = train_lines(recipe, tmp_path / "run")[0]
        soft = {"soft_cls", "soft_box", "soft_iou"}
        learned = {"cls", "box", "iou"} | (soft if "distill__mode" in options else set())
        assert learned == {k for k in line if k.removeprefix("soft_") in ("cls", "box", "iou")}
        assert line["loss"] == pytest.approx(sum(line[name] for name in learned), rel=1e-5)
        assert ("teacher_share" in line) == ("distill__switch" in options)

    def test_with_soft_labels_alone_the_student_assigns(
        self, data: Path, teacher: Path, tmp_path: Path
    ) -> None:
        """Its first detection losses are those of a student without a teacher."""
        out = tmp_path / "alone"
        pretrain(one_epoch(data), RunOptions(out, quiet=True))
        alone = read_metrics(out / "metrics.jsonl")[0]
        recipe = one_epoch(data, distill__teacher=str(teacher), **SOFT)
        soft = train_lines(recipe, tmp_path / "soft")[0]
        for name in ("cls", "box", "iou", "num_positive"):
            assert soft[name] == alone[name]

    def test_dense_cache_serves_every_method(
        self, data: Path, caches: dict[Level, Path], tmp_path: Path
    ) -> None:
        for number, (options, level) in enumerate(METHODS):
            if level in ("assignments", "soft"):
                recipe = one_epoch(data, distill__cache=str(caches["dense"]), **options)
                assert len(train_lines(recipe, tmp_path / str(number))) == 2

    @pytest.mark.parametrize(
        ("level", "options", "needed"),
        [
            ("assignments", switched("std-mean", "level"), "costs"),
            ("assignments", SOFT, "soft"),
            ("costs", SOLAD, "soft"),
            ("costs", switched("fisher", "image"), "dense"),
            ("soft", {**SOLAD, **switched("fisher", "batch")}, "dense"),
        ],
        ids=title,
    )
    def test_cache_that_holds_too_little_is_refused(
        self,
        data: Path,
        caches: dict[Level, Path],
        tmp_path: Path,
        level: Level,
        options: dict[str, str],
        needed: str,
    ) -> None:
        recipe = one_epoch(data, distill__cache=str(caches[level]), **options)
        with pytest.raises(UserError) as caught:
            distill(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert str(caught.value) == (
            f"{caches[level]}: is of level {level}, and this method needs {needed}; build it with "
            f"lad cache-teacher --level {needed}"
        )
        assert not (tmp_path / "run").exists()

    def test_cache_must_fit_in_what_the_method_takes_from_it(
        self, data: Path, caches: dict[Level, Path], tmp_path: Path
    ) -> None:
        cache = str(caches["soft"])
        recipe = one_epoch(data, distill__cache=cache, **SOFT, soft__min_iou=0.3)
        with pytest.raises(UserError, match="was made for another choice of soft targets"):
            distill(recipe, RunOptions(tmp_path / "run", quiet=True))
        # The student's own assignment is nothing to the cache, nor soft targets to plain LAD.
        for number, options in enumerate(({**SOFT, "assign__topk": 5}, {"soft__min_iou": 0.3})):
            recipe = one_epoch(data, distill__cache=cache, **options)
            assert len(train_lines(recipe, tmp_path / str(number))) == 2
        # Whole outputs leave both open.
        recipe = one_epoch(
            data, distill__cache=str(caches["dense"]), **SOLAD, soft__min_iou=0.3, assign__topk=5
        )
        assert len(train_lines(recipe, tmp_path / "dense")) == 2

    def test_teacher_of_other_classes_is_refused(self, teacher: Path, tmp_path: Path) -> None:
        four = draw(tmp_path / "four", classes=4)
        for options in (SOFT, SOLAD, switched("std-mean", "level")):
            recipe = one_epoch(four, distill__teacher=str(teacher), **options)
            with pytest.raises(UserError, match=r"knows other classes .*3 classes against 4"):
                distill(recipe, RunOptions(tmp_path / "run", quiet=True))
        assert not (tmp_path / "run").exists()

    def test_stopped_run_ends_as_if_it_had_not_been(
        self,
        data: Path,
        caches: dict[Level, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        options = {**SOLAD, **switched("std-mean", "object")}
        recipe = one_epoch(data, distill__cache=str(caches["soft"]), **options)
        distill(recipe, RunOptions(tmp_path / "whole", quiet=True))
        with monkeypatch.context() as patch:
            ctrl_c_at_call(patch, STEP, 1)
            with pytest.raises(Interrupted):
                distill(recipe, RunOptions(tmp_path / "run", quiet=True))
        distill(recipe, RunOptions(tmp_path / "run", resume=True, quiet=True))
        assert_same_weights(tmp_path / "whole" / LAST, tmp_path / "run" / LAST)


@pytest.fixture(scope="module")
def cop_teacher(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a network whose class outputs are probabilities."""
    out = tmp_path_factory.mktemp("cop") / "teacher"
    pretrain(one_epoch(data, model__head="cop"), RunOptions(out, quiet=True))
    return out / LAST


class TestHeads:
    """Class outputs of teacher and student may differ in kind."""

    @pytest.mark.parametrize("level", ["soft", "dense"])
    @pytest.mark.parametrize(("teaches", "learns"), [("cop", "paa"), ("paa", "cop")])
    def test_one_learns_from_the_other(
        self,
        data: Path,
        teacher: Path,
        cop_teacher: Path,
        tmp_path: Path,
        teaches: str,
        learns: str,
        level: Level,
    ) -> None:
        network = {"paa": teacher, "cop": cop_teacher}[teaches]
        kind = load_checkpoint(network).detector.architecture.objectness_kernel
        assert kind == {"paa": 0, "cop": 3}[teaches]
        cache_teacher(one_epoch(data, cache__level=level), network, tmp_path / "t.h5", quiet=True)
        common = {**SOLAD, **switched("std-mean", "level"), "model__head": learns}
        online = train_lines(
            one_epoch(data, distill__teacher=str(network), **common), tmp_path / "online"
        )
        cached = train_lines(
            one_epoch(data, distill__cache=str(tmp_path / "t.h5"), **common), tmp_path / "cached"
        )
        student = load_checkpoint(tmp_path / "online" / LAST).detector
        assert student.architecture.objectness_kernel == {"paa": 0, "cop": 3}[learns]
        for theirs, mine in zip(online, cached, strict=True):
            assert theirs["soft_cls"] > 0
            assert mine["soft_cls"] == pytest.approx(theirs["soft_cls"], rel=CLOSE[level])
            assert mine["loss"] == pytest.approx(theirs["loss"], rel=CLOSE[level])


class TestWarmup:
    """A recipe may leave it open; a run's own recipe does not."""

    def recipe(self, data: Path, teacher: Path, **options: str) -> Recipe:
        recipe = one_epoch(data, distill__teacher=str(teacher), **options)
        return recipe.model_copy(update={"optim": OptimConfig()})

    def test_what_was_chosen_is_written_down(
        self, data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recipe = self.recipe(data, teacher)
        distill(recipe, RunOptions(tmp_path / "lad"))
        found = load_recipe(tmp_path / "lad/recipe.yaml").optim
        assert (found.warmup_steps, found.lr) == (0, 0.0025)  # of 2 steps, with a batch of 4
        assert "note: warm-up cut to 0 steps, a tenth of this run" in capsys.readouterr().err
        distill(recipe, RunOptions(tmp_path / "lad", resume=True, quiet=True))

    def test_user_is_told_where_it_was_cut(
        self, data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recipe = self.recipe(data, teacher, **SOFT)
        distill(recipe, RunOptions(tmp_path / "soft"))
        assert load_recipe(tmp_path / "soft/recipe.yaml").optim.warmup_steps == 0  # of 2 steps
        assert "note: warm-up cut to 0 steps" in capsys.readouterr().err
