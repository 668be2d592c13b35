"""Every option of a training recipe, with its type, unit, default and limits.

A recipe is data: nested, frozen pydantic models that YAML maps onto field for field.  Defaults are
the paper's COCO settings.  Descriptions here are the documentation: `--help` and the error messages
read them.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from ladcli.files import expand_user
from ladcli.recipe.flags import option_name, option_value

#: Technical limit of every whole number, so that none overflows in a tensor or a seed.
MAX_INT = 2**31 - 1


def _number_of_text(value: Any) -> Any:
    """``1e-3`` as a number: YAML 1.1 reads it as text because it has no dot."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _list_of_one(value: Any) -> Any:
    """One number where a list is due, as in ``short: 800``."""
    return [value] if isinstance(value, int | float) else value


def _no_boolean(value: Any) -> Any:
    """Refuse true and false, which a list of allowed numbers would take for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _expanded(path: str | None) -> str | None:
    """A path as a shell would have passed it, so that every way to give one means the same."""
    return None if path is None else expand_user(path)


class Affects(Enum):
    """What another value of an option changes.  Without a mark, that is the result.

    Whatever asks whether two recipes mean the same reads these marks: going on with a run,
    recognizing a finished stage of a pipeline, and finding the seeds of one method.
    """

    #: Where something lies that is known by its content: data, a teacher, a cache.
    PLACE = "place"
    #: How the work is done and told, and what may be left out of it to get on.
    NOTHING = "nothing"


class Names(Enum):
    """What an option names, beside its kind of file."""

    #: What another run made; with another seed, the same of another seed.
    RUN = "run"


#: Marks options that name a file or folder.  A recipe holds the path with its ``~`` expanded.
NAMES_FILE = AfterValidator(_expanded)
FileName = Annotated[str | None, NAMES_FILE]
DataPlace = Annotated[FileName, Affects.PLACE]
TeacherPlace = Annotated[FileName, Affects.PLACE, Names.RUN]

# Strict types: true is no number, 0 is no "false", and text is no whole number.
PositiveInt = Annotated[int, Field(ge=1, le=MAX_INT, strict=True)]
NonNegativeInt = Annotated[int, Field(ge=0, le=MAX_INT, strict=True)]
Number = Annotated[float, Field(strict=True), BeforeValidator(_number_of_text)]
NonNegative = Annotated[float, Field(ge=0, strict=True), BeforeValidator(_number_of_text)]
Positive = Annotated[float, Field(gt=0, strict=True), BeforeValidator(_number_of_text)]
Share = Annotated[float, Field(ge=0, le=1, strict=True), BeforeValidator(_number_of_text)]
Probability = Annotated[float, Field(gt=0, lt=1, strict=True), BeforeValidator(_number_of_text)]
Boolean = Annotated[bool, Field(strict=True)]
#: Of the network: costs, boxes and losses stay in fp32.
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
IntList = Annotated[list[PositiveInt], BeforeValidator(_list_of_one)]


def usual_decays(epochs: int) -> list[int]:
    """Epochs after which the learning rate falls by default: 2/3 and 11/12 of the length.

    They are rounded, as in 8 and 11 of 12 epochs; what would fall after the end is left out.
    """
    wanted = {math.ceil(epochs * share - 0.5) for share in (2 / 3, 11 / 12)}
    return sorted(epoch for epoch in wanted if 0 < epoch < epochs)


class Section(BaseModel):
    """Base of all parts of a recipe: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _none_is_null(cls, value: Any, info: ValidationInfo) -> Any:
        """The word ``none`` means null (YAML's own word) wherever null is the default."""
        if isinstance(value, str) and value.strip().lower() == "none":
            field = cls.model_fields[info.field_name or ""]
            return None if field.default is None else value
        return value


