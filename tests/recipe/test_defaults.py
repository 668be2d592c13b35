"""Defaults that stand twice, because neither place may import the other, are the same."""

from __future__ import annotations

from inspect import signature

from ladcli.assign import paa_assigner
from ladcli.assign.candidates import MIN_IOU
from ladcli.assign.selection import TOPK
from ladcli.detector.levels import DEFAULT_LAYOUT, AnchorLayout
from ladcli.recipe.schema import AssignConfig, ModelConfig


def test_an_assigner_from_outside_is_the_one_of_a_recipe() -> None:
    defaults = {name: p.default for name, p in signature(paa_assigner).parameters.items()}
    assert defaults == AssignConfig().model_dump()
    assert (defaults["min_iou"], defaults["topk"]) == (MIN_IOU, TOPK)


def test_anchors_that_leave_no_trace_are_those_of_a_recipe() -> None:
    model = ModelConfig()
    assert AnchorLayout(model.anchor_scale, model.first_level) == DEFAULT_LAYOUT
