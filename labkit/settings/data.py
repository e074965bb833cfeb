"""What a network is shown: pictures, their variations, and holes. Chapter 2."""

from __future__ import annotations

import os
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from labkit.errors import InputError
from labkit.settings.base import Number, Switch, Whole, settings
from labkit.settings.network import SMALLEST_SIDE

BUILT_IN = ("faces", "photos")  # sets of pictures that are no files of the user's
MaskKind = Literal["rectangle", "free-form", "irregular", "files", "mixed"]


def _range(value: Any) -> Any:
    """One number for a range that holds that number only."""
    return value if isinstance(value, (tuple, list)) else (value, value)


def _paths(value: Any) -> Any:
    """Paths as text, one of them as one."""
    if isinstance(value, (tuple, list)):
        return tuple(os.fspath(path) for path in value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


Pixels = Annotated[Whole, Field(ge=0)]
WholeRange = Annotated[tuple[Annotated[Whole, Field(ge=1)], Whole], BeforeValidator(_range)]
Share = Annotated[Number, Field(gt=0, le=1)]
Several = Field(json_schema_extra={"several": True})  # an option that may be repeated
Sources = Annotated[tuple[str, ...], BeforeValidator(_paths), Several]


@settings
class MaskConfig:
    """How holes are drawn. Settings of other kinds than the chosen one are ignored."""

    kind: Annotated[MaskKind, Several, "--masks"] = "mixed"
    """Holes: rectangle, free-form, irregular, mixed (one of these for each picture), or a folder or
    tar file of masks; paths may be repeated."""
    path: Annotated[str | tuple[str, ...] | None, BeforeValidator(_paths)] = None
    """Folders and tar files of masks, for the kind files."""
    invert: Annotated[Switch, "--invert-masks/--no-invert-masks"] = False
    """Mask files are black where pixels are missing."""
    side: WholeRange | None = None
    """Of rectangles, in pixels: one number, or lowest and highest; None for half the picture's."""
    margin: Pixels = 8
    """Of rectangles: known pixels kept at the border."""
    jitter: Pixels = 0
    """Of rectangles: by how many pixels each side may be shorter."""
    strokes: WholeRange = (1, 8)
    """Of free-form holes: how many."""
    turns: WholeRange = (4, 12)
    """Of free-form holes: turns of a stroke."""
    width: Annotated[tuple[Share, Share], BeforeValidator(_range)] = (0.05, 0.15)
    """Of free-form holes: width of a stroke as a share of the side."""
    bin: Annotated[Whole, Field(ge=0, le=5)] | None = None
    """Hole ratio of irregular holes and of files: 0 for 0.01–0.1, 1 for 0.1–0.2 … 5 for 0.5–0.6."""
    border: Switch | None = None
    """Whether irregular holes reach the border; None draws it."""

    def __post_init__(self) -> None:
        if self.kind == "files" and not self.path:
            raise InputError("masks from files need a path", "name a folder or a tar file of masks")
        if self.kind != "files" and self.path:
            raise InputError(
                f"{self.kind} masks take no path ({self.path})", "use kind 'files' to read masks"
            )
        for name in ("side", "strokes", "turns", "width"):
            low, high = getattr(self, name) or (0, 0)
            if low > high:
                raise InputError(f"{name} {(low, high)} must be (low, high), low first")

    @property
    def paths(self) -> tuple[str, ...]:
        """Where mask files are; empty for other kinds."""
        if self.path is None:
            return ()
        return (self.path,) if isinstance(self.path, str) else self.path


@settings
class Augmentation:
    """How a training picture is varied: a square crop, resized, perhaps mirrored."""

    flip: Annotated[Switch, "--flip/--no-flip"] = True
    """Mirror half of the pictures."""
    smallest_crop: Annotated[Number, Field(ge=0.1, le=1), "--crop"] = 1.0
    """Smallest crop, as a share of the picture's side; 1 never crops."""
    # One reflection reaches no further than the picture's own side.
    largest_crop: Annotated[Number, Field(ge=1, le=1.9), "--widest-crop"] = 1.0
    """Largest crop, likewise; above 1 the picture is mirrored around its edges."""

    @property
    def keeps_scale(self) -> bool:
        """Whether every picture is used whole, and nothing around it."""
        return self.smallest_crop == self.largest_crop == 1.0


@settings
class DataConfig:
    """What the network is shown."""

    images: Annotated[Sources, Field(min_length=1), "--data"] = ("faces",)
    """Training pictures: faces (rendered), photos (scikit-image's), a folder or a tar file; paths
    may be repeated."""
    validation: Annotated[Sources, "--validation"] = ()
    """Validation pictures, as --data; by default 5 % held out of --data, or photos' test part."""
    exclude: Annotated[Sources, "--exclude"] = ()
    """Pictures never to train or validate on: a set of pairs, a folder or a tar file; paths may be
    repeated. Those of the same name or content are left out; a near copy under another name stops
    the training."""
    masks: MaskConfig = field(default_factory=MaskConfig)
    """How holes are drawn, in training and validation."""
    size: Annotated[Whole, Field(ge=SMALLEST_SIDE), "--size"] = 64
    """Side of the training pictures in pixels."""
    source_size: Annotated[Whole | None, "--source-size"] = None
    """Side at which pictures are kept before they are cropped; by default --size."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Validation pictures are never varied."""
    cache: Annotated[Literal["none", "memory", "device"], "--cache"] = "none"
    """Keep decoded pictures: none, in memory, or on the device (whole pictures only)."""

    def __post_init__(self) -> None:
        if self.exclude and self.images[0] in BUILT_IN:
            raise InputError(
                f"nothing can be left out of {self.images[0]}, which are no files",
                "leave --exclude out, or name a folder or a tar file with --data",
            )
        whole = self.augmentation.keeps_scale and self.source_size in (None, self.size)
        if self.cache == "device" and not whole:
            raise InputError(
                "pictures cached on the device are used whole",
                "leave crops and the source size out, or cache in memory",
            )
        if self.source_size is not None and self.source_size < self.size:
            raise InputError(
                f"source size {self.source_size} is below the training size {self.size}"
            )
