"""Class outputs as logits and as probabilities say the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ladcli.structures import ClassLogits, ClassProbs, Predictions
from ladcli.structures.predictions import MIN_LOG_PROB, SOFT_BOUNDS, full_precision

FORMS = [ClassLogits, ClassProbs]


def logits() -> Tensor:
    return 3 * torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))


def test_logits_by_hand() -> None:
    cls = ClassLogits(torch.tensor([[[0.0, math.log(3.0)]]]))
    torch.testing.assert_close(cls.prob(), torch.tensor([[[0.5, 0.75]]]))
    torch.testing.assert_close(cls.log_prob(), torch.tensor([[[0.5, 0.75]]]).log())
    torch.testing.assert_close(cls.log_not_prob(), torch.tensor([[[0.5, 0.25]]]).log())


def test_both_forms_agree() -> None:
    as_logits = ClassLogits(logits())
    as_probs = ClassProbs(logits().sigmoid())
    torch.testing.assert_close(as_logits.prob(), as_probs.prob())
    torch.testing.assert_close(as_logits.log_prob(), as_probs.log_prob())
    # A float32 probability close to 1 has lost digits of its distance from 1.
    torch.testing.assert_close(
        as_logits.log_not_prob(), as_probs.log_not_prob(), rtol=1e-4, atol=1e-6
    )


def test_extreme_logits_stay_finite() -> None:
    cls = ClassLogits(torch.tensor([[[-200.0, 200.0]]]))
    assert cls.log_prob().flatten().tolist() == [-200, 0]
    assert cls.log_not_prob().flatten().tolist() == [0, -200]


def test_probabilities_of_zero_and_one_stay_finite() -> None:
    cls = ClassProbs(torch.tensor([[[0.0, 1.0]]]))
    assert cls.log_prob().flatten().tolist() == [MIN_LOG_PROB, 0]
    assert cls.log_not_prob().flatten().tolist() == [0, MIN_LOG_PROB]


@pytest.mark.parametrize("form", FORMS)
def test_the_log_of_one_class_is_that_of_all(form: type) -> None:
    cls = form(logits().sigmoid())
    labels = torch.tensor([[0, 2, 1, 1, 0], [2, 2, 0, 1, 0]])
    expected = cls.log_prob().gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    assert torch.equal(cls.log_prob_of(labels), expected)


def edges(dtype: torch.dtype) -> Tensor:
    """Zero, one and what lies just beside them; the smallest number that has all its digits."""
    info = torch.finfo(dtype)
    beside_zero = [info.smallest_normal / 2, info.smallest_normal, 2 * info.smallest_normal]
    beside_one = [1 - info.eps / 2, 1 - info.eps]
    return torch.tensor([0.0, *beside_zero, *beside_one, 1.0], dtype=dtype)


TERMS = {
    "log_prob": ClassProbs.log_prob,
    "log_not_prob": ClassProbs.log_not_prob,
    "log_prob_of": lambda cls: cls.log_prob_of(torch.zeros(len(cls.raw), dtype=torch.int64)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_log_terms_have_finite_gradients_at_the_edges(
    term: Callable[[ClassProbs], Tensor], dtype: torch.dtype
) -> None:
    raw = edges(dtype).unsqueeze(1).requires_grad_()
    found = term(ClassProbs(raw))
    assert found.isfinite().all()
    assert (found >= (MIN_LOG_PROB if dtype is torch.float32 else -1000)).all()
    found.sum().backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_terms_and_slopes_beside_zero_and_one(dtype: torch.dtype) -> None:
    """Those of the logarithm, except at the very edge, where there is no slope."""
    info = torch.finfo(dtype)
    smallest, largest = info.smallest_normal, 1 - info.eps / 2
    raw = torch.tensor([0.0, smallest, largest, 1.0], dtype=dtype, requires_grad=True)
    found = ClassProbs(raw).log_prob()
    assert found.tolist() == pytest.approx([MIN_LOG_PROB, math.log(smallest), -info.eps / 2, 0])
    (slope,) = torch.autograd.grad(found.sum(), raw)
    assert slope.tolist() == pytest.approx([0, 1 / smallest, 1, 1])
    found = ClassProbs(raw).log_not_prob()
    assert found.tolist() == pytest.approx([0, -smallest, math.log(info.eps / 2), MIN_LOG_PROB])
    (slope,) = torch.autograd.grad(found.sum(), raw)
    assert slope.tolist() == pytest.approx([-1, -1, -2 / info.eps, 0])


def test_logits_face_soft_targets_as_they_are() -> None:
    cls, target = ClassLogits(logits()), torch.tensor([0.0, 0.3, 1.0])
    same, soft = cls.facing(target)
    assert same is cls
    assert soft is target


def test_probabilities_and_what_they_face_are_bounded() -> None:
    low, high = SOFT_BOUNDS
    raw = torch.tensor([0.0, 1e-5, 0.3, 0.99999, 1.0], requires_grad=True)
    bounded, soft = ClassProbs(raw).facing(torch.tensor([1.0, 0.5, 0.0, 1e-5, 0.99995]))
    assert isinstance(bounded, ClassProbs)
    torch.testing.assert_close(bounded.raw, torch.tensor([low, low, 0.3, high, high]))
    torch.testing.assert_close(soft, torch.tensor([high, 0.5, low, low, high]))
    bounded.log_prob().sum().backward()
    assert raw.grad is not None
    assert raw.grad.tolist() == pytest.approx([0, 0, 1 / 0.3, 0, 0])


@pytest.mark.parametrize("form", FORMS)
def test_double_precision_stays(form: type) -> None:
    raw = logits().double().sigmoid()
    cls = form(raw)
    terms = (cls.prob(), cls.log_prob(), cls.log_not_prob(), cls.log_prob_of(raw[..., 0].long()))
    faced, soft = cls.facing(raw)
    for value in (*terms, faced.raw, soft):
        assert value.dtype is torch.float64
    single = form(raw.float())
    assert not torch.equal(cls.log_prob(), single.log_prob().double())
    torch.testing.assert_close(cls.log_prob(), single.log_prob().double(), rtol=1e-5, atol=1e-6)


def test_full_precision_keeps_single_and_double() -> None:
    for dtype in (torch.float32, torch.float64):
        values = torch.ones(2, dtype=dtype)
        assert full_precision(values) is values
    assert full_precision(torch.ones(2, dtype=torch.bfloat16)).dtype is torch.float32


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_in_single(form: type, dtype: torch.dtype) -> None:
    raw = logits().sigmoid().to(dtype)
    cls = form(raw)
    for value in (cls.prob(), cls.log_prob(), cls.log_not_prob()):
        assert value.dtype is torch.float32
    torch.testing.assert_close(cls.log_prob(), form(raw.float()).log_prob())


@pytest.mark.parametrize("form", FORMS)
def test_rows_count_through_the_batch(form: type) -> None:
    raw = logits().sigmoid()
    rows = form(raw).rows(torch.tensor([0, 7]))
    assert torch.equal(rows.raw, torch.stack([raw[0, 0], raw[1, 2]]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("iou_branch", [True, False])
def test_a_function_reaches_every_output(form: type, *, iou_branch: bool) -> None:
    raw = logits().sigmoid()
    iou = raw[..., 0] if iou_branch else None
    found = Predictions(form(raw), raw[..., :2], iou).map(lambda t: t / 2)
    assert isinstance(found.cls, form)
    assert torch.equal(found.cls.raw, raw / 2)
    assert torch.equal(found.box_deltas, raw[..., :2] / 2)
    if iou_branch:
        assert torch.equal(found.iou_logits, raw[..., 0] / 2)
    else:
        assert found.iou_logits is None


@pytest.mark.parametrize("form", FORMS)
def test_detached_predictions_take_no_gradient(form: type) -> None:
    leaf = logits().sigmoid().requires_grad_()
    predictions = Predictions(form(leaf * 1), leaf * 2, leaf[..., 0] * 3).detach()
    assert isinstance(predictions.cls, form)
    assert predictions.iou_logits is not None
    tensors = (predictions.cls.raw, predictions.box_deltas, predictions.iou_logits)
    assert not any(t.requires_grad for t in tensors)
    assert predictions.num_classes == 3


def test_a_missing_iou_branch_stays_missing() -> None:
    assert (
        Predictions(ClassLogits(logits()), torch.zeros(2, 5, 4), None).detach().iou_logits is None
    )
