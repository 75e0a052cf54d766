"""Neurons: one that decides, the rule by which it learns, and layers of them."""
