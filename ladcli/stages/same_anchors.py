"""Networks that teach each other must have the same anchors: opinions are told anchor by anchor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ladcli.detector.levels import AnchorLayout
from ladcli.errors import UserError


def require_same_anchors(
    path: Path, theirs: AnchorLayout, mine: AnchorLayout, *, whose: str
) -> None:
    """Refuse a network, or what is stored of it, whose outputs belong to other anchors.

    Args:
        path: of the checkpoint or cache with ``theirs``.
        whose: are ``mine``.

    Raises:
        UserError: names both.
    """
    if theirs != mine:
        options = " ".join(f"--set model.{key}={v:g}" for key, v in theirs.to_plain().items())
        raise UserError(
            f"{path}: has other anchors ({_in_words(theirs)}) than {whose} ({_in_words(mine)}), "
            f"and networks teach anchor by anchor; give both the same, such as {options}"
        )


def shared_anchors(of: Mapping[str, AnchorLayout]) -> AnchorLayout:
    """The anchors that all networks of a run have, which come by name.

    Raises:
        UserError: they differ; names both.
    """
    first, *others = of
    for name in others:
        if of[name] != of[first]:
            raise UserError(
                f"network {first} has other anchors ({_in_words(of[first])}) than network "
                f"{name} ({_in_words(of[name])}), and networks teach anchor by anchor; set "
                "model.anchor_scale and model.first_level alike for both"
            )
    return of[first]


def _in_words(anchors: AnchorLayout) -> str:
    return ", ".join(f"model.{key} {value:g}" for key, value in anchors.to_plain().items())
