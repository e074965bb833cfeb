"""The published attention blocks against loops, the report's variants, and their cost."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from labkit.errors import InputError
from labkit.nn.attention import DoubleAttention, ReportA2, ReportSE, SqueezeExcitation
from labkit.nn.generator import GMCNN, count_parameters
from labkit.nn.weights import load_generator, save_generator
from labkit.settings import GeneratorConfig

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomised(module: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """Every weight and bias drawn, so that none of them is at a special value."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.5 * drawn)
    return module


def operations(module: torch.nn.Module, *inputs: torch.Tensor) -> int:
    """Floating-point operations of convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops()


# --- squeeze-and-excitation ----------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["sigmoid", "tanh"])
def test_squeeze_and_excitation_written_out(gate):
    block = randomised(SqueezeExcitation(6, reduction=3, gate=gate))
    x = features(2, 6, 3, 5)
    function = {"sigmoid": lambda a: 1 / (1 + math.exp(-a)), "tanh": math.tanh}[gate]
    for b in range(2):
        z = [sum(x[b, c].flatten().tolist()) / 15 for c in range(6)]
        hidden = []
        for unit in range(2):
            total = block.reduce.bias[unit].item()
            total += sum(block.reduce.weight[unit, c].item() * z[c] for c in range(6))
            hidden.append(max(0.0, total))
        for c in range(6):
            total = block.expand.bias[c].item()
            total += sum(block.expand.weight[c, unit].item() * hidden[unit] for unit in range(2))
            expected = x[b, c] * function(total)
            assert torch.allclose(block(x)[b, c], expected, atol=1e-12)


def test_a_saturated_gate_is_the_identity():
    block = SqueezeExcitation(32)
    torch.nn.init.constant_(block.expand.bias, 100.0)
    x = features(2, 32, 4, 4).float()
    assert torch.equal(block(x), x)


@given(SIZES, st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_the_gate_does_not_know_where(size, seed):
    block = randomised(SqueezeExcitation(8, reduction=2))
    x = features(1, 8, *size, seed=seed)
    order = torch.randperm(size[0] * size[1], generator=torch.Generator().manual_seed(seed))
    shuffled = x.flatten(2)[:, :, order].view(x.shape)
    assert torch.allclose(block.weights(x), block.weights(shuffled), atol=1e-12)


@pytest.mark.parametrize(("channels", "reduction"), [(32, 16), (128, 16), (20, 3), (16, 1)])
def test_cost_of_squeeze_and_excitation(channels, reduction):
    block, middle = SqueezeExcitation(channels, reduction), channels // reduction
    assert count_parameters(block) == 2 * channels * middle + middle + channels
    assert operations(block, torch.zeros(1, channels, 8, 8)) == 4 * channels * middle


# --- A² ------------------------------------------------------------------------------------------


def softmax(values: list[float]) -> list[float]:
    top = max(values)
    powers = [math.exp(v - top) for v in values]
    return [p / sum(powers) for p in powers]


def test_double_attention_written_out():
    """Four loops: project, gather, distribute, expand."""
    block = randomised(DoubleAttention(4, features=3, maps=2))
    x = features(2, 4, 2, 3)

    def project(conv: torch.nn.Conv2d, pixel: torch.Tensor) -> list[float]:
        return [
            conv.bias[o].item() + sum(conv.weight[o, c, 0, 0].item() * float(v) for c, v in
                                      enumerate(pixel))
            for o in range(conv.out_channels)
        ]  # fmt: skip

    for b in range(2):
        pixels = [x[b, :, row, column] for row in range(2) for column in range(3)]
        a, k, v = ([project(conv, p) for p in pixels] for conv in
                   (block.features, block.gathering, block.distribution))  # fmt: skip
        where = [softmax([k[p][n] for p in range(6)]) for n in range(2)]
        descriptors = [
            [sum(where[n][p] * a[p][m] for p in range(6)) for n in range(2)] for m in range(3)
        ]
        for p, pixel in enumerate(pixels):
            which = softmax(v[p])
            mixed = [sum(descriptors[m][n] * which[n] for n in range(2)) for m in range(3)]
            expected = pixel + torch.tensor(project(block.expand, torch.tensor(mixed)))
            found = block(x)[b, :, p // 3, p % 3]
            assert torch.allclose(found, expected.double(), atol=1e-6)


@given(SIZES, st.integers(1, 5), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_maps_sum_to_one(size, maps, seed):
    block = randomised(DoubleAttention(4, features=2, maps=maps), seed)
    x = features(2, 4, *size, seed=seed)
    gathering, distribution = block.gathering_maps(x), block.distribution_maps(x)
    assert gathering.shape == distribution.shape == (2, maps, *size)
    assert torch.allclose(gathering.sum(dim=(2, 3)), torch.ones(2, maps).double())
    assert torch.allclose(distribution.sum(dim=1), torch.ones(2, *size).double())
    assert gathering.min() >= 0 and distribution.min() >= 0


def test_a_single_map_gives_every_position_the_same_weighted_average():
    block = randomised(DoubleAttention(4, features=3, maps=1))
    x = features(1, 4, 3, 3)
    added = block(x) - x  # (1, 4, 3, 3)
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-12)
    average = (block.features(x) * block.gathering_maps(x)).sum(dim=(2, 3), keepdim=True)
    assert torch.allclose(added[:, :, :1, :1], block.expand(average), atol=1e-12)


def test_a_single_position_receives_its_own_features():
    block = randomised(DoubleAttention(4))
    x = features(1, 4, 1, 1)
    assert torch.allclose(block(x), x + block.expand(block.features(x)), atol=1e-12)
    se = randomised(SqueezeExcitation(4, 2))
    assert torch.allclose(se(x), x * se.weights(x)[:, :, None, None])


def test_information_crosses_the_map_by_a2_alone():
    """The gradient of one corner of the result in the opposite corner of the input."""
    x = features(1, 4, 5, 5).requires_grad_()
    for block, crosses in (
        (randomised(DoubleAttention(4)), True),
        (randomised(ReportA2(4)), False),
    ):
        x.grad = None
        inputs = (x,) if crosses else (x.detach(), x)
        block(*inputs)[0, :, 0, 0].sum().backward()
        assert bool((x.grad[0, :, 4, 4] != 0).any()) is crosses


@pytest.mark.parametrize(("channels", "m", "n"), [(32, 8, 8), (16, 4, 2), (128, 32, 32)])
def test_cost_of_double_attention(channels, m, n):
    block = DoubleAttention(channels, m, n)
    assert count_parameters(block) == 2 * channels * m + 2 * channels * n + m + 2 * n + channels
    height, width = 6, 7
    counted = operations(block, torch.zeros(1, channels, height, width))
    assert counted == 4 * height * width * (channels * m + channels * n + m * n)


def test_defaults_are_a_quarter_of_the_channels_and_the_identity():
    block = DoubleAttention(32)
    assert block.features.out_channels == block.gathering.out_channels == 8
    x = features(1, 32, 4, 4).float()
    assert torch.equal(block(x), x)
    assert DoubleAttention(2).features.out_channels == 1


@pytest.mark.parametrize(
    "block", [SqueezeExcitation(4, 2), SqueezeExcitation(4, 1, "tanh"), DoubleAttention(4)]
)
def test_gradcheck(block):
    randomised(block)
    x = features(1, 4, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(block, (x,))


# --- in the generator ----------------------------------------------------------------------------

PLACES = [
    ("se", "before-dilated"),
    ("se", "after-dilated"),
    ("a2", "before-dilated"),
    ("a2", "after-dilated"),
    ("a2", "gather-distribute"),
    ("se-report", "before-dilated"),
    ("a2-report", "before-dilated"),
]


def attending(kind: str, place: str, width: int = 4) -> GMCNN:
    config = GeneratorConfig(
        width=width, attention=kind, attention_place=place, reduction=4, initialisation="he"
    )
    return GMCNN(config)


def picture(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.rand(2, 3, 36, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    mask = torch.zeros(2, 1, 36, 32)
    mask[..., 10:20, 8:20] = 1
    return image, mask


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_every_parameter_of_every_variant_learns(kind, place):
    model = attending(kind, place, width=8)  # at 4 the 3×3 column's A² would have a single map
    image, mask = picture()
    with torch.no_grad():  # away from A²'s identity, which hides all but its last convolution
        for name, parameter in model.named_parameters():
            if "expand.weight" in name:
                parameter.add_(0.1)
    (model(image, mask) * image).sum().backward()
    dead = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]
    assert dead == []


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_variants_round_trip_through_a_file(kind, place, tmp_path):
    model = attending(kind, place).eval()
    save_generator(model, tmp_path / "weights.safetensors")
    image, mask = picture()
    again = load_generator(tmp_path / "weights.safetensors")
    assert again.config == model.config
    with torch.no_grad():
        assert torch.equal(again(image, mask), model(image, mask))


def test_parameters_that_attention_adds():
    """What the report's SE adds to its network at width 32: two layers, and room in the decoder."""
    base = count_parameters(GMCNN(GeneratorConfig()))
    added = {
        kind: count_parameters(GMCNN(GeneratorConfig(attention=kind))) - base
        for kind in ("se", "a2", "se-report", "a2-report")
    }
    room = 32 * 16 * 9  # c more channels into the decoder's first convolution
    assert added["se"] == 3 * (2 * 128 * 8 + 8 + 128)
    assert added["a2"] == 3 * (4 * 128 * 32 + 3 * 32 + 128)
    assert added["se-report"] == 2 * (32 * 32 + 32) + room == 12_813_315 - 12_806_595
    assert added["a2-report"] == added["se-report"] + 32 * 32 * 9 + 32


