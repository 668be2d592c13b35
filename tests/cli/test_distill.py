from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoke import lad, refused_untouched


@pytest.mark.parametrize("source", ["cache", "teacher"])
def test_student_learns_from_a_cache_or_a_network(
    data: Path, tiny: Path, cache: Path, teacher: Path, tmp_path: Path, source: str
) -> None:
    run = tmp_path / "run"
    named = {"cache": cache, "teacher": teacher}[source]
    outcome = lad(
        "distill", f"--{source}", named, "--data", data, "--recipe", tiny, "--out", run, "--json",
        "--mode", "lad",
    )  # fmt: skip
    found = json.loads(outcome.done())
    assert found["steps"] == 2
    assert len(found["coco"]["stats"]) == 12
    notes = json.loads((run / "run.json").read_text())
    assert (notes["stage"], notes["status"]) == ("distill", "finished")
    assert set(notes["fingerprints"]) == {"data", "teacher"}
    assert f"{source}: {named}" in (run / "recipe.yaml").read_text()
    # The recipe knows the teacher, so a finished run is resumed without naming it.
    lad("distill", "--out", run, "--resume", "-q").done()


def test_without_a_teacher_there_is_nothing_to_learn(
    data: Path, tiny: Path, tmp_path: Path
) -> None:
    args = ("distill", "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
    assert refused_untouched(tmp_path, *args).startswith("nobody to learn from: ")


def test_methods_that_are_not_there_are_refused(tmp_path: Path) -> None:
    outcome = lad("distill", "--mode", "crd", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "crd" in outcome.err
    assert not list(tmp_path.iterdir())


def test_run_of_another_command_is_not_resumed(
    data: Path, teacher_run: Path, tiny: Path, cache: Path
) -> None:
    args = ("distill", "--cache", cache, "--data", data, "--recipe", tiny, "--out", teacher_run)
    message = refused_untouched(teacher_run, *args, "--resume")
    assert message.startswith(f"{teacher_run}: holds a run of lad pretrain")


@pytest.mark.parametrize(
    "options",
    [
        ("--mode", "soft", "--set", "soft.loss=l2"),
        ("--mode", "solad", "--switch", "std-mean", "--switch-scope", "object"),
        ("--switch", "fisher"),
        ("--mode", "solad", "--head", "cop"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("source", ["cache", "teacher"])
def test_every_mode_runs_from_a_cache_and_from_a_network(
    data: Path,
    tiny: Path,
    teacher: Path,
    caches: dict[str, Path],
    tmp_path: Path,
    source: str,
    options: tuple[str, ...],
) -> None:
    named = {"cache": caches["soft"], "teacher": teacher}[source]
    args = ("--data", data, "--recipe", tiny, "--out", tmp_path / "run", "--json", "-q")
    args = (*args, "--set", "train.eval_every=0")
    outcome = lad("distill", f"--{source}", named, *args, *options)
    assert outcome.err == ""
    assert json.loads(outcome.done())["steps"] == 2
    text = (tmp_path / "run/recipe.yaml").read_text()
    for key, value in zip(options[::2], options[1::2], strict=True):
        if key != "--set":
            assert f"{key.removeprefix('--').replace('-', '_')}: {value}" in text


@pytest.mark.parametrize(
    ("level", "options", "needed"),
    [
        ("assignments", ("--switch", "std-mean"), "costs"),
        ("costs", ("--mode", "solad"), "soft"),
        ("soft", ("--mode", "solad", "--switch", "fisher", "--switch-scope", "batch"), "dense"),
    ],
)
def test_cache_that_holds_too_little_names_level_and_command(
    data: Path,
    tiny: Path,
    caches: dict[str, Path],
    tmp_path: Path,
    level: str,
    options: tuple[str, ...],
    needed: str,
) -> None:
    args = ("--data", data, "--recipe", tiny, "--out", tmp_path / "run", *options)
    message = refused_untouched(tmp_path, "distill", "--cache", caches[level], *args)
    assert message == (
        f"{caches[level]}: is of level {level}, and this method needs {needed}; build it with "
        f"lad cache-teacher --level {needed}"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--mode", "soft", "--switch", "std-mean"),
            "--switch: distill.switch chooses who assigns the labels, but with "
            "distill.mode=soft that is the student alone; use --mode solad (distill.mode), or "
            "--switch off (distill.switch)",
        ),
        (
            ("--mode", "soft", "--set", "soft.gamma=-1"),
            "--set soft.gamma=-1: soft.gamma must be at least 0, got -1",
        ),
        (
            ("--head", "cop", "--set", "model.cop_kernel=4"),
            "--set model.cop_kernel=4: model.cop_kernel must be odd and at least 3, got 4; a "
            "kernel of 1 is --head iop (model.head)",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    data: Path,
    tiny: Path,
    teacher: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    args = ("--teacher", teacher, "--data", data, "--recipe", tiny, "--out", tmp_path / "run")
    assert refused_untouched(tmp_path, "distill", *args, *options) == message
