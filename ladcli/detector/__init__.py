"""The detector: backbone, pyramid, head, anchors, decoding and checkpoints."""
