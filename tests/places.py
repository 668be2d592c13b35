"""Where developer material lies on this machine, and what to do where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def shared_dir() -> Path:
    """Developer material: beside the checkout, or where LAD_SHARED_DIR says."""
    return Path(os.environ.get("LAD_SHARED_DIR", BESIDE_CHECKOUT))


def golden_dir() -> Path:
    """Golden files: beside the checkout, or where LAD_GOLDEN_DIR says."""
    return Path(os.environ.get("LAD_GOLDEN_DIR", BESIDE_CHECKOUT / "golden"))


def require(path: Path) -> Path:
    """``path`` itself; where it is absent the test is skipped, and in CI it fails."""
    if not path.exists():
        miss(f"{path} does not exist")
    return path


def miss(reason: str) -> None:
    """End the test for lack of material.  CI has all of it, so there a lack is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
