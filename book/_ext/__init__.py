"""Small Sphinx extensions of the book's own."""
