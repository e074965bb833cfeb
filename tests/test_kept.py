"""What a picture file holds beside its pixels comes back with the filled ones."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import fails, run
from field import COLUMNS, HOLE, METHOD, PICTURE, ROWS, exif, save, save_mask, turned
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin

from labkit.inpainting import METHODS, inpaint
from labkit.kept import _settled, _turned, read_picture, write_picture
from labkit.nn.generator import GMCNN, GeneratorConfig

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DEEP = np.stack([COLUMNS * 600, ROWS * 900, (ROWS + COLUMNS) * 300 + 77], axis=-1).astype(np.uint16)


def filled(capsys, path: Path, out: Path, *options: object, mask: np.ndarray = HOLE) -> list[str]:
    """Fill a file by a command that succeeds; what it said."""
    save_mask(out.parent / "mask.png", mask)
    code, said, lines = run(
        capsys, "inpaint", path, out.parent / "mask.png", "-o", out, *(options or METHOD)
    )
    assert (code, said) == (0, ""), lines
    return lines


def with_thumbnail(order: str) -> bytes:
    """EXIF: turned, a maker's note, and a table of a thumbnail with its bytes."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    table = struct.pack(order + "H", 2)
    table += struct.pack(order + "HHIHH", 0x112, 3, 1, 6, 0)
    table += struct.pack(order + "HHII", 0x10F, 2, 5, 38)  # the maker's name
    table += struct.pack(order + "I", 43) + b"Maker"
    small = struct.pack(order + "H", 2)
    small += struct.pack(order + "HHII", 0x201, 4, 1, 73) + struct.pack(
        order + "HHII", 0x202, 4, 1, 6
    )
    return head + table + small + bytes(4) + b"SECRET"


@pytest.mark.parametrize("order", "<>")
def test_exif_says_upright_and_loses_only_its_thumbnail(order: str) -> None:
    block = with_thumbnail(order)
    settled = _settled(bytearray(block))
    assert len(settled) == len(block) + 6 and b"Maker" in settled and b"SECRET" not in settled
    read = Image.Exif()
    read.load(settled)
    assert read[0x112] == 1 and read[0x10F].startswith("Maker")
    assert not read.get_ifd(1)
    for damaged in (b"", b"garbage", block[:20]):
        assert _settled(bytearray(damaged)) == b""


