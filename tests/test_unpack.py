"""Archives that are damaged or were made in bad faith."""

from __future__ import annotations

import random
import resource
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit.data import unpack
from labkit.data.unpack import DamagedArchive
from labkit.errors import InputError


def zipped(path: Path, files: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_pictures_are_unpacked_and_nothing_else(tmp_path):
    files = {"a/1.PNG": b"one", "a/b/2.jpg": b"two", "readme.txt": b"no", "__MACOSX/a/1.png": b"no"}
    archive = zipped(tmp_path / "x.zip", files)
    assert unpack.unpack(archive, tmp_path / "out", [".png", ".jpg"]) == 2
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    assert found == {"a/1.PNG", "a/b/2.jpg"}
    assert (tmp_path / "out" / "a" / "b" / "2.jpg").read_bytes() == b"two"


def zip_with_link(path: Path) -> Path:
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


def twice(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", b"1")
        archive.writestr("a.png", b"2")
    return path


BAD = {
    "../out.png": lambda p: zipped(p, {"../out.png": b"x"}),
    "absolute": lambda p: zipped(p, {"/tmp/out.png": b"x"}),
    "backslash": lambda p: zipped(p, {"..\\out.png": b"x"}),
    "drive": lambda p: zipped(p, {"C:/out.png": b"x"}),
    "link in a zip": zip_with_link,
    "a name twice": twice,
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_faith_is_refused(tmp_path, kind):
    archive = BAD[kind](tmp_path / "bad.zip")
    with pytest.raises(InputError, match="cannot be trusted"):
        unpack.unpack(archive, tmp_path / "in" / "out", [".png"])
    left = {p.name for p in tmp_path.rglob("*")}
    assert left <= {"bad.zip", "in"}


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "ALLOWANCE", 1000)
    archive = zipped(
        tmp_path / "bomb.zip", {"a.png": bytes(5_000_000)}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(InputError, match="would unpack to"):
        unpack.unpack(archive, tmp_path / "out", [".png"])
    assert not (tmp_path / "out").exists()


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    archive = zipped(tmp_path / "lie.zip", {"a.png": b"x" * 1000})
    data = archive.read_bytes()
    size = (1000).to_bytes(4, "little")
    at = data.rindex(b"PK\x01\x02") + 24
    assert data[at : at + 4] == size
    archive.write_bytes(data[:at] + (10).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(InputError):
        unpack.unpack(archive, tmp_path / "out", [".png"])
    assert not (tmp_path / "out").exists()


def test_damage_and_what_cannot_be_unpacked(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"a.png": b"x" * 1000})
    broken = tmp_path / "broken.zip"
    data = bytearray(archive.read_bytes())
    data[60] ^= 255
    broken.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged or encrypted"):
        unpack.unpack(broken, tmp_path / "out", [".png"])
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(InputError, match="is no zip file"):
        unpack.unpack(tmp_path / "page.zip", tmp_path / "out", [".png"])
    with pytest.raises(InputError, match=r"holds no \.gif"):
        unpack.unpack(archive, tmp_path / "out", [".gif"])
    with pytest.raises(InputError, match="no such file"):
        unpack.unpack(tmp_path / "none.zip", tmp_path / "out", [".png"])
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        unpack.unpack(archive, tmp_path / "there", [".png"])
    assert not (tmp_path / "out").exists()


def opened(archive: Path, out: Path) -> int:
    return unpack.unpack(archive, out, [".png"])


def test_an_empty_folder_is_filled_and_so_is_one_that_a_link_names(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"a.png": b"x"})
    (tmp_path / "out").mkdir()
    (tmp_path / "disk" / "far").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "far")
    for name in ("out", "link"):
        assert opened(archive, tmp_path / name) == 1
        assert [p.name for p in (tmp_path / name).iterdir()] == ["a.png"]
    assert (tmp_path / "link").is_symlink()
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["far"]


def test_a_member_for_the_folder_itself_is_no_harm(tmp_path):
    assert opened(zipped(tmp_path / "x.zip", {"./": b"", "./a.png": b"x"}), tmp_path / "two") == 1


def flipped(data: bytes, first: int, end: int, seed: int) -> bytes:
    """The data with one bit of it changed, at `first` or later, before `end`."""
    generator, changed = random.Random(seed), bytearray(data)
    changed[generator.randrange(first, end)] ^= 1 << generator.randrange(8)
    return bytes(changed)


TEXT = bytes(random.Random(0).choices(b"abcdefgh", k=3000))


@pytest.mark.parametrize("method", ["ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"])
def test_a_changed_bit_in_a_zip_file_is_damage(tmp_path, method):
    path = zipped(tmp_path / "x.zip", {"a.png": TEXT}, compression=getattr(zipfile, method))
    data = path.read_bytes()
    first, end = data.index(b"a.png") + len("a.png"), data.index(b"PK\x01\x02")
    for seed in range(60):
        path.write_bytes(flipped(data, first, end, seed))
        with pytest.raises(DamagedArchive, match=r"damaged or encrypted.*; download it again"):
            opened(path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to write a file beyond this size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_is_told_with_a_remedy(tmp_path):
    archive = zipped(tmp_path / "x.zip", {"a.png": bytes(400_000)})
    with (
        files_of_at_most(200_000),
        pytest.raises(InputError, match=r"be unpacked into .*out \(.*\); check .* free space"),
    ):
        opened(archive, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]
