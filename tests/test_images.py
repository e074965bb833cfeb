"""Images at the edges: exact round trips, clear refusals, no half-written file."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labkit.errors import InputError
from labkit.files import atomic_write
from labkit.images import (
    check_image,
    check_mask,
    compose,
    mask_input,
    read_image,
    to_tensor,
    to_uint8,
    write_image,
)

EVERY_GREY = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)


def test_every_grey_level_survives_the_round_trip() -> None:
    tensor = to_tensor(EVERY_GREY)
    assert tensor.shape == (1, 3, 16, 16)
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    np.testing.assert_array_equal(to_uint8(tensor)[0], EVERY_GREY)


def test_truncation_would_lose_grey_levels_and_rounding_does_not() -> None:
    # What the released code does: (x + 1) · 127.5 cut to an integer.
    tensor = to_tensor(EVERY_GREY)
    cut = ((tensor + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()[0]
    assert (cut != EVERY_GREY).any()
    assert (to_uint8(tensor)[0] == EVERY_GREY).all()


def test_values_outside_the_range_are_clipped_and_rounded() -> None:
    tensor = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).expand(1, 3, 1, 5)
    assert to_uint8(tensor)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_composites_keep_known_pixels_bit_for_bit(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = rng.random((height, width)) < 0.5
    mask = torch.from_numpy(hole).float()[None, None]
    prediction = torch.from_numpy(rng.uniform(-1, 1, (1, 3, height, width)).astype(np.float32))
    filled = to_uint8(compose(to_tensor(image), prediction, mask))[0]
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    np.testing.assert_array_equal(filled[hole], to_uint8(prediction)[0][hole])


def test_masked_pixels_are_mid_grey() -> None:
    image = torch.ones(1, 3, 2, 2)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert mask_input(image, mask)[0, 0].tolist() == [[0.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".jpg"])
def test_files_round_trip(tmp_path, suffix: str) -> None:
    smooth = np.linspace(0, 255, 32 * 32).reshape(32, 32, 1).repeat(3, axis=2).astype(np.uint8)
    write_image(tmp_path / f"a{suffix}", smooth)
    again = read_image(tmp_path / f"a{suffix}")
    tolerance = 0 if suffix in (".png", ".bmp") else 8
    assert np.abs(again.astype(int) - smooth).max() <= tolerance


def save(path, mode: str, **options) -> None:
    Image.new(mode, (8, 6), **options).save(path)


def test_grey_palette_and_cmyk_become_rgb(tmp_path) -> None:
    save(tmp_path / "l.png", "L", color=77)
    save(tmp_path / "p.png", "P")
    save(tmp_path / "c.jpg", "CMYK")
    assert (read_image(tmp_path / "l.png") == 77).all()
    for name in ("p.png", "c.jpg"):
        assert read_image(tmp_path / name).shape == (6, 8, 3)


def test_an_opaque_alpha_channel_is_dropped_and_a_transparent_one_refused(tmp_path) -> None:
    save(tmp_path / "opaque.png", "RGBA", color=(10, 20, 30, 255))
    assert read_image(tmp_path / "opaque.png")[0, 0].tolist() == [10, 20, 30]
    save(tmp_path / "glass.png", "RGBA", color=(10, 20, 30, 128))
    with pytest.raises(InputError, match=r"glass\.png: transparent.*128.*flatten"):
        read_image(tmp_path / "glass.png")


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_colour_that_stands_for_transparent_is_refused_too(tmp_path, mode: str) -> None:
    colour = (0, 0, 0) if mode == "RGB" else 0
    picture = Image.new(mode, (8, 6), color=colour)
    picture.save(tmp_path / "key.png", transparency=colour)
    with pytest.raises(InputError, match=r"key\.png: transparent pixels \(alpha down to 0\)"):
        read_image(tmp_path / "key.png")


def test_exif_rotation_is_applied(tmp_path) -> None:
    picture = Image.new("RGB", (8, 4))
    exif = picture.getexif()
    exif[0x0112] = 6  # rotated a quarter turn
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (8, 4, 3)


def test_sixteen_bits_are_refused(tmp_path) -> None:
    import cv2

    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "grey16.png")
    names = ("rgb16.png", "rgb16.tif", "rgb16.ppm")
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), 40_000, np.uint16))
    for name in ("grey16.png", *names):
        with pytest.raises(InputError, match=r"more than 8 bits.*8-bit"):
            read_image(tmp_path / name)
    for name in ("rgb8.tif", "rgb8.ppm"):
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), 40, np.uint8))
        assert (read_image(tmp_path / name) == 40).all()


def test_files_that_are_no_pictures_are_named(tmp_path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name in ("text.png", "empty.jpg"):
        with pytest.raises(InputError, match=rf"{name}: not a picture"):
            read_image(tmp_path / name)
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match=r"is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_truncated_pictures_are_named(tmp_path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"cut.{suffix}"
    write_image(path, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"cut\.{suffix}"):
        read_image(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch) -> None:
    path = tmp_path / "result.png"
    write_image(path, EVERY_GREY)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"result\.png: cannot be written \(No space left"):
        write_image(path, EVERY_GREY[:8])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["result.png"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(file) -> None:
        file.write(b"half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, interrupted)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_unknown_suffixes_and_wrong_arrays_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"\.xyz"):
        write_image(tmp_path / "a.xyz", EVERY_GREY)
    for wrong in (EVERY_GREY.astype(float), np.zeros((4, 4, 5), np.uint8), EVERY_GREY[:0]):
        with pytest.raises(InputError, match=r"a\.png: needs a uint8 picture"):
            write_image(tmp_path / "a.png", wrong)
    for suffix, side in (("jpg", 65_501), ("webp", 16_384)):
        with pytest.raises(InputError, match=rf"a\.{suffix}: .* pixels a side; use \.png"):
            write_image(tmp_path / f"a.{suffix}", np.zeros((1, side, 3), np.uint8))
    with pytest.raises(InputError, match=r"uint8"):
        to_tensor(EVERY_GREY.astype(np.float32))
    with pytest.raises(InputError, match=r"\(H, W, 3\)"):
        to_tensor(EVERY_GREY[..., 0])


def test_quality_reaches_the_file(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for quality in (20, 95):
        write_image(tmp_path / f"{quality}.jpg", noise, quality=quality)
    sizes = [(tmp_path / f"{quality}.jpg").stat().st_size for quality in (20, 95)]
    assert 2 * sizes[0] < sizes[1]


def test_written_files_can_be_read_by_others_as_any_new_file(tmp_path) -> None:
    (tmp_path / "plain").touch()
    write_image(tmp_path / "a.png", EVERY_GREY)
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (torch.full((1, 3, 8, 8), -255.0), r"\[-1, 1\]"),
        (torch.zeros(3, 8, 8), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 8, 8, 3), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "float"),
        (torch.full((1, 3, 8, 8), float("inf")), "infinite"),
        (torch.full((1, 3, 8, 8), 255.0), r"\[-1, 1\]"),
    ],
)
def test_tensors_that_are_no_images_are_refused(image: torch.Tensor, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_image(image)


def test_a_nan_never_becomes_a_pixel() -> None:
    with pytest.raises(InputError, match=r"NaN"):
        to_uint8(torch.full((1, 3, 2, 2), float("nan")))


def test_masks_must_be_binary_and_fit() -> None:
    check_mask(torch.ones(2, 1, 4, 4), torch.zeros(2, 3, 4, 4))
    with pytest.raises(InputError, match=r"does not fit"):
        check_mask(torch.ones(1, 1, 4, 4), torch.zeros(2, 3, 4, 4))
    with pytest.raises(InputError, match=r"only 0"):
        check_mask(torch.full((1, 1, 4, 4), 255.0))
    with pytest.raises(InputError, match=r"float tensor, not torch\.bool"):
        check_mask(torch.ones(1, 1, 4, 4, dtype=torch.bool))
