"""Reading recipes: precedence, messages about what is wrong, and writing them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ladcli.errors import UserError
from ladcli.recipe import (
    DistillConfig,
    Given,
    Recipe,
    flat,
    load_recipe,
    read_recipe,
    save_recipe,
    update_recipe,
)
from tests.refusals import refusal_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recipe.yaml"


def refusal(file: Path, text: str | bytes) -> str:
    """The message about a recipe file, without the file's name, which it must begin with."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refusal_of(load_recipe, file)
    assert message.startswith(f"recipe {file}: ")
    return message.removeprefix(f"recipe {file}: ")


def set_refusal(text: str) -> str:
    return refusal_of(load_recipe, None, overrides=[text])


class TestPrecedence:
    def test_without_sources_there_are_defaults(self) -> None:
        assert load_recipe(None) == Recipe()

    def test_later_sources_win(self, file: Path) -> None:
        file.write_text("train: {seed: 1, batch_size: 2}")
        flags = {"train.seed": 10, "optim.lr": None}
        assert load_recipe(file).train.seed == 1
        assert load_recipe(file, flags=flags).train.seed == 10
        recipe = load_recipe(file, flags=flags, overrides=["train.seed=20", "train.seed=30"])
        assert recipe.train.seed == 30
        assert recipe.train.batch_size == 2
        assert recipe.optim == Recipe().optim

    def test_a_flag_that_was_not_given_leaves_the_file_alone(self, file: Path) -> None:
        file.write_text("train: {seed: 1}")
        assert load_recipe(file, flags={"train.seed": None}).train.seed == 1

    def test_a_changed_recipe_is_checked(self) -> None:
        recipe = update_recipe(Recipe(), {"train.seed": 5})
        assert recipe == load_recipe(None, flags={"train.seed": 5})
        with pytest.raises(UserError, match=r"train\.seed must be at least 0, got -1"):
            update_recipe(recipe, {"train.seed": -1})


class TestValues:
    @pytest.mark.parametrize(
        ("text", "key", "value"),
        [
            ("optim.lr=1e-3", "optim.lr", 0.001),
            ("optim.lr=5", "optim.lr", 5.0),
            ("optim.lr = 0.5", "optim.lr", 0.5),
            ("optim.warmup_steps=010", "optim.warmup_steps", 10),
            ("optim.warmup_steps=0o10", "optim.warmup_steps", 8),
            ("distill.switch=off", "distill.switch", "off"),
            ("data.short=[640, 800]", "data.short", [640, 800]),
            ("data.short=640", "data.short", [640]),
            ("schedule.decay_epochs=[]", "schedule.decay_epochs", []),
            ("data.skip_empty=true", "data.skip_empty", True),
            ("train.precision=bf16", "train.precision", "bf16"),
            ("train.device=cuda:1", "train.device", "cuda:1"),
            ("model.weights=none", "model.weights", None),
            ("model.weights=null", "model.weights", None),
            ("model.weights=", "model.weights", None),
            ("model.pixel_std=[1e-1, 0.2, 3]", "model.pixel_std", [0.1, 0.2, 3.0]),
            # Text is not what YAML makes of it: names of folders are taken literally.
            ("data.dir=no", "data.dir", "no"),
            ("data.dir=2024-01-01", "data.dir", "2024-01-01"),
            ("data.dir=C: [x", "data.dir", "C: [x"),
            ("data.dir=a=b", "data.dir", "a=b"),
            ("data.dir='null'", "data.dir", "null"),
        ],
    )
    def test_set(self, text: str, key: str, value: Any) -> None:
        assert flat(load_recipe(None, overrides=[text]))[key] == value

    def test_file(self, file: Path) -> None:
        file.write_text(
            "\ufeff# a comment\noptim:\n  lr: 1e-3\n  weight_decay: 1.0e-5\ndata:\n"
            "  short: 600\n  dir: größe\nmodel:\ntrain: {}\n",
            encoding="utf-8",
        )
        recipe = load_recipe(file)
        assert recipe.optim.lr == 0.001
        assert recipe.optim.weight_decay == 1e-5
        assert recipe.data.short == [600]
        assert recipe.data.dir == "größe"
        assert recipe.model == Recipe().model

    def test_file_is_read_by_the_rules_of_yaml_1_2(self, file: Path) -> None:
        file.write_text(
            "distill: {switch: off, teacher: yes, cache: 1e5}\n"
            "optim: {lr: 1e-2, warmup_steps: 010}\nschedule: {decay_epochs: [0o7, 08]}\n"
            "data: {short: 0x20, long: 0640, dir: 2024-13-45, images: 1:30}\n"
        )
        recipe = load_recipe(file)
        assert recipe.distill == DistillConfig(teacher="yes", cache="1e5")
        assert (recipe.optim.lr, recipe.optim.warmup_steps) == (0.01, 10)
        assert recipe.schedule.decay_epochs == [7, 8]
        assert (recipe.data.short, recipe.data.long) == ([32], 640)
        assert (recipe.data.dir, recipe.data.images) == ("2024-13-45", "1:30")
        assert {type(value) for value in recipe.schedule.decay_epochs} == {int}

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
    def test_an_empty_file_means_defaults(self, file: Path, text: str) -> None:
        file.write_text(text)
        assert load_recipe(file) == Recipe()

    def test_merged_keys_may_be_overridden(self, file: Path) -> None:
        file.write_text(
            "loss: &focal {alpha: 0.3, gamma: 1.5}\nassign:\n  <<: *focal\n  gamma: 2.5\n"
        )
        recipe = load_recipe(file)
        assert (recipe.assign.alpha, recipe.assign.gamma) == (0.3, 2.5)


