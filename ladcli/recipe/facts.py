"""Writes `ladcli/schema_facts.py`: `python -m ladcli.recipe.facts`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ladcli
from ladcli.files import write_text
from ladcli.recipe.options import sections
from ladcli.recipe.schema import NAMES_FILE

_HEAD = '''"""What the schema says of every option, for those who cannot wait for its library.

`lad --help` shows choices and defaults, and imports no pydantic.  This file is made from the schema
by `python -m ladcli.recipe.facts`, and a test holds both equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Fact(NamedTuple):
    """What one option takes, beside null where that is its default."""

    takes: Any  # a type, or a tuple of choices
    default: Any


#: By dotted key, in the order of the schema.
FACTS: dict[str, Fact] = {
'''
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list"}


def facts_text() -> str:
    """The whole module."""
    lines = [
        f'    "{section}.{name}": Fact({_takes(model, name)}, {_literal(field.get_default())}),\n'
        for section, model in sections().items()
        for name, field in model.model_fields.items()
    ]
    return "".join([_HEAD, *lines, "}\n"])


def _takes(model: Any, name: str) -> str:
    if NAMES_FILE in model.model_fields[name].metadata:
        return "Path"
    schema: Mapping[str, Any] = model.model_json_schema()["properties"][name]
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    choices = kinds[0].get("enum") or ([kinds[0]["const"]] if "const" in kinds[0] else None)
    if choices is None:
        return _TYPES[kinds[0]["type"]]
    comma = "," if len(choices) == 1 else ""
    return f"({', '.join(_literal(choice) for choice in choices)}{comma})"


def _literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    write_text(Path(ladcli.__file__).parent / "schema_facts.py", facts_text())
