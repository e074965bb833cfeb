"""Reconstruction losses: values by hand, gradients, and regions that are empty."""

from __future__ import annotations

import math

import pytest
import torch

from labkit.errors import InputError
from labkit.losses.confidence import confidence_weights
from labkit.losses.reconstruction import (
    ReconstructionLoss,
    area_normalised_l1,
    confidence_l1,
    log_mse,
)
from labkit.settings import ConfidenceConfig, ReconstructionConfig


def half_mask(size: int = 4) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size)
    mask[..., : size // 4] = 1  # a quarter is missing
    return mask


def test_confidence_l1_by_hand() -> None:
    prediction, target = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -0.5)
    weight = torch.tensor([[[[1.0, 0.0], [0.5, 0.0]]]])
    # |0.5 − (−0.5)| = 1 everywhere; weights 1, 0, ½, 0 average to 3/8.
    assert confidence_l1(prediction, target, weight).item() == pytest.approx(3 / 8)


def test_area_normalised_l1_by_hand() -> None:
    mask = half_mask()
    target = torch.zeros(1, 3, 4, 4)
    prediction = torch.where(mask > 0, 0.5, 0.25).expand(1, 3, 4, 4)
    # Full weight in the hole: its mean error is 0.5; the known mean error is 0.25.
    value = area_normalised_l1(prediction, target, mask, mask, hole=1.4, known=1.2)
    assert value.item() == pytest.approx(1.4 * 0.5 + 1.2 * 0.25)


def test_area_normalisation_makes_the_size_of_the_hole_irrelevant() -> None:
    target = torch.zeros(1, 3, 8, 8)
    values = []
    for columns in (1, 2, 6):
        mask = torch.zeros(1, 1, 8, 8)
        mask[..., :columns] = 1
        values.append(area_normalised_l1(target + 0.3, target, mask, mask).item())
    assert values == pytest.approx([0.3 * 2.6] * 3)


def test_log_mse_follows_psnr_picture_by_picture_and_forgives_known_pixels() -> None:
    mask = half_mask().repeat(2, 1, 1, 1)
    target = torch.zeros(2, 3, 4, 4)
    error = torch.tensor([0.5, 0.1])[:, None, None, None]
    prediction = torch.where(mask > 0, error, 0.9).expand(2, 3, 4, 4)
    expected = (math.log(0.25 + 1e-3) + math.log(0.01 + 1e-3)) / 2
    assert log_mse(prediction, target, mask).item() == pytest.approx(expected, rel=1e-5)
    loss = ReconstructionLoss(ReconstructionConfig(form="psnr"))
    assert loss(prediction, target, mask).item() == pytest.approx(expected, rel=1e-5)
    # Halving every error lowers the loss by ln 4, where the squares are far above 0.001.
    far = log_mse(target + 0.8, target, mask) - log_mse(target + 0.4, target, mask)
    assert far.item() == pytest.approx(math.log(4), abs=0.01)
    assert log_mse(target + 1, target, torch.zeros_like(mask)).item() == pytest.approx(
        math.log(1e-3)
    )


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_an_empty_region_contributes_nothing(fill: float) -> None:
    mask = torch.full((1, 1, 4, 4), fill)
    target = torch.zeros(1, 3, 4, 4)
    value = area_normalised_l1(target + 1, target, mask, mask)
    assert value.item() == pytest.approx(1.4 if fill else 1.2)


@pytest.mark.parametrize("form", ["release", "paper", "keras"])
def test_a_perfect_prediction_costs_nothing_and_any_error_does(form: str) -> None:
    loss = ReconstructionLoss(ReconstructionConfig(form=form))
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert loss(target, target, mask).item() == 0
    assert loss(target + 0.1, target, mask).item() > 0


def test_the_paper_form_leaves_known_pixels_free_and_the_keras_form_does_not() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    target = torch.zeros(1, 3, 32, 32)
    wrong_outside = target + (1 - mask)
    assert ReconstructionLoss(ReconstructionConfig(form="paper"))(wrong_outside, target, mask) == 0
    keras = ReconstructionLoss(ReconstructionConfig(form="keras"))(wrong_outside, target, mask)
    assert keras.item() == pytest.approx((1 - mask).mean().item())


def test_the_module_equals_the_functions() -> None:
    generator = torch.Generator().manual_seed(1)
    prediction, target = torch.rand(2, 2, 3, 32, 32, generator=generator)
    mask = (torch.rand(2, 1, 32, 32, generator=generator) < 0.3).float()
    confidence = ConfidenceConfig(size=9, scale=4, iterations=2)
    weight = confidence_weights(mask, confidence)
    config = ReconstructionConfig(confidence=confidence)
    expected = area_normalised_l1(prediction, target, mask, weight)
    assert ReconstructionLoss(config)(prediction, target, mask).item() == expected.item()
    config = ReconstructionConfig(form="paper", confidence=confidence)
    expected = confidence_l1(prediction, target, weight)
    assert ReconstructionLoss(config)(prediction, target, mask).item() == expected.item()


def test_region_weights_of_the_configuration_by_hand() -> None:
    mask, target = half_mask(), torch.zeros(1, 3, 4, 4)
    prediction = torch.where(mask > 0, 0.5, 0.25).expand(1, 3, 4, 4)
    loss = ReconstructionLoss(ReconstructionConfig(hole=2.0, known=0.5, confidence=None))
    assert loss(prediction, target, mask).item() == pytest.approx(2 * 0.5 + 0.5 * 0.25)
    # As a part of a batch that is half missing: ¼ · 0.5 over ½ in the hole, ¾ · 0.25 over ½ around.
    value = loss(prediction, target, mask, hole_share=torch.tensor(0.5))
    assert value.item() == pytest.approx(2 * 0.125 / 0.5 + 0.5 * 0.1875 / 0.5)


def test_without_confidence_every_missing_pixel_weighs_one() -> None:
    mask = half_mask(8)
    target = torch.zeros(1, 3, 8, 8)
    loss = ReconstructionLoss(ReconstructionConfig(form="paper", confidence=None))
    assert loss(target + 1, target, mask).item() == pytest.approx(mask.mean().item())


def test_gradients_in_float64() -> None:
    generator = torch.Generator().manual_seed(2)
    prediction = torch.rand(
        1, 3, 6, 6, generator=generator, dtype=torch.float64, requires_grad=True
    )
    target = (
        torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64) + 2
    )  # no kink in reach
    mask = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    mask[..., 1:4, 1:4] = 1
    weight = confidence_weights(mask, ConfidenceConfig(size=3, scale=2))
    assert torch.autograd.gradcheck(lambda p: confidence_l1(p, target, weight), (prediction,))
    assert torch.autograd.gradcheck(
        lambda p: area_normalised_l1(p, target, mask, weight), (prediction,)
    )


def test_the_gradient_of_each_region_has_the_stated_size() -> None:
    mask = half_mask(8)
    target = torch.zeros(1, 3, 8, 8)
    prediction = torch.full_like(target, 0.5, requires_grad=True)
    area_normalised_l1(prediction, target, mask, mask, hole=1.4, known=1.2).backward()
    hole = mask.expand_as(target) > 0
    inside = prediction.grad[hole]
    outside = prediction.grad[~hole]
    assert inside.sum().item() == pytest.approx(1.4)
    assert outside.sum().item() == pytest.approx(1.2)
    assert torch.allclose(inside, inside[0]) and torch.allclose(outside, outside[0])


@pytest.mark.parametrize("wrong", [{"form": "l2"}, {"hole": -1.0}])
def test_configurations_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        ReconstructionConfig(**wrong)
