from __future__ import annotations

import re

import pytest
from rich.table import Table
from rich.text import Text

from ladcli.cli.console import counted, print_notes, print_sentence, print_table


def wide_table() -> Table:
    table = Table()
    for number in range(9):
        table.add_column(f"column {number}", no_wrap=True)
    table.add_row(*["12345678"] * 9)
    return table


def test_table_in_a_pipe_is_whole_and_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_table(wide_table())
    shown = capsys.readouterr().out
    assert shown.count("12345678") == 9
    assert "…" not in shown
    assert "\x1b" not in shown


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_notes(["one", "two"])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "note: one\nnote: two\n"


def test_counts_agree_with_their_word() -> None:
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


@pytest.mark.parametrize(("width", "blocks"), [(80, 1), (50, 2), (30, 3)])
def test_narrow_terminals_get_every_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, blocks: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table = Table("method", title="points", box=None)
    for header in ("AP", "AP50", "AP75", "gain", "epochs"):
        table.add_column(header, justify="right", no_wrap=True, min_width=8)
    table.add_row("PAA", *"12345")
    print_table(table)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    for word in ("points", "AP50", "AP75", "gain", "epochs"):
        assert shown.count(word) == 1
    assert shown.count("method") == shown.count("PAA") == blocks
    assert max(map(len, shown.splitlines())) <= width


def test_a_class_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("class", "AP")
    table.add_row(Text("cup\x1b[2J"), "\x9b1m")
    print_table(table)
    print_notes(["class 'a\x1b]0;owned\x07\nlad: done'"])
    print_sentence("b\x1b[8m")
    captured = capsys.readouterr()
    assert "cup\\x1b[2J " in captured.out
    assert "\\x9b1m" in captured.out
    assert "b\\x1b[8m" in captured.out
    assert captured.err == "note: class 'a\\x1b]0;owned\\x07\\nlad: done'\n"
    assert not set(captured.out + captured.err) & set("\x1b\x9b\x07\r")
