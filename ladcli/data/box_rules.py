"""What is asked of the boxes in a COCO file, for every use that is made of them.

Each rule looks at whole columns and says of which records it holds; `ladcli.data.coco_json` asks.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ladcli.data.columns import Fault, Table, shorten
from ladcli.data.findings import Findings, Severity

#: Larger numbers are no pixel coordinates; float32 would lose whole pixels.
MAX_SIDE = 10_000_000
#: Images whose stated size is that of others make boxes leave them; from this share on they are
#: suspected, if it is more than one box.
_SUSPICIOUS_SHARE = 0.2
#: Fewer boxes say nothing about what their coordinates mean.
_FEW = 3

#: What a file is read for: to learn from its boxes, to measure by them, or to check them for both.
Use: TypeAlias = Literal["training", "evaluation", "check"]

_OUT, _COUNTED = "left out", "counted all the same, as pycocotools does"


def _said(use: Use, training: str, evaluation: str) -> str:
    """What becomes of records in a use, as the end of a sentence about them."""
    if use == "check":
        return f" (training: {training}; evaluation: {evaluation})"
    return f", {training if use == 'training' else evaluation}"


def refuse_unmeasurable(annotations: Table, boxes: np.ndarray, stated: np.ndarray) -> None:
    """Refuse a box [M, 4] or a stated area [M] that no evaluation can make sense of."""

    def refuse(kind: str, key: str, wrong: np.ndarray, words: str) -> None:
        def fault(row: int) -> Fault:
            problem = f"has {key} {shorten(annotations.records[row][key])}, {words}"
            return Fault(kind, problem, "evaluation cannot measure it, correct or remove it")

        annotations.refuse_where(key, wrong, fault)

    with np.errstate(invalid="ignore"):
        negative = np.any(boxes[:, 2:] < 0, axis=1)
    refuse("box-not-finite", "bbox", ~np.all(np.isfinite(boxes), axis=1), "which must be finite")
    refuse("box-negative", "bbox", negative, "whose size is negative")
    no_area = not_finite(annotations, "area", stated)
    refuse("area-not-finite", "area", no_area, "which must be finite")


def not_finite(annotations: Table, key: str, values: np.ndarray) -> np.ndarray:
    """Which ``values`` [M] of ``key`` are given and not finite, [M] bool."""
    wrong = ~np.isfinite(values)
    for row in np.flatnonzero(np.isnan(values)).tolist():
        wrong[row] = annotations.records[row].get(key) is not None  # else there is none
    return wrong


def areas(annotations: Table, boxes: np.ndarray, stated: np.ndarray, use: Use) -> np.ndarray:
    """[M] float64 areas: ``stated`` [M] (NaN absent), or those of the boxes.

    A negative area stays: to pycocotools such an object is of no size, so it is never missed.
    """
    usable = annotations.usable("bbox", "area")
    with np.errstate(all="ignore"):  # boxes are judged elsewhere, and may be infinite here
        of_box = boxes[:, 2] * boxes[:, 3]
        given = np.isfinite(stated)
        negative = given & (stated < 0)
        # Stored areas are often rounded.
        larger = given & (stated > of_box * 1.01 + 1)
    impossible = negative
    if use == "training":
        impossible = negative | not_finite(annotations, "area", stated)
        words = "have an impossible area, which training does not use"
    else:
        words = (
            "have an impossible area, a negative one: they count neither as found nor as missed, "
            "as with pycocotools"
        )
    annotations.remark("area-impossible", "warning", impossible & usable, words)
    annotations.remark("area-large", "note", larger & usable, "have an area larger than their box")
    return np.where(given, stated, of_box)


def judge(
    annotations: Table, boxes: np.ndarray, limit: np.ndarray, use: Use
) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes [M, 4] are boxes, and which lie in their image.

    Args:
        limit: [M, 2] float64 width and height of each box's image, infinite where not known.

    Returns:
        keep [M] bool, and inside [M] bool (a part of it; of some size).
    """
    usable = annotations.usable("bbox")
    finite = np.isfinite(boxes).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        keep = finite & (boxes[:, 2:] >= 0).all(axis=1)
        sane = finite & (np.abs(boxes) <= MAX_SIDE).all(axis=1)
        sized = sane & (boxes[:, 2:] > 0).all(axis=1)
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        inside = sized & ((high > 0) & (low < limit)).all(axis=1)
        # Half a pixel: coordinates that were rounded are no finding.
        sticking_out = inside & ((low < -0.5) | (high > limit + 0.5)).any(axis=1)
    no_size = "no or negative size" if use == "training" else "no size"
    out = _said(use, _OUT, _COUNTED)
    rules: tuple[tuple[str, Severity, np.ndarray, str], ...] = (
        ("box-not-finite", "warning", ~finite, f"that is not finite{_said(use, _OUT, _OUT)}"),
        ("box-beyond", "warning", finite & ~sane, f"that is beyond any image size{out}"),
        ("box-no-size", "warning", sane & ~sized, f"of {no_size}{out}"),
        ("box-outside", "warning", sized & ~inside, f"wholly outside the image{out}"),
        (
            "box-sticks-out",
            "note",
            sticking_out,
            f"that sticks out of the image{_said(use, 'clipped', 'taken as it is')}",
        ),
    )
    for kind, severity, mask, words in rules:
        annotations.remark(kind, severity, mask & usable, f"have a box {words}")
    return keep & usable, inside & usable


