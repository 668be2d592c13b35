"""Label assignment: our batched form against the loop that PAA's reference runs.

    python -m benchmarks.assignment --repeats 15

Both sides get the same four COCO-size images and run interleaved in one process.  The loop goes
over images, objects and levels and fits each mixture with scikit-learn.  See README.md for how to
read the ratios.

Both sides get decoded boxes: decoding belongs to the head, and a training step decodes all boxes
for its loss anyway.  What that costs stands in a row of its own, below the total.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.box_coding import encode_boxes
from ladcli.assign import Assigner, MixtureSelection, fit_mixtures, paa_assigner
from ladcli.assign.mixture import MixtureEngine, MixtureFit
from ladcli.detector.anchors import anchor_grid, predicted_boxes
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    ClassLogits,
    Predictions,
    Priors,
    Scene,
    Targets,
)
from ladcli.structures.boxes import matrix_iou, pair_giou

CANVAS_HW = (800, 1344)
NUM_CLASSES = 80
BOXES_PER_IMAGE = (9, 7, 9, 3)
#: The reference implementation on a 2-core x86-64 machine, one thread: milliseconds for one fit
#: with its predictions and densities, and for the assignment of such a batch.
REFERENCE_FIT_MS = 3.5
REFERENCE_TOTAL_MS = 187.0
#: Ratios that we want to hold.
TARGETS = {"mixtures": 20.0, "assignment": 5.0}


class Stopwatch:
    """Milliseconds spent per stage, added up until the next `reset`."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + (time.process_time() - start) * 1e3

    def reset(self) -> dict[str, float]:
        """What was spent since the last time."""
        spent, self.spent = self.spent, {}
        return spent


# The loop.  It is written to be fair: plain tensor code without needless work, yet one object and
# one level at a time, as the reference does it.


def loop_assign(
    scene: Scene, cls: ClassLogits, decoded: Tensor, watch: Stopwatch | None = None
) -> Assignment:
    """PAA's assignment by loops over images, objects and levels."""
    watch = watch or Stopwatch()
    targets, priors, valid = scene.targets, scene.priors, scene.valid
    rows = []
    for image in range(len(valid)):
        inside = valid[image].nonzero().squeeze(1)
        boxes = targets.boxes[image][targets.valid[image]]
        labels = targets.labels[image][targets.valid[image]]
        with watch.stage("candidates"):
            owner = loop_candidates(boxes, priors.boxes[inside])
            anchor, gt = inside[owner >= 0], owner[owner >= 0]
        with watch.stage("cost"):
            outputs = cls.raw[image, anchor], decoded[image, anchor]
            cost = loop_cost(*outputs, boxes[gt], labels[gt])
        row = torch.where(valid[image], BACKGROUND, IGNORE)
        with watch.stage("selection"):
            for own in range(len(boxes)):
                row[loop_positives(anchor[gt == own], cost[gt == own], priors, watch)] = own
        rows.append(row)
    return Assignment(torch.stack(rows))


def loop_candidates(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Index of the box each anchor may become a positive of, or -1."""
    if not len(boxes):
        return torch.full((len(anchors),), BACKGROUND)
    overlaps = matrix_iou(boxes, anchors)
    best, which = overlaps.max(dim=0)
    owner = torch.where(best >= 0.1, which, BACKGROUND)
    for own, row in enumerate(overlaps):
        owner[row == row.max()] = own
    return owner


def loop_cost(logits: Tensor, decoded: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """Focal loss of the box's class plus 1.3 times the GIoU loss, of each candidate."""
    prob = logits.sigmoid()
    target = torch.zeros_like(logits)
    target[torch.arange(len(labels)), labels] = 1.0
    missed = torch.where(target > 0, 1 - prob, prob)
    weight = torch.where(target > 0, 0.25, 0.75) * missed.square()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * entropy).sum(dim=1) + 1.3 * (1 - pair_giou(decoded, boxes))


