"""Pictures side by side under headings: what the numbers of a table look like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labkit.evaluation.protocol import Example

GAP = 6  # pixels between pictures
PAPER, INK = (255, 255, 255), (32, 32, 32)
HOLE = 255  # missing pixels are shown white, as in a mask file


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], columns: Sequence[str], row_labels: Sequence[str]
) -> np.ndarray:
    """Lay out pictures in a grid.

    Args:
        rows: uint8 (H, W, 3) pictures, all of one size, as many a row as there are `columns`.
        columns: headings; no room is left for them where all are empty.
        row_labels: written to the left of the rows. A last row may be shorter than the others.

    Returns:
        uint8 (H', W', 3).
    """
    height, width = rows[0][0].shape[:2]
    font = ImageFont.load_default(max(11, width // 16))
    line = font.getbbox("Ág")[3] + GAP
    margin = max((round(font.getlength(label)) for label in row_labels), default=0) + 2 * GAP
    # A heading wider than its picture is broken at spaces rather than run into its neighbour.
    headings = [_wrap(column, font, width) for column in columns]
    top = GAP + (line * max(len(heading) for heading in headings) if any(columns) else 0)
    sheet = Image.new(
        "RGB", (margin + len(columns) * (width + GAP), top + len(rows) * (height + GAP)), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        draw.multiline_text((margin + column * (width + GAP), GAP), "\n".join(heading), INK, font)
    for row, (pictures, label) in enumerate(zip(rows, row_labels, strict=True)):
        y = top + row * (height + GAP)
        draw.text((GAP, y + height // 2), label, INK, font, anchor="lm")
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (margin + column * (width + GAP), y))
    return np.asarray(sheet)


def evaluation_sheet(examples: Sequence[Example]) -> np.ndarray:
    """Every example in a row: the image with its hole, each method's fill, the truth."""
    methods = list(examples[0].fills)
    rows = [
        [
            np.where(example.mask[..., None], np.uint8(HOLE), example.truth),
            *(example.fills[method] for method in methods),
            example.truth,
        ]
        for example in examples
    ]
    labels = [f"{100 * example.hole_ratio:.0f} %" for example in examples]
    return contact_sheet(rows, ["input", *methods, "truth"], labels)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
