"""What distinguishes one rendered face from the next: some eighty numbers drawn from its seed.

Every draw is a hash of (seed, position in the sequence of draws) with the finaliser of SplitMix64
(Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). A whole
batch is drawn at once, no generator holds a state, and no NumPy release changes a face.

Lengths are in head units: the head reaches from -1 (crown) to +1 (chin), x points right, y down.
Colours are linear light, not sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def _srgb(*colours: tuple[int, int, int]) -> np.ndarray:
    """8-bit sRGB triples as linear light (n, 3), with the exponent 2 that `render_faces` undoes."""
    return (np.array(colours, dtype=np.float32) / 255.0) ** 2


SKIN = _srgb(
    (255, 222, 204), (246, 203, 174), (232, 182, 142), (205, 150, 108), (158, 105, 72),
    (104, 66, 48),
)  # fair to dark; tones between are interpolated  # fmt: skip
HAIR = _srgb(
    (26, 21, 20), (44, 30, 24), (72, 47, 33), (104, 68, 42), (124, 60, 34), (176, 96, 50),
    (156, 120, 74), (206, 170, 112), (228, 208, 168), (150, 147, 144), (210, 207, 202),
)  # fmt: skip
IRIS = _srgb(
    (58, 34, 20), (98, 60, 32), (128, 98, 52), (88, 116, 72), (84, 124, 164), (118, 136, 148)
)  # fmt: skip
FRAMES = _srgb(
    (20, 18, 20), (70, 40, 24), (130, 20, 30), (176, 150, 96), (120, 124, 132), (24, 40, 84)
)  # fmt: skip
SPOTS = 5  # out-of-focus spots in the background


class Draws:
    """Independent random numbers for a batch of seeds, in the order in which they are asked for."""

    def __init__(self, seeds: np.ndarray) -> None:
        self._key = _mix(seeds.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))  # (B,)
        self._count = 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Even between low and high: float32 (B, 1)."""
        self._count += 1
        step = np.uint64(self._count * 0xD1B54A32D192ED03 % 2**64)
        unit = (_mix(self._key + step) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        return (low + (high - low) * unit)[:, None].astype(np.float32)

    def bell(self, centre: float, spread: float) -> np.ndarray:
        """Bell-shaped with standard deviation `spread`, never beyond ±3: the sum of three draws."""
        total = self.uniform(-1, 1) + self.uniform(-1, 1) + self.uniform(-1, 1)
        return (centre + spread * total).astype(np.float32)

    def chance(self, probability: float | np.ndarray) -> np.ndarray:
        """1.0 with the given probability, else 0.0."""
        return (self.uniform() < probability).astype(np.float32)

    def pick(self, weights: Sequence[float]) -> np.ndarray:
        """Index (B,) drawn with the given weights."""
        edges = np.cumsum(weights) / np.sum(weights)
        return np.searchsorted(edges[:-1], self.uniform()[:, 0], side="right")

    def colour(self, low: float, high: float, saturation: float) -> np.ndarray:
        """A linear colour (3, B, 1) of random hue; its sRGB grey level lies in [low, high]."""
        level, hue = self.uniform(low, high), self.uniform(0, 2 * np.pi)
        strength = self.uniform(0, saturation)
        phases = np.array([0.0, 2.1, 4.2], dtype=np.float32)[:, None, None]
        return np.clip(level * (1 + strength * np.cos(hue + phases)), 0.0, 1.0) ** 2


def _mix(value: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every output bit depends on every input bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@dataclass(frozen=True)
class Traits:
    """One batch of faces. Every field is float32 (B, 1); colours and `light` are (3, B, 1)."""

    # Pose: place of the head in the picture ([-1, 1] across), its size, and its turns in radians.
    x: np.ndarray
    y: np.ndarray
    scale: np.ndarray
    roll: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    # Light: unit vector towards it (z points at the viewer) and the two colours of light.
    light: np.ndarray
    key: np.ndarray
    ambient: np.ndarray
    # Head: half-width, how far the jaw narrows, how square the chin is.
    width: np.ndarray
    jaw: np.ndarray
    square: np.ndarray
    skin: np.ndarray
    blush: np.ndarray
    gloss: np.ndarray
    freckles: np.ndarray
    # Eyes: distance from the middle, height, half-width, opening above and below, slant, gaze.
    eye_u: np.ndarray
    eye_v: np.ndarray
    eye_w: np.ndarray
    lid_up: np.ndarray
    lid_low: np.ndarray
    slant: np.ndarray
    gaze_x: np.ndarray
    gaze_y: np.ndarray
    iris: np.ndarray
    iris_r: np.ndarray
    pupil_r: np.ndarray
    lash: np.ndarray
    shadow: np.ndarray
    shadow_colour: np.ndarray
    # Brows.
    brow_v: np.ndarray
    brow_arch: np.ndarray
    brow_tilt: np.ndarray
    brow_thick: np.ndarray
    brow_dense: np.ndarray
    # Nose: height of its base, width and projection.
    nose_v: np.ndarray
    nose_w: np.ndarray
    nose_h: np.ndarray
    # Mouth: height, half-width, upward bend of the corners, opening, lips.
    mouth_v: np.ndarray
    mouth_w: np.ndarray
    smile: np.ndarray
    gape: np.ndarray
    lip_up: np.ndarray
    lip_low: np.ndarray
    lip: np.ndarray
    # Hair: colour, height of the hairline, volume, length, and the shape of what hangs in the face.
    hair: np.ndarray
    bald: np.ndarray
    hairline: np.ndarray
    volume_top: np.ndarray
    volume_side: np.ndarray
    length: np.ndarray
    curtain: np.ndarray
    part: np.ndarray
    fringe: np.ndarray
    sweep: np.ndarray
    temple: np.ndarray
    wave: np.ndarray
    curl: np.ndarray
    flare: np.ndarray
    phase: np.ndarray
    # Beard and glasses (0 or 1, or a density).
    beard: np.ndarray
    moustache: np.ndarray
    beard_v: np.ndarray
    glasses: np.ndarray
    frame_round: np.ndarray
    frame: np.ndarray
    # Clothes: half-width of the neck, colour, neckline.
    neck_w: np.ndarray
    shoulder: np.ndarray
    neckline: np.ndarray
    v_neck: np.ndarray
    cloth: np.ndarray
    stripes: np.ndarray
    # Background: colours, slope of the gradient, and out-of-focus spots as (spots, B, 1).
    back: np.ndarray
    back_end: np.ndarray
    back_angle: np.ndarray
    spot_x: np.ndarray
    spot_y: np.ndarray
    spot_r: np.ndarray
    spot_gain: np.ndarray
    spot_colour: np.ndarray


def draw_traits(seeds: np.ndarray) -> Traits:
    """The traits of the faces with these seeds, int64 (B,).

    Traits are correlated where a viewer would miss it: a bristly brow, a beard and short hair come
    together more often than by chance, dark skin rarely has fair hair, long lashes go with make-up.
    """
    d = Draws(seeds)
    rough = d.uniform()  # 0 soft features, 1 rough ones
    soft = (rough < 0.5).astype(np.float32)
    made_up = soft * d.chance(0.6)

    tone = d.uniform() ** 1.2
    skin = np.stack([np.interp(tone, np.linspace(0, 1, len(SKIN)), SKIN[:, c]) for c in range(3)])
    skin = skin * (1 + 0.05 * np.stack([d.bell(0, 1), d.bell(0, 0.6), d.bell(0, 1)]))
    fair_hair = d.pick([3, 4, 4, 4, 2, 2, 3, 3, 1.2, 1, 0.8])
    dark_hair = d.pick([6, 5, 2, 0.6, 0.3, 0, 0, 0.3, 0, 0.7, 0.3])
    dark = d.uniform()[:, 0] < np.clip(tone[:, 0] * 2.4 - 0.4, 0, 0.97)
    hair_index = np.where(dark, dark_hair, fair_hair)
    hair = HAIR[hair_index].T[:, :, None] * d.uniform(0.8, 1.3)
    iris_light, iris_dark = d.pick([1, 2, 2, 2, 3.5, 1.5]), d.pick([5, 3, 0.6, 0.2, 0.1, 0.1])
    iris = IRIS[np.where(dark, iris_dark, iris_light)].T[:, :, None] * d.uniform(0.8, 1.25)

    azimuth, height = d.uniform(-1.0, 1.0), d.uniform(0.1, 0.75)
    across, towards = np.sin(azimuth) * np.cos(height), np.cos(azimuth) * np.cos(height)
    light = np.stack([across, -np.sin(height), towards])
    warmth, contrast = d.bell(0.04, 0.05), d.uniform(0.55, 1.0)
    tint = np.stack([1 + warmth, np.ones_like(warmth), 1 - warmth])
    ambient_tint = np.stack([1 - warmth, np.ones_like(warmth), 1 + 0.6 * warmth])

    gape = d.chance(0.42) * d.uniform(0.06, 0.42)
    smile = d.bell(0.15, 0.12) + 0.12 * (gape > 0) * d.uniform()
    joy = np.clip(smile / 0.4, 0, 1)

    bald = d.chance(0.14 * (1 - soft))
    style = d.pick([3, 4, 3, 2])  # for soft faces: short, bob, long, tied up
    style = np.where(soft[:, 0] > 0, style, d.pick([8, 0.6, 0.8, 0.4]))[:, None]
    long = ((style == 1) | (style == 2)).astype(np.float32)
    length = np.where(style == 1, d.uniform(0.5, 1.05), d.uniform(1.3, 2.4))
    length = np.where(long > 0, length, d.uniform(-0.12, 0.12))
    curl = d.chance(np.where(dark[:, None], 0.4, 0.15)) * d.uniform(0.5, 1.0)
    fringe = d.chance(0.25 + 0.1 * soft)
    beard = (1 - soft) * d.chance(0.5) * d.uniform(0.15, 1.0) ** 0.7

    lip_red = np.stack([np.full_like(tone, 0.95), 0.52 + 0 * tone, 0.5 + 0 * tone])
    lip = skin * lip_red * d.uniform(0.8, 1.0)
    stick = np.stack([d.uniform(0.3, 0.62), d.uniform(0.015, 0.1), d.uniform(0.03, 0.13)])
    lip = lip + (stick - lip) * made_up * d.uniform(0.15, 0.85)

    back = d.colour(0.2, 0.85, 0.3)
    back_end = back * d.uniform(0.25, 1.3) + 0.25 * (d.colour(0.1, 0.9, 0.35) - back)
    spot_on = d.chance(0.6)
    fields = dict(
        x=d.bell(0, 0.075), y=d.bell(0.04, 0.05), scale=d.bell(0.72, 0.045),
        roll=d.bell(0, 0.07), yaw=d.bell(0, 0.17), pitch=d.bell(0, 0.06),
        light=light, key=tint * contrast * 1.15, ambient=ambient_tint * (0.5 - 0.36 * contrast),
        width=d.bell(0.745, 0.022) + 0.015 * rough, jaw=d.uniform(0.1, 0.3) - 0.08 * rough,
        square=d.uniform(0.0, 0.25) + 0.35 * rough * d.uniform(),
        skin=skin, blush=d.uniform(0.1, 0.7) + 0.3 * made_up, gloss=d.uniform(0.4, 1.1),
        freckles=d.chance(0.15) * (tone < 0.35) * d.uniform(0.3, 1.0),
        eye_u=d.bell(0.32, 0.013), eye_v=d.bell(0.035, 0.018), eye_w=d.bell(0.173, 0.009),
        lid_up=d.uniform(0.34, 0.56) - 0.1 * joy, lid_low=d.uniform(0.2, 0.31) - 0.05 * joy,
        slant=d.bell(-0.05, 0.045), gaze_x=d.bell(0, 0.11), gaze_y=d.bell(-0.01, 0.05),
        iris=iris, iris_r=d.uniform(0.4, 0.46), pupil_r=d.uniform(0.36, 0.52),
        lash=0.5 + 0.3 * soft * d.uniform() + 0.6 * made_up,
        shadow=made_up * d.chance(0.5) * d.uniform(0.2, 0.6),
        shadow_colour=d.colour(0.25, 0.6, 0.5), brow_v=d.bell(-0.175, 0.016),
        brow_arch=d.uniform(0.02, 0.075), brow_tilt=d.bell(0.0, 0.014),
        brow_thick=d.uniform(0.024, 0.034) + 0.018 * rough, brow_dense=d.uniform(0.55, 0.95),
        nose_v=d.bell(0.385, 0.02), nose_w=d.uniform(0.85, 1.1) + 0.25 * tone * d.uniform(),
        nose_h=d.uniform(0.75, 1.25),
        mouth_v=d.bell(0.605, 0.014), mouth_w=d.bell(0.25, 0.014) + 0.05 * joy, smile=smile,
        gape=gape, lip_up=d.uniform(0.12, 0.25) + 0.05 * soft,
        lip_low=d.uniform(0.2, 0.34) + 0.06 * soft, lip=lip,
        hair=hair, bald=bald, hairline=d.bell(-0.6, 0.03),
        volume_top=d.uniform(0.05, 0.2) + 0.12 * curl,
        volume_side=d.uniform(0.03, 0.09) + 0.1 * long * d.uniform() + 0.12 * curl, length=length,
        curtain=long * d.uniform(0.0, 0.35) + 0.08 * d.uniform(), part=d.bell(0, 0.13),
        fringe=fringe * d.uniform(0.5, 1.0), sweep=d.bell(0, 0.28),
        temple=np.where(long > 0, d.uniform(0.78, 0.97), d.uniform(0.84, 0.96)),
        wave=d.chance(0.5) * d.uniform(0.02, 0.09), curl=curl, flare=d.uniform(-0.08, 0.14),
        phase=d.uniform(0, 6.28),
        beard=beard, moustache=(beard > 0) * d.chance(0.8) * beard, beard_v=d.uniform(0.25, 0.5),
        glasses=d.chance(0.16), frame_round=d.uniform(0.15, 1.0),
        frame=FRAMES[d.pick([4, 2, 0.7, 1.5, 1.5, 1])].T[:, :, None],
        neck_w=0.36 + 0.09 * rough + d.uniform(0, 0.04), shoulder=d.uniform(1.24, 1.42),
        neckline=d.uniform(1.3, 1.65), v_neck=d.chance(0.35), cloth=d.colour(0.08, 0.9, 0.7),
        stripes=d.chance(0.2) * d.uniform(0.2, 0.6),
        back=back, back_end=np.clip(back_end, 0.003, 1.0), back_angle=d.uniform(0, 6.28),
        spot_x=np.stack([d.uniform(-1.1, 1.1) for _ in range(SPOTS)]),
        spot_y=np.stack([d.uniform(-1.1, 0.8) for _ in range(SPOTS)]),
        spot_r=np.stack([d.uniform(0.12, 0.5) for _ in range(SPOTS)]),
        spot_gain=np.stack([spot_on * d.uniform(0.08, 0.42) for _ in range(SPOTS)]),
        spot_colour=np.stack([d.colour(0.3, 1.0, 0.4) for _ in range(SPOTS)]),
    )  # fmt: skip
    return Traits(**{name: np.asarray(value, dtype=np.float32) for name, value in fields.items()})
