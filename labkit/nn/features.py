"""Frozen features of a classification network: what perceptual losses compare images by.

VGG (Simonyan and Zisserman 2015) and SqueezeNet 1.1 (Iandola et al. 2016) as torchvision has them.
Chapter 8 uses them. Nothing runs beyond the last layer asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from labkit.errors import InputError
from labkit.nn.tensor_files import first_line, read_tensors
from labkit.settings.objective import Normalisation

NETWORKS = ("vgg19", "vgg16", "squeezenet1_1")
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_OFFLINE = (
    "give a local file of them (--features-weights of labkit train, --lpips-weights of labkit "
    "evaluate, --squeezenet of labkit study), or train with random:<seed>, which needs none"
)


class Features(nn.Module):
    """Feature maps of an image, frozen; gradients flow to the image only.

    Args:
        name: "vgg19", "vgg16", "squeezenet1_1", or "random:<seed>": VGG19 with He-initialised
            weights, good enough to teach with and not to train with.
        layers: names from `feature_layers(name)`, in any order.
        weights: a .pth or .safetensors file with keys ``features.N.…`` or ``N.…``; None takes
            torchvision's ImageNet weights, downloaded on first use to torch.hub's cache.
        normalise: "imagenet", x ↦ ((x + 1) / 2 − mean) / std, or "mean-only", without the division,
            as the authors' PyTorch release.

    Shapes: image (B, 3, H, W) in [-1, 1] → {layer: (B, C, h, w)} in the order of `layers`.

    Raises:
        InputError: an unknown network or layer, a file that does not fit, a failed download.
    """

    def __init__(
        self,
        name: str,
        layers: Sequence[str],
        *,
        weights: str | os.PathLike[str] | None = None,
        normalise: Normalisation = "imagenet",
    ) -> None:
        super().__init__()
        network, seed = _parse(name)
        if seed is not None and weights is not None:
            raise InputError(f"{name} draws its weights and takes no file", "name a network")
        structure = _structure(network)
        names = _layer_names(structure)
        self.name, self.layers = name, _checked(layers, names, name)
        depth = 1 + max(names.index(layer) for layer in self.layers)
        self.names = tuple(names[:depth])
        # The structure holds no numbers yet; what lies deeper is never given any.
        self.body = structure[:depth].to_empty(device="cpu")
        if seed is None:
            if weights is None:
                state, origin = _pretrained(network), f"torchvision's weights of {network}"
            else:
                state, origin = read_tensors(weights), str(weights)
            _load(self.body, structure, state, origin)
        else:
            _he_initialise(self.body, torch.Generator().manual_seed(seed))
        # torchvision's ReLUs work in place, which would destroy a convolution that is asked for.
        for previous, module in zip((None, *self.names), self.body, strict=False):
            if isinstance(module, nn.ReLU):
                module.inplace = previous not in self.layers

        mean, std = torch.tensor(_MEAN), torch.tensor(_STD)
        if normalise == "mean-only":
            std = torch.ones(3)
        # ((x + 1) / 2 − mean) / std as one multiplication and one addition.
        self.register_buffer("scale", (0.5 / std).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / std).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = image.to(self.scale.dtype) * self.scale + self.shift  # (B, 3, H, W)
        found = {}
        for name, module in zip(self.names, self.body, strict=True):
            x = module(x)  # (B, C, h, w)
            if name in self.layers:
                found[name] = x
        return {layer: found[layer] for layer in self.layers}

    def train(self, mode: bool = True) -> Features:
        """Stays in evaluation mode, whatever the model around it does."""
        return super().train(False)

    def extra_repr(self) -> str:
        return f"{self.name!r}, layers={self.layers}"


def feature_layers(name: str) -> list[str]:
    """Names of a network's layers, first to last: conv1_1, relu1_1, …, pool5 of VGG; conv1, relu1,
    pool1, fire2, …, fire9 of SqueezeNet.

    >>> feature_layers("vgg19")[:4]
    ['conv1_1', 'relu1_1', 'conv1_2', 'relu1_2']
    """
    return _layer_names(_structure(_parse(name)[0]))


def _parse(name: str) -> tuple[str, int | None]:
    """Network, and the seed where its weights are drawn."""
    if match := re.fullmatch(r"random:(\d{1,18})", name):
        return "vgg19", int(match[1])
    if name not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise InputError(f"feature network {name!r} is unknown", f"one of {known}, random:<seed>")
    return name, None


def _structure(network: str) -> nn.Sequential:
    """torchvision's own modules up to the classifier, on the meta device: shapes, no numbers."""
    # Imported here: the package's other uses of torch need not wait for it.
    from torchvision import models

    with torch.device("meta"):
        return getattr(models, network)(weights=None).features


