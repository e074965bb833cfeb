#!/usr/bin/env python3
"""Damage valid files at random, and see that nothing worse comes of it than a line that names them.

    python tests/fuzz.py --minutes 60 --seed 0

Pictures, masks, archives of pairs, weights files, checkpoints and config.json are cut, overwritten,
repeated and spliced. Each case is read as labkit reads it, in a process with a limit of time. A
finding is an error that is not labkit's own, a case that does not end, or a file that was half
written; its bytes are kept in the folder --findings, and its name says how to see it again.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import multiprocessing.connection
import os
import random
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from labkit.errors import InputError

SECONDS = 60  # that one case may take
SPAWN = multiprocessing.get_context("spawn")
Case = Callable[[Path, Path], object]


def pictures() -> dict[str, bytes]:
    """Valid pictures and masks by file name, small in size and many in kind."""
    y, x = np.mgrid[:48, :64]
    colour = Image.fromarray(np.stack([x * 3, y * 4, x + y], axis=-1).astype(np.uint8))
    mask = Image.fromarray(((x > 20) & (x < 40) & (y > 10) & (y < 30)).astype(np.uint8) * 255)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    extras = {"exif": exif, "icc_profile": bytes(range(256)) * 4}
    kinds = {
        "jpg": extras, "png": extras, "webp": extras, "tif": extras | {"compression": "tiff_lzw"},
        "bmp": {}, "gif": {}, "ppm": {}, "tga": {}, "jp2": {}, "avif": extras, "ico": {},
    }  # fmt: skip
    found = {}
    for kind, options in kinds.items():
        for name, picture in (("photo", colour), ("mask", mask)):
            file = io.BytesIO()
            picture.save(file, format=Image.registered_extensions()[f".{kind}"], **options)
            found[f"{name}.{kind}"] = file.getvalue()
    for name in ("pages.tif", "film.webp", "film.gif", "film.png"):
        file = io.BytesIO()
        kind = Image.registered_extensions()[Path(name).suffix]
        colour.save(file, format=kind, save_all=True, append_images=[mask.convert("RGB")])
        found[name] = file.getvalue()
    palette = io.BytesIO()
    colour.quantize(16).save(palette, format="png", transparency=3)
    return found | {"palette.png": palette.getvalue()}


def archives(sound: dict[str, bytes]) -> dict[str, bytes]:
    members = {"1.jpg": sound["photo.jpg"], "1.png": sound["mask.png"], "2.jpg": sound["photo.jpg"]}
    members["2.png"] = sound["mask.png"]
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, data in members.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            archive.addfile(head, io.BytesIO(data))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return {"pairs.tar": tar.getvalue(), "pairs.zip": packed.getvalue()}


def runs() -> dict[str, bytes]:
    """What a training leaves behind, without one."""
    import torch

    from labkit.nn.generator import GMCNN
    from labkit.nn.weights import authors_keys, save_generator
    from labkit.settings import GeneratorConfig, TrainConfig
    from labkit.training.checkpoint import RunFolder

    model = GMCNN(GeneratorConfig(width=2))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save_generator(model, folder / "g.safetensors", {"steps": "1"})
        pickled = dict(zip(authors_keys(), model.state_dict().values(), strict=True))
        torch.save(pickled, folder / "g.pth")
        RunFolder(folder).save_state({"step": 1, "model": model.state_dict()})
        found = {name: (folder / name).read_bytes() for name in ("g.safetensors", "g.pth")}
        found["state.pt"] = (folder / "state.pt").read_bytes()
    metrics = b'{"step": 1, "stage": "warm-up", "reconstruction": 0.5}\n' * 3
    return found | {"config.json": TrainConfig().to_json().encode(), "metrics.jsonl": metrics}


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The bytes with one to eight things done to them."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        if not changed:
            break
        # Heads decide more than what follows them.
        at = rng.randrange(len(changed) if rng.random() < 0.5 else min(len(changed), 400))
        end = min(at + rng.choice((1, 2, 4, 16, 200)), len(changed))
        what = rng.randrange(7)
        if what == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            changed[at:end] = rng.randbytes(end - at)
        elif what == 2:
            changed[at:end] = rng.choice((b"\0", b"\xff", b"\x7f", b"9", b"-")) * (end - at)
        elif what == 3:
            del changed[at : end if rng.random() < 0.5 else None]
        elif what == 4:
            changed[at:at] = changed[at:end] * rng.choice((1, 2, 50))
        elif what == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            changed[at:end] = other[start : start + end - at]
        else:
            numbers = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80")
            changed[at : at + 4] = rng.choice(numbers)
    return bytes(changed)


def read_picture(path: Path, out: Path) -> None:
    """As photograph and as mask, and filled, and among pictures to train on."""
    from labkit.data.folder import ImageFolder
    from labkit.inpainting import inpaint
    from labkit.photographs import fill_file
    from labkit.settings.holes import HoleConfig

    hole = path.with_name("hole.png")  # upright, as most of those with EXIF are
    size = (64, 48) if path.suffix in (".jpg", ".png", ".webp", ".tif", ".avif") else (48, 64)
    Image.fromarray(np.eye(*size, dtype=np.uint8) * 255).save(hole)

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return inpaint(image, mask, "mean")

    tries = ((path, hole, "a.png"), (path, path, "b.jpg"), (hole, path, "c.webp"))
    for picture, mask, target in tries:
        try:
            fill_file(fill, picture, mask, out / target, HoleConfig(resize=True))
        except InputError:
            assert not (out / target).exists(), f"{target} is there after an error"
        else:
            with Image.open(out / target) as written:
                written.load()
    found = ImageFolder(path.parent, 32, "all")
    found.scan()
    found.batch([0])


def read_archive(path: Path, out: Path) -> None:
    from labkit.data.folder import ImageFolder
    from labkit.data.unpack import unpack
    from labkit.evaluation.pairs import Pairs

    if path.suffix == ".zip":
        try:
            unpack(path, out / "new", (".jpg", ".png"))
        finally:
            if sys.exc_info()[0] is not None:
                assert not any(out.iterdir()), "something is left of an archive that failed"
        return
    with suppress(InputError):
        pairs = Pairs(path)
        for index in range(len(pairs)):
            pairs.read(index)
    ImageFolder(path, 32, "all").batch([0])


def read_run(path: Path, out: Path) -> None:
    from labkit.nn.weights import load_generator, weights_hash
    from labkit.settings import TrainConfig
    from labkit.training.checkpoint import RunFolder, read_metrics

    if path.name == "config.json":
        TrainConfig.read(path).to_json()
    elif path.name == "state.pt":
        RunFolder(path.parent).load_state()
    elif path.name == "metrics.jsonl":
        read_metrics(path)
        RunFolder(path.parent).truncate_metrics(2)
    else:
        weights_hash(path)
        load_generator(path)


def reader(name: str) -> Case:
    if name.startswith("pairs."):
        return read_archive
    return read_run if name.startswith(("g.", "state", "config", "metrics")) else read_picture


def try_case(name: str, data: bytes) -> str:
    """What went wrong, in the words of a traceback; empty where nothing did."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, out = Path(place, "in", name), Path(place, "out")
        path.parent.mkdir()
        out.mkdir()
        path.write_bytes(data)
        try:
            reader(name)(path, out)
        except InputError:
            pass
        except BaseException:
            return traceback.format_exc()
        left = [p.name for p in Path(place).rglob("*") if p.name.startswith(".")]
        return f"left behind: {left}" if left else ""


