"""Attention for the generator: the two published blocks, and what the student report's code does.

Sources:
    * Hu et al. 2017, "Squeeze-and-Excitation Networks" (arXiv 1709.01507), section 3.
    * Chen et al. 2018, "A²-Nets: Double Attention Networks" (arXiv 1810.11579), section 3.1.
    * The code released with the student report that this book follows, for `ReportSE` and
      `ReportA2`.

Deviations:
    * SE's two layers have biases, which equation 3 of the paper leaves out.
    * A² starts as the identity: the convolution that ends it is drawn as zeros. Non-local blocks
      (Wang et al. 2018, arXiv 1711.07971) do so too, by a normalisation layer whose scale starts at
      zero; GMCNN has no such layers.
    * The report's variants join our 3×3 column, which hands c channels to the decoder. In the
      report's code it hands over twice as many, so there the decoder reads 9c channels, here 8c.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.errors import InputError, check_choice
from labkit.nn.layers import ConvELU, draw_normal
from labkit.settings.network import Padding

_GATES = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation: a weight for each channel, from the means of all channels.

    z = mean over positions (B, C); weights = gate(W₂ relu(W₁ z)); x ⊙ weights. What the block knows
    of a picture is C numbers; where something is in it, it cannot know.

    Args:
        channels: how many, C.
        reduction: r; the middle layer has ⌊C / r⌋ units. The paper's is 16.
        gate: "sigmoid" as published, weights in (0, 1); "tanh" as in the report, in (−1, 1).

    Cost, with M = ⌊C / r⌋: 2CM + M + C parameters; 4CM floating-point operations in the two layers,
    and 2CHW to average and to scale a map of H×W positions.

    Shapes: (B, C, H, W) → (B, C, H, W), any H and W from 1.

    Raises:
        InputError: a reduction that is larger than the channels or less than 1, or another gate.
    """

    def __init__(self, channels: int, reduction: int = 16, gate: str = "sigmoid") -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise InputError(
                f"squeeze-and-excitation cannot reduce {channels} channels {reduction} times",
                f"choose a reduction from 1 to {channels}",
            )
        check_choice("gate", gate, _GATES)
        self.gate = gate
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew, so that the gates of a fresh block are near the middle."""
        generator = generator or torch.Generator().manual_seed(0)
        draw_normal(self.reduce.weight, (2.0 / self.reduce.in_features) ** 0.5, generator)
        draw_normal(self.expand.weight, (1.0 / self.expand.in_features) ** 0.5, generator)
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

    Gather: each of n maps is a softmax over the positions, and weighs m features to one descriptor,
    G = A · softmax(B)ᵀ (m×n). Distribute: at each position a softmax over the n descriptors mixes
    them, Z = G · softmax(V). A 1×1 convolution brings Z back to the channels, and x is added.

    Gathering and distributing may take place in different feature maps, see `gather` and
    `distribute`.

    Args:
        channels: C of the map that is distributed to, and of the result.
        features: m; None for a quarter of the channels (at least 1).
        maps: n; None for as many as features.
        source: channels of the map that is gathered from; None: it is the same map.

    Cost with C channels throughout: 2Cm + 2Cn + m + 2n + C parameters; for H×W positions
    4HW(Cm + Cn + mn) floating-point operations.

    Shapes: (B, C, H, W) → (B, C, H, W), any H and W from 1.

    Raises:
        InputError: no features or no maps.
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
        if features < 1 or maps < 1:
            raise InputError(f"A² needs features and maps, not {features} and {maps}", "1 or more")
        source = channels if source is None else source
        self.features = nn.Conv2d(source, features, 1)  # A
        self.gathering = nn.Conv2d(source, maps, 1)  # B
        self.distribution = nn.Conv2d(channels, maps, 1)  # V
        self.expand = nn.Conv2d(features, channels, 1)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew; the block is then the identity."""
        generator = generator or torch.Generator().manual_seed(0)
        for conv in (self.features, self.gathering, self.distribution):
            draw_normal(conv.weight, (1.0 / conv.in_channels) ** 0.5, generator)
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
    """The report's squeeze-and-excitation: a tanh gate of full width on the column's first feature.

    The scaled feature goes into the decoder's concatenation and nowhere else: the column goes on
    unscaled, so the gate cannot change what the dilated layers see.

    Shapes: first and late feature, (B, c, H, W) both → (B, c, H, W).
    """

    def __init__(self, channels: int, padding: Padding = "reflect") -> None:
        super().__init__()
        self.gate = SqueezeExcitation(channels, reduction=1, gate="tanh")

    def forward(self, first: Tensor, late: Tensor) -> Tensor:
        return self.gate(first)


class ReportA2(nn.Module):
    """What the report calls A²: its first feature, gated, times a convolved late one.

    There is no softmax over positions, no descriptor and no bilinear pooling: every position sees
    itself (and, through the gate, the means of the channels), so nothing is carried from one place
    of the picture to another.

    Shapes: first and late feature, (B, c, H, W) both → (B, c, H, W).
    """

    def __init__(self, channels: int, padding: Padding = "reflect") -> None:
        super().__init__()
        self.gate = SqueezeExcitation(channels, reduction=1, gate="sigmoid")
        self.late = ConvELU(channels, channels, 3, padding=padding)

    def forward(self, first: Tensor, late: Tensor) -> Tensor:
        return self.gate(first) * self.late(late)
