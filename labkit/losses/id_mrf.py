"""ID-MRF: every target patch should be the best match of some generated one. Chapter 8 derives it.

Source: Wang et al. 2018, section 3.1, with the numerics of the authors' PyTorch release. With v the
feature vectors of the generated picture and s those of the target, centred and of length one::

    d(v, s) = (1 − cos(v, s)) / 2,    R̄S(v, ·) = softmax_s( −d(v, s) / (h (min_r d(v, r) + ε)) )
    L_M = −log( mean_s max_v R̄S(v, s) ),    L_mrf = Σ_layers weight · L_M(layer)

The matrix of all pairs has N² entries, 67 MB for a map of 64×64 positions. The streamed algorithm
holds a block of its rows: forward keeps the winner of each column, backward recomputes the winners'
rows, since no other has a gradient. Chapter 14 lists what paper and release do otherwise.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labkit.errors import InputError
from labkit.images import compose
from labkit.nn.features import Features
from labkit.settings.objective import Algorithm, Centre, IDMRFConfig, Reduction

_DENSE_PAIRS = 1 << 22  # (v, s) pairs up to which "auto" is dense: 16 MB in float32
# Entries of a block: 4 MB, as the cache of a CPU's core holds; elsewhere enough to fill the device.
_BLOCK, _BLOCK_ELSEWHERE = 1 << 20, 1 << 25
_GROUP = 16  # rows of a block whose maxima are taken together on the way to a winner


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
    """The ID-MRF loss of two feature maps: a scalar ≥ 0, differentiable once in `generated`.

    Args:
        generated, target: (B, C, H, W), any scale; half precision is computed in float32.
        where: (B, 1, H, W), non-zero at the positions to compare; None for all. A patch is where
            its centre is. An example without any adds 0.

    The other settings are those of `IDMRFConfig`.

    Example:
        >>> target = torch.eye(4).view(1, 4, 2, 2)  # four patches, and a fill of one four times
        >>> id_mrf(target[..., :1, :1].expand_as(target), target).exp()
        tensor(4.)
    """
    _check(generated, target, where, patch)
    with torch.autocast(generated.device.type, enabled=False):
        work = torch.promote_types(generated.dtype, torch.float32)
        target, mean = target.detach(), target.new_zeros((1, 1, 1, 1), dtype=work)
        if centre != "none":
            axes = {"pixel": 1, "channel": (0, 2, 3)}[centre]
            mean = target.mean(axes, keepdim=True, dtype=work)  # (B, 1, H, W) or (1, C, 1, 1)
        maps = zip(generated, target, mean.expand(len(target), -1, -1, -1), strict=True)
        height, width = (side - patch + 1 for side in target.shape[2:])
        losses = []
        for example, here in zip(maps, _positions(where, patch, len(target)), strict=True):
            count = height * width if here is None else len(here)
            if count == 0:
                losses.append(example[0][:, :0].sum().to(work))  # 0, and a gradient of zeros
                continue
            few = algorithm == "auto" and count**2 <= _DENSE_PAIRS
            if algorithm == "dense" or few or exclude_self:
                v, s = _vectors(*example, patch, here)  # (N, C·p²) both
                # A single target position has no others to be compared with.
                others = exclude_self and count > 1
                share = relative_similarity(v, s, bandwidth, epsilon, exclude_self=others)
                best = share.max(dim=0).values  # (N,)
            else:
                best = _BestShares.apply(*example, patch, here, bandwidth, epsilon)  # (N,)
            losses.append(-best.mean().log())
        loss = torch.stack(losses)
        return {"mean": loss.mean, "sum": loss.sum}[reduction]()


def relative_similarity(
    v: Tensor,
    s: Tensor,
    bandwidth: float = 0.5,
    epsilon: float = 1e-5,
    *,
    exclude_self: bool = False,
) -> Tensor:
    """R̄S(v, s) of unit vectors (N, D) and (M, D): (N, M), whose rows sum to 1.

    With `exclude_self` d(v, s) is relative to the nearest target other than s; needs M ≥ 2.
    """
    cosine = v @ s.T
    if not exclude_self:
        largest = cosine.max(dim=1, keepdim=True).values
        return torch.softmax(cosine * _scale(largest, bandwidth, epsilon), dim=1)
    two, at = cosine.topk(2, dim=1)  # (N, 2)
    largest = two[:, :1].expand_as(cosine).scatter(1, at[:, :1], two[:, 1:])
    return torch.softmax((cosine - 1.0) * _scale(largest, bandwidth, epsilon), dim=1)


def unit_vectors(features: Tensor, patch: int = 1) -> Tensor:
    """The p×p patches of a map as vectors of length one: (B, C, H, W) → (B, N, C·p²).

    A patch of zeros stays zero, with zero gradient.
    """
    vectors = F.unfold(features, patch) if patch > 1 else features.flatten(2)  # (B, C·p², N)
    vectors = vectors.transpose(1, 2).contiguous()  # (B, N, C·p²)
    squared = vectors.square().sum(dim=2, keepdim=True)
    some = squared > torch.finfo(squared.dtype).tiny
    return torch.where(some, vectors / torch.where(some, squared, 1.0).sqrt(), 0.0)


class _BestShares(torch.autograd.Function):
    """max_v R̄S(v, s) for each s of one example: maps (C, H, W), all that is kept → (N,)."""

    @staticmethod
    def forward(
        ctx: Any, generated: Tensor, target: Tensor, mean: Tensor, *settings: Any
    ) -> Tensor:
        patch, here, bandwidth, epsilon = ctx.settings = settings
        v, s = _vectors(generated, target, mean, patch, here)
        best = v.new_full((len(s),), -1.0)
        winner = torch.zeros(len(s), dtype=torch.long, device=v.device)
        certain = torch.zeros(len(v), dtype=torch.bool, device=v.device)
        room, other_room = _rooms(v, s)
        for start in range(0, len(v), len(room)):
            some = v[start : start + len(room)]
            cosine = torch.mm(some, s.T, out=room[: len(some)])  # (n, M)
            cosine *= _scale(cosine.amax(dim=1, keepdim=True), bandwidth, epsilon)
            share = torch.softmax(cosine, dim=1, out=other_room[: len(some)])
            certain[start : start + len(some)] = _certain(share)
            # A maximum costs far less than its place: take those of groups of rows, and look inside
            # a group only for the columns that set a record.
            top, group = torch.stack([g.amax(dim=0) for g in share.split(_GROUP)]).max(dim=0)
            records = (top > best).nonzero().squeeze(1)  # (k,)
            first = group[records] * _GROUP
            inside = torch.arange(_GROUP, device=v.device)[:, None] + first  # (16, k)
            inside.clamp_(max=len(some) - 1)
            winner[records] = start + first + share[inside, records].argmax(dim=0)
            best = torch.maximum(best, top)
        ctx.save_for_backward(winner, certain, generated, target, mean)
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        patch, here, bandwidth, epsilon = ctx.settings
        winner, certain, generated, target, mean = ctx.saved_tensors
        with torch.enable_grad():
            generated = generated.detach().requires_grad_()
            made, s = _vectors(generated, target, mean, patch, here)
        grad = _gradient(made.detach(), s, winner, certain, upstream, bandwidth, epsilon)
        return *torch.autograd.grad(made, generated, grad), *(None,) * 6


def _gradient(
    v: Tensor, s: Tensor, winner: Tensor, certain: Tensor, upstream: Tensor, *settings: float
) -> Tensor:
    """The gradient in v (N, D) from that of the best shares (M,), by the rows that won them."""
    bandwidth, epsilon = settings
    grad_v = torch.zeros_like(v)
    columns = (~certain[winner]).nonzero().squeeze(1)
    columns = columns[winner[columns].argsort()]  # (K,), winner by winner
    winners, place = winner[columns].unique_consecutive(return_inverse=True)  # (U,), (K,)
    room, other_room = _rooms(v, s)
    for start in range(0, len(winners), len(room)):
        rows = winners[start : start + len(room)]
        ends = torch.tensor([start, start + len(rows)], device=v.device)
        mine = slice(*torch.searchsorted(place, ends).tolist())
        won, of = columns[mine], place[mine] - start  # row of[k] of the block won column won[k]
        cosine = torch.mm(v[rows], s.T, out=room[: len(rows)])  # (n, M)
        largest, nearest = cosine.max(dim=1, keepdim=True)
        scale = _scale(largest, bandwidth, epsilon)
        logits = cosine.mul_(scale)
        grad = torch.softmax(logits, dim=1, out=other_room[: len(rows)])  # R
        # With G the incoming gradient at winning pairs and 0 elsewhere: R ⊙ (G − Σ_s G R).
        at_won = upstream[won] * grad[of, won]
        grad *= -grad.new_zeros(len(rows)).index_add_(0, of, at_won)[:, None]
        grad[of, won] += at_won
        # Logits are cos · scale, and ∂scale/∂max cos = h · scale²: the whole row pulls on the
        # best match, unless rounding has put its cosine above 1.
        pull = bandwidth * scale * torch.linalg.vecdot(grad, logits)[:, None] * (largest <= 1.0)
        grad_v[rows] = grad.mul_(scale).scatter_add_(1, nearest, pull) @ s
    return grad_v


def _rooms(v: Tensor, s: Tensor) -> Tensor:
    """Two blocks of memory, (2, n, M), for all: an allocator would clear new pages for each."""
    entries = _BLOCK if v.device.type == "cpu" else _BLOCK_ELSEWHERE
    return v.new_empty((2, min(max(1, entries // len(s)), len(v)), len(s)))


def _certain(share: Tensor) -> Tensor:
    """Which rows (n, M) are a one among zeros, and R ⊙ (G − Σ G R) is 0: most outside the hole."""
    certain = share.amax(dim=1) >= 1.0
    ones = certain.nonzero().squeeze(1)
    certain[ones] = share[ones].count_nonzero(dim=1) == 1
    return certain


def _scale(largest: Tensor, bandwidth: float, epsilon: float) -> Tensor:
    """1 / (2 h (min d + ε)), what multiplies a row's cosines, from the largest of them."""
    # Rounding puts cosines above 1: in TensorFloat-32 by a thousandth, far more than epsilon.
    return 0.5 / (bandwidth * (0.5 * (1.0 - largest).clamp_min(0.0) + epsilon))


