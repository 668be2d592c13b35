"""`metrics.json`: how good the detections are that lie beside it, as one JSON object.

Beside COCO's numbers it holds what was asked for (TIDE's errors, another engine), the score
thresholds that a validation gives, and which images were left out because they cannot be read:
``"images": {"measured": 158, "skipped": [12, 77]}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladcli.errors import UserError
from ladcli.json_text import read_json
from ladcli.runs.coco_numbers import CocoMetrics
from ladcli.runs.score_thresholds import ScoreThresholds
from ladcli.runs.tide_numbers import TideErrors, TideReport


def metrics_content(
    metrics: CocoMetrics,
    *,
    tide: TideReport | None = None,
    thresholds: ScoreThresholds | None = None,
    measured: int = 0,
    skipped: Sequence[int] = (),
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of a metrics.json; what is absent leaves no trace.

    Args:
        measured: images that the numbers are of; counts where some were skipped.
        skipped: ids of images that could not be read.
        more: what else is written down about the measurement, and never read.
    """
    content = metrics.to_json()
    if tide is not None:
        content |= tide.to_json()
    if thresholds is not None:
        content["thresholds"] = thresholds.to_plain()
    return {**content, **images_content(measured, skipped), **(more or {})}


def images_content(measured: int, skipped: Sequence[int]) -> dict[str, Any]:
    """Which images a metrics.json is of; nothing where all were seen."""
    return {"images": {"measured": measured, "skipped": list(skipped)}} if skipped else {}


@dataclass(frozen=True)
class Recorded:
    """The numbers of a metrics.json as far as they can be used."""

    metrics: CocoMetrics | None = None
    tide: TideErrors | None = None  # at the first thresholds that were asked for
    remarks: tuple[str, ...] = ()  # what is wrong with the file


def read_recorded(path: Path) -> Recorded:
    """The numbers of a metrics.json; none where there is no such file."""
    if not path.is_file():
        return Recorded()
    try:
        content = read_json(path)
    except UserError as error:
        return Recorded(remarks=(str(error),))
    try:
        metrics = CocoMetrics.from_json(content)
        entries = content.get("tide") or []
        tide = TideErrors.from_json(entries[0]) if entries else None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return Recorded(remarks=(f"{path}: is no metrics file; measure anew with lad eval.",))
    return Recorded(metrics, tide)


def stored_thresholds(path: Path) -> ScoreThresholds | None:
    """The thresholds in a metrics.json; None where there are none that can be used."""
    try:
        content = read_json(path)
        stored = content.get("thresholds") if isinstance(content, dict) else None
        return ScoreThresholds.from_plain(stored) if stored is not None else None
    except (UserError, ValueError):  # no such file, or a damaged one: pages say that there are none
        return None


def skipped_images(path: Path) -> list[int]:
    """Ids of the images that a metrics.json is not of; none where it does not say."""
    try:
        content = read_json(path)
    except UserError:  # there is none, or it is damaged, which others tell
        return []
    images = content.get("images") if isinstance(content, dict) else None
    skipped = images.get("skipped") if isinstance(images, dict) else None
    return [i for i in skipped if type(i) is int] if isinstance(skipped, list) else []
