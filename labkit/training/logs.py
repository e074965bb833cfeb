"""A run's records: one JSON object a line, and the same for TensorBoard."""

from __future__ import annotations

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
        if active:
            from torch.utils.tensorboard import SummaryWriter

            # Events after the checkpoint belong to a future that is being written anew.
            self.board = SummaryWriter(str(run.path), purge_step=step + 1 if step else None)

    def __enter__(self) -> Logs:
        return self

    def __exit__(self, *_: object) -> None:
        if self.active:
            self.board.close()

    def record(self, record: dict[str, object]) -> None:
        """Scalars of one step, and its stage."""
        if not self.active:
            return
        self.run.log(record)
        for name, value in record.items():
            if isinstance(value, (int, float)) and name != "step":
                self.board.add_scalar(name, value, record["step"])

    def picture(self, picture: np.ndarray, step: int) -> None:
        """A sample grid, uint8 (H, W, 3)."""
        if self.active:
            self.board.add_image("samples", picture, step, dataformats="HWC")