@pytest.mark.parametrize("number", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(number: int, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", exif=exif(turned(number)))
    with Image.open(path) as file:
        from PIL import ImageOps

        expected = np.asarray(ImageOps.exif_transpose(file))
    np.testing.assert_array_equal(_turned(PICTURE, number), expected)
    np.testing.assert_array_equal(read_picture(path).pixels, expected)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg"])
def test_exif_profile_and_resolution_are_kept(tmp_path: Path, suffix: str, capsys) -> None:
    block = exif((0x10F, 2, 6, b"Maker\0"), turned(6))
    path = save(tmp_path / "a.jpg", exif=block, icc_profile=PROFILE, dpi=(300, 150), quality=60)
    out = tmp_path / f"o.{suffix}"
    lines = filled(capsys, path, out, mask=np.rot90(HOLE, -1))
    assert bool(lines) == (suffix == "jpg")
    with Image.open(out) as file:
        assert file.size == (64, 96)
        assert file.info["icc_profile"] == PROFILE
        found = file.getexif()
        assert found.get(0x112, 1) == 1 and found[0x10F] == "Maker"
        if suffix != "webp":  # has no place for it
            assert [round(float(n)) for n in file.info["dpi"]] == [150, 300]
    if suffix != "jpg":
        before, after = (read_picture(each).pixels for each in (path, out))
        mask = np.rot90(HOLE, -1)
        np.testing.assert_array_equal(after[~mask], before[~mask])


def test_a_jpeg_keeps_its_tables_and_says_that_pixels_change(tmp_path: Path, capsys) -> None:
    path = save(tmp_path / "a.jpg", quality=37, subsampling=1)
    (line,) = filled(capsys, path, tmp_path / "o.jpg")
    assert "o.jpg: JPEG changes known pixels too; a name that ends in .png keeps them" in line
    with Image.open(path) as before, Image.open(tmp_path / "o.jpg") as after:
        assert after.quantization == before.quantization
        assert JpegImagePlugin.get_sampling(after) == JpegImagePlugin.get_sampling(before) == 1


def test_the_text_of_a_png_is_kept(tmp_path: Path, capsys) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "caf\u00e9")
    text.add_itxt("Title", "\u6d77", zip=True)
    text.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='6'/>")
    path = save(tmp_path / "a.png", pnginfo=text, dpi=(72, 72))
    filled(capsys, path, tmp_path / "o.png")
    with Image.open(tmp_path / "o.png") as file:
        assert file.text == {"Author": "caf\u00e9", "Title": "\u6d77"}
        assert round(file.info["dpi"][0]) == 72


@pytest.mark.parametrize("grey", [False, True])
def test_transparency_is_kept_and_the_hole_is_opaque(tmp_path: Path, grey: bool, capsys) -> None:
    alpha = np.where(COLUMNS < 45, 90, 255).astype(np.uint8)
    planes = PICTURE[..., :1] if grey else PICTURE
    path = save(tmp_path / "a.png", np.dstack([planes, alpha]))
    filled(capsys, path, tmp_path / "o.png")
    with Image.open(tmp_path / "o.png") as file:
        assert file.mode == ("LA" if grey else "RGBA")
        found = np.array(file)
    np.testing.assert_array_equal(found[..., -1], np.where(HOLE, 255, alpha))
    np.testing.assert_array_equal(found[~HOLE][:, :-1], planes[~HOLE])
    line = fails(capsys, "inpaint", path, tmp_path / "mask.png", "-o", tmp_path / "o.jpg", *METHOD)
    assert "o.jpg: transparency cannot be kept in it; use .png" in line


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fills_in_sixteen_bits(method: str) -> None:
    model = GMCNN(GeneratorConfig(width=2, prior="biharmonic", trained_size=32)).eval()
    model = model if method == "gmcnn" else None
    result = inpaint(DEEP, HOLE, method, generator=model)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[~HOLE], DEEP[~HOLE])
    eight = inpaint((DEEP // 257).astype(np.uint8), HOLE, method, generator=model)
    assert np.abs(result[HOLE] / 257 - eight[HOLE]).mean() < 2
    if method in ("biharmonic", "gmcnn"):
        assert np.abs(result[HOLE].astype(float) - DEEP[HOLE]).max() < 400  # a plane
        assert len(np.unique(result[HOLE][:, 2] % 257)) > 20  # no 8-bit steps


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_are_kept(tmp_path: Path, suffix: str, grey: bool, capsys) -> None:
    deep = DEEP[..., 0] if grey else DEEP
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), deep if grey else deep[..., ::-1])
    filled(capsys, path, tmp_path / "o.png", "--method", "biharmonic")
    found = cv2.imread(str(tmp_path / "o.png"), cv2.IMREAD_UNCHANGED)
    found = found if grey else found[..., ::-1]
    assert found.dtype == np.uint16 and found.shape == deep.shape
    np.testing.assert_array_equal(found[~HOLE], deep[~HOLE])
    assert np.abs(found.astype(int) - deep)[HOLE].max() < 400
    end = (tmp_path / "mask.png", "-o", tmp_path / "o.tif", *METHOD)
    if grey:
        assert run(capsys, "inpaint", path, *end)[0] == 0
        np.testing.assert_array_equal(
            read_picture(tmp_path / "o.tif").pixels[~HOLE][:, 0], deep[~HOLE]
        )
    else:
        line = fails(capsys, "inpaint", path, *end)
        assert "o.tif: 16 bits a channel cannot be kept in it; use .png" in line
    end = (tmp_path / "mask.png", "-o", tmp_path / "o.jpg", *METHOD)
    assert "16 bits" in fails(capsys, "inpaint", path, *end)