class DataConfig(Section):
    """Where the images are and how they are prepared."""

    dir: DataPlace = Field(
        default=None, description="folder in one of the layouts of docs/data.md; see --data"
    )
    train_json: DataPlace = Field(
        default=None, description="training annotations, instead of dir's own"
    )
    val_json: DataPlace = Field(
        default=None, description="validation annotations, instead of dir's own"
    )
    test_json: DataPlace = Field(default=None, description="test annotations, instead of dir's own")
    images: DataPlace = Field(
        default=None,
        description="image folder, instead of dir's own, of every split that names none",
    )
    val_images: DataPlace = Field(default=None, description="image folder of the validation set")
    test_images: DataPlace = Field(default=None, description="image folder of the test set")
    short: IntList = Field(
        default=[800],
        description="short side in pixels after resizing: one number, or [low, high] for "
        "multi-scale training; evaluation uses the last",
        min_length=1,
        max_length=2,
    )
    long: PositiveInt = Field(default=1333, description="limit of the long side in pixels")
    scales: Literal["range", "grid"] = Field(
        default="grid",
        description="with two short sides: draw from the whole range, or from a fixed grid of "
        "scales (needed for training from a cache)",
    )
    scale_steps: PositiveInt = Field(
        default=6, description="number of scales of the grid, both ends included"
    )
    flip: Share = Field(default=0.5, description="probability of a horizontal flip in training")
    brightness: Share = Field(default=0.0, description="photometric jitter, relative; 0 is off")
    contrast: Share = Field(default=0.0, description="photometric jitter, relative; 0 is off")
    saturation: Share = Field(default=0.0, description="photometric jitter, relative; 0 is off")
    skip_empty: Boolean = Field(
        default=False,
        description="leave images without boxes out of training (they count as background)",
    )
    workers: Annotated[NonNegativeInt, Affects.NOTHING] = Field(
        default=2, description="loader processes; 0 loads in the training process"
    )
    skip_bad_images: Annotated[Boolean, Affects.NOTHING] = Field(
        default=False,
        description="leave out images that cannot be decoded, and count them, not stop",
    )
    max_bad_share: Annotated[Share, Affects.NOTHING] = Field(
        default=0.05,
        description="with skip_bad_images: share of a set's images up to which they may be bad; "
        "with more, the work stops and can be resumed; one is always allowed",
    )

    @model_validator(mode="after")
    def _sides_in_order(self) -> DataConfig:
        if len(self.short) == 2 and self.short[0] > self.short[1]:
            raise ValueError(f"data.short must be [low, high], got {self.short}")
        if self.short[-1] > self.long:
            raise ValueError(
                f"data.long ({self.long}) must not be below data.short ({self.short[-1]})"
            )
        if len(self.short) == 2 and self.scales == "grid" and self.scale_steps < 2:
            raise ValueError("data.scale_steps must be at least 2 for a grid over two short sides")
        return self


class ModelConfig(Section):
    """The detector: backbone, feature pyramid and head."""

    backbone: str = Field(
        default="resnet50", description="name of a timm model that offers features_only"
    )
    weights: FileName = Field(
        default=None,
        description="backbone weights: a .safetensors or .pth file, package:NAME for the file "
        "in an installed Python package, 'timm' for timm's own hub, or none to start from random "
        "weights",
    )
    pixel_mean: list[Number] | None = Field(
        default=None,
        description="mean per RGB channel of pixels in 0..1; by default the backbone's own",
        min_length=3,
        max_length=3,
    )
    pixel_std: list[Positive] | None = Field(
        default=None,
        description="standard deviation per RGB channel; by default the backbone's own",
        min_length=3,
        max_length=3,
    )
    channels: PositiveInt = Field(default=256, description="channels of pyramid and head")
    anchor_scale: Positive = Field(
        default=8.0, description="side of an anchor in strides of its level; less for small objects"
    )
    first_level: Literal[2, 3] = Field(
        default=3,
        description="finest level of the pyramid: 3 has cells of 8 pixels; 2 adds one of 4 pixels, "
        "for small objects, at four times the work of the head",
    )
    head_convs: NonNegativeInt = Field(
        default=4, description="stacked 3x3 convolutions of each branch"
    )
    norm_groups: PositiveInt = Field(default=32, description="groups of the head's GroupNorm")
    head: Literal["paa", "iop", "cop"] = Field(
        default="paa",
        description="paa: class logits; iop, cop: class probabilities with objectness inside, of "
        "the anchor alone or of its neighborhood",
    )
    cop_kernel: PositiveInt = Field(
        default=3, description="cells along a side of COP's neighborhood; odd, 3 or more"
    )
    iou_branch: Boolean = Field(
        default=True,
        description="predict the IoU of each box; inference.use_iou says whether scores use it",
    )
    prior: Probability = Field(
        default=0.01, description="class probability that the initial bias gives every anchor"
    )
    freeze_stride: Annotated[Literal[0, 2, 4, 8, 16, 32], BeforeValidator(_no_boolean)] = Field(
        default=4,
        description="freeze the backbone up to and including the stage of this stride; 0 freezes "
        "nothing; without weights nothing is frozen",
    )
    freeze_bn: Boolean = Field(
        default=True,
        description="keep the backbone's batch-norm statistics fixed; without weights they learn",
    )
    checkpoint_gradients: Boolean = Field(
        default=False,
        description="recompute backbone activations in the backward pass to save memory",
    )

    @model_validator(mode="after")
    def _groups_divide(self) -> ModelConfig:
        if self.channels % self.norm_groups:
            raise ValueError(
                f"model.channels ({self.channels}) must be a multiple of model.norm_groups "
                f"({self.norm_groups})"
            )
        return self

    @model_validator(mode="after")
    def _kernel_is_odd(self) -> ModelConfig:
        if self.cop_kernel < 3 or self.cop_kernel % 2 == 0:
            raise ValueError(
                f"model.cop_kernel must be odd and at least 3, got {self.cop_kernel}; a kernel of "
                f"1 is {option_value('model.head', 'iop')}"
            )
        return self


