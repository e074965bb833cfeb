"""The look of every figure in the book: `draw_*` build one and return it, `show_*` show it at once.

The page is light or dark as the reader likes, and a PNG is neither: figures are drawn on an
off-white card, which the site's style sheet rounds and never dims. Lines are told apart by colour,
dash and marker together. Colours: M. Okabe and K. Ito, "Color Universal Design", 2008, without
their yellow, which is too pale for a line on white. Heat maps use cividis (Nuñez, Anderton and
Renslow, 2018), which reads the same with and without colour blindness, and in grey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.errors import InputError
from labkit.images import to_uint8

if TYPE_CHECKING:
    from torch import Tensor

    Arrays = Tensor | np.ndarray | Sequence[Tensor | np.ndarray]

CARD = "#fbfaf7"
INK = "#26323a"
HOLE = "#d55e00"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#26323a")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HEAT = "cividis"

WIDTH = 8.0  # inches; the text column of the site
LINE_DPI = 150  # sharp on dense screens; line art compresses well
IMAGE_DPI = 110  # photographs do not: this keeps a chapter under its size limit
MAX_COLUMNS = 5

STYLE: dict[str, Any] = {
    "figure.facecolor": CARD,
    "figure.dpi": LINE_DPI,
    "savefig.facecolor": CARD,
    "savefig.dpi": LINE_DPI,
    "axes.facecolor": CARD,
    "axes.edgecolor": "#8a949b",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#dedcd5",
    "grid.linewidth": 0.7,
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same everywhere
    "font.size": 10,
    "text.color": INK,
    "xtick.color": "#55626b",
    "ytick.color": "#55626b",
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.5,
    "image.cmap": HEAT,
    "image.interpolation": "nearest",
}


def figure(
    rows: int = 1, columns: int = 1, *, width: float = WIDTH, height: float = 3.4, **options: Any
) -> tuple[Figure, Any]:
    """Axes in the book's look: `fig, ax = figure()`, or an array of axes for a grid.

    Args:
        width, height: inches; by default as wide as the text column.
        **options: passed to `plt.subplots`, `sharey=True` or `dpi=110` say.
    """
    with mpl.rc_context(STYLE):
        return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)


def draw_lines(
    x: Any,
    curves: Mapping[str, Any],
    *,
    bands: Mapping[str, tuple[Any, Any]] | None = None,
    markers: bool | None = None,
    height: float = 3.4,
    **axes: Any,
) -> Figure:
    """One set of axes with a labelled curve for each entry of `curves`.

    Args:
        x: positions (n,), shared by every curve; or names, for categories.
        curves: label → values (n,).
        bands: label → (low, high), each (n,): a shaded interval around that curve.
        markers: mark each point; by default when there are at most 16.
        height: inches.
        **axes: of the axes: xlabel and ylabel with their units, title, ylim, `xscale="log"`.
    """
    if not curves:
        raise InputError("there is no curve to draw")
    fig, ax = figure(height=height)
    marked = len(x) <= 16 if markers is None else markers
    with mpl.rc_context(STYLE):
        for k, (label, values) in enumerate(curves.items()):
            if len(values) != len(x):
                raise InputError(f"curve {label!r} has {len(values)} points, the x axis {len(x)}")
            look = line_style(k, marked=marked)
            ax.plot(x, values, label=label, **look)
            if bands and label in bands:
                ax.fill_between(x, *bands[label], color=look["color"], alpha=0.15, linewidth=0)
        ax.set(**axes)
        if len(curves) > 1:
            ax.legend()
    return fig


def line_style(k: int, *, marked: bool = False) -> dict[str, Any]:
    """Keyword arguments of `Axes.plot` for the k-th curve: colour, dash and marker all differ."""
    look = {"color": PALETTE[k % len(PALETTE)], "linestyle": DASHES[k % len(DASHES)]}
    return look | ({"marker": MARKERS[k % len(MARKERS)]} if marked else {})


def draw_images(
    images: Arrays,
    titles: Sequence[str] | None = None,
    *,
    masks: Arrays | None = None,
    **layout: Any,
) -> Figure:
    """A grid of pictures.

    Args:
        images: one or many of: uint8 (H, W, 3) or (B, H, W, 3) arrays, float tensors (3, H, W) or
            (B, 3, H, W) in [-1, 1]. Entries of a sequence may differ in size.
        titles: one for each picture, or for each picture of the first row.
        masks: one for each picture, or one for all; True or 1 is missing. Its outline is drawn.
        **layout: columns: pictures a row; by default all in one row, up to five.
            row_labels: written at the left of each row. dpi: pixels an inch.
    """
    pictures = _pictures(images)
    outlines = [] if masks is None else _masks(masks)
    if len(outlines) not in (0, 1, len(pictures)):
        raise InputError(f"{len(outlines)} masks do not go with {len(pictures)} pictures")
    fig, axes = _grid(pictures, titles, **layout)
    for k, (ax, picture) in enumerate(zip(axes, pictures, strict=False)):
        ax.imshow(picture)
        if outlines:
            _outline(ax, outlines[k % len(outlines)], picture.shape[:2])
    return fig


def draw_masks(masks: Arrays, titles: Sequence[str] | None = None, **layout: Any) -> Figure:
    """A grid of masks, the hole in orange on grey: white-on-black means the opposite to some.

    Args:
        masks: one or many of: bool (H, W), {0, 1} of (H, W), (1, H, W) or (B, 1, H, W); 1 missing.
        titles, layout: as in `draw_images`.
    """
    holes = _masks(masks)
    fig, axes = _grid(holes, titles, **layout)
    colours = mpl.colors.ListedColormap(["#e4e2db", HOLE])
    for ax, hole in zip(axes, holes, strict=False):
        ax.imshow(hole, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    return fig


def draw_maps(
    maps: Arrays,
    titles: Sequence[str] | None = None,
    *,
    label: str = "",
    limits: tuple[float, float] | None = None,
    **layout: Any,
) -> Figure:
    """A grid of heat maps that share one colour bar.

    Args:
        maps: one or many of: (H, W), (1, H, W) or (B, 1, H, W) of finite numbers; masked entries
            of NumPy's masked arrays are left grey.
        titles, layout: as in `draw_images`.
        label: what the colour bar measures, with its unit.
        limits: values at the two ends of the colours; by default the extremes over all maps.
    """
    fields = _planes(maps, "a map")
    low, high = limits or (min(float(f.min()) for f in fields), max(float(f.max()) for f in fields))
    fig, axes = _grid(fields, titles, side=0.7, **layout)
    heat = mpl.colormaps[HEAT].with_extremes(bad="#c9ced2")
    for ax, field in zip(axes, fields, strict=False):
        shown = ax.imshow(field, cmap=heat, vmin=low, vmax=high, interpolation="nearest")
    with mpl.rc_context(STYLE):
        bar = fig.colorbar(shown, ax=axes, label=label, fraction=0.05, pad=0.02)
        bar.outline.set_visible(False)
    return fig


def _then_show(draw: Callable[..., Figure]) -> Callable[..., None]:
    def show(*what: Any, **options: Any) -> None:
        draw(*what, **options)
        plt.show()

    show.__name__ = show.__qualname__ = draw.__name__.replace("draw", "show")
    show.__doc__ = f"`{draw.__name__}`, with its arguments, and show the figure."
    return show


show_lines, show_images = _then_show(draw_lines), _then_show(draw_images)
show_masks, show_maps = _then_show(draw_masks), _then_show(draw_maps)


def _grid(
    items: Sequence[np.ndarray],
    titles: Sequence[str] | None,
    *,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    dpi: int = IMAGE_DPI,
    side: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure with a bare axis for each item; `side` inches are left free at the right."""
    if not items:
        raise InputError("there is nothing to draw")
    columns = columns or min(len(items), MAX_COLUMNS)
    rows = -(-len(items) // columns)
    titles, row_labels = titles or (), row_labels or ()
    if len(titles) not in (0, len(items), columns):
        raise InputError(f"{len(titles)} titles do not go with {len(items)} pictures")
    if len(row_labels) not in (0, rows):
        raise InputError(f"{len(row_labels)} row labels do not go with {rows} rows")
    cell = min((WIDTH - side) / columns, 3.2)
    tall = max(item.shape[0] / item.shape[1] for item in items) * cell
    width, height = cell * columns + side, rows * (tall + (0.28 if titles else 0.05))
    size = {"width": round(width, 2), "height": round(height, 2)}
    fig, grid = figure(rows, columns, **size, dpi=dpi, squeeze=False)
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[], facecolor="none")
        ax.grid(False)
        ax.spines[:].set_visible(False)
    for ax, title in zip(grid.flat, titles, strict=False):
        ax.set_title(title, fontsize=10, color=INK, pad=4)
    for ax, label in zip(grid[:, 0], row_labels, strict=False):
        ax.set_ylabel(label, color=INK, fontsize=10)
    return fig, list(grid.flat)


