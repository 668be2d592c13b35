"""The options of a recipe as a flat list: dotted names, types in words, defaults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ladcli.recipe.schema import MAX_INT, NAMES_FILE, Affects, Names, Recipe, Section


@dataclass(frozen=True)
class Option:
    """One option of a recipe, as help texts and the documentation show it."""

    key: str  # dotted, for example "optim.lr"
    type_text: str  # type and limits in words, for example "number > 0"
    default: Any  # plain value: number, text, bool, list or None
    description: str  # one sentence, with the unit where there is one


def sections() -> dict[str, type[Section]]:
    """The parts of a recipe by name, in the order of the schema."""
    found = {}
    for name, field in Recipe.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, Section)
        found[name] = model
    return found


def describe_options() -> list[Option]:
    """Every option of the schema, in the order of the schema."""
    return list(_all_options())


@lru_cache(maxsize=1)
def _all_options() -> tuple[Option, ...]:
    return tuple(
        option
        for section, model in sections().items()
        for option in describe_keys(model, prefix=f"{section}.")
    )


def describe_keys(model: type[Section], *, prefix: str = "") -> list[Option]:
    """The keys of one part of a file, in the order of its schema, with ``prefix`` before each."""
    properties = model.model_json_schema()["properties"]
    return [
        Option(
            key=f"{prefix}{name}",
            type_text=type_in_words(properties[name]),
            default=field.get_default(),
            description=field.description or "",
        )
        for name, field in model.model_fields.items()
    ]


def option_keys() -> tuple[str, ...]:
    """The dotted names of all options, in the order of the schema."""
    return tuple(option.key for option in _all_options())


def _marked(mark: Affects | Names) -> tuple[str, ...]:
    """The options that the schema marks so, in its order."""
    return tuple(
        f"{section}.{name}"
        for section, model in sections().items()
        for name, field in model.model_fields.items()
        if mark in field.metadata
    )


#: Options that change no result, and those that say where something lies (see `Affects`).
FREE_KEYS, PLACE_KEYS = _marked(Affects.NOTHING), _marked(Affects.PLACE)
#: Options that name what another run made: a teacher, a cache, a network to start from.
RUN_KEYS = _marked(Names.RUN)


def without(
    content: Mapping[str, Mapping[str, Any]], keys: Collection[str]
) -> dict[str, dict[str, Any]]:
    """The sections of a recipe without some options, and without those that then hold nothing."""
    left = {
        section: {name: value for name, value in body.items() if f"{section}.{name}" not in keys}
        for section, body in content.items()
    }
    return {section: body for section, body in left.items() if body}


def flat(recipe: Recipe) -> dict[str, Any]:
    """Every option of ``recipe`` by its dotted name, in the order of the schema."""
    return {
        f"{section}.{name}": value
        for section, fields in recipe.model_dump().items()
        for name, value in fields.items()
    }


def read_files(recipe: Recipe) -> dict[str, str | None]:
    """The files and folders that ``recipe`` names, by the dotted names of their options."""
    values = flat(recipe)
    return {
        f"{section}.{name}": values[f"{section}.{name}"]
        for section, model in sections().items()
        for name, field in model.model_fields.items()
        if NAMES_FILE in field.metadata
    }


def takes_text(key: str) -> bool:
    """Whether the option ``key`` holds free text or a word of a list, possibly null."""
    section, name = key.split(".")
    kinds = _alternatives(sections()[section].model_json_schema()["properties"][name])
    return any(kind.get("type") == "string" for kind in kinds)


def type_in_words(schema: Mapping[str, Any]) -> str:
    """A JSON schema of one option as a short phrase, such as ``integer ≥ 1 or null``."""
    kinds = _alternatives(schema)
    words = [_one_type(kind) for kind in kinds if kind.get("type") != "null"]
    if len(words) < len(kinds):
        words.append("null")
    return " or ".join(words)


def _alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(schema.get("anyOf", [schema]))


def _one_type(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"only {schema['const']}"
    if "enum" in schema:
        return "one of " + ", ".join(str(word) for word in schema["enum"])
    if "$ref" in schema:
        return "keys with values"
    kind = schema["type"]
    if kind == "object":
        return "sections with options"
    if kind == "boolean":
        return "true or false"
    if kind == "string":
        return "text"
    if kind == "array":
        return f"list of {_count(schema)}{type_in_words(schema['items'])}"
    return kind + _limits(schema)


def _count(schema: Mapping[str, Any]) -> str:
    """How many items a list may have, as the beginning of a phrase."""
    low, high = schema.get("minItems"), schema.get("maxItems")
    if high is None:
        return ""
    return f"{high} × " if low == high else f"{low or 0} to {high} × "


def _limits(schema: Mapping[str, Any]) -> str:
    """Limits of a number, such as `` > 0`` or `` ≥ 0, ≤ 1``; the technical limit is left out."""
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [
        f"{sign} {schema[name]:g}"
        for name, sign in signs.items()
        if name in schema and schema[name] != MAX_INT
    ]
    return " " + ", ".join(limits) if limits else ""
