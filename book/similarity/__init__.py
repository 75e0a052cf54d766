"""Recognition and reuse: distances that are learned, features that are borrowed, style."""
