"""Critics: networks that score how real a picture looks, one for the whole and one for the hole.

Source: Wang et al. 2018 (arXiv 1810.08771), section 3.2, trains GMCNN against a global and a local
critic, as Iizuka et al. 2017 do. `labkit.settings.CRITICS` holds the layers of the authors'
PyTorch and TensorFlow releases (github shepnerd/inpainting_gmcnn) and of the Keras port
(github tlatkowski/inpainting-gmcnn-keras). Spectral normalisation: Miyato et al. 2018.

Deviations:
    * With an irregular mask the PyTorch release hands the whole image to the local critic again.
      Here the local critic always looks through a window, placed where it holds the most missing
      pixels; a rectangle of the window's size is cropped exactly, as in the release.
    * The "patch" critic averages its scores under the mask's share of each cell. The TensorFlow
      release counts a cell in full as soon as one of its pixels is missing, and divides by 0 where
      no pixel is.
    * TensorFlow pads a stride-2 convolution by 1 pixel before and 2 after; here it is 2 and 2, as
      in the PyTorch release. Sizes are the same, the sampling grid moves by a pixel.
    * Initial weights keep the scale of features through the depth (He et al. 2015), biases are 0,
      for every variant. Under spectral normalisation the initial scale cancels.
    * The spectrum is that of the kernel written as a matrix (outputs, inputs · 25), as in the
      release and in Miyato et al.; the convolution itself may stretch an image more than that.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from labkit.errors import InputError
from labkit.images import check_mask
from labkit.nn.layers import ELU_GAIN, draw_normal
from labkit.settings.network import CriticConfig

KERNEL, STRIDE, PADDING = 5, 2, 2  # every convolution of every variant
SMALLEST_SIZE = 4


class Critic(nn.Module):
    """One critic: 5×5 stride-2 convolutions, then a score for each picture.

    The head is linear over every feature of every position, so it has one weight a position and
    fits one image size only. Averaging the positions first would take any size, but would be
    another head: it could no longer tell a mouth in its place from a mouth on a forehead.

    Args:
        config: `CriticConfig`.
        size: side of the square pictures it scores, in pixels.
        local: build the local critic of the configuration rather than the global one.
        generator: source of the initial weights' randomness; None seeds a fresh one with 0.

    Shapes: image (B, 3, S, S) [, mask (B, 1, S, S), for the local kinds "patch" and "masked"] →
    (B,), unbounded; larger is more real.

    Raises:
        InputError: another size, or a mask that is missing or does not fit.
    """

    def __init__(
        self,
        config: CriticConfig,
        size: int,
        *,
        local: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if size < SMALLEST_SIZE:
            raise InputError(f"critic size {size} must be at least {SMALLEST_SIZE} pixels")
        generator = generator or torch.Generator().manual_seed(0)
        self.size = size
        self.kind = config.local if local else "none"
        channels = (config.local_channels if local else None) or config.channels
        if config.activation == "elu":
            gain, activation = ELU_GAIN, nn.ELU()
        else:
            gain, activation = 2.0 / (1.0 + config.slope**2), nn.LeakyReLU(config.slope)

        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *channels), channels, strict=False):
            conv = nn.Conv2d(inputs, outputs, KERNEL, stride=STRIDE, padding=PADDING)
            layers += [_draw(conv, gain, config.spectral_norm, generator), activation]
        self.features = nn.Sequential(*layers)  # (B, C, s, s), s = ⌈S / 2ⁿ⌉ after n convolutions
        if self.kind == "patch":
            head: nn.Module = nn.Conv2d(channels[-1], 1, KERNEL, stride=STRIDE, padding=PADDING)
        else:
            head = nn.Linear(channels[-1] * math.ceil(size / STRIDE ** len(channels)) ** 2, 1)
        self.head = _draw(head, 1.0, config.spectral_norm, generator)

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        if image.ndim != 4 or image.shape[1:] != (3, self.size, self.size):
            raise InputError(
                f"this critic scores images (B, 3, {self.size}, {self.size}), not "
                f"{tuple(image.shape)}",
                f"resize them, or build the critic with size={image.shape[-1]}",
            )
        if self.kind not in ("patch", "masked"):
            return self.head(self.features(image).flatten(1)).squeeze(1)  # (B,)
        if mask is None:
            raise InputError(f"a local critic of kind {self.kind!r} needs the mask")
        if self.kind == "masked":
            # Known pixels carry no gradient either, in whatever picture is handed in.
            return self.head(self.features(image * mask).flatten(1)).squeeze(1)
        scores = self.head(self.features(image))  # (B, 1, s, s)
        share = F.adaptive_avg_pool2d(mask.to(scores.dtype), scores.shape[-2:])  # (B, 1, s, s)
        # Nothing missing, nothing to score: 0 / smallest number = 0, not NaN.
        total = share.sum(dim=(1, 2, 3)).clamp_min(torch.finfo(scores.dtype).tiny)
        return (scores * share).sum(dim=(1, 2, 3)) / total  # (B,)

    def extra_repr(self) -> str:
        return f"size={self.size}, local={self.kind!r}"


class Critics(nn.Module):
    """The global and the local critic: (image, mask) → a score from each.

    Args:
        config: `CriticConfig`; None for the PyTorch release's.
        size: side of the square images in pixels. It is fixed, see `Critic`.
        generator: source of the initial weights' randomness; None seeds a fresh one with 0.

    Shapes: image (B, 3, S, S) in [-1, 1], a real one or a composite; mask (B, 1, S, S) in {0, 1}
    with 1 = missing → {"global": (B,), "local": (B,)}.

    Raises:
        InputError: a window larger than the image, or shapes that do not fit; outside training also
            a mask of other values than 0 and 1.
    """

    def __init__(
        self,
        config: CriticConfig | None = None,
        size: int = 256,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config or CriticConfig()
        self.size = size
        generator = generator or torch.Generator().manual_seed(0)
        self.networks = nn.ModuleDict({"global": Critic(self.config, size, generator=generator)})
        if self.config.local != "none":
            seen = self.config.window_side(size) if self.config.local == "window" else size
            if seen > size:
                raise InputError(
                    f"critic window {seen} is larger than the image side {size}",
                    "choose a window smaller than the image",
                )
            self.networks["local"] = Critic(self.config, seen, local=True, generator=generator)

    def views(self, image: Tensor, mask: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """What each critic sees: name → (image, mask), of the sizes it takes.

        Args:
            image: (B, C, S, S) with any number of channels, so that several pictures or weights can
                be cut by the same window at once.
            mask: (B, 1, S, S).
        """
        self._check(image, mask)
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

    def score(self, name: str, image: Tensor, mask: Tensor) -> Tensor:
        """Scores (B,) that the critic `name` gives to one of its `views`."""
        return self.networks[name](image, mask)

    def forward(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        return {name: self.score(name, *view) for name, view in self.views(image, mask).items()}

    def _check(self, image: Tensor, mask: Tensor) -> None:
        if image.ndim != 4 or image.shape[2:] != (self.size, self.size):
            raise InputError(
                f"these critics score images of {self.size}×{self.size} pixels, not "
                f"{tuple(image.shape)}",
                f"resize them, or build the critics with size={image.shape[-1]}",
            )
        if mask.shape != (image.shape[0], 1, *image.shape[2:]):
            raise InputError(
                f"mask {tuple(mask.shape)} does not fit image {tuple(image.shape)}",
                "a mask is (B, 1, H, W) with the image's batch, height and width",
            )
        # Looking at values waits for the device: not in every training step.
        if not (self.training or torch.compiler.is_compiling() or torch.jit.is_tracing()):
            check_mask(mask)


def locate_window(mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Top-left corner of the window that holds the most missing pixels.

    Of several such windows, the one whose centre is nearest the hole's centre of mass: a rectangle
    that fits lies in its middle, as far as the border of the image allows.

    Args:
        mask: (B, 1, H, W) in {0, 1}, 1 = missing; with nothing missing, the window is in the middle
            of the image.
        side: in pixels, at most H and W.

    Returns:
        top, left: whole numbers (B,), on the mask's device.
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
    """Side in pixels of the square that one position sees after `layers` 5×5 stride-2 layers."""
    return 1 + (KERNEL - 1) * sum(STRIDE**layer for layer in range(layers))


@torch.no_grad()
def _draw(layer: nn.Module, gain: float, normalise: bool, generator: torch.Generator) -> nn.Module:
    """Give a layer its initial weights and, where wanted, its spectral normalisation."""
    fan_in = layer.weight[0].numel()
    draw_normal(layer.weight, (gain / fan_in) ** 0.5, generator)
    nn.init.zeros_(layer.bias)
    if not normalise:
        return layer
    # PyTorch starts the power iteration from vectors of the global generator, the only one it
    # takes: lend it one of ours.
    seed = torch.randint(2**62, (), generator=generator, device=generator.device).item()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        return spectral_norm(layer)
