"""Fingerprints of tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ladcli.fingerprint import fingerprint_plain


def fingerprint_tensors(tensors: Mapping[str, Tensor], plain: Any) -> str:
    """SHA-256 of named tensors (name, type, shape, values) together with plain values."""
    digest = hashlib.sha256(fingerprint_plain(plain).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{list(tensor.shape)}|".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
