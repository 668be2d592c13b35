"""Assignment methods one image, one object and one prior at a time, in plain Python.

Written from the papers and without a look at the package: what they share with it is the order of
priors and the boxes that a network predicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np

from tests.assign.scenes import Problem

Owners = list[int]  # ground truth of every prior, −1 background, −2 ignored


class Image:
    """One image of a problem as numbers."""

    def __init__(self, problem: Problem, image: int) -> None:
        alone = problem.image(image)
        priors = alone.scene.priors
        self.gts: list[list[float]] = alone.targets.boxes[0].double().tolist()
        self.labels: list[int] = alone.targets.labels[0].tolist()
        self.priors: list[list[float]] = priors.boxes.double().tolist()
        self.stride: list[float] = priors.stride.double().tolist()
        self.level: list[int] = priors.level.tolist()
        self.valid: list[bool] = alone.valid[0].tolist()
        self.boxes: list[list[float]] = alone.boxes[0].detach().double().tolist()
        self.prob: list[list[float]] = alone.predictions.cls.prob()[0].double().tolist()

    def possible(self) -> list[int]:
        return [a for a, valid in enumerate(self.valid) if valid]

    def center(self, a: int) -> tuple[float, float]:
        x1, y1, x2, y2 = self.priors[a]
        return (x1 + x2) / 2, (y1 + y2) / 2

    def inside(self, g: int, a: int, border: float) -> bool:
        x, y = self.center(a)
        x1, y1, x2, y2 = self.gts[g]
        return min(x - x1, x2 - x, y - y1, y2 - y) > border

    def central(self, g: int, a: int, radius: float) -> bool:
        x, y = self.center(a)
        x1, y1, x2, y2 = self.gts[g]
        reach = radius * self.stride[a]
        return abs(x - (x1 + x2) / 2) < reach and abs(y - (y1 + y2) / 2) < reach

    def nearest(self, g: int, number: int) -> list[int]:
        """The nearest priors of every level."""
        x1, y1, x2, y2 = self.gts[g]

        def away(a: int) -> float:
            x, y = self.center(a)
            return (x - (x1 + x2) / 2) ** 2 + (y - (y1 + y2) / 2) ** 2

        found = []
        for level in sorted(set(self.level)):
            here = [a for a in self.possible() if self.level[a] == level]
            found += sorted(here, key=away)[:number]
        return found

    def focal(self, g: int, a: int) -> float:
        total = 0.0
        for c, p in enumerate(self.prob[a]):
            own = c == self.labels[g]
            total -= 0.25 * (1 - p) ** 2 * math.log(p) if own else 0.75 * p**2 * math.log(1 - p)
        return total

    def entropy(self, g: int | None, a: int) -> float:
        return -sum(
            math.log(p) if g is not None and c == self.labels[g] else math.log(1 - p)
            for c, p in enumerate(self.prob[a])
        )

    def detection(self, g: int, a: int) -> float:
        return self.focal(g, a) + 1.3 * (1 - giou(self.boxes[a], self.gts[g]))


def overlap(a: list[float], b: list[float]) -> tuple[float, float]:
    """Intersection and union."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height, max(areas - width * height, 1e-6)


def iou(a: list[float], b: list[float]) -> float:
    shared, union = overlap(a, b)
    return shared / union


def giou(a: list[float], b: list[float]) -> float:
    shared, union = overlap(a, b)
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return shared / union - (max(hull, 1e-6) - union) / max(hull, 1e-6)


def owners(image: Image, chosen: dict[tuple[int, int], float]) -> Owners:
    """The owner of every prior from chosen pairs (ground truth, prior) and their rank."""
    result = [-1 if valid else -2 for valid in image.valid]
    for a in image.possible():
        wanting = [(rank, g) for (g, prior), rank in chosen.items() if prior == a]
        if wanting:
            result[a] = min(wanting)[1]
    return result


def atss(image: Image) -> Owners:
    chosen = {}
    for g, box in enumerate(image.gts):
        near = image.nearest(g, 9)
        overlaps = [iou(image.priors[a], box) for a in near]
        least = np.mean(overlaps) + np.std(overlaps, ddof=1)
        for a, value in zip(near, overlaps, strict=True):
            if value >= least and image.inside(g, a, 0.01):
                chosen[g, a] = -value
    return owners(image, chosen)


