"""The whole assignment: its symmetries, the slow loop as oracle, and device hygiene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType

import pytest
import torch
from torch import Tensor

from benchmarks.assignment import loop_assign
from ladcli.assign import Assigner, MixtureSelection, paa_assigner
from ladcli.detector.levels import AnchorLayout
from ladcli.objective.detection_loss import BoxWeighting, detection_loss
from ladcli.recipe.schema import LossConfig
from ladcli.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    Candidates,
    ClassLogits,
    Costs,
    OwnedCandidates,
    Priors,
    Scene,
    Targets,
)
from ladcli.structures.losses import normalize
from tests.assign.scenes import Problem, random_problem

PADDED = ((160, 192), (100, 192), (160, 97), (33, 40))


def assigned(problem: Problem, assigner: Assigner | None = None) -> Tensor:
    """Ground truth of every anchor, [B, A]."""
    return problem.assign(assigner).gt_index


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_slow_loop(seed: int) -> None:
    problem = random_problem(seed, valid_hw=PADDED if seed % 2 else None)
    expected = loop_assign(problem.scene, problem.predictions.cls, problem.boxes).gt_index
    assert (expected >= 0).any()
    assert torch.equal(assigned(problem), expected)


@pytest.mark.parametrize("seed", range(3))
def test_sklearn_engine_equals_the_batched_one(seed: int) -> None:
    problem = random_problem(seed)
    assert torch.equal(assigned(problem, paa_assigner(mixture="sklearn")), assigned(problem))


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_equals_its_images(seed: int) -> None:
    problem = random_problem(seed, valid_hw=PADDED)
    together = assigned(problem)
    for image in range(len(together)):
        assert torch.equal(together[image], assigned(problem.image(image))[0])


def scene_of_distant_boxes() -> Problem:
    """Boxes that no anchor doubts between, so that their order cannot matter to the candidates."""
    problem = random_problem(13, boxes_per_image=(5, 5), canvas_hw=(512, 512))
    draw = torch.Generator().manual_seed(13)
    center = torch.tensor([[90, 90], [90, 400], [250, 250], [400, 90], [400, 400]])
    center = center + 20 * torch.rand(2, 5, 2, generator=draw)
    half_size = 32 + 20 * torch.rand(2, 5, 2, generator=draw)
    boxes = torch.cat([center - half_size, center + half_size], dim=2)
    return problem.with_targets(replace(problem.targets, boxes=boxes))


def test_permuted_boxes_permute_the_assignment() -> None:
    problem = scene_of_distant_boxes()
    expected = assigned(problem)
    order = torch.tensor([3, 0, 4, 1, 2])
    targets = problem.targets
    moved = replace(targets, boxes=targets.boxes[:, order], labels=targets.labels[:, order])
    found = assigned(problem.with_targets(moved))
    back = torch.where(found >= 0, order[found.clamp(min=0)], found)
    assert set(expected.unique().tolist()) == {BACKGROUND, 0, 1, 2, 3, 4}
    assert torch.equal(back, expected)


@pytest.mark.parametrize("garbage", [0.0, 80.0, -1e6, float("nan")])
def test_padding_changes_nothing(garbage: float) -> None:
    problem = random_problem(1)
    b = len(problem.valid)
    targets = problem.targets
    wider = Targets(
        torch.cat([targets.boxes, torch.full((b, 3, 4), garbage)], dim=1),
        torch.cat([targets.labels, torch.zeros(b, 3, dtype=torch.int64)], dim=1),
        torch.cat([targets.valid, torch.zeros(b, 3, dtype=torch.bool)], dim=1),
        targets.crowd,
    )
    assert torch.equal(assigned(problem.with_targets(wider)), assigned(problem))


def test_padding_may_stand_before_and_between_the_boxes() -> None:
    problem = random_problem(1)
    b, g = problem.targets.labels.shape
    spread = 2 * torch.arange(g) + 1  # where the boxes go, out of 2 G + 1 places
    valid = torch.zeros(b, 2 * g + 1, dtype=torch.bool)
    boxes, labels = torch.full((b, 2 * g + 1, 4), 50.0), torch.zeros_like(valid, dtype=torch.int64)
    valid[:, spread] = problem.targets.valid
    boxes[:, spread], labels[:, spread] = problem.targets.boxes, problem.targets.labels
    found = assigned(problem.with_targets(Targets(boxes, labels, valid, problem.targets.crowd)))
    expected = assigned(problem)
    assert torch.equal(found, torch.where(expected >= 0, spread[expected.clamp(min=0)], expected))


def test_images_without_boxes_get_only_background() -> None:
    problem = random_problem(2, valid_hw=PADDED)
    without = assigned(problem)[1]
    assert (without[problem.valid[1]] == BACKGROUND).all()
    assert (without[~problem.valid[1]] == IGNORE).all()


def test_a_batch_without_any_box_gets_only_background() -> None:
    problem = random_problem(2, boxes_per_image=(0, 0))
    assert (assigned(problem) == BACKGROUND).all()


def test_invalid_anchors_are_ignored() -> None:
    problem = random_problem(3, valid_hw=PADDED)
    assert torch.equal(assigned(problem) == IGNORE, ~problem.valid)


def test_the_chain_can_be_walked_in_steps() -> None:
    problem = random_problem(4)
    assigner = paa_assigner()
    candidates = assigner.candidates(problem.scene)
    costs = assigner.price(candidates, problem.scene, problem.predictions.cls, problem.boxes)
    walked = assigner.select(candidates, costs, problem.scene)
    assert torch.equal(walked.gt_index, assigned(problem))


def test_assigners_tell_how_many_samples_their_selection_takes() -> None:
    assert paa_assigner().topk == paa_assigner().selection_rule.topk == 9
    assert paa_assigner(topk=4).topk == 4
    other = replace(paa_assigner(), selection_rule=MixtureSelection(topk=7))
    assert other.topk == 7


LAYOUTS = [
    AnchorLayout(first_level=7, scale=1.0),
    AnchorLayout(first_level=5, scale=3.0),
    AnchorLayout(first_level=2, scale=6.0),
    AnchorLayout(scale=2.5),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{len(layout.strides)} levels")
def test_any_number_of_levels_equals_the_slow_loop(layout: AnchorLayout) -> None:
    problem = random_problem(21, valid_hw=PADDED, layout=layout)
    assert problem.scene.priors.num_levels == len(layout.strides)
    expected = loop_assign(problem.scene, problem.predictions.cls, problem.boxes).gt_index
    assert (expected >= 0).any()
    assert torch.equal(assigned(problem), expected)


def test_priors_that_are_no_grid_equal_the_slow_loop() -> None:
    """Two anchors per cell, beside each other in one level."""
    problem = random_problem(22, valid_hw=PADDED)
    scene, priors = problem.scene, problem.scene.priors
    slices = priors.level_slices()
    draw = torch.Generator().manual_seed(0)
    stretch = torch.tensor([1.0, 0.5, 1.0, 0.5])

    def twice(values: Tensor) -> Tensor:
        """[B, A, …] with every prior followed by its double."""
        return values.repeat_interleave(2, dim=1)

    both = torch.stack([priors.boxes, priors.boxes * stretch], dim=1)  # [A, 2, 4]
    levels = [both[here].flatten(0, 1) for here in slices]
    doubled = Priors.from_boxes(levels, [8, 16, 32, 64, 128])
    cls = ClassLogits(twice(problem.predictions.cls.raw))
    cls.raw.add_(torch.randn(cls.raw.shape, generator=draw))
    scene = Scene(scene.targets, doubled, twice(scene.valid))
    boxes = twice(problem.boxes)
    found = paa_assigner().assign(scene, cls, boxes).gt_index
    assert (found >= 0).any()
    assert torch.equal(found, loop_assign(scene, cls, boxes).gt_index)


@dataclass(frozen=True)
class WithQuality:
    """Every candidate is a positive, as good as it is cheap."""

    topk: int = 1

    def __call__(self, candidates: Candidates, costs: Costs, scene: Scene) -> Assignment:
        assert isinstance(candidates, OwnedCandidates)
        background = torch.where(scene.valid, BACKGROUND, IGNORE)
        gt_index = torch.where(candidates.mask, candidates.gt_index, background)
        return Assignment(gt_index, torch.where(candidates.mask, (-costs.values).exp(), 0.0))


@pytest.mark.parametrize("ignored", [False, True])
def test_the_quality_of_positives_reaches_the_end_of_the_chain(*, ignored: bool) -> None:
    problem = crowded(random_problem(23), (-1e4, -1e4, 1e4, 1e4))
    rule = WithQuality()
    assigner = replace(paa_assigner(ignore_crowd=ignored), selection_rule=rule)
    found = problem.assign(assigner)
    candidates = assigner.candidates(problem.scene)
    expected = rule(candidates, problem.price(candidates, assigner), problem.scene)
    assert found.quality is not None
    assert expected.quality is not None
    assert found.quality.dtype is torch.float32
    assert torch.equal(found.quality, expected.quality)
    assert torch.equal(found.foreground, expected.foreground)
    assert (found.gt_index == IGNORE).any() == ignored
    # Positives from elsewhere, such as a cache, are finished alike.
    again = assigner.finish(expected, problem.scene)
    assert again.quality is expected.quality
    assert torch.equal(again.gt_index, found.gt_index)


def test_another_network_prices_other_positives() -> None:
    problem, other = random_problem(5), random_problem(6)
    repriced = replace(problem, predictions=other.predictions)
    assert not torch.equal(assigned(problem), assigned(repriced))


@pytest.mark.parametrize(
    "option", [{"min_iou": 0.4}, {"topk": 3}, {"box_weight": 9.0}, {"alpha": 0.9}, {"gamma": 0.0}]
)
def test_options_are_heeded_and_named(option: dict[str, float]) -> None:
    problem = random_problem(7)
    assigner = paa_assigner(**option)
    assert not torch.equal(assigned(problem, assigner), assigned(problem))
    assert assigner.options != paa_assigner().options
    assert set(option.items()) <= set(assigner.options)


def test_the_mean_rule_selects_otherwise() -> None:
    problem = random_problem(8)
    by_mean = assigned(problem, paa_assigner(selection="mean"))
    assert (by_mean >= 0).any()
    assert not torch.equal(by_mean, assigned(problem))


def test_the_engine_is_no_option_since_it_changes_nothing() -> None:
    assert paa_assigner(mixture="sklearn").options == paa_assigner().options


def crowded(problem: Problem, region: tuple[float, ...]) -> Problem:
    targets = problem.targets
    regions = torch.tensor([[region]]).repeat(len(problem.valid), 1, 1)
    return problem.with_targets(Targets(targets.boxes, targets.labels, targets.valid, regions))


def test_crowd_regions_are_background_unless_asked_otherwise() -> None:
    problem = random_problem(9)
    everywhere = crowded(problem, (-1e4, -1e4, 1e4, 1e4))
    assert torch.equal(assigned(everywhere), assigned(problem))
    ignored = assigned(everywhere, paa_assigner(ignore_crowd=True))
    assert torch.equal(ignored >= 0, assigned(problem) >= 0)
    assert (ignored[ignored < 0] == IGNORE).all()


def test_a_network_that_says_nan_does_not_stop_the_assignment() -> None:
    problem = random_problem(10)
    problem.predictions.cls.raw[0] = float("nan")
    found = assigned(problem)
    assert (found[0] == BACKGROUND).all()
    assert torch.equal(found[2], assigned(random_problem(10))[2])


def training_step(problem: Problem, weighting: BoxWeighting) -> None:
    """What a training step does after the network has spoken."""
    problem.predictions.box_deltas.requires_grad_()
    boxes, scene = problem.boxes, problem.scene
    assignment = paa_assigner(ignore_crowd=True).assign(
        scene, problem.predictions.detach().cls, boxes.detach()
    )
    options = LossConfig()
    terms = detection_loss(
        problem.predictions,
        boxes,
        assignment,
        scene,
        box_weighting=weighting,
        alpha=options.alpha,
        gamma=options.gamma,
        cls_weight=options.cls_weight,
        box_weight=options.box_weight,
        iou_weight=options.iou_weight,
    )
    sum(normalize({"model": terms})["model"].values()).backward()


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("weighting", ["iou", "uniform"])
def test_no_host_sync_from_outputs_to_gradients(
    hostsync: ModuleType, weighting: BoxWeighting
) -> None:
    problem = crowded(random_problem(11), (10.0, 10.0, 90.0, 90.0))
    with hostsync.fake_accelerator() as device:
        on_device = problem.to(device)
        with hostsync.count_host_syncs() as syncs:
            training_step(on_device, weighting)
    assert not syncs, syncs.report()


@pytest.mark.usefixtures("few_steps")
def test_no_host_sync_without_boxes(hostsync: ModuleType) -> None:
    problem = random_problem(11, boxes_per_image=(0, 0))
    with hostsync.fake_accelerator() as device:
        on_device = problem.to(device)
        with hostsync.count_host_syncs() as syncs:
            training_step(on_device, "uniform")
    assert not syncs, syncs.report()


@pytest.mark.usefixtures("few_steps")
def test_compiles_without_graph_breaks() -> None:
    """One graph from outputs to positives, with the same result as the eager form."""
    problem = random_problem(12)
    assigner = paa_assigner()

    def gt_index(logits: Tensor, deltas: Tensor) -> Tensor:
        cls = replace(problem.predictions.cls, raw=logits)
        predictions = replace(problem.predictions, cls=cls, box_deltas=deltas)
        return assigned(replace(problem, predictions=predictions), assigner)

    compiled = torch.compile(gt_index, fullgraph=True, backend="eager")
    found = compiled(problem.predictions.cls.raw, problem.predictions.box_deltas)
    assert torch.equal(found, assigned(problem))
