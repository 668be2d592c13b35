"""Text files and XML of other tools, with every failure as one sentence."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ladcli.errors import UserError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file.

    Raises:
        UserError: there is none, or it may not be read.
    """
    if not os.path.isfile(path):  # a pipe would never end
        reason = "is a folder" if os.path.isdir(path) else "no such file"
        raise UserError(f"{path}: {reason}; check the name")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file") from error


def read_text(path: Path) -> str:
    """A text file as UTF-8, or as UTF-16 where it begins so.

    Raises:
        UserError: it cannot be read, or has another encoding.
    """
    data = read_bytes(path)
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: the encoding is not UTF-8 (line {line}); save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise UserError(f"{path}: is no text file (it holds NUL characters); check the file")
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, without blanks at their ends.

    Raises:
        UserError: as `read_text`.
    """
    # Not splitlines, which would count a form feed as a line.
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip() for line in text.split("\n")]


def table_rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row of a table.

    Raises:
        UserError: it is no table.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(
            f"{path}: line {reader.line_num} is no row of a table ({error}); check its quotes"
        ) from error


def read_xml(path: Path) -> Element:
    """The root element of an XML file.  Entities are not expanded and nothing is fetched.

    Raises:
        UserError: it cannot be read, is no XML, or defines entities.
    """
    data = read_bytes(path)
    try:
        return fromstring(data)
    except ParseError as error:
        line, column = error.position
        raise UserError(
            f"{path}: invalid XML at line {line}, column {column + 1}; write the file again"
        ) from error
    except DefusedXmlException as error:
        raise UserError(
            f"{path}: defines XML entities, which are not expanded; write the file without"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise UserError(f"{path}: has an unknown encoding; save the file as UTF-8") from error


def child_text(element: Element, *names: str) -> str | None:
    """Text of a direct child, whatever the case of its name; None where there is none."""
    wanted = {name.casefold() for name in names}
    for child in element:
        if isinstance(child.tag, str) and child.tag.casefold() in wanted and child.text:
            return child.text.strip()
    return None


def as_number(text: object) -> float | None:
    """A number out of text; None where it is none.  Not-a-number and infinities pass."""
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
