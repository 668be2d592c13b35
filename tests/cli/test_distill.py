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
