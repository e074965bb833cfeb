"""The whole objective: reconstruction, ID-MRF and the critics, weighed and added.

Source: Wang et al. 2018, equation 9 (equation 5 of the report this book follows)::

    L = L_c + λ_mrf L_mrf + λ_adv L_adv

`labkit.settings.OBJECTIVES` holds it as paper, PyTorch release and report have it.

Deviations:
    * The paper's L_c is a sum over pixels, ours a mean (`labkit.losses.reconstruction`). The λ of
      the "paper" objective are those of the releases, whose L_c is a mean too.
    * The release cuts composite and target to the hole's rectangle before its features are taken.
      Here the "release" objective compares whole pictures, so that holes of any shape are alike;
      most positions are then copies, which are matched already, and the term is smaller.
    * The report's code compares a random 65² of the positions after VGG16's first three pooling
      layers; its text, which the "report" objective follows, names conv3_2 and conv4_2. Its code
      does not mask the gradient penalty, where its text prints M_w: here the code is followed.
      Its two λ are not stated; the releases' stand in for them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.images import compose
from labkit.losses.adversarial import AdversarialLoss
from labkit.losses.confidence import confidence_weights
from labkit.losses.id_mrf import IDMRFLoss
from labkit.losses.reconstruction import ReconstructionLoss
from labkit.nn.critics import Critics
from labkit.settings.objective import ObjectiveConfig

Terms = dict[str, Tensor]


class Objective(nn.Module):
    """The objective of both stages and both sides.

    Every method returns the scalar to minimise and its terms, unweighted and without gradient, for
    the log.

    Args:
        config: `ObjectiveConfig`.
        warm_up_only: build no feature network.
    """

    def __init__(
        self, config: ObjectiveConfig | None = None, *, warm_up_only: bool = False
    ) -> None:
        super().__init__()
        self.config = config or ObjectiveConfig()
        self.reconstruction = ReconstructionLoss(self.config.reconstruction)
        compares = self.config.id_mrf_weight > 0 and not warm_up_only
        self.id_mrf = IDMRFLoss(self.config.id_mrf) if compares else None
        self.adversarial = AdversarialLoss(self.config.adversarial)

    def warm_up(
        self, prediction: Tensor, target: Tensor, mask: Tensor, hole_share: Tensor | None = None
    ) -> tuple[Tensor, Terms]:
        """The generator's objective of the first stage.

        Args:
            prediction, target: (B, 3, H, W) in [-1, 1].
            mask: (B, 1, H, W), 1 = missing.
            hole_share: see `labkit.losses.reconstruction.area_normalised_l1`.
        """
        loss = self.reconstruction(prediction, target, mask, hole_share, check=False)
        return loss, {"reconstruction": loss.detach()}

    def generator(
        self,
        prediction: Tensor,
        target: Tensor,
        mask: Tensor,
        critics: Critics | None,
        hole_share: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        """The generator's objective of the second stage; arguments as for `warm_up`.

        Args:
            critics: None where the adversarial weight is 0.
        """
        config = self.config
        total, terms = self.warm_up(prediction, target, mask, hole_share)
        if self.id_mrf is not None:
            mrf = self.id_mrf(prediction, target, mask)
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
        """The critics' objective, for predictions as they are.

        Args:
            t: (B, 1, 1, 1), needed where there is a gradient penalty.
        """
        adversarial = self.config.adversarial
        weight = None
        if adversarial.penalised and adversarial.penalty_mask == "confidence":
            kernel = self.config.reconstruction.confidence
            weight = confidence_weights(mask, kernel, check=False)
        composite = compose(target, prediction.detach(), mask)
        loss, terms = self.adversarial.critic(critics, target, composite, mask, t=t, weight=weight)
        return loss, {
            name if name.startswith("penalty") else f"critic_{name}": term
            for name, term in terms.items()
        }


def mean_over(terms: list[Terms]) -> Terms:
    """Each term's mean over several steps."""
    return {name: torch.stack([step[name] for step in terms]).mean() for name in terms[0]}
