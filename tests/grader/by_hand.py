"""A graded course written by hand: gradebook and autograded notebooks, and nothing is run."""

import datetime

import nbformat
from nbgrader.api import Gradebook

from autograder import convert, course, source
from tests.grader import made_up

MISTAKE = (
    'double: wrong in case 1 of 3, "a vector". 2 of 3 cases fail.\n'
    "call      double(array([1.0, 2.0, 3.0]))\n"
    "the result: 2 of 3 entries differ.\n"
    "expected  array([2.0, 4.0, 6.0])\n"
    "got       array([1.0, 4.0, 9.0])\n"
    "Known mistake: squared. You square each entry. Doubling adds it to itself."
)
POINTS = {"test-double": 2, "test-double-more": 1, "test-root": 2, "manual-why": 3}


def error(name, value, traceback=None):
    """An error output."""
    return nbformat.v4.new_output(
        "error", ename=name, evalue=value, traceback=traceback or [f"{name}: {value}"]
    )


class Course:
    """The course in `root`, with the assignment of made_up and the students handed in so far."""

    def __init__(self, root, text=made_up.SOURCE):
        self.root = root
        path = root / "tiny.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.assignment = source.read(path)
        self.master = convert.convert(self.assignment)
        made = course.nbgrader(course.configuration(root))  # it finds what makes the tables
        with made, Gradebook(course.database(root)) as gradebook:
            gradebook.check_course("default_course")
            gradebook.add_assignment("tiny")
            gradebook.add_notebook("tiny", "tiny")
            for cell in self.master.cells:
                mark, place = cell.metadata.nbgrader, (cell.id, "tiny", "tiny")
                if mark.grade:
                    gradebook.add_grade_cell(
                        *place, max_score=mark.points, cell_type=cell.cell_type
                    )
                if mark.solution:
                    gradebook.add_solution_cell(*place)

    def hand_in(self, student, failed=None, answers=None, outputs=None, own=(), **entries):
        """Store a submission: `failed` maps tests to error outputs, `own` are added cells.

        entries : manual (points), comment (on the essay), late (points), measured (metadata).
        """
        failed = failed or {}
        notebook = nbformat.from_dict(self.master)
        for cell in notebook.cells:
            cell.source = (answers or {}).get(cell.id, cell.source)
            if cell.cell_type == "code":
                cell.outputs = [failed[cell.id]] if cell.id in failed else []
                cell.outputs += (outputs or {}).get(cell.id, [])
        notebook.cells += own
        notebook.metadata.autograder = entries.get("measured", {})
        path = self.root / "autograded" / student / "tiny" / "tiny.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        with Gradebook(course.database(self.root)) as gradebook:
            gradebook.add_student(student)
            handed_in = datetime.datetime(2026, 1, 5, 10)
            with gradebook.db.no_autoflush:
                made = gradebook.add_submission("tiny", student, timestamp=handed_in)
            made.notebooks[0].late_submission_penalty = entries.get("late")
            for grade in made.notebooks[0].grades:
                if grade.cell.name.startswith("test-"):
                    grade.auto_score = 0 if grade.cell.name in failed else grade.max_score
                    grade.needs_manual_grade = False
                elif "manual" in entries:
                    grade.manual_score, grade.needs_manual_grade = entries["manual"], False
            for comment in made.notebooks[0].comments:
                if comment.cell.name == "manual-why":
                    comment.manual_comment = entries.get("comment")
            gradebook.db.commit()
        return self