def tal(image: Image) -> tuple[Owners, list[float]]:
    alignment, chosen = {}, {}
    for g, box in enumerate(image.gts):
        pairs = []
        for a in image.possible():
            value = iou(image.boxes[a], box)
            t = image.prob[a][image.labels[g]] * value**6
            if image.inside(g, a, 0.01) and t > 0:
                pairs.append((-t, a, value))
        for t, a, value in sorted(pairs)[:13]:
            chosen[g, a] = -value
            alignment[g, a] = -t
    result = owners(image, chosen)
    quality = [0.0] * len(result)
    for g in range(len(image.gts)):
        mine = [a for a, owner in enumerate(result) if owner == g]
        if mine:
            most = max(alignment[g, a] for a in mine)
            best = max(iou(image.boxes[a], image.gts[g]) for a in mine)
            for a in mine:
                quality[a] = alignment[g, a] * best / (most + 1e-7)
    return result, quality


def simota(image: Image) -> Owners:
    chosen = {}
    of_each = [
        [a for a in image.possible() if image.inside(g, a, 0) or image.central(g, a, 2.5)]
        for g in range(len(image.gts))
    ]
    some = {a for pairs in of_each for a in pairs}
    for g, (box, pairs) in enumerate(zip(image.gts, of_each, strict=True)):
        overlaps = sorted((iou(image.boxes[a], box) for a in some), reverse=True)
        number = max(1, int(np.float32(sum(overlaps[:10]))))
        costs = {}
        for a in pairs:
            both = image.inside(g, a, 0) and image.central(g, a, 2.5)
            fit = -3 * math.log(min(1.0, iou(image.boxes[a], box) + 1e-7))
            costs[a] = image.entropy(g, a) + fit + (0 if both else 1e5)
        for a in sorted(costs, key=lambda a: costs[a])[:number]:
            chosen[g, a] = costs[a]
    return owners(image, chosen)


def mal(image: Image, progress: float) -> Owners:
    chosen = {}
    for g, box in enumerate(image.gts):
        ranked = sorted(image.possible(), key=lambda a: -iou(image.priors[a], box))[:50]
        best = np.float32(iou(image.priors[ranked[0]], box))
        bag = [
            a for a in ranked
            if iou(image.priors[a], box) > 0.5 or best == np.float32(iou(image.priors[a], box)) > 0
        ]  # fmt: skip
        costs = {a: image.detection(g, a) for a in bag}
        kept = max(1, math.ceil(len(bag) * (1 - progress)))
        for a in sorted(bag, key=lambda a: costs[a])[:kept]:
            chosen[g, a] = costs[a]
    return owners(image, chosen)


def least_matching(image: Image) -> float:
    """The least sum of costs of one prior per object, by trying all of the cheap ones."""
    numbers = range(len(image.gts))
    cost = {(g, a): image.detection(g, a) for g in numbers for a in image.possible()}
    cheap = {a for g in numbers for a in sorted(image.possible(), key=lambda a: cost[g, a])[:4]}
    return min(
        sum(cost[g, a] for g, a in enumerate(way)) for way in permutations(cheap, len(image.gts))
    )


def transport(image: Image, log_sum_exp: Callable[[np.ndarray], float]) -> Owners:
    """Sinkhorn's iteration, a row and a column at a time."""
    possible, number = image.possible(), len(image.gts)
    rows, supply = [], []
    for g, box in enumerate(image.gts):
        near = {a for a in image.nearest(g, 25) if image.inside(g, a, 0)}
        overlaps = sorted((iou(image.boxes[a], box) for a in near), reverse=True)
        supply.append(min(max(1, int(np.float32(sum(overlaps[:20])))), len(near)))
        rows.append(
            [
                image.entropy(g, a) - 3 * math.log(min(1.0, iou(image.boxes[a], box) + 1e-7))
                if a in near else math.inf for a in possible
            ]
        )  # fmt: skip
    rows.append([image.entropy(None, a) for a in possible])
    supply.append(len(possible) - sum(supply))
    kernel = -np.array(rows) / 0.1
    u, v = np.zeros(number + 1), np.zeros(len(possible))
    wanted = range(number + 1)
    for _ in range(50):
        for s in wanted:
            total = log_sum_exp(kernel[s] + v)
            u[s] = (math.log(supply[s]) if supply[s] else -math.inf) - (
                total if math.isfinite(total) else 0.0
            )
        for a in range(len(possible)):
            v[a] = -log_sum_exp(kernel[:, a] + u)
    plan = kernel + u[:, None] + v[None]
    most = np.array([row.max() if np.isfinite(row).any() else 0.0 for row in plan])
    best = (plan - most[:, None]).argmax(axis=0)
    result = [-1 if valid else -2 for valid in image.valid]
    for place, a in enumerate(possible):
        if best[place] < number and np.isfinite(kernel[:number, place]).any():
            result[a] = int(best[place])
    return result
