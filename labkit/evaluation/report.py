"""What an evaluation leaves behind: a table to read, and files that another program can read.

::

    summary.json       one row a method, differences between them, and the environment
    report.html        the same to read, with examples under sliders
    per-image.csv      every method on every pair
    manifest.json      name and SHA-256 of every image and mask
    contact-sheet.png  one pair of each tenth of hole ratio, filled by every method
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

import cv2
import skimage

from labkit.evaluation.contact_sheet import evaluation_sheet
from labkit.evaluation.html_report import html_report
from labkit.evaluation.methods import Method
from labkit.evaluation.protocol import Evaluation, ProtocolConfig
from labkit.evaluation.statistics import Score
from labkit.files import write_text
from labkit.images import write_image
from labkit.machine import machine

# Measure → its head in a table, and digits after the point; in two tables, for the width of a line.
_HIGHER_IS_BETTER = {"psnr": ("PSNR dB", 2), "ssim": ("SSIM", 3)}
_LOWER_IS_BETTER = {"l1": ("L1 %", 2), "lpips": ("LPIPS", 3)}


def environment(
    methods: Sequence[Method], config: ProtocolConfig, *, device: str, command: str
) -> dict[str, object]:
    """What the scores depend on besides the pairs: versions, hardware, settings, weights."""
    return machine() | {
        "skimage": skimage.__version__,
        "opencv": cv2.__version__,
        "device": device,
        "seed": config.seed,
        "size": config.size,
        "weights": {m.label: m.weights_sha256 for m in methods if m.weights_sha256},
        "command": command,
    }


def write_report(
    folder: str | os.PathLike[str],
    evaluation: Evaluation,
    rows: Sequence[dict[str, object]],
    environment: dict[str, object],
    differences: Sequence[dict[str, object]] = (),
) -> None:
    """Write the files named above into `folder`, each atomically.

    Raises:
        InputError: a file that cannot be written.
    """
    folder = Path(folder)
    summary = {"rows": list(rows), "differences": list(differences), "environment": environment}
    _write(folder / "summary.json", _json(summary))
    page = html_report(tables(rows, differences), evaluation.examples, environment)
    _write(folder / "report.html", page)
    _write(folder / "per-image.csv", _csv(evaluation.scores))
    _write(folder / "manifest.json", _json(evaluation.manifest))
    write_image(folder / "contact-sheet.png", evaluation_sheet(evaluation.examples))


def text_table(
    rows: Sequence[dict[str, object]], differences: Sequence[dict[str, object]] = ()
) -> str:
    """The rows as plain text: means with their 95 % intervals, PSNR by hole ratio, differences."""
    return "\n\n".join(_aligned(cells) for cells in tables(rows, differences))


def tables(
    rows: Sequence[dict[str, object]], differences: Sequence[dict[str, object]] = ()
) -> list[list[list[str]]]:
    """The cells of the tables, heads first: overall, by hole ratio, errors, differences if any."""
    bins = sorted({(b["from"], b["to"], b["pairs"]) for row in rows for b in row["by_hole_ratio"]})
    by_ratio = [
        ["PSNR dB by hole ratio", *(f"{low:.1f}–{high:.1f}" for low, high, _ in bins)],
        ["pairs", *(str(pairs) for _, _, pairs in bins)],
    ]
    for row in rows:
        found = {(b["from"], b["to"], b["pairs"]): b["psnr"] for b in row["by_hole_ratio"]}
        by_ratio.append([row["method"], *(f"{found[b]:.2f}" if b in found else "" for b in bins)])
    overall = _measured(rows, "method", _HIGHER_IS_BETTER)
    errors = _measured(rows, "lower is better", _LOWER_IS_BETTER)
    gains = [["paired difference in PSNR dB", "mean", "95 %"]]
    for row in differences:
        mean, low, high = (f"{row['psnr'][key]:+.2f}" for key in ("mean", "low", "high"))
        gains.append([f"{row['method']} − {row['minus']}", mean, f"{low} to {high}"])
    return [overall, by_ratio, errors, *([gains] if differences else [])]


def _measured(
    rows: Sequence[dict[str, object]], corner: str, measures: dict[str, tuple[str, int]]
) -> list[list[str]]:
    """A row a method: how many pairs, and of each measure the mean and its interval."""
    shown = {m: look for m, look in measures.items() if any(m in row for row in rows)}
    heads = [text for head, _ in shown.values() for text in (head, "95 %")]
    cells = [[corner, "pairs", *heads]]
    for row in rows:
        line = [row["method"], str(row["pairs"])]
        for measure, (_, digits) in shown.items():
            spread = row.get(measure)
            if spread is None:
                line += ["", ""]
                continue
            mean, low, high = (f"{spread[key]:.{digits}f}" for key in ("mean", "low", "high"))
            line += [mean, f"{low}–{high}"]
        cells.append(line)
    return cells


def _aligned(cells: list[list[str]]) -> str:
    """The first column flush left, the others flush right."""
    first, *rest = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join([name.ljust(first), *map(str.rjust, values, rest)]).rstrip()
        for name, *values in cells
    )


def _csv(scores: Sequence[Score]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Score))
    for score in scores:
        pair, method, *numbers = astuple(score)
        writer.writerow([pair, method, *("" if n is None else f"{n:.6f}" for n in numbers)])
    return text.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> None:
    write_text(path, text)
