"""Strict YAML: plain data only, no key twice, errors with line and column.

Values are read by the core schema of YAML 1.2: only ``true`` and ``false`` are booleans, ``010`` is
ten, ``0o10`` eight, ``1e-3`` a number; ``1:30``, ``1_000``, dates, ``yes``, ``no``, ``on`` and
``off`` are text.  Of YAML 1.1, the merge of mappings (``<<``) works too.  What we write reads the
same under either version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from ladcli.errors import UserError

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
#: Type of a plain scalar, the pattern of its spellings, and their first characters.
_CORE_SCHEMA = (
    ("bool", "|".join(_BOOLS), "tTfF"),
    ("int", _INT.pattern, "-+0123456789"),
    ("float", f"{_FLOAT.pattern}|{_NOT_FINITE.pattern}", "-+.0123456789"),
    ("merge", "<<", "<"),
    ("null", "~|null|Null|NULL|", ("~", "n", "N", "")),
)
#: An explicit !!timestamp and its like would bring values that no option takes.
_PLAIN_TAGS = "null, bool, int, float, str, seq and map"


class SpelledInt(int):
    """A whole number that YAML 1.1 takes for text (``08``, ``0o17``), and how it was spelled.

    Texts that were written for YAML 1.1 stand without quotes where they look like this.
    """

    spelling: str


class SpelledFloat(float):
    """A number that YAML 1.1 takes for text (``1e5``, ``-.5``), and how it was spelled."""

    spelling: str


def as_text(value: Any) -> Any:
    """``value`` as an option takes it that holds text: a number that may be text is text."""
    return value.spelling if isinstance(value, SpelledInt | SpelledFloat) else value


def as_number(value: Any) -> Any:
    """``value`` as any other option takes it: a plain int or float, also inside of a list."""
    if isinstance(value, list):
        return [as_number(item) if not isinstance(item, list) else item for item in value]
    if isinstance(value, SpelledInt):
        return int(value)
    return float(value) if isinstance(value, SpelledFloat) else value


class _CoreLoader(yaml.SafeLoader):
    """The safe loader under the core schema of YAML 1.2, where a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):  # under an explicit !!map
            raise _error(node, "these are no keys with values")
        seen = set()
        for key_node, _ in node.value:
            # A merge (<<) brings keys that may be overridden; only keys written out can repeat.
            if key_node.tag == f"{_TAG}merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise _error(key_node, f"the key {key_node.value!r} stands twice")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def _error(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _scalar(loader: _CoreLoader, node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _error(node, f"this is no {what}")
    return str(loader.construct_scalar(node))


def _is_text_in_1_1(text: str) -> bool:
    tag = _YAML_1_1.resolve(yaml.ScalarNode, text, (True, False))
    return bool(tag == f"{_TAG}str")


def _bool(loader: _CoreLoader, node: yaml.Node) -> bool:
    text = _scalar(loader, node, "true or false")
    if text not in _BOOLS:
        raise _error(node, f"{text!r} is neither true nor false")
    return _BOOLS[text]


def _int(loader: _CoreLoader, node: yaml.Node) -> int:
    text = _scalar(loader, node, "whole number")
    if not _INT.fullmatch(text):
        raise _error(node, f"{text!r} is no whole number")
    bases = {"0o": 8, "0x": 16}
    try:
        value = int(text, bases.get(text[:2], 10))
    except ValueError as error:  # Python reads some thousand digits at most
        raise _error(node, f"a number of {len(text)} digits cannot be read") from error
    if not _is_text_in_1_1(text):
        return value
    spelled = SpelledInt(value)
    spelled.spelling = text
    return spelled


def _float(loader: _CoreLoader, node: yaml.Node) -> float:
    text = _scalar(loader, node, "number")
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if not _FLOAT.fullmatch(text):
        raise _error(node, f"{text!r} is no number")
    if not _is_text_in_1_1(text):
        return float(text)
    spelled = SpelledFloat(text)
    spelled.spelling = text
    return spelled


def _null(loader: _CoreLoader, node: yaml.Node) -> None:
    if _scalar(loader, node, "null") not in _NULLS:
        raise _error(node, "this is not null")


def _unknown(loader: _CoreLoader, node: yaml.Node) -> Any:
    tag = str(node.tag).replace(_TAG, "!!")
    raise _error(node, f"the tag {tag} is not allowed here, only those of {_PLAIN_TAGS}")


class _Writer(yaml.SafeDumper):
    """The safe dumper, which quotes a text that either version of YAML takes for another value."""

    def text_node(self, text: str) -> yaml.ScalarNode:
        # PyYAML writes these line breaks of Unicode as they are, and reads them as spaces.
        style = '"' if re.search("[\x85\u2028\u2029]", text) else None
        return self.represent_scalar(f"{_TAG}str", text, style=style)


_YAML_1_1 = yaml.resolver.Resolver()
_CONSTRUCTORS: dict[str | None, Callable[[_CoreLoader, Any], Any]] = {
    f"{_TAG}bool": _bool,
    f"{_TAG}int": _int,
    f"{_TAG}float": _float,
    f"{_TAG}null": _null,
    f"{_TAG}str": yaml.SafeLoader.construct_yaml_str,
    f"{_TAG}merge": yaml.SafeLoader.construct_yaml_str,  # << where no key stands
    f"{_TAG}seq": yaml.SafeLoader.construct_yaml_seq,
    f"{_TAG}map": yaml.SafeLoader.construct_yaml_map,
    None: _unknown,
}
# The tables of the loader hold the core schema alone, those of the writer YAML 1.1 beside it.
_CoreLoader.yaml_implicit_resolvers = {}
_CoreLoader.yaml_constructors = dict(_CONSTRUCTORS)
for _kind, _pattern, _first in _CORE_SCHEMA:
    for _class in (_CoreLoader, _Writer):
        _rule = re.compile(rf"(?:{_pattern})\Z")
        _class.add_implicit_resolver(f"{_TAG}{_kind}", _rule, list(_first))
_Writer.add_representer(str, _Writer.text_node)


def write_yaml(value: Any) -> str:
    """``value`` (plain data) as YAML that `parse_yaml` and readers of YAML 1.1 read alike."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100)


def parse_yaml(text: str, source: str) -> Any:
    """The value that ``text`` holds, None where it holds nothing.

    Args:
        text: one YAML document.
        source: how error messages call the text.

    Numbers that YAML 1.1 takes for text remember their spelling; see `as_text`, `as_number`.

    Raises:
        UserError: not YAML, a key that stands twice, several documents, or a value of another
            type than plain data; with line and column where they are known.
    """
    try:
        # The loader is SafeLoader with fewer types and one check more.
        return yaml.load(text, Loader=_CoreLoader)
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
    except ValueError as error:  # "\U00110000" is no character
        raise UserError(
            f"{source}: holds a text that cannot be read ({error}); mend its escapes"
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
