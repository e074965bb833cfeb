"""Clips on disk: a video file, an animated GIF or WebP, or a folder of frames, read frame by frame.

Frames come as they are to be seen: uint8 (H, W, 3), RGB, upright. Only one is held at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from labkit.errors import InputError
from labkit.files import PICTURES
from labkit.images import read_bytes, read_image
from labkit.masks.files import THRESHOLD, read_mask
from labkit.pillow import count, opened

_LOST = 0.05  # share of the frames a file announces that may be missing: some only estimate it

Kind = Literal["video", "animation", "folder", "picture"]


@dataclass(frozen=True)
class Clip:
    """A clip that can be read any number of times, from its beginning.

    Attributes:
        path: of the file or folder.
        kind: what it is; a "picture" has one frame.
        files: the frames of a folder, in their order.
    """

    path: Path
    kind: Kind
    files: tuple[Path, ...] = ()

    def frames(self) -> Iterator[np.ndarray]:
        """Every frame, uint8 (H, W, 3).

        Raises:
            InputError: a file that is damaged or breaks off, or has transparent pixels.
        """
        if self.kind == "video":
            yield from _video_frames(self.path)
        elif self.kind == "animation":
            for frame in _pillow_frames(self.path):
                yield np.array(frame.convert("RGB"))
        else:
            yield from map(read_image, self.files or [self.path])

    def masks(self, invert: bool = False) -> Iterator[np.ndarray]:
        """Every frame as a mask, bool (H, W), True where it is white; without end, of a picture."""
        if self.kind == "picture":
            mask = read_mask(self.path, invert=invert, option="--invert-mask")
            while True:
                yield mask
        for frame in self.frames():
            yield (frame.max(axis=2) > THRESHOLD) ^ invert

    def durations(self) -> list[float] | None:
        """How long each frame is shown, in milliseconds; None for a folder, which does not say.

        A frame of a video is shown until the next one; the last, for their mean.
        """
        if self.kind == "animation":
            return [
                float(frame.info.get("duration", 0)) or 100.0 for frame in _pillow_frames(self.path)
            ]
        if self.kind != "video":
            return None
        starts, capture = [], _capture(self.path)
        while capture.grab():
            starts.append(capture.get(cv2.CAP_PROP_POS_MSEC))
        shown = np.diff(starts)
        if not len(shown) or shown.min() <= 0:  # a file without moments
            return [1000.0 / (capture.get(cv2.CAP_PROP_FPS) or 25.0)] * len(starts)
        return [*shown.tolist(), float(shown.mean())]

    def loop(self) -> int | None:
        """How often an animation is repeated; 0 for ever, as other clips; None where it is not."""
        if self.kind != "animation":
            return 0
        with opened(read_bytes(self.path, "clip"), str(self.path)) as picture:
            return picture.info.get("loop")

    def state(self) -> list[list[object]]:
        """Names, lengths and times of change of its files: other ones if the clip was changed."""
        found = [(file, file.stat()) for file in self.files or [self.path]]
        return [[file.name, is_now.st_size, is_now.st_mtime_ns] for file, is_now in found]


def open_clip(path: Path) -> Clip:
    """Find out what a clip is.

    Raises:
        InputError: nothing there, a folder without pictures, or a file that neither Pillow nor
            OpenCV can read.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in PICTURES]
        files = [file for file in files if file.is_file() and not file.name.startswith(".")]
        if not files:
            raise InputError(f"{path}: holds no pictures", "name the folder that holds the frames")
        files.sort(key=_in_counting_order)
        for one, other in pairwise(files):
            if one.stem == other.stem:
                raise InputError(f"{one} and {other.name}: the same name twice", "rename one")
        return Clip(path, "folder", tuple(files))
    if path.suffix.lower() in PICTURES:
        with opened(read_bytes(path, "clip"), str(path)) as picture:
            return Clip(path, "animation" if count(picture) > 1 else "picture")
    _capture(path)
    return Clip(path, "video")


def _in_counting_order(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    pieces = re.split(r"(\d+)", path.name)
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces]


def quiet() -> None:
    """Keep OpenCV from saying in its own words what is said here in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _capture(path: Path) -> cv2.VideoCapture:
    quiet()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise InputError(
            f"{path}: damaged, or not a video that OpenCV can read",
            "convert it to .mp4, or give a folder of frames",
        )
    return capture


def _video_frames(path: Path) -> Iterator[np.ndarray]:
    capture, read = _capture(path), 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        read += 1
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    if read + 2 < announced * (1.0 - _LOST):
        raise InputError(
            f"{path}: breaks off after {read} of {announced} frames",
            "copy or download it again, or convert what there is of it",
        )


def _pillow_frames(path: Path) -> Iterator[Image.Image]:
    with opened(read_bytes(path, "clip"), str(path)) as picture:
        for number in range(count(picture)):
            picture.seek(number)
            picture.load()
            if picture.has_transparency_data:
                lowest = picture.convert("RGBA").getchannel("A").getextrema()[0]
                if lowest < 255:
                    raise InputError(
                        f"{path}: transparent pixels in frame {number + 1}",
                        "flatten it onto a background first; holes belong in the masks",
                    )
            yield picture
