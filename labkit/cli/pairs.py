"""``labkit pairs``: make a fixed set of pairs to score on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pairs(
    pictures: Annotated[
        Path, typer.Argument(help="Folder or tar file of photographs.", show_default=False)
    ],
    masks: Annotated[
        Path,
        typer.Argument(
            help="Folder or tar file of masks, white = missing; none that train.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Tar file to write.", show_default=False)],
    count: Annotated[int, typer.Option(help="How many pairs.")] = 200,
    seed: Annotated[int, typer.Option(help="Equal seeds take the same files.")] = 0,
    size: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels of squares to cut the photographs to. Default: they stay as "
            "they are.",
            show_default=False,
        ),
    ] = None,
    invert_masks: Annotated[
        bool, typer.Option("--invert-masks", help="The masks are black where pixels are missing.")
    ] = False,
) -> None:
    """Make a fixed set of photographs with a mask each, for labkit evaluate.

    The masks are spread evenly over the hole ratios, as far as there are such masks. The same files
    and the same seed give the same set, byte for byte. Train with --exclude on it: what is scored
    must not have been seen.

    Example: labkit pairs data/celeba-hq data/nvidia-masks/test --out pairs.tar
    """
    from labkit.evaluation.make_pairs import make_pairs
    from labkit.masks.ratio import BINS

    counts = make_pairs(
        pictures, masks, out, count=count, seed=seed, size=size, invert=invert_masks
    )
    bins = ", ".join(f"{low}–{high}: {n}" for (low, high), n in zip(BINS, counts, strict=True))
    print(f"{count} pairs written to {out}; by hole ratio {bins}")
    print(f"keep them out of a training with --exclude {out}")
