"""`lad predict`: detections of images that belong to no data set, as COCO results and pictures."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ladcli.classes import ClassTable
from ladcli.data.decode import decode_image
from ladcli.data.headers import describe_bad
from ladcli.data.image_files import FoundImage, find_images, index_images
from ladcli.data.index import CocoIndex
from ladcli.data.views import InferenceViews
from ladcli.detector.checkpoint import load_checkpoint
from ladcli.engine.inference import detect_all
from ladcli.engine.interrupt import stop_on_signal
from ladcli.engine.progress import progress
from ladcli.engine.runner import Runner
from ladcli.errors import Interrupted, UserError
from ladcli.evaluate.drawing import draw_detections
from ladcli.evaluate.results import SCORE_DECIMALS, detections_to_results, save_results
from ladcli.files import atomic_path, require_writable, write_json, writing_to
from ladcli.outputs import Layout
from ladcli.recognize import is_image_list, is_jpeg, is_results
from ladcli.runs.names import PREDICTIONS
from ladcli.stages.evaluate import own_inference
from ladcli.stages.thresholds import ShownFrom, shown_from
from ladcli.structures import Detections

IMAGES, PICTURES = "images.json", "pictures"

#: Pictures whose longer side is below this are drawn enlarged, by a whole factor up to the second
#: number, so that names have room.
_SMALL, _MAX_ZOOM = 320, 8
_JPEG_QUALITY = 92
#: Bytes of a picture's name, so that it stays within the 255 of file systems.
_MAX_NAME = 200


@dataclass(frozen=True)
class PictureOptions:
    """What is drawn; nothing else depends on it."""

    min_score: float | None = None  # of every class; None: what the validation found
    limit: int | None = None  # at most so many pictures, the first ones; None is all

    def __post_init__(self) -> None:
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise UserError(f"the score to draw from must be 0 to 1, got {self.min_score:g}")
        if self.limit is not None and self.limit < 1:
            raise UserError(f"the limit of pictures must be at least 1, got {self.limit}")


@dataclass(frozen=True)
class Drawn:
    """Which detections the pictures show."""

    num_pictures: int
    num_detections: int  # in the images of these pictures
    num_drawn: int
    scores: dict[str, float]  # from which on, by class
    rule: str  # where these come from, in words


@dataclass(frozen=True)
class Prediction:
    """What was found, and where it was written."""

    folder: Path
    num_images: int
    num_skipped: int
    num_detections: int
    drawn: Drawn | None  # None where no pictures were wanted
    notes: tuple[str, ...] = ()

    @property
    def num_pictures(self) -> int:
        return self.drawn.num_pictures if self.drawn else 0

    def to_json(self) -> dict[str, Any]:
        """Counts and places, for ``--json``."""
        drawn: dict[str, Any] = {}
        if self.drawn:
            drawn = {"drawn": self.drawn.num_drawn, "drawn_from": self.drawn.scores}
        return {
            "folder": str(self.folder),
            "images": self.num_images,
            "skipped": self.num_skipped,
            "detections": self.num_detections,
            "pictures": self.num_pictures,
            **drawn,
        }


def predict(
    inputs: Sequence[str],
    checkpoint: Path,
    out: Path,
    runner: Runner,
    *,
    pictures: PictureOptions | None = PictureOptions(),
    views: InferenceViews = InferenceViews(),
    overrides: Sequence[str] = (),
    overwrite: bool = False,
) -> Prediction:
    """Run a checkpoint over images; write ``predictions.json``, ``images.json``, ``pictures/``.

    Args:
        inputs: files, folders and patterns, see `ladcli.data.image_files.find_images`.
        pictures: what to draw; None draws nothing.
        views: see every image so, and merge what is found.
        overrides: ``inference.KEY=VALUE``, on top of what the network's own run used.
        overwrite: replace an earlier prediction in ``out``.

    Raises:
        UserError: the inputs, the checkpoint or the folder will not do.  Nothing is written then.
        Interrupted: the user asked to stop.
    """
    found = find_images(inputs)
    _check_free(out, found, checkpoint, overwrite=overwrite)
    loaded = load_checkpoint(checkpoint)
    inference = own_inference(loaded, overrides)
    shown = None
    if pictures is not None:
        shown = shown_from(
            loaded,
            given=pictures.min_score,
            views=views,
            inference=inference,
            own_inference=own_inference(loaded, ()),
        )
    opened = index_images(found, loaded.detector.classes, skip_bad=runner.skip_bad_images)
    try:
        image_ids, detections = detect_all(
            loaded.detector.to(runner.device),
            opened.index,
            replace(runner, max_bad_share=None),  # these are no set, of which a disk went away
            input_rule=loaded.input_rule,
            inference=inference,
            views=views,
            title="predict",
        )
    except Interrupted as stopped:
        raise Interrupted("nothing was written; the same command starts anew") from stopped
    bad = [*opened.bad, *_undecodable(opened.index, image_ids)]
    if not image_ids:
        raise UserError(f"{describe_bad(bad, len(found))}; choose image files")
    result = _Result.of(opened.index, found, image_ids, detections)
    _write(out, result)
    notes = list(opened.index.notes)
    if bad:
        notes.append(f"left out, {describe_bad(bad, len(found))}")
    drawn = None
    if pictures is not None and shown is not None:
        drawn = _draw_all(out, result, pictures, shown, quiet=runner.quiet)
        notes += shown.notes
    return Prediction(
        out,
        num_images=len(image_ids),
        num_skipped=len(bad),
        num_detections=sum(len(d.scores) for d in detections),
        drawn=drawn,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Result:
    """What was found, image after image in ascending id."""

    index: CocoIndex  # of the images that could be read
    names: list[str]  # what images.json calls them
    detections: list[Detections]

    @staticmethod
    def of(
        index: CocoIndex,
        found: Sequence[FoundImage],
        image_ids: Sequence[int],
        detections: Sequence[Detections],
    ) -> _Result:
        """Sorted; ``detections`` lie beside ``image_ids``, which may lack some of the index."""
        by_id = dict(zip(image_ids, detections, strict=True))
        read = index.subset(np.flatnonzero(np.isin(index.image_ids, image_ids)))
        ids = read.image_ids.tolist()
        return _Result(read, [found[i - 1].name for i in ids], [by_id[i] for i in ids])


def _undecodable(index: CocoIndex, image_ids: Sequence[int]) -> list[str]:
    """Files whose header could be read, and whose pixels could not."""
    rows = np.flatnonzero(~np.isin(index.image_ids, image_ids))
    return [f"{index.path(row)}: cannot be decoded" for row in rows.tolist()]


def _check_free(
    out: Path, found: Sequence[FoundImage], checkpoint: Path, *, overwrite: bool
) -> None:
    """Refuse a folder that holds anything, except an earlier prediction that may be replaced."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; choose another --out")
    require_writable(out)  # found out now and not after the work
    layout = _layout(out)
    survey = layout.survey(out)
    # A write that was killed leaves a hidden part behind, which is nobody's.
    strangers = [path for path in survey.strangers if path.suffix != ".part"]
    if strangers:
        first = strangers[0].relative_to(out)
        raise UserError(f"{out}: holds other files ({first}); choose an empty folder as --out")
    if not survey.ours:
        return
    if not overwrite:
        raise UserError(
            f"{out}: already holds predictions; replace them with --overwrite, or choose another "
            "--out"
        )
    if out.is_symlink():
        raise UserError(
            f"{out}: is a link, and what it leads to is not replaced; name the folder itself with "
            "--out"
        )
    root = out.resolve()
    inside = [image.path for image in found if root in Path(image.path).resolve().parents]
    if inside:
        raise UserError(f"{inside[0]}: lies in --out, whose content goes; choose another --out")
    inputs: dict[str, str | Path | None] = {image.path: image.path for image in found}
    inputs["--checkpoint"] = checkpoint
    layout.require_clearable(out, flag="--out", inputs=inputs)


