"""ID-MRF: the release's numbers, values known in closed form, two paths that agree."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import InputError
from labkit.images import compose
from labkit.losses import id_mrf as module
from labkit.losses.id_mrf import (
    IDMRFLoss,
    default_layers,
    id_mrf,
    layer_weights,
    relative_similarity,
    unit_vectors,
)
from labkit.nn.features import Features
from labkit.settings import IDMRFConfig

GOLDEN = Path(__file__).parent / "data" / "id_mrf.npz"  # the authors' PyTorch code, run on a CPU
ALGORITHMS = ("dense", "streamed")


def maps(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradient(generated: torch.Tensor, target: torch.Tensor, **options: object) -> torch.Tensor:
    leaf = generated.clone().requires_grad_()
    (found,) = torch.autograd.grad(id_mrf(leaf, target, **options), leaf)
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("suffix", "loss"), [("", "loss_sum_over_batch"), ("2", "loss2")])
def test_the_release_s_numbers(algorithm, suffix, loss):
    golden = np.load(GOLDEN)
    generated = torch.from_numpy(golden["gen" + suffix])
    target = torch.from_numpy(golden["target" + suffix])
    options = {"reduction": "sum", "algorithm": algorithm}
    assert float(id_mrf(generated, target, **options)) == pytest.approx(
        float(golden[loss]), rel=1e-5
    )
    expected = torch.from_numpy(golden["grad_gen" + suffix])
    found = gradient(generated, target, **options)
    assert (found - expected).norm() <= 1e-4 * expected.norm()


def test_against_the_formula_written_out():
    """Distances, minima and sums in loops, for one small map."""
    generated, target = maps(1, 4, 2, 3), maps(1, 4, 2, 3, seed=1)
    h, epsilon = 0.3, 1e-3
    mean = target.mean(dim=1, keepdim=True)
    v = [x / x.norm() for x in (generated - mean)[0].flatten(1).T]
    s = [x / x.norm() for x in (target - mean)[0].flatten(1).T]
    shares = []
    for one in v:
        d = [(1 - float(one @ other)) / 2 for other in s]
        w = [math.exp((1 - x / (min(d) + epsilon)) / h) for x in d]
        shares.append([x / sum(w) for x in w])
    expected = -math.log(sum(max(row[j] for row in shares) for j in range(6)) / 6)
    for algorithm in ALGORITHMS:
        found = id_mrf(generated, target, bandwidth=h, epsilon=epsilon, algorithm=algorithm)
        assert float(found) == pytest.approx(expected, abs=1e-12)


def test_excluding_s_against_the_formula_written_out():
    generated, target = maps(1, 4, 2, 3), maps(1, 4, 2, 3, seed=1)
    v, s = unit_vectors(generated)[0], unit_vectors(target)[0]
    h, epsilon = 0.5, 1e-5
    expected = torch.zeros(6, 6, dtype=torch.float64)
    for i in range(6):
        d = (1 - s @ v[i]) / 2
        for j in range(6):
            others = torch.cat([d[:j], d[j + 1 :]])
            expected[i, j] = torch.exp((1 - d[j] / (others.min() + epsilon)) / h)
    expected = expected / expected.sum(dim=1, keepdim=True)
    found = relative_similarity(v, s, h, epsilon, exclude_self=True)
    assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_equal_maps_score_near_zero_and_a_constant_fill_the_most(algorithm):
    target = maps(1, 8, 6, 6)
    assert float(id_mrf(target, target, algorithm=algorithm)) == pytest.approx(0.0, abs=1e-6)
    # Every generated vector the same: one row of R̄S, which sums to 1, so the mean over the 36
    # columns is 1/36 and the loss its logarithm.
    constant = maps(1, 8, 1, 1, seed=1).expand(1, 8, 6, 6)
    loss = id_mrf(constant, target, centre="none", algorithm=algorithm)
    assert float(loss) == pytest.approx(math.log(36), rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    channels=st.integers(2, 5),
    patch=st.integers(1, 3),
)
def test_both_algorithms_agree(seed, height, width, channels, patch):
    shape = (2, channels, height + patch - 1, width + patch - 1)
    generated, target = maps(*shape, seed=seed), maps(*shape, seed=seed + 1)
    dense, streamed = (id_mrf(generated, target, algorithm=a, patch=patch) for a in ALGORITHMS)
    assert 0 <= float(dense) <= math.log(height * width) + 1e-9
    assert float(streamed) == pytest.approx(float(dense), rel=1e-10, abs=1e-12)
    a, b = (gradient(generated, target, algorithm=a, patch=patch) for a in ALGORITHMS)
    assert torch.allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("blocks", [1, 3, 50])
def test_blocks_of_any_size_give_the_same(monkeypatch, blocks):
    generated, target = maps(1, 3, 5, 5), maps(1, 3, 5, 5, seed=1)
    expected = id_mrf(generated, target, algorithm="dense")
    wanted = gradient(generated, target, algorithm="dense")
    monkeypatch.setattr(module, "_BLOCK", blocks * 25)
    found = id_mrf(generated, target, algorithm="streamed")
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    found = gradient(generated, target, algorithm="streamed")
    assert torch.allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{"algorithm": a} for a in ALGORITHMS] + [{"exclude_self": True}]
)
def test_gradcheck(options):
    generated, target = maps(2, 3, 3, 4).requires_grad_(), maps(2, 3, 3, 4, seed=1)
    assert torch.autograd.gradcheck(lambda g: id_mrf(g, target, **options), (generated,))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_gradcheck_restricted_to_some_positions(algorithm):
    generated, target = maps(2, 3, 4, 4).requires_grad_(), maps(2, 3, 4, 4, seed=1)
    where = torch.zeros(2, 1, 4, 4)
    where[0, :, 1:3, 1:4] = 1  # the second example has no position at all
    assert torch.autograd.gradcheck(
        lambda g: id_mrf(g, target, algorithm=algorithm, where=where), (generated,)
    )
    found = gradient(generated.detach(), target, algorithm=algorithm, where=where)
    assert not found[1].any() and not found[0][:, where[0, 0] == 0].any()


def test_restriction_equals_the_crop():
    generated, target = maps(1, 4, 8, 8), maps(1, 4, 8, 8, seed=1)
    where = torch.zeros(1, 1, 8, 8)
    where[:, :, 2:6, 1:7] = 1
    cropped = id_mrf(generated[:, :, 2:6, 1:7], target[:, :, 2:6, 1:7])
    assert float(id_mrf(generated, target, where=where)) == pytest.approx(float(cropped), rel=1e-12)


@pytest.mark.parametrize(
    ("patch", "rows", "columns"),
    [(2, slice(2, 6), slice(3, 8)), (3, slice(1, 6), slice(2, 8)), (4, slice(1, 7), slice(2, 9))],
)
def test_patches_are_compared_where_their_centres_are(patch, rows, columns):
    """Of an even number of positions, the first of the middle two is the centre."""
    generated, target = maps(1, 4, 9, 10), maps(1, 4, 9, 10, seed=1)
    where = torch.zeros(1, 1, 9, 10)
    where[:, :, 2:5, 3:7] = 1  # a patch of 3 reaches one position further on each side
    crops = generated[:, :, rows, columns], target[:, :, rows, columns]
    found = id_mrf(generated, target, patch=patch, where=where)
    assert float(found) == pytest.approx(float(id_mrf(*crops, patch=patch)), rel=1e-12)


def test_mean_and_sum_over_the_batch():
    generated, target = maps(3, 4, 4, 4), maps(3, 4, 4, 4, seed=1)
    one_by_one = [float(id_mrf(generated[i : i + 1], target[i : i + 1])) for i in range(3)]
    assert float(id_mrf(generated, target)) == pytest.approx(sum(one_by_one) / 3, rel=1e-12)
    assert float(id_mrf(generated, target, reduction="sum")) == pytest.approx(
        sum(one_by_one), rel=1e-12
    )


def test_centring():
    """Adding one number at a position to both maps changes nothing under "pixel" centring."""
    generated, target = maps(1, 4, 4, 4), maps(1, 4, 4, 4, seed=1)
    shift = maps(1, 1, 4, 4, seed=2)
    same = id_mrf(generated + shift, target + shift)
    assert float(same) == pytest.approx(float(id_mrf(generated, target)), rel=1e-10)
    per_channel = maps(1, 4, 1, 1, seed=3)
    same = id_mrf(generated + per_channel, target + per_channel, centre="channel")
    expected = id_mrf(generated, target, centre="channel")
    assert float(same) == pytest.approx(float(expected), rel=1e-10)


def test_channels_are_centred_by_the_target_s_means_over_the_batch():
    generated, target = maps(2, 4, 3, 5), maps(2, 4, 3, 5, seed=1)
    target[1] += 1  # the two examples' own means are far apart, and far from the generated ones
    means = target.mean(dim=(0, 2, 3), keepdim=True)
    expected = id_mrf(generated - means, target - means, centre="none")
    found = id_mrf(generated, target, centre="channel")
    assert float(found) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ties_and_zero_vectors_and_a_single_position(algorithm):
    target = torch.ones(1, 3, 4, 4, dtype=torch.float64)  # centred by pixel: zero everywhere
    generated = maps(1, 3, 4, 4)
    # Zero vectors have cosine 0 with everything: all 16 targets tie at 1/16.
    assert float(id_mrf(generated, target, algorithm=algorithm)) == pytest.approx(
        math.log(16), rel=1e-9
    )
    zero = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    for maps_ in ((generated, target), (zero, maps(1, 3, 4, 4)), (zero, zero)):
        assert gradient(*maps_, centre="none", algorithm=algorithm).isfinite().all()
    one = maps(1, 3, 1, 1)
    for options in ({"algorithm": algorithm}, {"exclude_self": True}):
        assert float(id_mrf(one, maps(1, 3, 1, 1, seed=1), **options)) == 0.0
        assert not gradient(one, maps(1, 3, 1, 1, seed=1), **options).any()


def test_auto_streams_above_the_limit(monkeypatch):
    dense = []
    original = module.relative_similarity
    monkeypatch.setattr(
        module, "relative_similarity", lambda *a, **k: (dense.append(1), original(*a, **k))[1]
    )
    monkeypatch.setattr(module, "_DENSE_PAIRS", 16 * 16)
    id_mrf(maps(1, 2, 4, 4), maps(1, 2, 4, 4))
    assert len(dense) == 1
    id_mrf(maps(1, 2, 4, 5), maps(1, 2, 4, 5))
    assert len(dense) == 1


def test_streaming_never_holds_the_matrix(monkeypatch):
    """Over a profile of allocations, forward and backward, no tensor has N² entries."""
    monkeypatch.setattr(module, "_BLOCK", 1 << 12)
    n = 32 * 32
    generated, target = maps(1, 8, 32, 32).float().requires_grad_(), maps(1, 8, 32, 32, seed=1)
    with torch.profiler.profile(profile_memory=True) as profile:
        id_mrf(generated, target.float(), algorithm="streamed").backward()
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert 0 < largest < n * n * 4 / 16


def test_half_precision_is_computed_in_float32():
    generated, target = maps(1, 16, 8, 8), maps(1, 16, 8, 8, seed=1)
    low, wanted = generated.bfloat16(), target.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = id_mrf(low, wanted)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(id_mrf(low.double(), wanted.double())), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"patch": 9}, "patch 9"), ({"where": torch.ones(1, 1, 3, 3)}, "where")],
)
def test_refuses(options, message):
    with pytest.raises(InputError, match=message):
        id_mrf(maps(1, 3, 4, 4), maps(1, 3, 4, 4), **options)


def test_refuses_maps_that_differ():
    with pytest.raises(InputError, match=r"\(1, 3, 4, 4\) and \(1, 3, 4, 5\)"):
        id_mrf(maps(1, 3, 4, 4), maps(1, 3, 4, 5))


class TestLoss:
    image = maps(2, 3, 32, 32, dtype=torch.float32).tanh()
    target = maps(2, 3, 32, 32, seed=1, dtype=torch.float32).tanh()
    config = IDMRFConfig("random:0", {"relu1_1": 1.0, "relu2_1": 0.5})

    def test_known_pixels_of_the_prediction_do_not_count(self):
        mask = torch.zeros(2, 1, 32, 32)
        mask[:, :, 8:24, 8:24] = 1
        loss = IDMRFLoss(self.config)
        prediction = self.image.clone().requires_grad_()
        value = loss(prediction, self.target, mask)
        value.backward()
        assert float(value.detach()) > 0
        assert not (prediction.grad * (1 - mask)).any() and (prediction.grad * mask).any()
        assert not any(p.requires_grad for p in loss.parameters())

    def test_weights_of_layers_add_up(self):
        mask = torch.ones(2, 1, 32, 32)

        def value(layers: dict[str, float]) -> float:
            return float(IDMRFLoss(IDMRFConfig("random:0", layers))(self.image, self.target, mask))

        both = value({"relu1_1": 1.0, "relu2_1": 0.5})
        assert both == pytest.approx(value({"relu1_1": 1.0}) + 0.5 * value({"relu2_1": 1.0}))

    def test_region_hole_compares_the_hole_s_cells_alone(self):
        mask = torch.zeros(2, 1, 32, 32)
        mask[:, :, 8:24, 8:24] = 1
        layers = {"pool1": 1.0}
        whole, hole = (
            float(
                IDMRFLoss(IDMRFConfig("random:0", layers, region=r))(self.image, self.target, mask)
            )
            for r in ("image", "hole")
        )
        assert whole != hole and hole <= math.log(8 * 8)

    def written_out(self, layers, mask, normalise="imagenet", **options):
        """The sum over layers, by `id_mrf` itself."""
        features = Features("random:0", list(layers), normalise=normalise)
        generated = features(compose(self.target, self.image, mask))
        wanted = features(self.target)
        terms = [w * id_mrf(generated[k], wanted[k], **options) for k, w in layers.items()]
        return float(sum(terms))

    @pytest.mark.parametrize(
        "option",
        [
            {},
            {"bandwidth": 0.2},
            {"epsilon": 0.1},
            {"patch": 2},
            {"centre": "channel"},
            {"reduction": "sum"},
            {"exclude_self": True},
            {"normalise": "mean-only"},
        ],
    )
    def test_each_option_reaches_every_layer(self, option):
        layers = {"relu2_1": 1.0, "relu3_1": 0.5}
        mask = torch.zeros(2, 1, 32, 32)
        mask[:, :, 8:24, 4:20] = 1
        found = IDMRFLoss(IDMRFConfig("random:0", layers, **option))(self.image, self.target, mask)
        expected = self.written_out(layers, mask, **option)
        assert float(found) == pytest.approx(expected, rel=1e-6)
        if option:
            assert expected != pytest.approx(self.written_out(layers, mask), rel=1e-4)

    def test_region_hole_takes_every_cell_that_the_hole_touches(self):
        mask = torch.zeros(2, 1, 32, 32)
        mask[:, :, 9:23, 5:14] = 1
        cells = torch.zeros(2, 1, 8, 8)  # of 4×4 pixels: rows 2 to 5 and columns 1 to 3 are touched
        cells[:, :, 2:6, 1:4] = 1
        layers = {"relu3_1": 1.0}
        loss = IDMRFLoss(IDMRFConfig("random:0", layers, region="hole"))
        expected = self.written_out(layers, mask, where=cells)
        assert float(loss(self.image, self.target, mask)) == pytest.approx(expected, rel=1e-6)

    def test_the_target_has_no_gradient(self):
        target = self.target.clone().requires_grad_()
        prediction = self.image.clone().requires_grad_()
        # All missing: the composite takes nothing from the target.
        IDMRFLoss(self.config)(prediction, target, torch.ones(2, 1, 32, 32)).backward()
        assert target.grad is None or not target.grad.any()
        assert prediction.grad.any()

    def test_default_is_the_paper_s(self):
        assert IDMRFConfig().features == "vgg19"
        assert layer_weights(IDMRFConfig()) == {"relu3_2": 1.0, "relu4_2": 2.0}
        assert default_layers("squeezenet1_1") == ("fire3", "fire5")

    def test_a_layer_that_is_not_there(self):
        with pytest.raises(InputError, match="relu9_9"):
            IDMRFLoss(IDMRFConfig("random:0", {"relu9_9": 1.0}))

    @pytest.mark.parametrize(
        "options",
        [{"region": "face"}, {"bandwidth": 0}, {"patch": 0}, {"normalise": "none"}],
    )
    def test_refuses(self, options):
        with pytest.raises(InputError, match=str(next(iter(options.values())))):
            IDMRFConfig(**options)


def test_rows_that_are_certain_are_skipped_and_nothing_else():
    """A fill that copies most of its target: those rows are ones among zeros, without gradient."""
    target = maps(1, 8, 6, 6)
    generated = target.clone()
    generated[..., 2:5, 1:4] = maps(1, 8, 3, 3, seed=1)
    dense, streamed = (gradient(generated, target, algorithm=a, bandwidth=0.01) for a in ALGORITHMS)
    assert torch.allclose(streamed, dense, rtol=1e-9, atol=1e-12)
    assert bool((dense != 0).any())
    shares = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1e-30, 0.0], [0.5, 0.5, 0.0], [0.2, 0.8, 0.0]])
    assert module._certain(shares).tolist() == [True, False, False, False]


@pytest.mark.parametrize("exclude_self", [False, True])
def test_a_cosine_that_rounding_puts_above_one_is_a_perfect_match(exclude_self):
    """As in TensorFloat-32: without a bound the temperature would turn negative, and the best
    match become the worst."""
    s = torch.eye(5)
    shares = relative_similarity(1.001 * s, s, exclude_self=exclude_self)
    assert torch.equal(shares.amax(dim=0), torch.ones(5))


def test_both_algorithms_agree_above_one_too(monkeypatch):
    lengths = torch.tensor([0.5, 1.1, 2.0, 3.0, 0.9, 1.0], dtype=torch.float64)
    original = module._vectors

    def longer(*a):
        v, s = original(*a)
        return v * lengths[:, None], s

    monkeypatch.setattr(module, "_vectors", longer)
    generated, target = maps(1, 3, 2, 3), maps(1, 3, 2, 3, seed=1)
    v, s = longer(generated[0], target[0], target.mean(1), 1, None)
    assert bool(((v @ s.T).amax(dim=1) > 1).any())
    dense, streamed = (
        (
            id_mrf(generated, target, epsilon=0.1, algorithm=a),
            gradient(generated, target, epsilon=0.1, algorithm=a),
        )
        for a in ALGORITHMS
    )
    for ours, theirs in zip(dense, streamed, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
