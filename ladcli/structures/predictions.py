"""What a detector says about every anchor, before anything is thresholded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

#: Logarithms of probabilities are not followed below this, so that p = 0 stays finite.
MIN_LOG_PROB = -100.0


class ClassOutput(Protocol):
    """Per-class Bernoulli outputs [B, A, C], whatever the head stores them as.

    Consumers use these methods only; all of them compute in float32.
    """

    @property
    def raw(self) -> Tensor: ...

    def prob(self) -> Tensor: ...

    def log_prob(self) -> Tensor: ...

    def log_prob_of(self, labels: Tensor) -> Tensor: ...

    def log_not_prob(self) -> Tensor: ...

    def rows(self, index: Tensor) -> ClassOutput: ...

    def detach(self) -> ClassOutput: ...


@dataclass(frozen=True)
class ClassLogits:
    """Class outputs as logits: p = sigmoid(raw)."""

    raw: Tensor  # [..., C] float, logits

    def prob(self) -> Tensor:
        return self.raw.float().sigmoid()

    def log_prob(self) -> Tensor:
        return F.logsigmoid(self.raw.float())

    def log_prob_of(self, labels: Tensor) -> Tensor:
        """log p of one class per anchor; labels [...] int64."""
        return F.logsigmoid(self.raw.gather(-1, labels.unsqueeze(-1)).squeeze(-1).float())

    def log_not_prob(self) -> Tensor:
        return F.logsigmoid(-self.raw.float())

    def rows(self, index: Tensor) -> ClassLogits:
        """Rows ``index`` [N] of the outputs flattened to [B·A, C]."""
        return ClassLogits(self.raw.flatten(0, -2).index_select(0, index))

    def detach(self) -> ClassLogits:
        return ClassLogits(self.raw.detach())


@dataclass(frozen=True)
class ClassProbs:
    """Class outputs as probabilities (heads whose output is a product of sigmoids)."""

    raw: Tensor  # [..., C] float in [0, 1]

    def prob(self) -> Tensor:
        return self.raw.float()

    def log_prob(self) -> Tensor:
        return torch.log(self.raw.float()).clamp(min=MIN_LOG_PROB)

    def log_prob_of(self, labels: Tensor) -> Tensor:
        """log p of one class per anchor; labels [...] int64."""
        own = self.raw.gather(-1, labels.unsqueeze(-1)).squeeze(-1).float()
        return torch.log(own).clamp(min=MIN_LOG_PROB)

    def log_not_prob(self) -> Tensor:
        return torch.log1p(-self.raw.float()).clamp(min=MIN_LOG_PROB)

    def rows(self, index: Tensor) -> ClassProbs:
        """Rows ``index`` [N] of the outputs flattened to [B·A, C]."""
        return ClassProbs(self.raw.flatten(0, -2).index_select(0, index))

    def detach(self) -> ClassProbs:
        return ClassProbs(self.raw.detach())


@dataclass(frozen=True)
class Predictions:
    """Outputs of a detector for one batch."""

    cls: ClassOutput  # [B, A, C]
    box_deltas: Tensor  # [B, A, 4] float, see `ladcli.structures.boxes.decode_boxes`
    iou_logits: Tensor | None  # [B, A] float; None for a network without that branch

    @property
    def num_classes(self) -> int:
        return self.cls.raw.shape[-1]

    def detach(self) -> Predictions:
        """The same values, cut off from the gradient."""
        return Predictions(
            self.cls.detach(),
            self.box_deltas.detach(),
            None if self.iou_logits is None else self.iou_logits.detach(),
        )


@dataclass(frozen=True)
class Detections:
    """What a detector reports for one image, best score first.  D = detections."""

    boxes: Tensor  # [D, 4] float32, xyxy
    scores: Tensor  # [D] float32 in [0, 1]
    labels: Tensor  # [D] int64 in 0..C-1
