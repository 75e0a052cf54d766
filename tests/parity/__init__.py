"""Holds the NumPy reference, the PyTorch version and the peers of every chapter against each other.

Nothing here names a chapter: a folder in `book/` with a `cases.py` is one.
`python -m tests.parity` writes the measured errors to `book/benchmarks/parity.json`.
"""
