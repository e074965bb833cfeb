"""What several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from labkit.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


class Interrupted(Exception):
    """Ctrl-C, with what to say about it: Typer deals with KeyboardInterrupt in its own way."""


def interruptible(command: Callable[P, R]) -> Callable[P, R]:
    """Turn Ctrl-C within a command into `Interrupted`."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None

    return run


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
