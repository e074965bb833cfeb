"""The released training step, written plainly: what the benchmarks compare with.

It computes what the authors' PyTorch release (github shepnerd/inpainting_gmcnn) computes for
irregular masks, in the way the release does it, where that way decides the cost:

* confidence weights by the direct 65×65 convolution, seven times;
* ID-MRF by a 1×1 convolution a sample, whose filters are the target's feature vectors, with the
  whole matrix of position pairs kept for each intermediate result;
* all of VGG19 to its last layer with every map kept, its parameters not frozen, the target's
  features with a graph of their own, and relu4_2's term computed twice (style and content);
* two critics of the same layers that both see the whole picture, spectral normalisation in every
  forward pass, real and filled pictures one after the other, five critic steps;
* float32, feature maps in NCHW.

The generator's layers are the same on both sides, so the package's own stands in for it. What a
convolution library does better since 2018 helps both sides alike.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from labkit.losses.confidence import confidence_weights
from labkit.nn.features import Features, feature_layers
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.settings import ConfidenceConfig

BANDWIDTH, EPSILON = 0.5, 1e-5
STYLE, CONTENT = ("relu3_2", "relu4_2"), ("relu4_2",)
CRITIC_STEPS = 5
HOLE, KNOWN, MRF, ADVERSARIAL = 1.4, 1.2, 0.05, 1e-3
CONFIDENCE = ConfidenceConfig(kernel="released")
VGG = "random:0"  # the weights change no time, and these need no download


def id_mrf(generated: Tensor, target: Tensor) -> Tensor:
    """The release's ID-MRF of two feature maps (B, C, H, W), summed over the batch."""
    mean = target.mean(dim=1, keepdim=True)
    v, s = generated - mean, target - mean
    v, s = v / v.norm(dim=1, keepdim=True), s / s.norm(dim=1, keepdim=True)
    similarities = []
    for one_v, one_s in zip(v, s, strict=True):
        filters = one_s.flatten(1).T[:, :, None, None]  # (N, C, 1, 1)
        similarities.append(F.conv2d(one_v[None], filters))  # (1, N, H, W)
    distance = (1 - torch.cat(similarities)) / 2  # (B, N, H, W)
    relative = distance / (distance.min(dim=1, keepdim=True).values + EPSILON)
    weight = ((1 - relative) / BANDWIDTH).exp()
    share = weight / weight.sum(dim=1, keepdim=True)
    best = share.flatten(2).max(dim=2).values  # (B, N)
    return -best.mean(dim=1).log().sum()


class Perception(nn.Module):
    """VGG19 as the release runs it, and its three ID-MRF terms."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = Features(VGG, feature_layers(VGG), normalise="mean-only").requires_grad_(True)

    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        ours, theirs = self.vgg(generated), self.vgg(target)
        return sum(id_mrf(ours[name], theirs[name]) for name in (*STYLE, *CONTENT))


def critic(size: int, width: int) -> nn.Sequential:
    """Four 5×5 stride-2 convolutions and a linear score: (B, 3, S, S) → (B, 1)."""
    channels = (3, width, 2 * width, 4 * width, 4 * width)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [spectral_norm(nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)), nn.ELU()]
    head = nn.Linear(channels[-1] * (size // 16) ** 2, 1)
    return nn.Sequential(*layers, nn.Flatten(), spectral_norm(head))


class ReleaseStep:
    """One step of the release's second stage: (images, mask) → the generator's loss.

    Args:
        width, critic_width: base channels of the generator and the critics.
        size: side of the pictures, a multiple of 16.

    Shapes: images (B, 3, S, S) in [-1, 1], mask (B, 1, S, S) in {0, 1}.
    """

    def __init__(
        self, size: int, device: str, *, width: int = 32, critic_width: int = 64, seed: int = 0
    ) -> None:
        weights = torch.Generator().manual_seed(seed)
        # He's rule keeps features and gradients at a scale at which arithmetic runs at full speed.
        config = GeneratorConfig(width=width, initialisation="he")
        self.generator = GMCNN(config, rng=weights).to(device)
        with torch.random.fork_rng():  # torch's own layers draw from the global generator
            torch.manual_seed(seed)
            critics = {name: critic(size, critic_width) for name in ("global", "local")}
        self.critics = nn.ModuleDict(critics).to(device)
        self.perception = Perception().to(device)
        self.generator_adam = torch.optim.Adam(
            self.generator.parameters(), lr=1e-5, betas=(0.5, 0.9)
        )
        self.critic_adam = torch.optim.Adam(self.critics.parameters(), lr=1e-5, betas=(0.5, 0.9))

    def __call__(self, images: Tensor, mask: Tensor) -> Tensor:
        weight = confidence_weights(mask, CONFIDENCE, direct=True)
        prediction = self.generator(images, mask).clamp(-1, 1)
        filled = prediction * mask + images * (1 - mask)
        for _ in range(CRITIC_STEPS):
            self.critic_adam.zero_grad()
            self.critic_loss(images, filled.detach()).backward()
            self.critic_adam.step()
        self.generator_adam.zero_grad()
        loss = self.generator_loss(images, mask, weight, prediction, filled)
        loss.backward()
        self.generator_adam.step()
        return loss.detach()

    def critic_loss(self, images: Tensor, filled: Tensor) -> Tensor:
        loss = images.new_zeros(())
        for network in self.critics.values():
            fake, real = network(filled), network(images)
            loss = loss + F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        return loss

    def generator_loss(
        self, images: Tensor, mask: Tensor, weight: Tensor, prediction: Tensor, filled: Tensor
    ) -> Tensor:
        hole = F.l1_loss(filled * weight, images * weight) / mask.mean()
        known = F.l1_loss(prediction * (1 - mask), images * (1 - mask)) / (1 - mask).mean()
        adversarial = -sum(network(filled).mean() for network in self.critics.values())
        mrf = self.perception(filled, images)
        return HOLE * hole + KNOWN * known + MRF * mrf + ADVERSARIAL * adversarial