class TestWrongValues:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("optim: {lr: -1}", "optim.lr must be greater than 0, got -1"),
            ("optim: {lr: fast}", "optim.lr must be a number, got 'fast'"),
            ("optim: {lr: true}", "optim.lr must be a number, got true"),
            (
                "optim: {lr: }",
                "optim.lr must be a number, got null; leave it out for the default",
            ),
            ("optim: {lr: .nan}", "optim.lr must be a finite number, got nan"),
            ("optim: {lr: 1e999}", "optim.lr must be a finite number, got inf"),
            ("data: {flip: 1.5}", "data.flip must be at most 1, got 1.5"),
            ("model: {prior: 1}", "model.prior must be less than 1, got 1"),
            ("train: {seed: true}", "train.seed must be a whole number, got true"),
            ("train: {seed: '12'}", "train.seed must be a whole number, got '12'"),
            ("train: {seed: 1.5}", "train.seed must be a whole number, got 1.5"),
            ("train: {seed: 3000000000}", "train.seed must be at most 2147483647, got 3000000000"),
            ("data: {skip_empty: 1}", "data.skip_empty must be true or false, got 1"),
            ("data: {dir: 2024}", "data.dir must be text, got 2024; put it in quotes"),
            ("data: {dir: true}", "data.dir must be text, got true; put it in quotes"),
            ("data: {skip_empty: yes}", "data.skip_empty must be true or false, got 'yes'"),
            ("train: {seed: 1_000}", "train.seed must be a whole number, got '1_000'"),
            ("train: {seed: 1:30}", "train.seed must be a whole number, got '1:30'"),
            ("data: {short: []}", "data.short must have at least 1 item, got []"),
            ("data: {short: [1, 2, 3]}", "data.short must have at most 2 items, got [1, 2, 3]"),
            ("data: {short: [640, x]}", "data.short[1] must be a whole number, got 'x'"),
            ("data: {short: {a: 1}}", "data.short must be a list, such as [1, 2], got {'a': 1}"),
            ("data: {dir: [a]}", "data.dir must be text, got ['a']"),
            ("data: {short: [null]}", "data.short[0] must be a whole number, got null"),
            (
                "data: {short: {a: [true, null]}}",
                "data.short must be a list, such as [1, 2], got {'a': [true, null]}",
            ),
            (
                "colad: {first_teacher: bb}",
                "colad.first_teacher must be 'auto', 'a' or 'b', got 'bb'; did you mean b?",
            ),
            (
                "distill: {mode: soladd}",
                "distill.mode must be 'lad', 'soft' or 'solad', got 'soladd'; did you mean solad?",
            ),
            (
                "train: {precision: fp8}",
                "train.precision must be 'fp32', 'bf16' or 'fp16', got 'fp8'",
            ),
            ("data: {long: 100}", "data.long (100) must not be below data.short (800)"),
        ],
    )
    def test_key_demand_and_value_are_named(self, file: Path, text: str, message: str) -> None:
        assert refusal(file, text) == message

    def test_several_problems_are_counted(self, file: Path) -> None:
        message = refusal(file, "optim: {lr: -1, momentum: 2}\ntrain: {seed: -1}")
        assert message == "optim.lr must be greater than 0, got -1 (and 2 more)"

    def test_long_values_are_cut(self, file: Path) -> None:
        assert len(refusal(file, f"optim: {{lr: {'x' * 5000}}}")) < 200
        assert len(refusal(file, f"data: {{short: [{'[' * 50}{']' * 50}]}}")) < 200

    def test_the_source_of_the_value_is_named(self, file: Path) -> None:
        file.write_text("optim: {lr: 0.1}\ndata: {long: 900}")
        with pytest.raises(UserError, match=r"^--set optim\.lr=-1: optim\.lr must be greater"):
            load_recipe(file, overrides=["optim.lr=-1"])
        with pytest.raises(UserError, match=r"^--lr: optim\.lr must be greater"):
            load_recipe(file, flags={"optim.lr": -1})
        # A check over two keys blames who spoke last.
        with pytest.raises(UserError, match=r"^--set data\.short=1000: data\.long \(900\) must"):
            load_recipe(file, overrides=["data.short=1000"])
        file.write_text("data: {long: 1400, short: 1000}")
        with pytest.raises(UserError, match=r"^--set data\.long=900: data\.long \(900\) must"):
            load_recipe(file, overrides=["data.long=900"])
        file.write_text("data: {long: 900, short: 1000}")
        with pytest.raises(UserError, match=r"^recipe .*: data\.long \(900\) must"):
            load_recipe(file, overrides=["optim.lr=1"])


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("lr=1", "unknown key lr; did you mean optim.lr?"),
            ("optim.lrate=1", "unknown key optim.lrate; did you mean optim.lr?"),
            ("optim.momentun=1", "unknown key optim.momentun; did you mean optim.momentum?"),
            ("train.lr=1", "unknown key train.lr; did you mean optim.lr?"),
            ("optimizer.lr=1", "unknown key optimizer.lr; did you mean optim.lr?"),
            ("seeds=1", "unknown key seeds; did you mean train.seed?"),
            (
                "batch_size=1",
                "unknown key batch_size; did you mean train.batch_size or inference.batch_size?",
            ),
            (
                "distill.zzz=1",
                "unknown key distill.zzz; distill has mode, teacher, cache, switch, switch_scope",
            ),
            (
                "zzz=1",
                "unknown key zzz; the sections are data, model, assign, loss, optim, schedule, "
                "train, inference, distill, soft, cache, colad, net_a, net_b",
            ),
            ("optim.lr.x=1", "unknown key optim.lr.x; did you mean optim.lr?"),
            ("net_a.lrr=1", "unknown key net_a.lrr; did you mean net_a.lr?"),
            ("backbone=1", "unknown key backbone; did you mean model.backbone?"),
            ("optim=1", "optim is a section; set one key of it, such as optim.lr"),
        ],
    )
    def test_set(self, text: str, message: str) -> None:
        assert set_refusal(text) == f"--set: {message}"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("optim: {lrate: 1}", "unknown key optim.lrate; did you mean optim.lr?"),
            ("lr: 1", "unknown key lr; did you mean optim.lr?"),
            ("optimizer: {lr: 1}", "unknown key optimizer.lr; did you mean optim.lr?"),
            ("optm: {lr: 1, momentum: 0}", "unknown key optm; did you mean optim?"),
            ("optim.lr: 1", "unknown key optim.lr; write it nested, as optim: {lr: …}"),
            ("1: 2", "unknown key 1; the sections are"),
            ("optim: 3", "optim is a section and needs keys below it, got 3"),
            ("optim: [lr]", "optim is a section and needs keys below it, got ['lr']"),
        ],
    )
    def test_file(self, file: Path, text: str, message: str) -> None:
        assert refusal(file, text).startswith(message)

    def test_flags(self) -> None:
        with pytest.raises(UserError, match=r"^command line: unknown key optim\.rate"):
            load_recipe(None, flags={"optim.rate": 1})


