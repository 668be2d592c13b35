"""Running means of losses that stay on the device until someone asks."""

from __future__ import annotations

import time

import torch
from torch import Tensor


class Meter:
    """Sums named scalars on their device; reading them is the loop's only host wait."""

    def __init__(self) -> None:
        self._start()
        self._lap_from = self._since

    def _start(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._images = 0
        self._since = time.perf_counter()

    def add(self, values: dict[str, Tensor], *, images: int) -> None:
        """Take in one step's scalars, each [] on the device."""
        for name, value in values.items():
            value = value.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
        self._steps += 1
        self._images += images

    def read(self) -> dict[str, float]:
        """Means since the last reading, with images and steps per second; then start anew."""
        if not self._steps:
            return {}
        sums = torch.stack([v.double() for v in self._sums.values()]).tolist()
        means = {name: s / self._steps for name, s in zip(self._sums, sums, strict=True)}
        seconds = max(time.perf_counter() - self._since, 1e-9)
        means["images_per_second"] = self._images / seconds
        means["seconds_per_step"] = seconds / self._steps
        self._start()
        return means

    def lap(self) -> float:
        """Seconds since the last call, or since this meter was made."""
        before, self._lap_from = self._lap_from, time.perf_counter()
        return self._lap_from - before
