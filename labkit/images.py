"""Images at the edges and inside: uint8 files outside, float32 tensors in [-1, 1] within.

Conventions used everywhere in this package:

* an image tensor is float32 (B, 3, H, W) with values in [-1, 1];
* a mask is (B, 1, H, W) with values in {0, 1}, and **1 means missing**;
* uint8 arrays (H, W, 3), RGB, exist only where files and pictures are read or written.

Converting to uint8 rounds. The released code truncates, which shifts 24.5 % of the known pixels by
one grey level after a round trip through [-1, 1]; rounding returns every pixel as it was.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from labkit.errors import InputError
from labkit.files import atomic_write
from labkit.pillow import count, opened, upright

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Pillow modes that hold 8-bit colour or grey values and convert to RGB without losing range.
_EIGHT_BIT_MODES = {"RGB", "L", "P", "1", "CMYK", "YCbCr", "HSV", "LAB", "RGBA", "LA", "PA"}
_WIDE_MODES = {"I", "I;16", "I;16B", "I;16L", "F"}
_TIFF_BITS = 258  # the tag BitsPerSample
_LARGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}  # the formats with a quality, too


def to_tensor(array: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) or (B, H, W, 3) → float32 (B, 3, H, W) in [-1, 1].

    Raises:
        InputError: another dtype or shape.

    >>> grey = np.full((4, 4, 3), 51, np.uint8)
    >>> to_tensor(grey).shape, round(to_tensor(grey).max().item(), 3)
    (torch.Size([1, 3, 4, 4]), -0.6)
    """
    import torch

    if array.dtype != np.uint8:
        raise InputError(f"an image array must be uint8, not {array.dtype}")
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[-1] != 3:
        raise InputError(f"an image array must be (H, W, 3) or (B, H, W, 3), not {array.shape}")
    return from_uint8(torch.from_numpy(np.ascontiguousarray(array)).to(device))


def from_uint8(images: Tensor) -> Tensor:
    """uint8 tensor (B, H, W, 3) → float32 (B, 3, H, W) in [-1, 1], on the same device."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)  # (B, 3, H, W)


def to_uint8(image: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] → uint8 (B, H, W, 3), rounded to the nearest grey level.

    Values outside [-1, 1] are clipped; NaN is an error rather than a black pixel.

    >>> import torch
    >>> to_uint8(torch.full((1, 3, 1, 1), -0.6)).tolist()
    [[[[51, 51, 51]]]]
    """
    import torch

    check_image(image, check_range=False)
    grey = image.detach().to(torch.float32).add(1.0).mul(127.5).round().clamp(0, 255)
    return grey.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()  # (B, H, W, 3)


def check_image(image: Tensor, *, check_range: bool = True) -> None:
    """Raise InputError unless `image` is a finite float (B, 3, H, W) in [-1, 1]."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise InputError(f"an image must be (B, 3, H, W), not {tuple(image.shape)}")
    if not image.is_floating_point():
        raise InputError(f"an image must be a float tensor in [-1, 1], not {image.dtype}")
    if not bool(image.isfinite().all()):
        raise InputError("the image holds NaN or infinite values")
    if check_range and image.numel():
        low, high = image.min().item(), image.max().item()
        if low < -1.001 or high > 1.001:
            raise InputError(
                f"image values lie in [{low:.3g}, {high:.3g}], not in [-1, 1]",
                "scale uint8 images with labkit.images.to_tensor",
            )


def check_mask(mask: Tensor, image: Tensor | None = None) -> None:
    """Raise InputError unless `mask` is float (B, 1, H, W), 0 or 1, and sized like `image`."""
    if mask.ndim != 4 or mask.shape[1] != 1:
        raise InputError(f"a mask must be (B, 1, H, W), not {tuple(mask.shape)}")
    if not mask.is_floating_point():
        raise InputError(f"a mask must be a float tensor, not {mask.dtype}", "call mask.float()")
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(
            "a mask must hold only 0 (known) and 1 (missing)",
            "threshold it, for example mask > 0.5",
        )
    if image is not None and (mask.shape[0] != image.shape[0] or mask.shape[2:] != image.shape[2:]):
        raise InputError(
            f"mask {tuple(mask.shape)} does not fit image {tuple(image.shape)}",
            "batch, height and width must agree",
        )


def mask_input(image: Tensor, mask: Tensor) -> Tensor:
    """X = Y ⊙ (1 − M): the image with its missing pixels set to 0, which is mid-grey in [-1, 1]."""
    return image * (1.0 - mask)


def compose(image: Tensor, prediction: Tensor, mask: Tensor) -> Tensor:
    """Ŷ = Y ⊙ (1 − M) + G ⊙ M: known pixels from `image`, missing ones from `prediction`.

    Selected with `where` and not by the products: a product with 0 would let a NaN of the unused
    side through, and known pixels must come back bit for bit.

    >>> import torch
    >>> mask = torch.tensor([[[[0.0, 1.0]]]])
    >>> compose(torch.zeros(1, 3, 1, 2), torch.ones(1, 3, 1, 2), mask)[0, 0].tolist()
    [[0.0, 1.0]]
    """
    import torch

    return torch.where(mask > 0.5, prediction.to(image.dtype), image)  # (B, 3, H, W)


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode one picture to uint8 (H, W, 3), RGB, upright.

    EXIF orientation is applied; grey, palette and CMYK pictures become RGB; an opaque alpha channel
    is dropped. A picture with real transparency, with more than 8 bits a channel or with more than
    one frame or page is refused: turning it into one 8-bit RGB picture would silently lose values.

    Args:
        name: what to call the file in an error.

    Raises:
        InputError: not a picture, truncated, transparent, wider than 8 bits, several in one, or
            more than 500 megapixels, a limit that LABKIT_MEGAPIXELS in the environment changes.
    """
    with opened(data, name) as picture:
        if loaded(picture, data, name):
            raise InputError(f"{name}: more than 8 bits a channel", "save it as 8-bit RGB")
        picture = upright(picture)
        if picture.has_transparency_data:  # an alpha channel, or a colour that stands for it
            picture = picture.convert("RGBA")
            lowest = picture.getchannel("A").getextrema()[0]
            if lowest < 255:
                raise InputError(
                    f"{name}: transparent pixels (alpha down to {lowest})",
                    "flatten it onto a background first; a hole belongs in the mask file",
                )
        return np.array(picture.convert("RGB"))  # a copy: Pillow's own memory is read-only


