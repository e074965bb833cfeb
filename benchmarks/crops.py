"""Large pictures: holes filled crop by crop, against what can be done instead.

    python benchmarks/crops.py --squeezenet WEIGHTS --output book/results/crops.json

* "crops": `labkit.inpainting.inpaint`, with a quarter to two of the hole's longer side around it;
* "whole": the picture made as small as those of the training, once;
* "prior": the smooth fill alone, to which the network adds;
* "original": the network's crop is not reduced;
* "tiles": the package before crops, of a commit that is recorded, on pictures where a network
  without a prior took overlapping tiles, or one pass of up to 1024 pixels a side.

Holes are discs in scikit-image's photographs at their own size, in rendered faces of 1024 pixels
and in one enlarged to 4096. PSNR is over the missing pixels, LPIPS over the hole and as much around
it; both are recorded hole by hole, in the order of the pictures. Seconds are of the processor, on
one thread, so that other work on the machine does not count. Memory is the peak of a process of its
own above what it held before, of one hole.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import arguments, peak_above, save
from PIL import Image
from telephone import telephone

from labkit import inpainting
from labkit.crops import crops
from labkit.data.photos import photo
from labkit.evaluation.lpips import LPIPS
from labkit.faces import render
from labkit.inpainting import inpaint
from labkit.nn.weights import load_generator

BEFORE = "d869d40"  # the last commit with tiles
CONTEXTS = (0.25, 0.5, 1.0, 2.0)
PHOTOS = ("astronaut", "coffee", "hubble", "retina")
HOLES = {  # kind of picture → network, diameters of holes
    "photographs": ("celeba", (24, 48, 96, 160)),
    "faces": ("faces", (24, 48, 80, 128, 192, 320)),
    "enlarged face": ("faces", (24, 48, 80, 128, 192, 320)),
}
EXAMPLES = (("photographs", 0), ("photographs", -1), ("faces", 0), ("enlarged face", 0))
ORIGINAL = 128  # largest hole whose cut-out is taken as it is
TWELVE = (3000, 4000)  # a photograph of 12 megapixels
TWELVES = ("telea", "ns", "biharmonic", "gmcnn", "mean", "black", "biharmonic, a tenth")


def disc(shape: tuple[int, int], diameter: int, rng: np.random.Generator) -> np.ndarray:
    """bool (H, W): a disc in the middle half of the picture."""
    y, x = (rng.uniform(0.25, 0.75) * side for side in shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 < (diameter / 2) ** 2


def pictures(kind: str, quick: bool) -> list[np.ndarray]:
    if kind == "photographs":
        return [photo(name) for name in PHOTOS[: 1 if quick else None]]
    side = 300 if quick else 1024
    render.SIZES = (32, 1024)  # more pixels than it is meant for, and as good
    if kind == "faces":
        return list(render.render_faces(range(1 if quick else 3), side))
    (face,) = render.render_faces([3], side)
    large = Image.fromarray(face).resize((4 * side, 4 * side), Image.Resampling.BICUBIC)
    return [np.asarray(large)]


def by_crops(generator: torch.nn.Module, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Hole by hole; a smaller picture would be seen whole if no scale were given."""
    return inpaint(image, mask, generator=generator, scale=generator.config.trained_size)


