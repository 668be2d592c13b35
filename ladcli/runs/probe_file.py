"""Probe files: how a few fixed training images were assigned at one moment, as ``.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladcli.errors import UserError
from ladcli.files import atomic_path

#: Arrays of one image, by name.
Record = dict[str, np.ndarray]

#: Whose prices decided: the student's own, or a teacher's.
SOURCES = ("own", "teacher")


@dataclass(frozen=True, eq=False)
class ProbedSamples:
    """Costs of the cheapest candidates, and the mixture fitted to them.  N boxes, M samples."""

    cost: np.ndarray  # [N, M] ascending, NaN for padding
    positive: np.ndarray  # [N, M] bool
    means: np.ndarray  # [N, 2] of the mixture
    variances: np.ndarray  # [N, 2]
    weights: np.ndarray  # [N, 2]


@dataclass(frozen=True, eq=False)
class Decisions:
    """Positives by the prices of one source.  K positives."""

    positive_gt: np.ndarray  # [K] int64, row of the box
    positive_center: np.ndarray  # [K, 2] x, y of the anchor's center, input pixels
    positive_stride: np.ndarray  # [K] int64, pixels
    samples: (
        ProbedSamples | None
    )  # None where the prices themselves are not known (a cache of labels)


@dataclass(frozen=True, eq=False)
class Probe:
    """A probe file.  P images, N boxes of all of them."""

    epoch: int
    step: int
    file_names: tuple[str, ...]  # P
    content_hw: np.ndarray  # [P, 2] int64, pixels of the network input
    gt_image: np.ndarray  # [N] int64, row of the image
    gt_box: np.ndarray  # [N, 4] xyxy, input pixels
    gt_label: np.ndarray  # [N] int64
    decisions: Mapping[str, Decisions]  # by source; no teacher where there is none


def save_probe(
    path: Path, records: Sequence[Record], *, epoch: int, step: int, names: Mapping[str, np.ndarray]
) -> None:
    """Write the records of several images as one ``.npz`` file, atomically.

    Boxes of all images come end to end, ``gt_image`` names the image of each; positives likewise,
    with ``…_positive_image`` and ``…_positive_gt`` (a row among all boxes).

    Args:
        names: arrays [P] that tell the images, such as ``image_id``.
    """
    num_gt = [len(record["gt_box"]) for record in records]
    first_gt = np.concatenate([[0], np.cumsum(num_gt)])[:-1]
    shared = set(records[0]).intersection(*map(set, records))
    arrays = {key: np.concatenate([r[key] for r in records]) for key in sorted(shared)}
    arrays["gt_image"] = np.repeat(np.arange(len(records)), num_gt)
    for key in [k for k in arrays if k.endswith("_positive_gt")]:
        count = [len(record[key]) for record in records]
        arrays[key] = arrays[key] + np.repeat(first_gt, count)
        arrays[key.replace("_gt", "_image")] = np.repeat(np.arange(len(records)), count)
    arrays |= {"epoch": np.array(epoch), "step": np.array(step), **names}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_probe(path: Path) -> Probe:
    """Read one file.

    Raises:
        UserError: it is no probe file, damaged, or its arrays do not fit each other.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        probe = _probe(arrays)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        if "allow_pickle" in reason:  # numpy's advice would be to run what the file holds
            reason = "it holds other things than numbers"
        raise UserError(
            f"{path}: is no probe file that can be read ({reason}); remove it to go without"
        ) from error
    return probe


def _probe(arrays: Mapping[str, np.ndarray]) -> Probe:
    names = tuple(str(name) for name in arrays["file_name"].tolist())
    num_images, num_gt = len(names), len(arrays["gt_box"])
    probe = Probe(
        epoch=int(arrays["epoch"]),
        step=int(arrays["step"]),
        file_names=names,
        content_hw=_shaped(arrays, "content_hw", (num_images, 2)),
        gt_image=_rows(arrays, "gt_image", num_gt, below=num_images),
        gt_box=_shaped(arrays, "gt_box", (num_gt, 4)),
        gt_label=_shaped(arrays, "gt_label", (num_gt,)),
        decisions={
            source: _decisions(arrays, source, num_gt)
            for source in SOURCES
            if f"{source}_positive_gt" in arrays
        },
    )
    if (probe.content_hw < 1).any():
        raise ValueError("content_hw must be positive")
    return probe


def _decisions(arrays: Mapping[str, np.ndarray], source: str, num_gt: int) -> Decisions:
    num = len(arrays[f"{source}_positive_gt"])
    return Decisions(
        positive_gt=_rows(arrays, f"{source}_positive_gt", num, below=num_gt),
        positive_center=_shaped(arrays, f"{source}_positive_center", (num, 2)),
        positive_stride=_shaped(arrays, f"{source}_positive_stride", (num,)),
        samples=_samples(arrays, source, num_gt) if f"{source}_cost" in arrays else None,
    )


def _samples(arrays: Mapping[str, np.ndarray], source: str, num_gt: int) -> ProbedSamples:
    num = arrays[f"{source}_cost"].shape[1]
    return ProbedSamples(
        cost=_shaped(arrays, f"{source}_cost", (num_gt, num)).astype(np.float64),
        positive=_shaped(arrays, f"{source}_sample_positive", (num_gt, num)),
        means=_shaped(arrays, f"{source}_means", (num_gt, 2)),
        variances=_shaped(arrays, f"{source}_variances", (num_gt, 2)),
        weights=_shaped(arrays, f"{source}_weights", (num_gt, 2)),
    )


def _shaped(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = arrays[name]
    if array.shape != shape:
        raise ValueError(f"{name} has shape {list(array.shape)} instead of {list(shape)}")
    return array


def _rows(arrays: Mapping[str, np.ndarray], name: str, num: int, *, below: int) -> np.ndarray:
    rows = _shaped(arrays, name, (num,))
    if num and (rows.min() < 0 or rows.max() >= below):
        raise ValueError(f"{name} points beyond what is there")
    return rows