def test_the_report_s_gate_leaves_its_column_alone():
    plain, gated = GMCNN(GeneratorConfig(width=4)), attending("se-report", "before-dilated")
    gated.load_state_dict(plain.state_dict() | {
        key: value for key, value in gated.state_dict().items()
        if "attention" in key or key.startswith("decoder.0")
    })  # fmt: skip
    image, mask = picture()
    with torch.no_grad():
        ours, theirs = gated.features(image, mask), plain.features(image, mask)
    assert torch.equal(ours[2][:, :4], theirs[2]) and ours[2].shape[1] == 8
    assert all(torch.equal(a, b) for a, b in zip(ours[:2], theirs[:2], strict=True))


@pytest.mark.parametrize("kind", ["se-report", "a2-report"])
def test_the_report_s_block_takes_the_first_feature_and_the_one_before_the_last(kind):
    model = randomised(attending(kind, "before-dilated"), seed=2)
    image, mask = (x.double() for x in picture())
    column = model.columns[2]
    first = column.encoder[0](torch.cat([image * (1 - mask), mask], dim=1))
    late = first
    for layer in (*column.encoder[1:], *column.bottleneck, *column.decoder[:-1]):
        late = layer(late)
    found = model.features(image, mask)[2]
    assert torch.allclose(found[:, :4], column.decoder[-1](late), rtol=1e-12)
    assert torch.allclose(found[:, 4:], column.attention(first, late), rtol=1e-12)


