"""Losses: one number that says how wrong an answer is, and which way is better."""
