"""Mask files: polarity, thresholds, sizes, damage, and drawing from a set of them."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labkit.errors import InputError
from labkit.masks import (
    MaskFiles,
    PolarityWarning,
    bin_index,
    hole_ratio,
    read_mask,
    sample_masks,
    write_mask,
)
from labkit.settings import MaskConfig


@pytest.fixture(autouse=True)
def one_thread(repeatable: None) -> None:
    """Masks this small are drawn in less time than a busy machine takes to wake a second thread."""
    torch.set_num_threads(1)


def corner(size: tuple[int, int] = (24, 32), rows: int = 6, columns: int = 9) -> np.ndarray:
    """A mask without any symmetry."""
    mask = np.zeros(size, dtype=bool)
    mask[:rows, :columns] = True
    mask[rows : rows + 2, :2] = True
    return mask


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def grey(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * 255


# One file


def test_a_written_mask_comes_back(tmp_path: Path) -> None:
    mask = corner()
    write_mask(tmp_path / "m.png", mask)
    read = read_mask(tmp_path / "m.png", size=(24, 32))
    assert read.dtype == bool
    np.testing.assert_array_equal(read, mask)
    with Image.open(tmp_path / "m.png") as picture:  # white is missing, whoever reads it
        assert picture.mode == "L" and picture.getpixel((0, 0)) == 255


def test_the_opposite_polarity_on_request(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", grey(~corner()))
    np.testing.assert_array_equal(read_mask(path, invert=True), corner())


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "RGBA", "CMYK"])
def test_every_picture_mode_gives_the_same_mask(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("m.tif" if mode == "CMYK" else "m.png")
    Image.fromarray(grey(corner())).convert(mode).save(path)
    np.testing.assert_array_equal(read_mask(path), corner())


def test_grey_above_127_is_missing(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.arange(256, dtype=np.uint8).reshape(8, 32))
    np.testing.assert_array_equal(read_mask(path).ravel(), np.arange(256) > 127)


def test_jpeg_ringing_falls_to_its_side(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[16:48, 24:40] = True  # on the grid of JPEG's blocks, so that only ringing is left
    path = save(tmp_path / "m.jpg", grey(mask), quality=60)
    np.testing.assert_array_equal(read_mask(path), mask)


def test_another_size_is_refused_unless_resizing_is_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", grey(corner()))
    with pytest.raises(InputError, match=r"m\.png: the mask is 32×24 pixels, the image 64×48"):
        read_mask(path, size=(48, 64))
    resized = read_mask(path, size=(48, 64), resize=True)
    np.testing.assert_array_equal(resized, corner().repeat(2, 0).repeat(2, 1))
    assert resized.view(np.uint8).max() == 1  # compiled code adds the bytes up


def test_a_mask_without_a_hole_is_returned(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.zeros((8, 8), np.uint8))
    assert not read_mask(path).any()


def test_a_mask_without_a_known_pixel_is_refused_with_the_remedy(tmp_path: Path) -> None:
    white = save(tmp_path / "w.png", np.full((8, 8), 255, np.uint8))
    with pytest.raises(InputError, match=r"w\.png: every pixel is missing.*; .*invert the mask"):
        read_mask(white)
    black = save(tmp_path / "b.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match="do not invert it"):
        read_mask(black, invert=True)
    with pytest.raises(InputError, match=r"invert the mask \(--turn-round\)$"):
        read_mask(white, option="--turn-round")


def test_a_mask_that_looks_inverted_warns(tmp_path: Path) -> None:
    mask = np.ones((10, 10), dtype=bool)
    mask[0] = False
    path = save(tmp_path / "m.png", grey(mask))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_mask(path)  # exactly nine tenths
    mask[0, 0] = True
    path = save(tmp_path / "m.png", grey(mask))
    with pytest.warns(PolarityWarning, match=r"m\.png: 91 % .*: invert it if"):
        assert read_mask(path).sum() == 91
    known = np.zeros((67, 91), dtype=bool)
    known[0, :16] = True
    path = save(tmp_path / "few.png", grey(~known))
    with pytest.warns(PolarityWarning, match=r"few\.png: more than 99 % of the picture"):
        read_mask(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.png", b"not a picture", "not a picture"),
        ("m.png", b"", "not a picture"),
        ("m.png", grey(corner()) // 255, "values 0 and 1"),
        ("m.png", np.tile(np.array([200, 90, 40], np.uint8), (8, 8, 1)), "coloured picture"),
        ("m.png", np.full((8, 8, 4), 99, np.uint8), "transparent.*; a mask is read by its colours"),
    ],
)
def test_what_is_no_mask_is_refused(
    tmp_path: Path, name: str, content: bytes | np.ndarray, message: str
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_mask(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (64, 64), dtype=np.uint8) * 255
    path = save(tmp_path / "m.png", noise)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"m\.png: damaged"):
        read_mask(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        read_mask(tmp_path / "none.png")
    with pytest.raises(InputError, match="is a folder"):
        read_mask(tmp_path)


@pytest.mark.parametrize(
    ("name", "mask", "message"),
    [
        ("m.jpg", np.zeros((4, 4)), "PNG"),
        ("m.png", np.full((4, 4), 0.5), "zeros and ones"),
        ("m.png", np.zeros((1, 4, 4)), "zeros and ones"),
        ("m.png", np.zeros((0, 4)), "zeros and ones"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, mask: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_mask(tmp_path / name, mask)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.png"
    write_mask(path, corner())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"m\.png"):
        write_mask(path, ~corner())
    np.testing.assert_array_equal(read_mask(path), corner())
    assert [file.name for file in tmp_path.iterdir()] == ["m.png"]


# A set of files


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Three usable masks with holes of about 0.05, 0.25 and 0.55."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for name, rows in (("a", 3), ("b", 16), ("c", 35)):
        write_mask(folder / f"{name}.png", corner((64, 64), rows, 64))
    return folder


def in_tar(folder: Path) -> Path:
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, arcname="set")
    return path


def test_a_folder_and_a_tar_file_give_the_same_masks(masks: Path) -> None:
    folder, tar = MaskFiles(masks), MaskFiles(in_tar(masks))
    assert len(folder) == len(tar) == 3
    assert tar.names == [f"set/{name}" for name in folder.names]
    for index, rows in enumerate((3, 16, 35)):
        np.testing.assert_array_equal(folder.mask(index, 64), corner((64, 64), rows, 64))
        np.testing.assert_array_equal(tar.mask(index, 64), folder.mask(index, 64))


def test_masks_are_resized_by_nearest_pixels(masks: Path) -> None:
    files = MaskFiles(masks)
    full = files.mask(1, 64)
    np.testing.assert_array_equal(files.mask(1, (128, 192)), full.repeat(2, 0).repeat(3, 1))
    np.testing.assert_array_equal(files.mask(1, 64), full)  # sizes do not disturb each other


def test_ratios_and_bins(masks: Path) -> None:
    files = MaskFiles(masks)
    expected = [corner((64, 64), rows, 64).mean() for rows in (3, 16, 35)]
    np.testing.assert_array_equal(files.ratios(64), expected)
    assert files.bins(64).tolist() == [0, 2, 5]


def test_samples_are_turned_and_flipped_every_way(masks: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    mask = corner((32, 32))
    write_mask(folder / "m.png", mask)
    drawn = MaskFiles(folder).sample(120, 32, torch.Generator().manual_seed(0))
    assert drawn.shape == (120, 1, 32, 32) and drawn.dtype == torch.float32
    ways = [np.rot90(way, turn) for way in (mask, mask[:, ::-1]) for turn in range(4)]
    seen = {way.tobytes() for way in drawn[:, 0].numpy().astype(bool)}
    assert seen == {np.ascontiguousarray(way).tobytes() for way in ways}


def test_masks_that_are_not_square_keep_their_shape(masks: Path) -> None:
    mask = MaskFiles(masks).mask(0, (32, 48))
    drawn = MaskFiles(masks).sample(60, (32, 48), torch.Generator().manual_seed(0), bin=0)
    ways = [mask, mask[:, ::-1], mask[::-1], mask[::-1, ::-1]]
    seen = {way.tobytes() for way in drawn[:, 0].numpy().astype(bool)}
    assert seen == {np.ascontiguousarray(way).tobytes() for way in ways}


def test_samples_follow_the_seed_and_use_every_file(masks: Path) -> None:
    files = MaskFiles(masks)

    def draw(seed: int) -> torch.Tensor:
        return files.sample(40, 64, torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert set(bin_index(hole_ratio(draw(1))).ravel()) == {0, 2, 5}


def test_one_bin_only(masks: Path) -> None:
    files = MaskFiles(masks)
    drawn = files.sample(20, 64, torch.Generator().manual_seed(0), bin=2)
    assert (bin_index(hole_ratio(drawn)) == 2).all()
    with pytest.raises(InputError, match=r"no mask file has a hole ratio in \(0.1, 0.2\]"):
        files.sample(1, 64, torch.Generator(), bin=1)
    with pytest.raises(InputError, match="bin 9"):
        files.sample(1, 64, torch.Generator(), bin=9)


def test_unusable_files_are_named_and_left_out(masks: Path) -> None:
    (masks / "text.png").write_text("not a picture")
    save(masks / "black.png", np.zeros((64, 64), np.uint8))
    save(masks / "white.png", np.full((64, 64), 255, np.uint8))
    files = MaskFiles(masks)
    with pytest.warns(UserWarning, match="left out"):
        drawn = files.sample(200, 64, torch.Generator().manual_seed(0))
    assert (hole_ratio(drawn) > 0).all() and (hole_ratio(drawn) < 1).all()
    reasons = dict(files.rejected)
    assert set(reasons) == {"text.png", "black.png", "white.png"}
    assert "no pixel is missing" in reasons["black.png"]
    assert np.isnan(files.ratios(64)).sum() == 3
    assert len(files.rejected) == 3


def test_a_set_of_unusable_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not a picture")
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(InputError, match=r"none of the 1 mask files.*a\.png"),
    ):
        MaskFiles(tmp_path).sample(1, 32, torch.Generator())


def test_an_inverted_set_warns_once(tmp_path: Path) -> None:
    for index in range(4):
        save(tmp_path / f"{index}.png", grey(~corner((64, 64), 2 + index % 2, 40)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MaskFiles(tmp_path).ratios(64)
    assert [warning.category for warning in caught] == [PolarityWarning]
    assert MaskFiles(tmp_path, invert=True).ratios(64).max() < 0.1


def test_the_polarity_of_a_set_shows_in_many_masks(tmp_path: Path) -> None:
    """Holes of a quarter to a half, inverted: no mask alone looks inverted, the set does."""
    for index in range(12):
        save(tmp_path / f"{index}.png", grey(~corner((64, 64), 16 + index, 64)))
    with pytest.warns(PolarityWarning, match=r"the middle one misses 66 %.*: invert it"):
        MaskFiles(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = MaskFiles(tmp_path, invert=True)
        assert right.ratios(64).max() < 0.5
    for index in range(12):
        save(tmp_path / f"{index}.png", grey(corner((64, 64), 16 + index, 64)))
    with pytest.warns(PolarityWarning, match="leave the inversion out"):
        MaskFiles(tmp_path, invert=True)
    for index in range(7, 12):
        (tmp_path / f"{index}.png").unlink()
    save(tmp_path / "0.png", grey(~corner((64, 64), 16, 64)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MaskFiles(tmp_path, invert=True)  # of fewer than eight, one small hole tells


def test_masks_for_testing_are_not_drawn_for_training(tmp_path: Path) -> None:
    for side in ("train", "test"):
        write_mask(tmp_path / "set" / side / "m.png", corner())
    with pytest.raises(InputError, match=r"set: holds masks for training and masks for testing"):
        MaskFiles(tmp_path / "set")
    assert len(MaskFiles(tmp_path / "set" / "train")) == 1
    shards = [in_tar(tmp_path / "set" / side) for side in ("train", "test")]
    with pytest.raises(InputError, match=r"name one of its parts"):
        MaskFiles(shards)
    assert len(MaskFiles(shards[0])) == 1


def test_missing_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or tar file"):
        MaskFiles(tmp_path / "none")
    with pytest.raises(InputError, match="holds no"):
        MaskFiles(tmp_path)


def test_a_configuration_draws_from_files(masks: Path) -> None:
    config = MaskConfig(kind="files", path=str(masks), bin=5)
    drawn = sample_masks(config, 6, 64, torch.Generator().manual_seed(0))
    assert (bin_index(hole_ratio(drawn)) == 5).all()
    inverted = MaskConfig(kind="files", path=(str(in_tar(masks)),), invert=True)
    with pytest.warns(PolarityWarning, match="it was inverted on reading"):
        drawn = sample_masks(inverted, 40, 64, torch.Generator().manual_seed(0))
    assert drawn.mean(dim=(1, 2, 3)).max() > 0.9


def test_files_are_opened_once(masks: Path) -> None:
    config = MaskConfig(kind="files", path=str(masks))
    generator = torch.Generator().manual_seed(0)
    sample_masks(config, 30, 48, generator)
    for file in masks.iterdir():
        file.unlink()
    assert sample_masks(config, 30, 48, generator).shape == (30, 1, 48, 48)


def test_nvidia_masks_lie_in_the_bins_their_numbers_say(shared: Path) -> None:
    path = shared / "data" / "nvidia-masks" / "val.tar"
    files = MaskFiles(path)
    numbers = np.array([int(Path(name).stem) for name in files.names])
    with tarfile.open(path) as archive:
        first = archive.extractfile(files.names[0]).read()
    np.testing.assert_array_equal(files.mask(0, 512), np.asarray(Image.open(io.BytesIO(first))) > 0)
    np.testing.assert_array_equal(files.bins(512), numbers // 2000)