#: Of the focal and GIoU losses, be they trained with or what a candidate costs.
_FOCAL_ALPHA, _FOCAL_GAMMA, _BOX_WEIGHT = 0.25, 2.0, 1.3


class AssignConfig(Section):
    """Label assignment: candidates, cost, mixture and selection."""

    min_iou: Share = Field(default=0.1, description="IoU from which an anchor is a candidate")
    topk: PositiveInt = Field(
        default=9,
        description="cheapest candidates per ground truth and level that enter the mixture",
    )
    box_weight: NonNegative = Field(
        default=_BOX_WEIGHT, description="weight of the GIoU loss in the cost"
    )
    alpha: Share = Field(
        default=_FOCAL_ALPHA, description="focal loss: weight of positives, in the cost"
    )
    gamma: NonNegative = Field(
        default=_FOCAL_GAMMA, description="focal loss: focusing exponent, in the cost"
    )
    selection: Literal["density-peak", "mean"] = Field(
        default="density-peak",
        description="positives up to the densest point of the lower component, or all below "
        "its mean (the paper's wording)",
    )
    mixture: Literal["batched", "sklearn"] = Field(
        default="batched", description="our batched fit, or scikit-learn's as a slow reference"
    )
    ignore_crowd: Boolean = Field(
        default=False,
        description="anchors that lie over crowd regions by more than half are ignored instead "
        "of background",
    )


class LossConfig(Section):
    """The detection loss."""

    alpha: Share = Field(default=_FOCAL_ALPHA, description="focal loss: weight of positives")
    gamma: NonNegative = Field(default=_FOCAL_GAMMA, description="focal loss: focusing exponent")
    cls_weight: NonNegative = Field(default=1.0, description="weight of the classification loss")
    box_weight: NonNegative = Field(default=_BOX_WEIGHT, description="weight of the GIoU loss")
    iou_weight: NonNegative = Field(default=0.5, description="weight of the IoU branch's loss")


class OptimConfig(Section):
    """SGD and its schedule."""

    lr: Positive = Field(
        default=0.01,
        description="learning rate after warm-up, at the batch size lr_batch where that is set; by "
        "default, where lr_batch is not given either, 0.01 x batch_size / 16",
    )
    lr_batch: PositiveInt | None = Field(
        default=None,
        description="scale lr linearly: the rate used is lr x batch_size / lr_batch; unset, lr "
        "is used as it is",
    )
    momentum: Share = Field(default=0.9, description="SGD momentum")
    weight_decay: NonNegative = Field(default=1e-4, description="weight decay")
    decay_norm_and_bias: Boolean = Field(
        default=True, description="apply weight decay to norm layers and biases too"
    )
    clip_norm: NonNegative = Field(
        default=35.0, description="largest gradient norm; 0 does not clip"
    )
    warmup_steps: NonNegativeInt | None = Field(
        default=None,
        description="steps of linear warm-up; by default 500, but no more than a tenth of the run, "
        "and for distill.mode=soft with kl or l1 3000, but no more than a quarter of the run",
    )
    warmup_start: Share = Field(default=0.001, description="share of lr that warm-up starts from")


