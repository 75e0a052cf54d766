"""Activation functions: the bends between the layers, and the softmax at the end."""
