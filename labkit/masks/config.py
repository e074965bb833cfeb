"""Which holes to draw: one frozen, self-validating description for training, tests and results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from labkit.checks import check_fraction_range, check_whole, check_whole_range
from labkit.errors import InputError
from labkit.masks.ratio import check_bin

MaskKind = Literal["rectangle", "free-form", "irregular", "files", "mixed"]


@dataclass(frozen=True)
class MaskConfig:
    """How holes are drawn.

    Every value is a number, a text or a tuple of them, so that `dataclasses.asdict` goes to JSON
    and `MaskConfig(**json)` comes back equal. Settings of other kinds than the chosen one are
    ignored.

    Attributes:
        kind: "rectangle", "free-form", "irregular", "files" (drawn from `path`), or "mixed", which
            draws one of the first three for each mask.
        path: folders and tar files of masks; only for, and required by, "files".
        invert: the files have the opposite polarity, white = known.
        side, margin, jitter: of rectangles, in pixels; see `labkit.masks.rectangle`.
        strokes, turns, width: of free-form strokes; see `labkit.masks.free_form`.
        bin, border: of irregular masks; see `labkit.masks.irregular`. With files, `bin` keeps to
            masks whose hole ratio lies in that bin.
    """

    kind: MaskKind = "mixed"
    path: str | tuple[str, ...] | None = None
    invert: bool = False
    side: int | tuple[int, int] | None = None
    margin: int = 8
    jitter: int = 0
    strokes: tuple[int, int] = (1, 8)
    turns: tuple[int, int] = (4, 12)
    width: tuple[float, float] = (0.05, 0.15)
    bin: int | None = None
    border: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(MaskKind):
            kinds = ", ".join(get_args(MaskKind))
            raise InputError(f"unknown kind of mask {self.kind!r}", f"choose one of {kinds}")
        if self.kind == "files" and not self.path:
            raise InputError("masks from files need a path", "name a folder or a tar file of masks")
        if self.kind != "files" and self.path:
            raise InputError(
                f"{self.kind} masks take no path ({self.path})", "use kind 'files' to read masks"
            )
        # JSON has lists for tuples, which neither hash nor compare equal, and no paths.
        if isinstance(self.path, (tuple, list)):
            object.__setattr__(self, "path", tuple(os.fspath(path) for path in self.path))
        elif self.path is not None:
            object.__setattr__(self, "path", os.fspath(self.path))
        if self.side is not None:
            object.__setattr__(self, "side", check_whole_range("side", self.side, 1))
        object.__setattr__(self, "strokes", check_whole_range("strokes", self.strokes, 1))
        object.__setattr__(self, "turns", check_whole_range("turns", self.turns, 1))
        object.__setattr__(self, "width", check_fraction_range("width", self.width))
        check_whole("margin", self.margin, 0)
        check_whole("jitter", self.jitter, 0)
        if self.bin is not None:
            check_bin(self.bin)
        for name in ("invert", "border"):
            value = getattr(self, name)
            if not isinstance(value, bool) and not (name == "border" and value is None):
                raise InputError(f"{name} {value!r} must be true or false")

    @property
    def paths(self) -> tuple[str, ...]:
        """Where mask files are; empty for other kinds."""
        if self.path is None:
            return ()
        return (self.path,) if isinstance(self.path, str) else self.path
