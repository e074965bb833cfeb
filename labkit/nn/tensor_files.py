"""Files of tensors that somebody else wrote: safetensors, or a pickled state dict.

A pickle is read with ``weights_only=True``: tensors are read, code is never run.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from labkit.errors import InputError


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Name → tensor, on the CPU, of a ``.safetensors`` file or of a state dict saved by `torch`.

    Raises:
        InputError: no such file, a damaged one, or one that holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(path.read_bytes())
        with path.open("rb") as file:  # a name that is not UTF-8 is opened by Python alone
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        said = first_line(error)
        if isinstance(error, pickle.UnpicklingError):  # whose text recommends to run its code
            said = "not what torch.save wrote, or more than tensors"
        raise InputError(
            f"{path}: not a readable file of tensors ({said})",
            "give a complete .safetensors file or one saved by torch.save(model.state_dict())",
        ) from None
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError(f"{path}: not a state dict of tensors", "save model.state_dict()")
    return state


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its name where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