class TestBrokenInput:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("optim:\n  lr: [1\n", ["not valid YAML in line 3, column 1"]),
            ("optim:\n\tlr: 1\n", ["line 2, column 1"]),
            ("optim: {lr: 1}\noptim: {lr: 2}\n", ["line 2, column 1", "'optim' stands twice"]),
            ("optim:\n  lr: 1\n  lr: 2\n", ["line 3, column 3", "'lr' stands twice"]),
            ("a: 1\n---\nb: 2\n", ["not valid YAML in line 2"]),
            ("data: !!python/object/apply:os.getcwd []\n", ["line 1, column 7"]),
            ("data: {dir: !!timestamp 2024-01-01}\n", ["line 1, column 13", "!!timestamp"]),
            ("train: {seed: " + "9" * 5000 + "}", ["cannot be read"]),
            ("data: {dir: \x01}", ["line 1, column 13", "control character"]),
            ("- a\n- b\n", ["must hold sections", "['a', 'b']"]),
            ("just text", ["must hold sections", "'just text'"]),
            ("[" * 1000, ["nested too deep"]),
            ("data: &d {dir: *d}", ["data.dir must be text"]),
            ("? {a: 1}\n: 2\n", ["line 1, column"]),
            (b"data: {dir: \xe9t\xe9}", ["not UTF-8", "0xe9"]),
            ("data: {}".encode("utf-16"), ["not UTF-8"]),
        ],
    )
    def test_one_clear_line(self, file: Path, text: str | bytes, words: list[str]) -> None:
        message = refusal(file, text)
        for word in words:
            assert word in message

    def test_no_file(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=rf"^recipe {file}: no such file"):
            load_recipe(file)
        with pytest.raises(UserError, match=rf"^recipe {tmp_path}: is a folder"):
            load_recipe(tmp_path)
        with pytest.raises(UserError, match="cannot be read"):
            load_recipe(Path(__file__) / "recipe.yaml")
        with pytest.raises(UserError, match="not a file name"):
            load_recipe(Path("a\0b"))

    @pytest.mark.parametrize("text", ["optim.lr", "=3", ""])
    def test_set_needs_key_and_value(self, text: str) -> None:
        assert "KEY=VALUE" in set_refusal(text)

    def test_set_with_line_breaks_is_quoted(self) -> None:
        assert set_refusal("optim.lr=a\nb").startswith(r"--set 'optim.lr=a\nb': optim.lr must be")

    def test_set_with_broken_yaml(self) -> None:
        assert set_refusal("optim.lr=[1").startswith("--set optim.lr=[1: not valid YAML in line 1")