def loaded(picture: Image.Image, data: bytes, name: str) -> bool:
    """Load the pixels of an opened file, and say whether they have more than 8 bits a channel.

    Raises:
        InputError: several pictures in one, or of a kind that becomes no RGB.
    """
    if (pictures := count(picture)) > 1:
        raise InputError(
            f"{name}: holds {pictures} pictures, frames or pages",
            "save the one that is meant as a file of its own",
        )
    wide = _bits(picture, data) > 8
    picture.load()
    if not wide and picture.mode not in _EIGHT_BIT_MODES | _WIDE_MODES:
        raise InputError(
            f"{name}: Pillow mode {picture.mode} is not supported", "save it as 8-bit RGB"
        )
    return wide or picture.mode in _WIDE_MODES


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture file as uint8 (H, W, 3), RGB; see `decode_image` for what is refused."""
    return decode_image(read_bytes(path, "picture"), str(path))


def read_bytes(path: str | os.PathLike[str], what: str) -> bytes:
    """All of a file.

    Raises:
        InputError: it is not there, is a folder and not a `what`, or cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a {what}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _bits(picture: Image.Image, data: bytes) -> int:
    """Bits a channel in the file, where Pillow opens more than 8 as 8 without a word."""
    if picture.format == "PNG":
        return data[24] if len(data) > 24 else 8  # of the header chunk, which comes first
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(_TIFF_BITS, (8,)))
    if picture.format == "PPM":  # a comment may stand between the numbers of its header
        header = b" ".join(line.partition(b"#")[0] for line in data[:4096].split(b"\n"))
        numbers = header.split()[1:4]
        return 16 if numbers[2:] and numbers[2].isdigit() and int(numbers[2]) > 255 else 8
    return 8


def kind_of(path: str | os.PathLike[str], array: np.ndarray | None = None) -> str:
    """Pillow's name for the format that a file's suffix stands for.

    Raises:
        InputError: none that can be written, or that holds a picture as large as `array`.
    """
    suffix = Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise InputError(f"{path}: unknown picture format {suffix!r}", "use .png, .jpg or .webp")
    limit = _LARGEST_SIDE.get(kind)
    if array is not None and limit is not None and max(array.shape[:2]) > limit:
        raise InputError(f"{path}: {kind} holds no more than {limit:,} pixels a side", "use .png")
    return kind


def write_image(path: str | os.PathLike[str], array: np.ndarray, *, quality: int = 95) -> None:
    """Write uint8 (H, W, 3) or (H, W) to `path`, atomically; the suffix names the format.

    Args:
        quality: of JPEG and WebP, 0 to 100.

    Raises:
        InputError: wrong dtype or shape, an unknown suffix, a picture larger than the format takes,
            or a file that cannot be written.
    """
    path = Path(path)
    grey = array.ndim == 2
    if array.dtype != np.uint8 or not (grey or array.shape[2:] == (3,)) or not array.size:
        raise InputError(f"{path}: needs a uint8 picture, not {array.dtype} {array.shape}")
    kind = kind_of(path, array)
    options = {"quality": quality} if kind in _LARGEST_SIDE else {}
    picture = Image.fromarray(array)
    atomic_write(path, lambda file: picture.save(file, format=kind, **options))


def png_bytes(array: np.ndarray) -> bytes:
    """uint8 (H, W, 3) or (H, W) as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
