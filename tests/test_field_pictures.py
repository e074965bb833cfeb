"""Pictures and masks of the field: odd, but sound."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from field import COLUMNS, HOLE, METHOD, PICTURE, exif, save, save_mask, turned
from PIL import Image, PngImagePlugin, TiffImagePlugin

from labkit.data.folder import ImageFolder
from labkit.errors import InputError
from labkit.images import read_image
from labkit.inpainting import inpaint
from labkit.kept import read_picture
from labkit.masks.collection import MaskFiles
from labkit.masks.files import read_mask

ODD_ENTRIES = {
    "signed rational": (0x11A, 10, 1, struct.pack("<ii", -1, 0)),
    "negative number": (0x100, 9, 1, struct.pack("<i", -5)),
    "text in a number's place": (0x11A, 2, 6, b"seven\0"),
    "number in a text's place": (0x10F, 3, 1, struct.pack("<H", 7)),
    "not a number": (0x11A, 12, 1, struct.pack("<d", float("nan"))),
    "unknown type": (0x11A, 99, 1, b"\0\0\0\1"),
    "a block beyond the end": (0x8769, 4, 1, struct.pack("<I", 1 << 30)),
    "text in Latin-1": (0x10E, 2, 5, b"caf\xe9\0"),
    "the maker's own": (0x927C, 7, 8, b"\xff" * 8),
}
FORMATS = ("jpg", "png", "webp")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("entry", ODD_ENTRIES.values(), ids=ODD_ENTRIES)
def test_a_photo_with_an_odd_exif_entry_is_read_upright(tmp_path, entry, suffix) -> None:
    block = exif(turned(6), entry)
    path = save(
        tmp_path / f"a.{suffix}", exif=block, **({} if suffix == "png" else {"quality": 95})
    )
    upright = read_image(path).astype(int)
    assert upright.shape == (96, 64, 3)
    assert np.abs(upright - np.rot90(PICTURE, -1)).mean() < 3


@pytest.mark.parametrize("entry", [e for e in ODD_ENTRIES.values() if e[0] != 0x100])  # its width
def test_a_tiff_with_an_odd_entry_is_read_upright(tmp_path: Path, entry) -> None:
    numbers = ((256, 96), (257, 64), (258, 8), (259, 1), (262, 2), (277, 3), (278, 64))
    fixed = [(tag, 3, 1, struct.pack("<H", value)) for tag, value in numbers]
    fixed += [turned(6), entry, (279, 4, 1, struct.pack("<I", PICTURE.size))]
    strip = (273, 4, 1, struct.pack("<I", 1000))
    head = exif(*sorted([*fixed, strip]))[6:].ljust(1000, b"\0")
    path = tmp_path / "a.tif"
    path.write_bytes(head + PICTURE.tobytes())
    np.testing.assert_array_equal(read_image(path), np.rot90(PICTURE, -1))


@pytest.mark.parametrize("block", [b"Exif\0\0garbage", exif(turned(6))[:20], exif(turned(77))])
def test_a_broken_block_of_exif_leaves_the_photo_as_it_lies(tmp_path: Path, block: bytes) -> None:
    assert read_image(save(tmp_path / "a.jpg", exif=block)).shape == (64, 96, 3)


def test_an_odd_photo_is_filled_and_trained_on(tmp_path: Path, capsys) -> None:
    block = exif(turned(6), ODD_ENTRIES["signed rational"])
    photos, masks, out = tmp_path / "p", tmp_path / "m", tmp_path / "out"
    for name in "abc":
        save(photos / f"{name}.jpg", exif=block if name == "b" else b"")
        save_mask(masks / f"{name}.png", np.rot90(HOLE) if name == "b" else HOLE)
    assert run(capsys, "inpaint", photos, masks, "-o", out, *METHOD)[0] == 0
    assert read_image(out / "b.png").shape == (96, 64, 3)
    found = ImageFolder(photos, 32, "all")
    assert found.batch(range(3)).shape == (3, 32, 32, 3)
    assert found.scan() == []


def png_with(path: Path, kind: bytes, body: bytes, *, last: bool = False) -> Path:
    """The picture as a PNG with one more chunk after its head, or before its end."""
    data = save(path).read_bytes()
    crc = struct.pack(">I", zlib.crc32(kind + body))
    chunk = struct.pack(">I", len(body)) + kind + body + crc
    at = len(data) - 12 if last else 33
    path.write_bytes(data[:at] + chunk + data[at:])
    return path


LONG = zlib.compress(bytes(80_000_000))
CHUNKS = {
    "compressed text": (b"zTXt", b"workflow\0\0" + LONG),
    "compressed international text": (b"iTXt", b"workflow\0\1\0\0\0" + LONG),
    "plain text": (b"tEXt", b"workflow\0" + b"x" * 70_000_000),
    "compressed XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
    "ImageMagick's EXIF": (b"zTXt", b"Raw profile type exif\0\0" + LONG),
    "text packed in an unknown way": (b"zTXt", b"workflow\0\7abc"),
    "a cut gamma": (b"gAMA", b"\0"),
    "a cut resolution": (b"pHYs", b"\0\0"),
    "cut chromaticities": (b"cHRM", b"\0\0"),
    "a huge profile": (b"iCCP", b"icc\0\0" + LONG),
    "a profile packed in an unknown way": (b"iCCP", b"icc\0\7abc"),
    "EXIF that is none": (b"eXIf", b"abc"),
}


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("chunk", CHUNKS.values(), ids=CHUNKS)
def test_a_png_is_read_whatever_its_other_chunks_hold(tmp_path: Path, chunk, last: bool) -> None:
    path = png_with(tmp_path / "a.png", *chunk, last=last)
    np.testing.assert_array_equal(read_image(path), PICTURE)
    read_picture(path)


def test_the_turn_of_a_png_stays_known(tmp_path: Path) -> None:
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<a tiff:Orientation="6"/>')
    block = exif(turned(6))
    raw = PngImagePlugin.PngInfo()
    raw.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    for number, options in enumerate(({"pnginfo": xmp}, {"pnginfo": raw}, {"exif": block})):
        path = save(tmp_path / f"{number}.png", **options)
        np.testing.assert_array_equal(read_image(path), np.rot90(PICTURE, -1))


def test_a_colour_profile_of_megabytes_is_kept(tmp_path: Path, capsys) -> None:
    profile = bytes(range(256)) * 8000
    path = save(tmp_path / "a.png", icc_profile=profile)
    mask, out = save_mask(tmp_path / "m.png"), tmp_path / "out.png"
    assert run(capsys, "inpaint", path, mask, "-o", out, *METHOD) == (0, "", [])
    assert [read_picture(file).info["icc_profile"] for file in (path, out)] == [profile] * 2
    np.testing.assert_array_equal(read_image(out).shape, PICTURE.shape)


def test_a_mask_of_another_shape_is_not_stretched(tmp_path: Path, capsys) -> None:
    upright = save(tmp_path / "a.jpg", exif=exif(turned(6)))  # 64 wide, 96 high
    stored, square = save_mask(tmp_path / "m.png"), save_mask(tmp_path / "s.png", HOLE[:, :64])
    end = ("-o", tmp_path / "out.png", *METHOD)
    for options in ((), ("--resize-mask",)):
        line = fails(capsys, "inpaint", upright, stored, *end, *options)
        assert "EXIF" in line and "turn the mask" in line
        assert "--resize-mask" not in line
    line = fails(capsys, "inpaint", upright, square, *end, "--resize-mask")
    assert "aspect ratio" in line and "EXIF" not in line
    with pytest.raises(InputError, match=r"the image 64×96; .*EXIF"):
        read_mask(stored, size=(96, 64), resize=True)
    large = save_mask(tmp_path / "l.png", np.rot90(HOLE, -1).repeat(3, 0).repeat(3, 1))
    assert run(capsys, "inpaint", upright, large, *end, "--resize-mask") == (0, "", [])
    pairs = save(tmp_path / "pairs" / "1.jpg", exif=exif(turned(6))).parent
    save_mask(pairs / "1.png")
    line = fails(capsys, "evaluate", "--pairs", pairs, "--out", tmp_path / "o", *METHOD)
    assert "one aspect ratio" in line and "EXIF" in line


def test_masks_to_draw_from_may_have_any_shape(tmp_path: Path) -> None:
    save_mask(tmp_path / "a.png")
    assert MaskFiles(tmp_path).mask(0, 48).shape == (48, 48)


@pytest.mark.parametrize("suffix", ["webp", "gif", "png", "tif", "avif"])
def test_a_file_of_several_pictures_is_refused(tmp_path: Path, suffix: str, capsys) -> None:
    second = Image.fromarray(255 - PICTURE)
    path = save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    mask = save_mask(tmp_path / "m.png")
    line = fails(capsys, "inpaint", path, mask, "-o", tmp_path / "o.png", *METHOD)
    assert "holds 2 pictures" in line and "save the one that is meant" in line
    assert run(capsys, "inpaint", mask, mask, "-o", tmp_path / "o.png", *METHOD)[0] == 0


def test_what_a_telephone_or_an_editor_adds_is_no_other_picture(tmp_path: Path) -> None:
    small = Image.fromarray(PICTURE[::4, ::4])
    phone = save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[small])
    assert read_image(phone).shape == PICTURE.shape
    path = tmp_path / "a.tif"
    with TiffImagePlugin.AppendingTiffWriter(path, True) as file:
        Image.fromarray(PICTURE).save(file, "TIFF")
        file.newFrame()
        small.save(file, "TIFF", tiffinfo={0x00FE: 1})  # a preview
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_the_largest_picture_is_ours_to_say(tmp_path: Path, capsys, monkeypatch) -> None:
    path, mask = save(tmp_path / "a.png"), save_mask(tmp_path / "m.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's is not asked
    end = ("inpaint", path, mask, "-o", tmp_path / "o.png", *METHOD)
    assert run(capsys, *end) == (0, "", [])
    monkeypatch.setenv("LABKIT_MEGAPIXELS", "0.006")
    line = fails(capsys, *end)
    assert "96×64 are more than 0.006 megapixels" in line and "LABKIT_MEGAPIXELS=1" in line
    with pytest.raises(InputError, match=r"a\.png: 96×64 are more than"):
        ImageFolder(tmp_path, 32, "all")
    monkeypatch.setenv("LABKIT_MEGAPIXELS", "many")
    assert "'many' is no number" in fails(capsys, *end)
    monkeypatch.delenv("LABKIT_MEGAPIXELS")
    assert Image.MAX_IMAGE_PIXELS == 1000
    _, out, _ = run(capsys, "inpaint", "--help")
    assert "LABKIT_MEGAPIXELS" in out


def test_two_hundred_megapixels_are_opened(tmp_path: Path) -> None:
    data = save(tmp_path / "a.png").read_bytes()
    head = b"IHDR" + struct.pack(">II", 20_000, 10_000) + data[24:29]
    crc = struct.pack(">I", zlib.crc32(head))
    (tmp_path / "a.png").write_bytes(data[:12] + head + crc + data[33:])
    assert len(ImageFolder(tmp_path, 32, "all")) == 1


@pytest.mark.parametrize("method", ["telea", "ns"])
def test_a_picture_of_one_row_takes_colours_that_are_there(method: str) -> None:
    rng = np.random.default_rng(0)
    row = rng.integers(100, 150, (1, 50, 3), dtype=np.uint8)
    hole = np.zeros((1, 50), bool)
    hole[0, 20:30] = True
    for image, mask in ((row, hole), (row.transpose(1, 0, 2), hole.T)):
        fills = []
        for value in (0, 255, 7):
            _ = [np.full(size, value, np.uint8) for size in (50, 150, 300, 600)]  # what lies beside
            fills.append(inpaint(image.copy(), mask, method))
        assert all((fill == fills[0]).all() for fill in fills)
        known = {tuple(colour) for colour in image[~mask].tolist()}
        assert {tuple(colour) for colour in fills[0][mask].tolist()} <= known
    assert (inpaint(row, hole, method)[0, 20] == row[0, 19]).all()


def test_masks_that_are_all_inverted_are_told_of(tmp_path: Path, capsys) -> None:
    for name in "ab":
        save(tmp_path / "pairs" / f"{name}.jpg")
        save_mask(tmp_path / "pairs" / f"{name}.png", ~HOLE)
    save_mask(tmp_path / "pairs" / "b.png", ~HOLE[::-1])
    arguments = ("evaluate", "--pairs", tmp_path / "pairs", "--out", tmp_path / "o", *METHOD)
    code, _, lines = run(capsys, *arguments, "--size", 64)
    assert code == 0
    assert any("the set looks inverted" in line and "(--invert-mask)" in line for line in lines)
    code, _, lines = run(capsys, *arguments, "--size", 64, "--invert-mask")
    assert (code, lines) == (0, [])
    one_small = save_mask(tmp_path / "pairs" / "a.png")
    code, _, lines = run(capsys, *arguments, "--size", 64)
    assert one_small.exists() and not any("the set looks inverted" in line for line in lines)


def test_a_folder_of_inverted_masks_is_told_of(tmp_path: Path, capsys) -> None:
    for name in "ab":
        save(tmp_path / "p" / f"{name}.jpg")
        save_mask(tmp_path / "m" / f"{name}.png", COLUMNS > 40)
    end = ("inpaint", tmp_path / "p", tmp_path / "m", "-o", tmp_path / "o", *METHOD)
    code, _, lines = run(capsys, *end)
    assert code == 0 and any(
        "the set looks inverted" in line and "(--invert-mask)" in line for line in lines
    )
    assert run(capsys, *end, "--invert-mask")[2] == []
