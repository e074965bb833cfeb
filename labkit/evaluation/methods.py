"""What an evaluation compares: classical methods by name and generators by their weights."""

from __future__ import annotations

from collections import Counter
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

        labels = _labels(weights)
        methods += [
            Method(label, "gmcnn", load_generator(spec, device=device), weights_hash(spec))
            for label, spec in zip(labels, weights, strict=True)
        ]
    if not methods:
        raise InputError("nothing to evaluate", "name a method or weights")
    return methods


def _labels(weights: Sequence[str]) -> list[str]:
    """Short names for weights; those that would be the same keep their full path."""
    short = []
    for spec in weights:
        path = Path(spec)
        if path.is_dir():
            short.append(path.name)  # no suffix to take off: it may be called lr0.001
        else:
            # Every run's file is called generator.safetensors: its folder tells runs apart.
            short.append(path.parent.name if path.stem == "generator" else path.stem)
    count = Counter(short)
    return [
        f"gmcnn {name if name and count[name] == 1 else spec}"
        for name, spec in zip(short, weights, strict=True)
    ]
