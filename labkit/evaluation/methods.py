"""What an evaluation compares: classical methods by name and generators by their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import InputError
from labkit.inpainting import DEFAULT_WEIGHTS, METHODS, inpaint

if TYPE_CHECKING:
    import torch

    from labkit.nn.generator import GMCNN


@dataclass(frozen=True)
class Method:
    """One way to fill a hole, and what to call it in a table.

    Attributes:
        label: unique in an evaluation.
        name: one of `labkit.inpainting.METHODS`.
        generator: the network where `name` is "gmcnn".
        weights_sha256: of the file the network came from, where it came from one.
    """

    label: str
    name: str
    generator: GMCNN | None = None
    weights_sha256: str | None = None

    def fill(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) and bool (H, W) → uint8 (H, W, 3), known pixels bit-exact."""
        return inpaint(image, mask, self.name, generator=self.generator)


def open_methods(
    names: Sequence[str], weights: Sequence[str] = (), *, device: torch.device | str = "cpu"
) -> list[Method]:
    """The methods of an evaluation, classical ones first, each once, in the order given.

    Args:
        names: from `labkit.inpainting.METHODS`. "gmcnn" stands for the packaged weights, unless
            `weights` says which.
        weights: packaged names, safetensors files or folders of training runs, a row for each.
        device: where the networks run.

    Raises:
        InputError: an unknown name, weights that cannot be read, or nothing to evaluate.

    >>> [method.label for method in open_methods(["telea", "ns"])]
    ['telea', 'ns']
    """
    names, weights = list(dict.fromkeys(names)), list(dict.fromkeys(weights))
    for name in names:
        if name not in METHODS:
            raise InputError(f"unknown method {name!r}", f"choose from {', '.join(METHODS)}")
    if "gmcnn" in names and not weights:
        weights = [DEFAULT_WEIGHTS]
    methods = [Method(name, name) for name in names if name != "gmcnn"]
    if weights:
        from labkit.nn.weights import load_generator, weights_hash

        short = [_short(Path(spec)) for spec in weights]
        for spec, name in zip(weights, short, strict=True):
            label = f"gmcnn {name if name and short.count(name) == 1 else spec}"
            generator = load_generator(spec, device=device)
            methods.append(Method(label, "gmcnn", generator, weights_hash(spec)))
    if not methods:
        raise InputError("nothing to evaluate", "name a method or weights")
    return methods


def _short(weights: Path) -> str:
    if weights.is_dir():
        return weights.name  # no suffix to take off: it may be called lr0.001
    # Every run's file is called generator.safetensors: its folder tells runs apart.
    return weights.parent.name if weights.stem == "generator" else weights.stem
