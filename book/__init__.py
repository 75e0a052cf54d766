"""The course: a folder a chapter, with its page, NumPy reference and PyTorch twin."""
