from __future__ import annotations

from pathlib import Path

from tests.cli.invoke import lad, refused_untouched
from tests.evaluate.report.runs import write_run


def test_page_is_written_beside_the_run(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "lad", data)
    outcome = lad("report", run)
    assert outcome.done() == f"report in {run / 'report.html'}\n"
    assert outcome.err == ""
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_is_missing_is_a_note(tmp_path: Path) -> None:
    outcome = lad(
        "report", write_run(tmp_path / "lad", None, sets=()), "--out", tmp_path / "a.html"
    )
    assert outcome.code == 0
    assert outcome.err.startswith("note: lad: no set was evaluated")


def test_options(data: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, data, sets=("val", "test")) for name in ("paa", "lad")]
    out = tmp_path / "both.html"
    names = ("--split", "test", "--split", "val")
    lad("report", *runs, "--data", data, *names, "--out", out).done()
    text = out.read_text(encoding="utf-8")
    assert "Results on test" in text
    assert "Results on val" in text
    lad("report", *runs, "--split", "test", "--out", out).done()
    assert "Results on val" not in out.read_text(encoding="utf-8")


def test_bad_input_is_refused(data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "lad", data)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no run" in refused_untouched(tmp_path, "report", empty)
    assert "holds no run" in refused_untouched(tmp_path, "report", tmp_path / "absent")
    assert "--split x" in refused_untouched(tmp_path, "report", run, "--split", "x")
    assert "--out" in refused_untouched(tmp_path, "report", run, run)
