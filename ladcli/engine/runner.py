"""On what networks are run over images, and what is done about those that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ladcli.data.index import CocoIndex
from ladcli.data.loader import BatchLoader, ReadBeside, load_batches
from ladcli.data.plan import Plan
from ladcli.engine.device import autocast, choose_device
from ladcli.recipe.schema import Precision, Recipe


@dataclass(frozen=True)
class Runner:
    """How a network is run; what it is shown and what becomes of its outputs is said elsewhere."""

    device: torch.device
    precision: Precision = "fp32"  # of the network
    workers: int = 0  # loader processes; 0 loads in this process
    skip_bad_images: bool = False  # leave out images that cannot be read, instead of stopping
    max_bad_share: float | None = None  # of the images, that may be skipped; None sets no limit
    quiet: bool = False  # show no progress

    @staticmethod
    def of(recipe: Recipe, *, device: torch.device | None = None, quiet: bool = False) -> Runner:
        """What a recipe asks for.

        Args:
            device: where it has been chosen already.

        Raises:
            UserError: a device that is unknown, or that this machine lacks.
        """
        data = recipe.data
        return Runner(
            choose_device(recipe.train.device) if device is None else device,
            recipe.train.precision,
            data.workers,
            data.skip_bad_images,
            data.max_bad_share,
            quiet,
        )

    def autocast(self) -> torch.autocast:
        """A context in which the network computes in the precision asked for."""
        return autocast(self.precision, self.device)

    def batches(
        self,
        index: CocoIndex,
        plan: Plan,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        beside: ReadBeside | None = None,
    ) -> BatchLoader:
        """The batches of ``plan``, in order, on the CPU; see `ladcli.data.loader.load_batches`."""
        return load_batches(
            index,
            plan,
            mean=mean,
            std=std,
            workers=self.workers,
            skip_bad_images=self.skip_bad_images,
            max_bad_share=self.max_bad_share,
            pin_memory=self.device.type == "cuda",
            beside=beside,
        )
