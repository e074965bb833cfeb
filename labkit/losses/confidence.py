"""Confidence weights: which missing pixels should count, and how much. Chapter 6 derives them.

Source: Wang et al. 2018, section 3.2 (equation 1 of the report). Known pixels are certain, and
certainty spreads into the hole by repeated blurring::

    M_w⁰ = 0,   M̄ⁱ = 1 − M + M_wⁱ⁻¹,   M_wⁱ = (g * M̄ⁱ) ⊙ M

65 taps, not the paper's 64, have a centre; 7 iterations are the PyTorch release's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.errors import InputError
from labkit.nn.layers import pad
from labkit.settings.objective import ConfidenceConfig

# Half the range, in standard deviations, that the taps of the released kernel integrate. Over so
# short a range a normal density is constant: its "Gaussian" is a box.
RELEASED_SIGMA = 1.0 / 40.0


def kernel_1d(
    config: ConfidenceConfig,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The 1-D factor of a separable kernel, which "laplacian-radial" is not: (size,), sum 1.

    >>> [round(tap, 3) for tap in kernel_1d(ConfidenceConfig(size=3, scale=1.0)).tolist()]
    [0.274, 0.452, 0.274]
    """
    if not config.separable:
        raise InputError(f"the {config.kernel} kernel is not separable", "use kernel_2d")
    if config.kernel == "released":
        taps = _released_taps(config.size)
    else:
        x = _centred(config.size)  # pixels
        if config.kernel == "gaussian":
            taps = torch.exp(-0.5 * (x / config.scale) ** 2)
        else:
            taps = torch.exp(-x.abs() / config.scale)
    return (taps / taps.sum()).to(device, dtype)


def kernel_2d(
    config: ConfidenceConfig,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The blur kernel g: (size, size), summing to 1."""
    if config.separable:
        taps = kernel_1d(config)
        kernel = torch.outer(taps, taps)
    else:
        x = _centred(config.size)
        radius = torch.hypot(x[:, None], x[None, :])  # (size, size)
        kernel = torch.exp(-radius / config.scale)
        kernel = kernel / kernel.sum()
    return kernel.to(device, dtype)


def confidence_weights(
    mask: Tensor,
    config: ConfidenceConfig | None = None,
    *,
    direct: bool = False,
) -> Tensor:
    """M_w: a weight in [0, 1] for each missing pixel, 0 for each known one, without gradient.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = missing; any float type, which the result has too.
        direct: convolve with the whole 2-D kernel even where two 1-D passes would do: ten times
            slower, and to the last bit what the release computes.

    Example:
        >>> mask = torch.zeros(1, 1, 5, 9)
        >>> mask[..., 2:7] = 1
        >>> config = ConfidenceConfig(size=3, scale=1.0, iterations=2)
        >>> [round(w, 2) for w in confidence_weights(mask, config)[0, 0, 2].tolist()]
        [0.0, 0.0, 0.4, 0.08, 0.0, 0.08, 0.4, 0.0, 0.0]
    """
    config = config or ConfidenceConfig()
    # Half precision would add 65 small terms with 8 to 11 bits.
    work = mask.detach().to(torch.promote_types(mask.dtype, torch.float32))
    before, after = (config.size - 1) // 2, config.size // 2
    if config.separable and not direct:
        taps = kernel_1d(config, dtype=work.dtype, device=work.device)
        passes = [taps.view(1, 1, -1, 1), taps.view(1, 1, 1, -1)]
    else:
        passes = [kernel_2d(config, dtype=work.dtype, device=work.device)[None, None]]

    known = 1.0 - work
    confidence = known
    weight = torch.zeros_like(work)
    with torch.no_grad(), torch.autocast(work.device.type, enabled=False):
        for _ in range(config.iterations):
            blurred = pad(confidence, before, after, before, after, config.padding)
            for kernel in passes:
                blurred = F.conv2d(blurred, kernel)
            weight = blurred * work  # (B, 1, H, W)
            confidence = known + weight
    return weight.to(mask.dtype)


def _centred(size: int) -> Tensor:
    return torch.arange(size, dtype=torch.float64) - (size - 1) / 2


def _released_taps(size: int) -> Tensor:
    """Square roots of the normal probability of `size` equal cells over ±(sigma + half a cell)."""
    cell = (2 * RELEASED_SIGMA + 1.0) / size
    edge = RELEASED_SIGMA + cell / 2
    edges = torch.linspace(-edge, edge, size + 1, dtype=torch.float64)
    return torch.special.ndtr(edges).diff().sqrt()
