"""Critics (discriminators): how real does a picture look, as a whole and at the hole?

Source: Wang et al. 2018 (arXiv 1810.08771), section 3.2; spectral norm: Miyato et al. 2018.
``labkit.settings.CRITICS`` holds the layers of the releases and the Keras port. Chapter 7 derives
them, chapter 14 lists what the releases do otherwise.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from labkit.errors import InputError
from labkit.nn.layers import ELU_GAIN, draw_normal
from labkit.settings.network import CriticConfig

KERNEL, STRIDE, PADDING = 5, 2, 2  # every convolution of every variant
SMALLEST_SIZE = 4


class Critic(nn.Module):
    """One critic: 5×5 stride-2 convolutions, then a score for each picture; larger is more real.

    The head is linear over every feature of every position: it knows a mouth in its place, and fits
    pictures of one side S, `size` pixels. `local` builds the configuration's local critic.

    Shapes: image (B, 3, S, S) [, mask (B, 1, S, S) for the views "patch" and "masked"] → (B,).
    """

    def __init__(
        self,
        config: CriticConfig,
        size: int,
        *,
        local: bool = False,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if size < SMALLEST_SIZE:
            raise InputError(f"critic size {size} must be at least {SMALLEST_SIZE} pixels")
        rng = rng or torch.Generator().manual_seed(0)
        self.size = size
        self.view = config.local if local else "none"
        channels = (config.local_channels if local else None) or config.channels
        if config.activation == "elu":
            gain, activation = ELU_GAIN, nn.ELU()
        else:
            gain, activation = 2.0 / (1.0 + config.slope**2), nn.LeakyReLU(config.slope)

        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *channels), channels, strict=False):
            conv = nn.Conv2d(inputs, outputs, KERNEL, stride=STRIDE, padding=PADDING)
            layers += [_draw(conv, gain, config.spectral_norm, rng), activation]
        self.features = nn.Sequential(*layers)  # (B, C, s, s), s = ⌈S / 2ⁿ⌉ after n convolutions
        if self.view == "patch":
            head: nn.Module = nn.Conv2d(channels[-1], 1, KERNEL, stride=STRIDE, padding=PADDING)
        else:
            head = nn.Linear(channels[-1] * math.ceil(size / STRIDE ** len(channels)) ** 2, 1)
        self.head = _draw(head, 1.0, config.spectral_norm, rng)

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.view != "patch":
            # Known pixels carry no gradient either, in whatever picture is handed in.
            seen = image * mask if self.view == "masked" else image
            return self.head(self.features(seen).flatten(1)).squeeze(1)  # (B,)
        scores = self.head(self.features(image))  # (B, 1, s, s)
        share = F.adaptive_avg_pool2d(mask.to(scores.dtype), scores.shape[-2:])  # (B, 1, s, s)
        # Nothing missing, nothing to score: 0 / smallest number = 0, not NaN.
        total = share.sum(dim=(1, 2, 3)).clamp_min(torch.finfo(scores.dtype).tiny)
        return (scores * share).sum(dim=(1, 2, 3)) / total  # (B,)

    def extra_repr(self) -> str:
        return f"size={self.size}, view={self.view!r}"


class Critics(nn.Module):
    """The global and the local critic: (image, mask) → a score from each.

    Shapes: image (B, 3, S, S) in [-1, 1], real or composite; mask (B, 1, S, S) in {0, 1}, 1 =
    missing → {"global": (B,), "local": (B,)}.

    Raises:
        InputError: a window larger than the image.
    """

    def __init__(
        self,
        config: CriticConfig | None = None,
        size: int = 256,
        *,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config or CriticConfig()
        self.size = size
        rng = rng or torch.Generator().manual_seed(0)
        self.networks = nn.ModuleDict({"global": Critic(self.config, size, rng=rng)})
        if self.config.local != "none":
            seen = self.config.window_side(size) if self.config.local == "window" else size
            if seen > size:
                raise InputError(
                    f"critic window {seen} is larger than the image side {size}",
                    "choose a window smaller than the image",
                )
            self.networks["local"] = Critic(self.config, seen, local=True, rng=rng)

    def views(self, image: Tensor, mask: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """What each critic sees: kind → (image, mask), of the sizes it takes.

        The image may have any channels: pictures and weights are cut by the same window at once.
        """
        seen = {"global": (image, mask)}
        if self.config.local == "window":
            side = self.config.window_side(self.size)
            top, left = locate_window(mask, side)
            seen["local"] = (crop(image, top, left, side), crop(mask, top, left, side))
        elif self.config.local == "masked":
            seen["local"] = (image * mask, mask)
        elif self.config.local == "patch":
            seen["local"] = (image, mask)
        return seen

    def score(self, kind: str, image: Tensor, mask: Tensor) -> Tensor:
        """Scores (B,) that the critic "global" or "local" gives to one of its `views`."""
        return self.networks[kind](image, mask)

    def forward(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        return {kind: self.score(kind, *view) for kind, view in self.views(image, mask).items()}


def locate_window(mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Top-left corner of the window with the most missing pixels: whole numbers (B,) and (B,).

    Of several, the one whose centre is nearest the hole's centre of mass: a rectangle that fits
    lies in its middle, as far as the border allows. Without a hole it is the image's middle.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = missing.
        side: in pixels, at most H and W.

    >>> mask = torch.zeros(1, 1, 8, 8)
    >>> mask[..., 5:7, 4:6] = 1
    >>> locate_window(mask, 4)
    (tensor([4]), tensor([3]))
    """
    hole = mask[:, 0].detach()  # (B, H, W)
    height, width = hole.shape[1:]
    # Sums over every window from running sums of whole numbers, which are exact.
    summed = F.pad(hole.to(torch.int32), (1, 0, 1, 0))
    summed = summed.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
    rows = summed[:, side:] - summed[:, :-side]
    counts = rows[:, :, side:] - rows[:, :, :-side]  # (B, H − side + 1, W − side + 1)

    hole = hole.to(torch.promote_types(hole.dtype, torch.float32))
    total = hole.sum(dim=(1, 2))  # (B,)

    def squared_distance(profile: Tensor, length: int) -> Tensor:
        """Of each window's centre from the centre of mass along one axis: (B, places)."""
        position = torch.arange(length, device=hole.device, dtype=hole.dtype)
        mass = (profile * position).sum(dim=1) / total.clamp_min(1.0)
        mass = torch.where(total > 0, mass, (length - 1) / 2)
        return (position[: length - side + 1] + (side - 1) / 2 - mass[:, None]).square()

    vertical = squared_distance(hole.sum(dim=2), height)
    horizontal = squared_distance(hole.sum(dim=1), width)
    distance = vertical[:, :, None] + horizontal[:, None, :]  # like counts
    fullest = counts == counts.amax(dim=(1, 2), keepdim=True)
    best = distance.masked_fill(~fullest, math.inf).flatten(1).argmin(dim=1)  # the first of equals
    columns = counts.shape[2]
    return best // columns, best % columns


