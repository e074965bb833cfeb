"""Data: pictures a second that are decoded, cropped and given holes, against what a step consumes.

    python benchmarks/pipeline.py --output book/results/benchmarks.json

Photographs of scikit-image, cropped, lie as JPEG files in a temporary folder, once at the training
size and once four times as large. "stages": each stage alone on one core. "loaders": batches as the
trainer gets them, with 0, 1 and 2 worker processes, nobody consuming. "trace": a training loop of
adversarial steps with worker processes, as the trainer's; for each step, how long the loop waited
for its batch and how long the step took, the device finishing within it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import arguments, finish, median, save
from PIL import Image
from training_step import labkit_step

from labkit.data.batches import BatchesByStep, load_batches, vary
from labkit.data.folder import ImageFolder
from labkit.data.photos import Photos
from labkit.images import from_uint8
from labkit.masks import sample_masks
from labkit.settings import Augmentation, MaskConfig

LARGER = 4
AUGMENTATION = Augmentation(flip=True, smallest_crop=0.6)
MASKS = MaskConfig(kind="irregular")


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--size", type=int, default=256, help="side of the training pictures")
    parser.add_argument("--batch", type=int, default=None, help="2 on a CPU, 16 on a GPU")
    parser.add_argument("--width", type=int, default=32, help="of the generator")
    parser.add_argument("--workers", type=int, default=None, help="of the loop; 1 on a CPU")
    parser.add_argument("--steps", type=int, default=None, help="of the traced loop")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cpu = options.device == "cpu"
    batch = options.batch or (2 if cpu else 16)
    options.workers = options.workers or (1 if cpu else min(8, os.cpu_count() or 1))
    steps = options.steps or (10 if cpu else 100)
    size, width, pictures = options.size, options.width, 64
    if options.quick:
        size, batch, steps, width, pictures = 64, 2, 3, 2, 8
    with tempfile.TemporaryDirectory() as folder:
        small = write_pictures(Path(folder) / "small", size, pictures)
        large = write_pictures(Path(folder) / "large", LARGER * size, pictures)
        section = {
            "benchmark": "images a second of the data pipeline against a training step",
            "size": size,
            "batch": batch,
            "width": width,
            "stages": stages(small, large, size, 8 if options.quick else 64),
            "loaders": loaders({size: small, LARGER * size: large}, size, batch, options),
            "trace": trace(large, size, batch, width, steps, options),
        }
    report(section)
    save(options, "pipeline", section)


def write_pictures(folder: Path, size: int, count: int) -> Path:
    folder.mkdir()
    source = Photos(min(size, 1024), "train")
    for index, picture in enumerate(source.batch(range(count))):
        Image.fromarray(picture).save(folder / f"{index:04d}.jpg", quality=90)
    return folder


def stages(small: Path, large: Path, size: int, count: int) -> dict[str, float]:
    """Images a second of each stage, one at a time on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    sources = {folder: ImageFolder(folder, size, "all") for folder in (small, large)}
    picture = sources[small].batch([0])[0]
    work: dict[str, Callable[[int], object]] = {
        f"decode {size} px JPEG": lambda i: sources[small].batch([i]),
        f"decode {LARGER * size} px JPEG, resize": lambda i: sources[large].batch([i]),
        "crop, resize, flip": lambda _: vary(picture, AUGMENTATION, size, rng),
    }
    for kind in ("rectangle", "free-form", "irregular"):
        config = MaskConfig(kind=kind)
        work[f"{kind} mask"] = lambda _, c=config: sample_masks(c, 1, size, generator)
    speeds = {}
    for name, run in work.items():
        run(0)
        start = time.perf_counter()
        for index in range(count):
            run(index % len(sources[small]))
        speeds[name] = round(count / (time.perf_counter() - start), 1)
    torch.set_num_threads(threads)
    return speeds


def loaders(
    folders: dict[int, Path], size: int, batch: int, options: argparse.Namespace
) -> list[dict[str, float]]:
    """Images a second of whole batches, the workers' start not counted."""
    rows = []
    sources = {f"{px} px JPEG": ImageFolder(folder, size, "all") for px, folder in folders.items()}
    sources["cached"] = ImageFolder(folders[size], size, "all", cache=True)
    count = max(2, (8 if options.quick else 128) // batch)
    for (name, source), workers in itertools.product(sources.items(), (0, 1, 2)):
        batches = BatchesByStep(source, MASKS, size, batch, 0, augmentation=AUGMENTATION)
        speeds = []
        for _ in range(1 if options.quick else options.rounds):
            # Batches prepared while the first was waited for are taken before the clock starts.
            ahead = 1 + 2 * workers
            stream = load_batches(batches, 0, count + ahead, workers=workers)
            for _ in range(ahead):
                next(stream)
            start = time.perf_counter()
            taken = sum(len(images) for images, _ in stream)
            speeds.append(taken / (time.perf_counter() - start))
        rows.append({"source": name, "workers": workers, "images_per_second": median(speeds)})
    return rows


def trace(
    folder: Path, size: int, batch: int, width: int, steps: int, options: argparse.Namespace
) -> dict[str, object]:
    """A training loop: milliseconds of waiting and of stepping, step by step."""
    device = options.device
    critic_width = 2 if options.quick else 64
    step = labkit_step(size, device, width=width, critic_width=critic_width, precision="bf16")
    source = ImageFolder(folder, size, "all")
    batches = BatchesByStep(source, MASKS, size, batch, 0, augmentation=AUGMENTATION)
    rows = []
    stream = load_batches(batches, 0, steps + 2, workers=options.workers, pin=device != "cpu")
    while True:
        start = time.perf_counter()
        item = next(stream, None)
        if item is None:
            break
        waited = time.perf_counter()
        step(from_uint8(item[0].to(device)), item[1].to(device).float())
        finish(device)
        stepped = time.perf_counter()
        rows.append([round(1e3 * (waited - start), 2), round(1e3 * (stepped - waited), 2)])
    rows = rows[2:]  # the worker starts, libraries choose their algorithms
    waiting, stepping = (sum(column) for column in zip(*rows, strict=True))
    return {
        "source": f"{LARGER * size} px JPEG",
        "workers": options.workers,
        "precision": "bf16",
        "images_per_second": round(1e3 * batch * len(rows) / (waiting + stepping), 3),
        "share_of_time_waiting": float(f"{waiting / (waiting + stepping):.3g}"),
        "milliseconds_waiting_and_stepping": rows,
    }


def report(section: dict) -> None:
    for name, speed in section["stages"].items():
        print(f"{name:28s} {speed:9.1f} images/s on one core")
    for row in section["loaders"]:
        print(
            f"{row['source']:12s} {row['workers']} workers {row['images_per_second']:9.1f} images/s"
        )
    trace = section["trace"]
    print(
        f"the step consumes {trace['images_per_second']} images/s and waits "
        f"{100 * trace['share_of_time_waiting']:.2f} % of the time"
    )


if __name__ == "__main__":
    main()
