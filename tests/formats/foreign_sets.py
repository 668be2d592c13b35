"""Small data sets as other tools write them, and a look at what an import makes of them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from ladcli.formats.split import Shares
from ladcli.formats.tally import Tally
from ladcli.stages.import_data import Imported, Source, import_data

#: Class and bbox (x, y, width, height) of every box by image.
Boxes: TypeAlias = dict[str, list[tuple[str, list[float]]]]


def picture(path: Path, size: tuple[int, int] = (64, 48), *, seed: int = 0, turn: int = 1) -> Path:
    """Write an image that differs by ``seed``, with an EXIF orientation of ``turn``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *size]).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = turn
    options: dict[str, Any] = {} if turn == 1 else {"exif": exif}
    image.save(path, **options)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def voc_xml(
    *objects: tuple[str, float, float, float, float],
    name: str | None = None,
    size: tuple[int, int] | None = (64, 48),
    more: str = "",
) -> str:
    """An annotation with objects of class, xmin, ymin, xmax, ymax; ``more`` goes into each."""
    filename = f"<filename>{name}</filename>" if name is not None else ""
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    inner = "".join(
        f"<object><name>{label}</name>{more}<bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for label, a, b, c, d in objects
    )
    return f"<annotation>{filename}{sides}{inner}</annotation>"


def imported(source: Source, out: Path, **options: Any) -> Imported:
    """Import with the shares ``val``, ``test`` and ``group_by`` among the options."""
    shares = Shares(options.pop("val", None), options.pop("test", None), options.pop("group", None))
    return import_data(source, out, shares=shares, **options)


def content(folder: Path, split: str = "train") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "annotations" / f"{split}.json").read_bytes())
    return loaded


def names_in(folder: Path, split: str = "train") -> list[str]:
    return [image["file_name"] for image in content(folder, split)["images"]]


def boxes_in(folder: Path) -> Boxes:
    """What the annotations of a data folder say, over all splits; every image has an entry."""
    found: Boxes = defaultdict(list)
    for path in sorted((folder / "annotations").iterdir()):
        loaded = json.loads(path.read_bytes())
        classes = {entry["id"]: entry["name"] for entry in loaded["categories"]}
        names = {image["id"]: image["file_name"] for image in loaded["images"]}
        for name in names.values():
            assert found[name] == []  # no name twice
        for record in loaded["annotations"]:
            found[names[record["image_id"]]].append(
                (classes[record["category_id"]], record["bbox"])
            )
    return dict(found)


def problems(tally: Tally | Imported) -> dict[str, int]:
    """Counts of what was odd, by ``what: problem``."""
    plain = tally.findings if isinstance(tally, Imported) else tally.to_plain()
    return {f"{kind['what']}: {kind['problem']}": kind["count"] for kind in plain}


def problem(tally: Tally | Imported) -> str:
    """The only oddity, as ``what: problem``."""
    (found,) = problems(tally)
    return found
