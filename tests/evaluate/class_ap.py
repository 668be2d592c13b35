"""AP of every class, of which TIDE's numbers are means."""

from __future__ import annotations

import numpy as np

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate.results import Results
from ladcli.evaluate.tide_repairs import Repairs
from ladcli.evaluate.tide_walk import classify, prepare_walk
from ladcli.runs.tide_numbers import Definition, TideThresholds


def ap_per_class(
    truth: CocoFile, results: Results, definition: Definition, at: TideThresholds = TideThresholds()
) -> dict[str, float]:
    """Points of 100 before any repair, by name; without the classes that are not averaged."""
    walk = prepare_walk(truth, results, at_least=at.background)
    errors = classify(walk, at.positive, at.background)
    repairs = Repairs(walk, errors, len(truth.classes), definition)
    once = np.ones((walk.num_images, 1))
    found = [float(of_class.average_precision(once)[0, 0]) for of_class in repairs.classes]
    named = zip(truth.classes.names, found, strict=True)
    return {name: ap for name, ap in named if not np.isnan(ap)}
