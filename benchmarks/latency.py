"""How long a photograph waits for its fill: the packaged network beside the classical methods.

    python benchmarks/latency.py --output book/results/benchmarks.json

"fill": `labkit.inpainting.inpaint` in a process that has everything loaded, as a server or a
notebook has it; methods take turns. "command": the whole of ``labkit inpaint photo mask -o out``,
from the start of Python to its end, as a person at a terminal waits for it. An irregular hole of
two to three tenths of a photograph of scikit-image's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import arguments, median, save, take_turns
from skimage.data import astronaut

from labkit.evaluation.protocol import prepare
from labkit.images import write_image
from labkit.inpainting import DEFAULT_WEIGHTS, inpaint
from labkit.masks import irregular, write_mask
from labkit.nn.weights import load_generator

METHODS = ("telea", "ns", "biharmonic")
COMMANDS = 5  # starts of the whole program


def pair(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A photograph, uint8 (size, size, 3), and its hole, bool (size, size)."""
    hole = irregular(1, size, bin=2, rng=torch.Generator().manual_seed(0))
    return prepare(astronaut(), hole[0, 0].numpy() > 0.5, size)


def fills(size: int, rounds: int, device: str) -> dict[str, float]:
    """Method → median seconds of one fill."""
    image, mask = pair(size)
    generator = load_generator(DEFAULT_WEIGHTS, device=device)
    variants = {f"gmcnn {DEFAULT_WEIGHTS}": partial(inpaint, image, mask, generator=generator)}
    variants |= {name: partial(inpaint, image, mask, name) for name in METHODS}
    return {name: median(times) for name, times in take_turns(variants, rounds, device).items()}


def command(size: int, times: int, device: str) -> float:
    """Median seconds of the command line's fill with the packaged weights."""
    image, mask = pair(size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_image(folder / "photo.png", image)
        write_mask(folder / "mask.png", mask)
        line = [sys.executable, "-m", "labkit", "inpaint", "photo.png", "mask.png"]
        line += ["-o", "out.png", "--device", device]
        run = partial(subprocess.run, line, cwd=folder, check=True, capture_output=True)
        return median(take_turns({"command": run}, times, "cpu")["command"])


def main() -> None:
    options = arguments(__doc__, rounds=9).parse_args()
    torch.set_num_threads(options.threads)
    sizes, rounds, commands = (256, 512), options.rounds, COMMANDS
    if options.quick:
        sizes, rounds, commands = (64,), 1, 1
    rows = []
    for size in sizes:
        row = {"size": size, "fill": fills(size, rounds, options.device)}
        row["command"] = command(size, commands, options.device)
        rows.append(row)
        shown = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in row["fill"].items())
        print(f"{size} px: {shown}; the whole command {row['command']:.2f} s")
    save(options, "latency", {"benchmark": "latency of a fill, median seconds", "rows": rows})


if __name__ == "__main__":
    main()
