"""A trained generator as one ONNX file: 8-bit picture and mask in, 8-bit composite out.

Scaling, masking, clamping, rounding and composing are part of the graph, so that whoever runs it,
in a browser or in any language, needs no code of ours and cannot get them wrong.

Weights that half precision holds exactly, as those of the packaged files, are stored in half
precision, which halves the file and changes no result: the graph casts them back.

Height and width are fixed. How often a reflection bounces between the borders of a feature map
depends on its size (`labkit.nn.layers.pad`), and a graph has no loop for it; and at a fixed size
a runtime can plan its memory beforehand.

ONNX is the only format: TorchScript is deprecated in PyTorch, and a `torch.export` program runs
only where PyTorch is, for which `load_generator` returns a module that can be exported.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from labkit import __version__
from labkit.errors import InputError
from labkit.files import atomic_write
from labkit.images import compose, from_uint8
from labkit.nn.generator import GMCNN, SMALLEST_SIDE
from labkit.nn.weights import (
    RELEASE_SUFFIXES,
    load_generator,
    read_metadata,
    weights_hash,
    weights_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

OPSET = 18  # the first with reflecting Pad along chosen axes; every ONNX Runtime since 1.14 has it
_LARGE = 64  # weights with fewer numbers are not worth a cast


class Filler(nn.Module):
    """The generator with everything around it.

    Shapes: image uint8 (1, H, W, 3), RGB; mask uint8 (1, H, W), anything but 0 = missing → uint8
    (1, H, W, 3), the image where the mask is 0. As in `labkit.inpainting.inpaint`, the fill of a
    picture whose known pixels are all grey is grey. gates float32 (columns,): 1 is a column as it
    was trained; at 0 its features give way to their means over missing and over known places.
    """

    def __init__(self, model: GMCNN) -> None:
        super().__init__()
        self.model = model.eval()
        self.gates: Tensor | None = None
        for k, column in enumerate(model.columns):
            column.register_forward_hook(lambda _, args, x, k=k: self._gated(*args, x, k))

    def _gated(self, inputs: Tensor, features: Tensor, column: int) -> Tensor:
        if self.gates is None:
            return features
        hole, means = inputs[:, 3:], 0.0  # (1, 1, H, W); the mask comes behind the colours
        for places in (hole, 1 - hole):
            total = (features * places).sum(dim=(2, 3), keepdim=True)  # (1, C, 1, 1)
            means = means + places * total / places.sum().clamp(min=1)
        return means + self.gates[column] * (features - means)

    def forward(self, image: Tensor, mask: Tensor, gates: Tensor | None = None) -> Tensor:
        self.gates = gates
        hole = (mask != 0)[:, None].float()  # (1, 1, H, W)
        prediction = self.model.predict(from_uint8(image), hole)  # (1, 3, H, W) in [-1, 1]
        fill = prediction.add(1.0).mul(127.5).round().clamp(0, 255)
        whole = image.permute(0, 3, 1, 2).float()  # (1, 3, H, W) in 0..255
        known = whole * (1 - hole)
        coloured = (known.amax(1) - known.amin(1)).max() > 0  # does any pixel have a hue?
        fill = torch.where(coloured, fill, fill.mean(1, keepdim=True).round())
        filled = compose(whole, fill, hole)
        return filled.to(torch.uint8).permute(0, 2, 3, 1)  # (1, H, W, 3)


def export_onnx(
    weights: str | os.PathLike[str],
    size: int | tuple[int, int],
    out: str | os.PathLike[str],
    *,
    gates: bool = False,
) -> Path:
    """Write a generator as an ONNX file, after checking that ONNX Runtime computes the same.

    Args:
        weights: a packaged name, a weights file or a run's folder, as `load_generator` takes.
        size: of the pictures, one number or (height, width).
        out: the file.
        gates: take a third input, "gates", with which columns can be switched off.

    Returns:
        `out`. Its inputs are called "image" and "mask", its output "filled"; see `Filler` for their
        shapes. Its metadata says what it is: "weights_sha256", "size", "data" and "terms" (as far
        as the weights file states them), "labkit".

    Raises:
        InputError: weights that cannot be read, a size too small for the network, onnx or
            onnxruntime not installed, or a file that cannot be written.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"size {height}×{width} is too small for GMCNN",
            f"both sides must be at least {SMALLEST_SIDE}",
        )
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{error.name} is not installed", "pip install 'labkit[export]'") from None
    filler = Filler(load_generator(weights))
    image = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    mask = torch.zeros(1, height, width, dtype=torch.uint8)
    opened = (torch.ones(len(filler.model.columns)),) if gates else ()
    with _quietly():
        buffer = io.BytesIO()
        # The older of PyTorch's two exporters: the newer takes minutes, and three times the bytes,
        # for the two thousand small operations of a prior.
        torch.onnx.export(
            filler,
            (image, mask, *opened),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image", "mask", "gates"][: 2 + len(opened)],
            output_names=["filled"],
        )
    graph = onnx.load_from_string(buffer.getvalue())
    axes = graph.graph.output[0].type.tensor_type.shape.dim
    for axis, length in zip(axes, (1, height, width, 3), strict=True):
        axis.dim_value = length  # which the exporter does not know
    _forget_where_from(graph)
    _halve(graph, onnx)
    about = _about(weights) | {"size": f"{height}x{width}"}
    onnx.helper.set_model_props(graph, about)
    data = graph.SerializeToString()
    _check(data, filler, (height, width), opened, onnxruntime)
    atomic_write(out, lambda file: file.write(data))
    return Path(out)


def _about(weights: str | os.PathLike[str]) -> dict[str, str]:
    about = {"labkit": __version__, "weights_sha256": weights_hash(weights)}
    if weights_path(weights).suffix in RELEASE_SUFFIXES:
        return about
    metadata = read_metadata(weights)
    stated = {name: metadata[name] for name in ("data", "terms", "steps") if name in metadata}
    return about | stated | {"config": json.dumps(json.loads(metadata["config"]))}


def _forget_where_from(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes: stack traces, which name this machine's folders."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _halve(model: onnx.ModelProto, onnx) -> None:
    """Store weights that survive it in half precision, with a cast behind each."""
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if values.size < _LARGE or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    # The exporter may have listed shapes of what are now results of casts, not stored tensors.
    for node in reversed(casts):
        graph.node.insert(0, node)
    onnx.checker.check_model(model)


def _check(
    data: bytes, filler: Filler, size: tuple[int, int], gates: tuple[Tensor, ...], onnxruntime
) -> None:
    """Raise unless ONNX Runtime fills a test picture as PyTorch does, within one grey level."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8, generator=generator)
    mask = torch.zeros(1, *size, dtype=torch.uint8)
    mask[:, size[0] // 4 : -size[0] // 4, size[1] // 4 : -size[1] // 4] = 1
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    given = {n: x.numpy() for n, x in zip(names, (image, mask, *gates), strict=True)}
    (found,) = session.run(None, given)
    with torch.no_grad():
        expected = filler(image, mask, *gates).numpy()
    worst = int(np.abs(found.astype(int) - expected).max())
    if worst > 1:
        raise RuntimeError(f"ONNX Runtime differs from PyTorch by {worst} grey levels")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's remarks on its own workings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
