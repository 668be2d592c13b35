"""Names out of files are shown, never obeyed."""

from __future__ import annotations

import csv
import io

import pytest

from ladcli.plain_text import one_line, safe_lines, to_csv


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("cup", "cup"),
        ("Straße 日本 🙂", "Straße 日本 🙂"),
        ("\x1b[2Jcup", "\\x1b[2Jcup"),
        ("\x9b31mcup", "\\x9b31mcup"),
        ("a\nlad: done", "a\\nlad: done"),
        ("a\rb\tc\x07\x7f", "a\\rb\\tc\\x07\\x7f"),
        ("gpj.\u202egod", "gpj.\\u202egod"),
        ("a\u2028b", "a\\u2028b"),
        ("half \udc80", "half \\udc80"),
    ],
)
def test_control_characters_are_written_out(given: str, shown: str) -> None:
    assert one_line(given) == shown


def test_lines_of_our_own_stay() -> None:
    assert safe_lines("one\ntwo\x1b[0m") == "one\ntwo\\x1b[0m"


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-dash", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_no_formula(name: str) -> None:
    ((cell, number),) = csv.reader(io.StringIO(to_csv([[name, "-0.125000"]])))
    assert cell[0] == "'"
    assert number == "-0.125000"


def test_other_cells_stay_and_are_quoted() -> None:
    rows = [["class", "AP"], ['a, "b"', "0.5"], ["3D", ""]]
    assert list(csv.reader(io.StringIO(to_csv(rows)))) == rows
