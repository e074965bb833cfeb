"""`labkit inpaint-video`: clips of every kind read and written, interrupted, and refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import fails, run
from PIL import Image

from labkit.errors import InputError
from labkit.images import read_image, write_image
from labkit.inpainting import inpaint
from labkit.masks.files import write_mask
from labkit.nn.generator import GMCNN
from labkit.nn.weights import load_generator, save_generator
from labkit.settings import GeneratorConfig
from labkit.video.fill import inpaint_frames
from labkit.video.job import PLAN, inpaint_clip
from labkit.video.reading import Clip, open_clip
from labkit.video.store import Store
from labkit.video.writing import ANIMATIONS, CODECS, write_clip

COUNT, SIDE = 4, 32


def clip_of(count: int = COUNT, side: int = SIDE) -> np.ndarray:
    """A smooth pattern that moves by a pixel a frame: uint8 (T, side, side, 3)."""
    y, x = np.mgrid[:side, : side + count]
    wide = (
        127
        + 60 * np.sin(x / 2.5)[..., None] * np.array([1, 0.7, 0.4])
        + 60 * np.cos(y / 3)[..., None]
    )
    return np.stack([wide[:, t : t + side] for t in range(count)]).clip(0, 255).astype(np.uint8)


def holes_of(count: int = COUNT, side: int = SIDE) -> np.ndarray:
    masks = np.zeros((count, side, side), bool)
    for t in range(count):
        masks[t, 12:18, 4 + 5 * t : 10 + 5 * t] = True
    return masks


def folders(where: Path, frames: np.ndarray, masks: np.ndarray) -> tuple[Path, Path]:
    for number, frame in enumerate(frames):
        write_image(where / "frames" / f"shot{number + 8}.png", frame)
    for number, mask in enumerate(masks):
        write_mask(where / "masks" / f"shot{number + 8}.png", mask)
    return where / "frames", where / "masks"


def white(masks: np.ndarray) -> np.ndarray:
    return (masks[..., None] * np.uint8(255)).repeat(3, axis=3)


def read(path: Path) -> np.ndarray:
    return np.stack(list(open_clip(path).frames()))


def write(path: Path, frames: np.ndarray, durations: list[float] | None = None) -> Path:
    work = path.with_name("work")
    durations = durations or [50.0] * len(frames)
    write_clip(path, frames, Clip(path.parent, "folder"), len(frames), durations, work)
    return path


def test_a_folder_gives_a_folder_of_the_same_names(tmp_path: Path, capsys) -> None:
    frames, masks = clip_of(), holes_of()
    clip, holes = folders(tmp_path, frames, masks)
    out = tmp_path / "out"
    code, said, lines = run(capsys, "inpaint-video", clip, holes, "-o", out, "--method", "telea")
    assert code == 0, lines
    assert said.startswith(f"{out}: 4 frames, ")
    assert sorted(os.listdir(out)) == ["shot10.png", "shot11.png", "shot8.png", "shot9.png"]
    filled = np.stack([read_image(out / f"shot{n + 8}.png") for n in range(COUNT)])
    assert (filled == inpaint_frames(frames, masks, _telea)[0]).all()
    assert (filled[~masks] == frames[~masks]).all()
    assert sorted(os.listdir(tmp_path)) == ["frames", "masks", "out"]


def _telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return inpaint(image, mask, "telea")


@pytest.mark.parametrize("suffix", [*CODECS, *ANIMATIONS])
def test_clips_come_back_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    frames = clip_of()
    path = write(tmp_path / f"clip{suffix}", frames, [40.0, 40.0, 40.0, 40.0])
    error = np.abs(read(path).astype(int) - frames)
    assert error.mean() < 6
    if suffix in (".avi", ".mkv", ".webp"):
        assert error.max() == 0
    assert np.allclose(open_clip(path).durations(), 40.0, atol=1.01)


def test_durations_of_an_animation_are_kept(tmp_path: Path) -> None:
    shown = [100.0, 33.0, 34.0, 33.0]
    path = write(tmp_path / "clip.gif", clip_of(), shown)
    assert open_clip(path).durations() == [100.0, 30.0, 40.0, 30.0]


@pytest.mark.parametrize("kind", ["video", "animation", "picture"])
def test_masks_may_be_a_clip_or_one_picture(tmp_path: Path, kind: str) -> None:
    frames, masks = clip_of(), holes_of()
    clip, _ = folders(tmp_path, frames, masks)
    if kind == "picture":
        masks[:] = masks[0]
        holes = tmp_path / "masks" / "shot8.png"
    else:
        holes = write(tmp_path / ("holes.avi" if kind == "video" else "holes.webp"), white(masks))
    out = tmp_path / "out.webp"
    with pytest.warns(UserWarning, match="no frame rate, 25 a second"):
        inpaint_clip(lambda: _telea, clip, holes, out)
    assert (read(out) == inpaint_frames(frames, masks, _telea)[0]).all()


def test_only_what_is_around_the_holes_is_looked_at(tmp_path: Path) -> None:
    frames, masks = clip_of(2, 400), holes_of(2, 400)
    clip, holes = folders(tmp_path, frames, masks)
    seen = []

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        seen.append(image.shape)
        return _telea(image, mask)

    inpaint_clip(lambda: fill, clip, holes, tmp_path / "out")
    assert set(seen) <= {(256, 256, 3)}
    assert (read(tmp_path / "out")[~masks] == frames[~masks]).all()


KILLED = """
import os, sys
from pathlib import Path
import labkit.video.fill as fill
from labkit.video.job import inpaint_clip
from labkit.video.store import Store
from labkit.inpainting import inpaint
put, left = Store.put, int(sys.argv[1])
def put_some(self, *of, **arrays):
    global left
    if not left:
        os._exit(9)
    left -= 1
    put(self, *of, **arrays)
