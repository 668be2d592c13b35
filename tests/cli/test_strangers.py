"""Whatever the command, what this program did not write stays as it was, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.cli.invoke import lad, refused_untouched
from tests.stages.tiny import copy_of

MINE = "years of work"


@pytest.fixture
def run(teacher_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return copy_of(teacher_run, tmp_path / "run")


def stays(file: Path, *arguments: str | Path, content: str = MINE) -> str:
    """The message with which a command refuses to replace ``file``, which is in its way."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    message = refused_untouched(file.parent, *arguments)
    assert message.startswith(f"{file}: ")
    assert message.count("; move it away, or choose another --") == 1
    return message


@pytest.mark.parametrize("name", ["predictions.json", "metrics.json"])
def test_eval_out(name: str, data: Path, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ("eval", "--checkpoint", teacher, "--data", data, "--out", out, "--workers", "0", "-q")
    theirs = '[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]'
    stays(out / name, *args, content=theirs)
    (out / name).unlink()
    (out / "thesis.tex").write_text(MINE)
    for _ in range(2):  # what an earlier evaluation wrote is replaced
        lad(*args).done()
    assert (out / "thesis.tex").read_text() == MINE


def test_eval_out_is_not_the_annotations(data: Path, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    truth = out / "predictions.json"
    shutil.copy(data / "annotations/val.json", truth)
    message = refused_untouched(
        out, "eval", "--checkpoint", teacher, "--annotations", out / ".." / "out" / truth.name,
        "--data", data, "--out", out,
    )  # fmt: skip
    assert "would be replaced, and is what --annotations reads" in message


def test_eval_csv(data: Path, run: Path, tmp_path: Path) -> None:
    predictions = run / "eval/model/val/predictions.json"
    truth = data / "annotations/val.json"
    args = ("eval", "--predictions", predictions, "--annotations", truth)
    stays(tmp_path / "t.csv", *args, "--csv", tmp_path / "t.csv", content="class,AP\nmine,1\n")
    for _ in range(2):
        lad(*args, "--csv", tmp_path / "new.csv").done()


def test_compare_and_report(run: Path, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page, table = tmp_path / "pages/p.html", tmp_path / "pages/t.csv"
    args = ("compare", f"a={run}", f"b={run}", "--resamples", "100")
    stays(page, *args, "--html", page)
    stays(table, *args, "--csv", table)
    stays(page, "report", run, "--out", page)
    stays(run / "report.html", "report", run)
    page.unlink()
    table.unlink()
    (tmp_path / "elsewhere.html").write_text(MINE)
    page.symlink_to(tmp_path / "elsewhere.html")
    assert "is a link" in refused_untouched(tmp_path, "report", run, "--out", page)
    page.unlink()
    for _ in range(2):
        lad(*args, "--html", page, "--csv", table).done()
    lad("report", run, "--out", page).done()


def test_pretrain_overwrite(data: Path, tiny: Path, run: Path) -> None:
    args = ("pretrain", "--data", data, "--recipe", tiny, "--out", run, "--overwrite", "-q")
    stays(run / "probes/epoch_000.npz", *args)
    (run / "probes/epoch_000.npz").unlink()
    for name in ("thesis.tex", "checkpoints/model/mine.pt", "eval/model/val/errors.csv"):
        (run / name).write_text(MINE)
    lad(*args).done()
    for name in ("thesis.tex", "checkpoints/model/mine.pt", "eval/model/val/errors.csv"):
        assert (run / name).read_text() == MINE


def test_pretrain_does_not_replace_the_recipe_that_it_reads(data: Path, run: Path) -> None:
    recipe = run / "recipe.yaml"
    message = refused_untouched(run, "pretrain", "--recipe", recipe, "--out", run, "--overwrite")
    assert message.startswith(f"{recipe}: would be replaced, and is what --recipe reads")


def test_distill_does_not_replace_its_teacher(data: Path, tiny: Path, run: Path) -> None:
    message = refused_untouched(
        run, "distill", "--teacher", run / "checkpoints/model/last.pt", "--data", data,
        "--recipe", tiny, "--out", run, "--overwrite",
    )  # fmt: skip
    assert "last.pt: would be replaced, and is what distill.teacher reads" in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", MINE),
        ("comparison-val.html", MINE),
        ("comparison-val.json", MINE),
        ("images/stage.json", "{}"),
    ],
)
def test_run(name: str, content: str, tiny: Path, tmp_path: Path) -> None:
    file = write_pipeline(tmp_path, tiny)
    stays(tmp_path / "out" / name, "run", file, "--out", tmp_path / "out", content=content)


def test_run_does_not_clear_the_folder_of_a_set(tiny: Path, tmp_path: Path) -> None:
    file, mine = write_pipeline(tmp_path, tiny), tmp_path / "out/images/data/thesis.tex"
    mine.parent.mkdir(parents=True)
    mine.write_text(MINE)
    message = refused_untouched(tmp_path, "run", file, "--out", tmp_path / "out")
    assert "it holds thesis.tex, which is not of a synthetic set" in message


def test_run_does_not_draw_the_set_that_it_is_given_anew(tiny: Path, tmp_path: Path) -> None:
    file, folder = write_pipeline(tmp_path, tiny), tmp_path / "out/images/data"
    lad("data", "synth", "--out", folder, "--train", "2", "--val", "2").done()
    message = refused_untouched(
        tmp_path, "run", file, "--out", tmp_path / "out", "--data", folder / ".." / "data"
    )
    assert message.startswith(f"{folder}: would be replaced, and is what --data reads")


def write_pipeline(folder: Path, tiny: Path) -> Path:
    """A set and a training on it."""
    synth = {"train": 2, "val": 2, "test": 0, "width": 96, "height": 64, "classes": 2}
    stages = [
        {"name": "images", "run": "synth", "synth": synth},
        {"name": "teacher", "run": "pretrain"},
    ]
    content = {"recipe": yaml.safe_load(tiny.read_text()), "stages": stages}
    file = folder / "p.yaml"
    file.write_text(yaml.safe_dump(content))
    return file
