"""Everything that a rule of label assignment may look at."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ladcli.structures.batch import Targets
from ladcli.structures.priors import Priors


@dataclass(frozen=True)
class Scene:
    """Ground truth and priors of one batch.  B images, G ground truths, A priors.

    Made once per batch; no rule sees images, networks or deltas.
    """

    targets: Targets  # G boxes per image, padded
    priors: Priors  # A, the same for all images
    valid: Tensor  # [B, A] bool; invalid priors are no candidates, and no background either
    #: Share of the training that is done, 0 to 1: some rules change with it.  A float or a 0-d
    #: tensor, which stays where it is.
    progress: float | Tensor = 0.0

    def __post_init__(self) -> None:
        expected = (self.targets.labels.shape[0], self.priors.num_priors)
        if self.valid.shape != expected:
            raise ValueError(
                f"valid must be [B={expected[0]}, A={expected[1]}], got {list(self.valid.shape)}"
            )

    @property
    def num_images(self) -> int:
        """B."""
        return self.valid.shape[0]

    @property
    def num_gt(self) -> int:
        """G, the padded number of ground truths per image."""
        return self.targets.labels.shape[1]
