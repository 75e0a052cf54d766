"""Optimizers: how to walk downhill, and how far at each step."""
