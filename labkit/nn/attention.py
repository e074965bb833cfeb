"""Attention: the published SE and A², and what the report's code does. Chapter 9 derives them.

Sources: Hu et al. 2017 (arXiv 1709.01507), section 3; Chen et al. 2018 (arXiv 1810.11579), section
3.1; the code of the student report. SE's layers have biases here, and A² starts as the identity.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.nn.layers import ConvELU, draw_normal
from labkit.settings.network import Padding

_GATES = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation: x ⊙ gate(W₂ relu(W₁ z)), z = mean of x over positions.

    2Cu + u + C parameters with u = ⌊C / reduction⌋; 4Cu + 2CHW operations.

    The gate is "sigmoid" as published, or "tanh" as in the report; reduction is 1 to C.

    Example:
        >>> SqueezeExcitation(32)(torch.ones(1, 32, 8, 8)).shape  # (B, C, H, W) → the same
        torch.Size([1, 32, 8, 8])
    """

    def __init__(self, channels: int, reduction: int = 16, gate: str = "sigmoid") -> None:
        super().__init__()
        self.gate = gate
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw the weights anew, so that the gates of a fresh block are near the middle."""
        rng = rng or torch.Generator().manual_seed(0)
        draw_normal(self.reduce.weight, (2.0 / self.reduce.in_features) ** 0.5, rng)
        draw_normal(self.expand.weight, (1.0 / self.expand.in_features) ** 0.5, rng)
        nn.init.zeros_(self.reduce.bias)
        nn.init.zeros_(self.expand.bias)

    def weights(self, x: Tensor) -> Tensor:
        """What each channel is multiplied by: (B, C, H, W) → (B, C)."""
        squeezed = x.mean(dim=(2, 3))  # (B, C)
        return _GATES[self.gate](self.expand(F.relu(self.reduce(squeezed))))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weights(x)[:, :, None, None]


class DoubleAttention(nn.Module):
    """A²: gather a few descriptors from the whole map, then hand each position its mixture of them.

    G = A · softmax_positions(B)ᵀ (m×n), x + W (G · softmax_descriptors(V)). 2Cm + 2Cn + m + 2n + C
    parameters, 4HW (Cm + Cn + mn) operations.

    Args:
        features: m; None for a quarter of the channels (at least 1).
        maps: n; None for as many as features.
        source: channels of the map that is gathered from; None: it is the same map.

    Example:
        >>> x = torch.randn(1, 32, 8, 8)  # (B, C, H, W) → the same; a fresh block is the identity
        >>> torch.equal(DoubleAttention(32)(x), x)
        True
    """

    def __init__(
        self,
        channels: int,
        features: int | None = None,
        maps: int | None = None,
        *,
        source: int | None = None,
    ) -> None:
        super().__init__()
        features = max(1, channels // 4) if features is None else features
        maps = features if maps is None else maps
        source = channels if source is None else source
        self.features = nn.Conv2d(source, features, 1)  # A
        self.gathering = nn.Conv2d(source, maps, 1)  # B
        self.distribution = nn.Conv2d(channels, maps, 1)  # V
        self.expand = nn.Conv2d(features, channels, 1)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw the weights anew; the block is then the identity."""
        rng = rng or torch.Generator().manual_seed(0)
        for conv in (self.features, self.gathering, self.distribution):
            draw_normal(conv.weight, (1.0 / conv.in_channels) ** 0.5, rng)
        nn.init.zeros_(self.expand.weight)
        for conv in (self.features, self.gathering, self.distribution, self.expand):
            nn.init.zeros_(conv.bias)

    def gathering_maps(self, x: Tensor) -> Tensor:
        """Where each descriptor comes from: (B, n, H, W), each map sums to 1."""
        return self.gathering(x).flatten(2).softmax(dim=2).view(len(x), -1, *x.shape[2:])

    def distribution_maps(self, x: Tensor) -> Tensor:
        """Which descriptors a position receives: (B, n, H, W), sums to 1 at each position."""
        return self.distribution(x).softmax(dim=1)

    def gather(self, x: Tensor) -> Tensor:
        """The descriptors G of a map: (B, C, H, W) → (B, m, n)."""
        return self.features(x).flatten(2) @ self.gathering_maps(x).flatten(2).transpose(1, 2)

    def distribute(self, x: Tensor, descriptors: Tensor) -> Tensor:
        """x with its mixture of the descriptors (B, m, n) added: (B, C, H, W)."""
        mixed = descriptors @ self.distribution_maps(x).flatten(2)  # (B, m, H·W)
        return x + self.expand(mixed.view(len(x), -1, *x.shape[2:]))

    def forward(self, x: Tensor) -> Tensor:
        return self.distribute(x, self.gather(x))


class ReportSE(nn.Module):
    """The report's SE: the column's first feature (B, c, H, W) under a tanh gate."""

    def __init__(self, channels: int, padding: Padding = "reflect") -> None:
        super().__init__()
        self.gate = SqueezeExcitation(channels, reduction=1, gate="tanh")

    def forward(self, first: Tensor, late: Tensor) -> Tensor:
        return self.gate(first)


class ReportA2(nn.Module):
    """The report's "A²": that feature, gated, times a convolved late one (B, c, H, W)."""

    def __init__(self, channels: int, padding: Padding = "reflect") -> None:
        super().__init__()
        self.gate = SqueezeExcitation(channels, reduction=1, gate="sigmoid")
        self.late = ConvELU(channels, channels, 3, padding=padding)

    def forward(self, first: Tensor, late: Tensor) -> Tensor:
        return self.gate(first) * self.late(late)
