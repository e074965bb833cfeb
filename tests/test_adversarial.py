"""Adversarial losses: closed forms, derivatives, and what each term is taken over."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import InputError
from labkit.losses.adversarial import (
    AdversarialLoss,
    critic_loss,
    draw_t,
    generator_loss,
    gradient_penalty,
)
from labkit.losses.confidence import confidence_weights
from labkit.nn.critics import Critics
from labkit.settings import AdversarialConfig, ConfidenceConfig, CriticConfig

TINY = CriticConfig(channels=(3, 4), spectral_norm=False)


def batch(n: int = 2, size: int = 16, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Real images, composites, masks and t, in float64."""
    generator = torch.Generator().manual_seed(seed)
    real, noise = torch.rand(2, n, 3, size, size, generator=generator, dtype=torch.float64) * 2 - 1
    mask = torch.zeros(n, 1, size, size, dtype=torch.float64)
    mask[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return real, torch.where(mask > 0, noise, real), mask, draw_t(n, generator).double()


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.25])
    # max(0, 1 − 2) = 0, max(0, 1 − 0.5) = 0.5; max(0, 1 − 3) = 0, max(0, 1 + 0.25) = 1.25.
    assert critic_loss("hinge", real, fake).item() == 0.25 + 0.625
    assert generator_loss("hinge", fake).item() == 1.375


def test_hinge_has_no_gradient_beyond_its_margins() -> None:
    real = torch.tensor([1.5, 0.5], requires_grad=True)
    fake = torch.tensor([-1.5, 0.5], requires_grad=True)
    critic_loss("hinge", real, fake).backward()
    assert real.grad.tolist() == [0, -0.5] and fake.grad.tolist() == [0, 0.5]


def test_wasserstein_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.25])
    assert critic_loss("wgan-gp", real, fake).item() == -1.375 - 1.25
    assert generator_loss("wgan-gp", fake).item() == 1.375


def test_half_precision_scores_are_averaged_in_float32() -> None:
    scores = torch.full((3,), 1.0, dtype=torch.bfloat16)
    assert critic_loss("hinge", scores, scores).dtype == torch.float32
    assert generator_loss("wgan-gp", scores).dtype == torch.float32


@pytest.mark.parametrize("weighted", [False, True])
def test_penalty_of_a_linear_critic_is_known_in_closed_form(weighted: bool) -> None:
    real, fake, mask, t = batch()
    slope = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    weight = confidence_weights(mask, ConfidenceConfig(size=5, scale=2)) if weighted else None
    measured = gradient_penalty(lambda x: (x * slope).sum(dim=(1, 2, 3)), real, fake, weight, t)
    # D(x) = ⟨a, x⟩ has the gradient a everywhere: (‖a ⊙ w‖ − 1)².
    lengths = (slope * (torch.ones_like(mask) if weight is None else weight)).flatten(1).norm(dim=1)
    assert measured.item() == pytest.approx((lengths - 1).square().mean().item(), rel=1e-12)
    unit = slope / slope.norm()
    assert gradient_penalty(
        lambda x: (x * unit).sum(dim=(1, 2, 3)), real, fake, None, t
    ).item() == pytest.approx(0, abs=1e-20)


def test_the_mask_frees_what_is_known() -> None:
    # A critic that is steep in known pixels only: punished without the mask, not seen with it.
    real, fake, mask, t = batch()
    hole = mask / mask[0].sum().sqrt() / 3**0.5  # length 1 over three channels

    def critic(x: torch.Tensor) -> torch.Tensor:
        return (x * (hole + 100 * (1 - mask))).sum(dim=(1, 2, 3))

    assert gradient_penalty(critic, real, fake, mask, t).item() == pytest.approx(0, abs=1e-20)
    assert gradient_penalty(critic, real, fake, None, t).item() > 1e6


def test_a_quadratic_critic_is_measured_at_its_own_t() -> None:
    # D(x) = ‖x‖² / 2 has the gradient x, so that the penalty sees x̂ itself.
    real, fake, _, _ = batch(n=3)
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    measured = gradient_penalty(lambda x: 0.5 * x.square().sum(dim=(1, 2, 3)), real, fake, None, t)
    points = [real[0], 0.25 * fake[1] + 0.75 * real[1], fake[2]]
    expected = sum((point.norm() - 1) ** 2 for point in points) / 3
    assert measured.item() == pytest.approx(expected.item(), rel=1e-12)


