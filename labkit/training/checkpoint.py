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
run goes on; the weights file is made from it. It is what `torch.save` writes, followed by the
SHA-256 of that, so that a file cut short or altered is refused rather than trained from.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from labkit.errors import InputError
from labkit.files import (
    CONFIG,
    FRESH_STATE,
    PREVIOUS_STATE,
    STATE,
    WEIGHTS,
    atomic_write,
    write_text,
)

_FORMAT = "labkit-state-2"
_TRAILER = b"\nlabkit sha256 "  # then 64 hexadecimal digits


class RunFolder:
    """The files of one training run.

    Args:
        path: the folder; made when first written to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / CONFIG
        self.state = self.path / STATE
        self.previous = self.path / PREVIOUS_STATE
        self.weights = self.path / WEIGHTS
        self.metrics = self.path / "metrics.jsonl"
        self.samples = self.path / "samples"

    def holds_a_run(self) -> bool:
        return self.config.exists() or self.state.exists() or self.previous.exists()

    def holds_a_checkpoint(self) -> bool:
        return any(path.exists() for path in self._newest_first())

    def _newest_first(self) -> tuple[Path, ...]:
        # A kill between the two renames of `save_state` leaves the newest under the middle name.
        return self.state, self.path / FRESH_STATE, self.previous

    def save_state(self, state: dict[str, Any]) -> None:
        """Write a checkpoint; the one before it is kept as ``state.previous.pt``."""
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, **state}, buffer)

        def write(file: io.BufferedIOBase) -> None:
            file.write(buffer.getbuffer())
            file.write(_TRAILER + hashlib.sha256(buffer.getbuffer()).hexdigest().encode())

        # The new checkpoint is complete on disk under a name of its own before any name changes
        # hands.
        fresh = self.path / FRESH_STATE
        atomic_write(fresh, write)
        if self.state.exists():
            os.replace(self.state, self.previous)
        os.replace(fresh, self.state)

    def load_state(self, *, previous: bool = False) -> dict[str, Any]:
        """The newest complete checkpoint.

        Args:
            previous: the checkpoint before it instead.

        Raises:
            InputError: there is none, or it is damaged.
        """
        for path in (self.previous,) if previous else self._newest_first():
            if path.exists():
                return _read_state(path)
        raise InputError(f"{self.path}: holds no checkpoint", "start the run without --resume")

    def set_newest_aside(self) -> None:
        """Rename the newest checkpoint, which is damaged, so that it takes nobody's place."""
        if self.state.exists():
            os.replace(self.state, self.path / "state.damaged.pt")

    def truncate_metrics(self, step: int) -> None:
        """Drop records of steps after `step`: they will be written again."""
        if not self.metrics.exists():
            return
        kept = [r for r in read_metrics(self.metrics) if int(r["step"]) <= step]
        write_text(self.metrics, "".join(map(_line, kept)))

    def log(self, record: dict[str, object]) -> None:
        """Append one record to ``metrics.jsonl``."""
        try:
            with self.metrics.open("a") as file:
                file.write(_line(record))
        except OSError as error:
            raise InputError(
                f"{self.metrics}: cannot be written ({error.strerror})", "check the free space"
            ) from error


def _line(record: dict[str, Any]) -> str:
    """A record as a line of JSON, which has no word for what is not finite."""
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
    return json.dumps(plain, allow_nan=False) + "\n"


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The records of a ``metrics.jsonl``; a last line cut short by a kill is left out."""
    path, records = Path(path), []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            int(record["step"])
        except (ValueError, TypeError, KeyError, OverflowError):
            if number == len(lines):
                break
            raise InputError(
                f"{path}: line {number} is no record of a step in JSON", "remove that line"
            ) from None
        records.append(record)
    return records


def _read_state(path: Path) -> dict[str, Any]:
    remedy = "go on from the checkpoint before it with --previous"
    if path.name == PREVIOUS_STATE:
        remedy = "start the run again"
    try:
        body, trailer, digest = path.read_bytes().rpartition(_TRAILER)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", remedy) from None
    if not trailer:
        raise InputError(f"{path}: damaged checkpoint (cut short, or not of this package)", remedy)
    if hashlib.sha256(body).hexdigest() != digest.decode(errors="replace"):
        raise InputError(f"{path}: damaged checkpoint (its content has been altered)", remedy)
    try:
        state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not tensors alone ({reason})", remedy) from None
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of the package", remedy)
    return state
