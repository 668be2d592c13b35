from __future__ import annotations

from ladcli.assign import paa_assigner
from ladcli.assign.sklearn_mixture import fit_mixtures_sklearn


def test_options_are_what_fingerprints_of_existing_caches_were_made_of() -> None:
    assert paa_assigner().options == (
        ("alpha", 0.25),
        ("box_weight", 1.3),
        ("candidates", "iou"),
        ("cost", "focal+giou"),
        ("gamma", 2.0),
        ("min_iou", 0.1),
        ("selection", "density-peak"),
        ("topk", 9),
    )


def test_the_engine_of_the_mixture_is_no_option() -> None:
    slow = paa_assigner(mixture="sklearn")
    assert slow.options == paa_assigner().options
    assert slow.selection_rule.engine is fit_mixtures_sklearn  # type: ignore[attr-defined]


def test_topk_is_held_once() -> None:
    assigner = paa_assigner(topk=5)
    assert (assigner.topk, dict(assigner.options)["topk"]) == (5, 5)
