"""The folder of a run: what is refused, and what `--overwrite` takes away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladcli.errors import UserError
from ladcli.recipe import Recipe, flat, load_recipe, update_recipe
from ladcli.recipe.options import FREE_KEYS
from ladcli.runs.run_directory import RunDirectory
from tests.refusals import refusal_of

RECIPE = Recipe()


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run that was started."""
    found = RunDirectory(tmp_path / "runs" / "one")
    found.create(RECIPE, stage="pretrain", overwrite=False, resumed=False)
    return found


def refusal(run: RunDirectory, *, resume: bool = False, overwrite: bool = False) -> str:
    return refusal_of(run.check_free, resume=resume, overwrite=overwrite)


def test_files_lie_where_the_design_says(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.recipe == tmp_path / "recipe.yaml"
    assert run.notes == tmp_path / "run.json"
    assert run.metrics == tmp_path / "metrics.jsonl"
    assert run.state == tmp_path / "checkpoints/state.pt"
    assert run.checkpoint("last") == tmp_path / "checkpoints/model/last.pt"
    assert run.checkpoint("best", "a") == tmp_path / "checkpoints/a/best.pt"
    assert run.evaluation("val").path == tmp_path / "eval/model/val"
    assert run.evaluation("test", "b").path == tmp_path / "eval/b/test"


def test_a_new_or_empty_folder_is_free(tmp_path: Path) -> None:
    for overwrite in (False, True):
        RunDirectory(tmp_path / "new").check_free(resume=False, overwrite=overwrite)
        RunDirectory(tmp_path).check_free(resume=False, overwrite=overwrite)
    assert not (tmp_path / "new").exists()  # checking writes nothing


def test_starting_writes_down_what_runs(run: RunDirectory) -> None:
    assert run.holds_run()
    assert load_recipe(run.recipe) == RECIPE
    notes = run.read_notes()
    assert (notes["stage"], notes["status"], notes["seed"]) == ("pretrain", "running", 0)
    assert {"python", "torch", "timm", "numpy"} <= set(notes["versions"])
    assert notes["started"].startswith("20")
    assert isinstance(notes["command"], list)


def test_a_run_is_not_touched_without_a_flag(run: RunDirectory) -> None:
    text = refusal(run)
    assert text.startswith(f"{run.root}: already holds a run (running)")
    assert "--resume" in text
    assert "--overwrite" in text
    run.check_free(resume=True, overwrite=False)
    run.check_free(resume=False, overwrite=True)


@pytest.mark.parametrize("left", ["recipe.yaml", "run.json"])
def test_a_run_that_was_hardly_started_is_one(run: RunDirectory, left: str) -> None:
    for entry in run.root.iterdir():
        if entry.name != left:
            entry.unlink()
    assert "already holds a run" in refusal(run)
    run.check_free(resume=True, overwrite=False)


def test_both_flags_exclude_each_other(run: RunDirectory) -> None:
    assert "exclude each other" in refusal(run, resume=True, overwrite=True)


def test_nothing_to_resume_is_refused(tmp_path: Path) -> None:
    assert "holds no run to resume" in refusal(RunDirectory(tmp_path), resume=True)
    assert "holds no run to resume" in refusal(RunDirectory(tmp_path / "new"), resume=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for flags in ({}, {"overwrite": True}, {"resume": True}):
        assert "is a file" in refusal(RunDirectory(tmp_path / "file"), **flags)


def test_foreign_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for flags in ({}, {"overwrite": True}):
        assert "holds other files" in refusal(RunDirectory(tmp_path), **flags)


def test_overwriting_clears_its_own_entries_only(run: RunDirectory) -> None:
    for name in ("metrics.jsonl", "eval/model/val/predictions.json", "tensorboard/x"):
        (run.root / name).parent.mkdir(parents=True, exist_ok=True)
    run.metrics.write_text('{"kind": "train", "step": 1}\n')
    (run.root / "eval/model/val/predictions.json").write_text("[]\n")
    (run.root / "eval/model/val/metrics.json").write_text(
        '{"coco": {"stats": [], "per_class": {}}}'
    )
    strangers = ("notes.txt", "checkpoints/model/mine.pt", "eval/model/errors.csv", "tensorboard/x")
    for name in strangers:
        (run.root / name).parent.mkdir(parents=True, exist_ok=True)
        (run.root / name).write_text("precious")
    run.check_free(resume=False, overwrite=True)
    run.create(RECIPE, stage="distill", overwrite=True, resumed=False)
    left = {p.relative_to(run.root).as_posix() for p in run.root.rglob("*") if p.is_file()}
    assert left == {"recipe.yaml", "run.json", *strangers}
    assert {(run.root / name).read_text() for name in strangers} == {"precious"}
    assert run.read_notes()["stage"] == "distill"


@pytest.mark.parametrize(
    "name",
    ["recipe.yaml", "metrics.jsonl", "checkpoints/model/last.pt", "report.html", "eval"],
)
def test_a_strangers_file_with_a_name_of_ours_is_refused(run: RunDirectory, name: str) -> None:
    file = run.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("precious")
    text = refusal(run, overwrite=True)
    assert text == (
        f"{file}: was not written by this program, so it is not replaced; move it away, or choose "
        "another --out"
    )
    assert file.read_text() == "precious"


def test_links_are_not_followed(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "scratch/model").mkdir(parents=True)
    (run.root / "checkpoints").symlink_to(tmp_path / "scratch")
    assert f"{run.root}/checkpoints: is a link" in refusal(run, overwrite=True)
    (run.root / "checkpoints").unlink()
    (tmp_path / "link").symlink_to(run.root)
    assert f"{tmp_path}/link: is a link" in refusal(RunDirectory(tmp_path / "link"), overwrite=True)
    run.check_free(resume=False, overwrite=True)


def test_a_recipe_that_somebody_wrote_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("optim:\n  lr: 0.1\n")
    for flags in ({}, {"overwrite": True}):
        assert "holds other files (recipe.yaml)" in refusal(RunDirectory(tmp_path), **flags)


def test_what_is_read_is_not_replaced(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to(run.recipe)
    for path in (run.recipe, run.root / ".." / "one" / "recipe.yaml", tmp_path / "link.yaml"):
        with pytest.raises(UserError, match="would be replaced, and is what --recipe reads"):
            run.check_free(resume=False, overwrite=True, inputs={"--recipe": path})
    run.check_free(resume=True, overwrite=False, inputs={"--recipe": run.recipe})


def test_overwriting_that_is_cut_short_still_leaves_a_run(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.metrics.touch()
    remove, removed = Path.unlink, []

    def killed(path: Path, missing_ok: bool = False) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(path.name)
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            run.create(RECIPE, stage="pretrain", overwrite=True, resumed=False)
    assert removed == ["metrics.jsonl"]
    run.check_free(resume=False, overwrite=True)
    run.create(RECIPE, stage="pretrain", overwrite=True, resumed=False)
    assert not run.metrics.exists()


def test_resuming_keeps_everything(run: RunDirectory) -> None:
    run.metrics.write_text('{"step": 1}\n')
    started = run.read_notes()["started"]
    run.update_notes(status="interrupted", fingerprints={"data": "d"})
    run.create(RECIPE, stage="pretrain", overwrite=False, resumed=True)
    notes = run.read_notes()
    assert (notes["status"], notes["started"]) == ("running", started)
    assert notes["fingerprints"] == {"data": "d"}
    assert run.metrics.read_text() == '{"step": 1}\n'


def test_notes_change_entry_by_entry(run: RunDirectory) -> None:
    run.update_notes(status="finished", skipped_images=["a.jpg"])
    on_disk = json.loads(run.notes.read_text(encoding="utf-8"))
    assert on_disk == run.read_notes()
    assert (on_disk["status"], on_disk["stage"]) == ("finished", "pretrain")


def test_no_notes_are_an_empty_table(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path).read_notes() == {}
    (tmp_path / "run.json").write_text("[1]")
    assert RunDirectory(tmp_path).read_notes() == {}


@pytest.mark.parametrize("content", [b'{"stage": ', b"\xff\xfe\x00"])
def test_damaged_notes_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json: is damaged"):
        RunDirectory(tmp_path).read_notes()


def test_a_run_is_resumed_as_what_it_is(run: RunDirectory) -> None:
    run.check_same_stage("pretrain")
    with pytest.raises(UserError, match="holds a run of lad pretrain"):
        run.check_same_stage("distill")


def test_a_run_is_resumed_under_its_own_options(run: RunDirectory) -> None:
    run.check_same_recipe(RECIPE, RECIPE)
    other = update_recipe(RECIPE, {"optim.lr": 0.5})
    with pytest.raises(UserError) as caught:
        run.check_same_recipe(other, RECIPE)
    assert f"{run.root}: was started with --lr 0.01 (optim.lr), not 0.5;" in str(caught.value)


def test_options_that_leave_the_result_alone_may_change(run: RunDirectory) -> None:
    other = update_recipe(
        RECIPE,
        {
            "train.device": "cpu",
            "train.log_every": 1,
            "train.save_every_minutes": 1.0,
            "train.probe_images": 0,
            "train.tensorboard": True,
            "data.workers": 0,
            "data.skip_bad_images": True,
            "data.max_bad_share": 0.5,
        },
    )
    assert {k for k, v in flat(other).items() if v != flat(RECIPE)[k]} == set(FREE_KEYS)
    run.check_same_recipe(other, RECIPE)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    run = RunDirectory(tmp_path / "file" / "run")
    with pytest.raises(UserError, match="cannot be written"):
        run.create(RECIPE, stage="pretrain", overwrite=False, resumed=False)
