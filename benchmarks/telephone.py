"""A photograph as a telephone writes it, filled by the command (a part of benchmarks/crops.py)."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from labkit.data.photos import photo
from labkit.images import read_image
from labkit.masks import write_mask


def display_p3() -> bytes:
    """A colour profile with the primaries of Display P3: that of sRGB with three tags changed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189)}
    primaries[b"bXYZ"] = (0.15710, 0.06657, 0.78407)
    (count,) = struct.unpack_from(">I", profile, 128)
    for entry in range(132, 132 + 12 * count, 12):
        name, at, _ = struct.unpack_from(">4sII", profile, entry)
        if name in primaries:
            fixed = (round(65536 * value) for value in primaries[name])
            struct.pack_into(">3i", profile, at + 8, *fixed)
    return bytes(profile)


def telephone() -> dict[str, object]:
    """A JPEG of 24 megapixels on its side in Display P3, with a hole of 400 pixels, by the command:
    what was kept, seconds, and the memory of the process in all."""
    with tempfile.TemporaryDirectory() as name:
        folder, exif = Path(name), Image.Exif()
        profile = display_p3()  # each has the time it was made at
        exif[0x0112], exif[0x010F] = 6, "Maker"
        enlarged = Image.fromarray(photo("retina")).resize((6000, 4000), Image.Resampling.BICUBIC)
        enlarged.save(folder / "photo.jpg", exif=exif, icc_profile=profile, dpi=(300, 300))
        mask = np.zeros((6000, 4000), bool)
        mask[2800:3200, 1800:2200] = True
        write_mask(folder / "mask.png", mask)
        line = [sys.executable, "-m", "labkit", "inpaint", "photo.jpg", "mask.png"]
        command = subprocess.Popen([*line, "-o", "filled.png", "--device", "cpu"], cwd=folder)
        _, status, used = os.wait4(command.pid, 0)
        assert status == 0
        with Image.open(folder / "filled.png") as file:
            known = np.asarray(file)[~mask] == read_image(folder / "photo.jpg")[~mask]
            found = file.getexif()
            return {
                "known_pixels_equal": bool(known.all()),
                "profile_equal": file.info["icc_profile"] == profile,
                "orientation": found[0x0112],
                "maker": found[0x010F],
                "dpi": [round(value) for value in file.info["dpi"]],
                "seconds": round(used.ru_utime + used.ru_stime, 1),
                "peak_mib": round(used.ru_maxrss / 1024),
            }
