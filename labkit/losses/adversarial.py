"""Adversarial losses: what a critic is trained for, and what a generator is told by it.

Source: equation 3 of the report, which is Wang et al. 2018's adversarial term. WGAN-GP: Arjovsky et
al. 2017, Gulrajani et al. 2017. Hinge: Lim and Ye 2017, as in the authors' PyTorch release. With D
the critic, Y a real image, Ŷ a filled one and X̂ = t Ŷ + (1 − t) Y::

    wgan-gp   critic      E[D(Ŷ)] − E[D(Y)] + λ_gp E[(‖∇D(X̂) ⊙ M‖₂ − 1)²]
    hinge     critic      E[max(0, 1 − D(Y))] + E[max(0, 1 + D(Ŷ))]
    both      generator   −E[D(Ŷ)]

Every expectation is a mean over the batch, so that the gradients of equal shares of a batch average
to those of the whole.

Deviations:
    * The report's equation 3 shows E[D(Ŷ)] and the penalty only: the critic's side without its term
      for real images, which the releases have.
    * The report prints the confidence M_w in the penalty; the TensorFlow release has the mask M
      there (`penalty_mask="mask"`), the Keras ports nothing ("none"). "confidence" is the print.
    * The fill is detached from the critic's loss, which some versions of the PyTorch release carry
      back through the generator, five times a step, only to throw the result away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.errors import InputError, check_choice
from labkit.nn.critics import Critics
from labkit.settings.objective import AdversarialConfig, AdversarialKind


def critic_loss(kind: AdversarialKind, real: Tensor, fake: Tensor) -> Tensor:
    """What a critic minimises, without the penalty: high scores for real images, low for filled.

    Args:
        kind: "wgan-gp" or "hinge".
        real, fake: scores (B,).

    Returns:
        a scalar: a mean over the batch; ≥ 0 for "hinge".
    """
    _check_kind(kind)
    real, fake = _at_least_float32(real), _at_least_float32(fake)
    if kind == "wgan-gp":
        return fake.mean() - real.mean()
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def generator_loss(kind: AdversarialKind, fake: Tensor) -> Tensor:
    """What a generator minimises: the mean score of its fills with the sign turned.

    Args:
        kind: "wgan-gp" or "hinge"; the generator's side is the same.
        fake: scores (B,).

    Returns:
        a scalar.
    """
    _check_kind(kind)
    return -_at_least_float32(fake).mean()


def draw_t(batch: int, generator: torch.Generator, *, like: Tensor | None = None) -> Tensor:
    """One t in [0, 1) for each sample: (batch, 1, 1, 1).

    Args:
        batch: number of samples.
        generator: source of randomness; its own device draws, so that a seed means the same
            numbers everywhere.
        like: a tensor whose device the result is moved to.
    """
    t = torch.rand(batch, 1, 1, 1, generator=generator, device=generator.device)
    return t if like is None else t.to(like.device)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    weight: Tensor | None,
    t: Tensor,
) -> Tensor:
    """Mean over the batch of (‖∇D(x̂) ⊙ weight‖₂ − 1)² at x̂ = t · fake + (1 − t) · real.

    The steps are taken outside autocast, in float32 or wider: float16 holds the squares of
    gradients around 1e-3 with next to no precision, and in bfloat16's 8 bits the distance of a
    length from 1 is mostly rounding.

    Args:
        critic: images (B, 3, H, W) → scores (B,), each of its own image alone.
        real, fake: (B, 3, H, W); no gradient reaches them.
        weight: (B, 1, H, W), multiplies the gradient; None for 1. Where it is 0 in a whole sample,
            that sample's penalty is 1 and its gradient 0.
        t: (B, 1, 1, 1) in [0, 1], from `draw_t`.

    Returns:
        a scalar ≥ 0, differentiable with respect to the critic's parameters.

    Raises:
        InputError: shapes that do not fit.
    """
    _check_pair(real, fake, weight)
    if t.shape != (real.shape[0], 1, 1, 1):
        raise InputError(
            f"t {tuple(t.shape)} must be ({real.shape[0]}, 1, 1, 1), one number a sample"
        )
    with torch.enable_grad(), torch.autocast(real.device.type, enabled=False):
        real, fake = _at_least_float32(real.detach()), _at_least_float32(fake.detach())
        t = t.to(real.dtype)
        between = (t * fake + (1.0 - t) * real).requires_grad_()  # (B, 3, H, W)
        scores = critic(between)  # (B,)
        # No score depends on another sample: the sum's gradient holds each one's own.
        (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        if weight is not None:
            gradient = gradient * weight.detach().to(gradient.dtype)
        length = torch.linalg.vector_norm(gradient.flatten(1), dim=1)  # (B,)
        return (length - 1.0).square().mean()


class AdversarialLoss:
    """The configured loss for both sides, summed over the global and the local critic."""

    def __init__(self, config: AdversarialConfig | None = None) -> None:
        self.config = config or AdversarialConfig()

    def critic(
        self,
        critics: Critics,
        real: Tensor,
        fake: Tensor,
        mask: Tensor,
        *,
        t: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the critics minimise, for one batch.

        The penalty of each critic is taken with respect to what that critic sees.

        Args:
            critics: with `views` and `score`, as `labkit.nn.critics.Critics`.
            real: (B, 3, S, S) in [-1, 1].
            fake: (B, 3, S, S), the composite of the prediction and the known pixels; detached.
            mask: (B, 1, S, S) in {0, 1}, 1 = missing.
            t: (B, 1, 1, 1) from `draw_t`; needed with a penalty only.
            weight: (B, 1, S, S), the confidence weights; needed with penalty_mask="confidence"
                only.

        Returns:
            The total to minimise, and its terms without gradient, "global", "local",
            "penalty_global", "penalty_local", penalties before λ_gp.
        """
        config = self.config
        _check_pair(real, fake, weight)
        confident = config.penalised and config.penalty_mask == "confidence"
        if config.penalised and t is None:
            raise InputError("the gradient penalty needs t", "draw it with draw_t")
        if confident and weight is None:
            raise InputError(
                "penalty_mask 'confidence' needs the confidence weights",
                "pass weight=confidence_weights(mask)",
            )
        # Everything a critic sees is cut by one window, located once.
        together = [real, fake.detach(), *([weight] if confident else [])]
        views = critics.views(torch.cat(together, dim=1), mask)
        total, terms = real.new_zeros((), dtype=_wide(real.dtype)), {}
        for name, (seen, seen_mask) in views.items():
            seen_real, seen_fake, *seen_weight = seen.split(3, dim=1)
            # One pass for both: the convolutions work on larger batches, and spectral
            # normalisation takes one step of its power iteration rather than two.
            scores = critics.score(
                name, torch.cat([seen_real, seen_fake]), torch.cat([seen_mask, seen_mask])
            )
            terms[name] = critic_loss(config.kind, *scores.chunk(2))
            total = total + terms[name]
            if config.penalised:
                factor = {"mask": seen_mask, "none": None}.get(config.penalty_mask)
                if confident:
                    (factor,) = seen_weight
                terms[f"penalty_{name}"] = gradient_penalty(
                    lambda x, name=name, m=seen_mask: critics.score(name, x, m),
                    seen_real,
                    seen_fake,
                    factor,
                    t,
                )
                total = total + config.penalty * terms[f"penalty_{name}"]
        return total, {name: term.detach() for name, term in terms.items()}

    def generator(
        self, critics: Critics, fake: Tensor, mask: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the generator minimises, for one batch; the gradient reaches `fake`.

        Args:
            critics: as above. Their parameters receive gradients too, unless they are frozen; clear
                these before the critics' next step.
            fake: (B, 3, S, S), the composite, with its graph.
            mask: (B, 1, S, S) in {0, 1}, 1 = missing.

        Returns:
            The total to minimise, and its terms without gradient, "global" and "local".
        """
        scores = critics(fake, mask)
        terms = {name: generator_loss(self.config.kind, score) for name, score in scores.items()}
        total = torch.stack(list(terms.values())).sum()
        return total, {name: term.detach() for name, term in terms.items()}


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(_wide(x.dtype))


def _check_kind(kind: str) -> None:
    check_choice("adversarial loss", kind, get_args(AdversarialKind))


def _check_pair(real: Tensor, fake: Tensor, weight: Tensor | None) -> None:
    if real.shape != fake.shape:
        raise InputError(f"real {tuple(real.shape)} and filled images {tuple(fake.shape)} differ")
    expected = (real.shape[0], 1, *real.shape[2:])
    if weight is not None and weight.shape != expected:
        raise InputError(f"weight {tuple(weight.shape)} must be {expected}")