def loop_positives(anchor: Tensor, cost: Tensor, priors: Priors, watch: Stopwatch) -> Tensor:
    """Anchors of one object that become positives, out of its candidates."""
    chosen, start = [], 0
    for length in priors.level_lengths:
        in_level = ((anchor >= start) & (anchor < start + length)).nonzero().squeeze(1)
        cheapest = cost[in_level].topk(min(9, len(in_level)), largest=False).indices
        chosen.append(in_level[cheapest])
        start += length
    samples = torch.cat(chosen)
    if len(samples) < 2:
        return anchor[:0]
    ascending, order = cost[samples].sort()
    with watch.stage("mixtures"):
        component, density = sklearn_mixture(ascending.double().numpy())
    lower = np.flatnonzero(component == 0)
    if not len(lower):
        return anchor[:0]
    lower = lower[: np.argmax(density[lower]) + 1]
    return anchor[samples[order[torch.from_numpy(lower)]]]


def sklearn_mixture(ascending: NDArray) -> tuple[NDArray, NDArray]:
    """Component and log density of each cost, by scikit-learn."""
    points = ascending.reshape(-1, 1)
    model = GaussianMixture(
        2,
        covariance_type="diag",
        weights_init=np.array([0.5, 0.5]),
        means_init=np.array([[ascending[0]], [ascending[-1]]]),
        precisions_init=np.ones((2, 1)),
    )
    model.fit(points)
    return model.predict(points), model.score_samples(points)


# The batch that both sides get.


@dataclass(frozen=True)
class Problem:
    """Everything an assignment needs."""

    scene: Scene
    predictions: Predictions
    boxes: Tensor  # [B, A, 4], decoded


def make_problem(seed: int) -> Problem:
    """Four images with boxes of COCO-like sizes, and what a half-trained network says to them."""
    draw = torch.Generator().manual_seed(seed)
    priors = anchor_grid(CANVAS_HW).priors
    boxes = [random_boxes(number, draw) for number in BOXES_PER_IMAGE]
    labels = [torch.randint(NUM_CLASSES, (number,), generator=draw) for number in BOXES_PER_IMAGE]
    outputs = [plausible_outputs(b, c, priors, draw) for b, c in zip(boxes, labels, strict=True)]
    logits, deltas, iou_logits = (torch.stack(parts) for parts in zip(*outputs, strict=True))
    predictions = Predictions(ClassLogits(logits), deltas, iou_logits)
    valid = torch.ones(len(boxes), priors.num_priors, dtype=torch.bool)
    scene = Scene(Targets.from_lists(boxes, labels), priors, valid)
    return Problem(scene, predictions, predicted_boxes(predictions, scene))


def random_boxes(number: int, draw: torch.Generator) -> Tensor:
    """Boxes of 24 to 480 pixels, as many small as large ones, inside the canvas."""
    height, width = CANVAS_HW
    side = 24 * 20 ** torch.rand(number, 1, generator=draw)
    ratio = 2 ** (torch.rand(number, 1, generator=draw) * 2 - 1)
    size = torch.cat([side * ratio.sqrt(), side / ratio.sqrt()], dim=1)
    corner = torch.rand(number, 2, generator=draw) * (torch.tensor([width, height]) - size)
    return torch.cat([corner, corner + size], dim=1)


