"""The marked regions of a cell: `### BEGIN SOLUTION` … `### END SOLUTION`, and hidden tests."""

SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"


def regions(source, kind):
    """The lines of a cell outside and inside its `### BEGIN kind` … `### END kind` regions."""
    outside, inside, within = [], [], False
    for line in source.split("\n"):
        if f"BEGIN {kind}" in line or f"END {kind}" in line:
            within = f"BEGIN {kind}" in line
        else:
            (inside if within else outside).append(line)
    return "\n".join(outside), "\n".join(inside)
