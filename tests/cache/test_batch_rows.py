"""Rows of a batch are read where its images are, and by nobody else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from ladcli.assign import Switch
from ladcli.cache import reader
from ladcli.cache.batch_rows import BatchRows, needed_tables
from ladcli.cache.cached_teacher import CachedTeacher
from ladcli.cache.format import LEVELS, POSITIVES, TABLES_OF, Level, needed_level
from ladcli.cache.reader import TeacherCache
from ladcli.data.index import CocoIndex
from ladcli.data.loader import load_batches
from ladcli.data.plan import Plan, plan_epoch
from ladcli.detector.levels import DEFAULT_LAYOUT
from ladcli.errors import BadImageError, UserError
from ladcli.objective.objectives import assign_by
from ladcli.recipe.schema import SoftConfig
from ladcli.stages.assigner import build_assigner
from ladcli.stages.datasets import open_training_set
from ladcli.structures import Batch
from tests.cache.caches import look_at, teacher_of
from tests.objective.opinions import random_batch, random_opinion, scene_of, write_opinion
from tests.stages.tiny import copy_of, cut_pixels, tiny_recipe

ASSIGNER = build_assigner(tiny_recipe().assign)
SWITCHES = [
    Switch(criterion, scope)
    for criterion in ("std-mean", "fisher")
    for scope in ("level", "object", "image", "batch")
]


@pytest.fixture(scope="module")
def index(data: Path) -> CocoIndex:
    return open_training_set(tiny_recipe(data).data)


@pytest.fixture(scope="module")
def plan(data: Path, index: CocoIndex) -> Plan:
    """Four batches of two."""
    return plan_epoch(index, tiny_recipe(data).data, batch_size=2, seed=3, epoch=0)


def rows_of(path: Path, index: CocoIndex) -> BatchRows:
    cache = TeacherCache(path)
    return BatchRows(cache, index, DEFAULT_LAYOUT, TABLES_OF[cache.info.level])


def load(
    index: CocoIndex, plan: Plan, beside: BatchRows, *, workers: int = 0, skip: bool = False
) -> Iterator[Batch]:
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    return iter(
        load_batches(
            index,
            plan,
            mean=mean,
            std=std,
            workers=workers,
            skip_bad_images=skip,
            pin_memory=False,
            beside=beside,
        )
    )


def handles(path: Path) -> int:
    """How often this process has a file open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(entry) == str(path.resolve())
        except OSError:  # the handle of this very listing
            continue
    return found


@pytest.fixture
def openers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[int]]:
    """Ids of the processes that open caches from now on, workers among them."""
    noted, open_file = tmp_path / "openers", reader._open

    def watched(path: Path) -> h5py.File:
        with noted.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return open_file(path)

    monkeypatch.setattr(reader, "_open", watched)
    return lambda: set(map(int, noted.read_text().split())) if noted.exists() else set()


def require_same_rows(a: Batch, b: Batch) -> None:
    assert a.stored is not None
    assert b.stored is not None
    assert a.stored.tables.keys() == b.stored.tables.keys()
    for table, columns in a.stored.tables.items():
        for name, values in columns.items():
            assert torch.equal(values, b.stored.tables[table][name]), (table, name)


def test_workers_read_and_the_training_process_opens_nothing(
    index: CocoIndex, plan: Plan, cache: Path, openers: Callable[[], set[int]]
) -> None:
    rows = rows_of(cache, index)
    expected = list(load(index, plan, rows))
    assert openers() == {os.getpid()}
    rows, before = rows_of(cache, index), openers()
    assert before == {os.getpid()}  # what the cache says of itself is read once, here
    assert handles(cache) == 0
    for batch, other in zip(load(index, plan, rows, workers=2), expected, strict=True):
        require_same_rows(batch, other)
        assert handles(cache) == 0
    assert len(openers() - before) == 2


def test_a_handle_belongs_to_its_process(
    index: CocoIndex, plan: Plan, cache: Path, openers: Callable[[], set[int]]
) -> None:
    """Probes open the file in the training process before workers start."""
    rows = rows_of(cache, index)
    expected = list(load(index, plan, rows))
    sample = plan[0][0]
    rows((sample,), sample.canvas_hw)
    assert handles(cache) == 1
    for batch, other in zip(load(index, plan, rows, workers=2), expected, strict=True):
        require_same_rows(batch, other)
    assert len(openers()) == 3


def test_the_file_is_closed_after_the_last_batch(index: CocoIndex, plan: Plan, cache: Path) -> None:
    rows = rows_of(cache, index)
    batches = load(index, plan, rows)
    next(batches)
    assert handles(cache) == 1
    list(batches)
    assert handles(cache) == 0
    stopped = load(index, plan, rows)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert handles(cache) == 0


