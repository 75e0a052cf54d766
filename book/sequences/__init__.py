"""Sequences: recurrent networks, attention, translation, search and BLEU."""
