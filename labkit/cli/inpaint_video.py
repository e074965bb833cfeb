"""``labkit inpaint-video``: fill the holes of a clip."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.common import Interrupted, refuse_checkpoints, refuse_options
from labkit.cli.inpaint import Device, Weights, open_fill
from labkit.errors import check_choice
from labkit.inpainting import DEFAULT_WEIGHTS, METHODS


def inpaint_video(
    context: typer.Context,
    clip: Annotated[
        Path,
        typer.Argument(
            help="A video, an animated GIF or WebP, or a folder of frames.", show_default=False
        ),
    ],
    masks: Annotated[
        Path,
        typer.Argument(
            help="White = missing: a clip as long, or one picture for all frames.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="A new file, or without a suffix a new folder of PNGs. .avi and .mkv (FFV1), "
            ".webp and folders keep known pixels bit-exact; .mp4, .m4v, .mov and .gif do not.",
            show_default=False,
        ),
    ],
    method: Annotated[
        str, typer.Option(help=f"Of what no frame shows: one of {', '.join(METHODS)}.")
    ] = "gmcnn",
    weights: Weights = None,
    invert_mask: Annotated[
        bool, typer.Option("--invert-mask", help="Masks are black where pixels are missing.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Fill the holes of a clip.

    What a neighbouring frame shows of a hole is copied along the optical flow; what no frame shows
    is filled once, by the network, and carried on. Sound is copied where the program ffmpeg is
    installed. Until OUT is complete, what is done lies in OUT.work: after an interruption the same
    command goes on. Memory does not grow with the length, except for GIF and WebP.

    Example: labkit inpaint-video clip.mp4 masks.mp4 -o filled.mp4
    """
    from labkit.video.job import inpaint_clip

    check_choice("method", method, METHODS)
    settings: dict[str, object] = {"method": method}
    if method == "gmcnn":
        from labkit.nn.weights import weights_hash

        refuse_checkpoints(weights)
        settings["weights"] = weights_hash(weights or DEFAULT_WEIGHTS)
    else:
        refuse_options(context, ("weights", "device"), f"--method {method}")

    opened = partial(open_fill, method, weights, device)
    try:
        print(inpaint_clip(opened, clip, masks, out, invert=invert_mask, settings=settings))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on") from None
