"""The painter in JupyterLab, with a kernel: what it fills, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import nbformat
import pytest
from browsing import chromium, drag, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as opened:
        yield opened


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def lab(tmp_path) -> Iterator[str]:
    """The address of a JupyterLab whose folder holds paint.ipynb."""
    cells = [
        "from labkit.data.photos import photo\n"
        "from labkit.book.widgets import MaskPainter\n"
        "painter = MaskPainter(photo('astronaut')[:128, 128:288], methods=('telea',))\n"
        "painter",
        "print('ratio', round(painter.hole_ratio, 3), 'filled', painter.result is not None)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    (tmp_path / "paint.ipynb").write_text(nbformat.writes(notebook))
    port = free_port()
    environment = os.environ | {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1)
                break
            except OSError:
                assert server.poll() is None, "JupyterLab did not start"
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(20)


RESTART = """async () => {
  const [kernel] = await (await fetch("/api/kernels")).json();
  const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? "";
  const asked = { method: "POST", headers: { "X-XSRFToken": token } };
  const answer = await fetch(`/api/kernels/${kernel.id}/restart`, asked);
  if (!answer.ok) throw new Error(answer.status);
}"""


def test_in_jupyterlab_with_a_kernel(browser, lab):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(f"{lab}/lab/tree/paint.ipynb?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # a cell that is run before the kernel waits is lost
    page.locator(".jp-CodeCell .jp-Editor").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator("canvas[role=application]").wait_for()
    page.get_by_role("button", name="Rectangle").click()
    drag(page, (0.25, 0.25), (0.75, 0.75))
    fill = page.get_by_role("button", name="Fill", exact=True)
    fill.wait_for()  # shown once the kernel has answered
    fill.click()
    page.locator(".labkit-compare img.labkit-after").wait_for()
    assert "Telea" in page.locator(".labkit-status").inner_text()
    assert "dB" in page.locator(".labkit-status").inner_text()
    page.locator(".jp-CodeCell .jp-Editor").nth(1).click()
    page.keyboard.press("Shift+Enter")
    printed = page.get_by_text("filled True")
    printed.wait_for()
    ratio = float(printed.inner_text().split()[1])
    assert abs(ratio - 0.25) < 0.02, json.dumps(printed.inner_text())

    page.evaluate(RESTART)
    page.get_by_text("| Idle").wait_for()
    fill.click()
    silent = page.locator(".labkit-status", has_text="does not answer")
    silent.wait_for(timeout=15_000)
    assert "If it was restarted, run this cell again" in silent.inner_text()
    page.locator(".jp-CodeCell .jp-Editor").first.click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("document.querySelector('.labkit-status')?.textContent === ''")
    page.locator(".jp-CodeCell .labkit-fill").wait_for()
    page.close()
