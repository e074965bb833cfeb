"""A run's records: one JSON object a line, and the same for TensorBoard."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from labkit.training.checkpoint import RunFolder


class Logs:
    """Writes a run's records; a context manager.

    Args:
        run: the folder.
        step: steps completed before the first record.
        active: False writes nothing, as in all processes but one.
    """

    def __init__(self, run: RunFolder, step: int, *, active: bool) -> None:
        self.run, self.active = run, active
        self.board: Any = None
        if not active:
            return
        from torch.utils.tensorboard import SummaryWriter

        try:
            # Events after the checkpoint belong to a future that is being written anew.
            self.board = SummaryWriter(str(run.path), purge_step=step + 1 if step else None)
        except UnicodeEncodeError:
            warnings.warn(
                f"{run.path}: TensorBoard takes no name that is not UTF-8, and gets no records; "
                f"{run.metrics.name} has them",
                stacklevel=2,
            )

    def __enter__(self) -> Logs:
        return self

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()

    def record(self, record: dict[str, object]) -> None:
        """Scalars of one step, and its stage."""
        if not self.active:
            return
        self.run.log(record)
        if self.board is None:
            return
        for name, value in record.items():
            if isinstance(value, (int, float)) and name != "step":
                self.board.add_scalar(name, value, record["step"])

    def picture(self, picture: np.ndarray, step: int) -> None:
        """A sample grid, uint8 (H, W, 3)."""
        if self.board is not None:
            self.board.add_image("samples", picture, step, dataformats="HWC")
