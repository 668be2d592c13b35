"""What is wrong with a recipe, in one line: validation errors and unknown keys as sentences."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from ladcli.recipe.options import describe_options, option_keys, sections


class _Words(reprlib.Repr):
    """Values on part of a line, with YAML's words for what Python calls True, False and None."""

    def repr_bool(self, value: bool, level: int) -> str:
        return "true" if value else "false"

    def repr_NoneType(self, value: None, level: int) -> str:
        return "null"


_SHORT = _Words()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxdict = 6
_SHORT.maxlevel = 2

#: What each kind of validation error demands; braces are filled from its context.
_DEMANDS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text that UTF-8 can hold",
    "list_type": "must be a list, such as [1, 2]",
    "literal_error": "must be {expected}",
}


def shown(value: Any) -> str:
    """``value`` as a message quotes it: YAML's words, and never more than a line."""
    return _SHORT.repr(value)


def key_text(key: Any) -> str:
    """A key of a file as messages write it; mostly text, but YAML allows any scalar."""
    return key if isinstance(key, str) else shown(key)


def key_of(location: tuple[str | int, ...]) -> str:
    """A validation error's location as a dotted key, items counted from 0: ``data.short[1]``."""
    key = ""
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{part}"
    return key.removeprefix(".")


def complaint(error: Mapping[str, Any], *, key: str | None = None, demand: str = "") -> str:
    """One error of pydantic's list as ``KEY must be …, got VALUE``, in our own words throughout.

    Args:
        key: how to call the key, instead of by its whole location.
        demand: what is expected, where the caller knows better than the kind of error tells.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        # The schema's own checks across keys: their sentences name the keys themselves.
        return str(context.get("error", "does not fit together"))
    key = key_of(error["loc"]) if key is None else key
    value = error["input"]
    demand = demand or _demand(kind, context, value) or f"must be {_type_of(key)}"
    remedy = _remedy(kind, context, value, whole=not key.endswith("]"))
    return f"{key} {demand}, got {shown(value)}{remedy}"


def _demand(kind: str, context: Mapping[str, Any], value: Any) -> str:
    # Limits of numbers come as floats: 0.0 reads better as 0.
    limits = {k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()}
    if kind.endswith(("too_short", "too_long")):
        short = kind.endswith("too_short")
        number = limits["min_length" if short else "max_length"]
        bound = "at least" if short else "at most"
        what = "character" if isinstance(value, str) else "item"
        return f"must have {bound} {number} {what}{'' if number == 1 else 's'}"
    return _DEMANDS.get(kind, "").format(**limits)


def _type_of(key: str) -> str:
    """What an option takes, in words, for kinds of errors that have none here."""
    name = key.split("[")[0]
    return next((o.type_text for o in describe_options() if o.key == name), "something else")


def _remedy(kind: str, context: Mapping[str, Any], value: Any, *, whole: bool) -> str:
    """What to do, where the demand does not say it already; ``whole`` keys are no list's items."""
    if value is None and whole:
        return "; leave it out for the default"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    if kind == "literal_error" and isinstance(value, str):
        near = closest(value, re.findall("'([^']*)'", str(context.get("expected", ""))))
        return f"; did you mean {near}?" if near else ""
    return ""


def closest(word: str, words: Iterable[str]) -> str | None:
    """The one of ``words`` that ``word`` may have meant, if any is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return near[0] if near else None


def unknown_key(key: str) -> str:
    """``unknown key …`` with the nearest valid name, or with the names that would be valid."""
    return f"unknown key {shown(key)[1:-1]}; {_advice(key)}"


def _advice(key: str) -> str:
    if key in option_keys():  # a dotted key in a file, where keys are nested
        section, name = key.split(".")
        return f"write it nested, as {section}: {{{name}: …}}"
    near = nearest(key)
    if near:
        return f"did you mean {' or '.join(near)}?"
    section = key.split(".")[0]
    if section in sections():
        return f"{section} has {', '.join(sections()[section].model_fields)}"
    return f"the sections are {', '.join(sections())}"


def nearest(key: str) -> list[str]:
    """Valid names that ``key`` may have meant, best first; empty where nothing is near."""
    keys = option_keys()
    section, _, leaf = key.rpartition(".")
    if not section:
        near_section = difflib.get_close_matches(key, list(sections()), n=1, cutoff=0.75)
        if near_section:
            return near_section
    same_leaf = [name for name in keys if name.split(".")[1] == leaf]
    if not section.startswith("net"):
        # What each of two networks may have of its own is first of all an option of both.
        shared = [name for name in same_leaf if not name.startswith(("net_a.", "net_b."))]
        same_leaf = shared or same_leaf
    if same_leaf:
        # optimizer.batch_size: of several homes of the leaf, the most similar section first.
        return difflib.get_close_matches(key, same_leaf, n=3, cutoff=0.0)
    inside = [name for name in keys if name.split(".")[0] == section]
    near = difflib.get_close_matches(key, inside, n=1, cutoff=0.75)
    near = near or difflib.get_close_matches(key, keys, n=1, cutoff=0.75)
    if near:
        return near
    leaves = {name.split(".")[1]: name for name in reversed(keys)}
    return [leaves[name] for name in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.7)]