@given(n=st.integers(1, 5), seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_one_t_a_sample_in_the_unit_interval_from_the_seed_alone(n: int, seed: int) -> None:
    t = draw_t(n, torch.Generator().manual_seed(seed))
    assert t.shape == (n, 1, 1, 1) and (t >= 0).all() and (t < 1).all()
    assert t.unique().numel() == n
    assert torch.equal(t, draw_t(n, torch.Generator().manual_seed(seed)))


def test_a_batch_is_the_mean_of_its_samples() -> None:
    critics = Critics(TINY, 16).double()
    real, fake, mask, t = batch(n=4)
    loss = AdversarialLoss(AdversarialConfig(kind="wgan-gp"))
    whole, _ = loss.critic(critics, real, fake, mask, t=t)
    halves = [
        loss.critic(critics, real[part], fake[part], mask[part], t=t[part])[0]
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert whole.item() == pytest.approx(sum(half.item() for half in halves) / 2, rel=1e-12)


def test_the_penalty_s_gradient_in_a_critic_s_parameter_by_hand() -> None:
    # D(x) = s ⟨u, x⟩ with ‖u‖ = 1: (|s| − 1)², whose derivative in s is 2 (s − 1).
    real, fake, _, t = batch()
    direction = torch.ones_like(real[0]) / real[0].numel() ** 0.5
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(
        lambda x: scale * (x * direction).sum(dim=(1, 2, 3)), real, fake, None, t
    )
    penalty.backward()
    assert penalty.item() == pytest.approx(4.0) and scale.grad.item() == pytest.approx(4.0)


@pytest.mark.parametrize("kind", ["hinge", "wgan-gp"])
@pytest.mark.parametrize("local", ["window", "patch", "masked"])
def test_the_critics_loss_in_float64(kind: str, local: str) -> None:
    """First derivatives in the parameters: for the penalty, of a gradient."""
    config = CriticConfig(channels=(2, 2), local=local, spectral_norm=kind == "hinge")
    critics = Critics(config, 8).double().eval()
    real, fake, mask, t = batch(size=8)
    loss = AdversarialLoss(AdversarialConfig(kind=kind, penalty=0.7))
    names, values = zip(*critics.named_parameters(), strict=True)

    def total(*parameters: torch.Tensor) -> torch.Tensor:
        class Replaced:
            views = critics.views

            def score(self, name: str, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
                prefix = f"networks.{name}."
                given = {
                    n.removeprefix(prefix): p
                    for n, p in zip(names, parameters, strict=True)
                    if n.startswith(prefix)
                }
                return torch.func.functional_call(critics.networks[name], given, (image, hole))

        return loss.critic(Replaced(), real, fake, mask, t=t)[0]

    parameters = tuple(value.detach().clone().requires_grad_() for value in values)
    assert torch.autograd.gradcheck(total, parameters, fast_mode=True)


def test_the_penalty_s_second_order_in_float64() -> None:
    real, fake, mask, t = batch(n=1, size=4)
    kernel = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(2)).double() / 3

    def penalty(w: torch.Tensor) -> torch.Tensor:
        def critic(x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.elu(torch.conv2d(x, w)).square().sum(dim=(1, 2, 3))

        return gradient_penalty(critic, real, fake, mask, t)

    assert torch.autograd.gradcheck(penalty, (kernel.requires_grad_(),))
    assert torch.autograd.gradgradcheck(penalty, (kernel,))


def test_the_generator_s_gradient_reaches_the_fill() -> None:
    critics = Critics(TINY, 16).double()
    _, fake, mask, _ = batch()
    fake.requires_grad_()
    total, terms = AdversarialLoss().generator(critics, fake, mask)
    assert total.item() == pytest.approx((terms["global"] + terms["local"]).item())
    total.backward()
    assert fake.grad[mask.expand_as(fake) > 0].any()


def test_the_critic_s_loss_does_not_reach_the_fill() -> None:
    critics = Critics(TINY, 16).double()
    real, fake, mask, t = batch()
    fake.requires_grad_()
    total, _ = AdversarialLoss(AdversarialConfig(kind="wgan-gp")).critic(
        critics, real, fake, mask, t=t
    )
    total.backward()
    assert fake.grad is None
    assert all(p.grad is not None for p in critics.parameters())


@pytest.mark.parametrize("penalty_mask", ["mask", "confidence", "none"])
@pytest.mark.parametrize("local", ["window", "patch", "masked", "none"])
def test_the_total_is_the_sum_of_its_terms_each_from_its_own_view(
    penalty_mask: str, local: str
) -> None:
    critics = Critics(CriticConfig(channels=(3, 4), spectral_norm=False, local=local), 16).double()
    real, fake, mask, t = batch()
    weight = confidence_weights(mask, ConfidenceConfig(size=5, scale=2))
    loss = AdversarialLoss(
        AdversarialConfig(kind="wgan-gp", penalty=3.0, penalty_mask=penalty_mask)
    )
    total, terms = loss.critic(critics, real, fake, mask, t=t, weight=weight)
    names = ["global"] if local == "none" else ["global", "local"]
    assert set(terms) == {*names, *(f"penalty_{name}" for name in names)}
    assert not any(term.requires_grad for term in terms.values())

    expected = 0.0
    factor = {"mask": mask, "confidence": weight, "none": torch.ones_like(mask)}[penalty_mask]
    for name in names:
        seen_real, hole = critics.views(real, mask)[name]
        seen_fake = critics.views(fake, mask)[name][0]
        seen_factor = critics.views(factor, mask)[name][0]
        gap = critics(fake, mask)[name].mean() - critics(real, mask)[name].mean()
        penalty = gradient_penalty(
            lambda x, n=name, h=hole: critics.score(n, x, h), seen_real, seen_fake, seen_factor, t
        )
        assert terms[name].item() == pytest.approx(gap.item(), rel=1e-9)
        assert terms[f"penalty_{name}"].item() == pytest.approx(penalty.item(), rel=1e-9)
        expected += gap + 3 * penalty
    assert total.item() == pytest.approx(expected.item(), rel=1e-9)


def test_without_a_penalty_no_t_is_needed() -> None:
    critics = Critics(TINY, 16).double()
    real, fake, mask, _ = batch()
    for config in (AdversarialConfig(), AdversarialConfig(kind="wgan-gp", penalty=0)):
        _, terms = AdversarialLoss(config).critic(critics, real, fake, mask)
        assert set(terms) == {"global", "local"}


def test_one_step_of_the_power_iteration_a_critic_loss() -> None:
    critics = Critics(CriticConfig(channels=(3, 4)), 16).train()
    reference = Critics(CriticConfig(channels=(3, 4)), 16).train()
    real, fake, mask, _ = (x.float() for x in batch())
    AdversarialLoss().critic(critics, real, fake, mask)
    reference(real, mask)  # one pass
    for ours, one in zip(critics.buffers(), reference.buffers(), strict=True):
        assert torch.equal(ours, one)


@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize("local", ["window", "patch", "masked"])
def test_all_known_and_all_missing_masks_give_numbers(fill: float, local: str) -> None:
    critics = Critics(CriticConfig(channels=(3, 4), spectral_norm=False, local=local), 16)
    real, fake, mask, t = (x.float() for x in batch())
    mask = torch.full_like(mask, fill)
    loss = AdversarialLoss(AdversarialConfig(kind="wgan-gp"))
    total, _ = loss.critic(critics, real, fake, mask, t=t)
    total.backward()
    assert total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critics.parameters())


def test_the_penalty_runs_in_float32_under_autocast_and_without_gradients() -> None:
    critics = Critics(TINY, 16)
    real, fake, mask, t = (x.float() for x in batch())

    def critic(x: torch.Tensor) -> torch.Tensor:
        return critics.score("global", x, mask)

    exact = gradient_penalty(critic, real, fake, mask, t)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(gradient_penalty(critic, real, fake, mask, t), exact)
        rough = gradient_penalty(critic, real.bfloat16(), fake.bfloat16(), mask.bfloat16(), t)
    assert rough.dtype == torch.float32
    with torch.no_grad():  # logging a penalty needs no graph around it
        assert torch.equal(gradient_penalty(critic, real, fake, mask, t).detach(), exact.detach())


def test_a_configuration_survives_json() -> None:
    config = AdversarialConfig(kind="wgan-gp", penalty=5.0, penalty_mask="confidence")
    assert AdversarialConfig(**json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "lsgan"}, "lsgan"),
        ({"penalty": -1.0}, "-1.0"),
        ({"penalty": math.nan}, "nan"),
        ({"penalty": math.inf}, "inf"),
        ({"penalty_mask": "hole"}, "hole"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        AdversarialConfig(**wrong)
