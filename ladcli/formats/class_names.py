"""Class names: lists that come with a data set, or that the user gives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.formats.tally import Tally
from ladcli.formats.text import read_lines, read_text, table_rows
from ladcli.recipe.yaml_text import as_text, parse_yaml

#: Endings of files that list a name per line.
_LISTS = (".txt", ".names", ".labels", "")
#: LabelMe's own lists begin with these.
_NO_CLASSES = ("__ignore__", "_background_", "__background__")


@dataclass(frozen=True)
class GivenClasses:
    """Names that the user gave."""

    names: tuple[str, ...]  # in order
    by_id: Mapping[str, str]  # where a file says what the names in the data mean; else empty
    source: str  # for messages


def given_classes(text: str | None) -> GivenClasses | None:
    """``--classes``: a file, or names with commas between them.

    A file is a list with a name per line, a YAML file with ``names``, or a CSV file of two columns
    (name in the data, name to give), as Open Images' class descriptions.

    Raises:
        UserError: the file cannot be read, or holds no names.
    """
    if text is None:
        return None
    path = Path(text)
    if path.suffix.lower() == ".csv":
        by_id = class_descriptions(path)
        return GivenClasses(tuple(dict.fromkeys(by_id.values())), by_id, text)
    if path.suffix.lower() in (".yaml", ".yml"):
        return GivenClasses(yaml_names(read_data_yaml(path), path) or _no_names(path), {}, text)
    if os.path.isfile(path) or path.suffix.lower() in _LISTS[:-1]:
        return GivenClasses(listed_names(path), {}, text)
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UserError(f"--classes {text!r}: holds an empty name; give a file, or NAME,NAME,...")
    return GivenClasses(names, {}, "--classes")


def _no_names(path: Path) -> tuple[str, ...]:
    raise UserError(f"{path}: has no 'names'; list the classes there, or in a text file")


def listed_names(path: Path) -> tuple[str, ...]:
    """A name per line; blank lines at the end do not count.

    Raises:
        UserError: the file cannot be read, is empty, or a line between names is.
    """
    lines = read_lines(path)
    while lines and not lines[-1]:
        lines.pop()
    while lines and lines[0] in _NO_CLASSES:
        lines.pop(0)
    if not lines:
        raise UserError(f"{path}: lists no class; write a name per line")
    if "" in lines:
        raise UserError(
            f"{path}: line {lines.index('') + 1} is empty, so the numbers of the classes after it "
            "are unclear; remove it, or name the class"
        )
    return tuple(lines)


def class_descriptions(path: Path) -> dict[str, str]:
    """What the names in the data mean, from a CSV file of two columns.

    Raises:
        UserError: the file cannot be read, or has other columns.
    """
    meanings = {}
    for number, row in table_rows(path, read_text(path), ","):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) < 2 or not cells[0] or not cells[1]:
            raise UserError(
                f"{path}: line {number} must hold two columns, the name in the data and the name "
                "to give"
            )
        if (cells[0].lower(), cells[1].lower()) != ("labelname", "displayname"):
            meanings[cells[0]] = cells[1]
    if not meanings:
        raise UserError(f"{path}: describes no class; write two columns")
    return meanings


def read_data_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.  By YAML 1.2, so a class called ``no`` stays text.

    Raises:
        UserError: the file cannot be read, or holds no mapping.
    """
    content = parse_yaml(read_text(path), str(path))
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys and values (names, train, val); correct it")
    return content


def yaml_names(content: dict[str, Any], path: Path) -> tuple[str, ...] | None:
    """``names`` of a data.yaml, by number; None where it has none.

    Raises:
        UserError: it is neither a list nor a mapping of 0, 1, 2, ... to names.
    """
    names = content.get("names")
    if names is None:
        return None
    if isinstance(names, dict):
        numbers = sorted(_class_number(key, path) for key in names)
        if numbers != list(range(len(numbers))):
            raise UserError(
                f"{path}: 'names' must number the classes 0, 1, 2, ...; got "
                f"{', '.join(map(str, numbers[:8]))}{', ...' if len(numbers) > 8 else ''}"
            )
        by_number = {_class_number(key, path): value for key, value in names.items()}
        names = [by_number[number] for number in numbers]
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: 'names' must be a list of class names")
    texts = [as_text(name) for name in names]
    plain = [text if isinstance(text, str) else _spelled(text, path) for text in texts]
    return tuple(text.strip() or _nameless(path) for text in plain)


def _class_number(key: Any, path: Path) -> int:
    try:
        return int(key)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{path}: 'names' must number the classes 0, 1, 2, ...; got {key!r}"
        ) from error


def _spelled(value: Any, path: Path) -> str:
    """A name that YAML takes for a number or a truth value, as it was meant."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    raise UserError(f"{path}: 'names' must hold class names; got {value!r}")


def _nameless(path: Path) -> str:
    raise UserError(f"{path}: 'names' holds an empty name; name every class")


def without_repeats(names: tuple[str, ...], tally: Tally) -> tuple[str, ...]:
    """``names``, each once: two numbers with one name are one class."""
    for name, count in Counter(names).items():
        if count > 1:
            tally.note("class name", "listed more than once; they become one class", name)
    return tuple(dict.fromkeys(names))


def class_order(given: tuple[str, ...] | None, used: set[str]) -> tuple[str, ...]:
    """The classes of an import in their order: as given, else by the alphabet."""
    if given is not None:
        return tuple(dict.fromkeys(given))
    return tuple(sorted(used, key=lambda name: (name.casefold(), name)))