def crop(x: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """A square of each picture, at its own place: (B, C, H, W), (B,), (B,) → (B, C, side, side)."""
    offset = torch.arange(side, device=x.device)
    channels, width = x.shape[1], x.shape[3]
    rows = (top[:, None] + offset)[:, None, :, None].expand(-1, channels, -1, width)
    columns = (left[:, None] + offset)[:, None, None, :].expand(-1, channels, side, -1)
    return x.gather(2, rows).gather(3, columns)


def critic_receptive_field(layers: int) -> int:
    """Side in pixels of the square that one position sees after `layers` 5×5 stride-2 layers.

    >>> [critic_receptive_field(layers) for layers in (1, 4, 6)]
    [5, 61, 253]
    """
    return 1 + (KERNEL - 1) * sum(STRIDE**layer for layer in range(layers))


@torch.no_grad()
def _draw(layer: nn.Module, gain: float, normalise: bool, rng: torch.Generator) -> nn.Module:
    """Give a layer its initial weights and, where wanted, its spectral normalisation."""
    fan_in = layer.weight[0].numel()
    draw_normal(layer.weight, (gain / fan_in) ** 0.5, rng)
    nn.init.zeros_(layer.bias)
    if not normalise:
        return layer
    # PyTorch starts the power iteration from vectors of the global generator, the only one it
    # takes: lend it one of ours.
    seed = torch.randint(2**62, (), generator=rng, device=rng.device).item()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        return spectral_norm(layer)
