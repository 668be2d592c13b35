"""Planned batches, read and prepared by worker processes.

An item of the data set is a whole batch, so workers do all of the work and the main process only
receives tensors.  The result does not depend on the number of workers: nothing is drawn here.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transform

from ladcli.data.bad_share import BadImages, require_folder
from ladcli.data.decode import decode_image
from ladcli.data.index import CocoIndex
from ladcli.data.plan import Plan
from ladcli.data.views import Sample, round_up
from ladcli.errors import BadImageError, UserError
from ladcli.structures import Batch, StoredRows, Targets


@dataclass(frozen=True)
class _Failure:
    """A bad image on its way out of a worker.

    A value and not an exception: torch re-raises a worker's exception with the whole traceback as
    its text.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class _Refusal:
    """What the user can mend, on its way out of a worker."""

    message: str


class ReadBeside(Protocol):
    """Reads what is stored of the images of a batch."""

    def __call__(self, samples: Sequence[Sample], canvas_hw: tuple[int, int]) -> StoredRows:
        """What is stored of these samples, on a canvas of this height and width."""
        ...

    def close(self) -> None:
        """Let go of files that this process opened: a process that is forked must not have them."""
        ...


_Item: TypeAlias = Batch | _Failure | _Refusal


@dataclass(frozen=True)
class _Prepared:
    """One image before it is put on its canvas."""

    pixels: Tensor  # [3, h, w] float32, normalized
    boxes: Tensor  # [g, 4] float32, xyxy, pixels of the canvas
    labels: Tensor  # [g] int64
    crowd: Tensor  # [r, 4] float32
    scale_wh: tuple[float, float]


def load_batches(
    index: CocoIndex,
    plan: Plan,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    workers: int,
    skip_bad_images: bool,
    pin_memory: bool,
    beside: ReadBeside | None = None,
    max_bad_share: float | None = None,
) -> BatchLoader:
    """The batches of ``plan``, in order; pass ``plan[k:]`` to go on after ``k`` batches.

    Args:
        mean: per RGB channel, of pixels in 0..1.
        std: likewise.
        workers: loader processes; 0 loads in this process.
        skip_bad_images: list images that cannot be read in `Batch.skipped`, instead of stopping;
            such a batch is smaller, possibly empty.
        pin_memory: put batches into page-locked memory (needs an accelerator).
        beside: reads what is stored of the images of a batch, in the same process as the images.
        max_bad_share: of the images of the index, that may be skipped in one pass; one always.
            None sets no limit, and does not ask whether the image folder is still there.
    """
    dataset = _PlannedBatches(index, plan, tuple(mean), tuple(std), skip_bad_images, beside)
    return BatchLoader(dataset, workers, pin_memory, index, max_bad_share)