def ignored(annotations: Table, use: Use) -> np.ndarray:
    """[M] bool, which annotations are marked ``ignore`` (difficult)."""
    values = [record.get("ignore", 0) for record in annotations.records]
    if set(map(type, values)) <= {int, bool} and not any(values):
        return np.zeros(len(values), dtype=bool)
    # Anything but 0 and 1 has no known meaning, and only training asks.
    marked = np.array([value in (1, True, "1") for value in values], dtype=bool)
    words = {
        "training": "are marked ignore (difficult), left out",
        "evaluation": "are marked ignore, which pycocotools does not read: counted all the same",
        "check": f"are marked ignore (difficult){_said(use, _OUT, _COUNTED)}",
    }
    annotations.remark("ignored", "note", marked, words[use])
    return marked


def suspect(
    annotations: Table,
    findings: Findings,
    boxes: np.ndarray,
    stated: np.ndarray,
    owner: np.ndarray,
    inside: np.ndarray,
    limit: np.ndarray,
) -> None:
    """Report sets of boxes that are valid one by one but hardly meant.

    Args:
        boxes: [M, 4] x, y, width, height.
        stated: [M] areas of the file, NaN where absent.
        owner: [M, 2] image and class of each box.
        inside: [M] bool, which boxes lie in their image; of the others only the size is judged.
        limit: [M, 2] float64 width and height of each box's image, infinite where not known.
    """
    usable = annotations.usable("bbox", "image_id") & np.isfinite(limit).all(axis=1)
    judged, kept = boxes[usable], boxes[inside]
    if len(kept) and (kept[:, 2:] < 1).all() and (kept[:, :2] <= 1).all():
        findings.add(
            "boxes-fractions",
            "warning",
            len(kept),
            "every box is smaller than one pixel; they look like fractions of the image size",
            remedy="multiply them by width and height",
        )
    corners = _corners(judged, stated[usable], limit[usable])
    if corners is not None:
        findings.add(
            "boxes-corners",
            "warning",
            len(judged),
            f"boxes look like x1, y1, x2, y2 ({corners}); COCO boxes are x, y, width, height",
        )
    else:
        _suspect_sizes(findings, judged, limit[usable])
    repeated = np.zeros(len(boxes), dtype=bool)
    repeated[inside] = repeated_rows(np.column_stack([owner, boxes])[inside])
    annotations.remark(
        "box-repeated", "warning", repeated, "repeat the box and class of another one"
    )


def _suspect_sizes(findings: Findings, boxes: np.ndarray, limit: np.ndarray) -> None:
    """Suspect the sizes ``limit`` [M, 2] (width, height) of images that many boxes [M, 4] leave."""
    with np.errstate(invalid="ignore", over="ignore"):
        far = boxes[:, :2] + boxes[:, 2:]
        leaving = int((far > limit + 0.5).any(axis=1).sum())
        exchanged = int((far > limit[:, ::-1] + 0.5).any(axis=1).sum())
    if leaving < 2 or leaving < _SUSPICIOUS_SHARE * len(boxes):
        return
    text = (
        f"{leaving} of {len(boxes)} boxes leave their image, so the sizes in the file are suspect"
    )
    remedy = ""
    if exchanged <= leaving / 4:
        text += f": width and height look exchanged (then {exchanged} would leave it)"
    elif len(np.unique(limit, axis=0)) == 1:
        width, height = limit[0].astype(np.int64).tolist()
        text += f": {width}x{height} for all looks like a placeholder"
        remedy = "write the true sizes"
    else:
        remedy = "compare width and height with the image files"
    findings.add("sizes-suspect", "warning", leaving, text, remedy=remedy)


def repeated_rows(rows: np.ndarray) -> np.ndarray:
    """Which of ``rows`` [M, K] float64 occurred before, [M] bool."""
    # Equal rows become neighbors when sorted by a checksum, which is far faster than sorting by
    # every column.  (Adding zero makes -0.0 equal 0.0 bit for bit.)
    bits = (rows + 0.0).view(np.uint64)
    checksum = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        checksum = (checksum ^ bits[:, column]) * np.uint64(0x9E3779B97F4A7C15)
        checksum ^= checksum >> np.uint64(29)
    order = np.argsort(checksum, kind="stable")
    found = np.zeros(len(rows), dtype=bool)
    found[order[1:]] = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    return found


def _corners(boxes: np.ndarray, area: np.ndarray, limit: np.ndarray) -> str | None:
    """Why ``boxes`` [M, 4] look like corners, or None where they do not.

    Either the stated ``area`` [M] (NaN unknown) fits them only so; or, where there is none, all of
    them lie in their image ``limit`` [M, 2] as corners, and many leave it as sizes.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        sides = boxes[:, 2:] - boxes[:, :2]
        fits = np.isclose(area, sides.prod(axis=1), rtol=0.01)
        contrary = np.isclose(area, boxes[:, 2:].prod(axis=1), rtol=0.01) & ~fits
        if fits.sum() > len(boxes) / 2 and contrary.sum() < fits.sum() / 10:
            return "their area fits only so"
        if len(boxes) < _FEW or np.isfinite(area).any():
            return None
        within = (sides > 0).all() and (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= limit).all()
        leaving = (boxes[:, :2] + boxes[:, 2:] > limit + 0.5).any(axis=1).mean()
    return (
        "only so do they lie in their images" if within and leaving >= _SUSPICIOUS_SHARE else None
    )