def alike(trouble: str) -> str:
    """What two findings of one fault have in common: where it was, and what it was."""
    places = [line.strip() for line in trouble.splitlines() if line.startswith("  File")]
    last = (trouble.strip().splitlines() or [""])[-1]
    return f"{places[-1:]} {last.partition(':')[0]}"


def serve(pipe: multiprocessing.connection.Connection) -> None:
    """Try the cases that come through a pipe."""
    import torch

    torch.set_num_threads(1)
    with suppress(EOFError):  # the other end has gone
        while True:
            pipe.send(try_case(*pipe.recv()))


class Worker:
    """A process that tries cases, and is replaced when one takes too long or ends it."""

    def __init__(self) -> None:
        self.process: multiprocessing.process.BaseProcess | None = None

    def try_case(self, name: str, data: bytes) -> str:
        if self.process is None:
            self.pipe, theirs = SPAWN.Pipe()
            self.process = SPAWN.Process(target=serve, args=(theirs,), daemon=True)
            self.process.start()
            theirs.close()
        self.pipe.send((name, data))
        try:
            if self.pipe.poll(SECONDS):
                return self.pipe.recv()
            trouble = f"took more than {SECONDS} s"
        except EOFError:
            self.process.join()
            trouble = f"ended the process ({self.process.exitcode})"
        self.process.kill()
        self.process.join()
        self.process = None
        return trouble


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names that begin so")
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    options = parser.parse_args()
    os.environ["LABKIT_MEGAPIXELS"] = "20"  # so that memory and time are not what is tried
    rng = random.Random(options.seed)
    sound = pictures()
    sound |= archives(sound) | runs()
    names = [name for name in sound if name.startswith(options.only)]
    worker, seen, tried = Worker(), {}, 0
    for name in names:  # as they are, all can be read
        if trouble := worker.try_case(name, sound[name]):
            print(f"{name} as it is: {trouble}")
            return 1
    end = time.monotonic() + 60 * options.minutes
    while time.monotonic() < end:
        name = rng.choice(names)
        data = mutated(sound[name], list(sound.values()), rng)
        tried += 1
        trouble = worker.try_case(name, data)
        key = alike(trouble)
        if trouble and seen.setdefault(key, tried) == tried:
            options.findings.mkdir(exist_ok=True)
            (options.findings / f"{options.seed}-{tried}-{name}").write_bytes(data)
            print(f"{key}\n{trouble}", flush=True)
    print(f"{tried} cases, {len(seen)} findings (seed {options.seed})")
    return bool(seen)


if __name__ == "__main__":
    sys.exit(main())
