"""Whatever a recipe or a pipeline holds: what is wrong is said on one line, in our own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ladcli.errors import UserError
from ladcli.recipe import describe_options, load_recipe
from ladcli.recipe.options import sections
from ladcli.recipe.pipeline import PARTS, load_pipeline

#: How pydantic and Python speak.
FOREIGN = re.compile(
    r"Input should|String should|List should|Dictionary should|Tuple should|Value error|should be|"
    r"should have|should match|Field required|Extra inputs|[Vv]alid (dictionary|list|string|int)|"
    r"not permitted|pydantic|type=|input_value|Error\b|Keys should|NoneType|object at 0x|"
    r"\bNone\b|\bTrue\b|\bFalse\b|something else"
)
#: Values of every kind, for every key: few fit any.
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 7, 2**31, -(2**70), 10**400, 0.5, -0.5, 1e300, float("inf"),
    float("nan"), "", " ", "x", "off", "1e-3", "a b", "x" * 500, "../x", "é\u2028\u0085", "\n",
    "a\nb", "none", "1, 2", "\ud800", [], [None], [True], [1, 2], [2, 1], [-1, "x"], [[1]],
    ["val"], [{}], list(range(50)), [0.5, "x"], {}, {"a": 1}, {1: 2}, {"a": {"b": [None, True]}},
    {"name": "a", "run": "pretrain"}, {None: None}, {True: 1},
]  # fmt: skip
KEYS = [option.key for option in describe_options()]


def check(message: str, *, names: str) -> None:
    assert message.isprintable(), message
    assert not FOREIGN.search(message), message
    assert len(message) < 700, message
    assert names in message, message


def refusals_of_recipe(content: Any) -> Iterator[str]:
    """The message about a recipe of this content, if there is one."""
    try:
        load_recipe(None, layers=[("recipe r.yaml", content)])
    except UserError as error:
        yield str(error)


@pytest.mark.parametrize("key", KEYS)
def test_every_option_of_a_recipe(key: str) -> None:
    section, name = key.split(".")
    messages = [m for v in VALUES for m in refusals_of_recipe({section: {name: v}})]
    assert len(messages) > 10
    for message in messages:
        check(message, names=key)
        assert message.startswith("recipe r.yaml: ")


@pytest.mark.parametrize("key", KEYS)
def test_every_option_behind_set(key: str) -> None:
    values = ["", "~", "true", "-1", "1e999", ".nan", "x y", "[1, x]", "{a: 1}", "[[", "'", "[]"]
    for value in values:
        try:
            load_recipe(None, overrides=[f"{key}={value}"])
        except UserError as error:
            check(str(error), names=f"--set {key}=")


def test_whole_recipes_and_sections() -> None:
    for value in VALUES:
        for message in refusals_of_recipe(value):
            check(message, names="recipe r.yaml: ")
        for section in [*sections(), "optimm", "", 3]:
            for message in refusals_of_recipe({section: value}):
                check(message, names=str(section))


def pipelines(value: Any) -> Iterator[Any]:
    """Pipelines with ``value`` at every key in turn."""
    stage = {"name": "paa", "run": "pretrain"}
    yield value
    yield {"stages": [stage, value]}
    for key in [*PARTS["pipeline"].model_fields, "unheard_of"]:
        yield {"stages": [stage], key: value}
    for run in ("pretrain", "synth", "cache-teacher", "distill", "colad", "other"):
        for key in [*PARTS["stage"].model_fields, "unheard_of"]:
            yield {"stages": [stage, {"name": "two", "run": run, key: value}]}
    for key in [*PARTS["synth"].model_fields, "unheard_of"]:
        yield {"stages": [stage, {"name": "two", "run": "synth", "synth": {key: value}}]}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_every_key_of_a_pipeline(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = [None]
    monkeypatch.setattr("ladcli.recipe.pipeline.read_yaml", lambda path, source: read[0])
    refused = 0
    for content in pipelines(value):
        read[0] = content
        try:
            load_pipeline(Path("p.yaml"))
        except UserError as error:
            refused += 1
            check(str(error), names="pipeline p.yaml")
    assert refused > 10
