"""What a detector says about every anchor, before anything is thresholded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

#: The logarithm of a probability of zero, as far as losses are concerned.
MIN_LOG_PROB = -100.0
#: Between these, a soft-label loss compares probabilities that come without logits.
SOFT_BOUNDS = (1e-4, 0.9999)


def full_precision(values: Tensor) -> Tensor:
    """``values`` in float32, whatever autocast made of them; float64 stays, for checks."""
    return values if values.dtype is torch.float64 else values.float()


class ClassOutput(Protocol):
    """Per-class Bernoulli outputs [B, A, C], whatever the head stores them as.

    Consumers use these methods only; all of them compute in float32 (float64 stays as it is).
    """

    @property
    def raw(self) -> Tensor: ...

    def prob(self) -> Tensor: ...

    def log_prob(self) -> Tensor: ...

    def log_prob_of(self, labels: Tensor) -> Tensor: ...

    def log_not_prob(self) -> Tensor: ...

    def facing(self, target: Tensor) -> tuple[ClassOutput, Tensor]: ...

    def rows(self, index: Tensor) -> ClassOutput: ...

    def map(self, function: Callable[[Tensor], Tensor]) -> ClassOutput: ...


@dataclass(frozen=True)
class ClassLogits:
    """Class outputs as logits: p = sigmoid(raw)."""

    raw: Tensor  # [..., C] float, logits

    def prob(self) -> Tensor:
        return full_precision(self.raw).sigmoid()

    def log_prob(self) -> Tensor:
        return F.logsigmoid(full_precision(self.raw))

    def log_prob_of(self, labels: Tensor) -> Tensor:
        """log p of one class per anchor; labels [...] int64."""
        own = self.raw.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        return F.logsigmoid(full_precision(own))

    def log_not_prob(self) -> Tensor:
        return F.logsigmoid(-full_precision(self.raw))

    def facing(self, target: Tensor) -> tuple[ClassOutput, Tensor]:
        """This output and soft targets [..., C] as a divergence takes them: both as they are."""
        return self, target

    def rows(self, index: Tensor) -> ClassLogits:
        """Rows ``index`` [N] of the outputs flattened to [B·A, C]."""
        return ClassLogits(self.raw.flatten(0, -2).index_select(0, index))

    def map(self, function: Callable[[Tensor], Tensor]) -> ClassLogits:
        """The same outputs with ``function`` applied to what they are stored as."""
        return ClassLogits(function(self.raw))


@dataclass(frozen=True)
class ClassProbs:
    """Class outputs as probabilities (heads whose output is a product of sigmoids)."""

    raw: Tensor  # [..., C] float in [0, 1]

    def prob(self) -> Tensor:
        return full_precision(self.raw)

    def log_prob(self) -> Tensor:
        return _safe_log(full_precision(self.raw))

    def log_prob_of(self, labels: Tensor) -> Tensor:
        """log p of one class per anchor; labels [...] int64."""
        own = self.raw.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        return _safe_log(full_precision(own))

    def log_not_prob(self) -> Tensor:
        prob = full_precision(self.raw)
        certain = prob >= 1
        return torch.where(certain, MIN_LOG_PROB, torch.log1p(-torch.where(certain, 0.0, prob)))

    def facing(self, target: Tensor) -> tuple[ClassOutput, Tensor]:
        """This output and soft targets [..., C] as a divergence takes them: both bounded.

        Without logits, a probability of almost 0 or 1 would make the divergence explode.
        """
        return ClassProbs(self.raw.clamp(*SOFT_BOUNDS)), target.clamp(*SOFT_BOUNDS)

    def rows(self, index: Tensor) -> ClassProbs:
        """Rows ``index`` [N] of the outputs flattened to [B·A, C]."""
        return ClassProbs(self.raw.flatten(0, -2).index_select(0, index))

    def map(self, function: Callable[[Tensor], Tensor]) -> ClassProbs:
        """The same outputs with ``function`` applied to what they are stored as."""
        return ClassProbs(function(self.raw))


def _safe_log(prob: Tensor) -> Tensor:
    """log p, `MIN_LOG_PROB` at p = 0, with a finite gradient everywhere (there: zero).

    Clamping the logarithm would multiply an infinite slope by zero; clamping the probability
    would, with some versions of torch, lose the slope at the bound itself.
    """
    impossible = prob < torch.finfo(prob.dtype).tiny
    return torch.where(impossible, MIN_LOG_PROB, torch.where(impossible, 1.0, prob).log())


@dataclass(frozen=True)
class Predictions:
    """Outputs of a detector for one batch."""

    cls: ClassOutput  # [B, A, C]
    box_deltas: Tensor  # [B, A, 4] float, see `ladcli.structures.boxes.decode_boxes`
    iou_logits: Tensor | None  # [B, A] float; None for a network without that branch

    @property
    def num_classes(self) -> int:
        return self.cls.raw.shape[-1]

    def map(self, function: Callable[[Tensor], Tensor]) -> Predictions:
        """The same predictions with ``function`` applied to each tensor."""
        return Predictions(
            self.cls.map(function),
            function(self.box_deltas),
            None if self.iou_logits is None else function(self.iou_logits),
        )

    def detach(self) -> Predictions:
        """The same values, cut off from the gradient."""
        return self.map(Tensor.detach)


@dataclass(frozen=True)
class Detections:
    """What a detector reports for one image, best score first.  D = detections."""

    boxes: Tensor  # [D, 4] float32, xyxy
    scores: Tensor  # [D] float32 in [0, 1]
    labels: Tensor  # [D] int64 in 0..C-1
