"""What is wrong with a pipeline file, in one line: the stage, the key, what came and what fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ladcli.recipe.messages import closest, complaint, key_of, key_text, nearest, shown
from ladcli.recipe.options import option_keys, sections
from ladcli.recipe.schema import Section

_NAME = "must consist of letters, digits, - and _, and begin with a letter or digit"
#: What a key takes, where that says more than the kind of error does.
_DEMANDS = {
    "stages": "must be a list of stages, each with '- name:' and 'run:'",
    "seeds": "must be a list of whole numbers, such as [0, 1, 2]",
    "evaluate": "must be a list of sets, such as [val, test]",
    "objects": "must be a list of a least and a most number, such as [1, 8]",
    "sides": "must be a list of a smallest and a largest share of the height, such as [0.05, 0.65]",
    "recipe": "must hold sections such as 'optim:' with keys below them",
    "synth": "must hold keys of the synthetic set, such as 'train: 240'",
    "teacher": "must name a stage or a run, such as paa or paa-seed0, or a network of CoLAD, duo/a",
    "cache": "must name a cache-teacher stage or a run of it, such as cache or cache-seed0",
    "baseline": "must name a stage, or a network of CoLAD, such as duo/a",
}
#: Kinds of errors about the value as a whole, not about a part or a limit of it.
_WHOLE = ("list_type", "dict_type", "model_type", "string_pattern_mismatch")


def pipeline_complaint(
    error: Mapping[str, Any], content: Mapping[Any, Any], parts: Mapping[str, type[Section]]
) -> str:
    """One of pydantic's errors about a pipeline, as ``, stage NAME: KEY must be …, got VALUE``.

    Args:
        content: the file, for the names of its stages.
        parts: the models of "pipeline", "stage" and "synth".

    Returns:
        What stands behind the name of the file: a comma and a stage, or a colon and the sentence.
    """
    location = tuple(error["loc"])
    place, part = "", "pipeline"
    if location[:1] == ("stages",) and len(location) > 1:
        place, part = f", stage {_stage_name(content, location[1])}", "stage"
        location = location[2:]
    if part == "stage" and location[:1] == ("synth",) and len(location) > 1:
        part = "synth"
    return f"{place}: {_sentence(error, location, part, content, parts)}"


def _sentence(
    error: Mapping[str, Any],
    location: tuple[str | int, ...],
    part: str,
    content: Mapping[Any, Any],
    parts: Mapping[str, type[Section]],
) -> str:
    if not location:
        # A stage that is no mapping, or a check across keys, which names its keys itself.
        if error["type"] == "value_error":
            return complaint(error)
        return f"must have keys such as 'name:' and 'run:' below it, got {shown(error['input'])}"
    leaf = location[-1]
    field = parts[part].model_fields.get(str(leaf))
    if error["type"] in ("extra_forbidden", "invalid_key"):
        if error["type"] == "invalid_key":  # null, true or a number
            leaf = key_text(error["input"])
        key = ".".join(str(name) for name in (*location[:-1], leaf))
        return f"unknown key {shown(key)[1:-1]}; {_advice(str(leaf), part, parts)}"
    if field is not None and field.is_required() and error["input"] is None:
        return f"the key {leaf} has no value; it {_missing(str(leaf))}"
    if error["type"] == "missing":
        near = closest(str(leaf), [str(key) for key in error["input"]])
        instead = f"; there is {shown(near)}, did you mean that?" if near else ""
        return f"the key {leaf} is missing; it {_missing(str(leaf))}{instead}"
    demand = ""
    if error["type"] in _WHOLE or (error["type"] == "string_type" and leaf in _DEMANDS):
        demand = _DEMANDS.get(str(leaf), "")
    if error["type"] == "string_pattern_mismatch":
        demand = demand or _NAME
    return complaint(error, key=key_of(location), demand=demand)


def _missing(key: str) -> str:
    return {
        "stages": "holds the list of stages, each with '- name:' and 'run:'",
        "name": "says how the stage and its folder are called, such as paa",
        "run": "says what the stage does: synth, pretrain, cache-teacher, distill or colad",
    }[key]


def _stage_name(content: Mapping[Any, Any], number: str | int) -> str:
    """How a message calls a stage: by its name, or by its place where it has no sound one."""
    stages = content.get("stages")
    if isinstance(stages, Sequence) and isinstance(number, int) and number < len(stages):
        stage = stages[number]
        name = stage.get("name") if isinstance(stage, Mapping) else None
        if isinstance(name, str) and re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
            return name
    return f"number {int(number) + 1}"


def _advice(key: str, part: str, parts: Mapping[str, type[Section]]) -> str:
    """Where a key belongs that is unknown in this part of a pipeline."""
    fields = list(parts[part].model_fields)
    below = "the stage's recipe" if part == "stage" else "recipe"
    if part != "synth":
        if key in sections():
            return f"options stand below {below}: write recipe: {{{key}: …}}"
        if key in option_keys():
            section, name = key.split(".")
            return f"options stand below {below}: write recipe: {{{section}: {{{name}: …}}}}"
    for other, wanted in (("pipeline", "of the file, beside 'stages'"), ("stage", "of a stage")):
        if other != part and key in parts[other].model_fields:
            return f"it is a key {wanted}"
    near = closest(key, fields)
    if near:
        return f"did you mean {near}?"
    if part == "stage" and key in parts["synth"].model_fields:
        return f"it is an option of the synthetic set: write synth: {{{key}: …}}"
    options = [name for name in nearest(key) if "." in name] if part != "synth" else []
    if options:
        section, name = options[0].split(".")
        return f"options stand below {below}: write recipe: {{{section}: {{{name}: …}}}}"
    known = ", ".join(fields)
    return f"{'synth' if part == 'synth' else 'a ' + part} has the keys {known}"