def _layout(out: Path) -> Layout:
    """What an earlier prediction wrote into ``out``: the pictures are those of its images."""
    names: set[str] = set()
    if is_image_list(out / IMAGES):
        listed = json.loads((out / IMAGES).read_bytes())["images"]
        with contextlib.suppress(TypeError, KeyError):  # then its pictures are nobody's
            ids = [image["id"] for image in listed]
            names = set(picture_names(ids, [image["file_name"] for image in listed]))

    def is_picture(path: Path) -> bool:
        return path.name in names and is_jpeg(path)

    return Layout({PREDICTIONS: is_results, IMAGES: is_image_list, f"{PICTURES}/*.jpg": is_picture})


def _write(out: Path, result: _Result) -> None:
    """Both JSON files, in place of whatever an earlier prediction left."""
    with writing_to(out):
        _layout(out).clear(out)
    index = result.index
    image_ids = index.image_ids.tolist()
    records = detections_to_results(result.detections, image_ids, index.classes)
    save_results(out / PREDICTIONS, records)
    rows = zip(image_ids, result.names, index.hw.tolist(), strict=True)
    write_json(
        out / IMAGES,
        {
            "images": [
                {"id": i, "file_name": name, "width": width, "height": height}
                for i, name, (height, width) in rows
            ],
            "categories": [{"id": i, "name": name} for i, name in index.classes.to_plain()],
        },
    )


