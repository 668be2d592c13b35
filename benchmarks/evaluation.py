"""AP, TIDE and comparisons on a set of COCO's size, beside the published tools.

    python -m benchmarks.evaluation [--images 5000] [--resamples 1000]

Every measurement runs in a process of its own, on files that are drawn from a seed.  See README.md
for how to read the table.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

DETECTIONS_PER_IMAGE = 100
HW = (480, 640)
#: What tidecv 1.0.1 is published to take for such a set; never measured by this program.
TIDECV_SECONDS, TIDECV_GB = 38, 1.1
#: Largest difference of a number that still counts as none.
SAME = 1e-9


@dataclass(frozen=True)
class SetSize:
    """How much there is to measure."""

    images: int
    classes: int
    boxes_per_image: float


COCO_SIZED = SetSize(5000, 80, 7.2)
#: A test set of one's own: what `lad run bccd` measures.
SMALL, SMALL_RESAMPLES = SetSize(72, 3, 13), 10_000


@dataclass(frozen=True)
class Files:
    """Ground truth and results of two runs."""

    truth: Path
    results: tuple[Path, Path]


@dataclass(frozen=True)
class Boxes:
    """Ground truth of all images."""

    image: np.ndarray  # [G] int64
    label: np.ndarray  # [G] int64
    boxes: np.ndarray  # [G, 4] x, y, width, height


def draw_files(folder: Path, size: SetSize, seed: int) -> Files:
    """Write ground truth, and results of two runs with 100 detections an image on average."""
    rng = np.random.default_rng(seed)
    count = round(size.images * size.boxes_per_image)
    frequency = 1 / np.arange(1, size.classes + 1)  # a few classes are frequent, as in COCO
    truth = Boxes(
        np.sort(rng.integers(0, size.images, count)),
        rng.choice(size.classes, count, p=frequency / frequency.sum()),
        _draw_boxes(rng, count),
    )
    files = Files(folder / "truth.json", (folder / "first.json", folder / "second.json"))
    files.truth.write_text(json.dumps(_instances(truth, size)))
    for path, jitter in zip(files.results, (0.1, 0.09), strict=True):
        path.write_text(json.dumps(_draw_results(rng, truth, size, jitter)))
    return files


def _draw_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """[count, 4] x, y, width, height inside the image; sizes from a few pixels to most of it."""
    wh = np.exp(rng.uniform(np.log(8), np.log(400), (count, 2)))
    return np.concatenate([rng.uniform(0, np.array(HW[::-1]) - wh), wh], axis=1).round(2)


def _instances(truth: Boxes, size: SetSize) -> dict[str, object]:
    """COCO ground truth; one box in a hundred is a crowd region."""
    columns = zip(truth.image.tolist(), truth.label.tolist(), truth.boxes.tolist(), strict=True)
    return {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": HW[0], "width": HW[1]}
            for i in range(size.images)
        ],
        "categories": [{"id": c + 1, "name": f"class {c}"} for c in range(size.classes)],
        "annotations": [
            {
                "id": n,
                "image_id": image,
                "category_id": label + 1,
                "bbox": box,
                "area": round(box[2] * box[3] * 0.6, 2),
                "iscrowd": int(n % 100 == 0),
            }
            for n, (image, label, box) in enumerate(columns, 1)
        ],
    }


def _draw_results(
    rng: np.random.Generator, truth: Boxes, size: SetSize, jitter: float
) -> list[dict[str, object]]:
    """Records: several around every box, some of them of another class, the rest background."""
    count = size.images * DETECTIONS_PER_IMAGE
    background = rng.random(count) < 0.3
    source = rng.integers(0, len(truth.image), count)
    image = np.where(background, rng.integers(0, size.images, count), truth.image[source])
    confused = background | (rng.random(count) < 0.25)
    label = np.where(confused, rng.integers(0, size.classes, count), truth.label[source])
    spread = rng.exponential(jitter, count)
    near = truth.boxes[source]
    near = near + rng.normal(0, 1, (count, 4)) * spread[:, None] * near[:, [2, 3, 2, 3]]
    boxes = np.where(background[:, None], _draw_boxes(rng, count), near)
    boxes[:, 2:] = boxes[:, 2:].clip(min=1)
    score = np.where(confused, 0.2, np.exp(-3 * spread)) * rng.beta(2, 2, count)
    columns = (image, label + 1, boxes.round(2), score.round(6))
    return [
        {"image_id": i, "category_id": c, "bbox": box, "score": s}
        for i, c, box, s in zip(*(column.tolist() for column in columns), strict=True)
    ]


@dataclass(frozen=True)
class Cost:
    """What a measurement took, and what it found."""

    read_s: float  # processor seconds to read the files
    work_s: float  # processor seconds for the rest
    peak_gb: float  # resident memory of the process, libraries included
    numbers: list[float]


def our_ap(files: Files) -> Cost:
    """The twelve numbers by `ladcli`."""
    from ladcli.data.coco_json import read_coco
    from ladcli.evaluate.coco import coco_metrics
    from ladcli.evaluate.results import load_results

    start = time.process_time()
    truth = read_coco(files.truth)
    results = load_results(files.results[0], truth)
    middle = time.process_time()
    stats = coco_metrics(truth, results).stats
    return _cost(start, middle, [-1 if value is None else value for value in stats.values()])


def pycocotools_ap(files: Files) -> Cost:
    """The twelve numbers by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        start = time.process_time()
        truth = COCO(str(files.truth))
        results = truth.loadRes(str(files.results[0]))
        middle = time.process_time()
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return _cost(start, middle, [float(number) for number in evaluation.stats])


