"""Paint a hole with the mouse, a finger or the keyboard, fill it, and compare.

The drawing is `painter.mjs`, without dependencies; anywidget carries it into JupyterLab, Colab and
the built page. In a live kernel "Fill" runs a method here, in Python; on a page without a kernel
the painter still paints, and says where the filling can be had.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import anywidget
import numpy as np
import traitlets

from labkit.errors import InputError, check_choice
from labkit.evaluation.metrics import psnr
from labkit.images import png_bytes
from labkit.inpainting import METHODS, check_pair, inpaint
from labkit.masks.ratio import hole_ratio

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(image, mask) → filled image, as `labkit.inpainting.inpaint`."""

LABELS = {
    "gmcnn": "GMCNN",
    "telea": "Telea",
    "ns": "Navier–Stokes",
    "biharmonic": "biharmonic",
    "mean": "mean colour",
    "black": "black",
}
TOOLS = ("brush", "eraser", "rectangle")
_PAGE = Path(__file__).parents[2] / "page"


class Stroke(TypedDict):
    """One movement of a tool, in pixels of the image; the first pixel's centre is (0.5, 0.5)."""

    tool: Literal["brush", "eraser", "rectangle"]
    size: float
    points: Sequence[tuple[float, float]]


class MaskPainter(anywidget.AnyWidget):
    """A picture to paint a hole in.

    Args:
        image: uint8 (H, W, 3), RGB, any size; shown to fit.
        mask: bool (H, W), True = missing, to begin with; None is an empty one.
        methods: names of `labkit.inpainting.METHODS` that "Fill" offers; or label → a function
            (image, mask) → filled image, which sees the picture with its hole black.
        truth: whether the picture is whole, so that a fill can be scored against it.
        links: place → address, where a page without a kernel sends its reader; by default to Colab,
            if the page has a link to it.

    Attributes:
        image: the picture.
        mask: the hole as it is painted now; may be set.
        hole_ratio: its share of the picture.
        result: the last fill, None before the first.

    Raises:
        InputError: a picture or mask of another type or size, or an unknown method.

    Example:
        painter = MaskPainter(photo("astronaut"))
        painter  # shown by a notebook; after painting: painter.mask
    """

    _esm = _PAGE / "painter.mjs"
    _css = _PAGE / "painter.css"
    _kind = traitlets.Unicode("painter").tag(sync=True)
    _image = traitlets.Bytes().tag(sync=True)
    _mask = traitlets.Unicode().tag(sync=True)
    _pixels = traitlets.Int().tag(sync=True)
    _methods = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _links = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        image: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        methods: Sequence[str] | Mapping[str, Fill] = ("telea", "ns", "gmcnn"),
        truth: bool = True,
        links: Mapping[str, str] | None = None,
    ) -> None:
        image = np.asarray(image)
        empty = np.zeros(image.shape[:2], dtype=bool)
        check_pair(image, empty if mask is None else mask)
        self.image = image
        self.result: np.ndarray | None = None
        self._truth = truth
        self._fills = _fills(methods)
        super().__init__(
            _image=png_bytes(image),
            _mask=_packed(empty if mask is None else mask),
            _pixels=empty.size,
            _methods=list(self._fills),
            _links=dict(links or {}),
        )
        self.on_msg(self._receive)

    @property
    def mask(self) -> np.ndarray:
        packed = np.frombuffer(base64.b64decode(self._mask), dtype=np.uint8)
        bits = np.unpackbits(packed, count=self._pixels)
        return bits.reshape(self.image.shape[:2]).astype(bool)

    @mask.setter
    def mask(self, mask: np.ndarray) -> None:
        check_pair(self.image, mask)
        self._mask = _packed(mask)

    @property
    def hole_ratio(self) -> float:
        return float(hole_ratio(self.mask))

    def set_strokes(self, strokes: Sequence[Stroke]) -> None:
        """Paint as a hand would, on an empty mask: for a notebook that runs without one.

        Args:
            strokes: in order; an eraser takes away what lies below it, a rectangle goes from its
                first point to its last.

        Raises:
            InputError: an unknown tool, a size that is not above 0, or a stroke without points.
        """
        mask = np.zeros(self.image.shape[:2], dtype=bool)
        for stroke in strokes:
            draw_stroke(mask, stroke)
        self.mask = mask

    def fill(self, method: str | None = None) -> np.ndarray:
        """Fill the hole as it is painted now, and show the result where the painter is shown.

        Args:
            method: one of the labels that the painter offers; None for the first.

        Returns:
            uint8 (H, W, 3), also kept as `result`.

        Raises:
            InputError: no such method, a hole of nothing or of everything, or a function of one's
                own that returns no picture of this size.
        """
        method = next(iter(self._fills)) if method is None else method
        check_choice("method", method, self._fills)
        mask = self.mask
        if not mask.any():
            raise InputError("there is no hole to fill", "paint one")
        began = time.perf_counter()
        hidden = np.where(mask[..., None], np.uint8(0), self.image)
        found = np.asarray(self._fills[method](hidden, mask))
        check_pair(found, mask)
        filled = np.where(mask[..., None], found, self.image)
        self.result = filled
        said = f"{method}, {time.perf_counter() - began:.2f} s"
        if self._truth:
            said += f": {psnr(self.image, filled):.2f} dB"
        self.send({"type": "result", "text": said}, buffers=[png_bytes(filled)])
        return filled

    def _receive(self, _: object, message: dict[str, Any], __: object) -> None:
        if message.get("type") == "hello":
            self.send({"type": "hello"})
        elif message.get("type") == "fill":
            self.send({"type": "filling"})  # a kernel that was restarted is silent
            try:
                self.fill(message.get("method"))
            except InputError as error:
                self.send({"type": "error", "text": str(error)})
            except BaseException as error:  # of a function of the reader's own, or an interrupt
                words = f"{type(error).__name__}: {error}".removesuffix(": ")
                self.send({"type": "error", "text": f"The fill failed: {words}"})
                raise

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"MaskPainter({width}×{height} pixels, {self.hole_ratio:.1%} missing)"