def plausible_outputs(
    boxes: Tensor, labels: Tensor, priors: Priors, draw: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Class logits [A, C], deltas [A, 4] and IoU logits [A] of one image.

    Anchors see their best box the more clearly the better they overlap it.
    """
    count = priors.num_priors
    iou, which = matrix_iou(boxes, priors.boxes).max(dim=0)
    logits = torch.randn(count, NUM_CLASSES, generator=draw) * 0.6 - 4.6
    clarity = 6 * iou + torch.randn(count, generator=draw)
    logits[torch.arange(count), labels[which]] += clarity.clamp(min=0)
    noise = torch.randn(count, 4, generator=draw)
    near = (iou > 0.05).unsqueeze(1)
    aim = encode_boxes(priors.boxes, boxes[which]).clamp(-20, 20)
    deltas = torch.where(near, 0.85 * aim + (2 - 1.5 * iou).unsqueeze(1) * noise, noise)
    return logits, deltas, 4 * iou - 2 + torch.randn(count, generator=draw)


# Measuring.


def timed_assigner(watch: Stopwatch) -> Assigner:
    """Our assigner, with a watch around the mixtures."""

    def engine(costs: Tensor, valid: Tensor) -> MixtureFit:
        with watch.stage("mixtures"):
            return fit_mixtures(costs, valid)

    return assigner_with(engine)


def assigner_with(engine: MixtureEngine) -> Assigner:
    return replace(paa_assigner(), selection_rule=MixtureSelection(engine=engine))


def our_assign(problem: Problem, assigner: Assigner, watch: Stopwatch) -> Assignment:
    """The chain of `Assigner.assign`, stage by stage."""
    with watch.stage("candidates"):
        candidates = assigner.candidates(problem.scene)
    with watch.stage("cost"):
        cls = problem.predictions.cls
        costs = assigner.price(candidates, problem.scene, cls, problem.boxes)
    with watch.stage("selection"):
        return assigner.select(candidates, costs, problem.scene)


def decode(problem: Problem, watch: Stopwatch) -> None:
    """What a head does for its loss, whoever assigns: all boxes out of deltas."""
    with watch.stage(DECODING):
        predicted_boxes(problem.predictions, problem.scene)


def plain_fit_ms(number: int = 10) -> float:
    """Mean milliseconds of one scikit-learn fit of 45 costs: how fast this machine is now."""
    draw = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(number):
        low, high = draw.normal(0.8, 0.25, 18), draw.normal(1.9, 0.4, 27)
        sklearn_mixture(np.sort(np.concatenate([low, high])))
    return (time.process_time() - start) * 1e3 / number


STAGES = ("candidates", "cost", "selection", "mixtures", "total")
DECODING = "decoding all boxes"  # no stage of the assignment
Times = dict[str, list[float]]  # milliseconds of each repetition, by stage


def measure(problem: Problem, repeats: int) -> tuple[Times, Times, list[float]]:
    """The loop, ours and a plain fit in turn, so that all of them meet the same weather.

    Our record also holds what decoding takes, which comes right before.
    """
    watch = Stopwatch()
    assigner = timed_assigner(watch)
    runs: list[Callable[[], Assignment]] = [
        lambda: loop_assign(problem.scene, problem.predictions.cls, problem.boxes, watch),
        lambda: our_assign(problem, assigner, watch),
    ]
    times: list[Times] = [{stage: [] for stage in STAGES} for _ in runs]
    times[1][DECODING] = []
    plain = []
    for repetition in range(-2, repeats):  # the first two warm up
        plain_now = plain_fit_ms()
        for run, record in zip(runs, times, strict=True):
            if DECODING in record:
                decode(problem, watch)
            run()
            add_times(record, watch.reset(), keep=repetition >= 0)
        if repetition >= 0:
            plain.append(plain_now)
    return times[0], times[1], plain


def add_times(record: Times, spent: dict[str, float], *, keep: bool) -> None:
    """File one repetition.  Mixtures run inside the selection and are taken out of it."""
    if not keep:
        return
    spent["total"] = spent["candidates"] + spent["cost"] + spent["selection"]
    spent["selection"] -= spent["mixtures"]
    for stage, milliseconds in spent.items():
        record[stage].append(milliseconds)


def compare(problem: Problem, repeats: int) -> dict[str, Any]:
    """All numbers of the report."""
    with torch.no_grad():
        loop, ours, plain = measure(problem, repeats)
        agreement = agreement_of(problem)
    result: dict[str, Any] = {
        "loop_ms": {stage: summary(loop[stage]) for stage in STAGES},
        "ours_ms": {stage: summary(ours[stage]) for stage in STAGES},
        "decoding_ms": summary(ours[DECODING]),
        "ours_with_decoding_ms": summary(
            [sum(both) for both in zip(ours["total"], ours[DECODING], strict=True)]
        ),
        "plain_fit_ms": summary(plain),
        **agreement,
    }
    for kind in ("min", "median"):
        result[f"ratio_{kind}"] = ratios(result, kind)
    return result


def summary(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": median(values)}


def ratios(result: dict[str, Any], kind: str) -> dict[str, float]:
    """How many times faster we are, against the loop or the reference, whichever is faster.

    The reference's times are brought to this machine by the cost of a plain fit, so that a slow
    loop wins nothing.
    """
    plain = result["plain_fit_ms"][kind]
    reference = {
        "mixtures": plain * result["num_fits"],
        "total": REFERENCE_TOTAL_MS * plain / REFERENCE_FIT_MS,
    }
    faster = {stage: min(result["loop_ms"][stage][kind], reference[stage]) for stage in reference}
    return {
        "mixtures": faster["mixtures"] / result["ours_ms"]["mixtures"][kind],
        "assignment": faster["total"] / result["ours_ms"]["total"][kind],
        "reference_mixtures_ms": reference["mixtures"],
        "reference_total_ms": reference["total"],
    }


def agreement_of(problem: Problem) -> dict[str, Any]:
    """Whether both sides choose the same positives, and how large the problem is."""
    watch = Stopwatch()
    fits: list[MixtureFit] = []

    def engine(costs: Tensor, valid: Tensor) -> MixtureFit:
        fits.append(fit_mixtures(costs, valid))
        return fits[-1]

    assigner = assigner_with(engine)
    ours = our_assign(problem, assigner, watch).gt_index
    loop = loop_assign(problem.scene, problem.predictions.cls, problem.boxes).gt_index
    objects = [(i, gt) for i, number in enumerate(BOXES_PER_IMAGE) for gt in range(number)]
    equal = [torch.equal(ours[i] == gt, loop[i] == gt) for i, gt in objects]
    candidates = assigner.candidates(problem.scene)
    steps = fits[0].num_iter[fits[0].num_iter > 0].double()
    return {
        "num_fits": len(objects),
        "candidates": candidates.mask.sum(dim=1).tolist(),
        "positives": int((ours >= 0).sum()),
        "em_steps": [int(steps.min()), round(float(steps.mean()), 1), int(steps.max())],
        "equal_positive_sets": sum(equal) / len(equal),
    }


# Telling.


def report(result: dict[str, Any]) -> str:
    """The result as a table."""
    low, mean, high = result["em_steps"]
    plain = result["plain_fit_ms"]
    lines = [
        f"4 images of {CANVAS_HW[0]}x{CANVAS_HW[1]}, {NUM_CLASSES} classes, "
        f"{result['num_fits']} objects, candidates {result['candidates']}, "
        f"{result['positives']} positives, EM steps {low}..{high} (mean {mean})",
        f"one scikit-learn fit: {plain['min']:.2f} / {plain['median']:.2f} ms "
        f"(reference machine: about {REFERENCE_FIT_MS} ms)",
        "",
        f"{'ms (min / median)':<20}{'loop':>18}{'ours':>18}",
        *(table_row(result, stage) for stage in STAGES),
        *(
            f"{name:<20}{'':>18}{cell(result[key])}"
            for name, key in ((DECODING, "decoding_ms"), ("with it", "ours_with_decoding_ms"))
        ),
        "",
        f"reference, measured elsewhere: {REFERENCE_TOTAL_MS:.0f} ms in all; scaled to this "
        f"machine: {result['ratio_min']['reference_total_ms']:.0f} / "
        f"{result['ratio_median']['reference_total_ms']:.0f} ms",
        f"equal positive sets: {result['equal_positive_sets']:.1%}",
        "",
        *(ratio_row(result, name) for name in TARGETS),
    ]
    return "\n".join(lines)


def table_row(result: dict[str, Any], stage: str) -> str:
    cells = [result[side][stage] for side in ("loop_ms", "ours_ms")]
    return f"{stage:<20}" + "".join(map(cell, cells))


def cell(times: dict[str, float]) -> str:
    return f"{times['min']:>9.2f} /{times['median']:>7.2f}"


def ratio_row(result: dict[str, Any], name: str) -> str:
    best, middle = result["ratio_min"][name], result["ratio_median"][name]
    target = TARGETS[name]
    verdict = "met" if min(best, middle) >= target else "missed"
    return f"{name + ' ratio':<20}{best:>8.1f}x /{middle:>6.1f}x  target {target:.0f}x: {verdict}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="timed repetitions")
    parser.add_argument("--threads", type=int, default=1, help="threads of either side")
    parser.add_argument("--seed", type=int, default=0, help="of boxes and network outputs")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        result = compare(make_problem(options.seed), options.repeats)
    print(json.dumps(result) if options.json else report(result))


if __name__ == "__main__":
    main()
