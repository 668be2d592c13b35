"""Train object detectors by label assignment distillation (LAD)."""

__version__ = "0.1.0"
