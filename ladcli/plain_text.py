"""Text out of files (class names, file names, messages that quote them), made safe to show.

A name may hold what a terminal obeys (an escape sequence moves the cursor, renames the window or
hides a line), what reverses the text around it, or what a spreadsheet computes.  Names stay as they
are inside the program, because they are compared; they are cleaned where they are shown: here, by
`ladcli.terminal` for terminals, by `to_csv` for tables, and by `ladcli.evaluate.report.html` for
pages.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

#: Control characters (C0, DEL, C1), separators of lines and paragraphs, and marks that change the
#: direction of the text around them.
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
CONTROL = re.compile(f"[{_CONTROL}]")
_CONTROL_BUT_NEWLINE = re.compile(f"(?!\n)[{_CONTROL}]")
#: A half of a surrogate pair is no text: a stream that is UTF-8 refuses it.
_HALF = re.compile(r"[\ud800-\udfff]")
#: How a cell begins that a spreadsheet computes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def one_line(text: str) -> str:
    """``text`` with control characters written out (``\\x1b``), so that it stays one line."""
    return _HALF.sub(_written_out, CONTROL.sub(_written_out, text))


def safe_lines(text: str) -> str:
    """As `one_line`, but line ends stay: for text of several lines that are our own."""
    return _HALF.sub(_written_out, _CONTROL_BUT_NEWLINE.sub(_written_out, text))


def to_csv(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV that a spreadsheet shows and does not compute.

    A text that begins like a formula gets an apostrophe in front, as spreadsheets themselves mark
    text; numbers stay as they are.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(value: str) -> str:
    shown = one_line(value)
    return f"'{shown}" if value.startswith(_FORMULA) and not _is_number(value) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii()


def _written_out(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
