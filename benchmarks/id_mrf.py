"""ID-MRF, forward and backward: the released computation against the package's two exact paths.

    python benchmarks/id_mrf.py --output book/results/benchmarks.json

Baseline: `release.id_mrf`, a 1×1 convolution a sample and the whole matrix for every intermediate
result. Ours: `labkit.losses.id_mrf`, dense and streamed. Time: variants take turns, gradients with
respect to the generated features only. Memory: the peak above what the process holds before the
call, inputs included there, each variant in a fresh process after a tiny call that loads libraries.

Two kinds of features, because the streamed backward pass works on winning positions only: "filled",
a photograph and the same with its hole filled classically (random VGG19's relu3_2), where 41 % of
the rows win; "unrelated", normal noise, where 57 % do. The record has both shares.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import release
import torch
from measure import (
    MEBIBYTE,
    arguments,
    median,
    peak_above,
    peak_memory,
    ratio,
    save,
    take_turns,
)
from torch import Tensor

from labkit.data.photos import Photos
from labkit.images import to_tensor
from labkit.inpainting import inpaint
from labkit.losses.id_mrf import id_mrf
from labkit.machine import available_memory
from labkit.masks import irregular
from labkit.nn.features import Features

Loss = Callable[[Tensor, Tensor], Tensor]
VARIANTS: dict[str, Loss] = {
    "baseline": release.id_mrf,
    "dense": lambda v, s: id_mrf(v, s, reduction="sum", algorithm="dense"),
    "streamed": lambda v, s: id_mrf(v, s, reduction="sum", algorithm="streamed"),
}
STRIDE = 4  # pixels between two positions of relu3_2
CHANNELS = 256
CURVE = (16, 32, 48, 64, 96, 128)  # positions along a side
# The baseline and the dense path hold some ten matrices at their peak.
MATRICES = 10


def main() -> None:
    parser = arguments(__doc__, rounds=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(peak_of(options.child, options.device))
        return
    batch, side, curve = (1, 8, (8,)) if options.quick else (4, 64, CURVE)
    rounds = 1 if options.quick else options.rounds
    section = {
        "benchmark": "ID-MRF, forward and backward, float32; sums over the batch",
        "features": {
            "filled": "random VGG19's relu3_2 of photographs and of their classical fills",
            "unrelated": "normal noise",
        },
        "memory": "peak above the inputs, MiB, in a process of its own",
        "channels": CHANNELS,
        "standard": standard(batch, side, rounds, options),
        "curve": [point(side, min(rounds, 3), options) for side in curve],
    }
    save(options, "id_mrf", section)


def standard(batch: int, side: int, rounds: int, options: argparse.Namespace) -> dict[str, object]:
    """The main comparison: one size, both kinds of features."""
    memory = {name: memory_of(name, batch, side, options) for name in VARIANTS}
    rows = []
    for kind in ("filled", "unrelated"):
        v, s = features(kind, batch, side, options.device)
        row = {"features": kind, "winning_positions": winners(v, s), **compare(v, s, rounds)}
        rows.append(row)
        print(
            f"{side}×{side} positions, batch {batch}, {kind}: baseline {row['baseline_s']} s, "
            f"dense {row['dense_faster']} times faster, streamed {row['streamed_faster']}"
        )
    fewer = {f"{name}_less": less(memory, name) for name in ("dense", "streamed")}
    print(f"  peak MiB: {memory}; streamed {fewer['streamed_less']} times less")
    return {"batch": batch, "positions": side, "rows": rows, "peak_mib": memory, **fewer}


def point(side: int, rounds: int, options: argparse.Namespace) -> dict[str, object]:
    """One picture of one size."""
    memory = {name: memory_of(name, 1, side, options) for name in VARIANTS}
    v, s = features("filled", 1, side, options.device)
    able = [name for name in VARIANTS if fits(name, 1, side, options.device)]
    row = {
        "image_px": side * STRIDE,
        "positions": side,
        **compare(v, s, rounds, able),
        **{f"{name}_mib": mib for name, mib in memory.items()},
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()))
    return row


def compare(
    v: Tensor, s: Tensor, rounds: int, names: list[str] | None = None
) -> dict[str, float | None]:
    """Median seconds of each variant, how many times faster than the baseline, and agreement."""
    chosen = {name: VARIANTS[name] for name in names or VARIANTS}
    v = v.clone().requires_grad_()
    runs = {name: lambda loss=loss: both_passes(loss, v, s) for name, loss in chosen.items()}
    seconds = take_turns(runs, rounds, v.device.type)
    row: dict[str, float | None] = {
        f"{name}_s": median(seconds[name]) if name in chosen else None for name in VARIANTS
    }
    if "baseline" not in chosen:
        return row
    expected = both_passes(VARIANTS["baseline"], v, s)
    for name in ("dense", "streamed"):
        if name in chosen:
            row[f"{name}_faster"] = ratio(seconds["baseline"], seconds[name])
            value = both_passes(VARIANTS[name], v, s)
            row[f"{name}_relative_difference"] = float(f"{abs(value / expected - 1):.2g}")
    return row


def both_passes(loss: Loss, v: Tensor, s: Tensor) -> float:
    v.grad = None
    value = loss(v, s)
    value.backward()
    return float(value.detach())


def features(kind: str, batch: int, side: int, device: str) -> tuple[Tensor, Tensor]:
    """Generated and target features, (B, 256, side, side) both."""
    generator = torch.Generator().manual_seed(0)
    if kind == "unrelated":
        shape = (batch, CHANNELS, side, side)
        v, s = (torch.randn(shape, generator=generator) for _ in range(2))
        return v.to(device), s.to(device)
    size = max(side * STRIDE, 32)
    photos = Photos(size, "test", scale=(1.0, 1.0)).batch(range(batch))
    masks = irregular(batch, size, bin=3, border=False, rng=generator)
    holes = [mask[0].numpy() > 0.5 for mask in masks]
    fills = [inpaint(p, h, method="telea") for p, h in zip(photos, holes, strict=True)]
    extract = Features("random:0", ["relu3_2"], normalise="mean-only").to(device)
    with torch.no_grad():
        v, s = (extract(to_tensor(x, device))["relu3_2"] for x in (np.stack(fills), photos))
    return v, s


def winners(v: Tensor, s: Tensor) -> float:
    """Share of generated positions that some target position matches best: only they have a
    gradient."""
    v = v.clone().requires_grad_()
    both_passes(VARIANTS["streamed"], v, s)
    return round(float((v.grad != 0).any(dim=1).float().mean()), 3)


def memory_of(name: str, batch: int, side: int, options: argparse.Namespace) -> float | None:
    """Peak MiB of a variant; None where it is not measured or the process died."""
    if name == "dense" and options.quick:
        return None
    if not fits(name, batch, side, options.device):
        return None
    return peak_memory(__file__, f"{name},{batch},{side}", options.device, options.threads)


def fits(name: str, batch: int, side: int, device: str) -> bool:
    """Whether this machine has the memory to try a variant."""
    if device != "cpu" or name == "streamed":
        return True
    need = MATRICES * 4 * batch * side**4
    if enough := need <= (available_memory() or need):
        return enough
    print(f"{name}, {side}×{side} positions: left out, it may need {need / MEBIBYTE:.0f} MiB")
    return False


def peak_of(child: str, device: str) -> float:
    name, batch, side = child.split(",")
    loss = VARIANTS[name]

    def run(batch: int, side: int) -> Callable[[], float]:
        v, s = features("unrelated", batch, side, device)
        v.requires_grad_()
        return lambda: both_passes(loss, v, s)

    run(1, 2)()  # libraries loaded, threads started
    return peak_above(run(int(batch), int(side)), device)


def less(memory: dict[str, float | None], name: str) -> float | None:
    if memory["baseline"] is None or memory[name] is None:
        return None
    return round(memory["baseline"] / max(memory[name], 0.1), 1)


if __name__ == "__main__":
    main()
