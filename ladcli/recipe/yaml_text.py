"""Strict reading of YAML: plain data only, no key twice, and errors with line and column."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ladcli.errors import UserError


class _StrictLoader(yaml.SafeLoader):
    """The safe loader (plain data, no Python objects), and a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            # A merge (<<) brings keys that may be overridden; only keys written out can repeat.
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(
                key_node, yaml.ScalarNode
            ):
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, source: str) -> Any:
    """The value that ``text`` holds, None where it holds nothing.

    Args:
        text: one YAML document.
        source: how error messages call the text.

    Raises:
        UserError: not YAML, a key that stands twice, several documents, or a value of another
            type than plain data; with line and column where they are known.
    """
    try:
        # The loader is SafeLoader with one check more.
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
        problem = " ".join((error.problem or error.context or "syntax error").split())
        raise UserError(f"{source}: not valid YAML{where}: {problem}; mend it there") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise UserError(
            f"{source}: not valid YAML in line {line}, column {column}: "
            "a control character; remove it"
        ) from error
    except RecursionError as error:
        raise UserError(f"{source}: nested too deep for a recipe") from error
    except (ValueError, OverflowError, AttributeError, TypeError, LookupError) as error:
        # Constructors of dates, numbers and tags fail in their own ways.
        raise UserError(
            f"{source}: holds a value that cannot be read ({error}); put it in quotes"
        ) from error


def read_yaml(path: Path, source: str) -> Any:
    """The value of the YAML file ``path``; arguments and errors as `parse_yaml`.

    Raises:
        UserError: also where the file is missing, a folder, unreadable or not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{source}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise UserError(f"{source}: is a folder; name a YAML file") from error
    except OSError as error:
        raise UserError(
            f"{source}: cannot be read ({error.strerror or error}); check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{source}: not UTF-8 (byte {error.start + 1} is 0x{error.object[error.start]:02x}); "
            "save it as UTF-8"
        ) from error
    except ValueError as error:  # a path with a NUL character
        raise UserError(f"{source!a}: not a file name ({error})") from error
    return parse_yaml(text, source)
