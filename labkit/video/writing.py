"""Clips written whole or not at all: videos by OpenCV, GIF and WebP by Pillow, folders of PNG."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from labkit.errors import InputError
from labkit.images import write_image
from labkit.video.reading import Clip, quiet

CODECS = {
    ".mp4": "mp4v",
    ".m4v": "mp4v",
    ".mov": "mp4v",
    ".avi": "FFV1",
    ".mkv": "FFV1",
}
"""What a video is written with, by its suffix. FFV1 loses nothing."""

ANIMATIONS = {".gif": 10.0, ".webp": 1.0}  # milliseconds that durations are counted in
DEFAULT_RATE = 25.0  # frames a second, of a folder


def check_target(out: Path, size: tuple[int, int]) -> None:
    """Raise InputError where no clip of this size, (H, W), can be written to `out`."""
    suffix = out.suffix.lower()
    if out.exists():
        raise InputError(f"{out}: exists", "remove it, or name another file or folder")
    if suffix and suffix not in (*CODECS, *ANIMATIONS):
        raise InputError(
            f"{out}: no codec for {suffix!r}",
            f"use {', '.join([*CODECS, *ANIMATIONS])}, or a name without a suffix for a folder",
        )
    if suffix in CODECS:
        if size[0] % 2 or size[1] % 2:
            raise InputError(
                f"{out}: a video of {size[1]}×{size[0]} pixels, but sides must be even",
                "write .webp or a folder of frames",
            )
        with TemporaryDirectory() as folder:
            _writer(Path(folder) / out.name, DEFAULT_RATE, size).release()


def write_clip(
    out: Path, frames: Iterable[np.ndarray], clip: Clip, count: int, durations: Sequence[float],
    work: Path,
) -> None:  # fmt: skip
    """Write the frames of a filled clip.

    Args:
        out: as `check_target` allows. A suffix names the format, none a folder.
        frames: uint8 (H, W, 3), `count` of them.
        clip: the one that was filled, of which names of frames, loops and sound are taken.
        durations: of the frames in milliseconds.
        work: a folder on the disk of `out` where the result is put together.

    Raises:
        InputError: what cannot be written.
    """
    suffix = out.suffix.lower()
    work.mkdir(exist_ok=True)
    made = work / f"result{suffix}"
    if not suffix:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        names = [file.stem for file in clip.files] or [f"{n:06}" for n in range(count)]
        for name, frame in zip(names, frames, strict=True):
            write_image(made / f"{name}.png", frame)
    elif suffix in ANIMATIONS:
        _write_animation(made, frames, clip.loop(), _whole(durations, ANIMATIONS[suffix]))
    else:
        _write_video(made, frames, count, 1000.0 / float(np.mean(durations)))
        if clip.kind == "video":
            made = _with_sound(made, clip.path)
    made.rename(out)


def _whole(durations: Sequence[float], unit: float) -> list[int]:
    """Milliseconds in multiples of `unit`; a rounded one is made up for by the next."""
    ends = np.rint(np.cumsum([0.0, *durations]) / unit)
    return [max(1, int(steps)) * int(unit) for steps in np.diff(ends)]


def _write_animation(
    path: Path, frames: Iterable[np.ndarray], loop: int | None, durations: list[int]
) -> None:
    first, *others = map(Image.fromarray, frames)
    options: dict[str, object] = {} if loop is None else {"loop": loop}
    if path.suffix == ".webp":
        options["lossless"] = True
    first.save(path, save_all=True, append_images=others, duration=durations, **options)


def _write_video(path: Path, frames: Iterable[np.ndarray], count: int, rate: float) -> None:
    writer = None
    for frame in frames:
        writer = writer or _writer(path, rate, frame.shape[:2])
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if writer is not None:
        writer.release()
    written, capture = 0, cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while capture.grab():
        written += 1
    if written != count:  # OpenCV says nothing of a full disk
        raise InputError(f"{path}: {written} of {count} frames were written", "check free space")


def _writer(path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    quiet()
    codec = CODECS[path.suffix.lower()]
    code = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, size[::-1])
    if not writer.isOpened():
        raise InputError(
            f"{path.name}: this OpenCV cannot write {path.suffix} ({codec})",
            "use .avi, .webp, or a folder of frames",
        )
    return writer


def _with_sound(video: Path, source: Path) -> Path:
    """The video with the sound of its source, where there is any and ffmpeg to copy it."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        warnings.warn("sound is not copied: the program ffmpeg is not installed", stacklevel=2)
        return video
    made = video.with_name(f"sound{video.suffix}")
    command = [ffmpeg, "-v", "error", "-y", "-i", str(video), "-i", str(source)]
    command += ["-map", "0:v", "-map", "1:a?", "-c", "copy", str(made)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.splitlines() or ["no reason given"])[-1]
        warnings.warn(f"sound is not copied: ffmpeg failed ({said})", stacklevel=2)
        return video
    return made
