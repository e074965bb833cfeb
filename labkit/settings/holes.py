"""Where a picture to be filled says which of its pixels are missing."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from labkit.errors import InputError
from labkit.settings.base import Switch, Text, settings


@settings
class HoleConfig:
    """How masks are read. By default white is missing."""

    source: Annotated[Literal["alpha"] | None, "--mask"] = None
    """Alpha: pixels of the picture that are not opaque are missing, and become opaque; MASK is left
    out."""
    color: Annotated[Text | None, "--mask-color"] = None
    """Pixels of this colour in the mask are missing, R,G,B or #rrggbb, up to 16 levels off; where
    MASK is left out, those of the picture itself, painted over."""
    invert: Annotated[Switch, "--invert-mask"] = False
    """The mask is black where pixels are missing."""
    resize: Annotated[Switch, "--resize-mask"] = False
    """Resize a mask of another size to its picture."""

    def __post_init__(self) -> None:
        others = (self.color, "--mask-color"), (self.invert, "--invert-mask")
        for given, option in (*others, (self.resize, "--resize-mask")):
            if self.source and given:
                raise InputError(f"{option} means nothing to --mask alpha", "leave it out")
        if self.color is not None and self.colour is None:
            raise InputError(
                f"--mask-color {self.color}: is no colour", "give R,G,B of 0 to 255 or #rrggbb"
            )

    @property
    def colour(self) -> tuple[int, ...] | None:
        """R, G and B of 0 to 255; None for no colour."""
        said = (self.color or "").strip()
        digits = re.fullmatch("#?" + 3 * "([0-9a-fA-F]{2})", said)
        found = digits or re.fullmatch(r"(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})", said)
        values = tuple(int(part, 16 if digits else 10) for part in found.groups()) if found else ()
        return values if values and max(values) < 256 else None