@pytest.mark.parametrize("kind", ["se", "a2"])
@pytest.mark.parametrize(
    ("place", "source"), [("before-dilated", "encoder"), ("after-dilated", "bottleneck")]
)
def test_attention_receives_what_its_place_says(kind, place, source):
    model = attending(kind, place)
    results, received = [], []
    for column in model.columns:
        part = getattr(column, source)
        part.register_forward_hook(lambda module, inputs, result: results.append(result))
        column.attention.register_forward_pre_hook(
            lambda module, inputs: received.append(inputs[0])
        )
    with torch.no_grad():
        model(*picture())
    assert len(results) == len(received) == 3
    assert all(a is b for a, b in zip(results, received, strict=True))


def test_a_fresh_a2_is_the_base_generator():
    image, mask = picture()
    base = GMCNN(GeneratorConfig(width=4, initialisation="he")).eval()
    for place in ("before-dilated", "after-dilated", "gather-distribute"):
        model = attending("a2", place).eval()
        model.load_state_dict(base.state_dict(), strict=False)
        with torch.no_grad():
            assert torch.allclose(model(image, mask), base(image, mask), atol=1e-6)


def test_initial_weights_follow_the_generator_alone():
    one, same = (GMCNN(GeneratorConfig(width=4, attention="se", reduction=4), rng=g) for g in
                 (torch.Generator().manual_seed(7), torch.Generator().manual_seed(7)))  # fmt: skip
    other = GMCNN(
        GeneratorConfig(width=4, attention="se", reduction=4),
        rng=torch.Generator().manual_seed(8),
    )
    states = [model.state_dict() for model in (one, same, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    key = "columns.0.attention.reduce.weight"
    assert not torch.equal(states[0][key], states[2][key])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "cbam"}, "attention .*cbam.*'a2-report'"),
        ({"attention": "se", "attention_place": "end"}, "attention_place .*end.*before-dilated"),
        ({"attention": "se", "width": 2}, "larger than the 8 channels; choose 1 to 8"),
        ({"attention": "se", "reduction": 0}, "reduction 0"),
        ({"attention": "se", "attention_place": "gather-distribute"}, "only 'a2'"),
        ({"attention_place": "after-dilated"}, "without a published block"),
        ({"attention": "a2-report", "attention_place": "after-dilated"}, "published block"),
        ({"attention": "se-report", "kernels": (7, 5)}, "add kernel 3"),
    ],
)
def test_configurations_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message.replace("²", ".")):
        GeneratorConfig(**options)


def test_report_se_is_the_gate_alone():
    block = randomised(ReportSE(4))
    first, late = features(1, 4, 3, 3), features(1, 4, 3, 3, seed=1)
    assert torch.equal(block(first, late), block.gate(first))
    assert block.gate.gate == "tanh" and block.gate.reduce.out_features == 4


@pytest.mark.parametrize(("padding", "mode"), [("reflect", "reflect"), ("zeros", "constant")])
def test_report_a2_written_out(padding, mode):
    """A sigmoid's share of the first feature, times ELU of a 3×3 convolution of the late one."""
    block = randomised(ReportA2(4, padding))
    first, late = features(2, 4, 3, 5), features(2, 4, 3, 5, seed=1)
    gate, conv = block.gate, block.late[0].conv
    hidden = F.relu(first.mean(dim=(2, 3)) @ gate.reduce.weight.T + gate.reduce.bias)
    scores = hidden @ gate.expand.weight.T + gate.expand.bias  # (2, 4)
    convolved = F.conv2d(F.pad(late, (1, 1, 1, 1), mode=mode), conv.weight, conv.bias)
    expected = first / (1 + torch.exp(-scores))[:, :, None, None] * F.elu(convolved)
    assert torch.allclose(block(first, late), expected, atol=1e-12)
