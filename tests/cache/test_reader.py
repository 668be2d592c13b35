"""Reading a cache: what it says of itself, what it refuses, and the teacher it stands for."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ladcli.assign import paa_assigner
from ladcli.cache.format import POSITIVES
from ladcli.cache.reader import TeacherCache, read_cache_info
from ladcli.detector.anchors import anchor_grid
from ladcli.structures import BACKGROUND, IGNORE, Targets
from tests.cache.caches import (
    ATTRIBUTES,
    EXPECTED,
    TALL,
    WIDE,
    as_version_1,
    assignment_of,
    edit_header,
    look_at,
    read_positives,
    rows_of,
    teacher_of,
    view_batch,
    with_rows,
    write_cache,
    write_part,
    writer_for,
)
from tests.refusals import refusal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A cache of three images in two views each."""
    return write_cache(tmp_path / "cache.h5")


def refusal(path: Path, action: Callable[[], object] | None = None) -> str:
    """The one line with which a cache is refused."""
    message = refusal_of(action) if action else refusal_of(TeacherCache, path)
    assert message.startswith(str(path))
    return message


def test_a_cache_says_what_it_holds(path: Path) -> None:
    info = read_cache_info(path)
    assert (info.level, info.precision) == ("assignments", "fp32")
    assert (info.num_images, info.num_views, info.num_positives) == (3, 2, 8)
    assert info.fingerprints == ATTRIBUTES["fingerprints"]
    assert info.num_bytes == path.stat().st_size
    assert info.bytes_per_image_view == path.stat().st_size / 6


def test_what_it_says_is_plain_json(path: Path) -> None:
    plain = json.loads(json.dumps(read_cache_info(path).to_json()))
    assert plain["images"] == 3
    assert plain["views"] == 2
    assert plain["positives"] == 8
    assert plain["bytes_per_image_view"] == pytest.approx(plain["bytes"] / 6)
    assert plain["fingerprints"] == ATTRIBUTES["fingerprints"]


def test_many_image_views_cost_little_each(tmp_path: Path) -> None:
    """The bar is 1 KB for each on COCO; 20 positives of a large canvas need 60 bytes raw."""
    rng, canvas_hw, number = np.random.default_rng(0), (320, 480), 200
    writer = writer_for(tmp_path / "cache.h5")
    writer.image_ids, writer.view_ids, writer.num_parts = np.arange(number), (0,), 1
    for row in range(number):
        anchors = rng.choice(anchor_grid(canvas_hw).num_anchors, 20, replace=False)
        positives = {int(a): int(g) for a, g in zip(anchors, rng.integers(0, 7, 20), strict=True)}
        writer.add(
            view_batch([(row, 0)], canvas_hw), rows_of(assignment_of([positives], canvas_hw))
        )
    writer.close_part(0)
    writer.finish()
    assert read_cache_info(tmp_path / "cache.h5").bytes_per_image_view < 200


def test_a_view_that_is_not_cached_is_refused(path: Path) -> None:
    cache = TeacherCache(path)
    text = refusal(path, lambda: cache.rows(POSITIVES, 1, 2, WIDE))
    assert "holds no view 2 of image 9" in text


def test_an_image_that_was_skipped_while_caching_is_refused(tmp_path: Path) -> None:
    writer = writer_for(tmp_path / "cache.h5")
    write_part(writer, 0)
    write_part(writer, 1)
    writer.close_part(2)  # the last image could not be read
    writer.finish()
    cache = TeacherCache(tmp_path / "cache.h5")
    assert cache.rows(POSITIVES, 1, 3, WIDE)["anchor"].tolist() == [17, 18]
    text = refusal(cache.path, lambda: cache.rows(POSITIVES, 2, 0, TALL))
    assert "holds no view 0 of image 40" in text


def test_another_canvas_is_refused(path: Path) -> None:
    cache = TeacherCache(path)
    text = refusal(path, lambda: cache.rows(POSITIVES, 2, 0, WIDE))
    assert "image 40 was seen on a canvas of (96, 64), here it is on (64, 96)" in text


def test_an_open_cache_can_be_copied_before_it_is_read(path: Path) -> None:
    cache = TeacherCache(path)
    for other in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert read_positives(other) == EXPECTED


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such teacher cache" in refusal(tmp_path / "absent.h5")
    assert "no such teacher cache" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"no HDF5 at all" * 99])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cache.h5").write_bytes(content)
    assert "cannot be read as HDF5" in refusal(tmp_path / "cache.h5")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refusal(path)


def test_hdf5_of_other_programs_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cache.h5", "w") as file:
        file["anchor"] = [1, 2, 3]
    assert "no teacher cache of this program" in refusal(tmp_path / "cache.h5")