class ScheduleConfig(Section):
    """How long to train and when to lower the learning rate."""

    epochs: PositiveInt = Field(default=12, description="passes over the training images")
    decay_epochs: IntList = Field(
        default=[8, 11], description="epochs after which the learning rate falls"
    )
    decay_factor: Share = Field(default=0.1, description="factor of each fall")

    @model_validator(mode="after")
    def _decays_in_order(self) -> ScheduleConfig:
        if sorted(set(self.decay_epochs)) != self.decay_epochs:
            raise ValueError(
                f"schedule.decay_epochs must rise without repeats, got {self.decay_epochs}"
            )
        return self


class TrainConfig(Section):
    """The training run itself."""

    preset: Literal["small"] | None = Field(
        default=None,
        description="values for what the recipe leaves open; small: sizes, network, batch, "
        "learning rate and epochs for 50 to 2,000 images (see --help)",
    )
    batch_size: PositiveInt = Field(default=16, description="images per optimizer step")
    precision: Precision = Field(
        default="fp32", description="precision of the network; costs, boxes and losses stay in fp32"
    )
    seed: NonNegativeInt = Field(default=0, description="seed of every random draw")
    device: Annotated[str, Affects.NOTHING] = Field(
        default="auto", description="auto, cpu, cuda or cuda:N"
    )
    channels_last: Boolean = Field(default=True, description="channels-last memory layout")
    log_every: Annotated[PositiveInt, Affects.NOTHING] = Field(
        default=10, description="steps between logged lines"
    )
    eval_every: NonNegativeInt = Field(
        default=1, description="epochs between evaluations on the validation set; 0 evaluates never"
    )
    probe_images: Annotated[NonNegativeInt, Affects.NOTHING] = Field(
        default=4,
        description="training images whose costs and positives are written to probes/ after every "
        "epoch, for the report",
    )
    tensorboard: Annotated[Boolean, Affects.NOTHING] = Field(
        default=False, description="write the log for TensorBoard too, to tensorboard/"
    )
    save_every_minutes: Annotated[NonNegative, Affects.NOTHING] = Field(
        default=5.0,
        description="minutes between saved states inside an epoch; 0 saves at epoch ends only",
    )


class InferenceConfig(Section):
    """From raw outputs to detections."""

    score_threshold: Share = Field(
        default=0.05, description="detections below this score are dropped"
    )
    per_level: PositiveInt = Field(
        default=1000, description="anchors per level that are considered"
    )
    nms_iou: Share = Field(default=0.6, description="IoU above which a box suppresses another")
    max_detections: PositiveInt = Field(default=100, description="detections per image")
    voting: Boolean = Field(
        default=True, description="score voting: average the boxes that NMS merges"
    )
    use_iou: Boolean = Field(
        default=True,
        description="scores are √(class × IoU) where the network has an IoU branch; false takes "
        "the class probability alone",
    )
    batch_size: PositiveInt = Field(default=8, description="images per forward pass")


class DistillConfig(Section):
    """Whom a student learns from, and what."""

    mode: Literal["lad", "soft", "solad"] = Field(
        default="lad",
        description="lad: the teacher assigns the labels; soft: its outputs are targets beside "
        "the student's own labels; solad: both",
    )
    teacher: TeacherPlace = Field(default=None, description="teacher checkpoint, run on every step")
    cache: TeacherPlace = Field(
        default=None, description="teacher cache (HDF5), instead of a teacher"
    )
    switch: Literal["off", "std-mean", "fisher"] = Field(
        default="off",
        description="let the network whose costs tell good from bad candidates more clearly "
        "assign the labels, by this criterion; off leaves them to the teacher",
    )
    switch_scope: Literal["level", "object", "image", "batch"] = Field(
        default="level",
        description="what one decision of the switch covers: a level of an object, an object, "
        "an image or a batch",
    )

    @model_validator(mode="after")
    def _switch_has_labels(self) -> DistillConfig:
        if self.mode == "soft" and self.switch != "off":
            raise ValueError(
                "distill.switch chooses who assigns the labels, but with distill.mode=soft that "
                f"is the student alone; use {option_value('distill.mode', 'solad')}, or "
                f"{option_value('distill.switch', 'off')}"
            )
        if self.switch == "off" and self.switch_scope != "level":
            raise ValueError(
                f"distill.switch_scope={self.switch_scope} says what a switch decides over, but "
                f"{option_name('distill.switch')} is off; choose std-mean or fisher, "
                "or leave the scope out"
            )
        return self


