"""An evaluation as one page to look at: tables, and every example under a slider.

The page holds everything it shows, its script included, and asks no other site for anything.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labkit.evaluation.protocol import Example
from labkit.evaluation.statistics import AS_REPORTED
from labkit.images import png_bytes

_PAGE = Path(__file__).parent.parent / "page"  # what the widgets draw with, too
_PROTOCOL = "Composites, 8 bits, data range 255; means with their 95&nbsp;% bootstrap intervals."
_REPORTED = f""" Rows that end in “{AS_REPORTED.strip(", ")}” are scored in the student report's
way: the raw output instead of the composite, and images in [0,&nbsp;1] with a data range of 2,
which alone adds 6.02&nbsp;dB."""
HOLE = (213, 94, 0)  # vermilion, told apart from skin and sky also by the colour-blind

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.8rem; text-align: right; border-bottom: 1px solid #8886; }
th:first-child { text-align: left; }
td { white-space: nowrap; }
th[scope="row"] { font-weight: inherit; }
.scroll { overflow-x: auto; }
.examples { display: flex; flex-wrap: wrap; gap: 1.5rem; }
figure { margin: 0; max-width: 100%; }
figcaption { margin-bottom: 0.4rem; }
footer { margin-top: 2rem; font-size: 0.85rem; }
"""

# In a block: its names stand beside those of the painter's module.
_SCRIPT = """{
const data = JSON.parse(document.getElementById("examples").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const choices = [...document.querySelectorAll("select")];
const releases = [];
function show() {
  releases.splice(0).forEach((release) => release());
  const [left, right] = choices.map((choice) => choice.value);
  data.forEach((example, index) => {
    const el = document.getElementById(`example-${index}`);
    const [after, before] = [left, right].map((name) => bytes(example.pictures[name]));
    const description = `pair ${example.pair},`;
    releases.push(mountCompare(el, { before, after, labels: [right, left], description }));
  });
}
choices.forEach((choice) => (choice.onchange = show));
show();
}"""


def html_report(
    tables: Sequence[Sequence[Sequence[str]]],
    examples: Sequence[Example],
    environment: dict[str, object],
) -> str:
    """The page.

    Args:
        tables: their cells, heads first, as `labkit.evaluation.report.tables` gives them.
        examples: shown under sliders, truth and hole among their pictures.
        environment: of the evaluation.
    """
    pictures = [_pictures(example) for example in examples]
    data = [
        {"pair": example.pair, "pictures": {name: _base64(p) for name, p in some.items()}}
        for example, some in zip(examples, pictures, strict=True)
    ]
    names = list(pictures[0]) if pictures else []
    reported = any(row[0].endswith(AS_REPORTED) for cells in tables for row in cells)
    figures = "".join(
        f"<figure><figcaption>pair {html.escape(example.pair)}, "
        f"{100 * example.hole_ratio:.0f} % missing</figcaption>"
        f'<div class="labkit-painter" id="example-{index}"></div></figure>'
        for index, example in enumerate(examples)
    )
    # In a script element "</" would end it, and "<!--" hide its end, wherever they stand.
    payload = json.dumps(data).replace("<", "\\u003c")
    module = (_PAGE / "painter.mjs").read_text(encoding="utf-8")
    style = _STYLE + (_PAGE / "painter.css").read_text(encoding="utf-8")
    about = ", ".join(
        f"{key} {environment[key]}"
        for key in ("date", "cpu", "torch", "size")
        if key in environment
    )
    shown = "\n".join(f'<div class="scroll">{_table(cells)}</div>' for cells in tables)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation</title>
<style>{style}</style>
<h1>Evaluation</h1>
<p>{_PROTOCOL}{_REPORTED if reported else ""}</p>
{shown}
<h2>Examples</h2>
<p>Left of the line {_choice("left", names, names[-2:-1])}, right of it {_choice("right", names, names[:1])}.</p>
<noscript><p>The examples need JavaScript; contact-sheet.png, beside this page, shows them too.</p></noscript>
<div class="examples">{figures}</div>
<footer><p>{html.escape(about)}</p><p><code>{html.escape(str(environment.get("command", "")))}</code></p></footer>
<script type="application/json" id="examples">{payload}</script>
<script type="module">{module}{_SCRIPT}</script>
</html>
"""  # noqa: E501 - lines of the page


def _pictures(example: Example) -> dict[str, np.ndarray]:
    holed = np.where(example.mask[..., None], np.array(HOLE, dtype=np.uint8), example.truth)
    return {"hole": holed, **example.fills, "truth": example.truth}


def _base64(picture: np.ndarray) -> str:
    return base64.b64encode(png_bytes(picture)).decode()


def _choice(label: str, names: Sequence[str], chosen: Sequence[str]) -> str:
    options = "".join(
        f"<option{' selected' if name in chosen else ''}>{html.escape(name)}</option>"
        for name in names
    )
    return f'<select aria-label="picture on the {label}">{options}</select>'


def _table(cells: Sequence[Sequence[str]]) -> str:
    head, *body = [[html.escape(cell) for cell in row] for row in cells]
    lines = ["".join(f'<th scope="col">{cell}</th>' for cell in head)]
    for name, *values in body:
        row = "".join(f"<td>{value}</td>" for value in values)
        lines.append(f'<th scope="row">{name}</th>{row}')
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
