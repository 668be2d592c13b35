"""A leading ~ means the home folder in every way to name a file, and no folder ~ is ever made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ladcli.cli.usage import expanded
from ladcli.recipe import Recipe, load_recipe
from ladcli.recipe.options import flat, read_files
from tests.cli.invoke import lad
from tests.stages.tiny import contents

SMALL = ("--train", 2, "--val", 2, "--test", 0, "--width", 96, "--height", 64, "--classes", 2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another one to work in."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    return home


def test_options_that_name_files_are_known() -> None:
    assert set(read_files(Recipe())) == {
        "data.dir", "data.train_json", "data.val_json", "data.test_json", "data.images",
        "data.val_images", "data.test_images", "model.weights",
        "distill.teacher", "distill.cache", "net_a.weights", "net_a.init", "net_b.weights",
        "net_b.init",
    }  # fmt: skip


@pytest.mark.parametrize("key", list(read_files(Recipe())))
def test_every_way_into_a_recipe_is_expanded(home: Path, key: str) -> None:
    section, name = key.split(".")
    (home / "r.yaml").write_text(f"{section}: {{{name}: '~/x/y'}}")
    for recipe in (
        load_recipe(home / "r.yaml"),
        load_recipe(None, flags={key: "~/x/y"}),
        load_recipe(None, overrides=[f"{key}=~/x/y"]),
        load_recipe(None, layers=[("pipeline", {section: {name: "~/x/y"}})]),
    ):
        assert flat(recipe)[key] == f"{home}/x/y"
    for text in ("x/~", "./~/x", "~nobody-here/x", "a~"):
        assert flat(load_recipe(None, overrides=[f"{key}={text}"]))[key] == text
    assert flat(load_recipe(None, overrides=[f"{key}=~"]))[key] is None  # null, as in YAML


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("~/x", "HOME/x"), ("--out=~/x", "--out=HOME/x"), ("--out=~", "--out=HOME"), ("~", "HOME"),
        ("~/shots/*.jpg", "HOME/shots/*.jpg"), ("./~/x", "./~/x"), ("a~", "a~"), ("-q", "-q"),
        ("--out=a=~", "--out=a=~"), ("optim.lr=~", "optim.lr=~"), ("--set=a.b=~", "--set=a.b=~"),
        ("~nobody-here/x", "~nobody-here/x"), ("", ""),
    ],
)  # fmt: skip
def test_words_are_expanded_as_by_a_shell(home: Path, word: str, meaning: str) -> None:
    assert expanded(word) == meaning.replace("HOME", str(home))


def test_outputs_go_to_the_home_folder(home: Path, tmp_path: Path) -> None:
    assert lad("data", "synth", "--out=~/set", *SMALL).done() == f"4 images in {home}/set\n"
    assert (home / "set/annotations/train.json").exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_run_in_the_home_folder(home: Path, tmp_path: Path, data: Path, tiny: Path) -> None:
    shutil.copytree(data, home / "data")
    shutil.copy(tiny, home / "tiny.yaml")
    args = ("--set", "data.dir=~/data", "--recipe=~/tiny.yaml", "--out=~/run", "--json")
    shown = lad("pretrain", *args).done()
    assert json.loads(shown)["run"] == f"{home}/run"
    assert load_recipe(home / "run/recipe.yaml").data.dir == f"{home}/data"
    results = "eval/model/val/predictions.json"
    shutil.copy(home / "run" / results, home / "mine.json")
    truth = ("--annotations", "~/data/annotations/val.json")
    lad("eval", "--predictions=~/mine.json", *truth, "--csv=~/t.csv").done()
    lad("compare", "A=~/run", "B=~/mine.json", *truth, "--csv=~/c.csv").done()
    lad("report", "~/run", "--out=~/page.html").done()
    assert {"run", "t.csv", "c.csv", "page.html"} <= {path.name for path in home.iterdir()}
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("out", ["~nobody-here/run", "./~/run", "runs/~x/run"])
@pytest.mark.parametrize(
    "command",
    [
        ("data", "synth", *SMALL),
        ("pretrain", "--data", "DATA", "--recipe", "TINY"),
        ("cache-teacher", "--data", "DATA", "--recipe", "TINY", "--teacher", "TEACHER"),
        ("eval", "--checkpoint", "TEACHER", "--data", "DATA"),
        ("predict", "DATA/images", "--checkpoint", "TEACHER"),
        ("run", "demo"),
    ],
    ids=lambda words: words[0],
)
def test_no_folder_called_tilde_is_ever_made(
    home: Path, tmp_path: Path, data: Path, tiny: Path, teacher: Path,
    command: tuple[object, ...], out: str,
) -> None:  # fmt: skip
    places = {"DATA": str(data), "TINY": str(tiny), "TEACHER": str(teacher)}
    words = [str(word) for word in command]
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    message = lad(*words, "--out", out).refused()
    assert "and ~ at the beginning of a name stands for a home folder" in message
    assert contents(tmp_path / "work") == {}


def test_a_folder_called_tilde_that_exists_is_one_like_others(home: Path, tmp_path: Path) -> None:
    (tmp_path / "work/~").mkdir()
    lad("data", "synth", "--out", "./~/set", *SMALL).done()
    assert (tmp_path / "work/~/set/annotations").is_dir()


def test_home_folder_itself_is_no_place_for_a_run(home: Path) -> None:
    (home / "thesis.tex").write_text("years of work")
    assert (
        lad("data", "synth", "--out=~", *SMALL).refused().startswith(f"{home}: exists and is not")
    )
