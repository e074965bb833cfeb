"""The whole objective: reconstruction, ID-MRF and the critics (discriminators), weighed and added.

Source: Wang et al. 2018, equation 9 (equation 5 of the report)::

    L = L_c + λ_mrf L_mrf + λ_adv L_adv

``labkit.settings.OBJECTIVES`` holds it as paper, PyTorch release and report have it. Chapter 11
trains with it; chapter 14 lists what they do otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.errors import InputError
from labkit.images import compose
from labkit.losses.adversarial import AdversarialLoss
from labkit.losses.confidence import confidence_weights
from labkit.losses.id_mrf import IDMRFLoss
from labkit.losses.reconstruction import ReconstructionLoss
from labkit.nn.critics import Critics
from labkit.settings.objective import ObjectiveConfig

Terms = dict[str, Tensor]


class Objective(nn.Module):
    """Both stages, both sides: the scalar to minimise, and its terms unweighted for the log.

    Predictions and targets are (B, 3, H, W) in [-1, 1], masks (B, 1, H, W), 1 = missing.

    Args:
        warm_up_only: build no feature network.
        processes: how many share a batch and average their gradients.
    """

    def __init__(
        self,
        config: ObjectiveConfig | None = None,
        *,
        warm_up_only: bool = False,
        processes: int = 1,
    ) -> None:
        super().__init__()
        self.config = config = config or ObjectiveConfig()
        self.reconstruction = ReconstructionLoss(config.reconstruction)
        self.adversarial = AdversarialLoss(config.adversarial)
        self.id_mrf = None
        if config.id_mrf_weight > 0 and not warm_up_only:
            if processes > 1 and config.id_mrf.centre == "channel":
                raise InputError(
                    f"ID-MRF centre 'channel' takes means over a batch that {processes} processes "
                    "divide",
                    "train on one device, or choose centre 'pixel'",
                )
            self.id_mrf = IDMRFLoss(config.id_mrf)
        # The average over processes turns a sum over the batch into a part of it.
        self.parts = processes if config.id_mrf.reduction == "sum" else 1

    def warm_up(
        self, prediction: Tensor, target: Tensor, mask: Tensor, hole_share: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        """The generator's first stage; `hole_share` is that of `area_normalised_l1`."""
        loss = self.reconstruction(prediction, target, mask, hole_share)
        return loss, {"reconstruction": loss.detach()}

    def generator(
        self,
        prediction: Tensor,
        target: Tensor,
        mask: Tensor,
        critics: Critics | None,
        hole_share: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        """The generator's second stage; no critics where their weight is 0."""
        config = self.config
        total, terms = self.warm_up(prediction, target, mask, hole_share)
        if self.id_mrf is not None:
            mrf = self.parts * self.id_mrf(prediction, target, mask)
            total = total + config.id_mrf_weight * mrf
            terms["id_mrf"] = mrf.detach()
        if critics is not None:
            composite = compose(target, prediction, mask)
            judged, scores = self.adversarial.generator(critics, composite, mask)
            total = total + config.adversarial_weight * judged
            terms |= {f"adversarial_{name}": score for name, score in scores.items()}
        return total, terms

    def critic(
        self,
        prediction: Tensor,
        target: Tensor,
        mask: Tensor,
        critics: Critics,
        t: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        """The critics' side, for predictions as they are; t (B, 1, 1, 1) for a penalty."""
        adversarial = self.config.adversarial
        weight = None
        if adversarial.penalised and adversarial.penalty_mask == "confidence":
            kernel = self.config.reconstruction.confidence
            weight = confidence_weights(mask, kernel)
        composite = compose(target, prediction.detach(), mask)
        loss, terms = self.adversarial.critic(critics, target, composite, mask, t=t, weight=weight)
        return loss, {
            name if name.startswith("penalty") else f"critic_{name}": term
            for name, term in terms.items()
        }


def mean_over(terms: list[Terms]) -> Terms:
    """Each term's mean over several steps."""
    return {name: torch.stack([step[name] for step in terms]).mean() for name in terms[0]}