class TestSaving:
    @pytest.mark.parametrize(
        "overrides",
        [
            [],
            ["optim.lr=1e-7", "data.short=[640, 800]", "optim.lr_batch=16", "train.seed=5"],
            ["data.dir=no", "data.images=1e-3", "model.weights='null'", "train.device=1:30"],
            ["data.dir=0o17", "data.images=08", "data.train_json=-.5", "data.val_json=off"],
            ["data.dir=größe/ # x: y", f"data.images={'long name ' * 30}", "data.val_json='\ta'"],
        ],
    )
    def test_a_saved_recipe_loads_equal(self, file: Path, overrides: list[str]) -> None:
        recipe = load_recipe(None, overrides=overrides)
        save_recipe(recipe, file)
        assert load_recipe(file) == recipe
        assert Recipe.model_validate(yaml.safe_load(file.read_text())) == recipe  # YAML 1.1

    @pytest.mark.parametrize("text", ["0o17", "08", "1e-3", "-.5", "1:30", "off", "1_000", "0x1F"])
    def test_a_file_saved_by_a_writer_of_yaml_1_1_reads_the_same(
        self, file: Path, text: str
    ) -> None:
        recipe = load_recipe(None, overrides=[f"data.dir={text}", "optim.lr=1e-7"])
        file.write_text(yaml.safe_dump(recipe.model_dump(), sort_keys=False))
        assert load_recipe(file) == recipe

    def test_every_option_is_written(self, file: Path) -> None:
        save_recipe(Recipe(), file)
        lines = file.read_text().splitlines()
        assert lines[0] == "data:"
        for key in flat(Recipe()):
            name = key.split(".")[1]
            assert any(line.startswith(f"  {name}: ") or line == f"  {name}:" for line in lines)

    def test_a_folder_that_refuses(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("")
        with pytest.raises(UserError, match="cannot be written"):
            save_recipe(Recipe(), tmp_path / "x" / "recipe.yaml")


class TestGiven:
    def test_every_option_that_was_given_is_listed_with_who_gave_it_last(self, file: Path) -> None:
        file.write_text("optim: {lr: 0.02, momentum: 0.8}\ndata: {short: 96}")
        asked = read_recipe(
            file,
            layers=[("pipeline p", {"optim": {"momentum": 0.7}})],
            flags={"optim.lr": 0.5, "train.batch_size": None, "assign.topk": 5},
            overrides=["data.long=128", "data.long=160"],
        )
        assert asked.given == {
            "data.short": Given(96, f"recipe {file}"),
            "optim.momentum": Given(0.7, "pipeline p"),
            "optim.lr": Given(0.5, "--lr"),
            "assign.topk": Given(5, "command line"),
            "data.long": Given(160, "--set data.long=160"),
        }
        assert (asked.recipe.optim.lr, asked.recipe.data.short) == (0.5, [96])

    def test_a_base_stands_for_the_defaults_and_was_not_given(self, file: Path) -> None:
        base = load_recipe(None, flags={"optim.lr": 0.5, "data.long": 1000})
        asked = read_recipe(None, base=("recipe of r", base), overrides=["optim.momentum=0.5"])
        assert list(asked.given) == ["optim.momentum"]
        assert (asked.recipe.optim.lr, asked.recipe.optim.momentum) == (0.5, 0.5)
        # A check over two keys blames who spoke, and not the base.
        with pytest.raises(UserError, match=r"^--set data\.long=700: data\.long \(700\) must"):
            read_recipe(None, base=("recipe of r", base), overrides=["data.long=700"])