def _draw_all(
    out: Path, result: _Result, options: PictureOptions, shown: ShownFrom, *, quiet: bool
) -> Drawn:
    """Draw the pictures and count what they show."""
    index = result.index
    kept = [_at_least(found, shown.scores) for found in result.detections]
    names = picture_names(index.image_ids.tolist(), result.names)[: options.limit]
    with (
        progress("draw", len(names), unit="pictures", quiet=quiet) as reporter,
        stop_on_signal("this picture", lambda: f"the results in {out}") as stop,
    ):
        reporter.update(0)
        for row, name in enumerate(names):
            if stop:
                raise Interrupted(
                    f"the results in {out} are complete, the pictures are not; the same command "
                    "with --overwrite makes all of them"
                )
            picture = _drawn(index.path(row), kept[row], index.classes)
            with atomic_path(out / PICTURES / name) as temporary:
                picture.save(temporary, format="JPEG", quality=_JPEG_QUALITY)
            reporter.update(row + 1)
    return Drawn(
        len(names),
        num_detections=sum(len(found.scores) for found in result.detections[: len(names)]),
        num_drawn=sum(len(found.scores) for found in kept[: len(names)]),
        scores=dict(zip(index.classes.names, shown.scores.tolist(), strict=True)),
        rule=shown.rule,
    )


def _at_least(found: Detections, scores: np.ndarray) -> Detections:
    """The detections of at least the score of their class, as `PREDICTIONS` holds them.

    Args:
        scores: [C] float64.
    """
    own = found.scores.cpu().numpy().astype(np.float64).round(SCORE_DECIMALS)
    keep = torch.from_numpy(own >= scores[found.labels.cpu().numpy()])
    return Detections(found.boxes[keep], found.scores[keep], found.labels[keep])


def _drawn(path: Path, detections: Detections, classes: ClassTable) -> Image.Image:
    image = Image.fromarray(decode_image(path))
    zoom = min(_MAX_ZOOM, max(1, _SMALL // max(image.size)))
    if zoom > 1:
        image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
        detections = Detections(detections.boxes * zoom, detections.scores, detections.labels)
    return draw_detections(image, detections, classes)


def picture_names(image_ids: Sequence[int], file_names: Sequence[str]) -> list[str]:
    """A file name for the picture of every image, different also where case does not count.

    It is the image's base name with ``.jpg``; where that is taken, the image id goes behind it.
    """
    taken: set[str] = set()
    names = []
    for image_id, file_name in zip(image_ids, file_names, strict=True):
        stem = Path(file_name).stem.encode("utf-8")[:_MAX_NAME].decode("utf-8", "ignore")
        while stem.casefold() in taken:
            stem = f"{stem}_{image_id}"
        taken.add(stem.casefold())
        names.append(f"{stem}.jpg")
    return names
