"""Fingerprints: SHA-256 of content in a canonical form, independent of files and paths."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def fingerprint_plain(value: Any) -> str:
    """SHA-256 of plain values (numbers, strings, lists, dicts with string keys), 64 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
