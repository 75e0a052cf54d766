"""Loaded into the kernel that executes a page: notes which files the page opens.

With this list `tools.pages` can tell that a fingerprint covers everything its page reads.
"""

import atexit
import os
import sys
from pathlib import Path

opened = set()


def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.add(os.path.abspath(arguments[0]))


def report():
    Path(os.environ["PAGES_WITNESS"]).write_text("\n".join(sorted(opened)), encoding="utf-8")


atexit.register(report)
sys.addaudithook(note)
