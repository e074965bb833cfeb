"""``labkit masks``: write a set of random masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from labkit.errors import InputError
from labkit.settings.configure import DRAWN

SHEET_COLUMNS, SHEET_ROWS, SHEET_SIDE = 8, 4, 96


def masks(
    out: Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)],
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(DRAWN)}.")] = "irregular",
    count: Annotated[int, typer.Option(help="How many masks.")] = 16,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 256,
    bin: Annotated[
        int | None,
        typer.Option(
            help="Hole ratio of irregular masks: 0 for 0.01–0.1, 1 for 0.1–0.2 … 5 for 0.5–0.6. "
            "Default: drawn for each mask.",
            show_default=False,
        ),
    ] = None,
    border: Annotated[
        bool | None,
        typer.Option(
            "--border/--no-border",
            help="Whether holes of irregular masks reach the border. Default: drawn for each mask.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal masks.")] = 0,
) -> None:
    """Write random masks as PNG files, white = missing, and a sheet that shows the first of them.

    The sheet stands beside the folder (OUT-sheet.png): the folder holds masks and nothing else.

    Example: labkit masks --kind irregular --bin 3 --count 100 --out masks
    """
    if kind not in DRAWN:
        raise InputError(f"unknown kind of mask {kind!r}", f"choose from {', '.join(DRAWN)}")
    if kind != "irregular" and not (bin is None and border is None):
        raise InputError(f"--bin and --border mean nothing to {kind} masks", "use --kind irregular")
    if count < 1:
        raise InputError(f"--count {count} must be at least 1")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty", "name a new folder, so that no other masks mix in")

    import torch
    from tqdm import tqdm

    from labkit.images import write_image
    from labkit.masks import MaskConfig, sample_masks, write_mask

    config = MaskConfig(kind=kind, bin=bin, border=border)
    generator = torch.Generator().manual_seed(seed)
    digits = max(5, len(str(count - 1)))
    ratios, shown = [], []
    for index in tqdm(range(count), unit="mask", disable=None):
        # One at a time: memory stays small, and a longer set begins with the same masks.
        try:
            mask = sample_masks(config, 1, size, generator)[0, 0].numpy() > 0.5  # (S, S)
        except InputError as error:  # the size is all that can be wrong by now
            raise InputError(f"--size {size}: {error.problem}", "use a larger --size") from None
        write_mask(out / f"{index:0{digits}}.png", mask)
        ratios.append(mask.mean())
        if len(shown) < SHEET_COLUMNS * SHEET_ROWS:
            shown.append(mask)
    sheet = out.parent / f"{out.name}-sheet.png"
    write_image(sheet, _sheet(shown))
    low, high, mean = min(ratios), max(ratios), sum(ratios) / count
    print(f"{count} masks written to {out}, hole ratio {low:.3f}–{high:.3f}, mean {mean:.3f}")
    print(f"sheet written to {sheet}")


def _sheet(shown: list[np.ndarray]) -> np.ndarray:
    """The masks in rows of eight, as they look in their files, made small."""
    from labkit.evaluation.contact_sheet import contact_sheet

    columns = min(len(shown), SHEET_COLUMNS)
    pictures = []
    for mask in shown:
        picture = Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB")
        picture = picture.resize((SHEET_SIDE, SHEET_SIDE), Image.Resampling.BOX)
        pictures.append(np.asarray(picture))  # (96, 96, 3)
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    return contact_sheet(rows, [""] * columns, [""] * len(rows))