def test_a_sixteen_bit_png_keeps_the_rest_too(tmp_path: Path) -> None:
    alpha = np.full(HOLE.shape, 500, np.uint16)
    picture = read_picture(
        save(tmp_path / "a.png", icc_profile=PROFILE, dpi=(99, 99), exif=exif(turned(1)))
    )
    deep = type(picture)(DEEP, alpha, False, picture.info, ((b"tEXt", b"Author\0me"),))
    write_picture(tmp_path / "o.png", deep)
    again = read_picture(tmp_path / "o.png")
    np.testing.assert_array_equal(again.pixels, DEEP)
    np.testing.assert_array_equal(again.alpha, alpha)
    assert again.chunks == deep.chunks
    assert again.info["icc_profile"] == PROFILE and again.info["exif"] == picture.info["exif"]
    assert [round(n) for n in again.info["dpi"]] == [99, 99]


def test_a_tiff_keeps_who_made_it(tmp_path: Path, capsys) -> None:
    known = Image.Exif()
    known[0x13B], known[0x8769] = "Somebody", {0x829A: 0.005}
    path = save(tmp_path / "a.tif", exif=known.tobytes(), dpi=(300, 300))
    for name in ("o.tif", "o.png"):
        filled(capsys, path, tmp_path / name)
        with Image.open(tmp_path / name) as file:
            found = file.getexif()
            assert found[0x13B] == "Somebody" and float(found.get_ifd(0x8769)[0x829A]) == 0.005
            assert round(float(file.info["dpi"][0])) == 300


# Where it is said what is missing


def test_the_pictures_own_transparency_is_the_mask(tmp_path: Path, capsys) -> None:
    alpha = np.where(HOLE, 100, 255).astype(np.uint8)
    path, out = save(tmp_path / "a.png", np.dstack([PICTURE, alpha])), tmp_path / "o.png"
    assert run(capsys, "inpaint", path, "-o", out, "--mask", "alpha", *METHOD) == (0, "", [])
    with Image.open(out) as file:
        assert file.mode in ("RGB", "RGBA")
        found = np.array(file.convert("RGB"))
    np.testing.assert_array_equal(found, inpaint(PICTURE, HOLE, "telea"))
    mask = save_mask(tmp_path / "m.png")
    line = fails(capsys, "inpaint", path, mask, "-o", out, "--mask", "alpha", *METHOD)
    assert "m.png means nothing to --mask alpha" in line
    line = fails(capsys, "inpaint", save(tmp_path / "b.png"), "-o", out, "--mask", "alpha", *METHOD)
    assert "b.png: no pixel is transparent; give a mask file" in line
    assert "no mask is named" in fails(capsys, "inpaint", path, "-o", out, *METHOD)
    assert "'beta': must be 'alpha'" in fails(
        capsys, "inpaint", path, "-o", out, "--mask", "beta", *METHOD
    )


