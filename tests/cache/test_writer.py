"""Building a cache: parts, resuming, and the file that comes out."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ladcli.cache.format import POSITIVES
from ladcli.cache.reader import TeacherCache, read_cache_info
from ladcli.cache.writer import discard_parts
from ladcli.detector.anchors import anchor_grid
from ladcli.errors import UserError
from ladcli.training_cost import UNKNOWN, TrainingCost
from tests.cache.caches import (
    ATTRIBUTES,
    EXPECTED,
    TALL,
    WIDE,
    assignment_of,
    read_positives,
    rows_of,
    view_batch,
    write_cache,
    write_part,
    writer_for,
)
from tests.refusals import refusal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache.h5"


def refusal(path: Path, **changes: object) -> str:
    message = refusal_of(writer_for, path, **changes)
    assert str(path.parent / "cache.h5.parts") in message
    return message


def test_all_positives_come_back(path: Path) -> None:
    assert read_positives(TeacherCache(write_cache(path))) == EXPECTED
    assert [entry.name for entry in path.parent.iterdir()] == ["cache.h5"]


def test_tables_by_hand(path: Path) -> None:
    with h5py.File(write_cache(path)) as file:
        assert file["image_ids"][:].tolist() == [7, 9, 40]
        assert file["view_ids"][:].tolist() == [0, 3]
        assert file["count"][:].tolist() == [[3, 1], [0, 2], [0, 2]]
        assert file["start"][:].tolist() == [[0, 3], [3, 4], [6, 6]]
        assert file["canvas"][:].tolist() == [[[64, 96]] * 2] * 2 + [[[96, 64]] * 2]
        assert file["anchor"][:].tolist() == [3, 5, 128, 90, 17, 18, 0, 127]
        assert file["gt"][:].tolist() == [0, 1, 0, 1, 0, 0, 2, 1]


def test_positives_have_types_that_hold_every_canvas(path: Path) -> None:
    writer = writer_for(path, num_parts=1)
    canvas_hw = (1536, 2080)
    last = anchor_grid(canvas_hw).num_anchors - 1
    assert last > np.iinfo(np.uint16).max
    writer.add(view_batch([(0, 0)], canvas_hw), rows_of(assignment_of([{last: 2}], canvas_hw)))
    writer.close_part(0)
    writer.finish()
    with h5py.File(path) as file:
        assert (file["anchor"].dtype, file["gt"].dtype) == (np.uint32, np.uint16)
        assert (file["anchor"][:].tolist(), file["gt"][:].tolist()) == ([last], [2])


def test_attributes_are_kept(path: Path) -> None:
    with h5py.File(write_cache(path)) as file:
        attributes = dict(file.attrs)
        header = json.loads(file["header"][:].tobytes())
        assert file["header"].fletcher32
    assert attributes == {"format": b"lad-teacher-cache", "version": 2}
    assert header["level"] == "assignments"
    assert header["batch_size"] == 2
    assert header["fingerprints"] == ATTRIBUTES["fingerprints"]


def test_background_and_ignored_anchors_are_not_stored(path: Path) -> None:
    assignment = assignment_of([{3: 1}], WIDE)
    assignment.gt_index[0, 50:] = -2
    writer = writer_for(path, num_parts=1)
    writer.add(view_batch([(0, 0)], WIDE), rows_of(assignment))
    writer.close_part(0)
    writer.finish()
    assert TeacherCache(path).info.num_positives == 1


def test_a_cache_without_any_positive_is_one(path: Path) -> None:
    writer = writer_for(path, num_parts=1)
    writer.add(view_batch([(2, 3)], TALL), rows_of(assignment_of([{}], TALL)))
    writer.close_part(0)
    writer.finish()
    rows = TeacherCache(path).rows(POSITIVES, 2, 3, TALL)
    assert len(rows["anchor"]) == len(rows["gt"]) == 0


def test_parts_of_skipped_images_may_be_empty(path: Path) -> None:
    writer = writer_for(path, num_parts=2)
    writer.close_part(0)
    writer.close_part(1)
    writer.finish()
    assert TeacherCache(path).info.num_positives == 0


def test_a_build_goes_on_with_the_parts_that_are_missing(path: Path) -> None:
    write_part(writer_for(path), 1)
    second = writer_for(path)
    assert second.missing_parts() == [0, 2]
    assert not path.exists()
    for number in second.missing_parts():
        write_part(second, number)
    assert second.missing_parts() == []
    second.finish()
    assert read_positives(TeacherCache(path)) == EXPECTED


def test_the_order_in_which_parts_were_made_leaves_no_trace(path: Path, tmp_path: Path) -> None:
    writer = writer_for(path)
    for number in (2, 0, 1):
        write_part(writer, number)
    writer.finish()
    write_cache(tmp_path / "straight.h5")
    with h5py.File(path) as a, h5py.File(tmp_path / "straight.h5") as b:
        assert set(a) == set(b)
        assert all(np.array_equal(a[name][:], b[name][:]) for name in a)


def test_a_part_that_was_not_closed_is_missing(path: Path) -> None:
    """As after a kill: what was added is lost, and nothing half written is left to be read."""
    writer = writer_for(path)
    write_part(writer, 0)
    writer.add(view_batch([(0, 3)], WIDE), rows_of(assignment_of([{1: 1}], WIDE)))
    assert writer_for(path).missing_parts() == [1, 2]


def test_a_failed_part_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_for(path)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(UserError, match="No space left on device"):
        write_part(writer, 0)
    assert [entry.name for entry in writer.folder.iterdir()] == ["build.json"]
    assert writer_for(path).missing_parts() == [0, 1, 2]


def test_packing_that_fails_keeps_the_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_for(path)
    for number in range(3):
        write_part(writer, number)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(h5py.Group, "create_dataset", full_disk)
        with pytest.raises(UserError, match="No space left on device"):
            writer.finish()
    assert not path.exists()
    again = writer_for(path)
    assert again.missing_parts() == []
    again.finish()
    assert read_positives(TeacherCache(path)) == EXPECTED


@pytest.mark.parametrize("name", ["teacher", "data", "input", "assigner"])
def test_an_unfinished_build_for_something_else_is_refused(path: Path, name: str) -> None:
    write_part(writer_for(path), 0)
    text = refusal(path, fingerprints={**ATTRIBUTES["fingerprints"], name: "x" * 64})
    assert "holds an unfinished build for something else" in text
    assert f"({name} " in text
    assert "--overwrite" in text
    assert writer_for(path).missing_parts() == [1, 2]  # and it is still there


@pytest.mark.parametrize("change", [{"batch_size": 4}, {"precision": "bf16"}, {"extra": 1}])
def test_an_unfinished_build_with_other_options_is_refused(
    path: Path, change: dict[str, object]
) -> None:
    write_part(writer_for(path), 0)
    assert "holds an unfinished build with other options" in refusal(path, **change)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_folder_that_is_no_build_is_refused(path: Path, content: str) -> None:
    writer_for(path)
    (path.parent / "cache.h5.parts" / "build.json").write_text(content)
    assert "holds no build of a cache" in refusal(path)


def test_remarks_are_stored_and_tell_no_builds_apart(path: Path) -> None:
    write_part(writer_for(path), 0)
    cost = TrainingCost(12, 2460, 374.0, 5, 4)
    writer = writer_for(path, remarks={"teacher_cost": cost.to_plain()})
    assert writer.missing_parts() == [1, 2]
    for number in (1, 2):
        write_part(writer, number)
    writer.finish()
    assert read_cache_info(path).teacher_cost == cost


def test_caches_without_remarks_are_read(path: Path) -> None:
    write_cache(path)
    assert read_cache_info(path).teacher_cost == UNKNOWN


def test_another_number_of_parts_is_another_build(path: Path) -> None:
    write_part(writer_for(path), 0)
    with pytest.raises(UserError, match="with other options"):
        writer_for(path, num_parts=4)


def test_discarding_parts_starts_anew(path: Path) -> None:
    write_part(writer_for(path), 0)
    discard_parts(path)
    assert writer_for(path, batch_size=9).missing_parts() == [0, 1, 2]
    discard_parts(path)
    discard_parts(path)  # nothing there is fine
