"""How long a training step will take on a CPU, guessed from a small pass before the first one."""

from __future__ import annotations

import time

import torch

from ladcli.detector.model import Detector

#: Side of the image of that pass, pixels; a ResNet-50 takes some tenths of a second for it.
PROBE_SIDE = 192
#: Passes at most, and seconds after which there is no further one.
PASSES, PATIENCE = 5, 0.8
#: A training step is a forward pass, and a backward pass of twice that work.
STEP_OVER_FORWARD = 3


@torch.no_grad()
def guess_step_seconds(detector: Detector, pixels: float) -> float:
    """Seconds of one optimizer step over ``pixels`` pixels (of all images of a batch together).

    Convolutions take time in proportion to the pixels, so one small image tells: the fastest of a
    few passes, because the first prepares its kernels, and others may be using the machine.
    Nothing in ``detector`` changes.
    """
    parameter = next(detector.parameters())
    image = torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE, device=parameter.device)
    training = detector.training
    detector.eval()
    try:
        passes = [_timed(detector, image)]
        while len(passes) < PASSES and sum(passes) < PATIENCE:
            passes.append(_timed(detector, image))
    finally:
        detector.train(training)
    return STEP_OVER_FORWARD * min(passes) * pixels / PROBE_SIDE**2


def _timed(detector: Detector, image: torch.Tensor) -> float:
    start = time.perf_counter()
    detector(image)
    return time.perf_counter() - start
