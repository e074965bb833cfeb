"""The look of every figure in the book, in one place.

Two families. `draw_*` build a figure and return it (the sliders draw with them); `show_*` draw and
then show, which is what a chapter's cell ends with. `figure` gives plain axes in the same look.

The page is light or dark as the reader likes, and a PNG is neither: figures are drawn on an
off-white card, which the site's style sheet rounds and never dims. Lines are told apart by colour,
dash and marker together. Colours: M. Okabe and K. Ito, "Color Universal Design", 2008, without
their yellow, which is too pale for a line on white. Heat maps use cividis (Nuñez, Anderton and
Renslow, 2018), which reads the same with and without colour blindness, and in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "axes.titleweight": "medium",
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
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = WIDTH,
    height: float = 3.4,
    dpi: int = LINE_DPI,
    **options: Any,
) -> tuple[Figure, Any]:
    """Axes in the book's look: `fig, ax = figure()`, or an array of axes for a grid.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        width: inches; the default fills the text column.
        height: inches.
        dpi: pixels an inch.
        **options: passed to `plt.subplots`, `sharey=True` say.
    """
    with mpl.rc_context(STYLE):
        return plt.subplots(
            rows, columns, figsize=(width, height), dpi=dpi, layout="constrained", **options
        )


def draw_lines(
    x: Any,
    curves: Mapping[str, Any],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    bands: Mapping[str, tuple[Any, Any]] | None = None,
    markers: bool | None = None,
    log_x: bool = False,
    log_y: bool = False,
    ylim: tuple[float, float] | None = None,
    height: float = 3.4,
) -> Figure:
    """One set of axes with a labelled curve for each entry of `curves`.

    Args:
        x: positions (n,), shared by every curve; or names, for categories.
        curves: label → values (n,).
        xlabel: axis label with its unit.
        ylabel: axis label with its unit.
        title: short; empty for none.
        bands: label → (low, high), each (n,): a shaded interval around that curve.
        markers: mark each point; by default when there are at most 16.
        log_x: logarithmic x axis.
        log_y: logarithmic y axis.
        ylim: limits of the y axis.
        height: inches.
    """
    if not curves:
        raise InputError("there is no curve to draw")
    fig, ax = figure(height=height)
    marked = len(x) <= 16 if markers is None else markers
    with mpl.rc_context(STYLE):
        for k, (label, values) in enumerate(curves.items()):
            if len(values) != len(x):
                raise InputError(
                    f"the curve {label!r} has {len(values)} points, the x axis has {len(x)}"
                )
            look = line_style(k, marked=marked)
            ax.plot(x, values, label=label, **look)
            if bands and label in bands:
                low, high = bands[label]
                ax.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
        if log_x:
            ax.set_xscale("log")
        if log_y:
            ax.set_yscale("log")
        if ylim is not None:
            ax.set_ylim(*ylim)
        if len(curves) > 1:
            ax.legend()
    return fig


def line_style(k: int, *, marked: bool = False) -> dict[str, Any]:
    """Keyword arguments of `Axes.plot` for the k-th curve: colour, dash and marker all differ."""
    style: dict[str, Any] = {
        "color": PALETTE[k % len(PALETTE)],
        "linestyle": DASHES[k % len(DASHES)],
    }
    if marked:
        style["marker"] = MARKERS[k % len(MARKERS)]
    return style


def draw_images(
    images: Tensor | np.ndarray | Sequence[Tensor | np.ndarray],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    masks: Tensor | np.ndarray | Sequence[Tensor | np.ndarray] | None = None,
    outline: str | None = HOLE,
    row_labels: Sequence[str] | None = None,
    dpi: int = IMAGE_DPI,
) -> Figure:
    """A grid of pictures.

    Args:
        images: one or many of: uint8 (H, W, 3) or (B, H, W, 3) arrays, float tensors (3, H, W) or
            (B, 3, H, W) in [-1, 1]. Entries of a sequence may differ in size.
        titles: one for each picture, or for each picture of the first row when `row_labels` is set.
        columns: pictures a row; by default all in one row, up to five.
        masks: one for each picture, or one for all; True or 1 is missing. Its outline is drawn.
        outline: colour of that outline; None draws none.
        row_labels: written at the left of each row.
        dpi: pixels an inch.
    """
    pictures = _pictures(images)
    outlines = _masks(masks) if masks is not None else []
    if outlines and len(outlines) not in (1, len(pictures)):
        raise InputError(f"{len(outlines)} masks do not go with {len(pictures)} pictures")
    fig, axes = _grid(pictures, titles, columns, row_labels, dpi)
    for k, (ax, picture) in enumerate(zip(axes, pictures, strict=False)):
        ax.imshow(picture)
        if outlines and outline is not None:
            _outline(ax, outlines[k if len(outlines) > 1 else 0], picture.shape[:2], outline)
    return fig


def draw_masks(
    masks: Tensor | np.ndarray | Sequence[Tensor | np.ndarray],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    dpi: int = IMAGE_DPI,
) -> Figure:
    """A grid of masks, the hole in orange on grey: white-on-black means the opposite to some.

    Args:
        masks: one or many of: bool (H, W), {0, 1} of (H, W), (1, H, W) or (B, 1, H, W); 1 missing.
        titles: as in `draw_images`.
        columns: as in `draw_images`.
        row_labels: as in `draw_images`.
        dpi: pixels an inch.
    """
    holes = _masks(masks)
    fig, axes = _grid(holes, titles, columns, row_labels, dpi)
    colours = mpl.colors.ListedColormap(["#e4e2db", HOLE])
    for ax, hole in zip(axes, holes, strict=False):
        ax.imshow(hole, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    return fig


def draw_maps(
    maps: Tensor | np.ndarray | Sequence[Tensor | np.ndarray],
    titles: Sequence[str] | None = None,
    *,
    label: str = "",
    limits: tuple[float, float] | None = None,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    dpi: int = IMAGE_DPI,
) -> Figure:
    """A grid of heat maps that share one colour bar.

    Args:
        maps: one or many of: (H, W), (1, H, W) or (B, 1, H, W) of finite numbers.
        titles: as in `draw_images`.
        label: what the colour bar measures, with its unit.
        limits: values at the two ends of the colours; by default the extremes over all maps.
        columns: as in `draw_images`.
        row_labels: as in `draw_images`.
        dpi: pixels an inch.
    """
    fields = _planes(maps, "a map")
    low, high = limits or (min(float(f.min()) for f in fields), max(float(f.max()) for f in fields))
    fig, axes = _grid(fields, titles, columns, row_labels, dpi, side=0.7)
    for ax, field in zip(axes, fields, strict=False):
        shown = ax.imshow(field, cmap=HEAT, vmin=low, vmax=high, interpolation="nearest")
    with mpl.rc_context(STYLE):
        bar = fig.colorbar(shown, ax=axes, label=label, fraction=0.05, pad=0.02)
        bar.outline.set_visible(False)
    return fig


def show_lines(x: Any, curves: Mapping[str, Any], **options: Any) -> None:
    """Draw curves and show them; arguments of `draw_lines`."""
    draw_lines(x, curves, **options)
    plt.show()


def show_images(images: Any, titles: Sequence[str] | None = None, **options: Any) -> None:
    """Draw pictures and show them; arguments of `draw_images`."""
    draw_images(images, titles, **options)
    plt.show()


def show_masks(masks: Any, titles: Sequence[str] | None = None, **options: Any) -> None:
    """Draw masks and show them; arguments of `draw_masks`."""
    draw_masks(masks, titles, **options)
    plt.show()


def show_maps(maps: Any, titles: Sequence[str] | None = None, **options: Any) -> None:
    """Draw heat maps and show them; arguments of `draw_maps`."""
    draw_maps(maps, titles, **options)
    plt.show()


def _grid(
    items: Sequence[np.ndarray],
    titles: Sequence[str] | None,
    columns: int | None,
    row_labels: Sequence[str] | None,
    dpi: int,
    side: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure with a bare axis for each item; `side` inches are left free at the right."""
    if not items:
        raise InputError("there is nothing to draw")
    columns = min(len(items), MAX_COLUMNS) if columns is None else columns
    rows = -(-len(items) // columns)
    if titles is not None and len(titles) not in (len(items), columns):
        raise InputError(f"{len(titles)} titles do not go with {len(items)} pictures")
    if row_labels is not None and len(row_labels) != rows:
        raise InputError(f"{len(row_labels)} row labels do not go with {rows} rows")
    cell = min((WIDTH - side) / columns, 3.2)
    tall = max(item.shape[0] / item.shape[1] for item in items)
    title_height = 0.28 if titles is not None else 0.05
    fig, grid = figure(
        rows,
        columns,
        width=round(cell * columns + side, 2),
        height=round(rows * (cell * tall + title_height), 2),
        dpi=dpi,
        squeeze=False,
    )
    axes = list(grid.ravel())
    for k, ax in enumerate(axes):
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.set_facecolor("none")
        if titles is not None and k < len(titles):
            ax.set_title(titles[k], fontsize=10, color=INK, pad=4)
        if row_labels is not None and k % columns == 0:
            ax.set_ylabel(row_labels[k // columns], color=INK, fontsize=10)
    return fig, axes


def _outline(ax: Axes, mask: np.ndarray, size: tuple[int, ...], colour: str) -> None:
    """Trace the hole's edge along pixel borders; an empty or full mask has none to trace."""
    if mask.shape != tuple(size):
        raise InputError(f"the mask is {mask.shape}, its picture {tuple(size)}")
    framed = np.pad(mask, 1).astype(float)  # a hole that touches the border is closed too
    rows, columns = np.arange(-1, mask.shape[0] + 1), np.arange(-1, mask.shape[1] + 1)
    if mask.any():
        ax.contour(columns, rows, framed, levels=[0.5], colors=[colour], linewidths=1.4)
        ax.set_xlim(-0.5, mask.shape[1] - 0.5)
        ax.set_ylim(mask.shape[0] - 0.5, -0.5)


def _pictures(images: Any) -> list[np.ndarray]:
    """Anything `draw_images` accepts → a list of uint8 (H, W, 3)."""
    if isinstance(images, Sequence):
        return [picture for entry in images for picture in _pictures(entry)]
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] != 3:
            raise InputError(
                f"a picture array must be uint8 (H, W, 3), not {images.dtype} {images.shape}",
                "show single-channel maps with draw_maps",
            )
        return list(images if images.ndim == 4 else images[None])
    return list(to_uint8(images if images.ndim == 4 else images[None]))


def _masks(masks: Any) -> list[np.ndarray]:
    """Anything `draw_masks` accepts → a list of bool (H, W), True where missing."""
    planes = _planes(masks, "a mask")
    for plane in planes:
        if not np.isin(plane, (0, 1)).all():
            raise InputError("a mask holds values other than 0 and 1")
    return [plane.astype(bool) for plane in planes]


def _planes(values: Any, what: str) -> list[np.ndarray]:
    """Arrays or tensors of (H, W), (1, H, W), (B, 1, H, W), or a sequence of them → (H, W) each."""
    if isinstance(values, Sequence):
        return [plane for entry in values for plane in _planes(entry, what)]
    array = values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
    if array.ndim == 2:
        array = array[None, None]
    elif array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[1] != 1:
        raise InputError(f"{what} must be (H, W), (1, H, W) or (B, 1, H, W), not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{what} holds NaN or infinite values")
    return list(array[:, 0])
