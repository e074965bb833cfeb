"""A picture file with what it holds beside its pixels, to be written again with other pixels.

Kept: EXIF, colour profile, resolution, a PNG's text and what it says of its colours, transparency,
16 bits a channel, grey as grey, and a JPEG's tables where a JPEG is written. The picture is turned
upright, and its EXIF says so. Left out on purpose: the thumbnail in EXIF, which shows what was
there before, and XMP, which may hold another.

Pillow reads and writes 16-bit grey. It reads 16-bit colour as 8 bits and writes none: OpenCV reads
it here, and a PNG is written by hand; as TIFF it cannot be written.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from labkit.errors import InputError
from labkit.files import atomic_write
from labkit.images import kind_of, loaded, read_bytes
from labkit.pillow import LARGEST_PROFILE, opened, orientation, png_chunks

LOSSLESS = {"PNG", "TIFF", "BMP", "DIB", "PPM", "TGA", "WEBP", "PCX", "SGI"}
_GREY = ("L", "LA", "1", "I;16", "I;16B", "I;16L")
_COLOUR = ("RGB", "RGBA", "P")
_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"cHRM", b"sRGB", b"cICP")  # text and colours
_NO_TEXT = (b"XML:com.adobe.xmp\0", b"Raw profile type ")  # XMP, and EXIF as text
_TIFF_TAGS = (270, 271, 272, 305, 306, 315, 33432)  # what it shows, camera, software, who made it
_EXIF_BLOCKS = (0x8769, 0x8825)  # of the camera's settings, and of the place
_TURN, _THUMBNAIL, _THUMBNAIL_LENGTH = 0x0112, 0x0201, 0x0202


@dataclass(frozen=True)
class Picture:
    """One photograph, upright.

    Attributes:
        pixels: uint8 or uint16 (H, W, 3), RGB.
        alpha: like a channel of these, (H, W); None where all is opaque.
        grey: the file has no colours, and its three channels are the same.
        info: what Pillow takes when it writes any format: exif, icc_profile, dpi.
        chunks: of a PNG, kind and content.
        jpeg: what Pillow takes to compress as this JPEG was.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    info: dict[str, Any] = field(default_factory=dict)
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    jpeg: dict[str, Any] = field(default_factory=dict)

    def filled(self, pixels: np.ndarray, mask: np.ndarray) -> Picture:
        """With other pixels; those that were missing, bool (H, W), are opaque."""
        alpha = self.alpha
        if alpha is not None:
            alpha = np.where(mask, np.iinfo(alpha.dtype).max, alpha).astype(alpha.dtype)
        return replace(self, pixels=pixels, alpha=alpha)


def read_picture(path: Path) -> Picture:
    """Read a picture file.

    Raises:
        InputError: not a picture, damaged, several in one, or of a kind that cannot be kept.
    """
    data, name = read_bytes(path, "picture"), str(path)
    with opened(data, name) as file:
        turn = orientation(file)
        grey = file.mode in _GREY
        info = {"exif": _exif(file)}
        # The profile of a CMYK picture does not say what RGB values mean.
        profile = file.info.get("icc_profile") if grey or file.mode in _COLOUR else None
        if isinstance(profile, bytes) and len(profile) <= LARGEST_PROFILE:
            info["icc_profile"] = profile
        info["dpi"] = file.info.get("dpi")
        chunks, jpeg = [], {}
        if file.format == "PNG":
            for _, body in png_chunks(data, (b"pHYs",)):
                if len(body) == 9 and body[8] == 1:  # pixels a metre
                    info["dpi"] = tuple(n * 0.0254 for n in struct.unpack(">II", body[:8]))
            chunks = png_chunks(data, _CHUNKS)
            chunks = [chunk for chunk in chunks if not chunk[1].startswith(_NO_TEXT)]
        elif isinstance(file, JpegImagePlugin.JpegImageFile):
            jpeg = {"qtables": file.quantization}
            if (sampling := JpegImagePlugin.get_sampling(file)) >= 0:
                jpeg["subsampling"] = sampling
        if turn > 4 and info["dpi"]:
            info["dpi"] = info["dpi"][::-1]
        if loaded(file, data, name):
            grey = file.mode.startswith("I;16")
            pixels = _sixteen(file, data, name)
        elif file.has_transparency_data:
            pixels = np.array(file.convert("RGBA"))
        else:
            pixels = np.array(file.convert("RGB"))
    pixels = _turned(pixels, turn)
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    if alpha is not None and alpha.min() == np.iinfo(alpha.dtype).max:
        alpha = None
    info = {key: value for key, value in info.items() if value}
    return Picture(np.ascontiguousarray(pixels[..., :3]), alpha, grey, info, tuple(chunks), jpeg)


def _sixteen(file: Image.Image, data: bytes, name: str) -> np.ndarray:
    """uint16 (H, W, 3 or 4) of a file with more than 8 bits a channel."""
    if file.mode.startswith("I;16"):
        return np.asarray(file).astype(np.uint16)[..., None].repeat(3, axis=2)
    if file.format in ("PNG", "TIFF") and file.mode in ("RGB", "RGBA", "LA"):
        import cv2

        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if found is not None and found.dtype == np.uint16 and found.shape[2:] in ((3,), (4,)):
            order = [2, 1, 0, 3][: found.shape[2]]  # OpenCV has blue first
            return found[..., order]
    raise InputError(
        f"{name}: more than 8 bits a channel, in a form that cannot be kept",
        "save it as 16-bit PNG, or with 8 bits",
    )


