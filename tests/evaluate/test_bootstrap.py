"""Intervals of paired differences, against resamples that are really evaluated."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate import bootstrap
from ladcli.evaluate.bootstrap import Comparison, Gain, paired_bootstrap
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.matching import match
from ladcli.evaluate.results import Results
from tests.evaluate.random_sets import RandomSet, repeat_images

#: Distinct scores: equal ones rank differently in a set that is really copied.
SET = RandomSet(images=8, boxes=40, detections=200, score_decimals=12)
UNDEFINED = Gain(None, None, None, None, None, None)


def two_runs(seed: int = 0) -> tuple[CocoFile, Results, Results]:
    """One ground truth; the second run has lost a third of the first's detections."""
    truth, results = SET.draw(seed)
    kept = np.random.default_rng(seed).random(len(results)) < 2 / 3
    fewer = Results(
        results.image_ids[kept],
        results.category_ids[kept],
        results.boxes[kept],
        results.scores[kept],
    )
    return truth, results, fewer


def compare(truth: CocoFile, first: Results, second: Results, **options: int) -> Comparison:
    (comparison,) = paired_bootstrap([match(truth, first)], [[match(truth, second)]], **options)
    return comparison


def test_intervals_are_those_of_resampled_sets() -> None:
    truth, first, second = two_runs()
    found = compare(truth, first, second, resamples=30, seed=5)
    drawn = np.random.default_rng(5).integers(8, size=(30, 8))
    differences = []
    for images in drawn:
        times = np.bincount(images, minlength=8)
        before, after = (
            coco_metrics(*repeat_images(truth, results, times)) for results in (first, second)
        )
        differences.append(
            [(after.stats[n] or 0) - (before.stats[n] or 0) for n in ("AP", "AP50", "AP75")]
        )
    for column, gain in enumerate(found.overall.values()):
        values = np.array(differences)[:, column]
        low, high = np.quantile(values, [0.025, 0.975])
        assert (gain.low, gain.high) == (pytest.approx(low), pytest.approx(high))
        assert gain.share_above == pytest.approx((values > 0).mean())
        assert low < high


def test_points_are_those_of_the_whole_set() -> None:
    truth, first, second = two_runs()
    found = compare(truth, first, second, resamples=5)
    before, after = coco_metrics(truth, first), coco_metrics(truth, second)
    assert list(found.overall) == ["AP", "AP50", "AP75"]
    assert list(found.per_class) == list(truth.classes.names)
    for name, gain in found.overall.items():
        assert gain.baseline == pytest.approx(before.stats[name])
        assert gain.value == pytest.approx(after.stats[name])
        assert gain.difference == pytest.approx(after.stats[name] - before.stats[name])
    for label, gains in found.per_class.items():
        for name, gain in gains.items():
            assert gain.value == pytest.approx(after.per_class[label][name])


def test_a_run_against_itself_gains_nothing() -> None:
    truth, first, _ = two_runs()
    for gain in compare(truth, first, first, resamples=20).overall.values():
        assert (gain.difference, gain.low, gain.high, gain.share_above) == (0, 0, 0, 0)


def test_several_runs_are_compared_with_the_first() -> None:
    truth, first, second = two_runs()
    runs = [match(truth, results) for results in (first, second, first)]
    against_second, against_itself = paired_bootstrap(
        [runs[0]], [[run] for run in runs[1:]], resamples=20
    )
    assert against_second == compare(truth, first, second, resamples=20)
    assert against_itself.overall["AP"].difference == 0


def three_seeds() -> tuple[CocoFile, Results, list[Results]]:
    """A baseline, and three runs of a method that lose other detections of it."""
    truth, results = SET.draw(0)
    runs = []
    for seed in range(3):
        kept = np.random.default_rng(seed).random(len(results)) < 2 / 3
        parts = (results.image_ids, results.category_ids, results.boxes, results.scores)
        runs.append(Results(*(part[kept] for part in parts)))
    return truth, results, runs


def test_points_of_a_group_are_means_over_its_runs() -> None:
    truth, baseline, runs = three_seeds()
    matchings = [match(truth, run) for run in runs]
    (found,) = paired_bootstrap([match(truth, baseline)], [matchings], resamples=5)
    measured = [coco_metrics(truth, run) for run in runs]
    for name, gain in found.overall.items():
        assert gain.value == pytest.approx(np.mean([m.stats[name] or 0 for m in measured]))
    for label in truth.classes.names[:2]:
        values = [m.per_class[label]["AP"] or 0 for m in measured]
        assert found.per_class[label]["AP"].value == pytest.approx(np.mean(values))
    # The same for a group that is the baseline.
    (back,) = paired_bootstrap(matchings, [[match(truth, baseline)]], resamples=5)
    assert back.overall["AP"].baseline == found.overall["AP"].value
    assert back.overall["AP"].difference == pytest.approx(-(found.overall["AP"].difference or 0))