def edit(path: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def test_another_version_is_refused(path: Path) -> None:
    edit(path, lambda file: file.attrs.modify("version", 3))
    assert "has version 3, this program reads version 2" in refusal(path)


@pytest.mark.parametrize(
    "name", ["image_ids", "view_ids", "start", "count", "canvas", "anchor", "gt"]
)
def test_a_missing_table_is_named(path: Path, name: str) -> None:
    edit(path, lambda file: file.pop(name))
    assert f"is damaged (no table {name!r})" in refusal(path)


def test_columns_of_the_narrowest_type_are_read_too(path: Path) -> None:
    """The first caches of this version had them, and neither number of classes nor outputs."""

    def as_it_was(file: h5py.File) -> None:
        for name, dtype in (("anchor", np.uint8), ("gt", np.uint8)):
            values = file[name][:]
            del file[name]
            file.create_dataset(name, data=values.astype(dtype), compression="gzip", shuffle=True)

    path = as_version_1(path, path.with_name("older.h5"))
    edit(path, as_it_was)
    assert read_positives(TeacherCache(path)) == EXPECTED
    info = read_cache_info(path)
    assert (info.class_output, info.iou_branch, info.num_classes) == ("logits", True, 3)


@pytest.mark.parametrize("name", ["version", "level", "precision", "fingerprints", "classes"])
def test_a_missing_attribute_is_damage(path: Path, name: str) -> None:
    older = as_version_1(path, path.with_name("older.h5"))
    edit(older, lambda file: file.attrs.pop(name))
    assert "is damaged" in refusal(older)
    if name != "version":
        edit_header(path, lambda header: header.pop(name))
        assert "is damaged" in refusal(path)


@pytest.mark.parametrize("value", ["{", "[]", "7"])
def test_fingerprints_that_are_no_table_are_damage(path: Path, value: str) -> None:
    older = as_version_1(path, path.with_name("older.h5"))
    edit(older, lambda file: file.attrs.modify("fingerprints", value))
    assert "is damaged" in refusal(older)
    for found in (value, [], 7, None):
        edit_header(path, lambda header, found=found: header.update(fingerprints=found))
        assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("count", [[3, 1], [0, 2], [0, 3]]),
        ("start", [[0, 3], [3, 4], [6, 7]]),
        ("start", [[0, 3], [3, 4], [6, 2**63 + 6]]),
        ("start", [[0, 3], [3, 4]]),
        ("count", [3, 1, 0, 2, 0, 2]),
        ("canvas", [[64, 96]] * 3),
        ("gt", [0, 1, 0]),
        ("image_ids", [7, 9]),
        ("view_ids", [0, 3, 4]),
    ],
)
def test_tables_that_disagree_are_damage(path: Path, name: str, table: list[object]) -> None:
    def replace_table(file: h5py.File) -> None:
        dtype = file[name].dtype
        del file[name]
        file[name] = np.array(table, dtype=dtype)

    edit(path, replace_table)
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    "name", ["image_ids", "view_ids", "start", "count", "canvas", "anchor", "gt"]
)
def test_stored_numbers_that_changed_are_noticed(path: Path, name: str) -> None:
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 0x10
    path.write_bytes(content)
    assert "is damaged" in refusal(path, lambda: read_positives(TeacherCache(path)))


def test_the_teacher_answers_with_the_cached_positives(path: Path) -> None:
    teacher = teacher_of(TeacherCache(path), paa_assigner())
    views = [(1, 3), (0, 0), (1, 0)]
    found = look_at(teacher, view_batch(views, WIDE)).assignment().gt_index
    assert found.dtype is torch.int64
    expected = assignment_of([EXPECTED[view] for view in views], WIDE)
    assert torch.equal(found, expected.gt_index)


def test_anchors_outside_the_valid_extent_are_ignored(path: Path) -> None:
    batch = view_batch([(0, 0)], WIDE)
    batch.valid_hw[0, 1] = 64
    grid = anchor_grid(WIDE)
    teacher = teacher_of(TeacherCache(path), paa_assigner())
    found = look_at(teacher, batch).assignment().gt_index[0]
    inside = grid.valid(batch.valid_hw)[0]
    assert (found[~inside] == IGNORE).all()
    assert (found[inside] != IGNORE).all()
    assert found[3] == 0


def test_crowd_regions_are_ignored_where_the_assigner_says_so(path: Path) -> None:
    batch = view_batch([(0, 0)], WIDE)
    crowd = torch.tensor([[[-1e4, -1e4, 1e4, 1e4]]])
    targets = batch.targets
    crowded = Targets(targets.boxes, targets.labels, targets.valid, crowd)
    object.__setattr__(batch, "targets", crowded)
    cache = TeacherCache(path)
    plain, ignoring = (
        look_at(teacher_of(cache, paa_assigner(ignore_crowd=ignore)), batch).assignment().gt_index
        for ignore in (False, True)
    )
    assert (plain == BACKGROUND).any()
    assert torch.equal(ignoring >= 0, plain >= 0)
    assert (ignoring[ignoring < 0] == IGNORE).all()


@pytest.mark.parametrize(("table", "row", "value"), [("anchor", 2, 129), ("gt", 0, 3)])
def test_numbers_beyond_anchors_and_boxes_are_damage(
    path: Path, table: str, row: int, value: int
) -> None:
    edit(path, lambda file: file[table].__setitem__(row, value))
    teacher = teacher_of(TeacherCache(path), paa_assigner())
    text = refusal(path, lambda: with_rows(teacher, view_batch([(0, 0)], WIDE)))
    assert f"{value} is stored where {value - 1} is the most" in text
