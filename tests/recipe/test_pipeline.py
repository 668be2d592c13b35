"""Pipeline files: which are refused, with which sentence, and that the shipped ones are sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ladcli.errors import UserError
from ladcli.recipe import load_recipe
from ladcli.recipe.pipeline import find_pipeline, load_pipeline, shipped_folders
from tests.refusals import refusal_of

SHIPPED = sorted(file for folder in shipped_folders() for file in folder.glob("*.yaml"))
TEACHER: dict[str, Any] = {"name": "teacher", "run": "pretrain"}
CACHE: dict[str, Any] = {"name": "cache", "run": "cache-teacher", "teacher": "teacher"}
STUDENT: dict[str, Any] = {"name": "student", "run": "distill", "cache": "cache"}
DUO: dict[str, Any] = {"name": "duo", "run": "colad"}
KEYS = "a pipeline has the keys description, data, recipe, stages, evaluate, baseline"
IMAGES: dict[str, Any] = {"name": "images", "run": "synth"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "p.yaml"


def refusal(file: Path, content: Any) -> str:
    """The message about a pipeline file, without the file's name, which it must begin with.

    Where the message is about a stage, that stands first: ``, stage NAME: ``.
    """
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    message = refusal_of(load_pipeline, file)
    assert message.startswith((f"pipeline {file}: ", f"pipeline {file}, stage "))
    return message.removeprefix(f"pipeline {file}").removeprefix(": ")


class TestShipped:
    def test_names(self) -> None:
        assert [file.stem for file in SHIPPED] == ["bccd-cost", "bccd-small", "bccd", "demo"]

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_every_pipeline_loads_and_every_recipe_in_it_resolves(self, path: Path) -> None:
        pipeline = load_pipeline(path)
        assert pipeline.description
        assert pipeline.baseline is not None
        for stage in pipeline.stages:
            recipe = load_recipe(
                None, layers=[("shared", pipeline.recipe), (stage.name, stage.recipe)]
            )
            assert recipe.train.eval_every == 0  # test sets must not choose a checkpoint

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_every_pipeline_opens_with_the_command_that_runs_it(self, path: Path) -> None:
        lines = path.read_text().splitlines()
        assert lines[0].startswith("# ")
        assert [line for line in lines[:4] if line.startswith(f"#   lad run {path.stem}")]

    def test_student_and_baseline_of_the_demo_train_alike(self) -> None:
        stages = {s.name: s for s in load_pipeline(find_pipeline("demo")).stages}
        assert stages["lad"].recipe == stages["paa"].recipe
        assert stages["lad"].seeds == stages["paa"].seeds


class TestFind:
    def test_shipped_pipeline_by_name(self) -> None:
        assert find_pipeline("demo") == find_pipeline("demo.yaml")
        assert find_pipeline("demo").read_text().startswith("# ")

    def test_file_wins_over_a_shipped_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "demo.yaml").write_text("stages: []")
        monkeypatch.chdir(tmp_path)
        assert find_pipeline("demo.yaml") == Path("demo.yaml")
        assert find_pipeline("demo") != Path("demo.yaml")

    @pytest.mark.parametrize("name", ["nope", "x/demo", "../demo", "", "."])
    def test_missing_file_names_those_that_are_shipped(self, name: str) -> None:
        with pytest.raises(UserError) as caught:
            find_pipeline(name)
        assert str(caught.value) == (
            f"{name}: no such pipeline file; shipped with the program are bccd, bccd-cost, "
            "bccd-small, demo"
        )


class TestLoad:
    def test_stages_get_their_defaults(self, file: Path) -> None:
        file.write_text(yaml.safe_dump({"stages": [IMAGES, TEACHER, CACHE, STUDENT]}))
        pipeline = load_pipeline(file)
        assert pipeline.evaluate == ["val"]
        assert pipeline.baseline is None
        assert [stage.seeds for stage in pipeline.stages] == [[0]] * 4
        assert [stage.trains for stage in pipeline.stages] == [False, True, False, True]
        assert pipeline.stages[0].synth.train == 240

    def test_one_seed_keeps_the_name_and_several_extend_it(self, file: Path) -> None:
        stages = [{**TEACHER, "seeds": [7]}, {"name": "b", "run": "pretrain", "seeds": [0, 3]}]
        file.write_text(yaml.safe_dump({"stages": stages}))
        first, second = load_pipeline(file).stages
        assert first.run_names() == ["teacher"]
        assert second.run_names() == ["b-seed0", "b-seed3"]

    def test_run_of_a_stage_with_several_seeds_can_teach(self, file: Path) -> None:
        stages = [{**TEACHER, "seeds": [0, 1]}, {**CACHE, "teacher": "teacher-seed1"}, STUDENT]
        file.write_text(yaml.safe_dump({"stages": stages}))
        assert load_pipeline(file).stages[1].teacher == "teacher-seed1"

    def test_student_can_teach(self, file: Path) -> None:
        second = {"name": "second", "run": "distill", "teacher": "student"}
        file.write_text(yaml.safe_dump({"stages": [TEACHER, CACHE, STUDENT, second]}))
        assert load_pipeline(file).stages[3].teacher == "student"


class TestTwoNetworks:
    """A CoLAD stage leaves two, known as NAME/a and NAME/b."""

    def test_either_can_teach_and_be_the_baseline(self, file: Path) -> None:
        cache = {**CACHE, "teacher": "duo/a"}
        online = {"name": "online", "run": "distill", "teacher": "duo/b"}
        content = {"stages": [DUO, cache, STUDENT, online], "baseline": "duo/a"}
        file.write_text(yaml.safe_dump(content))
        pipeline = load_pipeline(file)
        assert [stage.teacher for stage in pipeline.stages] == [None, "duo/a", None, "duo/b"]
        assert pipeline.baseline == "duo/a"
        duo = pipeline.stages[0]
        assert duo.trains
        assert duo.networks == ("a", "b")

    def test_with_several_seeds_one_is_named(self, file: Path) -> None:
        stages = [{**DUO, "seeds": [0, 1]}, {**CACHE, "teacher": "duo-seed1/b"}]
        file.write_text(yaml.safe_dump({"stages": stages}))
        assert load_pipeline(file).stages[1].teacher == "duo-seed1/b"
        message = refusal(file, {"stages": [stages[0], {**CACHE, "teacher": "duo-seed2/a"}]})
        assert message.endswith("which no earlier stage makes; there are duo/a, duo/b")

    @pytest.mark.parametrize("name", ["duo", "duo/model"])
    def test_one_of_them_must_be_named(self, file: Path, name: str) -> None:
        refusal(file, {"stages": [DUO, {**CACHE, "teacher": name}]})
        refusal(file, {"stages": [DUO], "baseline": name})

    def test_what_there_is_to_name_is_told(self, file: Path) -> None:
        message = refusal(file, {"stages": [DUO, {**CACHE, "teacher": "duo"}]})
        assert message == (
            "stage 'cache' names teacher 'duo', which no earlier stage makes; "
            "there are duo/a, duo/b"
        )
        message = refusal(file, {"stages": [DUO, TEACHER], "baseline": "duo"})
        assert message == (
            "baseline names 'duo', which trains no network; there are duo/a, duo/b, teacher"
        )

    @pytest.mark.parametrize(("key", "name"), [("teacher", "teacher"), ("cache", "cache")])
    def test_they_teach_each_other_and_need_nobody(self, file: Path, key: str, name: str) -> None:
        message = refusal(file, {"stages": [TEACHER, CACHE, {**DUO, key: name}]})
        assert message == f"stage 'duo' (colad) takes no {key}; remove the key"

    def test_networks_of_other_stages_have_no_letter(self, file: Path) -> None:
        message = refusal(file, {"stages": [TEACHER, {**CACHE, "teacher": "teacher/a"}]})
        assert message.endswith("which no earlier stage makes; there are teacher")


class TestReferences:
    def test_teacher_that_is_not_there(self, file: Path) -> None:
        assert refusal(file, {"stages": [TEACHER, {**CACHE, "teacher": "prof"}]}) == (
            "stage 'cache' names teacher 'prof', which no earlier stage makes; there are teacher"
        )

    def test_cache_before_its_stage(self, file: Path) -> None:
        message = refusal(file, {"stages": [TEACHER, STUDENT, CACHE]})
        assert message == (
            "stage 'student' names cache 'cache', which no earlier stage makes; there are none"
        )

    def test_stage_that_refers_to_itself(self, file: Path) -> None:
        message = refusal(file, {"stages": [{**CACHE, "teacher": "cache"}]})
        assert message.endswith("there are none")

    def test_cache_that_is_a_network(self, file: Path) -> None:
        message = refusal(file, {"stages": [TEACHER, {**STUDENT, "cache": "teacher"}]})
        assert "names cache 'teacher', which no earlier stage makes; there are none" in message

    def test_teacher_that_is_a_cache(self, file: Path) -> None:
        student = {"name": "s", "run": "distill", "teacher": "cache"}
        message = refusal(file, {"stages": [TEACHER, CACHE, student]})
        assert "names teacher 'cache', which no earlier stage makes; there are teacher" in message

    def test_stage_without_what_it_needs(self, file: Path) -> None:
        lone = {"name": "cache", "run": "cache-teacher"}
        assert refusal(file, {"stages": [lone]}) == (
            "stage 'cache' needs a teacher; name the stage that trains it"
        )
        lone = {"name": "s", "run": "distill"}
        assert refusal(file, {"stages": [lone]}) == (
            "stage 's' needs a teacher or a cache; name the stage that makes it"
        )

    @pytest.mark.parametrize(
        ("stage", "key"),
        [
            ({"name": "x", "run": "pretrain", "teacher": "teacher"}, "teacher"),
            ({"name": "x", "run": "pretrain", "cache": "cache"}, "cache"),
            ({"name": "x", "run": "synth", "teacher": "teacher"}, "teacher"),
            ({**CACHE, "name": "x", "cache": "cache"}, "cache"),
        ],
    )
    def test_stage_with_what_it_cannot_use(
        self, file: Path, stage: dict[str, Any], key: str
    ) -> None:
        message = refusal(file, {"stages": [TEACHER, CACHE, stage]})
        assert message == f"stage 'x' ({stage['run']}) takes no {key}; remove the key"


class TestSeeds:
    """A run takes the run of its own seed from a stage that has several."""

    def planned(self, file: Path, *stages: dict[str, Any]) -> list[tuple[str, Any, Any]]:
        """Name, teacher and cache of every run."""
        file.write_text(yaml.safe_dump({"stages": list(stages)}))
        return [(run.name, run.teacher, run.cache) for run in load_pipeline(file).runs()]

    def test_every_run_takes_the_run_of_its_seed(self, file: Path) -> None:
        seeds = {"seeds": [0, 2]}
        planned = self.planned(
            file, {**TEACHER, **seeds}, {**CACHE, **seeds}, {**STUDENT, "seeds": [2, 0]}
        )
        assert planned == [
            ("teacher-seed0", None, None),
            ("teacher-seed2", None, None),
            ("cache-seed0", "teacher-seed0", None),
            ("cache-seed2", "teacher-seed2", None),
            ("student-seed2", None, "cache-seed2"),
            ("student-seed0", None, "cache-seed0"),
        ]

    def test_stage_of_one_seed_serves_every_seed(self, file: Path) -> None:
        planned = self.planned(file, {**TEACHER, "seeds": [7]}, CACHE, {**STUDENT, "seeds": [1, 2]})
        assert planned[1:] == [
            ("cache", "teacher", None),
            ("student-seed1", None, "cache"),
            ("student-seed2", None, "cache"),
        ]

    def test_one_run_may_serve_every_seed(self, file: Path) -> None:
        cache = {**CACHE, "teacher": "teacher-seed1", "seeds": [0, 1]}
        planned = self.planned(file, {**TEACHER, "seeds": [0, 1]}, cache)
        assert [teacher for _, teacher, _ in planned[2:]] == ["teacher-seed1"] * 2

    def test_one_of_two_networks(self, file: Path) -> None:
        online = {"name": "online", "run": "distill", "teacher": "duo/b", "seeds": [3, 4]}
        planned = self.planned(file, {**DUO, "seeds": [3, 4, 5]}, online)
        assert [teacher for _, teacher, _ in planned[3:]] == ["duo-seed3/b", "duo-seed4/b"]

    def test_run_wins_over_a_stage_of_its_name(self, file: Path) -> None:
        other = {"name": "teacher-seed0", "run": "pretrain", "seeds": [0, 1]}
        with_clash = [{**TEACHER, "seeds": [0, 1]}, other]
        planned = self.planned(file, *with_clash, {**CACHE, "teacher": "teacher-seed0"})
        assert planned[-1] == ("cache", "teacher-seed0", None)

    def test_seed_that_the_named_stage_lacks(self, file: Path) -> None:
        stages = [{**TEACHER, "seeds": [0, 1]}, {**CACHE, "seeds": [1, 2]}]
        assert refusal(file, {"stages": stages}) == (
            "stage 'cache' has the seed 2, but its teacher 'teacher' has only the seeds 0, 1; "
            "give both the same seeds, or name one run, such as teacher-seed0"
        )
        stages = [{**DUO, "seeds": [3, 4]}, {**CACHE, "teacher": "duo/b"}]
        message = refusal(file, {"stages": stages})
        assert message.startswith("stage 'cache' has the seed 0, but its teacher 'duo/b' has only")
        assert message.endswith("such as duo-seed3/b")

    def test_cache_lacks_a_seed(self, file: Path) -> None:
        cache = {**CACHE, "seeds": [0, 1]}
        message = refusal(file, {"stages": [TEACHER, cache, {**STUDENT, "seeds": [0, 1, 2]}]})
        assert message.startswith(
            "stage 'student' has the seed 2, but its cache 'cache' has only the seeds 0, 1; "
        )
        assert message.endswith("such as cache-seed0")

    def test_long_names_of_runs_can_be_named(self, file: Path) -> None:
        name = "x" * 60
        planned = self.planned(
            file,
            {**DUO, "name": name, "seeds": [0, 2147483647]},
            {**CACHE, "teacher": f"{name}-seed2147483647/a"},
        )
        assert planned[-1][1] == f"{name}-seed2147483647/a"


class TestNames:
    def test_two_stages_of_one_name(self, file: Path) -> None:
        message = refusal(file, {"stages": [TEACHER, TEACHER]})
        assert message == "two stages are called 'teacher'; names must differ"

    def test_run_that_would_share_a_folder_with_a_stage(self, file: Path) -> None:
        stages = [{"name": "a-seed0", "run": "pretrain"}, {**TEACHER, "name": "a", "seeds": [0, 1]}]
        message = refusal(file, {"stages": stages})
        assert message.startswith("stage 'a' has a run 'a-seed0', and so had something before it")

    def test_seed_that_stands_twice(self, file: Path) -> None:
        message = refusal(file, {"stages": [{**TEACHER, "seeds": [1, 1]}]})
        assert message.endswith("names and seeds must differ")

    @pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "-x", "x" * 61, ".x"])
    def test_name_that_is_no_folder(self, file: Path, name: str) -> None:
        message = refusal(file, {"stages": [{"name": name, "run": "pretrain"}]})
        assert message.startswith(", stage number 1: name must ")
        assert message.endswith(f"got {name!r}")

    def test_baseline_that_is_no_stage(self, file: Path) -> None:
        message = refusal(file, {"stages": [TEACHER], "baseline": "paa"})
        assert message == "baseline names 'paa', which trains no network; there are teacher"

    def test_baseline_that_trains_nothing(self, file: Path) -> None:
        message = refusal(file, {"stages": [IMAGES, TEACHER], "baseline": "images"})
        assert message.startswith("baseline names 'images', which trains no network")

    def test_set_that_is_not_drawn(self, file: Path) -> None:
        images = {**IMAGES, "synth": {"test": 0}}
        message = refusal(file, {"stages": [images, TEACHER], "evaluate": ["val", "test"]})
        assert message == (
            "evaluate names 'test', but stage 'images' draws no image of it; set synth.test"
        )


class TestForm:
    @pytest.mark.parametrize(
        ("text", "got"), [("", "null"), ("[]", "[]"), ("3", "3"), ("hello", "'hello'")]
    )
    def test_no_table_of_keys(self, file: Path, text: str, got: str) -> None:
        assert refusal(file, text) == f"must hold 'stages:' with a list below it, got {got}"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"stages": []}, "stages must have at least 1 item, got []"),
            (
                {"stages": 3},
                "stages must be a list of stages, each with '- name:' and 'run:', got 3",
            ),
            (
                {"stages": {"paa": {"run": "pretrain"}}},
                "stages must be a list of stages, each with '- name:' and 'run:', got "
                "{'paa': {'run': 'pretrain'}}",
            ),
            (
                {"stages": ["paa"]},
                ", stage number 1: must have keys such as 'name:' and 'run:' below it, got 'paa'",
            ),
            (
                {"stages": [{**TEACHER, "run": "train"}]},
                ", stage teacher: run must be 'synth', 'pretrain', 'cache-teacher', 'distill' or "
                "'colad', got 'train'; did you mean pretrain?",
            ),
            (
                {"stages": [{**TEACHER, "seeds": []}]},
                ", stage teacher: seeds must have at least 1 item, got []",
            ),
            (
                {"stages": [{**TEACHER, "seeds": "0, 1"}]},
                ", stage teacher: seeds must be a list of whole numbers, such as [0, 1, 2], got "
                "'0, 1'",
            ),
            (
                {"stages": [TEACHER, {**CACHE, "seeds": [-1]}]},
                ", stage cache: seeds[0] must be at least 0, got -1",
            ),
            (
                {"stages": [{**TEACHER, "teacher": 3}]},
                ", stage teacher: teacher must name a stage or a run, such as paa or paa-seed0, or "
                "a network of CoLAD, duo/a, got 3; put it in quotes",
            ),
            (
                {"stages": [{**TEACHER, "recipe": ["optim"]}]},
                ", stage teacher: recipe must hold sections such as 'optim:' with keys below them, "
                "got ['optim']",
            ),
            (
                {"stages": [{**IMAGES, "synth": {"train": 0}}]},
                ", stage images: synth.train must be at least 1, got 0",
            ),
            (
                {"stages": [{**IMAGES, "synth": {"objects": [1, 2, 3]}}]},
                ", stage images: synth.objects must have at most 2 items, got [1, 2, 3]",
            ),
            (
                {"stages": [{**IMAGES, "synth": 8}]},
                ", stage images: synth must hold keys of the synthetic set, such as 'train: 240', "
                "got 8",
            ),
            (
                {"stages": [TEACHER], "evaluate": "val"},
                "evaluate must be a list of sets, such as [val, test], got 'val'",
            ),
            (
                {"stages": [TEACHER], "evaluate": ["dev"]},
                "evaluate[0] must be 'train', 'val' or 'test', got 'dev'",
            ),
            (
                {"stages": [TEACHER], "baseline": "a b"},
                "baseline must name a stage, or a network of CoLAD, such as duo/a, got 'a b'",
            ),
            (
                {"stages": [{**TEACHER, "name": "ab" * 31}], "evaluate": 3},
                f", stage number 1: name must have at most 60 characters, got '{'ab' * 31}' "
                "(and 1 more)",
            ),
        ],
    )
    def test_values_that_do_not_fit(self, file: Path, content: Any, message: str) -> None:
        assert refusal(file, content) == message

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"evalute": ["val"]}, "evalute; did you mean evaluate?"),
            ({"optim": {"lr": 1}}, "optim; options stand below recipe: write recipe: {optim: …}"),
            (
                {"optim.lr": 1},
                "optim.lr; options stand below recipe: write recipe: {optim: {lr: …}}",
            ),
            (
                {"epochs": 3},
                "epochs; options stand below recipe: write recipe: {schedule: {epochs: …}}",
            ),
            ({"seeds": [0]}, "seeds; it is a key of a stage"),
            ({"qqq": 1}, f"qqq; {KEYS}"),
            ({1: 2}, f"1; {KEYS}"),
        ],
    )
    def test_unknown_keys_of_a_file(self, file: Path, content: Any, message: str) -> None:
        assert refusal(file, {"stages": [TEACHER], **content}) == f"unknown key {message}"

    @pytest.mark.parametrize(
        ("stage", "message"),
        [
            ({**TEACHER, "seed": 3}, "teacher: unknown key seed; did you mean seeds?"),
            (
                {**TEACHER, "epochs": 3},
                "teacher: unknown key epochs; options stand below the stage's recipe: write "
                "recipe: {schedule: {epochs: …}}",
            ),
            (
                {**TEACHER, "evaluate": ["val"]},
                "teacher: unknown key evaluate; it is a key of the file, beside 'stages'",
            ),
            (
                {**IMAGES, "clutter": 0},
                "images: unknown key clutter; it is an option of the synthetic set: write synth: "
                "{clutter: …}",
            ),
            (
                {**IMAGES, "synth": {"trains": 3}},
                "images: unknown key synth.trains; did you mean train?",
            ),
            (
                {**IMAGES, "synth": {"zzz": 3}},
                "images: unknown key synth.zzz; synth has the keys train, val, test, width, "
                "height, classes, objects, sides, clutter",
            ),
            (
                {**TEACHER, 7: 3},
                "teacher: unknown key 7; a stage has the keys name, run, title, seeds, teacher, "
                "cache, synth, recipe",
            ),
        ],
    )
    def test_unknown_keys_of_a_stage(self, file: Path, stage: Any, message: str) -> None:
        assert refusal(file, {"stages": [stage]}) == f", stage {message}"

    def test_missing_keys(self, file: Path) -> None:
        stages = "holds the list of stages, each with '- name:' and 'run:'"
        assert refusal(file, {"description": "x"}) == f"the key stages is missing; it {stages}"
        assert refusal(file, {"stages": None}) == f"the key stages has no value; it {stages}"
        assert refusal(file, {"stages": [{"run": "pretrain"}]}) == (
            ", stage number 1: the key name is missing; it says how the stage and its folder are "
            "called, such as paa"
        )
        assert refusal(file, {"stages": [TEACHER, {"name": "b", "rum": "distill"}]}) == (
            ", stage b: the key run is missing; it says what the stage does: synth, pretrain, "
            "cache-teacher, distill or colad; there is 'rum', did you mean that? (and 1 more)"
        )

    def test_sections_whose_keys_are_commented_out_are_empty(self, file: Path) -> None:
        file.write_text("recipe:\nstages:\n- {name: a, run: synth, recipe: , synth: }\n")
        pipeline = load_pipeline(file)
        assert pipeline.recipe == pipeline.stages[0].recipe == {}
        assert pipeline.stages[0].synth.train == 240

    def test_numbers_and_texts_by_the_rules_of_yaml_1_2(self, file: Path) -> None:
        file.write_text(
            "description: 1:30\nevaluate: [val]\nbaseline: 0o7\nstages:\n"
            "- {name: 0o7, run: pretrain, title: 1e5, seeds: [010, 0o10]}\n"
            "- {name: off, run: cache-teacher, teacher: 0o7, seeds: [8]}\n"
            "- {name: x, run: synth, synth: {train: 012, clutter: 1e-1, sides: [1e-1, .5]}}\n"
        )
        first, second, images = load_pipeline(file).stages
        assert (first.name, first.title, first.seeds) == ("0o7", "1e5", [10, 8])
        assert (second.name, second.teacher) == ("off", "0o7")
        assert (images.synth.train, images.synth.clutter, images.synth.sides) == (
            12,
            0.1,
            [0.1, 0.5],
        )

    def test_broken_yaml(self, file: Path) -> None:
        assert refusal(file, "stages: [").startswith("not valid YAML in line 1")
        twice = "stages: [{name: a, run: pretrain}]\nstages: []"
        assert "stands twice" in refusal(file, twice)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"none\.yaml: no such file"):
            load_pipeline(tmp_path / "none.yaml")
