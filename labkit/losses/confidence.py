"""Confidence weights: which missing pixels should count, and how much.

Source: Wang et al. 2018, section 3.2 (equation 1 of the report this book follows). Known pixels are
certain; certainty spreads into the hole by repeated blurring::

    M_w⁰ = 0,   M̄ⁱ = 1 − M + M_wⁱ⁻¹,   M_wⁱ = (g * M̄ⁱ) ⊙ M

A missing pixel near the border ends with a weight near 1, one deep inside with a small one.

Deviations:
    * The paper names a 64×64 Gaussian of standard deviation 40 pixels; we take 65 taps, which have
      a centre. It does not say how many iterations: 7 is the PyTorch release's number, 3 the Keras
      ports'.
    * The release's own "Gaussian" (`kernel="released"`) integrates a normal density over a range of
      ±1/40 standard deviations. Over so short a range the density is constant: a box filter.
    * Kernels that are outer products run as two 1-D passes, the same numbers ten to nineteen
      times faster (`benchmarks/confidence.py`). In float32 they are nearer the exact value than the
      release's own sums (7e-7 against 1.2e-5).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.errors import InputError
from labkit.images import check_mask
from labkit.nn.layers import pad
from labkit.settings.objective import ConfidenceConfig

# "Sigma" of the released kernel: half the range, in standard deviations, that its taps integrate.
RELEASED_SIGMA = 1.0 / 40.0


def kernel_1d(
    config: ConfidenceConfig,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The 1-D factor of a separable kernel: (size,), summing to 1.

    Raises:
        InputError: "laplacian-radial", which has none.
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
    check: bool = True,
) -> Tensor:
    """M_w: a weight in [0, 1] for each missing pixel, 0 for each known one.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = missing; any float type.
        config: the kernel and how often it is applied; None for the defaults.
        direct: convolve with the whole 2-D kernel even where two 1-D passes would do. Slower, and
            in float32 less exact (4,225 equal terms round the same way each time), but operation
            for operation what the release computes: it returns the release's numbers to the last
            bit.
        check: look at the mask's values, which waits for its device; not in every training step.

    Returns:
        (B, 1, H, W), the mask's type and device. Not differentiable with respect to anything. With
        nothing known, all weights are 0: confidence has nowhere to come from.

    Raises:
        InputError: a mask that is not one.
    """
    config = config or ConfidenceConfig()
    if check:
        check_mask(mask)
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
    """Square roots of the normal probability of `size` equal cells covering ±(sigma + half a cell).

    The release takes the square root of the outer product of these probabilities, which is the
    outer product of their square roots.
    """
    cell = (2 * RELEASED_SIGMA + 1.0) / size
    edge = RELEASED_SIGMA + cell / 2
    edges = torch.linspace(-edge, edge, size + 1, dtype=torch.float64)
    return torch.special.ndtr(edges).diff().sqrt()
