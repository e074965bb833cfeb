"""What ties the numbers in a chapter's prose to where they come from.

One module a chapter, called c06 for chapter 6, with two names:

* ``quotes() -> list[str]``: phrases that must stand in the chapter's Markdown word for word, each
  built from a result file, so that a new measurement that changes a number fails the test until the
  sentence is read again.
* ``FACTS: dict[str, str]``: numbers as they stand in the prose → where they are from: a citation
  key of references.bib, or the definition or arithmetic that gives them.

Every other number with a decimal point in the prose must have been printed by a cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import nbformat
from scipy import stats

BOOK = Path(__file__).resolve().parent.parent.parent / "book"


def results(name: str) -> Any:
    """A result file, by its stem."""
    return json.loads((BOOK / "results" / f"{name}.json").read_text(encoding="utf-8"))


def notebook(chapter: str) -> Any:
    """The notebook whose name begins so: "06", or "intro"."""
    (path,) = BOOK.glob(f"{chapter}*.ipynb")
    return nbformat.read(path, as_version=4)


def spread_of_seeds(rows: Sequence[Collection[float]]) -> tuple[float, float]:
    """The standard deviation of a training, pooled over rows; and, for rows of two trainings each,
    by how much single trainings of two equal networks differ in 95 % of cases."""
    sigma = mean(stdev(values) ** 2 for values in rows) ** 0.5
    return sigma, float(stats.t.ppf(0.975, len(rows))) * 2**0.5 * sigma


def prose(chapter: str) -> str:
    """A chapter's Markdown and captions; spaces and line ends are one space, − is a minus sign."""
    parts = []
    for cell in notebook(chapter).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif figure := cell.metadata.get("mystnb", {}).get("figure"):
            parts.append(figure.get("caption") or "")
    return _plain("\n".join(parts))


def printed(chapter: str) -> str:
    """All that a chapter's cells print or return as text, and the code that says it."""
    parts = []
    for cell in notebook(chapter).cells:
        if cell.cell_type == "code":
            parts.append(cell.source)
            for output in cell.outputs:
                parts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return _plain("\n".join(parts))


def decimals(text: str) -> list[str]:
    """Numbers with a decimal point, without sign, outside code, links, roles and the badge."""
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|\{[\w:]+\}", " ", text)
    # Not versions (1.2.3), not names (fig-2.5x), not section numbers of a citation.
    return re.findall(r"(?<![\w.])\d[\d,]*\.\d+(?![\w.]*\d)", text)


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean, low and high, by Student."""
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return mean(values), mean(values) - half, mean(values) + half


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("−", "-"))
