from __future__ import annotations

import pytest
from rich.table import Table

from ladcli.cli.console import counted, print_notes, print_table


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