def _vectors(
    generated: Tensor, target: Tensor, mean: Tensor, patch: int, here: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The compared vectors of one example, (N, C·p²) each, from maps (C, H, W)."""
    v, s = (unit_vectors((x.to(mean.dtype) - mean)[None], patch)[0] for x in (generated, target))
    return (v, s) if here is None else (v[here], s[here])


def _positions(where: Tensor | None, patch: int, batch: int) -> list[Tensor | None]:
    """For each example the numbers of the positions to compare, or None for all."""
    if where is None:
        return [None] * batch
    before, after = (patch - 1) // 2, patch // 2
    height, width = where.shape[2:]
    centres = where[:, 0, before : height - after, before : width - after]
    return [example.flatten().nonzero().squeeze(1) for example in centres]


def _check(generated: Tensor, target: Tensor, where: Tensor | None, patch: int) -> None:
    shape = tuple(target.shape)
    if generated.shape != target.shape or target.ndim != 4:
        raise InputError(f"feature maps {tuple(generated.shape)} and {shape} must be alike, 4-D")
    if patch > min(shape[2:]):
        raise InputError(f"patch {patch} does not fit a feature map of {shape[2]}×{shape[3]}")
    if where is not None and where.shape != (shape[0], 1, *shape[2:]):
        raise InputError(f"`where` {tuple(where.shape)} must be {(shape[0], 1, *shape[2:])}")


def default_layers(features: str) -> tuple[str, str]:
    """The layers that are compared, at strides 4 and 8: the paper's of VGG, or of SqueezeNet."""
    # The release counts convolutions and ReLUs together: its relu3_2 is relu3_1 here.
    return ("fire3", "fire5") if features == "squeezenet1_1" else ("relu3_2", "relu4_2")


def layer_weights(config: IDMRFConfig) -> dict[str, float]:
    """The weight of each layer's loss. The deeper is the release's "style" and "content" layer."""
    shallow, deep = default_layers(config.features)
    return dict(config.layers) or {shallow: 1.0, deep: 2.0}


class IDMRFLoss(nn.Module):
    """ID-MRF between composite and target, summed over layers: (prediction, target, mask) → scalar.

    Shapes: prediction and target (B, 3, H, W) in [-1, 1], mask (B, 1, H, W) with 1 = missing.
    """

    def __init__(self, config: IDMRFConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or IDMRFConfig()
        self.layers = layer_weights(config)
        self.features = Features(
            config.features, list(self.layers), weights=config.weights, normalise=config.normalise
        )

    def forward(self, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        config = self.config
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
