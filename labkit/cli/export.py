"""``labkit export``: a trained generator for programs that are not PyTorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.common import interruptible, refuse_checkpoints
from labkit.errors import InputError
from labkit.inpainting import DEFAULT_WEIGHTS

app = typer.Typer(help="Write a trained generator for programs that are not PyTorch.")


@app.command("onnx")
@interruptible
def onnx(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write, .onnx.", show_default=False)
    ],
    size: Annotated[
        str, typer.Option(help="Of the pictures in pixels: 256, or height x width as 192x256.")
    ] = "256",
    weights: Annotated[
        str, typer.Option(help="A packaged name, a weights file or the folder of a training run.")
    ] = DEFAULT_WEIGHTS,
) -> None:
    """One ONNX file: 8-bit picture and mask in, 8-bit composite out.

    Inputs "image" (1, H, W, 3) and "mask" (1, H, W), not 0 where a pixel is missing; output
    "filled" (1, H, W, 3). Scaling, rounding and composing are inside. The file is run by ONNX
    Runtime once before it is written, and must fill as PyTorch does.
    """
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", size)
    if not found:
        raise InputError(f"--size {size} is no size", "write 256, or height x width as 192x256")
    from labkit.export import export_onnx

    refuse_checkpoints(weights)
    height = int(found[1])
    path = export_onnx(weights, (height, int(found[2] or height)), out)
    print(f"written to {path} ({path.stat().st_size / 1e6:.1f} MB)")