def _layer_names(structure: nn.Sequential) -> list[str]:
    names, block, index = [], 1, 0
    vgg = not any(hasattr(module, "squeeze") for module in structure)
    for module in structure:
        if isinstance(module, nn.Conv2d):
            index += 1
            names.append(f"conv{block}_{index}" if vgg else f"conv{index}")
        elif isinstance(module, nn.ReLU):
            names.append(names[-1].replace("conv", "relu"))
        elif isinstance(module, nn.MaxPool2d):
            names.append(f"pool{block if vgg else index}")
            block, index = block + 1, 0 if vgg else index
        else:  # SqueezeNet numbers convolution and fire modules together
            index += 1
            names.append(f"fire{index}")
    return names


def _checked(layers: Sequence[str], names: list[str], network: str) -> tuple[str, ...]:
    if not layers or isinstance(layers, str):
        raise InputError(f"no list of layers: {layers!r}", f"choose from {', '.join(names)}")
    for layer in layers:
        if layer not in names:
            raise InputError(f"{network} has no layer {layer!r}", f"choose from {', '.join(names)}")
    return tuple(dict.fromkeys(layers))


def _he_initialise(body: nn.Sequential, rng: torch.Generator) -> None:
    """Weights N(0, 2 / fan-in), layer by layer: the depth does not change the first ones."""
    for module in body:
        if isinstance(module, nn.Conv2d):
            std = (2.0 / module.weight[0].numel()) ** 0.5
            module.weight.data = torch.randn(module.weight.shape, generator=rng) * std
            nn.init.zeros_(module.bias)


def _pretrained(network: str) -> dict[str, Tensor]:
    from torchvision import models

    file = models.get_model_weights(network).DEFAULT
    cached = os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(file.url))
    was_there = os.path.exists(cached)
    try:
        # torch.hub writes to a temporary name, checks the hash and renames: no half file stays.
        return file.get_state_dict(check_hash=True, weights_only=True)
    except Exception as error:  # the network's, or a damaged file's
        said = first_line(error)
        if was_there:
            raise InputError(
                f"{cached}: not a readable file of weights ({said})",
                "delete it, and it is downloaded anew",
            ) from None
        origin = f"torchvision's weights of {network}"
        raise InputError(f"{origin} could not be downloaded ({said})", _OFFLINE) from None


def _load(
    body: nn.Sequential, structure: nn.Sequential, state: dict[str, Tensor], origin: str
) -> None:
    prefix = "features."
    if any(key.startswith(prefix) for key in state):  # a whole network, its classifier with it
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    # The whole network's layers: the first of VGG16 and VGG19 are shaped alike.
    known = {key: value.shape for key, value in structure.state_dict().items()}
    wrong = [key for key, value in state.items() if known.get(key) != value.shape]
    missing = [key for key in body.state_dict() if key not in state]
    if wrong or missing:
        what = f"has {wrong[0]} in no or another shape" if wrong else f"lacks {missing[0]}"
        raise InputError(f"{origin}: {what}", "the weights are of another network")
    chosen = {key: state[key].to(torch.float32) for key in body.state_dict()}
    if not all(bool(value.isfinite().all()) for value in chosen.values()):
        raise InputError(f"{origin}: holds NaN or infinite weights", "use another file")
    body.load_state_dict(chosen)
