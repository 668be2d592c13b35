from __future__ import annotations

from pathlib import Path

from ladcli.formats.tally import Tally, several
from ladcli.plain_text import one_line


def test_kinds_are_counted_with_first_examples() -> None:
    tally = Tally(Path("set"))
    for number in range(5):
        tally.leave_out("box", "no area", f"set/{number}.txt line 1")
    tally.note("class", "odd", "x")
    assert tally.lines() == [
        "5 boxes left out: no area (0.txt line 1, 1.txt line 1, 2.txt line 1, ...)",
        "1 class odd (x)",
    ]
    assert tally.to_plain()[1] == {
        "what": "class", "problem": "odd", "left_out": False, "count": 1, "examples": ["x"],
    }  # fmt: skip


def test_text_of_files_does_not_command_a_terminal() -> None:
    tally = Tally()
    tally.note("class", "odd", "a\x1b[31m\nb\x9b")
    assert tally.lines() == ["1 class odd (a\\x1b[31m\\nb\\x9b)"]
    assert one_line("été") == "été"


def test_plural() -> None:
    assert [several(2, what) for what in ("box", "class", "label file")] == [
        "2 boxes", "2 classes", "2 label files",
    ]  # fmt: skip
