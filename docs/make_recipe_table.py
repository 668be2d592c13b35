"""Writes docs/recipe.md from the schema: `python docs/make_recipe_table.py`."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from ladcli.recipe import describe_options
from ladcli.recipe.options import FREE_KEYS, PLACE_KEYS

HEAD = """# Options of a recipe

Every option of `--recipe FILE` and `--set KEY=VALUE`. In a file, sections nest:

```yaml
optim:
  lr: 0.005
schedule:
  epochs: 24
  decay_epochs: [16, 22]
```

Precedence: defaults < recipe file < options of the command line < `--set`. The resolved recipe is
saved as `recipe.yaml` in the folder of the run and runs again from that file alone. Values are read
by the rules of YAML 1.2: only `true` and `false` are switches, `off` is a word, `010` is ten.
"""


def recipe_page() -> str:
    """The whole page as Markdown."""
    lines, section = [HEAD, meaning()], ""
    for option in describe_options():
        here = option.key.split(".")[0]
        if here != section:
            section = here
            lines += [f"## {section}", "", "| option | type | default | meaning |"]
            lines.append("|---|---|---|---|")
        cells = (f"`{option.key}`", option.type_text, as_code(option.default), option.description)
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    text = "\n".join(lines)
    for name in dict.fromkeys(option.key.split(".")[0] for option in describe_options()):
        text = text.replace(f"|\n## {name}", f"|\n\n## {name}")
    return text + "\n"


def meaning() -> str:
    """What another value of an option changes, where that is not the result."""
    free, places = (", ".join(f"`{key}`" for key in keys) for keys in (FREE_KEYS, PLACE_KEYS))
    return (
        fill(
            f"These options make no other method of a run, and may change with `--resume`: {free}. "
            f"These say where something lies, and it may lie elsewhere as long as it is the same: "
            f"{places}.",
            width=100,
            break_on_hyphens=False,
        )
        + "\n"
    )


def as_code(default: object) -> str:
    """A default as tables show it."""
    if default is None:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    (Path(__file__).parent / "recipe.md").write_text(recipe_page(), encoding="utf-8")
