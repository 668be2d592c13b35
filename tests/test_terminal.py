"""Lines break between words, or not at all."""

from __future__ import annotations

import contextlib
import io
import os

import pytest

from ladcli.terminal import print_line, print_remark, print_urgently, wrapped

PATH = "/a/rather/long/path/to-a/folder-with-many-images/annotations/instances_train2017.json"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [80, 50, 20])
def test_lines_are_no_wider_than_the_terminal_and_words_stay_whole(width: int) -> None:
    text = "stopping after this step; Ctrl-C again stops now and keeps what is there " * 3
    lines = wrapped(text, width).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(lines).split() == text.split()


def test_a_path_longer_than_the_terminal_stays_whole() -> None:
    lines = wrapped(f"lad: {PATH}: no such file; check --data", 50).splitlines()
    assert lines == ["lad:", f"{PATH}:", "no such file; check --data"]


def test_lines_that_are_there_stay() -> None:
    assert wrapped("one\n\ntwo", 80) == "one\n\ntwo"


def test_only_a_terminal_gets_wrapped_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    terminal = Terminal()
    print_line("one two three four", file=terminal)
    assert terminal.getvalue() == "one two\nthree four\n"
    print_line("one two three four")
    print_remark("five six seven eight")
    assert capsys.readouterr() == ("one two three four\n", "five six seven eight\n")


def test_urgent_lines_pass_all_buffers(capfd: pytest.CaptureFixture[str]) -> None:
    print_urgently("one line", below_display=True)
    assert capfd.readouterr() == ("", "one line\n")


def test_an_urgent_line_does_not_wait_for_a_reader_that_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    kept = os.dup(2)
    try:
        os.set_blocking(write, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        os.dup2(write, 2)
        print_urgently("nobody reads this")
        os.dup2(kept, 2)
    finally:
        for descriptor in (read, write, kept):
            os.close(descriptor)
