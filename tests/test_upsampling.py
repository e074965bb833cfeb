"""Ways to enlarge a feature map, and the three bottlenecks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from labkit.errors import InputError
from labkit.nn.columns import ChannelwiseDense, bottleneck
from labkit.nn.generator import GMCNN, count_parameters
from labkit.nn.layers import SubpixelUpsample, TransposedUpsample, upsampling
from labkit.settings import GeneratorConfig

KINDS = ("nearest", "bilinear", "transposed-4", "transposed-3", "subpixel")


def picture(side: int = 32, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    mask = torch.zeros(2, 1, side, side)
    mask[..., 10:20, 8:20] = 1
    return image, mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_enlarges_by_the_factor(kind, factor, size):
    x = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(0))
    assert upsampling(kind, 4, factor, "reflect")(x).shape == (2, 4, factor * size[0],
                                                               factor * size[1])  # fmt: skip


def test_nearest_repeats_and_bilinear_keeps_the_corners():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    nearest = upsampling("nearest", 1, 2, "reflect")(x)
    assert torch.equal(nearest, x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    bilinear = upsampling("bilinear", 1, 4, "reflect")(x)
    corners = bilinear[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert torch.allclose(corners, x[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]])


@pytest.mark.parametrize(("kernel", "counts"), [(4, {4}), (3, {1, 2, 4})])
def test_overlap_is_even_where_the_stride_divides_the_kernel(kernel, counts):
    """All weights 1: a pixel is the number of terms that it sums."""
    layer = TransposedUpsample(1, kernel)
    torch.nn.init.ones_(layer.conv.weight)
    inside = layer(torch.ones(1, 1, 6, 6)).detach()[0, 0, 2:-2, 2:-2]
    assert set(inside.flatten().round().int().tolist()) == counts
    # On average (kernel / 2)² terms, which is what the initial scale counts on.
    assert float(inside.mean()) == pytest.approx((kernel / 2) ** 2)


@pytest.mark.parametrize("kernel", [3, 4])
def test_transposed_is_the_gradient_of_a_strided_convolution(kernel):
    layer = TransposedUpsample(3, kernel)
    x = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    below = torch.zeros(1, 3, 10, 10, requires_grad=True)
    down = F.conv2d(below, layer.conv.weight, stride=2, padding=1)
    (expected,) = torch.autograd.grad(down, below, x)
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_fresh_subpixel_is_a_convolution_enlarged_by_nearest():
    layer = SubpixelUpsample(3, "reflect")
    x = torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    small = layer.conv(x)[:, ::4]  # each channel's first filter
    assert torch.allclose(layer(x), F.interpolate(small, scale_factor=2, mode="nearest"))


@pytest.mark.parametrize("kind", ["transposed-4", "transposed-3", "subpixel"])
def test_fresh_layers_keep_the_scale_of_features(kind):
    layer = upsampling(kind, 64, 2, "reflect")
    x = torch.randn(4, 64, 16, 16, generator=torch.Generator().manual_seed(1))
    inside = layer(x)[..., 4:-4, 4:-4].detach()
    assert 0.8 < float(inside.square().mean()) < 1.25


@pytest.mark.parametrize("kind", ["released", *KINDS])
def test_generators_with_each_kind(kind):
    model = GMCNN(GeneratorConfig(width=4, upsample=kind, initialisation="he"))
    image, mask = picture(36)
    out = model(image, mask)
    assert out.shape == image.shape
    (out * image).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_released_is_the_mixture_of_figure_2():
    modes = [
        [m.mode for m in column.decoder if isinstance(m, torch.nn.Upsample)]
        for column in GMCNN(GeneratorConfig(width=2)).columns
    ]
    assert modes == [["bilinear"], ["nearest", "bilinear"], ["nearest", "nearest"]]


def test_initial_scale_follows_the_configuration():
    for initialisation, expected in (("normal", 0.02), ("he", (16 * 4) ** -0.5)):
        config = GeneratorConfig(width=4, upsample="transposed-4", initialisation=initialisation)
        first = GMCNN(config).columns[0].decoder[0][0].conv.weight
        assert float(first.detach().std()) == pytest.approx(expected, rel=0.05)


def test_unknown_names_list_the_known():
    with pytest.raises(InputError, match=r"upsample.* 'bicubic': .*'nearest'"):
        GeneratorConfig(upsample="bicubic")
    with pytest.raises(InputError, match=r"bottleneck.* 'wide': .*'plain'"):
        GeneratorConfig(bottleneck="wide")


# --- bottlenecks ---------------------------------------------------------------------------------


def test_channelwise_dense_written_out():
    layer = ChannelwiseDense(2, 2, 3, rank=2)
    torch.nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 2, 2, 3, generator=torch.Generator().manual_seed(1))
    y = layer(x).detach()
    for b in range(2):
        for c in range(2):
            flat = x[b, c].flatten().tolist()
            code = [sum(w * v for w, v in zip(row.tolist(), flat, strict=True))
                    for row in layer.gather[c]]  # fmt: skip
            for position, row in enumerate(layer.spread[c].tolist()):
                value = sum(w * k for w, k in zip(row, code, strict=True)) + layer.bias[c].item()
                assert float(y[b, c].flatten()[position]) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("width", [8, 32])
def test_bottlenecks_have_about_equal_parameters(width):
    counts = {
        kind: count_parameters(GMCNN(GeneratorConfig(width=width, bottleneck=kind, **options)))
        for kind, options in (("dilated", {}), ("plain", {}), ("dense", {"dense_size": (64, 64)}))
    }
    assert counts["plain"] == counts["dilated"]
    assert counts["dense"] == pytest.approx(counts["dilated"], rel=0.02)


def reach(kind: str, **options: object) -> int:
    """Side in positions of what one output position of a 3×3 bottleneck sees."""
    config = GeneratorConfig(
        width=2, bottleneck=kind, padding="zeros", initialisation="he", **options
    )
    middle = bottleneck(3, config).double()
    for parameter in middle.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    x = torch.randn(1, 8, 80, 80, generator=torch.Generator().manual_seed(1)).double()
    x.requires_grad_()
    middle(x)[0, :, 40, 40].sum().backward()
    seen = (x.grad[0].abs().sum(dim=0) > 0).any(dim=0).nonzero()
    return int(seen.max() - seen.min() + 1)


def test_what_a_position_sees():
    assert reach("dilated") == 1 + 2 * (2 + 4 + 8 + 16 + 1 + 1)
    assert reach("plain") == 1 + 2 * 6
    assert reach("dense", dense_size=(320, 320)) == 80


def test_dense_takes_one_size_only():
    model = GMCNN(GeneratorConfig(width=4, bottleneck="dense", dense_size=(32, 36)))
    image = torch.zeros(1, 3, 32, 36)
    assert model(image, torch.zeros(1, 1, 32, 36)).shape == image.shape
    with pytest.raises(InputError, match=r"32×36 pixels cannot take one of 36×36.*resize"):
        model(torch.zeros(1, 3, 36, 36), torch.zeros(1, 1, 36, 36))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bottleneck": "dense"}, "dense_size is"),
        ({"dense_size": (64, 64)}, "None otherwise"),
        ({"bottleneck": "dense", "dense_size": (66, 66)}, "multiples of 4"),
        ({"bottleneck": "dense", "dense_size": (64, 64), "dilations": ()}, "there are none"),
    ],
)
def test_dense_configurations_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        GeneratorConfig(**options)


def test_dense_configuration_survives_json():
    config = GeneratorConfig(bottleneck="dense", dense_size=(64, 64))
    assert GeneratorConfig(**{**config.to_dict(), "dense_size": [64, 64]}) == config
