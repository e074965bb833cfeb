"""What is known of each frame so far: in memory, or in a folder from which a later run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labkit.files import atomic_write


class Store:
    """Arrays by what they are and by the number of their frame.

    Args:
        folder: for one file each; None keeps them in memory.

    >>> store = Store()
    >>> store.put("frame", 3, mask=np.ones(2))
    >>> ("frame", 3) in store, store.get("frame", 3)["mask"].tolist()
    (True, [1.0, 1.0])
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._arrays: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._arrays if self.folder is None else self._path(*key).exists()

    def put(self, what: str, number: int, **arrays: np.ndarray) -> None:
        """Keep arrays; a file appears whole or not at all."""
        if self.folder is None:
            self._arrays[what, number] = arrays
        else:
            path = self._path(what, number)
            atomic_write(path, lambda file: np.savez(file, **arrays), durable=False)

    def get(self, what: str, number: int) -> dict[str, np.ndarray]:
        """The arrays that were put there."""
        if self.folder is None:
            return self._arrays[what, number]
        with np.load(self._path(what, number)) as arrays:
            return dict(arrays)

    def _path(self, what: str, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{what}-{number:06}.npz"
