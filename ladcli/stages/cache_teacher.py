"""`lad cache-teacher`: run a teacher over every view of the training set and store what it says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ladcli.cache.contents import encode_opinion
from ladcli.cache.differences import CacheUse, describe_origin, difference
from ladcli.cache.format import require_level, require_match
from ladcli.cache.reader import CacheInfo, TeacherCache, read_cache_info
from ladcli.cache.writer import PARTS, CacheWriter, discard_parts, parts_folder
from ladcli.data.image_digests import image_digests
from ladcli.data.index import CocoIndex
from ladcli.data.plan import Plan, plan_views
from ladcli.data.views import ViewGrid
from ladcli.detector.levels import AnchorLayout
from ladcli.detector.model import Architecture
from ladcli.engine.interrupt import stop_on_signal
from ladcli.engine.progress import announce, progress
from ladcli.engine.runner import Runner
from ladcli.errors import Interrupted, TooManyBadImages, UserError
from ladcli.objective.teacher import OnlineTeacher
from ladcli.outputs import require_replaceable
from ladcli.recipe.options import read_files
from ladcli.recipe.schema import Recipe
from ladcli.recognize import is_cache
from ladcli.stages.assigner import build_assigner
from ladcli.stages.datasets import open_training_set
from ladcli.stages.input_boxes import input_boxes, reach_warning
from ladcli.stages.resolve import resolve_preset
from ladcli.stages.teachers import (
    cache_fingerprints,
    checkpoint_cost,
    open_teacher_network,
    require_grid_of_scales,
)

#: Batches whose results are written together; after a kill at most these are done again.
BATCHES_PER_PART = 8


def cache_teacher(
    recipe: Recipe,
    teacher: Path,
    out: Path,
    *,
    overwrite: bool = False,
    keep: bool = False,
    quiet: bool = False,
    said: set[str] | None = None,
) -> CacheInfo:
    """Build the cache ``out``, or go on with a build that was stopped.

    Args:
        recipe: data, views, assignment and device.
        teacher: its checkpoint.
        out: the HDF5 file to make.
        overwrite: replace ``out`` and forget an unfinished build.
        keep: an ``out`` that exists and fits is the result; nothing is run.
        said: notes that were shown before and are not repeated; those of this stage are added.

    Returns:
        What the finished cache holds.

    Raises:
        UserError: bad input, or ``out`` exists already (unless ``overwrite``).
        Interrupted: stopped by the user; the next call goes on.
    """
    _check_free(recipe, teacher, out, overwrite=overwrite, keep=keep)
    runner = Runner.of(recipe, quiet=quiet)
    require_grid_of_scales(recipe.data)
    index = open_training_set(recipe.data)
    recipe, hints = resolve_preset(recipe, index, sections=("data",))
    detector = open_teacher_network(teacher, index).to(runner.device)
    if recipe.train.channels_last:
        detector.use_channels_last()
    assigner, anchors = build_assigner(recipe.assign), detector.architecture.anchors
    fingerprints = cache_fingerprints(detector, index, recipe, assigner).of_level(
        recipe.cache.level
    )
    use = CacheUse(index, recipe.data, assigner, recipe.soft, anchors, (teacher, detector))
    if keep and out.exists():
        cache = TeacherCache(out)
        require_level(out, cache.info.level, recipe.cache.level)
        require_match(out, cache.info.fingerprints, fingerprints, partial(difference, cache, use))
        return cache.info
    source = OnlineTeacher(detector, assigner, autocast=runner.autocast())
    plan = plan_views(index, recipe.data, batch_size=recipe.inference.batch_size)
    parts = [plan[i : i + BATCHES_PER_PART] for i in range(0, len(plan), BATCHES_PER_PART)]
    if overwrite:
        discard_parts(out)
    writer = CacheWriter(
        out,
        recipe.cache.level,
        _attributes(recipe, index, fingerprints, detector.architecture),
        image_ids=index.image_ids,
        view_ids=ViewGrid.from_config(recipe.data).view_ids(),
        num_parts=len(parts),
        num_classes=len(index.classes),
        image_digests=image_digests(index),
        remarks={
            "teacher_cost": checkpoint_cost(teacher).to_plain(),
            "origin": describe_origin(use),
        },
    )
    if not quiet:
        _warn(recipe, index, anchors, hints, said if said is not None else set())
    _run_missing_parts(recipe, source, index, parts, writer, runner)
    writer.finish()
    return read_cache_info(out)


def _warn(
    recipe: Recipe, index: CocoIndex, anchors: AnchorLayout, hints: list[str], said: set[str]
) -> None:
    """What the user should know before the first batch."""
    boxes = input_boxes(index, recipe.data.short[-1], recipe.data.long)
    # The teacher is trained: its anchors stay.
    unreached = reach_warning(recipe, index, boxes, anchors, levels=())
    for note in filter(None, [*index.notes, *hints, unreached]):
        if note not in said:
            announce(f"note: {note}")
            said.add(note)


def _check_free(recipe: Recipe, teacher: Path, out: Path, *, overwrite: bool, keep: bool) -> None:
    """Refuse a place that must not be written to."""
    inputs = {"--teacher": teacher, **read_files(recipe)}
    require_replaceable(out, is_cache, "a teacher cache", flag="--out", inputs=inputs)
    if out.exists() and not overwrite and not keep:
        raise UserError(f"{out}: exists; replace it with --overwrite, or choose another --out")
    PARTS.require_clearable(parts_folder(out), flag="--out")


def _attributes(
    recipe: Recipe, index: CocoIndex, fingerprints: dict[str, str], teacher: Architecture
) -> dict[str, Any]:
    """What the cache says of itself."""
    return {
        "fingerprints": fingerprints,
        "class_output": "probs" if teacher.objectness_kernel else "logits",
        "iou_branch": int(teacher.iou_branch),
        "precision": recipe.train.precision,
        "classes": index.classes.to_plain(),
        "views": ViewGrid.from_config(recipe.data).to_plain(),
        "batch_size": recipe.inference.batch_size,
    }


def _run_missing_parts(
    recipe: Recipe,
    teacher: OnlineTeacher,
    index: CocoIndex,
    parts: list[Plan],
    writer: CacheWriter,
    runner: Runner,
) -> None:
    """Let the teacher see every batch of the parts that are not there yet."""
    missing = writer.missing_parts()
    ends = {sum(len(parts[k]) for k in missing[: i + 1]): k for i, k in enumerate(missing)}
    plan = [batch for k in missing for batch in parts[k]]
    own = teacher.detector.architecture
    loader = runner.batches(index, plan, mean=own.pixel_mean, std=own.pixel_std)
    total = sum(map(len, parts))
    before = total - len(loader)
    skipped: set[str] = set()
    doubtful: list[int] = []  # parts of this call that lack images
    incomplete = False
    with (
        progress("cache teacher", total, unit="batches", step="batch", quiet=runner.quiet) as bar,
        stop_on_signal("this batch", lambda: "the parts of the cache that are written") as stop,
    ):
        bar.update(before)
        try:
            for done, batch in enumerate(loader, start=1):
                skipped.update(batch.skipped)
                incomplete |= bool(batch.skipped)
                if len(batch):
                    batch = batch.to(runner.device)
                    opinion = teacher.look_at(batch, own.anchors.scene(batch))
                    rows = encode_opinion(opinion, recipe.cache.level, recipe.soft)
                    writer.add(batch, rows)
                if done in ends:
                    writer.close_part(ends[done])
                    doubtful += [ends[done]] if incomplete else []
                    incomplete = False
                bar.update(before + done)
                if stop and done < len(loader):
                    raise Interrupted
        except TooManyBadImages as error:
            # What went away took images of these with it before the limit was reached.
            for number in doubtful:
                writer.drop_part(number)
            more = f", or set {error.raise_limit}" if error.raise_limit else ""
            raise UserError(
                f"{error.found}; the parts of the cache that are complete stay: bring the images "
                f"back and give the same command again{more}"
            ) from error
    if skipped:
        announce(f"note: {len(skipped)} image(s) left out of the cache: {min(skipped)}")
