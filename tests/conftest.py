"""What tests of every folder share: one browser."""

import pytest
from playwright.sync_api import sync_playwright

from tests.book import browser


@pytest.fixture(scope="session")
def chromium():
    """A browser without a window, which the tests share; each opens a context of its own.

    One for the whole session: a second Playwright in the same process does not start.
    """
    path = browser.executable()
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=path, args=browser.FLAGS)
        yield program
        program.close()
