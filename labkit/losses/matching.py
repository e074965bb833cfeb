"""R̄S, the share of each target patch in a generated patch's attention, and its maxima.

Source: Wang et al. 2018, section 3.1, with the numerics of the authors' PyTorch release::

    d(v, s) = (1 − cos(v, s)) / 2
    d̃(v, s) = d(v, s) / (min_r d(v, r) + ε)
    R̄S(v, s) = exp((1 − d̃(v, s)) / h) / Σ_r exp((1 − d̃(v, r)) / h)

For one v the exponents differ from cos(v, s) / (2 h (min_r d(v, r) + ε)) by a constant, which the
normalisation removes: R̄S(v, ·) is a softmax over the target's cosines whose temperature falls as v
comes closer to its best match. That is how it is computed here.

The matrix of all (v, s) has N² entries: 67 MB in float32 for a 64×64 feature map, 1 GB for 128×128,
and autograd keeps several of them. Two ways give the same maxima: the dense one holds the matrix;
the streamed one goes over the generated positions in blocks, keeps for each target position its
winner alone, and in the backward pass recomputes only the rows of positions that won, since no
other position has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Entries of one block of the streamed path. On a CPU a block should stay in the cache of its core
# (4 MB in float32); on other devices it should be large enough to fill them.
_BLOCK = {"cpu": 1 << 20}
_BLOCK_ELSEWHERE = 1 << 25


def best_shares(
    v: Tensor,
    s: Tensor,
    bandwidth: float = 0.5,
    epsilon: float = 1e-5,
    exclude_self: bool = False,
    *,
    streamed: bool = False,
) -> Tensor:
    """max_v R̄S(v, s): how much of some generated vector's attention each target vector has.

    Args:
        v: generated vectors (N, D) of length one.
        s: target vectors (M, D) of length one.
        bandwidth, epsilon: h and ε.
        exclude_self: d̃ at s is relative to the nearest target other than s; needs M ≥ 2.
        streamed: never hold the (N, M) matrix; differentiable once.

    Returns:
        (M,), each in (0, 1].
    """
    if streamed:
        return streamed_shares(_as_they_are, (v, s), bandwidth, epsilon, exclude_self)
    return relative_similarity(v, s, bandwidth, epsilon, exclude_self).max(dim=0).values


def streamed_shares(
    vectors: Callable[..., tuple[Tensor, Tensor]],
    inputs: Sequence[Tensor],
    bandwidth: float = 0.5,
    epsilon: float = 1e-5,
    exclude_self: bool = False,
) -> Tensor:
    """The streamed `best_shares` of `vectors(*inputs)`, which is called again in the backward pass.

    Between the passes only the inputs live on, which the caller holds anyway, and a number for each
    target position; the vectors, twice the size of a feature map, do not.

    Args:
        vectors: inputs → v (N, D) and s (M, D), of length one; differentiable.
        inputs: what the gradient is taken with respect to.
        bandwidth, epsilon, exclude_self: as for `best_shares`.

    Returns:
        (M,), each in (0, 1].
    """
    return _Streamed.apply(vectors, (bandwidth, epsilon, exclude_self), *inputs)


def _as_they_are(v: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    return v, s


def relative_similarity(
    v: Tensor, s: Tensor, bandwidth: float = 0.5, epsilon: float = 1e-5, exclude_self: bool = False
) -> Tensor:
    """R̄S(v, s) for unit vectors, as a whole matrix.

    Args:
        v, s, bandwidth, epsilon, exclude_self: as for `best_shares`.

    Returns:
        (N, M); rows sum to 1.
    """
    return torch.softmax(_logits(v @ s.T, bandwidth, epsilon, exclude_self)[0], dim=1)


def _logits(
    cosine: Tensor, bandwidth: float, epsilon: float, exclude_self: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """What the softmax over the target is taken of, for a block of cosines (n, M).

    Returns:
        −d̃(v, s) / h plus a constant for each row, (n, M); what multiplies a row's cosines in it,
        1 / (2 h (min d + ε)), (n, 1); where a row's cosine is largest, (n, 1). With `exclude_self`
        the last two also hold those of the second largest cosine, (n, 2): the best match itself is
        measured against the second best, all others against the best.
    """
    if not exclude_self:
        largest, nearest = cosine.max(dim=1, keepdim=True)
        scale = _scale(largest, bandwidth, epsilon)
        return cosine * scale, scale, nearest
    largest, nearest = cosine.topk(2, dim=1)  # (n, 2)
    scale = _scale(largest, bandwidth, epsilon)
    first, second = scale[:, :1], scale[:, 1:]
    own = first - (1.0 - largest[:, :1]) * second  # −d̃ / h of the best match, plus the constant
    return (cosine * first).scatter(1, nearest[:, :1], own), scale, nearest


def _scale(largest: Tensor, bandwidth: float, epsilon: float) -> Tensor:
    return 0.5 / (bandwidth * (0.5 * (1.0 - largest) + epsilon))


class _Streamed(torch.autograd.Function):
    """The same maxima without the matrix.

    Forward: one pass over blocks of rows v; a block sees all of s, so its softmax is complete, and
    the running maximum over v for each s is all that outlives it.

    Backward: only the rows that won somewhere have a gradient. With G(v, s) the incoming gradient
    at a winning pair and 0 elsewhere, and R = softmax(ℓ): ∂/∂ℓ = R ⊙ (G − Σ_s G R), then the chain
    rule through ℓ = −d / (h (m + ε)), in d and in the smallest distance m.
    """

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Callable[..., tuple[Tensor, Tensor]],
        options: tuple[float, float, bool],
        *inputs: Tensor,
    ) -> Tensor:
        v, s = vectors(*inputs)
        best = v.new_full((len(s),), -1.0)
        winner = torch.zeros(len(s), dtype=torch.long, device=v.device)
        for rows in _blocks(len(v), len(s), v.device):
            share = _softmax_block(v[rows], s, *options)  # (n, M)
            top = share.amax(dim=0)  # (M,)
            # Finding where a maximum is costs several times more than the maximum, so we look only
            # for target positions whose winner changes: a 1/k part of them in block k, if holders
            # of the record come in random order.
            better = (top > best).nonzero().squeeze(1)
            winner[better] = share[:, better].argmax(dim=0) + rows.start
            best = torch.maximum(best, top)
        ctx.save_for_backward(winner, *inputs)
        ctx.vectors, ctx.options = vectors, options
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        winner, *inputs = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        with torch.enable_grad():
            inputs = [x.detach().requires_grad_(n) for x, n in zip(inputs, needed, strict=True)]
            made = ctx.vectors(*inputs)
        wanted = [x.requires_grad for x in made]
        gradients = _pull_back(*(x.detach() for x in made), winner, upstream, wanted, *ctx.options)
        arrived = torch.autograd.grad(
            [x for x in made if x.requires_grad],
            [x for x in inputs if x.requires_grad],
            [gradient for gradient in gradients if gradient is not None],
        )
        rest = iter(arrived)
        return None, None, *(next(rest) if n else None for n in needed)


def _pull_back(
    v: Tensor,
    s: Tensor,
    winner: Tensor,
    upstream: Tensor,
    wanted: Sequence[bool],
    bandwidth: float,
    epsilon: float,
    exclude_self: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of v and s, where wanted, from that of each target position's best share."""
    winners, place = winner.unique(return_inverse=True)  # (U,), (M,): s was won by row place[s]
    grad_v = torch.zeros_like(v) if wanted[0] else None
    grad_s = torch.zeros_like(s) if wanted[1] else None
    order = place.argsort()
    place = place[order]
    for rows in _blocks(len(winners), len(s), v.device):
        some = v[winners[rows]]  # (n, C)
        ends = torch.tensor([rows.start, rows.stop], device=v.device)
        first, last = torch.searchsorted(place, ends)
        won, of = order[first:last], place[first:last] - rows.start
        grad_cosine = _cosine_gradient(
            some @ s.T, won, of, upstream, bandwidth, epsilon, exclude_self
        )
        if grad_v is not None:
            grad_v[winners[rows]] = grad_cosine @ s
        if grad_s is not None:
            grad_s += grad_cosine.T @ some
    return grad_v, grad_s


