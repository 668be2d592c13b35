from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ladcli.errors import UserError
from ladcli.runs.probe_file import read_probe, save_probe
from tests.evaluate.report.runs import probe_arrays, write_probe


def test_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    probe = read_probe(write_probe(tmp_path / "epoch_002.npz", epoch=2, names=("a.jpg", "b.jpg")))
    assert (probe.epoch, probe.step, probe.file_names) == (2, 20, ("a.jpg", "b.jpg"))
    assert list(probe.decisions) == ["own", "teacher"]
    own = probe.decisions["own"]
    assert own.samples is not None
    assert own.samples.cost.shape == (4, 45)
    assert own.samples.positive.sum() == 4
    assert own.positive_stride.tolist() == [8, 32, 8, 32]


def test_teacher_may_be_absent(tmp_path: Path) -> None:
    path = write_probe(tmp_path / "epoch_000.npz", epoch=0, names=("a.jpg",), teacher=False)
    assert list(read_probe(path).decisions) == ["own"]


def test_a_teacher_may_have_labels_without_costs(tmp_path: Path) -> None:
    path = write_probe(tmp_path / "epoch_000.npz", epoch=0, names=("a.jpg",), prices=False)
    teacher = read_probe(path).decisions["teacher"]
    assert teacher.positive_stride.tolist() == [8, 32]
    assert teacher.samples is None


def damaged(change: dict[str, Any]) -> dict[str, Any]:
    return {**probe_arrays(epoch=0, names=("a.jpg",)), **change}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"gt_box": np.zeros((2, 3))}, "gt_box has shape [2, 3] instead of [2, 4]"),
        ({"gt_image": np.array([0, 1])}, "gt_image points beyond"),
        ({"own_positive_gt": np.array([0, 2])}, "own_positive_gt points beyond"),
        ({"content_hw": np.zeros((1, 2), dtype=int)}, "content_hw must be positive"),
        (
            {"file_name": np.array(["a.jpg"], dtype=object)},
            "epoch_000.npz: is no probe file that can be read (it holds other things than numbers)",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    path = tmp_path / "epoch_000.npz"
    np.savez(path, **damaged(change))
    with pytest.raises(UserError) as refusal:
        read_probe(path)
    assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "epoch_000.npz"
    for content in (b"", b"PK\x03\x04 cut", b"text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="no probe file"):
            read_probe(path)


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    """Two images of one and two boxes; the positive of the second answers for its second box."""
    records = [
        {
            "content_hw": np.array([[96, 128]]),
            "canvas_hw": np.array([[96, 128]]),
            "gt_box": np.full((count, 4), 10.0 * count, dtype=np.float32),
            "gt_label": np.arange(count),
            "own_positive_gt": np.array([count - 1]),
            "own_positive_center": np.array([[24.0, 32.0]]),
            "own_positive_stride": np.array([8]),
        }
        for count in (1, 2)
    ]
    path = tmp_path / "probes/epoch_003.npz"
    save_probe(path, records, epoch=3, step=30, names={"file_name": np.array(["a.jpg", "b.jpg"])})
    probe = read_probe(path)
    assert (probe.epoch, probe.step, probe.file_names) == (3, 30, ("a.jpg", "b.jpg"))
    assert probe.gt_image.tolist() == [0, 1, 1]
    assert probe.gt_label.tolist() == [0, 0, 1]
    assert probe.decisions["own"].positive_gt.tolist() == [0, 2]
    assert probe.decisions["own"].samples is None
