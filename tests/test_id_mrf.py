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
from labkit.losses import matching
from labkit.losses.id_mrf import IDMRFConfig, IDMRFLoss, id_mrf, unit_vectors
from labkit.losses.matching import best_shares, relative_similarity
from labkit.nn.features import Features

GOLDEN = Path(__file__).parent / "data" / "id_mrf.npz"  # the authors' PyTorch code, run on a CPU
PATHS = ("dense", "streamed")


def maps(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradient(generated: torch.Tensor, target: torch.Tensor, **options: object) -> torch.Tensor:
    leaf = generated.clone().requires_grad_()
    (found,) = torch.autograd.grad(id_mrf(leaf, target, **options), leaf)
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("suffix", "loss"), [("", "loss_sum_over_batch"), ("2", "loss2")])
def test_the_release_s_numbers(path, suffix, loss):
    golden = np.load(GOLDEN)
    generated = torch.from_numpy(golden["gen" + suffix])
    target = torch.from_numpy(golden["target" + suffix])
    options = {"reduction": "sum", "path": path}
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
    for path in PATHS:
        found = id_mrf(generated, target, bandwidth=h, epsilon=epsilon, path=path)
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


@pytest.mark.parametrize("path", PATHS)
def test_equal_maps_score_near_zero_and_a_constant_fill_the_most(path):
    target = maps(1, 8, 6, 6)
    assert float(id_mrf(target, target, path=path)) == pytest.approx(0.0, abs=1e-6)
    # Every generated vector the same: one row of R̄S, which sums to 1, so the mean over the 36
    # columns is 1/36 and the loss its logarithm.
    constant = maps(1, 8, 1, 1, seed=1).expand(1, 8, 6, 6)
    loss = id_mrf(constant, target, centre="none", path=path)
    assert float(loss) == pytest.approx(math.log(36), rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    channels=st.integers(2, 5),
    patch=st.integers(1, 3),
    exclude_self=st.booleans(),
)
def test_both_paths_agree(seed, height, width, channels, patch, exclude_self):
    shape = (2, channels, height + patch - 1, width + patch - 1)
    generated, target = maps(*shape, seed=seed), maps(*shape, seed=seed + 1)
    options = {"patch": patch, "exclude_self": exclude_self}
    dense, streamed = (id_mrf(generated, target, path=p, **options) for p in PATHS)
    assert 0 <= float(dense) <= math.log(height * width) + 1e-9
    assert float(streamed) == pytest.approx(float(dense), rel=1e-10, abs=1e-12)
    a, b = (gradient(generated, target, path=p, **options) for p in PATHS)
    assert torch.allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("blocks", [1, 3, 50])
