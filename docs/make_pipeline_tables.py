"""Writes the tables of docs/pipelines.md from the schema: `python docs/make_pipeline_tables.py`."""

from __future__ import annotations

from pathlib import Path

from make_recipe_table import as_code
from pydantic_core import PydanticUndefined

from ladcli.recipe.options import Option, describe_keys
from ladcli.recipe.pipeline import PARTS

PAGE = Path(__file__).parent / "pipelines.md"


def with_tables(page: str) -> str:
    """``page`` with the table of every part between its pair of marks."""
    for part, model in PARTS.items():
        rows = [
            f"| `{option.key}` | {option.type_text} | {_default(option)} | {option.description} |"
            for option in describe_keys(model)
        ]
        table = "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])
        begin, end = f"<!-- keys of a {part} -->", "<!-- end -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"no marks of a {part}"
        page = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return page


def _default(option: Option) -> str:
    if option.default is PydanticUndefined:
        return "needed"
    if option.default in ("", {}) or hasattr(option.default, "model_fields_set"):
        return "empty"
    if isinstance(option.default, list):
        return f"`[{', '.join(str(item) for item in option.default)}]`"
    return as_code(option.default)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
