"""Initialization and normalization: starting right and staying in range."""
