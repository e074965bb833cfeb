"""ID-MRF: every target patch should be the best match of some generated patch.

Source: Wang et al. 2018, section 3.1 (equation 4 of the report this book follows), with the
numerics of the authors' PyTorch release. With v the feature vectors of the generated picture, s
those of the target, both centred and of length one, and R̄S from `labkit.losses.matching`::

    L_M = −log( mean_s max_v R̄S(v, s) )
    L_mrf = Σ_layers weight · L_M(layer)

Deviations:
    * The paper writes similarities μ, the release distances d, as the contextual loss (Mechrez et
      al. 2018, arXiv 1803.02077); we follow the release. With similarities as printed a perfect
      match has only e² times the share of an unrelated patch, and even the target itself would not
      count as diverse (chapter 8 of the book).
    * The paper's ρ_s leaves s itself out of the minimum; the release does not. `exclude_self` does.
    * The release sums over the batch; the default here is the mean, so that the loss weight means
      the same at every batch size. `reduction="sum"` is the release.
    * Patches wider than one position are compared by the cosine of the whole patch; the release
      adds the cosines of the patch's positions.
    * A feature vector of length zero has cosine 0 with everything and no gradient; the release
      divides 0 by 0.
    * The release names a "style" and a "content" list of layers and computes the deeper, which is
      in both, twice. Here it is computed once and weighs 2.
    * The release counts convolutions and ReLUs with one counter, so that what it calls relu3_2 and
      relu4_2 follows the first convolution of a block: relu3_1 and relu4_1 elsewhere, and here. The
      default is the paper's conv3_2 and conv4_2.
    * The release compares the rectangle of the hole, cut out before its features are taken. Here
      whole pictures are compared, or, with `region="hole"`, the positions that touch the hole,
      whose features see what is around it.
    * The release never freezes VGG, which then gathers gradients that nobody uses, and computes
      features of the target with gradient. Here neither.
"""

from __future__ import annotations

from functools import partial
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.errors import InputError, check_choice
from labkit.images import compose
from labkit.losses.matching import best_shares, streamed_shares
from labkit.nn.features import Features, default_layers
from labkit.settings.objective import Algorithm, Centre, IDMRFConfig, Reduction

# "auto" takes the dense path up to this many (v, s) pairs: 16 MB in float32 (45×45 positions).
_DENSE_PAIRS = 1 << 22


def id_mrf(
    generated: Tensor,
    target: Tensor,
    *,
    bandwidth: float = 0.5,
    epsilon: float = 1e-5,
    patch: int = 1,
    centre: Centre = "pixel",
    reduction: Reduction = "mean",
    exclude_self: bool = False,
    where: Tensor | None = None,
    algorithm: Algorithm = "auto",
) -> Tensor:
    """The ID-MRF loss of two feature maps.

    Args:
        generated, target: (B, C, H, W), of the same shape, any scale. Half precision is computed in
            float32.
        bandwidth: h > 0; the smaller, the nearer a row of R̄S comes to one single match.
        epsilon: ε > 0, added to the smallest distance.
        patch: side of the compared patches in feature positions.
        centre: what is subtracted from both maps: "pixel", the target's mean over channels at each
            position (PyTorch release); "channel", its mean of each channel over batch and positions
            (TensorFlow release); "none".
        reduction: over the batch.
        exclude_self: the minimum of d(v, ·) at s runs over the target positions other than s, as
            the paper has it.
        where: (B, 1, H, W), non-zero at the positions to compare, such as the hole's; None for all.
            A patch is compared where its centre is. An example without any adds 0.
        algorithm: "dense", "streamed", or "auto", which is dense up to 2²² pairs of positions.

    Returns:
        a scalar ≥ 0, near 0 where each target position has a generated one that matches nothing
        else. Differentiable once in both maps.

    Raises:
        InputError: maps of different shapes, a patch larger than the map, or an unknown option.
    """
    _check(generated, target, where, bandwidth, epsilon, patch)
    check_choice("ID-MRF centre", centre, get_args(Centre))
    check_choice("ID-MRF reduction", reduction, get_args(Reduction))
    check_choice("ID-MRF algorithm", algorithm, get_args(Algorithm))
    with torch.autocast(generated.device.type, enabled=False):
        work = torch.promote_types(generated.dtype, torch.float32)
        if centre == "pixel":
            means = target.mean(dim=1, keepdim=True, dtype=work)  # (B, 1, H, W)
        elif centre == "channel":
            means = target.mean(dim=(0, 2, 3), keepdim=True, dtype=work).expand(
                len(target), -1, -1, -1
            )
        else:
            means = target.new_zeros((len(target), 1, 1, 1), dtype=work)
        losses = []
        for example in zip(
            generated, target, means, _positions(where, patch, len(target)), strict=True
        ):
            *inputs, here = example  # (C, H, W) twice, and what is subtracted from both
            height, width = target.shape[2:]
            count = (height - patch + 1) * (width - patch + 1) if here is None else len(here)
            if count == 0:
                losses.append(inputs[0][:, :0].sum().to(work))  # 0, and a gradient of zeros
                continue
            vectors = partial(_vectors, patch=patch, here=here)
            # A single target position has no others to be compared with.
            options = (bandwidth, epsilon, exclude_self and count > 1)
            if algorithm == "streamed" or (algorithm == "auto" and count**2 > _DENSE_PAIRS):
                best = streamed_shares(vectors, inputs, *options)  # (M,)
            else:
                best = best_shares(*vectors(*inputs), *options)
            losses.append(-best.mean().log())
        loss = torch.stack(losses)
        return loss.mean() if reduction == "mean" else loss.sum()


