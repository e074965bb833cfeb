"""Columns of the page's network are switched off in the browser as in Python."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import models
import numpy as np
import pytest
import vendor
from browsing import chromium, needs_chromium
from exploring import FOLDER, HOST, PAGE
from serve import served

from labkit.faces import RenderedFaces

pytest.importorskip("onnxruntime")
pytestmark = needs_chromium

STATIC = Path(__file__).resolve().parent.parent / "_build" / "static"
HOLE = (slice(22, 36), slice(14, 50))  # the eyes


def test_the_fill_without_a_column_is_python_s(tmp_path):
    trouble = vendor.fetch(STATIC / "vendor")
    if trouble:
        pytest.skip(f"no ONNX Runtime Web: {trouble}")
    models.write(STATIC / "fill", served=True)
    shutil.copytree(FOLDER, tmp_path / "explorables")
    shutil.copytree(STATIC / "vendor", tmp_path / "vendor")
    shutil.copytree(STATIC / "fill", tmp_path / "fill")
    shutil.copytree(FOLDER.parent / "fill", tmp_path / "fill", dirs_exist_ok=True)
    (tmp_path / "index.html").write_text(PAGE.format(hosts=HOST.format("columns")))

    image = RenderedFaces(64, "test").batch([3])[0]
    mask = np.zeros((64, 64), bool)
    mask[HOLE] = True
    network = models.started(STATIC / "fill" / "models" / "faces-64.onnx")
    fills = {gates: network(image, mask, gates) for gates in ((1, 1, 1), (0, 1, 1), (0, 0, 0))}

    with chromium() as browser, served(tmp_path) as address:
        page = browser.new_page(viewport={"width": 900, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(address)
        page.wait_for_selector("[data-mounted] dd")
        group = page.get_by_role("group", name="Columns that are on")
        for column, gates in (("7 × 7", (0, 1, 1)), (None, (0, 0, 0))):
            for label in [column] if column else ["5 × 5", "3 × 3"]:
                group.get_by_text(label, exact=True).click()
            change = np.abs(fills[gates][mask].astype(int) - fills[1, 1, 1][mask]).mean()
            error = np.abs(fills[gates][mask].astype(int) - image[mask]).mean()
            wanted = f"{error:.1f} Mean change by what is off {change:.1f}"
            readout = page.locator(".explorable-readout", has_text=f"{change:.1f}")
            readout.wait_for()
            found = " ".join(readout.inner_text().split())
            numbers = [float(x) for x in re.findall(r"(?:levels|off) ([\d.]+)", found)]
            assert np.allclose(numbers, [error, change], atol=0.06), (found, wanted)
            assert change > 1
        assert "All columns are off" in found
        page.close()
