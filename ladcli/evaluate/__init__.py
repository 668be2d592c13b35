"""How good are the detections: COCO results files, average precision, tables."""