def our_tide(files: Files) -> Cost:
    """AP and dAP by `ladcli`, as tidecv counts."""
    from ladcli.data.coco_json import read_coco
    from ladcli.evaluate.results import load_results
    from ladcli.evaluate.tide import TideOptions, tide_errors

    start = time.process_time()
    truth = read_coco(files.truth)
    results = load_results(files.results[0], truth)
    middle = time.process_time()
    (entry,) = tide_errors(truth, results, TideOptions(definition="tidecv")).entries
    return _cost(start, middle, [value or 0.0 for value in (entry.ap, *entry.dap.values())])


def tidecv_tide(files: Files) -> Cost:
    """The same by tidecv, where it is installed."""
    from tidecv import TIDE
    from tidecv.data import Data

    start = time.process_time()
    content = json.loads(files.truth.read_text())
    truth, found = Data("truth"), Data("found")
    for image in content["images"]:
        truth.add_image(image["id"], image["file_name"])
    for a in content["annotations"]:
        add = truth.add_ignore_region if a["iscrowd"] else truth.add_ground_truth
        add(a["image_id"], a["category_id"], a["bbox"])
    for d in json.loads(files.results[0].read_text()):
        found.add_detection(d["image_id"], d["category_id"], d["score"], d["bbox"])
    middle = time.process_time()
    run = TIDE().evaluate(truth, found, mode=TIDE.BOX)
    gains = {**run.fix_main_errors(), **run.fix_special_errors()}
    named = {error.short_name: gain for error, gain in gains.items()}
    kinds = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FalsePos", "FalseNeg")
    return _cost(start, middle, [run.ap, *(named[kind] for kind in kinds)])


def our_comparison(files: Files, resamples: int, everything: bool) -> Cost:
    """How far two runs are apart, and the interval; there is no tool to compare with."""
    from ladcli.data.coco_json import read_coco
    from ladcli.evaluate.bootstrap import Draws
    from ladcli.evaluate.gains import MatchedRun, gains_over
    from ladcli.evaluate.matching import match
    from ladcli.evaluate.results import load_results
    from ladcli.evaluate.tide import repairs_of

    start = time.process_time()
    truth = read_coco(files.truth)
    results = [load_results(path, truth) for path in files.results]
    middle = time.process_time()
    first, second = (
        MatchedRun(match(truth, found), repairs_of(truth, found) if everything else None)
        for found in results
    )
    (gains,) = gains_over([first], [[second]], Draws(resamples))
    gain = gains.overall["AP"]
    return _cost(start, middle, [value or 0.0 for value in (gain.difference, gain.low, gain.high)])


def _cost(start: float, middle: float, numbers: list[float]) -> Cost:
    end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    per_gb = 1e9 if sys.platform == "darwin" else 1e9 / 1024  # bytes there, KiB elsewhere
    return Cost(middle - start, end - middle, peak / per_gb, numbers)


def in_fresh_process(measure: Callable[..., Cost], *args: object) -> Cost:
    """``measure(*args)`` in an interpreter of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, args)


def main() -> None:
    """Draw, measure, and print a table."""
    parser = argparse.ArgumentParser(description="AP, TIDE and comparisons")
    parser.add_argument("--images", type=int, default=COCO_SIZED.images)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    large = replace(COCO_SIZED, images=options.images)
    with tempfile.TemporaryDirectory() as folder:
        files = _draw(Path(folder), large, options.seed)
        _compare(_row("AP, ladcli", our_ap, files), _row("AP, pycocotools", pycocotools_ap, files))
        ours = _row("TIDE, ladcli", our_tide, files)
        if importlib.util.find_spec("tidecv"):
            _compare(ours, _row("TIDE, tidecv", tidecv_tide, files))
        else:
            print("  tidecv is not installed; for 5000 images it is said to take")
            print(f"  {TIDECV_SECONDS} s and {TIDECV_GB} GB, NOT measured here")
        _compare_two_runs(files, options.resamples)
    with tempfile.TemporaryDirectory() as folder:
        _compare_two_runs(_draw(Path(folder), SMALL, options.seed), SMALL_RESAMPLES)


def _draw(folder: Path, size: SetSize, seed: int) -> Files:
    """Draw a set, and print its size above a new table."""
    files = draw_files(folder, size, seed)
    detections = size.images * DETECTIONS_PER_IMAGE
    print(f"{size.images} images, {size.classes} classes, {detections} detections, one process")
    print(f"{'processor time':32}{'read s':>9}{'work s':>9}{'peak GB':>9}")
    return files


def _compare_two_runs(files: Files, resamples: int) -> None:
    """What intervals of AP alone cost, and those of everything."""
    for which in ("ap", "all"):
        name = f"{resamples} resamples, intervals {which}"
        found = _row(name, our_comparison, files, resamples, which == "all").numbers
        difference, low, high = (100 * number for number in found)
        print(f"  AP of two runs differs by {difference:+.2f} points [{low:+.2f}, {high:+.2f}]")


def _row(name: str, measure: Callable[..., Cost], *args: object) -> Cost:
    """Measure, and print a row of the table."""
    cost = in_fresh_process(measure, *args)
    print(f"{name:32}{cost.read_s:9.2f}{cost.work_s:9.2f}{cost.peak_gb:9.2f}", flush=True)
    return cost


def _compare(ours: Cost, theirs: Cost) -> None:
    """Print how much faster we are, and stop if the numbers disagree."""
    work = theirs.work_s / ours.work_s
    total = (theirs.work_s + theirs.read_s) / (ours.work_s + ours.read_s)
    apart = float(np.abs(np.subtract(ours.numbers, theirs.numbers)).max())
    print(f"  {work:.1f} times as fast, {total:.1f} times with reading the files;")
    print(f"  largest difference of a number: {apart:.1e}", flush=True)
    if apart > SAME:
        raise SystemExit("the numbers differ")


if __name__ == "__main__":
    main()
