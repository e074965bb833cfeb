"""What several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

from labkit.errors import InputError
from labkit.files import CONFIG, FRESH_STATE, PREVIOUS_STATE, STATE

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


def refuse_options(context: typer.Context, names: Iterable[str], user: str) -> None:
    """Refuse options that were given, defaults included, where nothing makes use of them.

    Args:
        names: of the command's parameters.
        user: what they mean nothing to, for the message.

    Raises:
        InputError: one of them stands on the command line.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name)
        if parameter.name not in names or source.name != "COMMANDLINE":
            continue
        value = context.params[parameter.name]
        if isinstance(value, bool):
            given = (parameter.opts if value else parameter.secondary_opts)[0]
        else:
            values = value if isinstance(value, (list, tuple)) else [value]
            given = " ".join([parameter.opts[0], *map(str, values)])
        raise InputError(f"{given} means nothing to {user}", "leave it out")


def refuse_checkpoints(*weights: str | None) -> None:
    """Refuse the file that a training run goes on from where the weights it made are asked for.

    Raises:
        InputError: one of them is such a file.
    """
    checkpoints = (STATE, FRESH_STATE, PREVIOUS_STATE)
    for path in (Path(name) for name in weights if name):
        if path.name in checkpoints and (path.parent / CONFIG).is_file():
            raise InputError(
                f"--weights {path}: is a checkpoint, for a training to go on from",
                f"name the run's folder, {path.parent}",
            )


def refuse_inside_pairs(option: str, path: Path, pairs: Path) -> None:
    """Refuse to write among the pairs that are scored.

    Raises:
        InputError: `path`, which `option` names, is the folder `pairs` or lies in it.
    """
    if pairs.is_dir() and path.resolve().is_relative_to(pairs.resolve()):
        raise InputError(
            f"{option} {path}: lies inside --pairs {pairs}, whose pictures are taken for pairs",
            "name a place outside of it",
        )


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