Store.put = put_some
clip, holes, out = (Path(sys.argv[2]) / name for name in ("frames", "masks", "out"))
inpaint_clip(lambda: lambda i, m: inpaint(i, m, "telea"), clip, holes, out)
"""


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path: Path, monkeypatch) -> None:
    clip, holes = folders(tmp_path, clip_of(), holes_of())
    whole = tmp_path / "whole"
    inpaint_clip(lambda: _telea, clip, holes, whole)
    command = [sys.executable, "-c", KILLED, "13", str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 9
    work = tmp_path / "out.work"
    assert len(list(work.glob("*.npz"))) == 13
    assert not (tmp_path / "out").exists()
    dates = {path: path.stat().st_mtime_ns for path in work.glob("*.npz")}

    def stop(*of: object, **arrays: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "put", stop)
        inpaint_clip(lambda: _telea, clip, holes, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in dates} == dates  # none is done again
    inpaint_clip(lambda: _telea, clip, holes, tmp_path / "out")
    assert not work.exists()
    for path in whole.iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_work_of_another_command_is_refused(tmp_path: Path, capsys) -> None:
    clip, holes = folders(tmp_path, clip_of(), holes_of())
    (tmp_path / "out.work").mkdir()
    (tmp_path / "out.work" / PLAN).write_text("[]")
    line = fails(capsys, "inpaint-video", clip, holes, "-o", tmp_path / "out", "--method", "telea")
    assert "out.work: is left of another command; remove it" in line
    assert not (tmp_path / "out").exists()


def test_sound_is_copied_by_ffmpeg_where_it_is(tmp_path: Path, monkeypatch) -> None:
    clip = write(tmp_path / "clip.avi", clip_of())
    holes = tmp_path / "hole.png"
    write_mask(holes, holes_of()[0])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(UserWarning, match="sound is not copied: the program ffmpeg"):
        inpaint_clip(lambda: _telea, clip, holes, tmp_path / "silent.avi")
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$last"\n')
    program.chmod(0o755)
    inpaint_clip(lambda: _telea, clip, holes, tmp_path / "loud.avi")
    said = (tmp_path / "loud.avi").read_text()
    assert f"-i {clip} -map 0:v -map 1:a? -c copy" in said
    program.write_text("#!/bin/sh\necho no such stream >&2\nexit 1\n")
    with pytest.warns(UserWarning, match="ffmpeg failed .no such stream."):
        inpaint_clip(lambda: _telea, clip, holes, tmp_path / "failed.avi")
    assert (read(tmp_path / "failed.avi") == read(tmp_path / "silent.avi")).all()


@pytest.fixture
def refused(tmp_path: Path, capsys):
    """The line that the command says, with nothing left of it."""

    def call(clip: Path, holes: Path, out: str = "out", *options: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        arguments = (clip, holes, "-o", tmp_path / out, "--method", "telea", *options)
        line = fails(capsys, "inpaint-video", *arguments)
        assert sorted(tmp_path.rglob("*")) == before
        return line

    return call


def test_clip_and_masks_must_go_together(tmp_path: Path, refused) -> None:
    clip, holes = folders(tmp_path, clip_of(), holes_of()[:3])
    assert "holds 4 frames and" in refused(clip, holes)
    assert "give a mask for each frame, or one picture for all" in refused(clip, holes)
    write_mask(tmp_path / "small.png", holes_of(1, 24)[0])
    assert "small.png is 24×24 pixels and" in refused(clip, tmp_path / "small.png")
    assert "no such file or folder" in refused(clip, tmp_path / "none")
    write_image(clip / "shot9.png", clip_of(1, 40)[0])
    assert "frame 2 has another size" in refused(clip, tmp_path / "masks" / "shot8.png")


def test_a_single_frame_and_a_hole_without_end_are_refused(tmp_path: Path, refused) -> None:
    clip, holes = folders(tmp_path, clip_of(1), holes_of(1))
    one = "holds one frame; labkit inpaint fills a single picture"
    assert one in refused(clip, holes)
    assert one in refused(clip / "shot8.png", holes)
    folders(tmp_path, clip_of(2), np.ones((2, SIDE, SIDE), bool))
    assert "every pixel of every frame is missing" in refused(clip, holes)


def test_damaged_files_are_named(tmp_path: Path, refused) -> None:
    clip, holes = folders(tmp_path, clip_of(), holes_of())
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x20ftypisom" + bytes(300))
    assert "broken.mp4: damaged, or not a video" in refused(broken, holes)
    (tmp_path / "text.gif").write_text("no picture")
    assert "text.gif: not a picture" in refused(tmp_path / "text.gif", holes)
    (clip / "shot9.png").write_bytes((clip / "shot9.png").read_bytes()[:200])
    assert "shot9.png: damaged picture" in refused(clip, holes)
    write_image(clip / "shot9.jpg", clip_of(1)[0])
    assert "shot9.jpg and shot9.png: the same name twice" in refused(clip, holes)
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refused(tmp_path / "empty", holes)


def test_a_video_that_breaks_off_is_refused(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "clip.avi", clip_of())
    real = cv2.VideoCapture

    class Longer:
        """Announces more frames than there are."""

        def __init__(self, *of: object) -> None:
            self.capture = real(*of)

        def __getattr__(self, name: str):
            return getattr(self.capture, name)

        def get(self, what: int) -> float:
            return 90.0 if what == cv2.CAP_PROP_FRAME_COUNT else self.capture.get(what)

    monkeypatch.setattr(cv2, "VideoCapture", Longer)
    with pytest.raises(InputError, match="breaks off after 4 of 90 frames"):
        read(path)


def test_transparent_frames_are_refused(tmp_path: Path, refused) -> None:
    _, holes = folders(tmp_path, clip_of(), holes_of())
    see_through = [Image.new("RGBA", (SIDE, SIDE), (9, 9, n, 40)) for n in range(4)]
    path = tmp_path / "clear.webp"
    see_through[0].save(path, save_all=True, append_images=see_through[1:], lossless=True)
    assert "clear.webp: transparent pixels in frame 1" in refused(path, holes)


def test_targets_that_cannot_be_written_are_refused(tmp_path: Path, refused) -> None:
    clip, holes = folders(tmp_path, clip_of(), holes_of())
    assert "no codec for '.wmv'; use .mp4" in refused(clip, holes, "out.wmv")
    (tmp_path / "out.mp4").write_text("mine")
    assert "out.mp4: exists; remove it, or name another" in refused(clip, holes, "out.mp4")
    assert "frames: exists" in refused(clip, holes, "frames")
    odd, odd_holes = folders(tmp_path / "odd", clip_of(2, 33), holes_of(2, 33))
    assert "sides must be even; write .webp or a folder" in refused(odd, odd_holes, "odd.mp4")
    assert "--device cpu means nothing to --method telea" in refused(
        clip, holes, "o", "--device", "cpu"
    )


def test_a_variable_frame_rate_is_said_and_averaged(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.webp", clip_of(), [40.0, 200.0, 40.0, 120.0])
    holes = tmp_path / "hole.png"
    write_mask(holes, holes_of()[0])
    with pytest.warns(UserWarning, match="variable frame rate; every frame is kept, at .* 10 a"):
        inpaint_clip(lambda: _telea, clip, holes, tmp_path / "out.mkv")
    assert len(read(tmp_path / "out.mkv")) == COUNT
    inpaint_clip(lambda: _telea, clip, holes, tmp_path / "out.webp")
    assert open_clip(tmp_path / "out.webp").durations() == [40.0, 200.0, 40.0, 120.0]


def test_a_clip_without_a_hole_is_copied(tmp_path: Path) -> None:
    frames = clip_of()
    clip, holes = folders(tmp_path, frames, np.zeros_like(holes_of()))
    with pytest.warns(UserWarning, match="no pixel is missing"):
        inpaint_clip(lambda: _telea, clip, holes, tmp_path / "out")
    assert (read(tmp_path / "out") == frames).all()


def test_the_network_paints_what_no_frame_shows(tmp_path: Path, capsys) -> None:
    frames, mask = clip_of(1).repeat(2, axis=0), holes_of(1)[0]
    clip, _ = folders(tmp_path, frames, [mask])
    weights = tmp_path / "small.safetensors"
    generator = GMCNN(GeneratorConfig(width=2, initialisation="he"))
    save_generator(generator, weights)
    hole, out = tmp_path / "masks" / "shot8.png", tmp_path / "out"
    arguments = [clip, hole, "-o", out, "--weights", weights, "--device", "cpu"]
    code, said, lines = run(capsys, "inpaint-video", *arguments)
    assert code == 0, lines
    assert said == f"{out}: 2 frames, 0% of the missing pixels copied\n"
    expected = inpaint(frames[0], mask, generator=load_generator(weights))
    assert (read(out) == expected).all()