#: Default weight of the soft class loss: where soft labels are all that the teacher gives, and
#: where it assigns labels too (the authors' own configurations).
SOFT_CLS_WEIGHT_ALONE, SOFT_CLS_WEIGHT = 10.0, 2.0


class SoftWeights(NamedTuple):
    """Weights of the three soft-label losses."""

    cls: float
    box: float
    iou: float


class SoftConfig(Section):
    """Soft-label losses: a teacher's outputs as targets."""

    loss: Literal["kl", "l1", "l2"] = Field(
        default="kl",
        description="focal-weighted binary KL divergence, or L1 or L2 of probabilities",
    )
    gamma: NonNegative = Field(
        default=0.5, description="kl: exponent of the focal weight |teacher - student|"
    )
    cls_weight: NonNegative | None = Field(
        default=None,
        description="weight of the class loss, over all anchors and classes; by default 10, and 2 "
        "where labels come from a teacher too (SoLAD, CoLAD)",
    )
    box_weight: NonNegative = Field(default=_BOX_WEIGHT, description="weight of the GIoU loss")
    iou_weight: NonNegative = Field(default=10.0, description="weight of the IoU branch's loss")
    min_iou: Share = Field(
        default=0.5,
        description="boxes and IoUs are learned where the IoU with a ground truth is above this",
    )
    select: Literal["pred", "anchor"] = Field(
        default="pred", description="measure that IoU for the teacher's box, or for the anchor"
    )

    def weights(self, *, alone: bool) -> SoftWeights:
        """Weights of the losses, with the default class weight where none is given.

        Args:
            alone: soft labels are all that the teacher gives; the student assigns its own labels.
        """
        cls = self.cls_weight
        if cls is None:
            cls = SOFT_CLS_WEIGHT_ALONE if alone else SOFT_CLS_WEIGHT
        return SoftWeights(cls, self.box_weight, self.iou_weight)


class CacheConfig(Section):
    """What `lad cache-teacher` stores."""

    level: Literal["assignments", "costs", "soft", "dense"] = Field(
        default="assignments",
        description="assignments: positives, for LAD; costs: also the cheapest candidates, for "
        "the switch; soft: also sparse outputs, for soft labels and SoLAD; dense: all outputs in "
        "half precision, for small data",
    )


class NetworkConfig(Section):
    """One of CoLAD's two networks, where it differs from `model` and `optim`."""

    backbone: str | None = Field(
        default=None, description="name of a timm model; by default model.backbone"
    )
    weights: FileName = Field(
        default=None, description="backbone weights; by default model.weights"
    )
    head: Literal["paa", "iop", "cop"] | None = Field(
        default=None, description="head; by default model.head"
    )
    iou_branch: Boolean | None = Field(
        default=None, description="predict IoUs; by default model.iou_branch"
    )
    init: Annotated[FileName, Names.RUN] = Field(
        default=None,
        description="trained checkpoint of the same architecture to start from, instead of "
        "backbone weights",
    )
    lr: Positive | None = Field(default=None, description="learning rate; by default optim.lr")


class ColadConfig(Section):
    """Two networks that learn together, each the other's teacher by turns."""

    switch: Literal["std-mean", "fisher"] = Field(
        default="std-mean", description="criterion that decides who is the teacher"
    )
    switch_scope: Literal["level", "object", "image", "batch"] = Field(
        default="level", description="what one decision covers"
    )
    first_teacher: Literal["auto", "a", "b"] = Field(
        default="auto",
        description="who is the teacher where the two are equal; auto: the pretrained one, of two "
        "such the better one, else the one with more parameters",
    )
    soft: Boolean = Field(
        default=False, description="each network also learns the other's outputs (see soft.*)"
    )


class Recipe(Section):
    """A whole recipe: what `recipe.yaml` in a run directory holds."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    assign: AssignConfig = AssignConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    train: TrainConfig = TrainConfig()
    inference: InferenceConfig = InferenceConfig()
    distill: DistillConfig = DistillConfig()
    soft: SoftConfig = SoftConfig()
    cache: CacheConfig = CacheConfig()
    colad: ColadConfig = ColadConfig()
    net_a: NetworkConfig = NetworkConfig()
    net_b: NetworkConfig = NetworkConfig()