def prior(generator: torch.nn.Module, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The network's fill without what it paints."""
    paint, generator.paint = generator.paint, lambda start, _: start
    try:
        return by_crops(generator, image, mask)
    finally:
        generator.paint = paint


def whole(generator: torch.nn.Module, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    hidden = np.where(mask[..., None], np.uint8(0), image)
    levels = inpainting.predict_grey_levels(generator, hidden, mask)
    return np.where(mask[..., None], np.rint(levels).astype(np.uint8), image)


def with_context(
    context: float, generator: torch.nn.Module, image: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    kept, inpainting.CONTEXT = inpainting.CONTEXT, context
    try:
        return by_crops(generator, image, mask)
    finally:
        inpainting.CONTEXT = kept


def old_inpaint() -> Callable[..., np.ndarray]:
    """`inpaint` of the commit BEFORE, from the repository's history."""
    folder = Path(__file__).parent
    for name in ("tiling", "inpainting"):
        show = ["git", "show", f"{BEFORE}:labkit/{name}.py"]
        source = subprocess.run(show, cwd=folder, check=True, capture_output=True, text=True)
        module = types.ModuleType("labkit.tiling" if name == "tiling" else "before")
        sys.modules[module.__name__] = module
        exec(source.stdout, module.__dict__)
    return module.inpaint


def ways_for(
    generator: torch.nn.Module, diameter: int
) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """What is compared on a hole, by its name."""
    ways = {f"crops {c:g}": partial(with_context, c, generator) for c in CONTEXTS}
    ways |= {"prior": partial(prior, generator), "whole": partial(whole, generator)}
    if diameter <= ORIGINAL:
        ways |= {"original": partial(inpaint, generator=generator, scale="original")}
    return ways


def score(
    ways: dict[str, Callable], image: np.ndarray, mask: np.ndarray, lpips: LPIPS | None
) -> dict[str, dict[str, float]]:
    """Way → PSNR of the missing pixels, LPIPS around the hole, seconds."""
    ((window, _),) = crops(mask, 64, 0.5)
    found = {}
    for name, fill in ways.items():
        start = time.process_time()
        filled = fill(image, mask)
        seconds = time.process_time() - start
        error = np.square(filled[mask].astype(float) - image[mask]).mean()
        found[name] = {"psnr": 10 * np.log10(255**2 / error), "seconds": seconds}
        if lpips is not None:
            found[name]["lpips"] = lpips.between(image[window], filled[window])
    return found


def compare(kind: str, quick: bool, lpips: LPIPS | None) -> list[dict[str, object]]:
    """A row for each diameter: the scores of each way, in the order of the pictures."""
    network, diameters = HOLES[kind]
    generator = load_generator(network)
    rows, shown = [], pictures(kind, quick)
    for diameter in diameters[: 1 if quick else None]:
        rng = np.random.default_rng(diameter)
        ways = ways_for(generator, diameter)
        masks = (disc(image.shape[:2], diameter, rng) for image in shown)
        found = scores(ways, zip(shown, masks, strict=True), lpips)
        rows.append({"weights": network, "hole": diameter, "ways": found})
        print(kind, diameter, *(f"{way} {np.mean(of['psnr']):.2f}" for way, of in found.items()))
    return rows


def scores(
    ways: dict[str, Callable], pairs: Iterable[tuple[np.ndarray, np.ndarray]], lpips: LPIPS | None
) -> dict[str, dict[str, list[float]]]:
    """Way → measure → its value on each pair of picture and mask."""
    each = [score(ways, *pair, lpips) for pair in pairs]
    return {
        way: {key: [round(float(one[way][key]), 4) for one in each] for key in each[0][way]}
        for way in ways
    }


def against_tiles(lpips: LPIPS | None) -> dict[str, object]:
    """A network without a prior, on a face of the kind it knows: two holes."""
    place = Path(__file__).parents[1] / "book" / "results" / "faces-plain.safetensors"
    generator, old = load_generator(place), old_inpaint()
    ways = {
        "crops": partial(inpaint, generator=generator),
        "tiles": partial(old, generator=generator),
    }
    rng = np.random.default_rng(1)
    image = pictures("faces", quick=False)[0]
    pairs = ((image, disc(image.shape[:2], diameter, rng)) for diameter in (48, 256))
    return {"weights": place.name, "commit": BEFORE, "ways": scores(ways, pairs, lpips)}


def example(kind: str, which: int) -> tuple[torch.nn.Module, np.ndarray, int]:
    """The network, a picture, and the diameter of the largest hole that every way takes."""
    network, diameters = HOLES[kind]
    image = pictures(kind, quick=False)[which]
    return load_generator(network), image, max(each for each in diameters if each <= ORIGINAL)


def one_hole(name: str) -> Callable[[], object]:
    """The fill of an example in one way."""
    kind, which, way = name.split(", ")
    generator, image, diameter = example(kind, int(which))
    mask = disc(image.shape[:2], diameter, np.random.default_rng(diameter))
    return partial(ways_for(generator, diameter)[way], image, mask)


def memory() -> list[dict[str, object]]:
    """A row for each of the examples: MiB of each way."""
    rows = []
    for kind, which in EXAMPLES:
        generator, image, diameter = example(kind, which)
        ways = ways_for(generator, diameter)
        used = {way: in_a_process(f"hole: {kind}, {which}, {way}")["peak_mib"] for way in ways}
        size = [image.shape[1], image.shape[0]]
        rows.append({"pictures": kind, "size": size, "hole": diameter, "peak_mib": used})
    return rows


def twelve(name: str) -> Callable[[], object]:
    """A fill of 12 megapixels: by a method, of one hole of 500 pixels or of a tenth of it all."""
    method, _, kind = name.partition(", ")
    image = np.tile(photo("coffee"), (8, 7, 1))[: TWELVE[0], : TWELVE[1]]
    rng, mask = np.random.default_rng(0), np.zeros(TWELVE, bool)
    mask[1250:1750, 1750:2250] = True
    while kind and mask.mean() < 0.1:
        rows, columns = np.ogrid[: TWELVE[0], : TWELVE[1]]
        y, x, radius = rng.uniform(0, TWELVE[0]), rng.uniform(0, TWELVE[1]), rng.uniform(20, 220)
        mask |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    generator = load_generator("celeba") if method == "gmcnn" else None
    return partial(inpaint, image, mask, method, generator=generator)


def in_a_process(name: str) -> dict[str, float]:
    """Seconds and memory of one of the `TASKS`: "task: name"."""
    line = [sys.executable, __file__, "--child", name, "--threads", "1"]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


TASKS = {"hole": one_hole, "twelve": twelve}


def main() -> None:
    parser = arguments(__doc__, rounds=1)
    parser.add_argument("--squeezenet", type=Path, help="weights for LPIPS; left out without")
    parser.add_argument("--only", nargs="+", help="parts: those of a section's name in the file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        seconds = []
        task, _, name = options.child.partition(": ")
        fill = TASKS[task](name)

        def timed(run: Callable) -> None:
            start = time.process_time()
            run()
            seconds.append(round(time.process_time() - start, 1))

        peak = peak_above(partial(timed, fill), "cpu")
        print(json.dumps({"seconds": seconds[0], "peak_mib": round(peak)}))
        return
    lpips = LPIPS(options.squeezenet) if options.squeezenet else None
    parts: dict[str, Callable[[], object]] = {
        kind: partial(compare, kind, options.quick, lpips) for kind in HOLES
    }
    if not options.quick:
        parts["tiles"] = partial(against_tiles, lpips)
        parts["memory"] = memory
        parts["telephone"] = telephone
        parts["twelve_megapixels"] = lambda: {
            name: in_a_process(f"twelve: {name}") for name in TWELVES
        }
    for name in options.only or parts:
        save(options, name, {"context": inpainting.CONTEXT, "results": parts[name]()})


if __name__ == "__main__":
    main()
