"""Where every pixel lies on a rendered face: coordinate fields, edges and lines.

The head is an egg-shaped solid seen straight on. A pixel on it is turned back by the head's yaw and
pitch to the place (u, v) that it shows on a frontal face, so that features are drawn once,
frontally, and still foreshorten and shift as on a turning head.

A field is float32 (B, P): B faces, P pixels. Traits are (B, 1) and spread over the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.faces.traits import Traits

DEPTH = 0.8  # depth of the head's front over its half-height


@dataclass(frozen=True)
class Geometry:
    """Coordinate fields of a batch of faces, all float32 (B, P)."""

    across: np.ndarray  # picture coordinates in [-1, 1], (1, P)
    down: np.ndarray
    x: np.ndarray  # head units, upright with the head
    y: np.ndarray
    head: np.ndarray  # signed distance to the outline of the head, negative inside
    bulge: np.ndarray  # depth of the head's surface, 0 at the outline, 1 in the middle
    nx: np.ndarray  # x over the local half-width: the surface normal's x component
    u: np.ndarray  # frontal coordinates on the face
    v: np.ndarray
    au: np.ndarray  # |u|: features on both sides are drawn at once
    side: np.ndarray  # -1 left in the picture, +1 right
    pixel: np.ndarray  # one pixel in head units, (B, 1)


def locate(traits: Traits, size: int) -> Geometry:
    """Coordinate fields for pictures of `size` x `size` pixels, P = size²."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
    across, down = np.tile(axis, size)[None], np.repeat(axis, size)[None]  # (1, P)
    dx, dy = across - traits.x, down - traits.y
    cos, sin = np.cos(traits.roll) / traits.scale, np.sin(traits.roll) / traits.scale
    x, y = dx * cos + dy * sin, dy * cos - dx * sin  # (B, P)

    half = traits.width * (1.0 - traits.jaw * smoothstep(y, -0.1, 1.0))
    nx = x / half
    y2 = y * y
    squared = np.where(y > 0, traits.square, np.float32(0.4))  # crowns are flat, chins vary
    height = y2 * (1.0 - squared + squared * y2)
    level = nx * nx + height
    slope_y = y * (1.0 - squared + 2.0 * squared * y2)
    slope = np.sqrt((nx / half) ** 2 + slope_y * slope_y) + 0.02
    head = (level - 1.0) / (2.0 * slope)  # first-order distance: exact on the outline
    bulge = np.sqrt(np.maximum(1.0 - level, 0.0))
    u = x * np.cos(traits.yaw) - bulge * (DEPTH * np.sin(traits.yaw))
    v = y * np.cos(traits.pitch) - bulge * (DEPTH * np.sin(traits.pitch))
    side = np.where(u < 0, np.float32(-1), np.float32(1))
    pixel = (2.0 / size) / traits.scale
    return Geometry(across, down, x, y, head, bulge, nx, u, v, np.abs(u), side, pixel)


def smoothstep(value: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, an S-curve between."""
    t = np.clip((value - low) * (1.0 / (np.asarray(high, np.float32) - low)), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def cover(distance: np.ndarray, pixel: np.ndarray, softness: float = 0.0) -> np.ndarray:
    """How much of a pixel lies inside: 1 where the distance is negative, a ramp over the edge.

    The ramp is as wide as a pixel or as `softness` (head units), whichever is more.
    """
    return np.clip(0.5 - distance / (1.1 * pixel + softness), 0.0, 1.0)


def stroke(distance: np.ndarray, half_width: float | np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """A soft line: a Gaussian profile, widened and paled where it is thinner than a pixel."""
    narrow = half_width * half_width
    wide = narrow + 0.2 * pixel * pixel
    return np.exp(distance * distance * (-1.0 / wide)) * np.sqrt(narrow / wide)


def blob(
    dx: np.ndarray, dy: np.ndarray, wx: float | np.ndarray, wy: float | np.ndarray
) -> np.ndarray:
    """A Gaussian spot, 1 in the middle, 1/e at the half-widths."""
    dx, dy = dx * (1.0 / wx), dy * (1.0 / wy)
    return np.exp(-(dx * dx + dy * dy))


def ripple(phase: np.ndarray, frequency: float, pixel: np.ndarray) -> np.ndarray:
    """sin(phase), fading out as its period (2π / frequency, head units) nears two pixels."""
    return np.sin(phase) * np.exp(-0.08 * (frequency * pixel) ** 2)


def paint(canvas: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> None:
    """Lay a colour (3, B, 1) or (3, B, P) over the canvas (3, B, P) with opacity (B, P)."""
    for channel, tone in zip(canvas, colour, strict=True):
        channel += (tone - channel) * alpha


def dim(
    canvas: np.ndarray, amount: np.ndarray, tint: tuple[float, float, float] = (0.8, 1.0, 1.0)
) -> None:
    """Darken the canvas; skin in shadow keeps some of its red, hence the tint."""
    for channel, weight in zip(canvas, tint, strict=True):
        channel *= 1.0 - weight * amount
