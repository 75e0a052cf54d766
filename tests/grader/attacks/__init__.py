"""Submissions to one small assignment: attacks of all classes, and honest oddities."""

from tests.grader.attacks import code, files, honest, inject, known

ALL = [*known.ATTACKS, *files.ATTACKS, *code.ATTACKS, *inject.ATTACKS, *honest.ATTACKS]
