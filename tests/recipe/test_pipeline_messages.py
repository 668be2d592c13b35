from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ladcli.recipe.pipeline import PARTS, Pipeline
from ladcli.recipe.pipeline_messages import pipeline_complaint

STAGE = {"name": "paa", "run": "pretrain"}


def said_of(content: dict[Any, Any]) -> str:
    """What is said of the first error in a file, behind its name."""
    with pytest.raises(ValidationError) as caught:
        Pipeline.model_validate(content)
    return pipeline_complaint(caught.value.errors(include_url=False)[0], content, PARTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"stages": "paa"},
            ": stages must be a list of stages, each with '- name:' and 'run:', got 'paa'",
        ),
        (
            {"stages": [{**STAGE, "seeds": 3}]},
            ", stage paa: seeds must be a list of whole numbers, such as [0, 1, 2], got 3",
        ),
        (
            {"stages": [{**STAGE, "seeds": [0, "x"]}]},
            ", stage paa: seeds[1] must be a whole number, got 'x'",
        ),
        (
            {"stages": [{"name": "a b", "run": "pretrain"}]},
            ", stage number 1: name must consist of letters, digits, - and _, and begin with a "
            "letter or digit, got 'a b'",
        ),
        (
            {"stages": [STAGE, "cache"]},
            ", stage number 2: must have keys such as 'name:' and 'run:' below it, got 'cache'",
        ),
        (
            {"stages": [{**STAGE, "teacher": 7}]},
            ", stage paa: teacher must name a stage or a run, such as paa or paa-seed0, or a "
            "network of CoLAD, duo/a, got 7; put it in quotes",
        ),
        (
            {"stages": [{"name": "s", "run": "synth", "synth": {"train": 0}}]},
            ", stage s: synth.train must be at least 1, got 0",
        ),
    ],
)
def test_values_that_do_not_fit(content: dict[Any, Any], message: str) -> None:
    assert said_of(content) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"stages": [STAGE], "seeds": [1]}, ": unknown key seeds; it is a key of a stage"),
        (
            {"stages": [STAGE], "optim": {"lr": 1}},
            ": unknown key optim; options stand below recipe: write recipe: {optim: …}",
        ),
        (
            {"stages": [{**STAGE, "optim.lr": 1}]},
            ", stage paa: unknown key optim.lr; options stand below the stage's recipe: write "
            "recipe: {optim: {lr: …}}",
        ),
        ({"stages": [{**STAGE, "nam": "x"}]}, ", stage paa: unknown key nam; did you mean name?"),
        (
            {"stages": [{**STAGE, "width": 64}]},
            ", stage paa: unknown key width; it is an option of the synthetic set: write "
            "synth: {width: …}",
        ),
        (
            {"stages": [{**STAGE, True: 1}]},
            ", stage paa: unknown key true; a stage has the keys name, run, title, seeds, "
            "teacher, cache, synth, recipe",
        ),
    ],
)
def test_keys_that_there_are_not(content: dict[Any, Any], message: str) -> None:
    assert said_of(content) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"stage": [STAGE]},
            ": the key stages is missing; it holds the list of stages, each with '- name:' and "
            "'run:'; there is 'stage', did you mean that?",
        ),
        (
            {"stages": [{"name": "paa"}]},
            ", stage paa: the key run is missing; it says what the stage does: synth, pretrain, "
            "cache-teacher, distill or colad",
        ),
        (
            {"stages": [{"name": None, "run": "pretrain"}]},
            ", stage number 1: the key name has no value; it says how the stage and its folder "
            "are called, such as paa",
        ),
    ],
)
def test_keys_that_are_missing(content: dict[Any, Any], message: str) -> None:
    assert said_of(content) == message
