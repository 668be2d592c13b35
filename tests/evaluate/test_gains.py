"""AP and the costs of errors with intervals, against resamples that are really evaluated."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from ladcli.data.coco_json import CocoFile
from ladcli.evaluate import bootstrap
from ladcli.evaluate import gains as gains_module
from ladcli.evaluate.bootstrap import Draws, Gain
from ladcli.evaluate.coco import coco_metrics
from ladcli.evaluate.gains import Gains, MatchedRun, gains_over
from ladcli.evaluate.matching import match
from ladcli.evaluate.results import Results
from ladcli.evaluate.tide import repairs_of, tide_errors
from ladcli.evaluate.tide_repairs import ALL_KINDS
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


def matched(truth: CocoFile, *runs: Results, everything: bool = False) -> list[MatchedRun]:
    return [
        MatchedRun(match(truth, run), repairs_of(truth, run) if everything else None)
        for run in runs
    ]


def compare(
    truth: CocoFile,
    first: Results,
    second: Results,
    *,
    resamples: int,
    seed: int = 0,
    everything: bool = False,
) -> Gains:
    baseline, other = ([run] for run in matched(truth, first, second, everything=everything))
    (found,) = gains_over(baseline, [other], Draws(resamples, seed=seed))
    return found


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


def test_intervals_of_everything_are_those_of_resampled_sets() -> None:
    """Sizes and TIDE; areas on either side of a limit, and objects that are only near."""
    truth, first, second = two_runs(seed=4)
    found = compare(truth, first, second, resamples=30, seed=5, everything=True)
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl")
    assert tuple(found.overall) == names
    assert tuple(found.tide) == ALL_KINDS
    differences = []
    for images in np.random.default_rng(5).integers(8, size=(30, 8)):
        times = np.bincount(images, minlength=8)
        sets = [repeat_images(truth, results, times) for results in (first, second)]
        before, after = (coco_metrics(*copied) for copied in sets)
        (left,), (right,) = (tide_errors(*copied).entries for copied in sets)
        differences.append(
            [_minus(after.stats[name], before.stats[name]) for name in names]
            + [_minus(right.dap[kind], left.dap[kind]) for kind in ALL_KINDS]
        )
    for column, gain in enumerate([*found.overall.values(), *found.tide.values()]):
        values = np.array(differences)[:, column]
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, [0.025, 0.975])
        assert (gain.low, gain.high) == (pytest.approx(low), pytest.approx(high))
        assert gain.share_above == pytest.approx((values > 0).mean())
    assert found.tide["Loc"].low != found.tide["Loc"].high


def _minus(value: float | None, other: float | None) -> float:
    return np.nan if value is None or other is None else value - other


def test_points_of_tide_are_those_of_the_whole_set() -> None:
    truth, first, second = two_runs()
    found = compare(truth, first, second, resamples=5, everything=True)
    (before,), (after,) = tide_errors(truth, first).entries, tide_errors(truth, second).entries
    for kind, gain in found.tide.items():
        assert gain.baseline == before.dap[kind]
        assert gain.value == after.dap[kind]


def test_ap_is_the_same_with_everything_else() -> None:
    truth, first, second = two_runs()
    plain = compare(truth, first, second, resamples=20)
    everything = compare(truth, first, second, resamples=20, everything=True)
    assert plain.tide == {}
    for name, gain in plain.overall.items():
        assert everything.overall[name] == gain
    for label, table in plain.per_class.items():
        assert {name: everything.per_class[label][name] for name in table} == table


def test_costs_without_a_detection_are_undefined() -> None:
    truth, first, _ = two_runs()
    _, nothing = replace(SET, detections=0).draw(0)
    found = compare(truth, first, nothing, resamples=20, everything=True)
    gain = found.tide["Loc"]
    assert gain.baseline is not None
    assert (gain.value, gain.difference, gain.low, gain.share_above) == (None,) * 4


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
    runs = matched(truth, first, second, first)
    against_second, against_itself = gains_over([runs[0]], [[r] for r in runs[1:]], Draws(20))
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
    group = matched(truth, *runs)
    (found,) = gains_over(matched(truth, baseline), [group], Draws(5))
    measured = [coco_metrics(truth, run) for run in runs]
    for name, gain in found.overall.items():
        assert gain.value == pytest.approx(np.mean([m.stats[name] or 0 for m in measured]))
    for label in truth.classes.names[:2]:
        values = [m.per_class[label]["AP"] or 0 for m in measured]
        assert found.per_class[label]["AP"].value == pytest.approx(np.mean(values))
    # The same for a group that is the baseline.
    (back,) = gains_over(group, [matched(truth, baseline)], Draws(5))
    assert back.overall["AP"].baseline == found.overall["AP"].value
    assert back.overall["AP"].difference == pytest.approx(-(found.overall["AP"].difference or 0))


def test_intervals_of_a_group_are_those_of_its_resampled_means() -> None:
    """All runs of both groups are weighed by the same images in every resample."""
    truth, _, runs = three_seeds()
    first, second = runs[:1], runs[1:]
    (found,) = gains_over(matched(truth, *first), [matched(truth, *second)], Draws(20, seed=3))
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
    run, other = matched(truth, first, second)
    (grouped,) = gains_over([run, run], [[other, other, other]], Draws(20))
    for name, gain in compare(truth, first, second, resamples=20).overall.items():
        assert astuple(grouped.overall[name]) == pytest.approx(astuple(gain))


def test_a_group_against_its_own_runs_in_another_order_gains_nothing() -> None:
    truth, _, runs = three_seeds()
    one, two, three = matched(truth, *runs)
    (found,) = gains_over([one, two, three], [[three, one, two]], Draws(20))
    gain = found.overall["AP"]
    # Sums of another order.
    assert (gain.difference, gain.low, gain.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_the_seed_decides_and_the_size_of_a_step_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, first, second = two_runs()
    found = compare(truth, first, second, resamples=25, seed=1)
    assert compare(truth, first, second, resamples=25, seed=1) == found
    assert compare(truth, first, second, resamples=25, seed=2) != found
    monkeypatch.setattr(bootstrap, "_DRAWN", 7 * 8)
    monkeypatch.setattr(gains_module, "_BLOCK", 1)
    monkeypatch.setattr(gains_module, "_ROW", 2)
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
    (mine,), (theirs,) = matched(truth, first), matched(other, second)
    for baseline, method in ([mine], [theirs]), ([mine, theirs], [mine]), ([mine], [mine, theirs]):
        with pytest.raises(ValueError, match="different ground truth"):
            gains_over(baseline, [method])