@pytest.mark.parametrize("said", ["255,0,40", "#ff0028", "FF0028"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_colour_marks_what_is_missing(tmp_path: Path, said: str, apart: bool, capsys) -> None:
    painted = np.where(HOLE[..., None], np.uint8([250, 9, 44]), PICTURE).astype(np.uint8)
    over = save(tmp_path / "over.png", painted)
    files = (save(tmp_path / "a.png"), over) if apart else (over,)
    out = tmp_path / "o.png"
    assert run(capsys, "inpaint", *files, "-o", out, "--mask-color", said, *METHOD) == (0, "", [])
    np.testing.assert_array_equal(read_picture(out).pixels, inpaint(PICTURE, HOLE, "telea"))


def test_a_colour_that_is_none_or_is_not_there(tmp_path: Path, capsys) -> None:
    start = ("inpaint", save(tmp_path / "a.png"), "-o", tmp_path / "o.png", *METHOD)
    for said in ("256,0,0", "red", "#ff00", "1,2"):
        assert f"--mask-color {said}: is no colour" in fails(capsys, *start, "--mask-color", said)
    line = fails(capsys, *start, "--mask-color", "255,0,255")
    assert "a.png: no pixel has the colour 255,0,255; paint with a hard brush" in line


# Folders


def album(folder: Path) -> tuple[Path, Path, Path]:
    """Two pictures with masks, one of them deeper; one without; and where results go."""
    for name in ("a", "deep/er/b", "deep/lone"):
        save(folder / "photos" / f"{name}.png")
    for name in ("a", "deep/er/b"):
        save_mask(folder / "masks" / f"{name}.png") if name == "a" else save(
            folder / "masks" / f"{name}.png", HOLE.astype(np.uint8) * 255
        )
    return folder / "photos", folder / "masks", folder / "photos" / "out"


def test_folders_are_searched_and_resumed(tmp_path: Path, capsys) -> None:
    photos, masks, out = album(tmp_path)
    command = ("inpaint", photos, masks, "-o", out, *METHOD, "--workers", 2)
    code, said, (line,) = run(capsys, *command)
    assert code == 3 and said == "2 filled, 1 left out\n"
    assert "lone.png: no mask of this name" in line
    done = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png"))
    assert done == ["a.png", "deep/er/b.png"]
    stamp = (out / "a.png").stat().st_mtime_ns
    code, said, _ = run(capsys, *command)
    assert code == 3
    assert said == "0 filled, 2 done before (delete them to fill them anew), 1 left out\n"
    assert (out / "a.png").stat().st_mtime_ns == stamp
    os.utime(photos / "a.png", ns=(stamp + 10**9, stamp + 10**9))  # the picture was changed since
    code, said, _ = run(capsys, *command)
    assert said.startswith("1 filled, 1 done before")


def test_scripts_get_one_object(tmp_path: Path, capsys) -> None:
    photos, masks, out = album(tmp_path)
    code, said, _ = run(capsys, "inpaint", photos, masks, "-o", out, *METHOD, "--json")
    report = json.loads(said)
    assert code == 3 and report["method"] == "telea" and report["done_before"] == []
    assert [item["out"] for item in report["filled"]] == [
        str(out / "a.png"),
        str(out / "deep" / "er" / "b.png"),
    ]
    assert report["filled"][0]["missing"] == pytest.approx(HOLE.mean(), abs=1e-6)
    (left,) = report["left_out"]
    assert left["picture"].endswith("lone.png") and "no mask" in left["why"]
    one = ("inpaint", photos / "a.png", masks / "a.png", "-o", tmp_path / "o.png", *METHOD)
    code, said, lines = run(capsys, *one, "--json")
    assert (code, lines) == (0, []) and json.loads(said)["filled"][0]["mask"].endswith("a.png")
    assert "--workers 2 means nothing to one picture" in fails(capsys, *one, "--workers", 2)


def test_a_folder_of_pictures_with_their_own_masks(tmp_path: Path, capsys) -> None:
    alpha = np.where(HOLE, 0, 255).astype(np.uint8)
    save(tmp_path / "p" / "a.png", np.dstack([PICTURE, alpha]))
    save(tmp_path / "p" / "b.png")
    command = ("inpaint", tmp_path / "p", "-o", tmp_path / "o", "--mask", "alpha", *METHOD)
    code, said, (line,) = run(capsys, *command)
    assert code == 3 and "b.png: no pixel is transparent" in line
    assert said == "1 filled, 1 left out\n"
    (tmp_path / "empty").mkdir()
    line = fails(capsys, "inpaint", tmp_path / "empty", *command[2:])
    assert "empty: holds no picture" in line
