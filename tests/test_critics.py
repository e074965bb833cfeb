"""Critics: their sizes, what each of them sees, and where the window lies."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.parametrize import is_parametrized

from labkit.errors import InputError
from labkit.nn.critics import Critic, Critics, critic_receptive_field, crop, locate_window
from labkit.nn.generator import count_parameters
from labkit.settings import CRITICS, CriticConfig

TINY = CriticConfig(channels=(4, 6), window=16)


def picture(size: int = 32, batch: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, size, size, generator=generator) * 2 - 1
    mask = torch.zeros(batch, 1, size, size)
    mask[..., size // 4 : size // 2, size // 4 : 3 * size // 4] = 1
    return image, mask


def rectangle(size: int, top: int, left: int, height: int, width: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size)
    mask[..., top : top + height, left : left + width] = 1
    return mask


# Convolution: inputs · outputs · 25 + outputs. Head: features + 1, at 256 px.
# Release: 4,864 + 204,928 + 819,456 + 1,638,656 = 2,667,904, then 256 · 16² or, for 128 px,
# 256 · 8². TensorFlow: 4,864 + 204,928 + 819,456 + 3,277,312 + 3,277,056 + 819,328 = 8,402,944,
# then 128 · 4² or 128 · 2²; its patch critic stops after four and has a convolution to one channel.
@pytest.mark.parametrize(
    ("name", "whole", "local"),
    [
        ("release", 2_667_904 + 65_537, 2_667_904 + 16_385),
        ("tensorflow", 8_402_944 + 2_049, 8_402_944 + 513),
        ("tensorflow-irregular", 8_402_944 + 2_049, 4_306_560 + 12_801),
        ("keras", 8_402_944 + 2_049, 8_402_944 + 2_049),
    ],
)
def test_parameter_counts_worked_out_by_hand(name: str, whole: int, local: int) -> None:
    critics = Critics(CRITICS[name], 256)
    assert count_parameters(critics.networks["global"]) == whole
    assert count_parameters(critics.networks["local"]) == local


RELEASE, SIX = (64, 128, 256, 256), (64, 128, 256, 512, 256, 128)
# channels, local_channels, activation, slope, spectral_norm, local
PRESETS = {
    "release": (RELEASE, None, "elu", 0.2, True, "window"),
    "tensorflow": (SIX, None, "leaky-relu", 0.2, False, "window"),
    "tensorflow-irregular": (SIX, SIX[:4], "leaky-relu", 0.2, False, "patch"),
    "keras": (SIX, None, "leaky-relu", 0.3, False, "masked"),
}


def test_presets_are_the_releases() -> None:
    assert {
        name: (c.channels, c.local_channels, c.activation, c.slope, c.spectral_norm, c.local)
        for name, c in CRITICS.items()
    } == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_critics_are_built_as_the_presets_say(name: str) -> None:
    channels, local_channels, activation, slope, normalised, local = PRESETS[name]
    critics = Critics(CRITICS[name], 16)
    for part, wanted in (("global", channels), ("local", local_channels or channels)):
        critic = critics.networks[part]
        layers = [m for m in critic.features if isinstance(m, torch.nn.Conv2d)]
        others = [m for m in critic.features if not isinstance(m, torch.nn.Conv2d)]
        assert tuple(layer.out_channels for layer in layers) == wanted
        assert all(is_parametrized(layer) is normalised for layer in (*layers, critic.head))
        if activation == "elu":
            assert all(isinstance(m, torch.nn.ELU) for m in others)
        else:
            assert {m.negative_slope for m in others} == {slope}
    assert critics.networks["global"].view == "none" and critics.networks["local"].view == local


@pytest.mark.parametrize(("name", "layers"), [("release", 4), ("tensorflow", 6), ("keras", 6)])
def test_layers_of_the_variants(name: str, layers: int) -> None:
    critic = Critic(CRITICS[name], 64)
    convolutions = [m for m in critic.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == layers
    assert all(c.kernel_size == (5, 5) and c.stride == (2, 2) for c in convolutions)
    slopes = [m.negative_slope for m in critic.modules() if isinstance(m, torch.nn.LeakyReLU)]
    assert set(slopes) == {"release": set(), "tensorflow": {0.2}, "keras": {0.3}}[name]


@pytest.mark.parametrize("local", ["window", "patch", "masked", "none"])
@pytest.mark.parametrize("size", [8, 30, 32, 45])
def test_one_score_for_each_picture(local: str, size: int) -> None:
    image, mask = picture(size)
    critics = Critics(CriticConfig(channels=(4, 6, 5), local=local), size)
    scores = critics(image, mask)
    assert list(scores) == (["global"] if local == "none" else ["global", "local"])
    assert all(score.shape == (2,) and score.isfinite().all() for score in scores.values())


@pytest.mark.parametrize("local", ["window", "patch", "masked"])
def test_each_picture_is_scored_alone(local: str) -> None:
    image, mask = picture(batch=3)
    mask[1] = mask[1].roll(5, dims=-1)
    critics = Critics(CriticConfig(channels=(4, 6), local=local), 32).eval()
    together = critics(image, mask)
    for i in range(3):
        alone = critics(image[i : i + 1], mask[i : i + 1])
        for name in together:
            torch.testing.assert_close(alone[name], together[name][i : i + 1])


@pytest.mark.parametrize("local", ["window", "patch", "masked"])
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_all_known_and_all_missing_masks_give_numbers(local: str, fill: float) -> None:
    image, _ = picture()
    image.requires_grad_()
    critics = Critics(CriticConfig(channels=(4, 6), local=local), 32)
    scores = critics(image, torch.full((2, 1, 32, 32), fill))
    sum(score.sum() for score in scores.values()).backward()
    assert all(score.isfinite().all() for score in scores.values())
    assert image.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critics.parameters())


def test_the_patch_critic_has_nothing_to_say_where_nothing_is_missing() -> None:
    image, mask = picture()
    critics = Critics(CriticConfig(channels=(4, 6), local="patch"), 32)
    assert not critics(image, torch.zeros_like(mask))["local"].any()
    # And the mean of its map where everything is missing.
    critic = critics.networks["local"].eval()
    expected = critic.head(critic.features(image)).mean(dim=(1, 2, 3))
    torch.testing.assert_close(critic(image, torch.ones_like(mask)), expected)


def test_the_patch_critic_weighs_cells_by_their_missing_share() -> None:
    image, _ = picture(batch=1)
    critic = Critic(CriticConfig(channels=(4, 6), local="patch"), 32, local=True).eval()
    scores = critic.head(critic.features(image))[0, 0]  # (4, 4): cells of 8 × 8 pixels
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 0:8, 4:16] = 1  # half of cell (0, 0), all of cell (0, 1)
    expected = (0.5 * scores[0, 0] + scores[0, 1]) / 1.5
    torch.testing.assert_close(critic(image, mask), expected[None])


def test_the_masked_critic_sees_and_answers_to_missing_pixels_only() -> None:
    image, mask = picture()
    image.requires_grad_()
    critics = Critics(CriticConfig(channels=(4, 6), local="masked"), 32).eval()
    score = critics(image, mask)["local"]
    score.sum().backward()
    hole = mask.expand_as(image) > 0
    assert not image.grad[~hole].any() and image.grad[hole].any()
    other = torch.where(hole, image, -image)
    assert torch.equal(critics(other, mask)["local"], score)


def test_the_global_critic_sees_every_pixel_and_the_window_only_its_own() -> None:
    image, mask = picture()
    image.requires_grad_()
    critics = Critics(TINY, 32).eval()
    critics(image, mask)["global"].sum().backward()
    assert image.grad.abs().sum(dim=1).bool().all()
    image.grad = None
    critics(image, mask)["local"].sum().backward()
    touched = image.grad.abs().sum(dim=(0, 1)) > 0
    assert touched[4:20, 8:24].all() and touched.sum() == 16 * 16


def test_the_window_is_the_release_s_crop_of_its_rectangle() -> None:
    image, _ = picture(256, batch=1)
    mask = rectangle(256, 40, 71, 128, 128)
    seen, hole = Critics(CRITICS["release"], 256).views(image, mask)["local"]
    assert torch.equal(seen, image[..., 40:168, 71:199]) and hole.all()


@given(
    size=st.integers(16, 48),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_rectangle_that_fits_lies_in_the_middle_of_its_window(size: int, data) -> None:
    side = data.draw(st.integers(4, size), label="side")
    height, width = (data.draw(st.integers(1, side)) for _ in range(2))
    top = data.draw(st.integers(0, size - height))
    left = data.draw(st.integers(0, size - width))
    found = [int(x) for x in locate_window(rectangle(size, top, left, height, width), side)]
    for corner, start, length in zip(found, (top, left), (height, width), strict=True):
        assert 0 <= corner <= size - side  # inside the image
        assert corner <= start and start + length <= corner + side  # holds the rectangle
        # Its centre is on the rectangle's, give or take half a pixel, unless the border is nearer.
        wanted = start + length / 2 - side / 2
        nearest = min(max(wanted, 0), size - side)
        assert abs(corner - nearest) <= 0.5


@given(
    seed=st.integers(0, 2**31),
    size=st.integers(8, 30),
    side=st.integers(1, 30),
    share=st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_no_window_holds_more_and_of_the_best_none_is_nearer(
    seed: int, size: int, side: int, share: float
) -> None:
    side = min(side, size)
    generator = torch.Generator().manual_seed(seed)
    masks = (torch.rand(3, 1, size, size, generator=generator) < share).float()
    top, left = locate_window(masks, side)
    cut = crop(masks, top, left, side)
    position = torch.arange(size, dtype=torch.float64)
    for k, mask in enumerate(masks[:, 0].double()):
        counts = mask.unfold(0, side, 1).unfold(1, side, 1).sum(dim=(2, 3))
        assert cut[k].sum() == counts.max() == counts[top[k], left[k]]
        total = mask.sum()
        middle = torch.tensor((size - 1) / 2, dtype=torch.float64)
        y = (mask.sum(1) * position).sum() / total if total else middle
        x = (mask.sum(0) * position).sum() / total if total else middle
        centre = position[: size - side + 1] + (side - 1) / 2
        distance = (centre - y).square()[:, None] + (centre - x).square()[None, :]
        best = distance[counts == counts.max()].min()
        assert distance[top[k], left[k]] <= best + 1e-3


def test_without_a_hole_the_window_is_in_the_middle() -> None:
    top, left = locate_window(torch.zeros(1, 1, 32, 32), 16)
    assert (int(top), int(left)) == (8, 8)


def test_of_two_holes_the_window_takes_the_larger() -> None:
    mask = rectangle(64, 2, 2, 12, 12) + rectangle(64, 48, 40, 14, 14)
    top, left = locate_window(mask, 24)
    # Of the places that hold all of it, the nearest to the centre of mass of both.
    assert (int(top), int(left)) == (38, 30)
    assert crop(mask, top, left, 24).sum() == 14 * 14


def test_crops_are_slices_and_differentiable() -> None:
    x = torch.rand(3, 2, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    top, left = torch.tensor([0, 2, 3]), torch.tensor([5, 1, 0])
    cut = crop(x, top, left, 4)
    for k in range(3):
        assert torch.equal(cut[k], x[k, :, top[k] : top[k] + 4, left[k] : left[k] + 4])
    assert torch.autograd.gradcheck(
        lambda y: crop(y, top, left, 4), (x.requires_grad_(),), check_batched_grad=True
    )


@pytest.mark.parametrize(
    ("size", "side"), [(256, 128), (250, 128), (128, 64), (100, 52), (33, 20), (8, 4)]
)
def test_the_default_window_is_about_half_the_image(size: int, side: int) -> None:
    assert CriticConfig().window_side(size) == side


def test_spectral_norms_are_one_after_enough_steps() -> None:
    critic = Critic(CriticConfig(channels=(4, 8)), 32)
    for module in critic.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            for _ in range(100):
                _ = module.weight  # in training mode, each look takes a step
            largest = torch.linalg.matrix_norm(module.weight.flatten(1), ord=2)
            assert largest.item() == pytest.approx(1.0, abs=2e-3)
    assert not any(
        "parametrizations" in name for name, _ in Critic(CRITICS["keras"], 32).named_parameters()
    )


@pytest.mark.parametrize("local", ["window", "patch", "masked"])
def test_a_state_dict_brings_back_every_bit_in_training_mode(local: str) -> None:
    config = CriticConfig(channels=(4, 6), local=local)
    image, mask = picture()
    first = Critics(config, 32, rng=torch.Generator().manual_seed(1)).train()
    first(image, mask)
    second = Critics(config, 32, rng=torch.Generator().manual_seed(2)).train()
    second.load_state_dict(first.state_dict())
    for _ in range(3):  # each pass steps the power iteration, in both alike
        before, after = first(image, mask), second(image, mask)
        assert all(torch.equal(before[name], after[name]) for name in before)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


def test_the_seed_decides_the_initial_weights_and_the_global_generator_is_left_alone() -> None:
    def state(seed: int) -> list[torch.Tensor]:
        critics = Critics(TINY, 32, rng=torch.Generator().manual_seed(seed))
        return list(critics.state_dict().values())

    torch.manual_seed(5)
    first = state(1)
    torch.manual_seed(6)
    assert all(torch.equal(a, b) for a, b in zip(first, state(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, state(2), strict=True))
    critics = Critics(CriticConfig(channels=(4, 6), local="masked"), 32)
    kernels = [net.features[0].weight for net in critics.networks.values()]
    assert not torch.equal(*kernels)  # the two critics do not start as one


def test_initial_scores_are_of_order_one_without_normalisation() -> None:
    image, _ = picture(64, batch=16)
    for name in ("tensorflow", "keras"):
        scores = Critic(CRITICS[name], 64)(image)
        assert scores.std().item() > 0.01 and scores.abs().max().item() < 10


def test_receptive_field_is_the_support_of_a_gradient() -> None:
    assert [critic_receptive_field(n) for n in (1, 2, 4, 6)] == [5, 13, 61, 253]
    config = CriticConfig(channels=(2, 2, 2), activation="leaky-relu", slope=0.5)
    critic = Critic(config, 96)
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    image.requires_grad_()
    critic.features(image)[0, :, 6, 6].sum().backward()
    seen = image.grad.abs().sum(dim=(0, 1)).sum(dim=0).nonzero()
    assert int(seen.max() - seen.min()) + 1 == critic_receptive_field(3) == 29


def test_under_autocast_scores_stay_near_those_of_float32() -> None:
    image, mask = picture()
    critics = Critics(TINY, 32).eval()
    exact = critics(image, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = critics(image, mask)
    for name in exact:
        torch.testing.assert_close(rough[name].float(), exact[name], atol=0.05, rtol=0)


@pytest.mark.parametrize("local", ["window", "patch", "masked"])
def test_gradients_in_float64(local: str) -> None:
    config = CriticConfig(channels=(2, 2), local=local, spectral_norm=True)
    critics = Critics(config, 8).double().eval()
    image, mask = picture(8, batch=2)
    image = image.double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: torch.stack(list(critics(x, mask.double()).values())), (image,), fast_mode=True
    )


def test_a_configuration_survives_json() -> None:
    for config in CRITICS.values():
        assert CriticConfig(**json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"channels": ()}, "channels"),
        ({"channels": (8, 0)}, "channels"),
        ({"local_channels": (0,)}, "channels"),
        ({"activation": "relu"}, "relu"),
        ({"slope": 1.0}, "slope 1.0"),
        ({"slope": -0.1}, "slope -0.1"),
        ({"slope": math.nan}, "slope nan"),
        ({"local": "crop"}, "crop"),
        ({"window": 2}, "window 2"),
        ({"window": 32, "local": "patch"}, "window 32 has no effect"),
        ({"local": "none", "local_channels": (4,)}, "without a local critic"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        CriticConfig(**wrong)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="window 40 is larger than the image side 32"):
        Critics(CriticConfig(channels=(4,), window=40), 32)
    with pytest.raises(InputError, match="size 2 must be at least"):
        Critics(CriticConfig(channels=(4,)), 2)
