"""Clips whose truth is known: photographs under a moving camera, and rendered faces that turn and
blink in front of one. No file is read but scikit-image's own photographs.

Flow is exact. A photograph moves by an affine map that is inverted. On a face, a pixel's frontal
place (u, v) is found again on the next frame's head by fixed-point iteration; the background moves
with the camera alone. Hair, ears, eyes, neck and clothes move by rules of their own: flow is NaN
there. A face's light stays where it is, so that its skin changes colour a little as it turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from labkit.data.photos import photo
from labkit.faces.geometry import DEPTH, Geometry, locate
from labkit.faces.render import render_traits
from labkit.faces.scene import background, hairline
from labkit.faces.traits import Traits, draw_traits

SIDE = 128  # of a frame
COUNT = 24  # frames of a clip
SCENE = 192  # of a rendered face, in which the camera moves


@dataclass(frozen=True)
class Known:
    """A clip: uint8 (T, H, W, 3), its holes bool (T, H, W), its flow float32 (T - 1, H, W, 2)."""

    name: str
    truth: np.ndarray
    masks: np.ndarray
    flows: np.ndarray


def clips(seed: int = 0) -> Iterator[Known]:
    """Twelve clips of 24 frames: six photographs, six faces; holes stay or move in turn."""
    rng = np.random.default_rng(seed)
    names = ("astronaut", "chelsea", "coffee", "hubble", "retina", "rocket")
    for number, name in enumerate(names):
        truth, flows = photographed(name, COUNT, rng)
        still = number % 2 == 0
        yield Known(f"{name}, {_says(still)}", truth, holes(COUNT, still, rng), flows)
    for number in range(6):
        truth, flows = rendered(1000 * seed + number + 1, COUNT, rng)
        still = number % 2 == 0
        yield Known(f"face {number + 1}, {_says(still)}", truth, holes(COUNT, still, rng), flows)


def _says(still: bool) -> str:
    return "still hole" if still else "moving hole"


def holes(count: int, still: bool, rng: np.random.Generator) -> np.ndarray:
    """An ellipse of a tenth of the frame that stays, or goes to and fro: bool (T, SIDE, SIDE)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    height, width = rng.uniform(18, 26, 2)
    top, left = rng.uniform(45, 83, 2)
    phase, reach = rng.uniform(0, 2 * np.pi), np.array([14.0, 30.0])
    masks = []
    for number in range(count):
        swing = np.sin(phase + 2 * np.pi * number / 20) * (0 if still else 1)
        down, across = reach * swing
        inside = ((y - top - down) / height) ** 2 + ((x - left - across) / width) ** 2
        masks.append(inside < 1)
    return np.stack(masks)