class CompareSlider(anywidget.AnyWidget):
    """Two pictures on top of each other, and a line to move between them.

    Args:
        before, after: uint8 (H, W, 3), RGB, of one size.
        labels: what they are called under the picture.
        description: what they show, for someone who cannot see them.

    Raises:
        InputError: pictures of another type, or of two sizes.
    """

    _esm = _PAGE / "painter.mjs"
    _css = _PAGE / "painter.css"
    _kind = traitlets.Unicode("compare").tag(sync=True)
    _before = traitlets.Bytes().tag(sync=True)
    _after = traitlets.Bytes().tag(sync=True)
    _labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _description = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        *,
        labels: tuple[str, str] = ("before", "after"),
        description: str = "",
    ) -> None:
        for picture in (before, after):
            check_pair(picture, np.zeros(before.shape[:2], dtype=bool))
        self._size = before.shape[:2]
        super().__init__(
            _before=png_bytes(before),
            _after=png_bytes(after),
            _labels=list(labels),
            _description=description,
        )

    def __repr__(self) -> str:
        height, width = self._size
        first, second = self._labels
        return f"CompareSlider({width}×{height} pixels, {first} | {second})"


def draw_stroke(mask: np.ndarray, stroke: Stroke) -> None:
    """Draw one stroke into a bool mask (H, W), in place; as `painter.mjs` does, pixel by pixel.

    Raises:
        InputError: an unknown tool, a size that is not above 0, or no points.
    """
    tool, size = stroke["tool"], float(stroke.get("size", 1))
    points = [(float(x), float(y)) for x, y in stroke["points"]]
    check_choice("tool", tool, TOOLS)
    if not points or not size > 0:
        raise InputError(
            f"a stroke of size {size:g} with {len(points)} points",
            "a size above 0 and at least one point",
        )
    height, width = mask.shape
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5  # (W,), (H, 1)
    if tool == "rectangle":
        (ax, ay), (bx, by) = points[0], points[-1]
        inside = (x >= min(ax, bx)) & (x <= max(ax, bx)) & (y >= min(ay, by)) & (y <= max(ay, by))
        mask |= inside
        return
    for (ax, ay), (bx, by) in zip([points[0], *points[:-1]], points, strict=True):
        dx, dy = bx - ax, by - ay
        squared = dx * dx + dy * dy
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / squared, 0, 1) if squared else 0.0
        near = (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2 <= (size / 2) ** 2
        mask[near] = tool == "brush"


def _fills(methods: Sequence[str] | Mapping[str, Fill]) -> dict[str, Fill]:
    if isinstance(methods, Mapping):
        return dict(methods)
    for method in methods:
        check_choice("method", method, METHODS)
    return {
        LABELS[method]: lambda image, mask, method=method: inpaint(image, mask, method)
        for method in methods
    }


def _packed(mask: np.ndarray) -> str:
    """Base64 of the mask's bits, as `painter.mjs` packs them."""
    return base64.b64encode(np.packbits(mask)).decode()
