"""Fingerprints: SHA-256 of content in a canonical form, independent of files and paths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def fingerprint_plain(value: Any) -> str:
    """SHA-256 of plain values (numbers, strings, lists, dicts with string keys), 64 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_tensors(tensors: Mapping[str, Tensor], plain: Any) -> str:
    """SHA-256 of named tensors (name, type, shape, values) together with plain values."""
    digest = hashlib.sha256(fingerprint_plain(plain).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{list(tensor.shape)}|".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
