"""`lad data import`: a data set of another tool into a data folder of ours."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ladcli.data.headers import look_at_all
from ladcli.data.layouts import Split
from ladcli.errors import UserError
from ladcli.formats.class_names import GivenClasses, class_order, given_classes
from ladcli.formats.foreign import ForeignImage, ForeignSet
from ladcli.formats.found_images import shared_folders
from ladcli.formats.names import flat_names, relative_names
from ladcli.formats.sound import AnnotatedImage, sound_images
from ladcli.formats.split import Shares, divided, say_lacking, say_shared_content
from ladcli.formats.tally import Tally, several
from ladcli.formats.writing import (
    NamedImage,
    file_digest,
    imported_layout,
    place_images,
    write_annotations,
)
from ladcli.outputs import replacing_folder, require_whole_folder

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")

Format: TypeAlias = Literal["yolo", "voc", "csv", "labelme", "cvat"]
Coordinates: TypeAlias = Literal["pixels", "shares"]


@dataclass(frozen=True)
class Source:
    """What is to be imported."""

    format: Format
    src: Path
    images: Path | None = None
    labels: Path | None = None  # yolo
    classes: str | None = None  # a file, or names with commas between them
    zero_based: bool = False  # voc
    coordinates: Coordinates | None = None  # csv


@dataclass(frozen=True)
class Imported:
    """What was written."""

    out: Path
    images: dict[Split, int]
    boxes: dict[Split, int]
    classes: dict[str, int]  # boxes of each, in their order
    copied: bool
    notes: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "out": str(self.out),
            "splits": {
                split: {"images": count, "boxes": self.boxes[split]}
                for split, count in self.images.items()
            },
            "classes": [
                {"id": number, "name": name, "boxes": count}
                for number, (name, count) in enumerate(self.classes.items(), start=1)
            ],
            "findings": self.findings,
        }


def import_data(
    source: Source,
    out: Path,
    *,
    shares: Shares,
    copy: bool = False,
    overwrite: bool = False,
    at: Callable[[str], None] = lambda what: None,
) -> Imported:
    """Read a data set, and write what is sound of it as a data folder, complete or not at all.

    Args:
        shares: how images are divided where the data set does not say.
        copy: copy images instead of linking them.
        overwrite: replace ``out`` where it is an import and nothing else.
        at: hears what is done next.

    Raises:
        UserError: an option does not fit, nothing usable is found, or ``out`` must not be replaced.
    """
    shares.check()
    source = _checked(source)
    _refuse_overlap(source, out)
    require_whole_folder(
        out, imported_layout(out), "an imported set", overwrite=overwrite, flag="--out"
    )
    at("reading annotations")
    tally = Tally(source.src if source.src.is_dir() else source.src.parent)
    classes = given_classes(source.classes)
    foreign = _with_given_classes(_read(source, classes, tally), classes, tally)
    if not foreign.images:
        raise UserError(_nothing(source, "no image with annotations", tally))
    at("opening images")
    sound = sound_images(_known_once(foreign.images, tally), tally)
    used = {box.class_name for image in sound for box in image.boxes}
    names = class_order(foreign.class_names, used)
    if not sound or not used:
        what = "no image that can be used" if not sound else "not a single box"
        raise UserError(_nothing(source, what, tally))
    at("comparing images")
    splits = _named_splits(sound, shares, names, tally)
    at("writing")
    with replacing_folder(out, imported_layout(out)) as new:
        write_annotations(new, splits, names, source.format)
        everything = [named for members in splits.values() for named in members]
        num_copied = place_images(new, everything, copy=copy)
    return _summary(out, splits, names, num_copied, len(everything), copy, tally)


def _checked(source: Source) -> Source:
    """The source with folders that exist; options of other formats are refused."""
    for value, flag, owner in (
        (source.labels, "--labels", "yolo"),
        (source.zero_based or None, "--zero-based", "voc"),
        (source.coordinates, "--coordinates", "csv"),
    ):
        if value is not None and source.format != owner:
            raise UserError(f"{flag} belongs to {owner}; leave it out for {source.format}")
    if not source.src.exists():
        raise UserError(f"{source.src}: no such file or folder; check the name")
    if not (source.src.is_file() or source.src.is_dir()):
        raise UserError(f"{source.src}: is neither a file nor a folder")
    if source.src.is_file() and source.src.suffix.lower() in _ARCHIVES:
        raise UserError(f"{source.src}: is an archive; unpack it and name the folder")
    return replace(
        source,
        images=_folder(source.images, source.src, "--images"),
        labels=_folder(source.labels, source.src, "--labels"),
    )


def _folder(path: Path | None, src: Path, flag: str) -> Path | None:
    """A folder as it was typed, or in the data set."""
    if path is None or path.is_dir():
        return path
    if not path.is_absolute() and (src / path).is_dir():
        return src / path
    raise UserError(f"{path}: no such folder; check {flag}")


def _refuse_overlap(source: Source, out: Path) -> None:
    """What is written must not be found as part of what is read."""
    target = Path(os.path.realpath(out))
    for place in (source.src, source.images, source.labels):
        if place is None or not place.is_dir():
            continue
        folder = Path(os.path.realpath(place))
        if target == folder or folder in target.parents:
            raise UserError(f"{out}: lies in {place}, which is read; choose another --out")


def _read(source: Source, classes: GivenClasses | None, tally: Tally) -> ForeignSet:
    match source.format:
        case "yolo":
            from ladcli.formats.yolo_layout import read_yolo

            return read_yolo(
                source.src, tally, images=source.images, labels=source.labels, classes=classes
            )
        case "voc":
            from ladcli.formats.voc_layout import read_voc

            return read_voc(source.src, tally, images=source.images, zero_based=source.zero_based)
        case "csv":
            from ladcli.formats.csv_table import read_csv

            return read_csv(
                source.src,
                tally,
                images=source.images,
                classes=classes,
                coordinates=source.coordinates,
            )
        case "labelme":
            from ladcli.formats.labelme import read_labelme

            return read_labelme(source.src, tally, images=source.images)
        case "cvat":
            from ladcli.formats.cvat import read_cvat

            return read_cvat(source.src, tally, images=source.images)


def _with_given_classes(
    foreign: ForeignSet, given: GivenClasses | None, tally: Tally
) -> ForeignSet:
    """The set with the names that the user gave: in their order, and no other class."""
    if given is None:
        return foreign
    names = dict.fromkeys(given.names)

    def renamed(image: ForeignImage) -> ForeignImage:
        boxes = []
        for box in image.boxes:
            name = given.by_id.get(box.class_name, box.class_name)
            if name in names:
                boxes.append(replace(box, class_name=name))
            else:
                tally.leave_out("box", f"class not one of {given.source}", f"{name!r}")
        return replace(image, boxes=tuple(boxes))

    return ForeignSet([renamed(image) for image in foreign.images], tuple(names))


def _known_once(images: Sequence[ForeignImage], tally: Tally) -> list[ForeignImage]:
    """Every file once, also where links lead to one file by several names.

    Names of other tools are taken loosely, so two of them may lead to one file; it belongs to the
    one whose folders fit best.
    """
    kept: dict[str, ForeignImage] = {}
    for image in images:
        real = os.path.realpath(image.path)
        other = kept.setdefault(real, image)
        if other is image:
            continue
        if _fit(image) > _fit(other):
            kept[real], image, other = image, other, image
        tally.leave_out("image", "the same file as another one", f"{image.where}, {other.where}")
    return list(kept.values())


def _fit(image: ForeignImage) -> int:
    return shared_folders(image.path, image.called)


def _nothing(source: Source, what: str, tally: Tally) -> str:
    lines = tally.lines()
    why = f": {'; '.join(lines[:3])}" if lines else ""
    return f"{source.src}: {what} is left to import as {source.format}{why}"


def _named_splits(
    sound: Sequence[AnnotatedImage], shares: Shares, classes: Sequence[str], tally: Tally
) -> dict[Split, list[NamedImage]]:
    """The images of each split under their names, in the order of these."""
    digests = look_at_all(file_digest, [image.path for image in sound])
    relative = relative_names([image.path for image in sound])
    rows = divided(sound, digests, relative, shares, tally)
    if "train" not in rows:
        if not any(image.split for image in sound):
            raise UserError("no image is left for training; give smaller shares")
        tally.note("split", "without an image, so there is nothing to train on", "train")
    say_shared_content(rows, digests, relative, tally)
    say_lacking(rows, sound, classes, tally)
    for split, share in (("val", shares.val), ("test", shares.test)):
        if share and split not in rows:
            tally.note("split", "without an image; its share is too small", split)
    names = flat_names(relative, digests)
    return {
        split: sorted(
            (NamedImage(sound[row], names[row], digests[row]) for row in members),
            key=lambda named: named.name,
        )
        for split, members in rows.items()
    }


def _summary(
    out: Path,
    splits: dict[Split, list[NamedImage]],
    names: Sequence[str],
    num_copied: int,
    num_images: int,
    copy: bool,
    tally: Tally,
) -> Imported:
    counts = Counter(
        box.class_name
        for members in splits.values()
        for named in members
        for box in named.image.boxes
    )
    notes = tally.lines()
    if num_copied:
        notes.append(
            f"{several(num_copied, 'image')} copied, because a link cannot be made there "
            "(another file system?)"
        )
    if set(splits) == {"train"}:
        notes.append("every image is for training; --val 0.2 makes a validation split")
    return Imported(
        out,
        {split: len(members) for split, members in splits.items()},
        {split: sum(len(n.image.boxes) for n in members) for split, members in splits.items()},
        {name: counts[name] for name in names},
        copy or num_copied == num_images,
        notes,
        tally.to_plain(),
    )
