"""A run's folder: what it holds, and how a kill at any moment loses nothing.

::

    config.json            the run's configuration
    state.pt               everything the next step depends on, of the newest checkpoint
    state.previous.pt      the checkpoint before it
    generator.safetensors  the weights of the newest checkpoint, for use
    metrics.jsonl          one JSON object a line: training and validation scalars
    samples/               pictures of the validation set
    events.out.tfevents.*  the same for TensorBoard

Every file is written to a temporary name, synced, and renamed. ``state.pt`` alone decides where a
run goes on; the weights file is made from it.
"""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from labkit.errors import InputError
from labkit.images import atomic_write

_FORMAT = "labkit-state-1"


class RunFolder:
    """The files of one training run.

    Args:
        path: the folder; made when first written to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.state = self.path / "state.pt"
        self.previous = self.path / "state.previous.pt"
        self.weights = self.path / "generator.safetensors"
        self.metrics = self.path / "metrics.jsonl"
        self.samples = self.path / "samples"

    def holds_a_run(self) -> bool:
        return self.config.exists() or self.state.exists() or self.previous.exists()

    def save_state(self, state: dict[str, Any]) -> None:
        """Write a checkpoint; the one before it is kept as ``state.previous.pt``."""
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, **state}, buffer)

        def write(file: io.BufferedIOBase) -> None:
            file.write(buffer.getbuffer())

        # The new checkpoint is complete on disk under a name of its own before any name changes
        # hands.
        fresh = self.path / "state.new.pt"
        atomic_write(fresh, write)
        if self.state.exists():
            os.replace(self.state, self.previous)
        os.replace(fresh, self.state)

    def load_state(self) -> dict[str, Any]:
        """The newest complete checkpoint.

        A kill between the two renames of `save_state` leaves the newest under ``state.new.pt``.

        Raises:
            InputError: there is none, or it is damaged.
        """
        for path in (self.state, self.path / "state.new.pt", self.previous):
            if path.exists():
                return _read_state(path)
        raise InputError(f"{self.path}: holds no checkpoint", "start the run without --resume")

    def truncate_metrics(self, step: int) -> None:
        """Drop records of steps after `step`: they will be written again."""
        if not self.metrics.exists():
            return
        kept = [r for r in read_metrics(self.metrics) if int(r["step"]) <= step]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        atomic_write(self.metrics, lambda file: file.write(text.encode()))

    def log(self, record: dict[str, object]) -> None:
        """Append one record to ``metrics.jsonl``."""
        try:
            with self.metrics.open("a") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise InputError(
                f"{self.metrics}: cannot be written ({error.strerror})", "check the free space"
            ) from error


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The records of a ``metrics.jsonl``; a last line cut short by a kill is left out."""
    records = []
    lines = Path(path).read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            if number == len(lines):
                break
            raise InputError(f"{path}: line {number} is not JSON", "remove that line") from None
    return records


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: damaged checkpoint ({reason})",
            "delete it to go on from state.previous.pt, if that is there",
        ) from None
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path}: not a checkpoint of this package")
    return state
