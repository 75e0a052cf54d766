"""A real browser and local servers for the tests, all ended with the test session."""

import contextlib
import functools
import http.server
import os
import shutil
import socket
import threading
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
LOCAL = {"127.0.0.1", "localhost", None}  # None: file, data and blob addresses have no host


def executable():
    """The path of Chromium; without it the test is skipped, on a CI machine it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        reason = f"no browser: none of {', '.join(NAMES)} is installed (apt install chromium)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return found


@contextlib.contextmanager
def serve(folder):
    """Serve a folder on a free port of this machine; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def watch(page):
    """A list that fills with what a page must not do: errors, and requests to other machines."""
    seen = []
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("requestfailed", lambda request: seen.append(f"not found: {request.url}"))

    def on_console(message):
        if message.type in ("error", "warning"):
            seen.append(f"console {message.type}: {message.text}")

    def on_request(request):
        if urlsplit(request.url).hostname not in LOCAL:
            seen.append(f"request to another machine: {request.url}")

    page.on("console", on_console)
    page.on("request", on_request)
    return seen
