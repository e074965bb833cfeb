"""Picture files as Pillow opens them, without what it does that no photograph wants.

* A picture is not refused for what says nothing of its pixels: text of any length in a PNG, odd
  entries of EXIF, of which the orientation alone is read.
* How large a picture may be is said here, and can be raised: `LIMIT`.
* Whatever a damaged file sets off in Pillow is one error that names the file.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from labkit.errors import InputError

LIMIT, MEGAPIXELS = "LABKIT_MEGAPIXELS", 500  # a variable of the environment, and its default
LARGEST_PROFILE = 1 << 23  # bytes of a colour profile; JPEG holds no more than twice that
_LARGEST_TEXT = 1 << 20  # bytes of a PNG's text when unpacked; Pillow refuses more

_ORIENTATION, _KIND_OF_PAGE = 0x0112, 0x00FE  # tags of EXIF and of TIFF
_PREVIEW_OR_MASK = 0b101  # bits of the latter
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG = b"\x89PNG\r\n\x1a\n"
_OF_THE_PICTURE = {b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"}  # of the chunks that may be missing
_TURNING_TEXT = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")  # an orientation may be there
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """A picture, its header read.

    Args:
        data: of the file; its beginning may do, to look at the header.
        name: what to call the file in an error.

    Raises:
        InputError: not a picture, one of too many pixels, or whatever goes wrong with it until the
            block is left.
    """
    try:
        with _opened(data) as picture:
            most, pixels = _largest(), picture.width * picture.height
            if pixels > most * 1e6:
                raise InputError(
                    f"{name}: {picture.width}×{picture.height} are more than {most:g} megapixels",
                    f"resize it first, or set {LIMIT}={-(-pixels // 1_000_000)} "
                    "where there is the memory for it",
                )
            yield picture
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a picture that Pillow can read") from None
    except MemoryError:
        raise InputError(f"{name}: there is not the memory to open it", "resize it first") from None
    except Exception as error:  # a damaged file can raise anything
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name}: damaged picture ({said})", "save or download it again") from None


def _opened(data: bytes) -> Image.Image:
    plain, profile = _without_text(data)
    with _ONE_AT_A_TIME:  # Pillow's own limit holds for the whole process
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            picture = Image.open(io.BytesIO(plain))
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if profile is not None:
        picture.info["icc_profile"] = profile
    return picture


def _largest() -> float:
    """Megapixels of the largest picture that is opened."""
    said = os.environ.get(LIMIT) or MEGAPIXELS
    try:
        return float(said)
    except ValueError:
        raise InputError(f"{LIMIT} {said!r} is no number", "set it to megapixels") from None


def _without_text(data: bytes) -> tuple[bytes, bytes | None]:
    """A PNG without the chunks that say nothing of its pixels, and its colour profile; other data
    as it is."""
    if not data.startswith(_PNG):
        return data, None
    kept, profile = [_PNG], None
    for kind, body, whole in _chunks(data):
        needed = not kind[0] & 32 or kind in _OF_THE_PICTURE  # a capital: needed to show it
        if kind == b"iCCP":
            profile = _unpacked(bytes(body).partition(b"\0")[2][1:], LARGEST_PROFILE)
        elif needed or _tells_the_turn(kind, bytes(body[:80]), body):
            kept.append(whole)
    return b"".join(kept), profile


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """A PNG's chunks: kind, content, and all of it."""
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        whole = memoryview(data)[at : at + 12 + length]
        yield kind, whole[8 : 8 + length], whole
        at += 12 + length


def png_chunks(data: bytes, kinds: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """Kind and content of those chunks of a PNG file."""
    return [(kind, bytes(body)) for kind, body, _ in _chunks(data) if kind in kinds]


def _tells_the_turn(kind: bytes, start: bytes, body: memoryview) -> bool:
    """Whether a chunk of text may hold the orientation, and Pillow would read it."""
    if kind not in (b"tEXt", b"zTXt", b"iTXt") or not start.startswith(_TURNING_TEXT):
        return False
    after = start.index(b"\0") + 1
    if kind == b"zTXt":
        return _unpacked(bytes(body[after + 1 :]), _LARGEST_TEXT) is not None
    return len(body) <= _LARGEST_TEXT and (kind == b"tEXt" or start[after : after + 1] == b"\0")


def _unpacked(data: bytes, most: int) -> bytes | None:
    """None where it is damaged, or more than so many bytes."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data, most)
    except zlib.error:
        return None
    return plain if inflate.eof else None


def orientation(picture: Image.Image) -> int:
    """EXIF's number for how the picture is to be turned; 1 for not at all."""
    try:
        number = picture.getexif().get(_ORIENTATION)
    except Exception:  # a damaged block can raise anything, and the pixels are sound
        return 1
    return number if number in _TURNS else 1


def upright(picture: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation says it is to be seen."""
    turn = _TURNS.get(orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def count(picture: Image.Image) -> int:
    """How many pictures a file holds: frames or pages, but no previews and no layers."""
    frames = getattr(picture, "n_frames", 1)
    if frames == 1 or picture.format in ("MPO", "PSD"):  # what a telephone adds, and layers
        return 1
    if picture.format != "TIFF":
        return frames
    pages = 0
    for number in range(frames):
        picture.seek(number)
        pages += not picture.tag_v2.get(_KIND_OF_PAGE, 0) & _PREVIEW_OR_MASK
    picture.seek(0)
    return pages