@pytest.mark.parametrize("level", LEVELS)
def test_a_step_reads_no_file(
    index: CocoIndex,
    plan: Plan,
    caches: dict[Level, Path],
    monkeypatch: pytest.MonkeyPatch,
    level: Level,
) -> None:
    rows = rows_of(caches[level], index)
    teacher = CachedTeacher(rows, ASSIGNER)
    (batch, *_) = load(index, plan, rows)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was read")

    for owner, name in ((h5py.Dataset, "__getitem__"), (h5py.Group, "__getitem__")):
        monkeypatch.setattr(owner, name, forbidden)
    monkeypatch.setattr(reader, "_open", forbidden)
    opinion = teacher.look_at(batch, DEFAULT_LAYOUT.scene(batch))
    assert opinion.assignment().num_positive > 0
    if level in ("costs", "soft", "dense"):
        opinion.prices(ASSIGNER.candidates(DEFAULT_LAYOUT.scene(batch)), Switch())
    if level in ("soft", "dense"):
        opinion.soft_targets(select="pred", min_iou=0.1)
    with pytest.raises(AssertionError, match="the file was read"):
        list(load(index, plan, rows))


def refused_in_worker(index: CocoIndex, plan: Plan, rows: BatchRows) -> str:
    """The line that comes out of a worker."""
    with pytest.raises(UserError) as caught:
        list(load(index, plan, rows, workers=2))
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert type(caught.value) is UserError
    return message


def test_a_damaged_row_is_told_by_the_training_process(
    index: CocoIndex, plan: Plan, cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.h5"
    content = bytearray(cache.read_bytes())
    with h5py.File(cache) as file:
        chunk = file["anchor"].id.get_chunk_info(0)
    content[chunk.byte_offset + chunk.size // 2] ^= 0xFF
    path.write_bytes(content)
    text = refused_in_worker(index, plan, rows_of(path, index))
    assert text.startswith(f"{path}: is damaged (")
    assert text.endswith("build the cache again with lad cache-teacher")


def test_rows_that_cannot_be_are_told_by_the_training_process(
    index: CocoIndex, plan: Plan, cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.h5"
    path.write_bytes(cache.read_bytes())
    with h5py.File(path, "r+") as file:
        file["anchor"][:] = 10**6
    text = refused_in_worker(index, plan, rows_of(path, index))
    assert f"{path}: is damaged (1000000 is stored where" in text


def test_a_view_that_is_missing_is_told_by_the_training_process(
    index: CocoIndex, plan: Plan, cache: Path
) -> None:
    strange = [[replace(sample, view_id=7) for sample in batch] for batch in plan]
    text = refused_in_worker(index, strange, rows_of(cache, index))
    assert text.startswith(f"{cache}: holds no view 7 of image ")


def test_a_file_that_went_away_is_told_by_the_training_process(
    index: CocoIndex, plan: Plan, cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "gone.h5"
    path.write_bytes(cache.read_bytes())
    rows = rows_of(path, index)
    path.unlink()
    assert "no such teacher cache" in refused_in_worker(index, plan, rows)


def test_images_that_cannot_be_read_have_no_rows(
    data: Path, index: CocoIndex, plan: Plan, cache: Path, tmp_path: Path
) -> None:
    copy = copy_of(data, tmp_path / "data")
    torn = open_training_set(tiny_recipe(copy).data)
    (first, second), (third, fourth) = plan[0], plan[1]
    for sample in (first, third, fourth):
        cut_pixels(torn.path(sample.row))
    rows = rows_of(cache, torn)
    some, none = load(torn, plan[:2], rows, skip=True)
    assert (len(some), len(none)) == (1, 0)
    assert none.stored is None
    (alone,) = load(index, [[second]], rows_of(cache, index))
    require_same_rows(some, alone)
    with pytest.raises(BadImageError):
        list(load(torn, plan[:1], rows))


@pytest.mark.parametrize("level", LEVELS)
def test_the_tables_that_a_method_needs_are_enough(tmp_path: Path, level: Level) -> None:
    """Every method that a level serves, with no table but those."""
    batch = random_batch(1)
    opinion, student = random_opinion(2, batch), random_opinion(3, batch)
    cache, scene = write_opinion(tmp_path / "cache.h5", opinion, level), scene_of(batch)
    complete = look_at(teacher_of(cache, opinion.assigner), batch)
    served = 0
    for switch in (None, *SWITCHES):
        for assigns, soft in ((True, False), (True, True), (False, True)):
            options = {"teacher_assigns": assigns, "soft": soft, "switch": switch}
            if switch is not None and not assigns:
                continue
            if LEVELS.index(needed_level(**options)) > LEVELS.index(level):
                continue
            served += 1
            tables = needed_tables(level, **options)
            found = look_at(teacher_of(cache, opinion.assigner, tables), batch)
            if assigns:
                mine, theirs = (
                    assign_by(who, student, switch, scene, opinion.assigner)[0].gt_index
                    for who in (found, complete)
                )
                assert torch.equal(mine, theirs)
            if soft:
                select = SoftConfig().select
                found.soft_targets(select=select, min_iou=0.5)
    assert served == {"assignments": 1, "costs": 7, "soft": 15, "dense": 19}[level]


def test_positives_alone_are_read_where_nothing_more_is_needed() -> None:
    options = {"teacher_assigns": True, "switch": None, "soft": False}
    assert needed_tables("assignments", **options) == (POSITIVES,)
    assert len(needed_tables("soft", **{**options, "teacher_assigns": False, "soft": True})) == 3
