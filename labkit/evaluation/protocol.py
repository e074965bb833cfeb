"""The protocol: how every score in this project is taken, and how the student report took its own.

For each pair of a fixed set: the image is resized to size × size with Lanczos, the mask with
nearest neighbour and taken as missing above 127; the hole is filled, the known pixels are put back,
and everything is 8-bit; PSNR and SSIM by scikit-image, L1 and LPIPS over the whole picture, data
range 255.

`as_reported=True` adds each method a second time in the report's way: image and mask resized by
skimage.transform.resize, which softens the mask's edge; the network's raw output, known pixels
included; images in [0, 1] scored with a data range of 2.

Deviations of the report's way:
    * Classical methods have no raw output and know no soft mask: they fill the soft mask
      thresholded at one half, and their known pixels are exact.
    * The report gives no SSIM and no L1; here they are taken on the same images, SSIM with the same
      range of 2. LPIPS, which needs 8-bit composites, is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np
from PIL import Image
from pydantic import Field
from skimage.metrics import structural_similarity
from skimage.transform import resize
from tqdm import tqdm

from labkit.errors import InputError
from labkit.evaluation.methods import Method
from labkit.evaluation.metrics import PERFECT, finite_psnr, l1, psnr_as_reported, ssim
from labkit.evaluation.statistics import AS_REPORTED, Score, tenth_of
from labkit.masks.files import hint_at_polarity, resize_mask
from labkit.settings.base import Switch, Whole, settings
from labkit.settings.network import SMALLEST_SIDE

if TYPE_CHECKING:
    from labkit.evaluation.lpips import LPIPS
    from labkit.evaluation.pairs import Pair, Pairs
    from labkit.nn.generator import GMCNN


@settings
class ProtocolConfig:
    """Settings of an evaluation."""

    size: Annotated[Whole, Field(ge=SMALLEST_SIDE)] = 256
    """Side in pixels at which pairs are scored; the protocol's is 256."""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """Of the bootstrap."""
    as_reported: Switch = False
    """Also score in the student report's way."""

    def __post_init__(self) -> None:
        if self.as_reported and self.size % 4:
            raise InputError(
                f"size {self.size} is no multiple of 4",
                "the report's protocol runs the network without padding; its size is 256",
            )


@dataclass(frozen=True)
class Example:
    """A pair with all its fills, kept for the contact sheet. Images are uint8 (size, size, 3)."""

    pair: str
    hole_ratio: float
    truth: np.ndarray
    mask: np.ndarray
    fills: dict[str, np.ndarray]


@dataclass
class Evaluation:
    """What an evaluation found.

    Attributes:
        scores: every method on every pair.
        manifest: name and SHA-256 of both files of every pair.
        examples: the first pair of each tenth of hole ratio, by hole ratio.
    """

    scores: list[Score] = field(default_factory=list)
    manifest: list[dict[str, str]] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


def evaluate(
    pairs: Pairs,
    methods: Sequence[Method],
    config: ProtocolConfig | None = None,
    *,
    lpips: LPIPS | None = None,
) -> Evaluation:
    """Score methods on pairs; one pair at a time is held in memory.

    Args:
        lpips: measure that as well.

    Raises:
        InputError: a pair that cannot be read, has no hole, or has nothing known.

    Warns:
        PolarityWarning: every mask is more than half hole.
        UserWarning: two pairs that are the same image with the same mask, which then counts twice.
    """
    config = config or ProtocolConfig()
    result = Evaluation()
    seen: dict[tuple[float, float], Example] = {}
    contents: dict[tuple[str, str], str] = {}
    ratios: list[float] = []
    for index in tqdm(range(len(pairs)), unit="pair", disable=None):  # where stderr is a terminal
        pair = pairs.read(index)
        result.manifest.append(pair.manifest)
        content = pair.manifest["image_sha256"], pair.manifest["mask_sha256"]
        if (twin := contents.setdefault(content, pair.name)) != pair.name:
            warnings.warn(
                f"pairs {twin} and {pair.name} are the same image with the same mask: it counts "
                "twice; take one of them out of the set",
                stacklevel=2,
            )
        truth, mask = prepare(pair.image, pair.mask, config.size)
        ratio = float(mask.mean())
        if ratio in (0.0, 1.0):
            share = "no pixel" if ratio == 0 else "every pixel"
            raise InputError(
                f"{pairs.path}: pair {pair.name}: its mask {pair.manifest['mask']} marks {share} "
                f"as missing at size {config.size}",
                "white in a mask file means missing; take the pair out of the set",
            )
        ratios.append(ratio)
        fills = {}
        for method in methods:
            fills[method.label] = fill = method.fill(truth, mask)
            distance = None if lpips is None else lpips.between(truth, fill)
            found = finite_psnr(truth, fill), ssim(truth, fill), l1(truth, fill), distance
            result.scores.append(Score(pair.name, method.label, ratio, *found))
        if config.as_reported:
            result.scores += _scores_as_reported(pair, ratio, methods, config.size)
        seen.setdefault(tenth_of(ratio), Example(pair.name, ratio, truth, mask, fills))
    hint_at_polarity(ratios, str(pairs.path), pairs.invert, "--invert-mask")
    result.examples = [seen[key] for key in sorted(seen)]
    return result


def prepare(image: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """An image, uint8 (H, W, 3), and its mask, bool (h, w), at the size of the protocol.

    Returns:
        uint8 (size, size, 3), resized with Lanczos, and bool (size, size), with nearest neighbour.
    """
    picture = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.array(picture), resize_mask(mask, (size, size))


def _scores_as_reported(
    pair: Pair, ratio: float, methods: Sequence[Method], size: int
) -> Iterator[Score]:
    truth = np.clip(resize(pair.image, (size, size)), 0.0, 1.0)  # float64 (size, size, 3)
    soft = np.clip(resize(pair.mask.astype(np.float64), (size, size)), 0.0, 1.0)
    for method in methods:
        if method.generator is not None:
            raw = raw_output(method.generator, truth, soft)
        else:
            raw = method.fill(np.rint(truth * 255).astype(np.uint8), soft >= 0.5) / 255.0
        decibels = min(psnr_as_reported(truth, raw), PERFECT)
        similarity = structural_similarity(truth, raw, data_range=2.0, channel_axis=-1)
        error = 100.0 * float(np.abs(truth - raw).mean())
        label = method.label + AS_REPORTED
        yield Score(pair.name, label, ratio, decibels, float(similarity), error)


def raw_output(generator: GMCNN, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The network's output for a mask with soft edges, known pixels as the network paints them.

    The network itself takes only zeros and ones, so its parts are called here.

    Shapes: float (H, W, 3) and (H, W) in [0, 1], H and W multiples of 4, 1 = missing → float64
    (H, W, 3) in [0, 1].
    """
    import torch

    weight = next(generator.parameters())
    picture = torch.from_numpy(image).to(weight).permute(2, 0, 1)[None] * 2 - 1  # (1, 3, H, W)
    hole = torch.from_numpy(mask).to(weight)[None, None]  # (1, 1, H, W)
    with torch.inference_mode():
        output = generator.paint(generator.start(picture, hole), hole).clamp(-1.0, 1.0)
    return (output[0].permute(1, 2, 0).double().cpu().numpy() + 1.0) / 2.0
