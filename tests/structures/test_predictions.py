"""Class outputs as logits and as probabilities say the same."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ladcli.structures import ClassLogits, ClassProbs, Predictions
from ladcli.structures.predictions import MIN_LOG_PROB

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
