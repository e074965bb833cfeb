"""The generator: its size, its shapes, what it may see, and parity with the authors' release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import InputError
from labkit.images import compose
from labkit.nn.generator import (
    ELU_GAIN,
    GMCNN,
    GeneratorConfig,
    count_parameters,
    receptive_field,
)
from labkit.nn.layers import PaddedConv2d, pad
from labkit.nn.weights import load_authors

TINY = GeneratorConfig(width=4)
# The authors' PyTorch network with drawn weights of width 2, run on a CPU: the weights in 128ths
# under the authors' names, and every fifth pixel of the output, all four borders among them. Its
# layers were transcribed, and checked on their own output of width 4: equal to the last bit.
GOLDEN = Path(__file__).parent / "data" / "generator_width2.npz"


def picture(
    height: int, width: int, batch: int = 1, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, height, width, generator=generator) * 2 - 1
    mask = torch.zeros(batch, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    return image, mask


@pytest.mark.parametrize(("width", "parameters"), [(32, 12_561_891), (64, 50_216_899)])
def test_parameter_counts_of_the_release(width: int, parameters: int) -> None:
    assert count_parameters(GMCNN(GeneratorConfig(width=width))) == parameters


def test_parameters_by_part() -> None:
    model = GMCNN()
    assert [count_parameters(column) for column in model.columns] == [
        7_132_576,
        3_947_040,
        1_449_568,
    ]
    assert count_parameters(model.decoder) == 32_707


def test_floating_point_operations_of_one_forward() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = GMCNN().eval().to("meta")
    image, mask = (
        torch.empty(1, 3, 256, 256, device="meta"),
        torch.empty(1, 1, 256, 256, device="meta"),
    )
    model.train()  # looking at values is impossible on the meta device
    with FlopCounterMode(display=False) as counter:
        model(image, mask)
    assert counter.get_total_flops() / 1e9 == pytest.approx(134.4, abs=0.05)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (250, 254), (33, 47)])
@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_any_size_in_the_same_size_out(size: tuple[int, int], padding: str) -> None:
    image, mask = picture(*size)
    with torch.no_grad():
        prediction = GMCNN(GeneratorConfig(width=2, padding=padding)).eval()(image, mask)
    assert prediction.shape == image.shape
    assert prediction.abs().max() <= 1


def test_other_sizes_are_reflected_at_the_bottom_and_the_right_picture_and_mask_alike() -> None:
    image, _ = picture(33, 47)
    mask = torch.zeros(1, 1, 33, 47)
    mask[..., 20:, 38:] = 1  # the hole reaches the corner, and what is reflected is missing too
    more = ((0, 0), (0, 0), (0, 3), (0, 1))
    larger = [torch.from_numpy(np.pad(x.numpy(), more, mode="reflect")) for x in (image, mask)]
    model = GMCNN(GeneratorConfig(width=2, initialisation="he")).eval()
    with torch.no_grad():
        assert torch.equal(model(image, mask), model(*larger)[..., :33, :47])


def test_a_large_size_that_is_no_multiple_of_four() -> None:
    image, mask = picture(512, 678)
    with torch.no_grad():
        assert GMCNN(GeneratorConfig(width=2)).eval()(image, mask).shape == image.shape


def test_output_of_the_authors_weights(shared) -> None:
    golden = np.load(shared / "golden" / "generator.npz")
    model = load_authors(shared / "golden" / "gmcnn_cnum4_authors.pth")
    x = torch.from_numpy(golden["input"]).float()
    with torch.no_grad():
        prediction = model(x[:, :3], x[:, 3:])
    assert (prediction - torch.from_numpy(golden["output"])).abs().max() <= 1e-5


def test_recorded_output_of_the_authors_code(tmp_path) -> None:
    golden = dict(np.load(GOLDEN))
    expected = torch.from_numpy(golden.pop("output"))
    torch.save({k: torch.from_numpy(v) / 128 for k, v in golden.items()}, tmp_path / "authors.pth")
    # NumPy has frozen what RandomState draws.
    colours = np.random.RandomState(0).randint(-128, 129, (1, 3, 196, 216)) / 128
    image, mask = torch.from_numpy(colours).float(), torch.zeros(1, 1, 196, 216)
    mask[..., 60:130, 40:120] = 1
    mask[..., :30, 180:] = 1
    with torch.no_grad():
        prediction = load_authors(tmp_path / "authors.pth")(image, mask)
    assert (prediction[..., ::5, ::5] - expected).abs().max() <= 5e-5


def test_nothing_under_the_mask_can_leak_into_the_prediction() -> None:
    image, mask = picture(48, 48)
    other = torch.where(mask > 0, -image, image)
    model = GMCNN(GeneratorConfig(width=4, initialisation="he")).eval()
    with torch.no_grad():
        assert torch.equal(model(image, mask), model(other, mask))


def test_the_prediction_depends_on_known_pixels_and_on_the_mask() -> None:
    image, mask = picture(48, 48)
    model = GMCNN(GeneratorConfig(width=4, initialisation="he")).eval()
    with torch.no_grad():
        base = model(image, mask)
        assert not torch.equal(base, model(-image, mask))
        # Zero pixels under the mask look the same to the colour channels; only the mask tells.
        grey = torch.zeros_like(image)
        assert not torch.equal(model(grey, mask), model(grey, torch.zeros_like(mask)))


def test_each_picture_of_a_batch_is_treated_alone() -> None:
    image, mask = picture(40, 44, batch=3)
    model = GMCNN(TINY).eval()
    with torch.no_grad():
        together = model(image, mask)
        for i in range(3):
            alone = model(image[i : i + 1], mask[i : i + 1])
            torch.testing.assert_close(alone, together[i : i + 1], atol=1e-6, rtol=0)


def test_a_prediction_out_of_range_is_clamped_in_evaluation_and_returns_in_training() -> None:
    image, mask = picture(32, 32)
    model = GMCNN(TINY)
    with torch.no_grad():
        model.decoder[-1].conv.bias.fill_(3.0)
        assert model.eval()(image, mask).max() == 1
    loss = (model.train()(image, mask) - image).abs().mean()
    loss.backward()
    assert (model.decoder[-1].conv.bias.grad > 0).all()  # a step of descent lowers the prediction


def test_every_parameter_receives_a_gradient() -> None:
    image, mask = picture(64, 64)
    model = GMCNN(GeneratorConfig(width=4, initialisation="he"))
    model(image, mask).square().mean().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@given(
    kernel=st.sampled_from([3, 5, 7]),
    dilations=st.lists(st.integers(1, 16), max_size=5),
)
@settings(max_examples=10, deadline=None)
def test_receptive_field_equals_the_support_of_a_gradient(
    kernel: int, dilations: list[int]
) -> None:
    # One-dimensional convolutions of ones, with the encoder's strides: every pixel in reach
    # contributes.
    field = receptive_field(kernel, tuple(dilations))
    side = field + 8
    x = torch.zeros(1, 1, 4 * side, dtype=torch.float64, requires_grad=True)
    y = x
    layers = [
        (1, 1),
        (2, 1),
        (1, 1),
        (2, 1),
        (1, 1),
        (1, 1),
        *((1, d) for d in dilations),
        (1, 1),
        (1, 1),
    ]
    for stride, dilation in layers:
        ones = torch.ones(1, 1, kernel, dtype=torch.float64) / kernel
        y = F.conv1d(
            y, ones, stride=stride, dilation=dilation, padding=dilation * (kernel - 1) // 2
        )
    y[0, 0, y.shape[-1] // 2].backward()
    support = x.grad[0, 0].nonzero().flatten()
    assert int(support.max() - support.min()) + 1 == field


def test_receptive_fields_of_the_paper() -> None:
    assert [receptive_field(kernel) for kernel in (7, 5, 3)] == [853, 569, 285]


def test_initial_weights_follow_the_configuration() -> None:
    normal = torch.cat([conv.weight.flatten() for conv in GMCNN().convolutions()])
    assert normal.std().item() == pytest.approx(0.02, rel=0.01)
    he = next(iter(GMCNN(GeneratorConfig(width=64, initialisation="he")).convolutions()))
    assert he.weight.std().item() == pytest.approx((1.5506 / (4 * 49)) ** 0.5, rel=0.02)
    assert all(not conv.bias.any() for conv in GMCNN(TINY).convolutions())


def test_glorot_weights_are_even_between_keras_bounds() -> None:
    rng = torch.Generator().manual_seed(3)
    model = GMCNN(GeneratorConfig(width=16, initialisation="glorot"), rng=rng)
    for conv in model.convolutions():
        outputs, inputs, side, _ = conv.weight.shape
        bound = (6 / (side**2 * (inputs + outputs))) ** 0.5
        drawn = conv.weight.detach() / bound
        assert 0.95 < drawn.abs().max().item() <= 1
        assert drawn.square().mean().item() == pytest.approx(1 / 3, rel=0.15)
        assert not conv.bias.any()


def test_he_all_differs_from_he_in_the_last_layer_alone() -> None:
    he, he_all = (
        list(GMCNN(GeneratorConfig(width=16, initialisation=name)).convolutions())
        for name in ("he", "he-all")
    )
    for one, other in zip(he[:-1], he_all[:-1], strict=True):
        assert torch.equal(one.weight, other.weight)
    last, larger = he[-1].weight, he_all[-1].weight  # (3, 8, 3, 3)
    assert torch.allclose(larger, last * (72**-0.5 / 0.02))
    assert larger.std().item() == pytest.approx(72**-0.5, rel=0.15)


def test_the_gain_of_elu_by_sampling() -> None:
    z = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert 1 / F.elu(z).square().mean().item() == pytest.approx(ELU_GAIN, rel=2e-3)


def test_he_initialisation_keeps_the_scale_and_begins_near_grey() -> None:
    image, mask = picture(64, 64, batch=2)
    model = GMCNN(GeneratorConfig(width=8, initialisation="he")).eval()
    with torch.no_grad():
        features = model.features(image, mask)
        prediction = model(image, mask)
    assert all(0.4 < f.std().item() < 1 for f in features)
    assert prediction.abs().max().item() < 1


def test_the_seed_decides_the_initial_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        model = GMCNN(TINY, rng=torch.Generator().manual_seed(seed))
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    reach=st.tuples(*[st.integers(0, 40)] * 4),
)
@settings(deadline=None)
def test_reflection_at_any_distance_is_numpys(height: int, width: int, reach: tuple) -> None:
    top, bottom, left, right = reach
    x = torch.arange(float(height * width)).view(1, 1, height, width)
    expected = np.pad(x[0, 0].numpy(), ((top, bottom), (left, right)), mode="reflect")
    np.testing.assert_array_equal(
        pad(x, top, bottom, left, right, "reflect")[0, 0].numpy(), expected
    )


def test_zeros_are_numpys() -> None:
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 2), (3, 6)))
    np.testing.assert_array_equal(pad(x, 1, 2, 3, 6, "zeros").numpy(), expected)


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"bottleneck": "plain"},
        {"upsample": "subpixel"},
        {"attention": "se", "reduction": 4},
        {"attention": "a2-report"},
    ],
)
@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_every_convolution_has_the_padding_of_the_configuration(padding: str, variant) -> None:
    model = GMCNN(GeneratorConfig(width=2, padding=padding, **variant))
    modules = dict(model.named_modules())
    layers = {name: m.padding for name, m in modules.items() if isinstance(m, PaddedConv2d)}
    assert len(layers) >= 12 + 14 + 16 + 2
    assert set(layers.values()) == {padding}


@pytest.mark.parametrize("reach", [3, 7, 8, 20])
def test_reflection_of_feature_maps(reach: int) -> None:
    x = torch.rand(2, 3, 8, 11, generator=torch.Generator().manual_seed(0))
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    np.testing.assert_array_equal(pad(x, reach, reach, reach, reach, "reflect").numpy(), expected)


def test_a_single_pixel_reflects_to_itself() -> None:
    assert pad(torch.ones(1, 1, 1, 1), 3, 3, 3, 3, "reflect").shape == (1, 1, 7, 7)


def test_zero_padding_inside_the_convolution_equals_padding_before_it() -> None:
    x = torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    layer = PaddedConv2d(2, 3, 5, dilation=2, padding="zeros")
    conv = layer.conv
    expected = F.conv2d(F.pad(x, (4, 4, 4, 4)), conv.weight, conv.bias, dilation=2)
    torch.testing.assert_close(layer(x), expected)


def test_a_layer_alone_is_differentiated_correctly() -> None:
    layer = PaddedConv2d(1, 1, 3, dilation=4, padding="reflect").double()
    x = torch.rand(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 3},
        {"width": 0},
        {"kernels": ()},
        {"kernels": (7, 7)},
        {"kernels": (4,)},
        {"dilations": (0,)},
        {"padding": "replicate"},
        {"initialisation": "xavier"},
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(
        InputError, match=str(next(iter(wrong.values()))).strip("(),") or "at least"
    ):
        GeneratorConfig(**wrong)


@pytest.mark.parametrize(
    ("image", "mask", "says"),
    [
        (torch.zeros(1, 4, 64, 64), torch.zeros(1, 1, 64, 64), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 32), "does not fit"),
        (torch.zeros(1, 3, 64, 64), torch.zeros(2, 1, 64, 64), "does not fit"),
        (torch.zeros(1, 3, 64, 16), torch.zeros(1, 1, 64, 16), "at least 32"),
        (torch.full((1, 3, 64, 64), float("nan")), torch.zeros(1, 1, 64, 64), "NaN"),
        (torch.full((1, 3, 64, 64), 255.0), torch.zeros(1, 1, 64, 64), r"not in \[-1, 1\]"),
        (torch.zeros(1, 3, 64, 64), torch.full((1, 1, 64, 64), 0.5), "only 0"),
        (torch.zeros(1, 3, 64, 64), torch.full((1, 1, 64, 64), 255.0), "only 0"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(image, mask, says: str) -> None:
    with pytest.raises(InputError, match=says):
        GMCNN(TINY).eval()(image, mask)


def test_composing_keeps_known_pixels_bit_for_bit() -> None:
    image, mask = picture(32, 32)
    filled = compose(image, torch.full_like(image, float("nan")), mask)
    hole = mask.expand_as(image) > 0
    assert torch.equal(filled[~hole], image[~hole])
    assert filled[hole].isnan().all()
