"""What a folder or file is that is no COCO data set: recognized by name, with what to do.

Nothing is converted here.  A look at the names of at most `_MAX_FILES` files and the beginning of a
few must do, so that an answer comes at once.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ladcli.data.foreign_files import (
    is_box_table,
    is_label_file,
    is_labelme,
    is_results,
    tool_of_json,
)
from ladcli.data.image_suffixes import SUFFIXES
from ladcli.data.layouts import (
    SPLITS,
    annotations_folder,
    coco_files,
    folders,
    has_layout,
    head_of,
    json_files,
    looks_like_coco,
    splits_of,
)
from ladcli.errors import UserError

_MAX_FILES = 20_000
#: Files of one kind that are looked at in a folder, so that every folder has its turn.
_MAX_ALIKE = 1000
_MAX_DEPTH = 4
_SAMPLE = 8
#: Folders below its source in which an import looks for parts of a data set.
_IMPORT_DEPTH = 2
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".gz")
_NAMES_KEY = re.compile(rb"^(?:names|nc)\s*:", re.M)
_OTHER_SUFFIXES = {
    ".tfrecord": "TFRecord",
    ".tfrecords": "TFRecord",
    ".record": "TFRecord",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".mat": "MATLAB",
}
_EXPORT = "export it as COCO (or as YOLO or Pascal VOC, for lad data import)"


@dataclass(frozen=True)
class _Survey:
    """Files of a folder and the folders in it, by their ending in lower case."""

    root: Path
    files: dict[str, list[Path]]  # at most `_MAX_FILES` in all, nothing hidden

    def some(self, suffix: str) -> list[Path]:
        return self.files.get(suffix, [])

    @property
    def images(self) -> list[Path]:
        return [path for suffix in SUFFIXES for path in self.some(suffix)]


def refuse_folder(root: Path) -> NoReturn:
    """Refuse what was given with --data and holds no training set, by what it looks like.

    Raises:
        UserError: always.
    """
    shown = str(root)
    if not root.is_dir():
        raise UserError(f"{shown}: {_no_folder(root)}")
    near = _meant(root)
    if near is not None:
        wanted = shlex.quote(str(near))
        raise UserError(f"{shown}: holds no data set itself, but {near} does; give --data {wanted}")
    survey = _look_around(root)
    told = _as_foreign(survey)
    if told is None and root.absolute().name.casefold() in ("images", "jpegimages"):
        told = _as_foreign(_look_around(Path(os.path.normpath(root / ".."))))
        told = told and f"holds the images of a set whose folder {told}"
    if told is not None:
        raise UserError(f"{shown}: {told}")
    raise UserError(f"{shown}: {_nothing_known(survey)}")


def refuse_foreign_file(path: Path) -> None:
    """Refuse an annotation file that is of another format, by its name.

    JSON files that are no COCO are left to whoever reads them, but for those of other tools.

    Raises:
        UserError: it is.
    """
    name = path.name.lower()
    if name.endswith(".json"):
        head = head_of(path)
        if is_labelme(head):
            raise UserError(
                f"{path}: {_told('LabelMe', 'labelme', path.parent, 'a file per image')}"
            )
        if not looks_like_coco(path):
            tool = tool_of_json(head)
            if tool is not None:
                raise UserError(f"{path}: is an annotation file of {tool}; {_EXPORT}")
        return
    if name.endswith(_ARCHIVES):
        raise UserError(f"{path}: is an archive; unpack it and name the JSON file in it")
    told = _as_foreign_file(path)
    if told is not None:
        raise UserError(f"{path}: {told}")


def _no_folder(root: Path) -> str:
    """What is wrong with a path that leads to no folder."""
    if not root.exists():
        for suffix in _ARCHIVES:
            packed = root.with_name(root.name + suffix)
            if packed.is_file():
                return f"no such data folder, but there is {packed}; unpack it"
        return "no such data folder; check --data"
    name = root.name.lower()
    if name.endswith(_ARCHIVES):
        return "is an archive, not a folder; unpack it and give the folder with --data"
    if not root.is_file():
        return "is no folder; check --data"
    if name.endswith(".json") and looks_like_coco(root):
        return (
            "is an annotation file, not a folder; name it with --train-json (lad eval: "
            "--annotations) and its images with --images, or give the folder around with --data"
        )
    told = _as_foreign_file(root)
    return told or "is a file, not a folder; give the folder around it with --data"


def _as_foreign_file(path: Path) -> str | None:
    """What a single file that is no COCO JSON looks like, with what to do."""
    name, head = path.name.lower(), head_of(path)
    if name.endswith((".yaml", ".yml")) and _NAMES_KEY.search(head):
        return _told("YOLO", "yolo", path.parent, "it describes the data")
    if name.endswith(".xml"):
        return _as_xml(path, _Survey(path.parent, {".xml": [path]}))
    if name.endswith((".csv", ".tsv")):
        return _told("a CSV table", "csv", path, "one row per box")
    if name.endswith(".txt") and is_label_file(path):
        return _told("a label file of YOLO", "yolo", path.parent, "one per image")
    for suffix, tool in _OTHER_SUFFIXES.items():
        if name.endswith(suffix):
            return f"is a {tool} file, which is not read; {_EXPORT}"
    return None


def _as_foreign(survey: _Survey) -> str | None:
    """What the files below a folder look like, with what to do."""
    for told in (_as_yolo, _as_xmls, _as_json, _as_csv, _as_others):
        sentence = told(survey)
        if sentence is not None:
            return sentence
    return None


def _as_yolo(survey: _Survey) -> str | None:
    described = [
        path
        for path in (*survey.some(".yaml"), *survey.some(".yml"))
        if _NAMES_KEY.search(head_of(path))
    ]
    texts = survey.some(".txt")
    labels = [path for path in _spread(texts) if is_label_file(path)]
    if not described and not labels:
        return None
    if described:
        found = f"{described[0].relative_to(survey.root)} names the classes"
        usual = described[0].stem.lower() in ("data", "dataset")
        return _told("YOLO", "yolo", described[0].parent if usual else described[0], found)
    folder = labels[0].parent
    found = f"{_count(texts, 'label file')} such as {labels[0].relative_to(survey.root)}"
    extra = []
    root = survey.root
    inner = [f for f in folders(root) if f.name.casefold() == "labels"]
    if not inner and folder != root and not any(p.parent == folder for p in survey.images):
        extra += ["--labels", str(folder)]
        images = _folder_of_stem(survey, labels[0].stem)
        if images is not None:
            extra += ["--images", str(images)]
    names = [p for p in texts if p.name.lower() in ("classes.txt", "obj.names", "labels.txt")]
    names += survey.some(".names")
    told = _told(
        "YOLO", "yolo", root, found, *extra, *(["--classes", str(names[0])] if names else [])
    )
    return told if names else f"{told} (with --classes NAME,NAME,... in the order of their numbers)"


def _as_xmls(survey: _Survey) -> str | None:
    for path in _spread(survey.some(".xml")):
        told = _as_xml(path, survey)
        if told is not None:
            return told
    return None


def _as_xml(path: Path, survey: _Survey) -> str | None:
    head = head_of(path)
    if b"<annotations" in head:
        return _told("CVAT", "cvat", path, "an XML file for all images", *_images_of(survey, None))
    if b"<annotation" not in head:
        return None
    # Splits and years have a folder each; all of them are meant.
    roots = {_voc_root(xml.parent) for xml in (path, *survey.some(".xml"))}
    root = _folder_of_all(roots, _voc_root(path.parent))
    found = f"{_count(survey.some('.xml'), 'XML file')} such as {path.name}"
    return _told("Pascal VOC", "voc", root, found, *_images_of(survey, path, root))


def _voc_root(folder: Path) -> Path:
    """The folder around ``Annotations/``, or that of the XML files themselves."""
    inner = folder.name.casefold() in ("annotations", "annotation", "xmls", "xml")
    return Path(os.path.normpath(folder / "..")) if inner else folder


def _folder_of_all(parts: Iterable[Path], first: Path) -> Path:
    """The folder that holds all ``parts``, if an import of it looks as deep; else ``first``."""
    parts = list(parts)
    whole = Path(os.path.commonpath(parts))
    deepest = max(len(part.relative_to(whole).parts) for part in parts)
    return whole if deepest <= _IMPORT_DEPTH else first


def _images_of(survey: _Survey, path: Path | None, root: Path | None = None) -> list[str]:
    """``--images DIR`` where the images lie neither in ``root`` nor in a folder of it."""
    if path is None:
        images = survey.images
        inside = not images or any(p.is_relative_to(survey.root) for p in images)
        return [] if inside else ["--images", str(images[0].parent)]
    assert root is not None
    own = _look_around(root)
    if any(image.stem == path.stem for image in own.images) or own.images:
        return []
    for beside in folders(Path(os.path.normpath(root / ".."))):
        if any((beside / f"{path.stem}{suffix}").is_file() for suffix in SUFFIXES):
            return ["--images", str(beside)]
    return []


def _as_json(survey: _Survey) -> str | None:
    for path in _spread(survey.some(".json")):
        head = head_of(path)
        name = path.relative_to(survey.root)
        if is_labelme(head):
            found = f"{_count(survey.some('.json'), 'JSON file')} such as {name}"
            spread = (p for p in _spread(survey.some(".json")) if is_labelme(head_of(p)))
            root = _folder_of_all((p.parent for p in spread), path.parent)
            return _told("LabelMe", "labelme", root, found)
        if is_results(head):
            return (
                f"{name} is a list of detections (a results file), and no annotations are there; "
                "measure it with lad eval --predictions FILE --annotations FILE"
            )
        if not looks_like_coco(path):
            tool = tool_of_json(head)
            if tool is not None:
                return f"looks like {tool} ({name}); {_EXPORT}"
    return None


def _as_csv(survey: _Survey) -> str | None:
    tables = [*survey.some(".csv"), *survey.some(".tsv")]
    boxes = [path for path in tables if is_box_table(path)]
    if not boxes:
        return None
    others = [p for p in tables if p not in boxes and "class-descriptions" not in p.name.lower()]
    # A table per split is usual; an import of their folder reads every table in it.
    source = boxes[0]
    if len(boxes) > 1 and not others:
        source = _folder_of_all((path.parent for path in boxes), source)
    return _told("a CSV table", "csv", source, "one row per box", *_csv_images(survey, source))


def _csv_images(survey: _Survey, source: Path) -> list[str]:
    folder = source if source.is_dir() else source.parent
    images = survey.images
    if not images or any(image.is_relative_to(folder) for image in images):
        return []
    return ["--images", str(images[0].parent)]


def _as_others(survey: _Survey) -> str | None:
    for suffix, tool in _OTHER_SUFFIXES.items():
        if survey.some(suffix):
            return (
                f"looks like {tool} ({survey.some(suffix)[0].name}), which is not read; {_EXPORT}"
            )
    return None


def _nothing_known(survey: _Survey) -> str:
    """What is in a folder that looks like nothing known."""
    root = survey.root
    packed = [p for suffix in _ARCHIVES for p in survey.some(f".{suffix.rpartition('.')[2]}")]
    if packed and not survey.images:
        return f"holds an archive ({packed[0].name}) and nothing that is unpacked; unpack it"
    folder = annotations_folder(root)
    needed = "needs train.json or instances_train*.json"
    if folder is not None:
        names = ", ".join(path.name for path in json_files(folder)[:_SAMPLE]) or "no .json file"
        return f"{folder.name}/ {needed} (found: {names}); name the file with --train-json"
    if survey.images and not survey.some(".json"):
        return (
            f"holds {_count(survey.images, 'image')} and no annotations; lad predict looks at them "
            "without, training and evaluation need boxes"
        )
    coco = coco_files(root)
    if coco:
        names = ", ".join(path.name for path in coco)
        return f"has no training set by name (found: {names}); name the file with --train-json"
    if not survey.files:
        return "has no folder annotations/ and holds no file at all; check --data"
    return (
        "has no folder annotations/ and looks like no format that is known (COCO, Roboflow's COCO; "
        "with lad data import YOLO, Pascal VOC, LabelMe, CVAT and CSV); name the files with "
        "--train-json, --val-json and --images (lad eval: --annotations)"
    )


def _meant(root: Path) -> Path | None:
    """The data set above or below a folder, where there is exactly one."""
    above = Path(os.path.normpath(root / ".."))
    is_part = root.absolute().name.casefold().startswith((*SPLITS, "images"))
    if is_part and has_layout(above):
        return above
    below = [
        folder
        for folder in folders(root)
        if folder.name.casefold() != "annotations" and "train" in splits_of(folder)
    ]
    return below[0] if len(below) == 1 else None


def _told(what: str, kind: str, source: Path, found: str, *extra: str) -> str:
    """What it looks like, and the command that imports it, complete enough to paste."""
    base = source if source.suffix == "" or source.is_dir() else source.with_suffix("")
    out = base.absolute().name if base.name in ("", ".", "..") else base.name
    place = Path(os.path.normpath(base / "..")) / f"{out}-coco"
    command = shlex.join(["lad", "data", "import", kind, str(source), "--out", str(place), *extra])
    return f"looks like {what} ({found}); make a data set of it for --data with: {command}"


def _look_around(root: Path) -> _Survey:
    files: dict[str, list[Path]] = {}
    for path in itertools.islice(_walk(root), _MAX_FILES):
        files.setdefault(path.suffix.lower(), []).append(path)
    return _Survey(root, files)


def _walk(root: Path) -> Iterator[Path]:
    for parent, inner, names in os.walk(root):
        depth = len(Path(parent).relative_to(root).parts)
        inner[:] = sorted(n for n in inner if n[0] != ".") if depth < _MAX_DEPTH else []
        alike: Counter[str] = Counter()
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].lower()
            alike[suffix] += 1
            if name[0] != "." and alike[suffix] <= _MAX_ALIKE:
                yield Path(parent, name)


def _spread(paths: list[Path]) -> list[Path]:
    """A few of ``paths``, from the first to the last."""
    return paths[:: max(1, len(paths) // _SAMPLE)][: _SAMPLE + 1]


def _folder_of_stem(survey: _Survey, stem: str) -> Path | None:
    return next((image.parent for image in survey.images if image.stem == stem), None)


def _count(paths: list[Path], what: str) -> str:
    number = f"{len(paths)}" if len(paths) < _MAX_ALIKE else "many"
    return f"{number} {what}{'' if len(paths) == 1 else 's'}"