def test_blocks_of_any_size_give_the_same(monkeypatch, blocks, exclude_self):
    generated, target = maps(1, 3, 5, 5), maps(1, 3, 5, 5, seed=1)
    expected = id_mrf(generated, target, path="dense", exclude_self=exclude_self)
    wanted = gradient(generated, target, path="dense", exclude_self=exclude_self)
    monkeypatch.setitem(best_shares.__globals__["_BLOCK"], "cpu", blocks * 25)
    options = {"path": "streamed", "exclude_self": exclude_self}
    assert float(id_mrf(generated, target, **options)) == pytest.approx(float(expected), rel=1e-12)
    assert torch.allclose(gradient(generated, target, **options), wanted, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("exclude_self", [False, True])
def test_gradcheck_in_both_maps(path, exclude_self):
    generated = maps(2, 3, 3, 4).requires_grad_()
    target = maps(2, 3, 3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda g, t: id_mrf(g, t, path=path, exclude_self=exclude_self), (generated, target)
    )


@pytest.mark.parametrize("path", PATHS)
def test_gradcheck_restricted_to_some_positions(path):
    generated, target = maps(2, 3, 4, 4).requires_grad_(), maps(2, 3, 4, 4, seed=1)
    where = torch.zeros(2, 1, 4, 4)
    where[0, :, 1:3, 1:4] = 1  # the second example has no position at all
    assert torch.autograd.gradcheck(
        lambda g: id_mrf(g, target, path=path, where=where), (generated,)
    )
    found = gradient(generated.detach(), target, path=path, where=where)
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


@pytest.mark.parametrize("path", PATHS)
def test_ties_and_zero_vectors_and_a_single_position(path):
    target = torch.ones(1, 3, 4, 4, dtype=torch.float64)  # centred by pixel: zero everywhere
    generated = maps(1, 3, 4, 4)
    # Zero vectors have cosine 0 with everything: all 16 targets tie at 1/16.
    assert float(id_mrf(generated, target, path=path)) == pytest.approx(math.log(16), rel=1e-9)
    zero = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    for maps_ in ((generated, target), (zero, maps(1, 3, 4, 4)), (zero, zero)):
        assert gradient(*maps_, centre="none", path=path).isfinite().all()
    one = maps(1, 3, 1, 1)
    for exclude_self in (False, True):
        options = {"path": path, "exclude_self": exclude_self}
        assert float(id_mrf(one, maps(1, 3, 1, 1, seed=1), **options)) == 0.0
        assert not gradient(one, maps(1, 3, 1, 1, seed=1), **options).any()


def test_auto_takes_the_streamed_path_above_the_limit(monkeypatch):
    taken = []
    module = id_mrf.__globals__
    for name in ("best_shares", "streamed_shares"):
        monkeypatch.setitem(
            module, name, lambda *a, f=module[name], n=name: (taken.append(n), f(*a))[1]
        )
    monkeypatch.setitem(module, "_DENSE_PAIRS", 16 * 16)
    id_mrf(maps(1, 2, 4, 4), maps(1, 2, 4, 4))
    id_mrf(maps(1, 2, 4, 5), maps(1, 2, 4, 5))
    assert taken == ["best_shares", "streamed_shares"]


def test_the_streamed_path_never_holds_the_matrix(monkeypatch):
    """Over a profile of allocations, forward and backward, no tensor has N² entries."""
    monkeypatch.setitem(best_shares.__globals__["_BLOCK"], "cpu", 1 << 12)
    n = 32 * 32
    v = torch.nn.functional.normalize(maps(n, 8, dtype=torch.float32), dim=1).requires_grad_()
    s = torch.nn.functional.normalize(maps(n, 8, seed=1, dtype=torch.float32), dim=1)
    with torch.profiler.profile(profile_memory=True) as profile:
        best_shares(v, s, streamed=True).mean().log().neg().backward()
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
    [
        ({"bandwidth": 0.0}, "bandwidth 0.0"),
        ({"epsilon": -1.0}, "epsilon -1.0"),
        ({"patch": 9}, "patch 9"),
        ({"path": "fast"}, "path 'fast'"),
        ({"centre": "median"}, "centre 'median'"),
        ({"reduction": "max"}, "reduction 'max'"),
        ({"where": torch.ones(1, 1, 3, 3)}, "where"),
    ],
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
        assert IDMRFConfig().layer_weights() == {"relu3_2": 1.0, "relu4_2": 2.0}

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


@pytest.mark.parametrize("exclude_self", [False, True])
def test_rows_that_are_certain_are_skipped_and_nothing_else(exclude_self):
    """A fill that copies most of its target: those rows are ones among zeros, without gradient."""
    target = maps(1, 8, 6, 6)
    generated = target.clone()
    generated[..., 2:5, 1:4] = maps(1, 8, 3, 3, seed=1)
    options = {"bandwidth": 0.01, "exclude_self": exclude_self}
    dense = gradient(generated, target, path="dense", **options)
    streamed = gradient(generated, target, path="streamed", **options)
    assert torch.allclose(streamed, dense, rtol=1e-9, atol=1e-12)
    assert bool((dense != 0).any())
    shares = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1e-30, 0.0], [0.5, 0.5, 0.0], [0.2, 0.8, 0.0]])
    assert matching._undecided(shares).tolist() == [False, True, True, True]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_a_cosine_that_rounding_puts_above_one_is_a_perfect_match(streamed, exclude_self):
    """As in TensorFloat-32: without a bound the temperature would turn negative, and the best
    match become the worst."""
    s = torch.eye(5)
    shares = best_shares(1.001 * s, s, exclude_self=exclude_self, streamed=streamed)
    assert torch.equal(shares, torch.ones(5))


@pytest.mark.parametrize("exclude_self", [False, True])
def test_both_paths_agree_above_one_too(exclude_self):
    lengths = torch.tensor([0.5, 1.1, 2.0, 3.0, 0.9], dtype=torch.float64)[:, None]
    v = torch.nn.functional.normalize(maps(5, 3)) * lengths
    s = torch.nn.functional.normalize(maps(6, 3, seed=1))
    assert bool(((v @ s.T).amax(dim=1) > 1).any())
    found = []
    for streamed in (False, True):
        leaves = v.clone().requires_grad_(), s.clone().requires_grad_()
        shares = best_shares(*leaves, 0.5, 0.1, exclude_self, streamed=streamed)
        found.append((shares, *torch.autograd.grad(shares.log().sum(), leaves)))
    for dense, streamed in zip(*found, strict=True):
        assert torch.allclose(dense, streamed, rtol=1e-9, atol=1e-12)
