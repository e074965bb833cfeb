"""How much of a checkerboard a picture, or a gradient, has: peaks of its spectrum, in dB.

Odena et al. 2016, "Deconvolution and Checkerboard Artifacts" (Distill), describe the phenomenon: a
layer of stride p treats the p places of its grid unequally and leaves a pattern of period p. They
show it in pictures and give no number; the measure below is this package's own.

A pattern of period p has all its energy at the frequencies k/p, so it stands out of the smooth
spectrum of what it lies on. Windows of 16×16 pixels that lie wholly inside the hole are taken at
every second pixel, tapered by w (Hann), and divided by their own mean level, so that no single edge
outvotes the rest of the hole::

    P(f) = mean over windows of |FFT(w · (x − mean x))|² / geometric mean over f of the same
    D(f) = 10·log10 P(f) − (a + b·log r + c·(log r)²),   r² = (sin² πf_x + sin² πf_y) / π²
    score = mean over the lines of (D(line) − mean of D over the references of that line)

* Lines of period p are the multiples of 1/p that are no multiples of 2/p: (½, 0), (0, ½), (½, ½)
  for p = 2, those with an odd quarter for p = 4. No two periods share a line, but spikes at every
  fourth pixel have energy at both: what sets a stride of 4 apart is that its quarters stand out.
* The radial trend a, b, c is fitted by least squares without the lines and what the taper spills
  of them. r is ``|f|`` at low frequencies and level at ½, as any sampled picture's spectrum is.
* References of a line are the nearest odd multiples of 1/8, (⅜, 0) for (½, 0). An 8-pixel grid,
  such as JPEG's, raises them as it raises the lines; a pattern of period 2 or 4 does not reach
  them. For a line on an axis they lie on that axis: upright and level edges raise a whole axis.

For p = 8 everything doubles: windows of 32×32, references at odd sixteenths.

Zero means that the lines stand no higher than their references: what noise of a smooth spectrum
scores in expectation, and photographs and rendered faces on average to within 1.5 dB. All lines
10 dB higher score 10; stripes hit one line of three at p = 2 and score a third of its height. A
single clean picture spreads by 2 dB (p = 2) or 1 dB (p = 4) in a 24×24 hole, so compare sets, and a
fill with the truth in the same hole.

Limits: a hole must hold one whole window; a pattern that changes sign within a window cancels; a
fence of period 2 scores as an artifact does, unless its surroundings show it too
(`where="difference"`); blocks, from enlarging by whole pixels, are no pattern and score 3 to 5 dB
at p = 2; coarse JPEG alone (quality 10) scores up to 2 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from labkit.book.comb import comb_of
from labkit.errors import InputError, check_choice
from labkit.evaluation.statistics import bootstrap_mean

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["image", "gradient", "magnitude"]
Where = Literal["hole", "known", "difference"]
LUMINANCE = np.array([0.299, 0.587, 0.114])  # Rec. 601, as in JPEG and in grey conversions
ROUNDING = 1 / 12  # variance that rounding to whole grey levels adds: nothing below it is seen
FAINTEST = 1e-6  # the same for gradients, as a share of their mean square


class _NoRoom(InputError):
    """The region holds no whole window: an error for one picture, a gap in a set."""


@dataclass(frozen=True)
class Spectrum:
    """The spectrum that a score is read from.

    Attributes:
        frequencies: (n,) in cycles per pixel, from -1/2 up to, but without, 1/2.
        excess: (n, n), rows f_y and columns f_x, in dB above the radial trend: D(f) above.
        lines: (n, n) weights, summing to 1, of the frequencies that the period owns.
        references: (n, n) weights, summing to 1, of those they are compared with.
        windows: how many windows were averaged.
    """

    frequencies: np.ndarray
    excess: np.ndarray
    lines: np.ndarray
    references: np.ndarray
    windows: int

    @property
    def score(self) -> float:
        """Mean excess of the lines over their references, in dB."""
        return float(np.sum((self.lines - self.references) * self.excess))


def checkerboard(
    image: np.ndarray | Tensor,
    mask: np.ndarray | Tensor | None = None,
    *,
    period: int = 2,
    kind: Kind = "image",
    where: Where = "hole",
) -> float:
    """Strength of the pattern of one period, in dB; see the head of this file.

    Args:
        image: for "image" uint8 (H, W, 3) or (H, W), or float (3, H, W), (1, H, W) or (H, W) in
            [-1, 1]; its luminance is measured. For the other kinds float (C, H, W) or (H, W).
        mask: (H, W) or (1, H, W) of {0, 1} or bool, 1 = missing; None looks everywhere.
        period: 2, 4 or 8 pixels.
        kind: "gradient" measures each channel with its sign and averages the scores; "magnitude"
            the length over the channels at each pixel, which sees that some pixels get more
            gradient than others even where its sign is random. Both ignore the scale.
        where: inside the "hole", in the "known" pixels, or the "difference" hole − known, which is
            free of what the picture's own texture adds.

    Raises:
        InputError: an unknown period, kind or place; a shape, type or value that does not fit; or
            a region that holds no whole window.
    """
    check_choice("where", where, get_args(Where))
    if where == "difference":
        inside, around = (
            checkerboard(image, mask, period=period, kind=kind, where=place)
            for place in ("hole", "known")
        )
        return inside - around
    return checkerboard_spectrum(image, mask, period=period, kind=kind, where=where).score


def checkerboard_spectrum(
    image: np.ndarray | Tensor,
    mask: np.ndarray | Tensor | None = None,
    *,
    period: int = 2,
    kind: Kind = "image",
    where: Literal["hole", "known"] = "hole",
) -> Spectrum:
    """The detrended log-spectrum, centred for plotting; arguments and errors of `checkerboard`."""
    check_choice("where", where, ("hole", "known"))
    comb, planes, floor = comb_of(period), *_planes(image, kind)
    corners = comb.corners(_region(mask, planes.shape[1:], where))
    if not corners.size:
        raise _NoRoom(
            f"no square of {comb.window}×{comb.window} pixels lies wholly "
            + ("inside the hole" if where == "hole" else "in the known pixels"),
            f"period {period} is measured in windows of that size",
        )
    total = np.zeros_like(comb.trend, dtype=np.float64)
    for plane in planes:
        powers = comb.powers(plane, corners, floor)
        mean = sum(chunk.sum(axis=0) for chunk in powers) / len(corners)  # (n, n)
        total += comb.excess(mean, comb.independent(corners))
    return Spectrum(
        frequencies=np.fft.fftshift(np.fft.fftfreq(comb.window)),
        excess=np.fft.fftshift(total / len(planes)),
        lines=np.fft.fftshift(comb.lines),
        references=np.fft.fftshift(comb.references),
        windows=len(corners),
    )


def checkerboard_map(
    image: np.ndarray | Tensor,
    mask: np.ndarray | Tensor | None = None,
    *,
    period: int = 2,
    kind: Kind = "image",
) -> np.ndarray:
    """Where the pattern is: float64 (H, W) in dB, NaN where no window reaches.

    A pixel's value is the mean, weighted by the taper, of the scores of the windows that hold it.
    The score of one window is far noisier than that of a hole: look for areas, not for pixels.
    Arguments and errors of `checkerboard`, except that a hole without a window is all NaN.
    """
    comb, planes, floor = comb_of(period), *_planes(image, kind)
    shape = planes.shape[1:]
    corners = comb.corners(_region(mask, shape, "hole"))
    scores = np.zeros(len(corners))
    for plane in planes:
        chunks = [
            np.sum((comb.lines - comb.references) * comb.excess(chunk, 1.0), axis=(1, 2))
            for chunk in comb.powers(plane, corners, floor)
        ]
        scores += np.concatenate([*chunks, np.zeros(0)]) / len(planes)
    total, weight = np.zeros(shape), np.zeros(shape)
    for (row, column), score in zip(corners, scores, strict=True):
        place = (slice(row, row + comb.window), slice(column, column + comb.window))
        total[place] += score * comb.taper
        weight[place] += comb.taper
    return np.divide(total, weight, out=np.full(shape, np.nan), where=weight > 1e-9)


def checkerboard_scores(
    images: Sequence[np.ndarray] | np.ndarray | Tensor,
    masks: Sequence[np.ndarray | None] | np.ndarray | Tensor | None = None,
    *,
    period: int = 2,
    kind: Kind = "image",
    where: Where = "hole",
) -> np.ndarray:
    """`checkerboard` of each picture, float64 (B,); NaN where the region holds no whole window.

    Args:
        images: as for `checkerboard`, one after the other: a batch's first axis, or a list.
        masks: one a picture, or None to look everywhere.

    Raises:
        InputError: another number of masks than of pictures, or as for `checkerboard`.
    """
    if masks is not None and len(masks) != len(images):
        raise InputError(f"{len(images)} pictures, but {len(masks)} masks")
    scores = np.full(len(images), np.nan)
    for index, image in enumerate(images):
        mask = None if masks is None else masks[index]
        with suppress(_NoRoom):
            scores[index] = checkerboard(image, mask, period=period, kind=kind, where=where)
    return scores


def checkerboard_set(
    images: Sequence[np.ndarray] | np.ndarray | Tensor,
    masks: Sequence[np.ndarray | None] | np.ndarray | Tensor | None = None,
    *,
    period: int = 2,
    kind: Kind = "image",
    where: Where = "hole",
    seed: int = 0,
) -> dict[str, float]:
    """The mean over a set, with its 95 % bootstrap interval; holes without a window are skipped.

    Returns:
        {"mean", "low", "high"} in dB, {"count"} of pictures measured, {"skipped"} of those not.

    Raises:
        InputError: as for `checkerboard_scores`, or no hole holds a window.
    """
    scores = checkerboard_scores(images, masks, period=period, kind=kind, where=where)
    measured = scores[~np.isnan(scores)]
    if not measured.size:
        window = comb_of(period).window
        raise InputError(f"no picture of {len(scores)} has room for a window of {window} pixels")
    skipped = len(scores) - len(measured)
    return {**bootstrap_mean(measured, seed=seed), "count": len(measured), "skipped": skipped}


def _array(values: np.ndarray | Tensor) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = values.double() if values.is_floating_point() else values
    return np.asarray(values)


def _planes(image: np.ndarray | Tensor, kind: Kind) -> tuple[np.ndarray, float]:
    """What is measured, float64 (C, H, W), and the power below which nothing counts."""
    check_choice("kind", kind, get_args(Kind))
    array = _array(image)
    floating = np.issubdtype(array.dtype, np.floating)
    if not floating and (kind != "image" or array.dtype != np.uint8):
        wanted = "uint8, or float in [-1, 1]" if kind == "image" else "float"
        raise InputError(f"an input of kind {kind!r} must be {wanted}, not {array.dtype}")
    if floating and not np.isfinite(array).all():
        raise InputError(f"the {kind} holds NaN or infinite values")
    colours = array.shape[0 if floating else -1] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or not array.size or (kind == "image" and colours not in (1, 3)):
        wanted = "(C, H, W)" if kind != "image" else "(3, H, W)" if floating else "(H, W, 3)"
        raise InputError(
            f"a {array.dtype} {kind} must be {wanted} or (H, W), not {array.shape}",
            "checkerboard_scores takes a batch",
        )
    if array.ndim == 3 and not floating:
        array = np.moveaxis(array, -1, 0)
    planes = array.astype(np.float64).reshape(-1, *array.shape[-2:])
    if kind == "image":
        if floating and np.abs(planes).max() > 1.001:
            raise InputError(
                f"image values lie in [{array.min():.3g}, {array.max():.3g}], not in [-1, 1]",
                "kind='gradient' or 'magnitude' takes any scale",
            )
        grey = (planes + 1.0) * 127.5 if floating else planes  # grey levels, 0 to 255
        return (np.tensordot(LUMINANCE, grey, axes=1)[None] if colours == 3 else grey), ROUNDING
    if kind == "magnitude":
        planes = np.sqrt(np.sum(planes**2, axis=0, keepdims=True))
    scale = np.sqrt(np.mean(planes**2, axis=(1, 2), keepdims=True))
    return np.divide(planes, scale, out=np.zeros_like(planes), where=scale > 0), FAINTEST


def _region(
    mask: np.ndarray | Tensor | None, shape: tuple[int, int], where: Literal["hole", "known"]
) -> np.ndarray:
    """bool (H, W): where to look."""
    if mask is None:
        if where == "known":
            raise InputError("without a mask there are no known pixels to compare with")
        return np.ones(shape, bool)
    array = _array(mask)
    if array.shape not in (shape, (1, *shape)):
        raise InputError(f"mask {array.shape} does not fit a picture of {shape[0]}×{shape[1]}")
    if not ((array == 0) | (array == 1)).all():
        raise InputError("a mask must hold only 0 (known) and 1 (missing)")
    hole = array.reshape(shape).astype(bool)
    return hole if where == "hole" else ~hole
