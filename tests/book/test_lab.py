"""A student's way: the release notebook in a real JupyterLab, up to nbgrader's Validate button."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.book import browser as tools
from tests.book.conftest import ROOT

RELEASES = sorted(ROOT.glob("exercises/*/*.ipynb"))
TOKEN = "test"
START_SECONDS = 60
# The indicator beside the kernel's name says "Idle" before the kernel is connected, and what is run
# then is lost.
KERNEL_ANSWERS = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""


def test_there_is_a_release():
    assert RELEASES, "no exercises/<chapter>/<chapter>.ipynb: run `make exercises`"


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """The address of a JupyterLab with settings of its own, on a copy of exercises/."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "exercises", home / "exercises")
    own = {
        name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    }
    address = f"http://127.0.0.1:{tools.free_port()}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        f"--ServerApp.port={address.rpartition(':')[2]}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home / 'exercises'}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    log = home / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, env=os.environ | own, cwd=home, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"{address}/api/status?token={TOKEN}"):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        yield address
    finally:
        server.terminate()  # JupyterLab ends its kernels
        server.wait(timeout=30)


def _answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.parent.name)
def test_a_student_runs_the_release_and_validate_names_the_unsolved_tasks(chromium, lab, path):
    cells = json.loads(path.read_text())["cells"]
    graded = [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade")]
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    seen = []
    page.on("request", lambda request: seen.append(request.url))
    # A workspace of its own: the common one would open the other notebooks, too.
    place = f"lab/workspaces/{path.stem}/tree/{path.relative_to(ROOT / 'exercises').as_posix()}"
    page.goto(f"{lab}/{place}?token={TOKEN}")
    expect(page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
    page.wait_for_function(KERNEL_ANSWERS, timeout=120_000)

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    # The first stub is not solved, and says so.
    expect(
        page.locator(".jp-Notebook .jp-OutputArea").get_by_text("not solved yet").first
    ).to_be_visible(timeout=60_000)

    page.get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("The following cell failed", timeout=120_000)
    assert dialog.inner_text().count("The following cell failed") == len(graded)
    expect(dialog).to_contain_text("not solved yet")
    context.close()
    assert all(url.startswith((lab, "data:", "blob:")) for url in seen), seen
