"""The trusted side of a submission: runs its tests, with stand-ins for the student's names.

    run(job, spawn)

A student process runs all cells that are no tests, and then answers calls. What it answers is data
and handles, of which `session` makes values and `standins`; `testing` runs a test cell with them
and alone decides its verdict; `plan` says which cells run where and whose each name is.
"""

from autograder.proctor.run import run

__all__ = ["run"]
