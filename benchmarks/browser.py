#!/usr/bin/env python3
"""How long the page that fills holes takes, in a headless browser with one thread:

    benchmarks/browser.py [--output book/results/browser.json] [--quick]

For each network and size: seconds from the first touch to the first fill (runtime and network come
from a server on the same machine, nothing is cached), seconds of each fill after that, and the
longest time for which the page did not answer meanwhile. Not a ratio: these are the times of one
machine, which the record names. Where npm or Chromium is missing it says so and does nothing.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from serve import CHROMIUM, served

from labkit.faces import RenderedFaces
from labkit.files import write_text
from labkit.machine import machine

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import models  # noqa: E402
import vendor  # noqa: E402

STATIC = ROOT / "_build" / "static"
WEIGHTS, SIZES = ("faces", "celeba"), (64, 128, 256)
CASES = tuple(models.Model(name, size, name) for name in WEIGHTS for size in SIZES)
QUICK = CASES[:1]

PAGE = """<!doctype html><meta charset="utf-8"><div class="fill-page" data-models="{name}"></div>
<link rel="stylesheet" href="fill/painter.css"><script type="module">
import {{ mountFillPage }} from "./fill/page.mjs";
window.fill = await mountFillPage(document.querySelector(".fill-page"));
</script>"""
# The longest time between two turns of the page's own timer while something else goes on.
WATCH = """async (method) => {
  let [longest, last, running] = [0, performance.now(), true];
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setTimeout(turn, 0);
  };
  turn();
  const began = performance.now();
  await fill.fill(method);
  running = false;
  const kept = fill.fills.get(method);
  if (!kept) throw new Error(document.querySelector(".labkit-status").textContent);
  return { total: (performance.now() - began) / 1000, fill: kept.seconds, longest };
}"""


@contextmanager
def site(cases: tuple[models.Model, ...]) -> Iterator[str]:
    """A server of one page a network; its address."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "vendor").symlink_to(STATIC / "vendor")
        fill = folder / "fill"
        shutil.copytree(ROOT / "book" / "_static" / "fill", fill)
        shown = replace(models.PICTURES[0], model=cases[0].name)
        models.write(fill, True, cases, [shown])
        for case in cases:
            (folder / f"{case.name}.html").write_text(PAGE.format(name=case.name))
        with served(folder) as address:
            yield address


def measure(browser, address: str, case: models.Model, rounds: int) -> dict[str, object]:
    """Times of one network, in a context of its own, so that nothing is cached."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(f"{address}{case.name}.html")
    page.wait_for_function("window.fill?.painter")
    buffer = io.BytesIO()
    Image.fromarray(RenderedFaces(case.size, "test").batch([17])[0]).save(buffer, "PNG")
    given = {"name": "face.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator("input[type=file]").first.set_input_files(given)
    page.wait_for_function("(side) => fill.picture.width === side", arg=case.size)
    mask = np.zeros((case.size, case.size), dtype=int)
    quarter = case.size // 4
    mask[quarter : 2 * quarter, quarter:-quarter] = 1
    page.evaluate("(mask) => fill.painter.setMask(Uint8Array.from(mask))", mask.ravel().tolist())
    first = page.evaluate(WATCH, case.name)
    later = [page.evaluate(WATCH, case.name) for _ in range(rounds)]
    context.close()
    return {
        "weights": case.weights,
        "size": case.size,
        "first_touch_to_first_fill": round(first["total"], 2),
        "fill": round(statistics.median(turn["fill"] for turn in later), 3),
        "fastest_fill": round(min(turn["fill"] for turn in later), 3),
        "page_silent_ms": round(max(turn["longest"] for turn in (first, *later)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=7, help="fills after the first")
    parser.add_argument("--quick", action="store_true", help="one network, one round")
    options = parser.parse_args()
    trouble = vendor.fetch(STATIC / "vendor") if CHROMIUM else "Chromium is not installed"
    if trouble:
        print(f"nothing measured: {trouble}")
        return
    from playwright.sync_api import sync_playwright

    cases, rounds = (QUICK, 1) if options.quick else (CASES, options.rounds)
    found = []
    with site(cases) as address, sync_playwright() as session:
        browser = session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        version = browser.version
        for case in cases:
            found.append(measure(browser, address, case, rounds))
            print(
                "{weights} at {size} px: {first_touch_to_first_fill} s to the first fill, {fill} s "
                "a fill, page silent for {page_silent_ms} ms at most".format(**found[-1])
            )
        browser.close()
    if options.output is None:
        return
    runtime = f"onnxruntime-web {vendor.ONNX_RUNTIME.version}, one thread"
    # Times, unlike ratios, mean little without what else the machine was doing.
    load = round(os.getloadavg()[1], 1)
    environment = machine() | {"browser": f"Chromium {version}", "runtime": runtime, "load": load}
    results = {
        "command": "python benchmarks/browser.py --output book/results/browser.json",
        "networks": found,
        "rounds": rounds,
        "environment": environment,
    }
    text = json.dumps(results, indent=2) + "\n"
    write_text(options.output, text)


if __name__ == "__main__":
    main()
