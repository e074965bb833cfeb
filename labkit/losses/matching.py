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
_GROUP = 16  # rows of a block whose maxima are taken together on the way to a winner


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
    # Rounding puts cosines above 1: in TensorFloat-32 by a thousandth, far more than epsilon.
    return 0.5 / (bandwidth * (0.5 * (1.0 - largest).clamp_min(0.0) + epsilon))


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
        undecided = torch.ones(len(v), dtype=torch.bool, device=v.device)
        space = _Workspace(v, s)
        for rows in space.blocks(len(v)):
            share = _shares(v[rows], s, space, *options)  # (n, M)
            undecided[rows] = _undecided(share)
            top, row = _column_maxima(share, best)
            winner = torch.where(top > best, row + rows.start, winner)
            best = torch.maximum(best, top)
        ctx.save_for_backward(winner, undecided, *inputs)
        ctx.vectors, ctx.options = vectors, options
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        winner, undecided, *inputs = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        with torch.enable_grad():
            inputs = [x.detach().requires_grad_(n) for x, n in zip(inputs, needed, strict=True)]
            made = ctx.vectors(*inputs)
        wanted = [x.requires_grad for x in made]
        columns = undecided[winner].nonzero().squeeze(1)
        gradients = _pull_back(
            *(x.detach() for x in made),
            columns,
            winner[columns],
            upstream[columns],
            wanted,
            *ctx.options,
        )
        arrived = torch.autograd.grad(
            [x for x in made if x.requires_grad],
            [x for x in inputs if x.requires_grad],
            [gradient for gradient in gradients if gradient is not None],
        )
        rest = iter(arrived)
        return None, None, *(next(rest) if n else None for n in needed)


