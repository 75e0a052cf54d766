"""How a page puts a computed number into its prose."""

from myst_nb import glue


def note(name, value, digits=3):
    """Make `value`, rounded, available to the text as ``{glue:text}`name```.

    Rounded, because the last digits differ from one processor to the next and a stored page must
    be the same on all of them.
    """
    rounded = value if isinstance(value, str | int) else round(float(value), digits)
    glue(name, rounded, display=False)