def test_intervals_of_a_group_are_those_of_its_resampled_means() -> None:
    """All runs of both groups are weighed by the same images in every resample."""
    truth, _, runs = three_seeds()
    first, second = runs[:1], runs[1:]
    (found,) = paired_bootstrap(
        [match(truth, run) for run in first],
        [[match(truth, run) for run in second]],
        resamples=20,
        seed=3,
    )
    differences = []
    for images in np.random.default_rng(3).integers(8, size=(20, 8)):
        times = np.bincount(images, minlength=8)
        means = [
            np.mean([coco_metrics(*repeat_images(truth, r, times)).stats["AP"] or 0 for r in group])
            for group in (first, second)
        ]
        differences.append(means[1] - means[0])
    gain = found.overall["AP"]
    low, high = np.quantile(differences, [0.025, 0.975])
    assert (gain.low, gain.high) == (pytest.approx(low), pytest.approx(high))
    assert gain.share_above == pytest.approx((np.array(differences) > 0).mean())


def test_a_group_of_equal_runs_is_the_run() -> None:
    truth, first, second = two_runs()
    run, other = match(truth, first), match(truth, second)
    (grouped,) = paired_bootstrap([run, run], [[other, other, other]], resamples=20)
    for name, gain in compare(truth, first, second, resamples=20).overall.items():
        assert astuple(grouped.overall[name]) == pytest.approx(astuple(gain))


def test_a_group_against_its_own_runs_in_another_order_gains_nothing() -> None:
    truth, _, runs = three_seeds()
    one, two, three = (match(truth, run) for run in runs)
    (found,) = paired_bootstrap([one, two, three], [[three, one, two]], resamples=20)
    gain = found.overall["AP"]
    # Sums of another order.
    assert (gain.difference, gain.low, gain.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_the_seed_decides_and_the_size_of_a_step_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, first, second = two_runs()
    found = compare(truth, first, second, resamples=25, seed=1)
    assert compare(truth, first, second, resamples=25, seed=1) == found
    assert compare(truth, first, second, resamples=25, seed=2) != found
    monkeypatch.setattr(bootstrap, "_DRAWN", 7 * 8)
    monkeypatch.setattr(bootstrap, "_BLOCK", 1)
    monkeypatch.setattr(bootstrap, "_ROW", 2)
    again = compare(truth, first, second, resamples=25, seed=1)
    for name, gain in found.overall.items():
        # Sums of another order.
        assert astuple(again.overall[name]) == pytest.approx(astuple(gain))


def test_a_rare_class_counts_where_it_is_drawn() -> None:
    """One box in one of eight images, found: AP is 1 whenever it is defined."""
    truth, _, _ = two_runs()
    rare = replace(truth, class_row=np.where(np.arange(40) == 0, 2, 0), crowd=np.zeros(40, bool))
    image, category = truth.image_ids[rare.image_row[:1]], np.array(truth.classes.ids[2:])
    right = Results(image, category, rare.boxes[:1], np.ones(1))
    wrong = replace(right, boxes=right.boxes + 1000)
    gain = compare(rare, wrong, right, resamples=50).per_class[truth.classes.names[2]]["AP"]
    assert (gain.difference, gain.low, gain.high) == pytest.approx((1, 1, 1))
    assert gain.share_above == 1


def test_classes_without_ground_truth_are_undefined() -> None:
    truth, first, second = two_runs()
    found = compare(truth, first, second, resamples=5)
    assert found.per_class[truth.classes.names[2]] == dict.fromkeys(found.overall, UNDEFINED)
    nothing = replace(SET, boxes=0).draw(0)
    assert set(compare(*nothing, nothing[1], resamples=5).overall.values()) == {UNDEFINED}


def test_empty_results_can_be_compared() -> None:
    truth, first, _ = two_runs()
    _, nothing = replace(SET, detections=0).draw(0)
    gain = compare(truth, nothing, first, resamples=20).overall["AP"]
    assert gain.baseline == 0
    assert gain.low > 0
    assert gain.share_above == 1


def test_other_ground_truth_is_refused() -> None:
    truth, first, _ = two_runs()
    other, second, _ = two_runs(seed=1)
    mine, theirs = match(truth, first), match(other, second)
    for baseline, method in ([mine], [theirs]), ([mine, theirs], [mine]), ([mine], [mine, theirs]):
        with pytest.raises(ValueError, match="different ground truth"):
            paired_bootstrap(baseline, [method])
