from __future__ import annotations

from pathlib import Path

import ladcli
from ladcli.recipe import Recipe, flat
from ladcli.recipe.facts import facts_text
from ladcli.schema_facts import FACTS


def test_the_facts_are_those_of_the_schema() -> None:
    """Where this fails: python -m ladcli.recipe.facts."""
    written = Path(ladcli.__file__).parent / "schema_facts.py"
    assert written.read_text(encoding="utf-8") == facts_text()
    assert {key: fact.default for key, fact in FACTS.items()} == flat(Recipe())
