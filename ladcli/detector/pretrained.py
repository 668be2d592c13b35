"""Pretrained weights of a backbone, from a file or from timm's hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ladcli.detector.backbone import Backbone, spellings
from ladcli.detector.hub import hub_weights
from ladcli.detector.packaged_weights import PACKAGE_PREFIX, packaged_weights
from ladcli.detector.safe_load import load_tensors
from ladcli.detector.weight_names import to_timm_names
from ladcli.errors import UserError
from ladcli.recipe.flags import FLAGS, NetworkKeys, option_name


def load_backbone_weights(
    backbone: Backbone, source: str, keys: NetworkKeys = NetworkKeys()
) -> None:
    """Fill ``backbone`` with pretrained weights.

    Args:
        source: a ``.safetensors`` or ``.pth`` file in timm's names (or, for EfficientNet-Lite, in
            those of its PyTorch port), ``package:NAME`` for the one in an installed package, or
            ``timm`` to ask timm's hub.
        keys: the options that chose backbone and weights, for messages.

    Raises:
        UserError: the file is missing, unreadable or belongs to another network, or the hub
            cannot be reached.
    """
    if source == "timm":
        state = hub_weights(backbone.name, flag=FLAGS[keys.weights])
    else:
        state = _read_weights(_file_of(source, keys), keys)
    own = backbone.net.state_dict()
    state = to_timm_names(state, own, backbone.name, source, keys)
    renamed = {_feature_name(key, own): value for key, value in state.items()}
    missing = [k for k in own if k not in renamed and not k.endswith("num_batches_tracked")]
    if missing:
        raise UserError(
            f"{source}: holds no {missing[0]!r} (and {len(missing) - 1} more); these are not "
            f"weights of {backbone.name}, name the network they were made for with "
            f"{option_name(keys.other_backbone)}"
        )
    surplus = _surplus(renamed, own)
    if surplus:
        raise UserError(
            f"{source}: holds {surplus[0]!r} (and {len(surplus) - 1} more), which {backbone.name} "
            "lacks in the same block; these are weights of another network, name it with "
            f"{option_name(keys.other_backbone)}"
        )
    for key, value in own.items():
        if key in renamed and renamed[key].shape != value.shape:
            raise UserError(
                f"{source}: {key} is {list(renamed[key].shape)}, but {backbone.name} needs "
                f"{list(value.shape)}; these are weights of another network"
            )
    backbone.net.load_state_dict({k: v for k, v in renamed.items() if k in own}, strict=False)


def _surplus(state: Iterable[str], own: Iterable[str]) -> list[str]:
    """Weights that stand in a block of the network, but that the network does not have.

    EfficientNet has all that EfficientNet-Lite has, and squeeze-and-excite between.  What lies
    outside the blocks, such as a classifier, is left out of a feature extractor on purpose.
    """
    own = set(own)
    blocks = {_block(key) for key in own} - {None}
    return [k for k in state if k not in own and k.endswith(".weight") and _block(k) in blocks]


def _block(key: str) -> str | None:
    """``key`` up to its last number, as ``blocks.2.0`` of ``blocks.2.0.conv.weight``."""
    parts = key.split(".")
    numbers = [position for position, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[-1] + 1]) if numbers else None


def _feature_name(key: str, own: dict[str, Tensor]) -> str:
    """``key`` of a full network under the name that the feature extractor has for it."""
    return next((spelling for spelling in spellings(key) if spelling in own), key)


def _file_of(source: str, keys: NetworkKeys) -> Path:
    """The file that ``source`` names, by its path or by the package that holds it."""
    if source.startswith(PACKAGE_PREFIX):
        return packaged_weights(source.removeprefix(PACKAGE_PREFIX), flag=FLAGS[keys.weights])
    return Path(source)


def _read_weights(path: Path, keys: NetworkKeys) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(
            f"{path}: no such weights file; give {option_name(keys.weights)} a file that exists"
        )
    remedy = "give a .safetensors or .pth file that holds tensors only"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: cannot be read as weights ({reason}); {remedy}") from error
    state = load_tensors(path, what="weights", remedy=remedy)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path}: holds no table of tensors; give a file of model weights")
    return {str(k): v for k, v in state.items() if isinstance(v, Tensor)}
