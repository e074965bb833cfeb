"""What several commands share."""

from __future__ import annotations

from labkit.errors import InputError


def pick_device(name: str) -> str:
    """The device to compute on: "auto" is a GPU where there is one, else the CPU.

    Raises:
        InputError: a device that this machine, or this build of PyTorch, does not have.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        kind = ""
    available = {"cpu": True, "cuda": cuda, "mps": mps}
    if not available.get(kind, False):
        have = ", ".join(key for key, there in available.items() if there)
        raise InputError(f"--device {name}: no such device here", f"choose from auto, {have}")
    index = torch.device(name).index or 0
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise InputError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices")
    return name