class _Workspace:
    """Room for two blocks of the matrix, used again for every block.

    The allocator of a CPU gives arrays of this size back to the system, and the pages of a new one
    come zeroed, one fault each: for the softmax of a block that took four times the softmax.
    """

    def __init__(self, v: Tensor, s: Tensor) -> None:
        entries = _BLOCK.get(v.device.type, _BLOCK_ELSEWHERE)
        self.rows = min(max(1, entries // len(s)), len(v))
        self._cosine, self._share = (v.new_empty((self.rows, len(s))) for _ in range(2))

    def blocks(self, rows: int) -> Iterator[slice]:
        """Slices that cover so many rows, each no longer than the room there is."""
        for start in range(0, rows, self.rows):
            yield slice(start, min(start + self.rows, rows))

    def cosine(self, v: Tensor, s: Tensor) -> Tensor:
        """v sᵀ, (n, M), in the first room."""
        return torch.mm(v, s.T, out=self._cosine[: len(v)])

    def softmax(self, logits: Tensor) -> Tensor:
        """Of each row, (n, M), in the second room."""
        return torch.softmax(logits, dim=1, out=self._share[: len(logits)])


def _pull_back(
    v: Tensor,
    s: Tensor,
    columns: Tensor,
    winner: Tensor,
    upstream: Tensor,
    wanted: Sequence[bool],
    bandwidth: float,
    epsilon: float,
    exclude_self: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of v and s, where wanted, from those of the best shares.

    Args:
        columns, winner, upstream: target positions, the rows that won them, and the gradients of
            their best shares, (K,) each.
    """
    winners, place = winner.unique(return_inverse=True)  # (U,), (K,): row place[k] won columns[k]
    grad_v = torch.zeros_like(v) if wanted[0] else None
    grad_s = torch.zeros_like(s) if wanted[1] else None
    order = place.argsort()
    place = place[order]
    space = _Workspace(v, s)
    for rows in space.blocks(len(winners)):
        some = v[winners[rows]]  # (n, C)
        ends = torch.tensor([rows.start, rows.stop], device=v.device)
        first, last = torch.searchsorted(place, ends)
        won, of = order[first:last], place[first:last] - rows.start
        grad_cosine = _cosine_gradient(
            some, s, space, columns[won], of, upstream[won], bandwidth, epsilon, exclude_self
        )
        if grad_v is not None:
            grad_v[winners[rows]] = grad_cosine @ s
        if grad_s is not None:
            grad_s += grad_cosine.T @ some
    return grad_v, grad_s


def _undecided(share: Tensor) -> Tensor:
    """Which rows of shares (n, M) are other than a one among zeros: only they have a gradient.

    With the derivative of a softmax, R ⊙ (G − Σ G R), a row that is certain to the last bit gives
    zeros whatever it won. Where a fill copies the picture, outside the hole, most rows are so.
    """
    undecided = share.amax(dim=1) < 1.0
    others = (~undecided).nonzero().squeeze(1)
    undecided[others] = share[others].count_nonzero(dim=1) > 1
    return undecided


def _column_maxima(share: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of each column, and its row where that is above the `known` number.

    Finding where a maximum is costs many times more than the maximum. So we take the maxima of
    groups of rows, and look inside a group only for columns that set a record: a 1/k part of them
    in block k, if holders of the record come in random order.

    Args:
        share: (n, M).
        known: (M,).

    Returns:
        (M,) and (M,); the row of a column without a record is 0.
    """
    groups = [group.amax(dim=0) for group in share.split(_GROUP)]
    top, group = torch.stack(groups).max(dim=0)  # (M,), (M,)
    row = torch.zeros_like(group)
    better = (top > known).nonzero().squeeze(1)  # (k,)
    first = group[better] * _GROUP
    inside = torch.arange(_GROUP, device=share.device)[:, None] + first  # (16, k)
    inside.clamp_(max=len(share) - 1)
    row[better] = first + share[inside, better].argmax(dim=0)
    return top, row


def _shares(
    v: Tensor, s: Tensor, space: _Workspace, bandwidth: float, epsilon: float, exclude_self: bool
) -> Tensor:
    """R̄S of some rows, (n, M), without looking for the places of their maxima."""
    cosine = space.cosine(v, s)
    if exclude_self:
        return space.softmax(_logits(cosine, bandwidth, epsilon, True)[0])
    scale = _scale(cosine.amax(dim=1, keepdim=True), bandwidth, epsilon)
    return space.softmax(cosine.mul_(scale))


def _cosine_gradient(
    v: Tensor,
    s: Tensor,
    space: _Workspace,
    won: Tensor,
    of: Tensor,
    upstream: Tensor,
    bandwidth: float,
    epsilon: float,
    exclude_self: bool,
) -> Tensor:
    """The loss's gradient in the cosines (n, M) of some rows, of which `of` won columns `won`."""
    cosine = space.cosine(v, s)
    if exclude_self:
        logits, scale, nearest = _logits(cosine, bandwidth, epsilon, True)
    else:
        largest, nearest = cosine.max(dim=1, keepdim=True)
        scale = _scale(largest, bandwidth, epsilon)
        logits = cosine.mul_(scale)
    grad = space.softmax(logits)  # R
    at_won = upstream * grad[of, won]
    inner = grad.new_zeros(len(grad)).index_add_(0, of, at_won)
    grad *= -inner[:, None]  # R ⊙ (G − Σ G R), G being 0 away from the winning pairs
    grad[of, won] += at_won
    # ℓ = cos · scale with scale = 1 / (2 h (m + ε)) and m = (1 − max cos) / 2, so that
    # ∂scale/∂max cos = h · scale²: the best match is pulled on by the whole row. Above 1 the scale
    # no longer depends on it.
    if not exclude_self:
        pull = bandwidth * scale * torch.linalg.vecdot(grad, logits)[:, None] * (largest <= 1.0)
        grad *= scale
        return grad.scatter_add_(1, nearest, pull)
    first, second = scale[:, :1], scale[:, 1:]
    own, runner_up = nearest[:, :1], nearest[:, 1:]
    at_own, logit_own = grad.gather(1, own), logits.gather(1, own)
    others = torch.linalg.vecdot(grad, logits)[:, None] - at_own * (logit_own - first)
    felt = cosine.gather(1, nearest) <= 1.0  # (n, 2)
    grad *= first
    grad.scatter_(1, own, second * at_own + bandwidth * first * others * felt[:, :1])
    pull = bandwidth * second * at_own * (logit_own - first) * felt[:, 1:]
    return grad.scatter_add_(1, runner_up, pull)
