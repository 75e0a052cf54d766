"""Convolutional networks: one small pattern, looked for everywhere in a picture."""