def _turned(pixels: np.ndarray, number: int) -> np.ndarray:
    """Upright, by the number of the orientation in EXIF."""
    if number > 4:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if number in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if number in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]


def _exif(file: Image.Image) -> bytes:
    """The block of EXIF, saying upright and without a thumbnail; empty where none can be kept."""
    if file.format == "TIFF":
        try:
            old, new = file.getexif(), Image.Exif()
            new.update({tag: old[tag] for tag in _TIFF_TAGS if tag in old})
            new.update({tag: dict(block) for tag in _EXIF_BLOCKS if (block := old.get_ifd(tag))})
            return new.tobytes() if len(new) else b""
        except Exception:  # an odd entry can raise anything, and the pixels are sound
            return b""
    block = file.info.get("exif", b"")
    return _settled(bytearray(block.removeprefix(b"Exif\0\0"))) if block else b""


def _settled(data: bytearray) -> bytes:
    """Everything stays at its place, a maker's own notes too, of which nothing is known here."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        return b""

    def entries(at: int) -> tuple[dict[int, int], int]:
        """Tag → where its entry is, and where the next table's place is said."""
        (count,) = struct.unpack_from(order + "H", data, at)
        places = range(at + 2, at + 2 + 12 * count, 12)
        return {struct.unpack_from(order + "H", data, p)[0]: p for p in places}, places.stop

    def number(at: int) -> int:
        return struct.unpack_from(order + "I", data, at)[0]

    try:
        found, end = entries(number(4))
        if _TURN in found:
            struct.pack_into(order + "HHIHH", data, found[_TURN], _TURN, 3, 1, 1, 0)
        if second := number(end):
            small, _ = entries(second)
            if _THUMBNAIL in small and _THUMBNAIL_LENGTH in small:
                start = number(small[_THUMBNAIL] + 8)
                stop = min(start + number(small[_THUMBNAIL_LENGTH] + 8), len(data))
                data[start:stop] = bytes(max(stop - start, 0))
            struct.pack_into(order + "I", data, end, 0)
    except struct.error:  # damaged: nothing says what would be kept
        return b""
    return b"Exif\0\0" + bytes(data)


def check_target(path: Path, picture: Picture) -> None:
    """Raise InputError where a file of this name cannot hold the picture as it is."""
    kind = kind_of(path, picture.pixels)
    deep = picture.pixels.dtype == np.uint16
    if deep and not (kind == "PNG" or (kind == "TIFF" and picture.grey)):
        raise InputError(f"{path}: 16 bits a channel cannot be kept in it", "use .png")
    if picture.alpha is not None and kind not in ("PNG", "TIFF", "WEBP", "AVIF", "TGA"):
        raise InputError(f"{path}: transparency cannot be kept in it", "use .png or .webp")


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture with everything that is kept, atomically; the suffix names the format.

    Raises:
        InputError: a format that cannot hold it, or a file that cannot be written.

    Warns:
        UserWarning: a format that changes pixels.
    """
    check_target(path, picture)
    kind = kind_of(path)
    if kind not in LOSSLESS:
        warnings.warn(
            f"{path}: {kind} changes known pixels too; a name that ends in .png keeps them",
            stacklevel=2,
        )
    if picture.pixels.dtype == np.uint16 and not picture.grey:
        atomic_write(path, lambda file: file.write(_png16(picture)))
        return
    options = dict(picture.info)
    if kind == "PNG":
        options["pnginfo"] = known = PngImagePlugin.PngInfo()
        for chunk in picture.chunks:
            known.add(*chunk)
    elif kind == "JPEG":
        options |= picture.jpeg or {"quality": 95}
    elif kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    planes = picture.pixels[..., 0] if picture.grey else picture.pixels
    if picture.alpha is not None:
        planes = np.dstack([planes, picture.alpha])
    image = Image.fromarray(planes)
    atomic_write(path, lambda file: image.save(file, format=kind, **options))


def _png16(picture: Picture) -> bytes:
    """A PNG of 16-bit colour, which Pillow does not write."""
    planes = picture.pixels
    if picture.alpha is not None:
        planes = np.dstack([planes, picture.alpha])
    height, width, channels = planes.shape
    rows = planes.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), 2, np.uint8)  # each less the row above
    filtered[:, 1:] = np.diff(rows, axis=0, prepend=np.uint8(0))
    kind = {3: 2, 4: 6}[channels]
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if profile := picture.info.get("icc_profile"):
        parts.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)))
    if dpi := picture.info.get("dpi"):
        parts.append((b"pHYs", struct.pack(">IIB", *(round(n / 0.0254) for n in dpi), 1)))
    if exif := picture.info.get("exif"):
        parts.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    parts += [part for part in picture.chunks if part[0] != b"sRGB" or not profile]
    parts += [(b"IDAT", zlib.compress(filtered, 6)), (b"IEND", b"")]
    file = [b"\x89PNG\r\n\x1a\n"]
    for name, body in parts:
        check = zlib.crc32(body, zlib.crc32(name))
        file += [struct.pack(">I", len(body)), name, body, struct.pack(">I", check)]
    return b"".join(file)
