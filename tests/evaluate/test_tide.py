"""TIDE by hand, against the loop that follows its text, and at its edges."""

from __future__ import annotations

import pytest

from ladcli.errors import UserError
from ladcli.evaluate.tide import TideOptions, tide_errors
from ladcli.evaluate.tide_repairs import ALL_KINDS, MAIN_KINDS
from ladcli.runs.tide_numbers import TideErrors, TideThresholds
from tests.evaluate.class_ap import ap_per_class
from tests.evaluate.random_sets import CASES
from tests.evaluate.scenes import scene
from tests.evaluate.slow_tide import slow_tide

#: Points of 100, from sums of at most 101 precisions in another order.
EXACT = {"abs": 1e-9}

BOX = [100, 100, 50, 50]
#: IoU with BOX of 0.4, 0.05 and 0.
NEAR, EDGE, FAR = [100, 100, 50, 20], [145, 100, 50, 50], [10, 10, 40, 40]


def errors_of(
    gts: list[tuple[int, list[float]]], dets: list[tuple[int, list[float]]]
) -> TideErrors:
    (entry,) = tide_errors(*scene(gts, dets)).entries
    return entry


def only(**counts: int) -> dict[str, int]:
    """Counts where all other kinds have none."""
    return {kind: counts.get(kind, 0) for kind in MAIN_KINDS}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("thresholds", [(0.5, 0.1), (0.75, 0.3)])
def test_random_sets_as_the_loop(name: str, compat: bool, thresholds: tuple[float, float]) -> None:
    truth, results = CASES[name].draw(seed=1)
    positive, background = thresholds
    options = TideOptions(
        # The lower threshold beside it must not change the answer.
        (TideThresholds(positive, background), TideThresholds(0.4, 0.05)),
        "tidecv" if compat else "corrected",
    )
    ours = tide_errors(truth, results, options).entries[0]
    slow = slow_tide(truth, results, positive=positive, background=background, compat=compat)
    assert ours.counts == slow.counts()
    assert ours.ap == pytest.approx(slow.before(), **EXACT)
    assert ours.dap == pytest.approx(slow.gains(), **EXACT)


@pytest.mark.parametrize(
    ("label", "box", "kind"),
    [
        (1, BOX, "Cls"),
        (0, NEAR, "Loc"),
        (1, NEAR, "Both"),
        (0, FAR, "Bkg"),
        (0, EDGE, "Bkg"),
    ],
)
def test_kind_of_a_single_detection(label: int, box: list[float], kind: str) -> None:
    """What Loc and Cls can repair is no Miss."""
    missed = kind not in ("Cls", "Loc")
    found = errors_of([(0, BOX)], [(label, box)])
    assert found.counts == only(**{kind: 1}, Miss=int(missed))
    assert found.ap == 0
    assert found.dap[kind] == pytest.approx(0 if missed else 100)


def test_the_second_detection_of_an_object_is_a_duplicate() -> None:
    found = errors_of([(0, BOX), (0, FAR)], [(0, BOX), (0, BOX), (0, FAR)])
    assert found.counts == only(Dupe=1)
    # Precision 1 up to recall .50 (51 recalls), 2/3 beyond.
    assert found.ap == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)
    assert found.dap["Dupe"] == pytest.approx(100 - found.ap)
    assert found.dap["FalsePos"] == pytest.approx(100 - found.ap)
    assert found.dap["Miss"] == found.dap["FalseNeg"] == 0


def test_only_the_best_claimant_of_a_box_is_repaired() -> None:
    """The wrong class has the better score, so that the Loc error repairs nothing."""
    found = errors_of([(0, BOX)], [(1, BOX), (0, NEAR)])
    assert found.counts == only(Cls=1, Loc=1)
    assert found.dap["Cls"] == pytest.approx(100)
    assert found.dap["Loc"] == 0


def test_missed_objects_leave_the_ground_truth() -> None:
    found = errors_of([(0, BOX), (0, FAR)], [(0, BOX)])
    assert found.counts == only(Miss=1)
    assert found.ap == pytest.approx(100 * 51 / 101)
    assert found.dap["Miss"] == found.dap["FalseNeg"] == pytest.approx(100 - found.ap)


def test_classes_without_ground_truth_count_for_tidecv_alone() -> None:
    truth, results = scene([(0, BOX)], [(0, BOX), (1, FAR)])
    (ours,) = tide_errors(truth, results).entries
    (theirs,) = tide_errors(truth, results, TideOptions(definition="tidecv")).entries
    assert ours.ap == pytest.approx(100)
    assert ap_per_class(truth, results, "corrected") == pytest.approx({"class 0": 100})
    assert theirs.ap == pytest.approx(50)
    both = {"class 0": 100, "class 1": 0}
    assert ap_per_class(truth, results, "tidecv") == pytest.approx(both)
    assert theirs.dap["Bkg"] == pytest.approx(50)


def test_without_detections_nothing_is_weighed() -> None:
    found = errors_of([(0, BOX)], [])
    assert found.ap == 0
    assert found.counts == only(Miss=1)
    assert found.dap == dict.fromkeys(ALL_KINDS)


def test_without_ground_truth_there_is_no_ap() -> None:
    found = errors_of([], [(0, BOX)])
    assert found.ap is None
    assert found.counts == only(Bkg=1)
    assert set(found.dap.values()) == {None}


@pytest.mark.parametrize(
    ("positive", "background"),
    [(0.5, 0.0), (0.5, 0.5), (0.1, 0.5), (1.01, 0.1), (float("nan"), 0.1), (0.5, float("nan"))],
)
def test_thresholds_out_of_range_are_refused(positive: float, background: float) -> None:
    with pytest.raises(UserError, match=r"out of range; choose 0 < BG < POS <= 1"):
        TideThresholds(positive, background)


def test_json_layout() -> None:
    plain = tide_errors(*scene([(0, BOX)], [])).to_json()
    assert list(plain) == ["tide_definition", "tide"]
    assert plain["tide_definition"] == "corrected"
    assert plain["tide"] == [
        {
            "pos_threshold": 0.5,
            "background_threshold": 0.1,
            "ap": 0.0,
            "dAP": dict.fromkeys(ALL_KINDS),
            "counts": only(Miss=1),
        }
    ]
