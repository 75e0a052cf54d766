"""What an attack is, and how it is handed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from tests.grader.attacks import assignment


@dataclass(frozen=True)
class Attack:
    """A submission that tries something, and what is the worst it may achieve.

    id : the name of the student who hands it in.
    kind : "points", "leak", "corrupt", "dos", "struct", "inject" or "honest".
    what : what it does, in a line.
    answers : code by function; the other answers stay stubs.
    after : code cells added at the end.
    change : from the notebook to the one that is handed in, or to the bytes of the file.
    files : other files beside the notebook, by name.
    place : called with (folder of submissions, id, bytes of the notebook), where handing in is
        more than writing files; it makes the student's entry itself.
    least, most : points that it must have and may have.
    refused : a pattern of the reason why it is not graded; "" where it is.
    """

    id: str
    kind: str
    what: str
    answers: dict = field(default_factory=dict)
    after: tuple = ()
    change: Callable | None = None
    files: dict = field(default_factory=dict)
    place: Callable | None = None
    least: float = 0
    most: float = 0
    refused: str = ""

    def content(self, release):
        """The bytes of the notebook that is handed in, made from the release notebook."""
        notebook = assignment.answered(release, self.answers, self.after)
        notebook = self.change(notebook) if self.change else notebook
        return notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode()

    def hand_in(self, folder: Path, release):
        """Write it to a folder of submissions."""
        content = self.content(release)
        if self.place:
            self.place(folder, self.id, content)
            return
        own = folder / self.id / assignment.NAME
        own.mkdir(parents=True)
        (own / f"{assignment.NAME}.ipynb").write_bytes(content)
        for name, text in self.files.items():
            (own / name).write_text(text)


def at_once(code):
    """Answers whose first cell runs this code; nothing is solved."""
    return {"softmax": code}
