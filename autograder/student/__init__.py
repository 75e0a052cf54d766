"""What runs inside a student process: its cells, and the answers to the proctor."""