def photographed(name: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A camera that pans, turns and zooms over a photograph: frames and flow."""
    picture = photo(name)
    height, width = picture.shape[:2]
    scale = 0.55 * min(height, width) / SIDE  # photograph's pixels a pixel
    picture = cv2.GaussianBlur(picture, (0, 0), 0.5 * max(scale, 0.5))
    middle = (SIDE - 1) / 2
    room = np.array([width, height]) / 2 - 0.75 * scale * SIDE / 2 - 8
    drift = rng.uniform(-1, 1, 2)
    drift *= rng.uniform(1.0, 3.0) * scale / np.abs(drift).max()  # of 1 to 3 pixels a frame
    turn, zoom = rng.uniform(-0.004, 0.004), rng.uniform(-0.003, 0.003)
    poses = []
    for number in range(count):
        off = number - (count - 1) / 2
        centre = np.array([width, height]) / 2 + np.clip(drift * off, -room, room)
        angle, size = turn * off, scale * np.exp(zoom * off)
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        turned = np.array([[cos, -sin], [sin, cos]])
        poses.append(np.vstack([np.c_[turned, centre - turned @ [middle, middle]], [0, 0, 1]]))
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    frames = [
        cv2.warpAffine(
            picture, pose[:2], (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REFLECT_101
        )
        for pose in poses
    ]
    grid = np.stack([*np.meshgrid(np.arange(SIDE), np.arange(SIDE)), np.ones((SIDE, SIDE))], -1)
    flows = [
        (grid @ (np.linalg.inv(after) @ before).T - grid)[..., :2]
        for before, after in pairwise(poses)
    ]
    return np.stack(frames), np.stack(flows).astype(np.float32)


def rendered(seed: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A face that turns, nods, shifts and blinks before a panning camera: frames and flow."""
    traits, time = draw_traits(np.full(count, seed)), np.arange(count, dtype=np.float32)[:, None]
    speed, phase = rng.uniform(0.12, 0.25, 4), rng.uniform(0, 2 * np.pi, 4)
    yaw, pitch, x, y = (
        np.sin(s * time + p).astype(np.float32) for s, p in zip(speed, phase, strict=True)
    )
    shut = np.exp(-(((time - count / 2) / 1.5) ** 2))  # one blink, in the middle
    traits = replace(
        traits,
        yaw=0.3 * yaw,
        pitch=0.1 * pitch,
        x=traits.x + 0.06 * x,
        y=traits.y + 0.03 * y,
        lid_up=traits.lid_up * (1 - 0.95 * shut),
        glasses=np.zeros_like(traits.glasses),
    )
    camera = np.rint(32 + 24 * np.sin(rng.uniform(0.1, 0.2, 2) * time + phase[:2])).astype(int)
    pictures, moves = [], []
    for number in range(count):
        here = _at(traits, number)
        geometry = locate(here, SCENE)
        picture = render_traits(here, geometry, SCENE)
        bare = np.sqrt(np.clip(background(here, geometry), 0, 1)) * 255
        bare = bare.transpose(1, 2, 0).reshape(SCENE, SCENE, 3)
        behind = (np.abs(picture[0] - bare) < 1.0).all(axis=-1)
        left, top = camera[number]
        window = slice(top, top + SIDE), slice(left, left + SIDE)
        pictures.append(picture[0][window])
        if number:
            moves[-1] += camera[number - 1] - camera[number]
        if number + 1 < count:
            flow = _on_the_head(here, _at(traits, number + 1), geometry)
            flow[behind] = 0.0
            moves.append(flow[window])
    return np.stack(pictures), np.stack(moves)


def _at(traits: Traits, number: int) -> Traits:
    """One frame of many: every field is (…, B, 1), spots before, faces second to last."""
    return Traits(
        **{name: value[..., number : number + 1, :] for name, value in vars(traits).items()}
    )


def _on_the_head(here: Traits, there: Traits, geometry: Geometry) -> np.ndarray:
    """Where skin goes: float32 (SCENE, SCENE, 2) in pixels, NaN where it is none or is lost."""
    x, y = geometry.x.copy(), geometry.y.copy()
    cos_yaw, sin_yaw = np.cos(there.yaw), DEPTH * np.sin(there.yaw)
    cos_pitch, sin_pitch = np.cos(there.pitch), DEPTH * np.sin(there.pitch)
    for _ in range(40):
        bulge = _bulge(there, x, y)
        error = np.abs(x * cos_yaw - bulge * sin_yaw - geometry.u)
        error += np.abs(y * cos_pitch - bulge * sin_pitch - geometry.v)
        x = (geometry.u + bulge * sin_yaw) / cos_yaw
        y = (geometry.v + bulge * sin_pitch) / cos_pitch
    eyes = (np.abs(geometry.au - here.eye_u) < 1.4 * here.eye_w) & (
        np.abs(geometry.v - here.eye_v) < 0.16
    )
    skin = (geometry.bulge > 0.3) & (bulge > 0.3) & (hairline(here, geometry) > 0.05) & ~eyes
    cos, sin = there.scale * np.cos(there.roll), there.scale * np.sin(there.roll)
    across, down = x * cos - y * sin + there.x, x * sin + y * cos + there.y
    flow = np.stack([across - geometry.across, down - geometry.down], -1) * (SCENE / 2)
    flow[~(skin & (error < 1e-4))] = np.nan
    return flow.reshape(SCENE, SCENE, 2).astype(np.float32)


def _bulge(traits: Traits, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """As `locate` has it, at any place."""
    rise = np.clip((y + 0.1) / 1.1, 0.0, 1.0)
    half = traits.width * (1.0 - traits.jaw * rise * rise * (3.0 - 2.0 * rise))
    square = np.where(y > 0, traits.square, np.float32(0.4))
    level = (x / half) ** 2 + y * y * (1.0 - square + square * y * y)
    return np.sqrt(np.maximum(1.0 - level, 0.0))