def _softmax_block(
    v: Tensor, s: Tensor, bandwidth: float, epsilon: float, exclude_self: bool
) -> Tensor:
    """R̄S of some rows, (n, M), without looking for the places of their maxima."""
    cosine = v @ s.T
    if exclude_self:
        return torch.softmax(_logits(cosine, bandwidth, epsilon, True)[0], dim=1)
    scale = _scale(cosine.amax(dim=1, keepdim=True), bandwidth, epsilon)
    return torch.softmax(cosine.mul_(scale), dim=1)


def _cosine_gradient(
    cosine: Tensor,
    won: Tensor,
    of: Tensor,
    upstream: Tensor,
    bandwidth: float,
    epsilon: float,
    exclude_self: bool,
) -> Tensor:
    """The loss's gradient in a block of cosines (n, M), whose rows `of` won the columns `won`."""
    logits, scale, nearest = _logits(cosine, bandwidth, epsilon, exclude_self)
    share = torch.softmax(logits, dim=1)  # (n, M)
    incoming = upstream[won]
    inner = share.new_zeros(len(share)).index_add_(0, of, incoming * share[of, won])
    grad = share * -inner[:, None]  # R ⊙ (G − Σ G R), G being 0 away from the winning pairs
    grad[of, won] += share[of, won] * incoming
    # ℓ = cos · scale with scale = 1 / (2 h (m + ε)) and m = (1 − max cos) / 2, so that
    # ∂scale/∂max cos = h · scale²: the best match is pulled on by the whole row.
    if not exclude_self:
        pull = bandwidth * scale * (grad * logits).sum(dim=1, keepdim=True)
        grad *= scale
        return grad.scatter_add_(1, nearest, pull)
    first, second = scale[:, :1], scale[:, 1:]
    own, runner_up = nearest[:, :1], nearest[:, 1:]
    at_own, logit_own = grad.gather(1, own), logits.gather(1, own)
    others = (grad * logits).sum(dim=1, keepdim=True) - at_own * (logit_own - first)
    grad *= first
    grad.scatter_(1, own, second * at_own + bandwidth * first * others)
    return grad.scatter_add_(1, runner_up, bandwidth * second * at_own * (logit_own - first))


def _blocks(rows: int, columns: int, device: torch.device) -> Iterator[slice]:
    size = max(1, _BLOCK.get(device.type, _BLOCK_ELSEWHERE) // columns)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
