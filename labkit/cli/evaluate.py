"""``labkit evaluate``: score methods on a fixed set of pairs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.common import pick_device, refuse_checkpoints, refuse_inside_pairs
from labkit.files import make_folder
from labkit.inpainting import METHODS

DEFAULT_METHODS = ("black", "mean", "telea", "ns")


def evaluate(
    context: typer.Context,
    pairs: Annotated[
        Path,
        typer.Option(
            help="Folder or tar file of pairs: NNN.jpg with its mask NNN.png (white = missing), or "
            "images/ and masks/ with the same names.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for report.html, summary.json, per-image.csv, manifest.json and "
            "contact-sheet.png.",
            show_default=False,
        ),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help=f"One of {', '.join(METHODS)}; may be repeated. "
            f"Default: {', '.join(DEFAULT_METHODS)}.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Evaluate a network: a packaged name, a safetensors file or the folder of a "
            "training run; may be repeated.",
            show_default=False,
        ),
    ] = None,
    invert_mask: Annotated[
        bool, typer.Option("--invert-mask", help="The masks are black where pixels are missing.")
    ] = False,
    size: Annotated[int, typer.Option(help="Side in pixels at which pairs are scored.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap intervals.")] = 0,
    as_reported: Annotated[
        bool,
        typer.Option(
            "--as-reported",
            help="Add rows in the student report's protocol: raw output, soft mask edges, and "
            "images in [0, 1] scored with data_range=2, which adds 6.02 dB.",
        ),
    ] = False,
    lpips: Annotated[
        bool,
        typer.Option(
            "--lpips",
            help="Measure LPIPS too, with SqueezeNet's features; torchvision's weights of it are "
            "downloaded once, or read from --lpips-weights.",
        ),
    ] = False,
    lpips_weights: Annotated[
        Path | None,
        typer.Option(
            help="File of SqueezeNet 1.1's ImageNet weights; implies --lpips.", show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Measure PSNR, SSIM, L1 and LPIPS of methods on a fixed set of pairs.

    Each image is resized to SIZE × SIZE with Lanczos, its mask with nearest neighbour; the hole is
    filled, known pixels are put back, and the 8-bit result is compared with the original: mean,
    95 % bootstrap interval, means by hole ratio, and paired differences between the methods.

    Example: labkit evaluate --pairs pairs.tar --weights runs/first --out results
    """
    from labkit.evaluation import protocol, report
    from labkit.evaluation.methods import open_methods
    from labkit.evaluation.pairs import Pairs
    from labkit.evaluation.statistics import paired_differences, summarise

    config = protocol.ProtocolConfig(size=size, seed=seed, as_reported=as_reported)
    device = pick_device(device)
    refuse_inside_pairs("--out", out, pairs)
    refuse_checkpoints(*(weights or ()))
    found = Pairs(pairs, invert=invert_mask)
    methods = open_methods(method or DEFAULT_METHODS, weights or (), device=device)
    distance = None
    if lpips or lpips_weights:
        from labkit.evaluation.lpips import LPIPS

        distance = LPIPS(lpips_weights)
    make_folder(out)
    evaluation = protocol.evaluate(found, methods, config, lpips=distance)
    rows = summarise(evaluation.scores, seed=seed)
    command = shlex.join(["labkit", *context.obj])
    about = report.environment(methods, config, device=device, command=command)
    differences = paired_differences(evaluation.scores, seed=seed)
    report.write_report(out, evaluation, rows, about, differences)
    print(report.text_table(rows, differences))
    print(f"\nwritten to {out}")