class BatchLoader:
    """An iterable over batches that knows its length; every iteration starts at the beginning."""

    def __init__(
        self,
        dataset: _PlannedBatches,
        workers: int,
        pin_memory: bool,
        index: CocoIndex,
        max_bad_share: float | None,
    ) -> None:
        self._dataset = dataset
        self._index = index
        self._max_bad_share = max_bad_share
        self._workers = min(workers, len(dataset))
        self._pin_memory = pin_memory

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches.

        A batch of which nothing could be read waits for the next one of which something could: so
        whoever is stopped here goes on before those that a disk took with it.

        Raises:
            BadImageError: an image cannot be read, or is not what the annotations say.
            UserError: what is stored beside the images cannot be read, or does not fit.
            TooManyBadImages: more were skipped than may be, or the image folder went away.
        """
        loader: DataLoader[_Item] = DataLoader(
            self._dataset,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_as_is,
            pin_memory=self._pin_memory,
            worker_init_fn=_start_worker,
            # Without one of its own, the loader would draw from torch's global generator.
            generator=torch.Generator(),
        )
        try:
            yield from self._sound(loader)
        finally:
            self._dataset.close()

    def _sound(self, items: Iterable[_Item]) -> Iterator[Batch]:
        """The batches among ``items``; anything else is raised."""
        limited = self._max_bad_share is not None
        bad = BadImages(len(self._index), self._max_bad_share or 0.0)
        unread: list[Batch] = []
        for item in items:
            if isinstance(item, _Refusal):
                raise UserError(item.message)
            if limited and (isinstance(item, _Failure) or item.skipped):
                require_folder(self._index.images_dir)
            if isinstance(item, _Failure):
                raise BadImageError(item.path, item.reason)
            if limited and item.skipped:
                bad.add(item.skipped)
                if not len(item):
                    unread.append(item)
                    continue
            yield from unread
            unread.clear()
            yield item
        yield from unread


class _PlannedBatches(Dataset[_Item]):
    """Item ``i`` is batch ``i`` of the plan, ready for the network."""

    def __init__(
        self,
        index: CocoIndex,
        plan: Plan,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        skip_bad_images: bool,
        beside: ReadBeside | None = None,
    ) -> None:
        self._index = index
        self._plan = plan
        self._mean = mean
        self._std = std
        self._skip_bad_images = skip_bad_images
        self._beside = beside

    def __len__(self) -> int:
        return len(self._plan)

    def close(self) -> None:
        if self._beside is not None:
            self._beside.close()

    def __getitem__(self, position: int) -> _Item:
        samples: list[Sample] = []
        prepared: list[_Prepared] = []
        skipped: list[str] = []
        for sample in self._plan[position]:
            try:
                prepared.append(self._prepare(sample))
                samples.append(sample)
            except BadImageError as error:
                if not self._skip_bad_images:
                    return _Failure(error.path, error.reason)
                skipped.append(str(error))
        canvas_hw = self._plan[position][0].canvas_hw
        batch = _assemble(samples, prepared, canvas_hw, tuple(skipped))
        if self._beside is None or not samples:
            return batch
        try:
            return replace(batch, stored=self._beside(samples, canvas_hw))
        except UserError as error:
            return _Refusal(str(error))

    def _prepare(self, sample: Sample) -> _Prepared:
        """Read, resize, flip, jitter and normalize one image.

        Raises:
            BadImageError: the file is bad or not of the size in the index.
        """
        height, width = (int(side) for side in self._index.hw[sample.row])
        array = decode_image(
            self._index.path(sample.row), target_hw=sample.resized_hw, stored_hw=(height, width)
        )
        image = _resized(tv_tensors.Image(torch.from_numpy(array).permute(2, 0, 1)), sample)
        boxes, labels, crowd = self._index.targets(sample.row)
        every = tv_tensors.BoundingBoxes(
            torch.from_numpy(np.concatenate([boxes, crowd])),
            format=tv_tensors.BoundingBoxFormat.XYXY,
            canvas_size=(height, width),
        )
        # Boxes are in stored pixels, whatever size the decoder chose for the image.
        every = transform.resize(every, list(sample.resized_hw))
        if sample.flip:
            image = transform.horizontal_flip(image)
            every = transform.horizontal_flip(every)
        placed = every.as_subclass(Tensor)
        pixels = _jittered(transform.to_dtype(image, torch.float32, scale=True), sample)
        pixels = transform.normalize(pixels, list(self._mean), list(self._std))
        return _Prepared(
            pixels.as_subclass(Tensor),
            placed[: len(boxes)],
            torch.from_numpy(labels),
            placed[len(boxes) :],
            (sample.resized_hw[1] / width, sample.resized_hw[0] / height),
        )


def _resized(image: Tensor, sample: Sample) -> Tensor:
    if tuple(image.shape[-2:]) == sample.resized_hw:
        return image
    return transform.resize(
        image, list(sample.resized_hw), interpolation=InterpolationMode.BILINEAR, antialias=True
    )


def _jittered(image: Tensor, sample: Sample) -> Tensor:
    """Photometric changes of an image in 0..1, which stays in 0..1."""
    if sample.brightness != 1:
        image = transform.adjust_brightness(image, sample.brightness)
    if sample.contrast != 1:
        image = transform.adjust_contrast(image, sample.contrast)
    if sample.saturation != 1:
        image = transform.adjust_saturation(image, sample.saturation)
    return image


def _assemble(
    samples: list[Sample],
    prepared: list[_Prepared],
    canvas_hw: tuple[int, int],
    skipped: tuple[str, ...],
) -> Batch:
    """Put images on one canvas, top left; the padding is zero after normalization."""
    images = torch.zeros(len(samples), 3, *canvas_hw)
    for row, one in enumerate(prepared):
        images[row, :, : one.pixels.shape[1], : one.pixels.shape[2]] = one.pixels
    content = [sample.resized_hw for sample in samples]
    valid = [(round_up(height), round_up(width)) for height, width in content]
    scales = [one.scale_wh for one in prepared]
    return Batch(
        images=images,
        targets=Targets.from_lists(
            [one.boxes for one in prepared],
            [one.labels for one in prepared],
            [one.crowd for one in prepared],
        ),
        content_hw=torch.tensor(content, dtype=torch.int64).reshape(-1, 2),
        valid_hw=torch.tensor(valid, dtype=torch.int64).reshape(-1, 2),
        scale_wh=torch.tensor(scales, dtype=torch.float64).reshape(-1, 2),
        image_rows=tuple(sample.row for sample in samples),
        view_ids=tuple(sample.view_id for sample in samples),
        skipped=skipped,
    )


def _as_is(item: Any) -> Any:
    return item


def _start_worker(_: int) -> None:
    # Ctrl-C reaches the whole process group; the main process alone decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Workers are the parallelism; more threads would only fight over the cores.
    torch.set_num_threads(1)