def _outline(ax: Axes, mask: np.ndarray, size: tuple[int, ...]) -> None:
    """Trace the hole's edge along pixel borders; an empty or full mask has none to trace."""
    if mask.shape != tuple(size):
        raise InputError(f"the mask is {mask.shape}, its picture {tuple(size)}")
    framed = np.pad(mask, 1).astype(float)  # a hole that touches the border is closed too
    rows, columns = (np.arange(-1, length + 1) for length in mask.shape)
    if mask.any():
        ax.contour(columns, rows, framed, levels=[0.5], colors=[HOLE], linewidths=1.4)
        ax.set(xlim=(-0.5, mask.shape[1] - 0.5), ylim=(mask.shape[0] - 0.5, -0.5))


def _pictures(images: Any) -> list[np.ndarray]:
    """Anything `draw_images` accepts → a list of uint8 (H, W, 3)."""
    if isinstance(images, Sequence):
        return [picture for entry in images for picture in _pictures(entry)]
    batch = images if images.ndim == 4 else images[None]
    if not isinstance(images, np.ndarray):
        return list(to_uint8(batch))
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] != 3:
        raise InputError(
            f"a picture array must be uint8 (H, W, 3), not {images.dtype} {images.shape}",
            "show single-channel maps with draw_maps",
        )
    return list(batch)


def _masks(masks: Any) -> list[np.ndarray]:
    """Anything `draw_masks` accepts → a list of bool (H, W), True where missing."""
    planes = _planes(masks, "a mask")
    if not all(np.isin(plane, (0, 1)).all() for plane in planes):
        raise InputError("a mask holds values other than 0 and 1")
    return [plane.astype(bool) for plane in planes]


def _planes(values: Any, what: str) -> list[np.ndarray]:
    """Arrays or tensors of (H, W), (1, H, W), (B, 1, H, W), or a sequence of them → (H, W) each."""
    if isinstance(values, Sequence):
        return [plane for entry in values for plane in _planes(entry, what)]
    array = values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
    if array.ndim in (2, 3):
        array = array.reshape(-1, 1, *array.shape[-2:])
    if array.ndim != 4 or array.shape[1] != 1:
        raise InputError(f"{what} must be (H, W), (1, H, W) or (B, 1, H, W), not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{what} holds NaN or infinite values")
    return list(array[:, 0])
