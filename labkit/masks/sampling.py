"""Drawing masks: `sample_masks` for any `MaskConfig`, and the kinds it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from labkit.checks import check_size
from labkit.masks.collection import MaskFiles
from labkit.masks.free_form import free_form
from labkit.masks.irregular import irregular
from labkit.masks.rectangle import rectangle
from labkit.seeds import whole
from labkit.settings import MaskConfig

_DRAWN = ("rectangle", "free-form", "irregular")


def sample_masks(
    config: MaskConfig, n: int, size: int | Sequence[int], rng: torch.Generator
) -> Tensor:
    """`n` masks as `config` describes them; the same generator state gives the same masks.

    Mask files are opened once per process and kept; each drawn one is flipped and turned at random.

    Args:
        size: in pixels, one number or (height, width).
        rng: source of randomness; the masks lie on its device.

    Returns:
        float32 (n, 1, H, W) in {0, 1}, 1 = missing.

    Raises:
        InputError: settings that do not fit the size, or mask files that cannot be used.

    >>> sample_masks(MaskConfig(kind="rectangle"), 2, 64, torch.Generator()).shape
    torch.Size([2, 1, 64, 64])
    """
    size = check_size(size)
    if config.kind == "files":
        files = _open_files(config.paths, config.invert)
        return files.sample(n, size, rng, bin=config.bin)
    if config.kind != "mixed":
        return _draw(config, config.kind, n, size, rng)
    choice = whole(0, len(_DRAWN) - 1, (n,), rng)
    masks = torch.empty(n, 1, *size, device=rng.device)
    for index, kind in enumerate(_DRAWN):
        chosen = choice == index
        if count := int(chosen.sum()):
            masks[chosen] = _draw(config, kind, count, size, rng)
    return masks


def _draw(
    config: MaskConfig, kind: str, n: int, size: tuple[int, int], rng: torch.Generator
) -> Tensor:
    if kind == "rectangle":
        settings = {"side": config.side, "margin": config.margin, "jitter": config.jitter}
        return rectangle(n, size, **settings, rng=rng)
    if kind == "free-form":
        settings = {"strokes": config.strokes, "turns": config.turns, "width": config.width}
        return free_form(n, size, **settings, rng=rng)
    return irregular(n, size, bin=config.bin, border=config.border, rng=rng)


@lru_cache(maxsize=8)
def _open_files(paths: tuple[str, ...], invert: bool) -> MaskFiles:
    return MaskFiles(paths, invert=invert)
