"""Backpropagation: gradients of any computation, by hand, by an engine of our own, by PyTorch."""
