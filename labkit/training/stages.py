"""What one step computes, in either stage, for tensors that are already on the device.

Source: Wang et al. 2018, section 3.4: first the reconstruction alone, then the whole objective,
with several steps of the critics (five in the releases) for each of the generator.

Deviations:
    * The generator runs once a step: the critics learn from its fills as they are, and the very
      same forward pass is then carried on to the generator's own step, whose weights have not
      changed in between.
    * The critics gather no gradients from the generator's step.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from labkit.losses.adversarial import draw_t
from labkit.losses.objective import Objective, Terms, mean_over
from labkit.nn.critics import Critics
from labkit.nn.generator import GMCNN
from labkit.seeds import CRITICS, INTERPOLATION, torch_generator
from labkit.settings import TrainConfig


@dataclass
class Networks:
    """Everything that learns.

    Attributes:
        model: the generator.
        wrapped: the same, as a step calls it: wrapped for autocast and several processes.
        critics: None in a run without.
    """

    model: GMCNN
    optimizer: torch.optim.Optimizer
    wrapped: nn.Module
    wrapped_optimizer: torch.optim.Optimizer
    critics: Critics | None
    critic_optimizer: torch.optim.Optimizer | None


def build(fabric: Fabric, config: TrainConfig, model: GMCNN) -> Networks:
    """Place the generator, and the critics where there are any, on the device."""
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=config.betas)
    if config.compile:  # not the prior: its thousands of small operations take minutes to compile
        for part in (*model.columns, model.decoder):
            part.compile()
    wrapped, wrapped_optimizer = fabric.setup(model, optimizer)
    critics = critic_optimizer = None
    if config.has_second_stage and config.objective.adversarial_weight > 0:
        # No wrapper here: the gradient penalty differentiates twice, which wrappers for several
        # processes do not see; `Step` averages the critics' gradients itself.
        source = torch_generator(config.seed, CRITICS)
        critics = Critics(config.adversarial.critics, config.data.size, rng=source)
        critics.to(fabric.device, next(model.parameters()).dtype)
        if config.channels_last:
            critics.to(memory_format=torch.channels_last)
        critic_optimizer = torch.optim.Adam(
            critics.parameters(), lr=config.learning_rate, betas=config.betas
        )
    return Networks(model, optimizer, wrapped, wrapped_optimizer, critics, critic_optimizer)


def build_objective(fabric: Fabric, config: TrainConfig, dtype: torch.dtype) -> Objective:
    """Place the objective, and the feature network where there is one, on the device."""
    objective = Objective(
        config.objective,
        warm_up_only=not config.has_second_stage,
        processes=fabric.world_size,
    ).to(fabric.device, dtype)
    if config.channels_last:
        objective.to(memory_format=torch.channels_last)
    if config.compile and objective.id_mrf is not None:
        objective.id_mrf.features.compile()
    return objective


class Step:
    """One training step of either stage.

    Args:
        fabric: launched; its precision and processes are used.
        config: of the run.
        networks: from `build`.
        objective: on the fabric's device.
    """

    def __init__(
        self, fabric: Fabric, config: TrainConfig, networks: Networks, objective: Objective
    ) -> None:
        self.fabric, self.config = fabric, config
        self.networks, self.objective = networks, objective

    def __call__(self, step: int, target: Tensor, mask: Tensor) -> Terms:
        """Update the networks once (the critics several times).

        Args:
            step: number of the step, from 0: learning rates and randomness follow from it.
            target: (B, 3, S, S) in [-1, 1].
            mask: (B, 1, S, S), 1 = missing.

        Returns:
            the terms of the losses, unweighted, as they were before the update; scalars on the
            device, of this process's part of the batch.
        """
        networks, config = self.networks, self.config
        for group in networks.optimizer.param_groups:
            group["lr"] = config.learning_rate_at(step)
        hole_share = self._mean_over_processes(mask.mean())
        prediction = networks.wrapped(target, mask).to(target.dtype)
        if config.stage_at(step) == "warm-up":
            loss, terms = self.objective.warm_up(prediction, target, mask, hole_share)
        else:
            terms = self._train_critics(step, prediction.detach(), target, mask)
            with _frozen(networks.critics), self.fabric.autocast():
                loss, own = self.objective.generator(
                    prediction, target, mask, networks.critics, hole_share
                )
            terms = own | terms
        self._update_generator(loss)
        return terms

    def _update_generator(self, loss: Tensor) -> None:
        wrapped, optimizer = self.networks.wrapped, self.networks.wrapped_optimizer
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if self.config.clip_norm:
            self.fabric.clip_gradients(
                wrapped, optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
            )
        optimizer.step()

    def _train_critics(self, step: int, prediction: Tensor, target: Tensor, mask: Tensor) -> Terms:
        networks, stage = self.networks, self.config.adversarial
        if networks.critics is None:
            return {}
        for group in networks.critic_optimizer.param_groups:
            group["lr"] = self.config.critic_learning_rate_at(step)
        terms = []
        for critic_step in range(stage.critic_steps):
            t = None
            if self.config.objective.adversarial.penalised:
                t = self._draw_t(step, critic_step, len(target)).to(target.device)
            with self.fabric.autocast():
                loss, one = self.objective.critic(prediction, target, mask, networks.critics, t)
            networks.critic_optimizer.zero_grad(set_to_none=True)
            self.fabric.backward(loss)
            self._average_gradients(networks.critics)
            if self.config.clip_norm:
                nn.utils.clip_grad_norm_(networks.critics.parameters(), self.config.clip_norm)
            networks.critic_optimizer.step()
            terms.append(one)
        return mean_over(terms)

    def _draw_t(self, step: int, critic_step: int, share: int) -> Tensor:
        """This process's part of the t of the whole batch: (share, 1, 1, 1)."""
        world = self.fabric.world_size
        source = torch_generator(self.config.seed, INTERPOLATION, step, critic_step)
        return draw_t(share * world, source)[self.fabric.global_rank :: world]

    def _mean_over_processes(self, value: Tensor) -> Tensor:
        return self.fabric.all_reduce(value, reduce_op="mean") if self._several else value

    def _average_gradients(self, module: nn.Module) -> None:
        if not self._several:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        mean = self._mean_over_processes(flat)
        for gradient, part in zip(
            gradients, mean.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    @property
    def _several(self) -> bool:
        return self.fabric.world_size > 1


@contextmanager
def _frozen(module: nn.Module | None):
    """Within, the parameters gather no gradients."""
    parameters = [] if module is None else list(module.parameters())
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
