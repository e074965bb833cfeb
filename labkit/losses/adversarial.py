"""Adversarial losses: what a critic (discriminator) learns, and what it tells the generator.

With D the critic, Y a real image, Ŷ a filled one and X̂ = t Ŷ + (1 − t) Y::

    wgan-gp   critic      E[D(Ŷ)] − E[D(Y)] + λ_gp E[(‖∇D(X̂) ⊙ M‖₂ − 1)²]
    hinge     critic      E[max(0, 1 − D(Y))] + E[max(0, 1 + D(Ŷ))]
    both      generator   −E[D(Ŷ)]

Sources: equation 3 of the report; Gulrajani et al. 2017 for WGAN-GP; Lim and Ye 2017 for the hinge.
Chapter 7 derives them. All are means over the batch: those of equal shares average to the whole's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.nn.critics import Critics
from labkit.settings.objective import AdversarialConfig, AdversarialKind


def critic_loss(kind: AdversarialKind, real: Tensor, fake: Tensor) -> Tensor:
    """What a critic minimises, without the penalty, from scores (B,): a scalar.

    >>> real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.0])
    >>> [critic_loss(kind, real, fake).item() for kind in ("wgan-gp", "hinge")]
    [-1.75, 0.75]
    """
    real, fake = _at_least_float32(real), _at_least_float32(fake)
    if kind == "wgan-gp":
        return fake.mean() - real.mean()
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def generator_loss(kind: AdversarialKind, fake: Tensor) -> Tensor:
    """What a generator minimises, from the scores (B,) of its fills: a scalar."""
    return -_at_least_float32(fake).mean()


def draw_t(batch: int, rng: torch.Generator) -> Tensor:
    """One t in [0, 1) for each sample: (batch, 1, 1, 1), on rng's device."""
    return torch.rand(batch, 1, 1, 1, generator=rng, device=rng.device)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    weight: Tensor | None,
    t: Tensor,
) -> Tensor:
    """Mean over the batch of (‖∇D(x̂) ⊙ weight‖₂ − 1)² at x̂ = t · fake + (1 − t) · real: a scalar.

    Args:
        critic: images (B, 3, H, W) → scores (B,), each of its own image alone.
        weight: (B, 1, H, W); None for 1. Where it is 0 in a whole sample, its penalty is 1.
        t: (B, 1, 1, 1) in [0, 1], from `draw_t`.
    """
    # In float32 or wider, where squares of small gradients keep their precision.
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
        """What the critics minimise, and its terms without gradient, penalties before λ_gp.

        Args:
            real, fake, mask: (B, 3, S, S) in [-1, 1], the composite, (B, 1, S, S) with 1 = missing.
            t: from `draw_t`, for a penalty.
            weight: (B, 1, S, S), the confidence weights, for penalty_mask="confidence".
        """
        config = self.config
        confident = config.penalised and config.penalty_mask == "confidence"
        # Everything a critic sees is cut by one window, located once.
        together = [real, fake.detach(), *([weight] if confident else [])]
        views = critics.views(torch.cat(together, dim=1), mask)
        total, terms = real.new_zeros((), dtype=_wide(real.dtype)), {}
        for kind, (seen, seen_mask) in views.items():
            seen_real, seen_fake, *seen_weight = seen.split(3, dim=1)
            # One pass for both: the convolutions work on larger batches, and spectral
            # normalisation takes one step of its power iteration rather than two.
            scores = critics.score(
                kind, torch.cat([seen_real, seen_fake]), torch.cat([seen_mask, seen_mask])
            )
            terms[kind] = critic_loss(config.kind, *scores.chunk(2))
            total = total + terms[kind]
            if config.penalised:
                factor = {"mask": seen_mask, "none": None}.get(config.penalty_mask)
                if confident:
                    (factor,) = seen_weight
                terms[f"penalty_{kind}"] = gradient_penalty(
                    lambda x, kind=kind, m=seen_mask: critics.score(kind, x, m),
                    seen_real,
                    seen_fake,
                    factor,
                    t,
                )
                total = total + config.penalty * terms[f"penalty_{kind}"]
        return total, {name: term.detach() for name, term in terms.items()}

    def generator(
        self, critics: Critics, fake: Tensor, mask: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the generator minimises for its composite `fake`, and its terms without gradient."""
        scores = critics(fake, mask)
        terms = {name: generator_loss(self.config.kind, score) for name, score in scores.items()}
        total = torch.stack(list(terms.values())).sum()
        return total, {name: term.detach() for name, term in terms.items()}


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(_wide(x.dtype))
