"""What is reported where there is no terminal, and on one."""

from __future__ import annotations

import re

import pytest
import rich.console

from ladcli.engine import progress as module
from ladcli.engine.progress import announce, progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time stands still until a test moves it."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_say_how_far_and_how_long(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("train", 100) as bar:
        bar.update(0)
        clock[0] += 30
        bar.update(20, "loss 1.5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "train  20/100  loss 1.5  0:02:00 left\n"


def test_plain_lines_are_rare(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 100) as bar:
        for done in range(1, 100):
            clock[0] += 1
            bar.update(done)
        bar.update(100)
    lines = capsys.readouterr().err.splitlines()
    assert [re.findall(r"(\d+)/100", line) for line in lines] == [
        ["20"],
        ["40"],
        ["60"],
        ["80"],
        ["100"],
    ]
    assert lines[-1].endswith("0:00:00 left")


def test_what_was_done_before_says_nothing_of_the_speed(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("train", 100) as bar:
        bar.update(80)  # a resumed run starts here
        clock[0] += 60
        bar.update(90)
    assert "90/100" in (err := capsys.readouterr().err)
    assert "0:01:00 left" in err


def test_notes_stay_on_one_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 1) as bar:
        bar.update(1, "a\nb")
    assert capsys.readouterr().err.count("\n") == 1


def test_lines_come_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 10) as bar:
        bar.line("epoch 1: AP 0.5 [val]")
    assert capsys.readouterr().err == "epoch 1: AP 0.5 [val]\n"


def test_quiet_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 1, quiet=True) as bar:
        clock[0] += 99
        bar.update(1, "note")
        bar.line("line")
    announce("what comes next", quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(rich.console.Console, "is_terminal", property(lambda _: True))
    with progress("train", 10) as bar:
        bar.update(10, "loss 1.5")
        bar.line("epoch 1: AP [val]")
    out, err = capsys.readouterr()
    assert out == ""
    for text in ("train", "10/10", "loss 1.5", "epoch 1: AP [val]"):
        assert text in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)


def test_announcements_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    announce("stage [1/2]", quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "stage [1/2]" in err
