"""An evaluation as one page to look at: tables, and every example under a slider.

The page holds everything it shows, its script included, and asks no other site for anything. Its
template, style and script lie in labkit/page, beside what the widgets draw with.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from labkit.evaluation.protocol import Example
from labkit.evaluation.statistics import AS_REPORTED
from labkit.images import png_bytes

_PAGE = Path(__file__).parent.parent / "page"
_REPORTED = f""" Rows that end in “{AS_REPORTED.strip(", ")}” are scored in the student report's
way: the raw output instead of the composite, and images in [0,&nbsp;1] with a data range of 2,
which alone adds 6.02&nbsp;dB."""
HOLE = (213, 94, 0)  # vermilion, told apart from skin and sky also by the colour-blind


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
    known = ("date", "cpu", "torch", "size")
    about = ", ".join(f"{key} {environment[key]}" for key in known if key in environment)
    return Template(_part("report.html")).substitute(
        style=_part("report.css") + _part("painter.css"),
        reported=_REPORTED if reported else "",
        tables="\n".join(f'<div class="scroll">{_table(cells)}</div>' for cells in tables),
        left=_choice("left", names, names[-2:-1]),
        right=_choice("right", names, names[:1]),
        figures=figures,
        about=html.escape(about),
        command=html.escape(str(environment.get("command", ""))),
        # In a script element "</" would end it, and "<!--" hide its end, wherever they stand.
        examples=json.dumps(data).replace("<", "\\u003c"),
        script=_part("painter.mjs") + _part("report.mjs"),
    )


def _part(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


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
