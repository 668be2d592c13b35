"""What a run is about to do, in a few lines before its first step."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.text import Text

from ladcli.data.views import CANVAS_STEP
from ladcli.engine.speed import guess_step_seconds
from ladcli.engine.state import Position
from ladcli.plain_text import one_line
from ladcli.recipe.schema import Recipe
from ladcli.stages.input_boxes import InputBoxes, resized_sizes
from ladcli.stages.prepare import NewNetwork, Prepared

#: Class names that are shown.
MAX_NAMES = 6
#: Sides in pixels below which COCO calls a box small and medium.
SMALL, MEDIUM = 32, 96
#: Seconds of a step from which a run on a CPU is called slow.
SLOW_STEP = 10.0
#: What is recommended then: with all of it a step of 8 images takes some seconds of two cores.
FAST_SHORT, FAST_LONG, FAST_CHANNELS = 320, 512, 64
FAST_BACKBONE = "tf_efficientnet_lite0"


def show_summary(rows: Sequence[tuple[str, str]]) -> None:
    """Print labels and texts on standard error, wrapped between words below one another."""
    console = Console(stderr=True)
    column = max(len(label) for label, _ in rows) + 2
    for label, text in rows:
        lines = textwrap.wrap(
            one_line(text),
            max(20, console.width - column - 1),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for number, line in enumerate(lines):
            head = (label if number == 0 else "").ljust(column)
            console.print(Text.assemble((head, "bold"), line), soft_wrap=True)


def summary_rows(prepared: Prepared, stage: str, boxes: InputBoxes) -> list[tuple[str, str]]:
    """The summary as labels and texts.

    Args:
        stage: the command.
        boxes: those of the training set at the size of evaluation.
    """
    recipe = prepared.recipe
    rows = [
        ("data", _data(prepared, boxes)),
        ("validation", _validation(prepared)),
        ("image size", _image_size(prepared)),
        ("boxes", _box_sizes(boxes)),
        ("schedule", _schedule(prepared)),
        ("rate", _rate(prepared)),
    ]
    if stage == "distill":
        rows.append(("teacher", _teacher(recipe)))
    for name, network in prepared.networks.items():
        named = "network" if len(prepared.networks) == 1 else f"network {name}"
        rows.append((named, _network(network)))
        own = getattr(recipe, f"net_{name}", None)
        weights = (own.weights if own else None) or recipe.model.weights
        rows.append(
            (_indented("weights", named), _weights(recipe, weights, own.init if own else None))
        )
    rows.append(("device", f"{_device(prepared.device)}, {recipe.train.precision}"))
    return rows


def brief_summary(prepared: Prepared) -> str:
    """The summary as one line."""
    recipe, index = prepared.recipe, prepared.index
    width, height = _median_input(prepared, recipe.data.short[-1])
    networks = " and ".join(
        f"{n.detector.architecture.backbone} ({_millions(n.num_parameters)})"
        for n in prepared.networks.values()
    )
    return (
        f"{_number(len(index), 'image')} of {width} x {height}, "
        f"{_number(recipe.schedule.epochs, 'epoch')} of "
        f"{_number(prepared.steps_per_epoch, 'step')}, lr {_rates(prepared)}, {networks}, "
        f"{prepared.device} {recipe.train.precision}"
    )


def resumed_summary(prepared: Prepared, position: Position) -> str:
    """Where a run goes on, as one line."""
    epochs = prepared.recipe.schedule.epochs
    if position.epoch >= epochs:
        return f"epoch {epochs} of {epochs} is done: nothing is left to train"
    total = prepared.steps_per_epoch * epochs
    return (
        f"goes on after {_number(position.step, 'step')} of {total}, in epoch "
        f"{position.epoch + 1} of {epochs}"
    )


def slow_warning(prepared: Prepared) -> str | None:
    """What to tell the user whose steps will take long because there is no GPU."""
    if prepared.device.type != "cpu":
        return None
    recipe = prepared.recipe
    pixels = _mean_pixels(prepared) * min(recipe.train.batch_size, len(prepared.index))
    seconds = sum(guess_step_seconds(n.detector, pixels) for n in prepared.networks.values())
    if seconds < SLOW_STEP:
        return None
    total = seconds * prepared.steps_per_epoch * recipe.schedule.epochs
    backbones = {n.detector.architecture.backbone for n in prepared.networks.values()}
    width, height = _median_input(prepared, recipe.data.short[-1])
    return (
        f"a step takes roughly {duration(seconds)} on this CPU, the run {duration(total)}, "
        f"with batches of {recipe.train.batch_size}, images of {width} x {height}, "
        f"{' and '.join(sorted(backbones))} and {recipe.model.channels} channels; faster are "
        f"{', '.join(_faster(recipe, backbones))}"
    )


def _faster(recipe: Recipe, backbones: set[str]) -> Iterator[str]:
    """What would make the steps shorter."""
    if recipe.train.preset is None:
        yield "--preset small"
    if recipe.data.short[-1] > FAST_SHORT:
        yield f"smaller images (--size {FAST_SHORT}x{FAST_LONG})"
    if backbones != {FAST_BACKBONE}:
        yield f"a lighter network (--backbone {FAST_BACKBONE})"
    if recipe.model.channels > FAST_CHANNELS:
        yield f"a narrower one (--set model.channels={FAST_CHANNELS})"
    yield "a GPU"


def duration(seconds: float) -> str:
    """A length of time in one unit that suits it."""
    for unit, length, limit in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < limit * length:
            return f"{max(1, round(seconds / length))} {unit}"
    return f"{round(seconds / 86400)} days"


def _data(prepared: Prepared, boxes: InputBoxes) -> str:
    index = prepared.index
    names = index.classes.names
    shown = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    classes = _number(len(names), "class", "classes")
    return (
        f"{_number(len(index), 'image')}, {_number(len(boxes.boxes), 'box', 'boxes')}, "
        f"{classes}: {shown}"
    )


def _validation(prepared: Prepared) -> str:
    every = prepared.recipe.train.eval_every
    if not every:
        return "none, as train.eval_every is 0"
    if prepared.validation is None:
        return "none: the data have no val set, so no AP is measured and no best network chosen"
    when = "every epoch" if every == 1 else f"every {every} epochs"
    return (
        f"{_number(len(prepared.validation.index), 'image')} of {prepared.validation.name}, "
        f"after {when}"
    )


def _image_size(prepared: Prepared) -> str:
    height, width = (int(side) for side in np.median(prepared.index.hw, axis=0))
    short = prepared.recipe.data.short
    inputs = " to ".join("{} x {}".format(*_median_input(prepared, side)) for side in short)
    return f"{inputs} as input, {width} x {height} as stored (medians)"


def _median_input(prepared: Prepared, short: int) -> tuple[int, int]:
    """Median width and height of the training images in a view of this short side."""
    sizes = _input_sizes(prepared, short)
    height, width = (int(side) for side in np.median(sizes, axis=0))
    return width, height


def _mean_pixels(prepared: Prepared) -> float:
    """Mean number of pixels of a training image as input, with padding to whole cells."""
    shorts = prepared.recipe.data.short
    sizes = np.concatenate([_input_sizes(prepared, short) for short in shorts])
    padded = -(-sizes // CANVAS_STEP) * CANVAS_STEP
    return float(padded.prod(axis=1).mean())


def _input_sizes(prepared: Prepared, short: int) -> np.ndarray:
    return resized_sizes(prepared.index.hw, short, prepared.recipe.data.long)


def _box_sizes(boxes: InputBoxes) -> str:
    sides = boxes.sides
    if not len(sides):
        return "none in the images that can be read"
    below = [float((sides < limit).mean()) for limit in (SMALL, MEDIUM)]
    shares = (below[0], below[1] - below[0], 1 - below[1])
    small, medium, large = (f"{100 * share:.0f} %" for share in shares)
    return (
        f"median side {np.median(sides):.0f} px as input; {small} small (below {SMALL} px), "
        f"{medium} medium, {large} large (from {MEDIUM} px)"
    )


def _schedule(prepared: Prepared) -> str:
    recipe, steps = prepared.recipe, prepared.steps_per_epoch
    epochs = recipe.schedule.epochs
    # With several canvases the number of partial batches differs from epoch to epoch.
    about = "about " if len(recipe.data.short) > 1 else ""
    return (
        f"{_number(epochs, 'epoch')} x {about}{_number(steps, 'batch', 'batches')} of "
        f"{recipe.train.batch_size} = {about}{_number(steps * epochs, 'step')}"
    )


def _rate(prepared: Prepared) -> str:
    recipe = prepared.recipe
    warmup = recipe.optim.warmup_steps or 0
    after = f" after {_number(warmup, 'step')} of warm-up" if warmup else ", without warm-up"
    falls = [epoch for epoch in recipe.schedule.decay_epochs if epoch < recipe.schedule.epochs]
    if not falls:
        return f"{_rates(prepared)}{after}, then constant"
    where = " and ".join(str(epoch) for epoch in falls)
    return (
        f"{_rates(prepared)}{after}, x {recipe.schedule.decay_factor:g} after "
        f"{'epoch' if len(falls) == 1 else 'epochs'} {where}"
    )


def _rates(prepared: Prepared) -> str:
    rates = {name: f"{network.lr:g}" for name, network in prepared.networks.items()}
    if len(set(rates.values())) == 1:
        return next(iter(rates.values()))
    return ", ".join(f"{rate} ({name})" for name, rate in rates.items())


def _teacher(recipe: Recipe) -> str:
    config = recipe.distill
    source = (
        f"cache {Path(config.cache).name}"
        if config.cache
        else f"{config.teacher}, run on every step"
    )
    switch = "" if config.switch == "off" else f", switch {config.switch} by {config.switch_scope}"
    return f"{source}; mode {config.mode}{switch}"


def _network(network: NewNetwork) -> str:
    return (
        f"{network.detector.architecture.backbone}, {_millions(network.num_parameters)} "
        f"parameters, {_millions(network.num_trained)} trained"
    )


def _weights(recipe: Recipe, weights: str | None, init: str | None) -> str:
    frozen = recipe.model.freeze_stride
    held = f", frozen up to stride {frozen}" if frozen else ""
    if init is not None:
        return f"trained, from {init}{held}"
    if weights is None:
        return "random: nothing is pretrained (--weights FILE gives the backbone a start)"
    where = "timm's hub" if weights == "timm" else Path(weights).name
    return f"pretrained backbone from {where}{held}"


def _indented(label: str, below: str) -> str:
    """Two networks have weights each: their label says whose they are."""
    return label if below == "network" else f"{label} {below[-1]}"


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({_number(torch.get_num_threads(), 'thread')})"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"


def _number(count: int, singular: str, plural: str | None = None) -> str:
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
