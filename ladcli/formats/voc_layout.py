"""Where a Pascal VOC data set keeps its XML files, images and lists.

``Annotations/``, ``JPEGImages/`` and ``ImageSets/Main/*.txt``, in any case and with other usual
names; XML files beside the images; one folder per split (as Roboflow exports it) or per year.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ladcli.data.image_suffixes import SUFFIXES
from ladcli.data.layouts import Split
from ladcli.errors import UserError
from ladcli.formats.foreign import ForeignImage, ForeignSet, split_called
from ladcli.formats.found_images import ImageFiles, children, files_below, folded, folder_called
from ladcli.formats.tally import Tally
from ladcli.formats.text import read_lines
from ladcli.formats.voc import VocAnnotation, read_voc_file

_XML_FOLDERS = ("Annotations", "Annotation", "xmls", "xml", "labels")
_IMAGE_FOLDERS = ("JPEGImages", "images", "image", "imgs", "img", "JPEGs")
#: Lists in order of their claim on an image that several of them name.
_LISTS: tuple[tuple[str, Split], ...] = (
    ("test", "test"), ("val", "val"), ("valid", "val"), ("train", "train"), ("trainval", "train"),
)  # fmt: skip
_DEPTH = 2


@dataclass(frozen=True)
class _Root:
    """One folder of XML files with what belongs to it."""

    folder: Path
    xml: Path
    split: Split | None


def read_voc(
    src: Path, tally: Tally, *, images: Path | None = None, zero_based: bool = False
) -> ForeignSet:
    """Read a data set.

    Args:
        images: folder with the images, where it is not found in ``src``.
        zero_based: see `ladcli.formats.voc`.

    Raises:
        UserError: there are no XML files or no images.
    """
    found = []
    roots = _roots(src)
    given = ImageFiles(images) if images is not None else None
    for root in roots:
        found += _read_root(root, given or ImageFiles(_image_folder(root)), tally, zero_based)
    return ForeignSet(found, None)


def _roots(src: Path) -> list[_Root]:
    if src.is_file():
        raise UserError(f"{src}: is a file; name the folder with the XML files")
    roots = _look_for_roots(src, None, _DEPTH)
    if not roots:
        raise UserError(
            f"{src}: holds no folder Annotations/ and no .xml file; name the folder of a Pascal "
            "VOC data set"
        )
    return roots


def _look_for_roots(folder: Path, split: Split | None, depth: int) -> list[_Root]:
    xml = folder_called(folder, *_XML_FOLDERS)
    if xml is not None and files_below(xml, (".xml",)):
        return [_Root(folder, xml, split)]
    if any(path.suffix.lower() == ".xml" for path in children(folder)):
        return [_Root(folder, folder, split)]
    if not depth:
        return []
    return [
        root
        for child in children(folder)
        if child.is_dir() and not child.name.startswith(".")
        for root in _look_for_roots(child, split_called(child.name) or split, depth - 1)
    ]


def _image_folder(root: _Root) -> Path:
    """Where the images of a root lie: a folder of a usual name, else beside the XML files."""
    named = folder_called(root.folder, *_IMAGE_FOLDERS)
    if named is not None:
        return named
    if root.xml == root.folder and not ImageFiles(root.folder).paths:
        # The folder of the XML files was named itself; the images may lie beside it.
        return folder_called(root.folder.absolute().parent, *_IMAGE_FOLDERS) or root.folder
    return root.folder


def _read_root(
    root: _Root, images: ImageFiles, tally: Tally, zero_based: bool
) -> list[ForeignImage]:
    if not images.paths:
        raise UserError(
            f"{images.folders[0]}: holds no image; name the folder of the images with --images"
        )
    annotations = []
    for path in files_below(root.xml, (".xml",)):
        try:
            annotations.append(read_voc_file(path, tally, zero_based=zero_based))
        except UserError as error:
            tally.leave_out("XML file", "cannot be used", str(error))
    lists = _Lists.read(root, [a.path.relative_to(root.xml) for a in annotations], tally)
    paths = _image_paths(annotations, root, images, tally)
    found: list[ForeignImage] = []
    for annotation in annotations:
        if annotation.path not in paths:
            continue
        relative = annotation.path.relative_to(root.xml)
        split = lists.split_of(relative) if lists.splits else root.split
        if lists.splits and split is None:
            tally.leave_out("XML file", "in no list of ImageSets", str(annotation.path))
            continue
        found.append(
            ForeignImage(
                paths[annotation.path], annotation.boxes, str(annotation.path), annotation.size,
                split=split, called=relative.as_posix(),
            )
        )  # fmt: skip
    lists.say_unused(tally)
    _say_without_annotations(images, {image.path for image in found}, tally)
    return found


def _image_paths(
    annotations: list[VocAnnotation], root: _Root, images: ImageFiles, tally: Tally
) -> dict[Path, Path]:
    """The image of each XML file that has one.

    The file name inside decides.  It may be absent, stale or that of another tool; then the name of
    the XML file does, also where the named image is that of an XML file of its own.
    """
    by_stem = {}
    for annotation in annotations:
        relative = annotation.path.relative_to(root.xml).with_suffix("")
        found = images.find(relative.as_posix(), near=annotation.path.parent)
        if isinstance(found, Path):
            by_stem[annotation.path] = found
    owned = set(by_stem.values())
    paths = {}
    for annotation in annotations:
        own = by_stem.get(annotation.path)
        named = _named_image(annotation, root, images)
        if isinstance(named, Path) and (own is None or own == named or named not in owned):
            taken = named
        elif own is not None:
            taken = own
        else:
            tally.leave_out("XML file", str(named), f"{annotation.path}: {annotation.file_name}")
            continue
        paths[annotation.path] = taken
        if isinstance(named, Path) and own is not None and own != named:
            tally.note(
                "XML file",
                "with the file name of another image than its own name says",
                f"{annotation.path}: {annotation.file_name}; taken is {taken.name}",
            )
    return paths


def _named_image(annotation: VocAnnotation, root: _Root, images: ImageFiles) -> Path | str:
    name = annotation.file_name
    if not name:
        return "image not found"
    folder = annotation.path.parent.relative_to(root.xml).as_posix()
    found = images.find(f"{folder}/{name}", near=annotation.path.parent)
    return found if isinstance(found, Path) else f"image not found: {found}"


def _say_without_annotations(images: ImageFiles, taken: Container[Path], tally: Tally) -> None:
    for path in images.paths:
        if path not in taken:
            tally.leave_out("image", "no XML file that can be used", str(path))


class _Lists:
    """``ImageSets/Main/{train,val,test,trainval}.txt``: which image is in which split."""

    def __init__(self, splits: Mapping[str, Split], sources: Mapping[str, str]) -> None:
        self.splits = splits
        self._sources = sources
        self._used: Counter[str] = Counter()

    @staticmethod
    def read(root: _Root, xml: Sequence[Path], tally: Tally) -> _Lists:
        folder = folder_called(root.folder, "ImageSets")
        if folder is None:
            return _Lists({}, {})
        folder = folder_called(folder, "Main") or folder
        files = {path.stem.casefold(): path for path in sorted(folder.glob("*.[tT][xX][tT]"))}
        known = {_name_key(path.as_posix()) for path in xml} | {_name_key(p.name) for p in xml}
        splits: dict[str, Split] = {}
        sources: dict[str, str] = {}
        for name, split in _LISTS:
            if name not in files:
                continue
            for line in filter(None, read_lines(files[name])):
                key = _list_key(line, known)
                if key not in splits:
                    splits[key] = split
                    sources[key] = f"{files[name]}: {line}"
                elif splits[key] != split and name != "trainval":
                    tally.note(
                        "image", f"in the lists of {splits[key]} and {split}; kept in the first",
                        f"{files[name]}: {line}",
                    )  # fmt: skip
        return _Lists(splits, sources)

    def split_of(self, xml: Path) -> Split | None:
        """The split of an XML file, by its path in the folder of XML files."""
        for key in (_name_key(xml.as_posix()), _name_key(xml.name)):
            if key in self.splits:
                self._used[key] += 1
                return self.splits[key]
        return None

    def say_unused(self, tally: Tally) -> None:
        for key in self.splits:
            if not self._used[key]:
                tally.leave_out(
                    "line of ImageSets",
                    "no XML file with an image of that name",
                    self._sources[key],
                )


def _list_key(line: str, known: Container[str]) -> str:
    """The name in a line of a list: without the mark (-1, 0, 1) that lists of a class have."""
    plain = folded(line.strip().replace("\\", "/"))
    key = plain if plain in known else _name_key(line)
    words = line.rsplit(maxsplit=1)
    if key not in known and len(words) == 2 and words[1] in ("1", "-1", "0"):
        return _name_key(words[0])
    return key


def _name_key(name: str) -> str:
    """A name with its folders, without ending."""
    path = Path(name.strip().replace("\\", "/"))
    has_ending = path.suffix.lower() in (".xml", *SUFFIXES)
    return folded((path.with_suffix("") if has_ending else path).as_posix())
