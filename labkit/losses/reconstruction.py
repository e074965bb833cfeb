"""Reconstruction losses: how far each pixel is from the truth, and which pixels count. Chapter 6.

Sources: Wang et al. 2018, section 3.2, L_c = ‖(Y − G([X, M])) ⊙ M_w‖₁ (equation 2 of the report),
here a mean, so that a loss weight means the same at every size; the PyTorch release for its pair.

Predictions and targets are (B, 3, H, W) in [-1, 1], masks (B, 1, H, W) with 1 = missing, weights
(B, 1, H, W) from `labkit.losses.confidence.confidence_weights`; losses are scalars.
"""

from __future__ import annotations

from torch import Tensor, nn

from labkit.losses.confidence import confidence_weights
from labkit.settings.objective import ReconstructionConfig


def confidence_l1(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The paper's term: mean of ``|Y − G| ⊙ M_w`` over every value of the batch."""
    return ((prediction - target).abs() * weight).mean()


def area_normalised_l1(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    weight: Tensor,
    *,
    hole: float = 1.4,
    known: float = 1.2,
    hole_share: Tensor | None = None,
) -> Tensor:
    """The release's pair: hole · mean|(G − Y) M_w| / mean(M) + known · mean|(G − Y)(1 − M)| /
    mean(1 − M). An empty region contributes 0.

    Args:
        hole_share: mean(M), where these examples are a part of the batch whose mean it is; the
            losses of equal parts then average to that of the whole. None: they are the batch.
    """
    error = (prediction - target).abs()
    share = mask.mean() if hole_share is None else hole_share
    # A batch without a hole, or with nothing else, divides 0 by the smallest area: 0, not NaN.
    one_pixel = 1.0 / mask.numel()
    in_hole = (error * weight).mean() / share.clamp_min(one_pixel)
    at_known = (error * (1.0 - mask)).mean() / (1.0 - share).clamp_min(one_pixel)
    return hole * in_hole + known * at_known


def log_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """What mean PSNR asks for: ln(mean squared error in the hole + 0.001), mean over pictures.

    0.001, half a dB at 30 dB, keeps near-perfect fills from outweighing the rest.

    >>> import torch
    >>> zeros = torch.zeros(1, 3, 4, 4)
    >>> round(log_mse(zeros + 0.1, zeros, torch.ones(1, 1, 4, 4)).item(), 3)  # ln 0.011
    -4.51
    """
    squares = ((prediction - target).square() * mask).mean((1, 2, 3))  # (B,)
    share = mask.mean((1, 2, 3)).clamp_min(1.0 / mask[0].numel())  # (B,)
    return (squares / share + 1e-3).log().mean()


class ReconstructionLoss(nn.Module):
    """The configured reconstruction loss: (prediction, target, mask) → scalar."""

    def __init__(self, config: ReconstructionConfig | None = None) -> None:
        super().__init__()
        self.config = config or ReconstructionConfig()

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        mask: Tensor,
        hole_share: Tensor | None = None,
    ) -> Tensor:
        config, weight = self.config, mask
        if config.form == "psnr":
            return log_mse(prediction, target, mask)
        if config.confidence is not None:
            weight = confidence_weights(mask, config.confidence)
        if config.form == "release":
            return area_normalised_l1(
                prediction,
                target,
                mask,
                weight,
                hole=config.hole,
                known=config.known,
                hole_share=hole_share,
            )
        if config.form == "keras":
            weight = weight + (1.0 - mask)
        return confidence_l1(prediction, target, weight)
