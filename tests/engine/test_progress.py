"""What is reported where there is no terminal, and on one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import rich.console

from ladcli.engine import progress as module
from ladcli.engine.progress import announce, fitted, part_of, progress, spell


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


def test_plain_lines_are_rare_and_the_first_is_early(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("train", 100) as bar:
        bar.update(0)
        for done in range(1, 100):
            clock[0] += 1
            bar.update(done)
        bar.update(100)
        bar.update(100, "never said twice")
    lines = capsys.readouterr().err.splitlines()
    found = [re.findall(r"(\d+)/100", line) for line in lines]
    assert found == [["10"], ["30"], ["50"], ["70"], ["90"], ["100"]]
    assert lines[0].endswith("0:01:30 left")
    assert lines[-1].endswith("in 0:01:39")


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


def on_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> Callable[[], list[str]]:
    """Lines that a terminal of so many columns was shown since the last look."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(rich.console.Console, "is_terminal", property(lambda _: True))

    def shown() -> list[str]:
        out, err = capsys.readouterr()
        assert out == ""
        lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err))
        assert max(map(len, lines)) <= columns
        return [line.rstrip() for line in lines]

    return shown


def test_a_wide_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = on_terminal(monkeypatch, capsys, 120)
    with progress("train", 1000, unit="images") as bar:
        bar.update(0)
        bar.update(1000, "loss 1.5  1.0 GB")
        bar.line("epoch 1: AP [val]")
    lines = shown()
    assert (
        "train  1,000/1,000 images  in 0:00:00  " + 18 * "━" + ("  0:00:00 spent  loss 1.5  1.0 GB")
        in lines
    )
    assert "epoch 1: AP [val]" in lines


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (80, "pretrain  20/1,000 images  0:04:05 left  epoch 1/3  loss 1.5  teacher 60%"),
        (59, "pretrain  20/1,000 images  0:04:05 left  epoch 1/3"),
        (40, "pretrain  20/1,000 images  0:04:05 left"),
        (30, "pretrain  20/1,000 images"),
        (9, "pretrain"),
    ],
)
def test_narrow_terminals_lose_whole_parts(
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: int,
    line: str,
) -> None:
    shown = on_terminal(monkeypatch, capsys, columns)
    with progress("pretrain", 1000, unit="images") as bar:
        bar.update(0)
        clock[0] += 5
        bar.update(20, "epoch 1/3  loss 1.5  teacher 60%  32.1 images/s")
    assert line in shown()


def test_words_that_stay_are_wrapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = on_terminal(monkeypatch, capsys, 30)
    with progress("train", 10) as bar:
        bar.line("epoch 1: network a: AP 12.3 on val, the best")
        announce("note: seen while a display is up, and wrapped")
    lines = shown()
    assert "epoch 1: network a: AP 12.3 on" in lines
    assert "note: seen while a display is" in lines


def test_a_part_of_the_work_is_shown_with_it(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = on_terminal(monkeypatch, capsys, 80)
    with progress("pretrain", 60, unit="images", asides=2) as bar:
        bar.update(0)
        clock[0] += 5
        bar.update(20)
        with bar.aside("validating on val"):
            clock[0] += 30
            with progress("validate on val", 8, unit="images") as inner:
                inner.update(0)
                clock[0] += 10
                inner.update(4)
                module._displays[0][1].refresh()
    lines = shown()
    assert "pretrain  20/60 images  0:00:10 left" in lines
    assert "validate on val  4/8 images  0:00:10 left" in lines
    assert "pretrain  20/60 images  0:00:50 left" in lines  # the other evaluation is known now


def test_before_a_part_counts_its_title_stands_there(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = on_terminal(monkeypatch, capsys, 80)
    with progress("pretrain", 60, asides=1) as bar, bar.aside("validating on val"):
        module._displays[0][1].refresh()
    assert "validating on val" in shown()


def test_plain_lines_name_a_part_and_count_only_a_long_one(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("pretrain", 60, asides=2) as bar:
        for seconds in (1, 25):
            with (
                bar.aside("validating on val"),
                progress("validate on val", 8, unit="images") as inner,
            ):
                inner.update(0)
                clock[0] += seconds
                inner.update(4)
                inner.update(8)
    assert capsys.readouterr().err.splitlines() == [
        "validating on val",
        "validating on val",
        "validate on val  4/8 images  0:00:25 left",
        "validate on val  8/8 images  in 0:00:25",
    ]


def test_the_whole_stands_below_its_part(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[float | None] = []

    def whole(left: float | None) -> str:
        told.append(left)
        return "stage 2 of 4  0:01:00 so far"

    with part_of(whole), progress("train", 10) as bar:
        bar.update(0)
        clock[0] += 30
        bar.update(5)
    assert capsys.readouterr().err == ("train  5/10  0:00:30 left  stage 2 of 4  0:01:00 so far\n")
    assert told == [30]
    shown = on_terminal(monkeypatch, capsys, 24)
    with part_of(whole), progress("train", 10) as bar:
        bar.update(0)
    assert "stage 2 of 4" in shown()


class TestExpectedEnd:
    def lines(
        self,
        clock: list[float],
        capsys: pytest.CaptureFixture[str],
        seconds: float,
        steps: int = 6,
        **options: Any,
    ) -> list[str]:
        with progress("train", 1000, step="step", **options) as bar:
            bar.update(0)
            for step in range(1, steps + 1):
                clock[0] += seconds
                bar.update(2 * step)
        return [line for line in capsys.readouterr().err.splitlines() if "done at" in line]

    def test_it_is_said_once_after_the_first_steps(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (line,) = self.lines(clock, capsys, 12.34)
        pattern = r"12\.3 s a step: done at about (\w{3} \d\d \w{3} )?\d\d:\d\d \(1 h 42 min\)"
        assert re.fullmatch(pattern, line)

    def test_slow_steps_do_not_wait_for_five(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (line,) = self.lines(clock, capsys, 120, steps=2)
        assert line.startswith("120.0 s a step: ")
        assert line.endswith("(16 h 36 min)")

    def test_evaluations_of_unknown_length_are_named(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (line,) = self.lines(clock, capsys, 12.34, asides=3)
        assert line.endswith("(1 h 42 min without evaluations)")

    def test_a_near_end_needs_no_words(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.lines(clock, capsys, 0.1, steps=110) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (29, "29 s"),
        (40, "1 min"),
        (7800, "2 h 10 min"),
        (3599, "1 h 0 min"),
        (100_000, "1 d 3 h"),
    ],
)
def test_spans_are_spelled(seconds: float, text: str) -> None:
    assert spell(seconds) == text


def test_what_is_needed_comes_first_and_a_long_word_is_cut_last() -> None:
    assert fitted(["ab", "cd"], ["ef", "gh"], 10) == "ab  cd  ef"
    assert fitted(["ab", "", "cd"], ["a long one", "gh"], 10) == "ab  cd"
    assert fitted(["some words here"], [], 10) == "some words"
    assert fitted(["x" * 20], [], 5) == "xxxxx"
    assert fitted([], [], 5) == ""


def test_announcements_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    announce("stage [1/2]", quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "stage [1/2]" in err
