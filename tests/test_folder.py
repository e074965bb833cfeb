"""Archives and folders of photographs: reading, splitting, caching, and every kind of bad file."""

from __future__ import annotations

import io
import pickle
import tarfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from field import encode, fill
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labkit import machine
from labkit.archive import Entry, list_files
from labkit.data import ImageSource, folder, open_images
from labkit.data.folder import ImageFolder, is_validation
from labkit.errors import InputError

JPEG = (".jpg",)


def picture(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    """A smooth colour picture, so that resizing and JPEG change it little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def files() -> dict[str, bytes]:
    return {f"people/{index:03}.png": encode(picture(index)) for index in range(6)}


# Archives


def test_a_folder_and_a_tar_file_list_and_read_the_same(tmp_path: Path) -> None:
    content = {"b.jpg": b"b" * 700, "deep/er/a.JPG": b"", "deep/c.txt": b"no", "z.jpg": b"last"}
    hidden = {".hidden.jpg": b"x", "__MACOSX/a.jpg": b"x", "deep/._c.jpg": b"x"}
    loose = list_files(fill(tmp_path / "loose", content | hidden), JPEG)
    packed = list_files(tar(tmp_path / "packed.tar", content | hidden), JPEG)
    expected = [("b.jpg", b"b" * 700), ("deep/er/a.JPG", b""), ("z.jpg", b"last")]
    assert [(entry.name, entry.read()) for entry in loose] == expected
    assert [(entry.name, entry.read()) for entry in packed] == expected
    assert packed[0].read(5) == loose[0].read(5) == b"bbbbb"
    assert packed[1].base_name == "a.JPG"
    assert len(list_files(tmp_path / "packed.tar", (*JPEG, ".txt"))) == 4


def test_several_places_and_a_folder_of_shards(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    tar(tmp_path / "shards" / "1.tar", {"a.jpg": b"1"})
    tar(tmp_path / "shards" / "2.tar", {"a.jpg": b"2"})
    more = fill(tmp_path / "more", {"c.jpg": b"3"})
    entries = list_files([tmp_path / "shards", more], JPEG)
    assert [entry.read() for entry in entries] == [b"1", b"2", b"3"]
    assert str(entries[0]) == f"{tmp_path}/shards/1.tar: a.jpg"


def _read(entry: Entry) -> bytes:
    return entry.read()


def test_entries_are_read_by_spawned_processes(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {f"{i}.jpg": bytes([i]) * 600 for i in range(3)})
    entries = list_files(path, JPEG)
    assert pickle.loads(pickle.dumps(entries)) == entries
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(_read, entries)) == [bytes([i]) * 600 for i in range(3)]


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tarfile.TarInfo("../outside.jpg"), "points outside"),
        (tarfile.TarInfo("a/../../outside.jpg"), "points outside"),
        (tarfile.TarInfo("/etc/outside.jpg"), "points outside"),
        (tarfile.TarInfo("..\\outside.jpg"), "points outside"),
        (special("link.jpg", tarfile.SYMTYPE, "/etc/passwd"), "no plain file"),
        (special("link.jpg", tarfile.LNKTYPE, "a.jpg"), "no plain file"),
        (special("device.jpg", tarfile.CHRTYPE), "no plain file"),
        (special("pipe.jpg", tarfile.FIFOTYPE), "no plain file"),
    ],
)
def test_unsafe_archives_are_refused(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
        archive.addfile(member)
    with pytest.raises(InputError, match=message) as caught:
        list_files(path, JPEG)
    assert str(path) in str(caught.value)


@given(cut=st.integers(1, 2 * 512 + 1536 + 1024 - 1))
@settings(max_examples=40, deadline=None)
def test_a_tar_file_cut_short_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """Two members of 600 and 500 bytes: headers and data fill 512 + 1024 + 512 + 512 bytes."""
    path = tar(tmp_path_factory.mktemp("cut") / "a.tar", {"a.jpg": b"a" * 600, "b.jpg": b"b" * 500})
    complete = path.read_bytes()
    path.write_bytes(complete[:cut])
    if cut >= 2560 + 512:  # nothing but padding is gone
        assert len(list_files(path, JPEG)) == 2
    else:
        with pytest.raises(InputError, match=r"a\.tar: .*truncated"):
            list_files(path, JPEG)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.jpg": b"a" * 500, "b.jpg": b"b" * 500})
    data = bytearray(path.read_bytes())
    data[1024:1100] = b"\xff" * 76
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        list_files(path, JPEG)


def test_what_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.tar").write_text("these are notes" * 100)
    (tmp_path / "a.tar.gz").write_bytes(b"")
    tar(tmp_path / "none.tar", {"readme.txt": b"hello"})
    for name, message in [
        ("missing", "no such folder or tar file"),
        ("empty", r"holds no \.jpg files"),
        ("none.tar", r"holds no \.jpg files"),
        ("notes.tar", "not a tar file"),
        ("a.tar.gz", "compressed"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            list_files(tmp_path / name, JPEG)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(InputError, match="no folder or tar file was named"):
        list_files([], JPEG)


def test_an_archive_that_shrinks_while_in_use_is_noticed(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"a.jpg": b"a" * 600})
    (entry,) = list_files(path, JPEG)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match="cut short"):
        entry.read()
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        entry.read()


# Pictures


def test_batches_are_square_uint8_and_in_the_order_asked_for(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    source = ImageFolder(fill(tmp_path, files), 32, "all")
    assert isinstance(source, ImageSource)
    assert len(source) == 6 and source.names == sorted(files)
    batch = source.batch([4, 0, 4])
    assert batch.dtype == np.uint8 and batch.shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(batch[0], batch[2])
    np.testing.assert_array_equal(batch[1], source.batch(np.array([0]))[0])
    assert not np.array_equal(batch[0], batch[1])
    assert source.batch([]).shape == (0, 32, 32, 3)
    for wrong in ([6], [-1]):
        with pytest.raises(InputError, match=r"outside 0\.\.5"):
            source.batch(wrong)


def test_a_square_of_the_right_size_comes_back_bit_for_bit(tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": encode(picture(1, 32, 32))})
    np.testing.assert_array_equal(
        ImageFolder(tmp_path, 32, "all").batch([0])[0], picture(1, 32, 32)
    )


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (64, 65)])
def test_the_centre_is_kept(tmp_path: Path, height: int, width: int) -> None:
    """A picture whose columns (or rows) count up, halved: the middle of the count is left."""
    ramp = np.arange(max(height, width), dtype=np.uint8)
    image = np.broadcast_to(ramp[:, None] if height > width else ramp, (height, width))
    fill(tmp_path, {"a.png": encode(np.repeat(image[..., None], 3, axis=2))})
    square = ImageFolder(tmp_path, 32, "all").batch([0])[0, ..., 0].astype(float)
    along = square[:, 16] if height > width else square[16]
    start = (max(height, width) - 64) / 2
    expected = start + 2 * np.arange(32) + 0.5  # the mean of each two pixels
    np.testing.assert_allclose(along[4:-4], expected[4:-4], atol=0.51)


def test_reduction_does_not_alias(tmp_path: Path) -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    fill(tmp_path, {"a.png": encode(stripes)})
    square = ImageFolder(tmp_path, 64, "all").batch([0])[0]
    assert square[8:-8, 8:-8].min() >= 126 and square[8:-8, 8:-8].max() <= 129


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": encode(picture(0, 32, 36))})
    assert ImageFolder(tmp_path, 64, "all").batch([0]).shape == (1, 64, 64, 3)


def test_every_common_kind_of_picture_is_read(tmp_path: Path) -> None:
    colour = Image.fromarray(picture(3, 40, 40))
    upright = picture(3, 40, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn anticlockwise
    colour.convert("L").save(tmp_path / "grey.png")
    colour.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    colour.convert("RGBA").save(tmp_path / "opaque.png")
    few = colour.quantize(64)
    few.save(tmp_path / "palette.png")
    colour.save(tmp_path / "web.webp", quality=95)
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    source = ImageFolder(tmp_path, 40, "all")
    batch = dict(zip(source.names, source.batch(range(6)).astype(int), strict=True))
    assert not source.rejected
    reference = picture(3, 40, 40).astype(int)
    np.testing.assert_array_equal(batch["opaque.png"], reference)
    np.testing.assert_array_equal(batch["grey.png"], np.asarray(colour.convert("L").convert("RGB")))
    np.testing.assert_array_equal(batch["palette.png"], np.asarray(few.convert("RGB")))
    for name in ("cmyk.jpg", "web.webp"):
        assert np.abs(batch[name] - reference).mean() < 8, name
    assert np.abs(batch["turned.jpg"] - upright[:, 10:50]).mean() < 4


def test_open_images_reads_paths(tmp_path: Path, files: dict[str, bytes]) -> None:
    packed = tar(tmp_path / "a.tar", files)
    loose = fill(tmp_path / "loose", {"more.png": encode(picture(9))})
    source = open_images([str(packed), str(loose)], 32, "all", cache=True)
    assert len(source) == 7
    assert source.describe() == {
        "kind": "files",
        "paths": ["a.tar", "loose"],
        "split": "all",
        "val_fraction": 0.05,
        "size": 32,
        "count": 7,
        "rejected": 0,
        "excluded": 0,
    }


# Splits


def test_the_split_is_a_partition_that_moving_files_does_not_change(tmp_path: Path) -> None:
    small = encode(picture(0, 32, 32))
    names = [f"{index:03}.png" for index in range(200)]
    first = fill(tmp_path / "first", {name: small for name in names})
    moved = tar(tmp_path / "b.tar", {f"x/{name}": small for name in [*names[::2], "new.png"]})

    def base_names(path: Path, split: str) -> set[str]:
        return {Path(name).name for name in ImageFolder(path, 32, split).names}

    train, val = base_names(first, "train"), base_names(first, "val")
    assert train | val == base_names(first, "all") == set(names) and not train & val
    assert val == {name for name in names if is_validation(name, 0.05)}
    assert base_names(moved, "val") - {"new.png"} == val & set(names[::2])
    assert val < {name for name in names if is_validation(name, 0.3)}


def test_the_split_is_the_same_on_every_machine() -> None:
    """The names whose SHA-256, by coreutils' sha256sum, starts below 0ccd, a twentieth of ffff."""
    held_out = [number for number in range(60) if is_validation(f"{number:05}.jpg", 0.05)]
    assert held_out == [13, 24, 38, 48]


def test_about_a_twentieth_is_held_out() -> None:
    share = np.mean([is_validation(f"{index}.jpg", 0.05) for index in range(20_000)])
    assert abs(share - 0.05) < 0.005
    assert not any(is_validation(f"{index}.jpg", 0.0) for index in range(100))


def test_an_empty_side_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    fill(tmp_path, files)
    with pytest.raises(InputError, match="none of the 6 pictures falls into split 'val'"):
        ImageFolder(tmp_path, 32, "val")
    with pytest.raises(InputError, match="split 'dev' is unknown"):
        ImageFolder(tmp_path, 32, "dev")
    with pytest.raises(InputError, match="size 8"):
        ImageFolder(tmp_path, 8)


# Bad files


@pytest.fixture
def damaged(files: dict[str, bytes]) -> dict[str, bytes]:
    """Six good pictures, and between them five that show their fault in the header or later."""
    jpeg = encode(picture(1, 200, 200), "JPEG", quality=95)
    transparent = np.dstack([picture(2), np.full((40, 48), 99, np.uint8)])
    return files | {
        "people/000a.png": b"this is a text file",
        "people/001a.jpg": jpeg[: len(jpeg) // 2],
        "people/002a.png": encode(picture(1, 1, 1)),
        "people/003a.png": b"",
        "people/004a.png": encode(transparent),
    }


BAD_HEADER = {"people/000a.png", "people/002a.png", "people/003a.png"}
BAD_DATA = {"people/001a.jpg", "people/004a.png"}


def test_bad_headers_are_found_at_opening_and_bad_data_at_reading(
    tmp_path: Path, damaged: dict[str, bytes]
) -> None:
    with pytest.warns(UserWarning, match=r"3 left out: .*000a\.png"):
        source = ImageFolder(fill(tmp_path, damaged), 32, "all")
    assert {name for name, _ in source.rejected} == BAD_HEADER
    assert len(source) == 8
    with pytest.warns(UserWarning, match=r"1 left out: people/00.a"):
        batch = source.batch(range(8))
    reasons = dict(source.rejected)
    assert set(reasons) == BAD_HEADER | BAD_DATA
    assert "not a picture" in reasons["people/000a.png"]
    assert "1×1 pixels" in reasons["people/002a.png"]
    assert "damaged" in reasons["people/001a.jpg"]
    assert "transparent" in reasons["people/004a.png"]
    assert str(tmp_path) not in "".join(reasons.values())
    # The next usable picture stands in, and goes on doing so without another warning.
    np.testing.assert_array_equal(batch[2], batch[3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(source.batch(range(8)), batch)
    assert len(source.rejected) == 5


@pytest.mark.parametrize("packed", [False, True])
def test_a_scan_leaves_out_all_that_is_damaged(
    tmp_path: Path, damaged: dict[str, bytes], files: dict[str, bytes], packed: bool
) -> None:
    place = tar(tmp_path / "a.tar", damaged) if packed else fill(tmp_path, damaged)
    with pytest.warns(UserWarning, match="left out"):
        source = ImageFolder(place, 32, "all")
        source.batch(range(len(source)))
        rejected = source.scan()
    assert len(rejected) == 5 and {name for name, _ in rejected} == BAD_HEADER | BAD_DATA
    assert source.names == sorted(files)
    good = ImageFolder(fill(tmp_path / "good", files), 32, "all")
    np.testing.assert_array_equal(source.batch(range(6)), good.batch(range(6)))


def test_a_set_with_nothing_usable_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": b"text", "b.png": encode(picture(0, 20, 90))})
    with pytest.raises(InputError, match=r"none of the 2 pictures can be used; a\.png: not a pic"):
        ImageFolder(tmp_path, 32, "all")


@pytest.mark.parametrize("cache", [False, True])
def test_a_set_that_turns_out_unusable_is_refused(tmp_path: Path, cache: bool) -> None:
    jpeg = encode(picture(1, 200, 200), "JPEG")
    fill(tmp_path, {"a.jpg": jpeg[:-900], "b.jpg": jpeg[:-900]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match=r"not one usable|none of the 2 pictures"):
            ImageFolder(tmp_path, 32, "all", cache=cache).batch([0])


def test_a_long_header_is_no_damage(tmp_path: Path) -> None:
    profile = encode(picture(0), "JPEG", icc_profile=bytes(200_000))
    fill(tmp_path, {"a.jpg": profile})
    assert not ImageFolder(tmp_path, 32, "all").rejected


# The cache


def test_the_cache_holds_what_the_files_hold(
    tmp_path: Path,
    damaged: dict[str, bytes],
    files: dict[str, bytes],
) -> None:
    place = fill(tmp_path / "a", damaged)
    good = ImageFolder(fill(tmp_path / "b", files), 32, "all")
    with pytest.warns(UserWarning, match="left out"):
        cached = ImageFolder(place, 32, "all", cache=True)
    assert {name for name, _ in cached.rejected} == BAD_HEADER | BAD_DATA
    assert cached.names == good.names
    np.testing.assert_array_equal(cached.batch([5, 1, 3]), good.batch([5, 1, 3]))
    for file in place.rglob("*.png"):
        file.unlink()
    np.testing.assert_array_equal(cached.batch([2]), good.batch([2]))
    cached.batch([2])[:] = 0  # a batch is the caller's own
    np.testing.assert_array_equal(cached.batch([2]), good.batch([2]))


def test_a_cache_larger_than_half_the_free_memory_is_refused(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, files)
    needed = 6 * 32 * 32 * 3
    monkeypatch.setattr(folder, "available_memory", lambda: 2 * needed - 1)
    with pytest.raises(InputError, match=r"more than half .*; train without the cache"):
        ImageFolder(tmp_path, 32, "all", cache=True)
    monkeypatch.setattr(folder, "available_memory", lambda: 2 * needed)
    assert len(ImageFolder(tmp_path, 32, "all", cache=True)) == 6


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"memory.max": b"5000\n", "memory.current": b"2000\n"})
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.available_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    free = machine.available_memory()
    assert free is not None and free > 3000


# Real photographs


def test_celeba_shards_are_read_whole(shared: Path) -> None:
    source = ImageFolder(shared / "data" / "celeba256" / "val.tar", 64, "all", cache=True)
    assert len(source) == 193 and not source.rejected
    assert 60 < source.batch(range(193)).mean() < 180