def _vectors(
    generated: Tensor, target: Tensor, mean: Tensor, *, patch: int, here: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The compared vectors of one example, (N, C·p²) each."""
    v, s = (unit_vectors((x.to(mean.dtype) - mean)[None], patch)[0] for x in (generated, target))
    return (v, s) if here is None else (v[here], s[here])


def unit_vectors(features: Tensor, patch: int = 1) -> Tensor:
    """The patches of a feature map as vectors of length one.

    Args:
        features: (B, C, H, W).
        patch: side p of a patch.

    Returns:
        (B, (H − p + 1) (W − p + 1), C p²); a patch of zeros stays zero, with zero gradient.
    """
    vectors = F.unfold(features, patch) if patch > 1 else features.flatten(2)  # (B, C·p², N)
    vectors = vectors.transpose(1, 2).contiguous()  # (B, N, C·p²)
    squared = vectors.square().sum(dim=2, keepdim=True)
    some = squared > torch.finfo(squared.dtype).tiny
    return torch.where(some, vectors / torch.where(some, squared, 1.0).sqrt(), 0.0)


def _layer_weights(config: IDMRFConfig) -> dict[str, float]:
    """The weight of each layer that is compared."""
    if config.layers:
        return dict(config.layers)
    shallow, deep = default_layers(config.features)
    return {shallow: 1.0, deep: 2.0}


class IDMRFLoss(nn.Module):
    """ID-MRF between composite and target: (prediction, target, mask) → scalar.

    Shapes: prediction and target (B, 3, H, W) in [-1, 1], mask (B, 1, H, W) with 1 = missing.

    Args:
        config: None for the paper's layers of VGG19.

    Raises:
        InputError: a layer that the network lacks, weights that cannot be had.
    """

    def __init__(self, config: IDMRFConfig | None = None) -> None:
        super().__init__()
        self.config = config or IDMRFConfig()
        self.layers = _layer_weights(self.config)
        self.features = Features(
            self.config.features,
            list(self.layers),
            weights=self.config.weights,
            normalise=self.config.normalise,
        )

    def forward(self, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        config = self.config
        if prediction.shape != target.shape or mask.shape != (len(target), 1, *target.shape[2:]):
            raise InputError(
                f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)} and mask "
                f"{tuple(mask.shape)} do not fit"
            )
        generated = self.features(compose(target, prediction, mask))
        with torch.no_grad():
            wanted = self.features(target)
        total = torch.zeros((), device=prediction.device)
        for layer, weight in self.layers.items():
            where = None
            if config.region == "hole":
                where = F.adaptive_max_pool2d(mask, wanted[layer].shape[2:])
            total = total + weight * id_mrf(
                generated[layer],
                wanted[layer],
                bandwidth=config.bandwidth,
                epsilon=config.epsilon,
                patch=config.patch,
                centre=config.centre,
                reduction=config.reduction,
                exclude_self=config.exclude_self,
                where=where,
                algorithm=config.algorithm,
            )
        return total


def _positions(where: Tensor | None, patch: int, batch: int) -> list[Tensor | None]:
    """For each example the numbers of the positions to compare, or None for all."""
    if where is None:
        return [None] * batch
    before, after = (patch - 1) // 2, patch // 2
    height, width = where.shape[2:]
    centres = where[:, 0, before : height - after, before : width - after]
    return [example.flatten().nonzero().squeeze(1) for example in centres]


def _check(
    generated: Tensor,
    target: Tensor,
    where: Tensor | None,
    bandwidth: float,
    epsilon: float,
    patch: int,
) -> None:
    if generated.shape != target.shape or generated.ndim != 4:
        raise InputError(
            f"feature maps {tuple(generated.shape)} and {tuple(target.shape)} must both be "
            "(B, C, H, W) and alike"
        )
    if not (generated.is_floating_point() and target.is_floating_point()):
        raise InputError(f"feature maps must be float, not {generated.dtype} and {target.dtype}")
    if not (bandwidth > 0 and epsilon > 0):
        raise InputError(f"bandwidth {bandwidth} and epsilon {epsilon} must be above 0")
    if not 1 <= patch <= min(generated.shape[2:]):
        height, width = generated.shape[2:]
        raise InputError(f"patch {patch} does not fit a feature map of {height}×{width}")
    if where is not None and where.shape != (len(target), 1, *target.shape[2:]):
        raise InputError(
            f"`where` {tuple(where.shape)} must be {(len(target), 1, *target.shape[2:])}"
        )
