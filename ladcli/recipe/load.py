"""Reading and writing recipes: defaults, then the file, then flags, then ``--set``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ladcli.errors import UserError
from ladcli.files import write_text
from ladcli.recipe.flags import flag_of
from ladcli.recipe.messages import complaint, key_of, key_text, shown, unknown_key
from ladcli.recipe.options import flat, option_keys, sections, takes_text
from ladcli.recipe.schema import Recipe
from ladcli.recipe.yaml_text import as_number, as_text, parse_yaml, read_yaml, write_yaml

#: How messages call values that came by an option of the command line without a name of its own.
COMMAND_LINE = "command line"
#: … and those that follow from others.
DERIVED = "by default"


@dataclass(frozen=True)
class Given:
    """One option as somebody gave it."""

    value: Any  # plain, as it was written
    source: str  # who: ``recipe FILE``, ``--lr``, ``--set optim.lr=1``


@dataclass(frozen=True)
class AskedRecipe:
    """A recipe, and which of its options were asked for by whom; all others are defaults."""

    recipe: Recipe
    given: Mapping[str, Given]  # by dotted key; whoever spoke last


def load_recipe(
    path: Path | None,
    *,
    defaults: Mapping[str, Any] = {},
    layers: Sequence[tuple[str, Mapping[str, Any]]] = (),
    flags: Mapping[str, Any] = {},
    overrides: Sequence[str] = (),
) -> Recipe:
    """The recipe alone of `read_recipe`."""
    return read_recipe(
        path, defaults=defaults, layers=layers, flags=flags, overrides=overrides
    ).recipe


def read_recipe(
    path: Path | None,
    *,
    base: tuple[str, Recipe] | None = None,
    defaults: Mapping[str, Any] = {},
    layers: Sequence[tuple[str, Mapping[str, Any]]] = (),
    flags: Mapping[str, Any] = {},
    overrides: Sequence[str] = (),
) -> AskedRecipe:
    """A recipe from all its sources; later sources win.

    Args:
        path: recipe file (YAML, sections with their keys; empty means defaults), or None.
        base: a whole recipe that stands for the defaults, with the name that messages give it.
        defaults: values by dotted key that hold where no other source says anything.
        layers: the same content as a file's from elsewhere, each likewise with its name.
        flags: values of command-line options by dotted key; None means "not given".
        overrides: ``KEY=VALUE`` texts of ``--set``, in order; VALUE is a YAML scalar or list, and
            for an option that holds text it is taken literally unless it is null or quoted.

    Raises:
        UserError: a file that cannot be read, an unknown key, or a value that does not fit; the
            message names the source, the key and the value.
    """
    given: dict[str, Given] = {}

    def add(source: str, settings: Mapping[str, Any]) -> None:
        for key, value in settings.items():
            given.pop(key, None)  # so that the order of keys is the order of speaking
            given[key] = Given(value, source)

    if base is None:
        add(DERIVED, defaults)
    if path is not None:
        source = f"recipe {path}"
        add(source, dict(_leaves(read_yaml(path, source), source)))
    for source, content in layers:
        add(source, dict(_leaves(content, source)))
    for key, value in flags.items():
        if value is not None:
            _check_key(key, COMMAND_LINE)
            add(flag_of(key, flags) or COMMAND_LINE, {key: value})
    for text in overrides:
        key, value = _parse_override(text)
        add(_name_override(text), {key: value})
    name, defaults = ("recipe", {}) if base is None else (base[0], flat(base[1]))
    values = {**defaults, **{key: one.value for key, one in given.items()}}
    sources = dict.fromkeys([key for key in defaults if key not in given], name)
    sources |= {key: one.source for key, one in given.items()}
    asked = {key: one for key, one in given.items() if one.source != DERIVED}
    return AskedRecipe(_build(values, sources), asked)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every option of ``recipe`` to ``path`` as YAML that loads to an equal recipe.

    Raises:
        UserError: ``path`` cannot be written; an older file is then untouched.
    """
    write_text(path, write_yaml(recipe.model_dump()))


def update_recipe(
    recipe: Recipe, changes: Mapping[str, Any], *, source: str = COMMAND_LINE
) -> Recipe:
    """``recipe`` with the values of ``changes`` by dotted key, checked like any other.

    What was left open and is not changed stays open (see `is_given`).

    Args:
        source: how messages call the changes.

    Raises:
        UserError: an unknown key or a value that does not fit.
    """
    for key in changes:
        _check_key(key, source)
    given = {key: value for key, value in flat(recipe).items() if is_given(recipe, key)}
    return _build({**given, **changes}, dict.fromkeys(changes, source))


def is_given(recipe: Recipe, key: str) -> bool:
    """Whether someone gave the option ``key``, be it by its default; a stored recipe gives all."""
    section, name = key.split(".")
    return name in getattr(recipe, section).model_fields_set


def _leaves(content: Any, source: str) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of a recipe file's content; an empty file or section has none."""
    if content is None:
        return
    if not isinstance(content, dict):
        raise UserError(
            f"{source}: must hold sections such as 'optim:' with keys below them, "
            f"got {shown(content)}"
        )
    for section, body in content.items():
        if section not in sections():
            key = key_text(section)
            if isinstance(body, dict) and len(body) == 1:
                key = f"{key}.{key_text(next(iter(body)))}"
            raise UserError(f"{source}: {unknown_key(key)}")
        if body is None:
            continue
        if not isinstance(body, dict):
            raise UserError(
                f"{source}: {section} is a section and needs keys below it, got {shown(body)}"
            )
        for name, value in body.items():
            key = f"{section}.{key_text(name)}"
            _check_key(key, source)
            yield key, as_text(value) if takes_text(key) else as_number(value)


def _parse_override(text: str) -> tuple[str, Any]:
    """Key and value of one ``--set KEY=VALUE``."""
    source = _name_override(text)
    key, equals, raw = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"{source}: must have the form KEY=VALUE, such as optim.lr=0.005")
    _check_key(key, "--set")
    if not takes_text(key):
        return key, as_number(parse_yaml(raw, source))
    # Paths are often not what YAML makes of them (2024, no, C: drives): only null and quoted
    # text are YAML here.
    raw = raw.strip()
    if raw in ("", "~", "null", "Null", "NULL") or raw[0] in "'\"":
        return key, parse_yaml(raw, source)
    return key, raw


def _name_override(text: str) -> str:
    """How messages call one ``--set``; on one line whatever it holds."""
    return f"--set {text if text.isprintable() else ascii(text)}"


def _check_key(key: str, source: str) -> None:
    if key in option_keys():
        return
    if key in sections():
        example = next(iter(sections()[key].model_fields))
        raise UserError(f"{source}: {key} is a section; set one key of it, such as {key}.{example}")
    raise UserError(f"{source}: {unknown_key(key)}")


def _build(values: Mapping[str, Any], sources: Mapping[str, str]) -> Recipe:
    """Validate ``values`` by dotted key; ``sources`` says who set each, later ones last."""
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    try:
        return Recipe.model_validate(nested)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        source = _source_of(key_of(first["loc"][:2]), sources)
        raise UserError(f"{source}: {complaint(first)}{more}") from error


def _source_of(key: str, sources: Mapping[str, str]) -> str:
    """Who set ``key``, or for a section whoever set one of its keys last."""
    if key in sources:
        return sources[key]
    inside = [source for name, source in sources.items() if name.startswith(f"{key}.")]
    return inside[-1] if inside else "recipe"
