"""A pool that runs nothing: for tests of what happens around it."""

from autograder.jobs import Result, Verdict

PRINTED = {"output_type": "stream", "name": "stdout", "text": "fine\n"}
ERROR = {"output_type": "error", "ename": "CheckFailed", "evalue": "no", "traceback": ["no"]}


class FakePool:
    """Has the interface of pool.Pool; a test fails where an answer says `wrong` or is a stub."""

    ran = None  # the students whose job was run, for a test that sets it to a list
    before = staticmethod(lambda job: None)  # called with each job that is run

    def __init__(self, workers=None, *, layer, scheduler=None):
        self.options = workers, layer, scheduler

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def run(self, jobs):
        for job in jobs:
            type(self).before(job)
            if self.ran is not None:
                self.ran.append(job.student)
            yield answer(job)


def answer(job):
    """A Result that depends on the answers alone."""
    cells = {cell["id"]: cell for cell in job.notebook["cells"]}
    outputs, verdicts = {}, {}
    for id in cells:
        if not id.startswith("test-"):
            continue
        task = id.split("-")[1]
        source = cells[f"solution-{task}"]["source"]
        failed = "wrong" in source or "NotImplementedError" in source
        outputs[id] = [ERROR if failed else PRINTED]
        verdicts[id] = Verdict(not failed, "CheckFailed" * failed, "no" * failed)
    return Result(job.student, outputs, verdicts, seconds=0.5)
