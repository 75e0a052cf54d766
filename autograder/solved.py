"""Write the solved notebook of an assignment, executed, so that nbval can run it again strictly."""

import os
import tempfile

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from autograder import checks, convert, expected, source
from autograder.errors import AssignmentError
from autograder.project import source_path, write_atomically


def write(root, name, output, timeout=600):
    """Write NAME.ipynb, with solutions, hidden tests and outputs, and assignment.json to a folder.

    Raises: AssignmentError if a cell fails, since a solution must pass its own tests.
    """
    path = source_path(root, name)
    assignment = source.read(path)
    write_atomically(output / "assignment.json", expected.build(path))
    notebook = convert.convert(assignment)
    client = NotebookClient(
        notebook,
        kernel_name=convert.KERNEL["name"],
        extra_arguments=convert.KERNEL_ARGUMENTS,
        timeout=timeout,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(output)}},
    )
    try:
        with tempfile.TemporaryDirectory() as ipython:  # not the start-up files of who runs this
            client.execute(env=os.environ | {checks.SEED: "0", "IPYTHONDIR": ipython})
    except CellExecutionError as error:
        message = f"the solved notebook fails: {error.ename}: {error.evalue}"
        raise AssignmentError(message, path) from None
    notebook.metadata = {"kernelspec": convert.KERNEL, "language_info": {"name": "python"}}
    file = output / f"{name}.ipynb"
    write_atomically(file, convert.to_bytes(notebook))
    return file
