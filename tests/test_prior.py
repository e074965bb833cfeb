"""The head start: what a smooth fill must keep, what it must equal, and what a network adds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.restoration import inpaint_biharmonic

from labkit.data.photos import Photos
from labkit.errors import InputError
from labkit.evaluation.metrics import psnr
from labkit.images import compose, to_tensor, to_uint8
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.prior import PRIORS, reduce_known, smooth_fill


def square(height: int, width: int, batch: int = 1) -> torch.Tensor:
    """A hole of a third of each side, in the middle: (batch, 1, height, width)."""
    mask = torch.zeros(batch, 1, height, width)
    mask[..., height // 3 : height - height // 3, width // 3 : width - width // 3] = 1
    return mask


def grid(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    return y[None, None], x[None, None]  # (1, 1, H, W)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    share=st.floats(0.0, 1.0),
    kind=st.sampled_from(PRIORS),
    seed=st.integers(0, 99),
)
def test_known_pixels_are_bit_exact_and_the_fill_stays_in_range(
    height, width, share, kind, seed
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, height, width, generator=generator) * 2 - 1
    mask = (torch.rand(2, 1, height, width, generator=generator) < share).float()
    fill = smooth_fill(image, mask, kind)
    known = (mask == 0).expand_as(image)
    assert torch.equal(fill[known], image[known])
    assert fill.isfinite().all() and fill.abs().max() <= 1
    assert torch.equal(fill, smooth_fill(image, mask, kind))  # deterministic


@pytest.mark.parametrize("kind", PRIORS)
def test_what_lies_under_the_mask_is_never_looked_at(kind) -> None:
    image, mask = torch.rand(1, 3, 33, 50), square(33, 50)
    hidden = image.masked_fill(mask > 0.5, torch.nan)
    assert torch.equal(smooth_fill(hidden, mask, kind), smooth_fill(image, mask, kind))


@pytest.mark.parametrize("kind", PRIORS)
def test_nothing_known_gives_grey_and_one_pixel_gives_its_colour(kind) -> None:
    image = torch.full((1, 3, 20, 24), 0.25)
    everything = torch.ones(1, 1, 20, 24)
    assert torch.equal(smooth_fill(image, everything, kind), torch.zeros_like(image))
    everything[..., 7, 9] = 0
    torch.testing.assert_close(smooth_fill(image, everything, kind), image, atol=1e-5, rtol=0)


def test_a_picture_of_one_pixel() -> None:
    image = torch.full((1, 3, 1, 1), 0.5)
    assert torch.equal(smooth_fill(image, torch.zeros(1, 1, 1, 1)), image)
    assert torch.equal(smooth_fill(image, torch.ones(1, 1, 1, 1)), torch.zeros_like(image))


@pytest.mark.parametrize("tension", [0.0, 0.15])
def test_a_plane_is_continued_exactly(tension) -> None:
    y, x = grid(36, 45)
    plane = 0.3 * x - 0.5 * y + 0.1
    fill = smooth_fill(plane, square(36, 45), tension=tension, cycles=12)
    assert (fill - plane).abs().max() <= 1e-3


def test_a_thin_plate_continues_quadratic_surfaces_exactly() -> None:
    y, x = grid(40, 40)
    for surface in (0.4 * x * x, x * y * 0.5, 0.3 * y * y - 0.3 * x * x):
        fill = smooth_fill(surface, square(40, 40), tension=0.0, cycles=20)
        assert (fill - surface).abs().max() <= 1e-3


def test_a_soap_film_keeps_between_the_known_values() -> None:
    y, x = grid(40, 40)
    saddle, bowl = 0.5 * (x * x - y * y), x * x + y * y - 1
    film = smooth_fill(saddle, square(40, 40), "harmonic", cycles=12)
    assert (film - saddle).abs().max() <= 1e-3  # a harmonic function
    film = smooth_fill(bowl, square(40, 40), "harmonic", cycles=12)
    hole = square(40, 40) > 0.5
    assert film[hole].min() > bowl[hole].min() + 0.05  # cannot sag below its frame
    assert film[hole].max() <= bowl[~hole].max()


def test_the_solution_has_no_force_left() -> None:
    """Against the dense system, in float64."""
    side, tension = 12, 0.15
    image = torch.rand(1, 1, side, side, dtype=torch.float64) * 2 - 1
    mask = square(side, side).double()
    laplacian = np.zeros((side * side, side * side))
    for row in range(side):
        for column in range(side):
            here = row * side + column
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                near = min(max(row + dy, 0), side - 1) * side + min(max(column + dx, 0), side - 1)
                laplacian[here, near] += 1
                laplacian[here, here] -= 1
    tau = tension * 128**2 / side**2
    system = laplacian @ laplacian - tau * laplacian
    hole = mask.flatten().numpy() > 0.5
    values = image.flatten().numpy().copy()
    values[hole] = np.linalg.solve(
        system[np.ix_(hole, hole)], -system[np.ix_(hole, ~hole)] @ values[~hole]
    )
    fill = smooth_fill(image, mask, tension=tension, cycles=40).flatten().numpy()
    assert np.abs(fill - values.clip(-1, 1)).max() <= 1e-8


def test_on_photographs_it_is_the_biharmonic_fill_of_scikit_image() -> None:
    images = Photos(64, "test").batch(range(4))
    mask = square(64, 64)
    ours = smooth_fill(to_tensor(images), mask.expand(4, 1, 64, 64), tension=0.0, cycles=12)
    hole = mask[0, 0].numpy() > 0.5
    gaps = []
    for image, fill in zip(images, to_uint8(ours), strict=True):
        theirs = inpaint_biharmonic(image / 255.0, hole, channel_axis=-1)
        theirs = np.rint(theirs.clip(0, 1) * 255).astype(np.uint8)
        gaps.append(psnr(image, fill) - psnr(image, np.where(hole[..., None], theirs, image)))
    assert abs(np.mean(gaps)) <= 0.1


def test_more_cycles_come_closer() -> None:
    images = to_tensor(Photos(64, "test").batch(range(4)))
    mask = square(64, 64, 4)
    solution = smooth_fill(images, mask, cycles=30)
    errors = [(smooth_fill(images, mask, cycles=n) - solution).abs().mean() for n in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 50


def test_an_unknown_prior_is_named() -> None:
    with pytest.raises(InputError, match="prior 'spline' is unknown"):
        smooth_fill(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8), "spline")
    with pytest.raises(InputError, match=r"prior .*spline"):
        GeneratorConfig(prior="spline")
    with pytest.raises(InputError, match="tension -1"):
        GeneratorConfig(prior="biharmonic", tension=-1)
    with pytest.raises(InputError, match=r"trained_size .*8"):
        GeneratorConfig(prior="biharmonic", trained_size=8)


def test_planes_one_at_a_time_are_the_same(monkeypatch) -> None:
    image, mask = torch.rand(2, 3, 24, 30) * 2 - 1, square(24, 30, 2)
    whole = smooth_fill(image, mask)
    monkeypatch.setattr("labkit.nn.prior._LARGE", 0)
    torch.testing.assert_close(smooth_fill(image, mask), whole, atol=1e-6, rtol=0)


def test_reducing_takes_means_of_known_pixels() -> None:
    values = torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 4.0]])[None, None]
    known = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])[None, None]
    small, some = reduce_known(values * known, known)
    assert small.tolist() == [[[[2.0, 2.0]]]] and some.tolist() == [[[[1.0, 1.0]]]]
    small, some = reduce_known(values * known, known, (1, 1))
    assert small.item() == 2.0 and some.item() == 1.0
    small, some = reduce_known(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), (2, 2))
    assert small.abs().max() == 0 and some.max() == 0


class TestTheNetwork:
    config = GeneratorConfig(width=2, initialisation="he", prior="biharmonic", trained_size=32)

    def silent(self, size: int | None = 32) -> GMCNN:
        """A network whose decoder says 0: what is left is the prior."""
        model = GMCNN(GeneratorConfig(width=2, prior="biharmonic", trained_size=size)).eval()
        torch.nn.init.zeros_(model.decoder[-1].conv.weight)
        return model

    @pytest.mark.parametrize("size", [(32, 32), (50, 47), (96, 64)])
    def test_the_output_is_added_to_the_prior(self, size) -> None:
        image, mask = torch.rand(1, 3, *size) * 2 - 1, square(*size)
        for model in (self.silent(), self.silent(None)):
            with torch.no_grad():
                fill = model.predict(image, mask)
            expected = smooth_fill(image, mask)
            if size == (50, 47) and model.config.trained_size is None:
                continue  # padded to a multiple of four, which a smooth surface may feel
            torch.testing.assert_close(fill, expected, atol=1e-5, rtol=0)

    def test_no_prior_is_the_papers_network(self) -> None:
        image, mask = torch.rand(1, 3, 40, 40), square(40, 40)
        model = GMCNN(GeneratorConfig(width=2)).eval()
        with torch.no_grad():
            assert torch.equal(model.predict(image, mask), model(image, mask))
            assert torch.equal(model.start(image, mask), image * (1 - mask))

    def test_a_larger_picture_is_corrected_at_the_trained_size(self) -> None:
        image, mask = torch.rand(1, 3, 128, 64) * 2 - 1, square(128, 64)
        model = GMCNN(self.config).eval()
        with torch.no_grad():
            fill = model.predict(image, mask)
            change = fill - smooth_fill(image, mask)
        assert change.abs().max() > 0.01
        inner = change[..., 64 - 8 : 64 + 8, 32 - 4 : 32 + 4]
        bends = inner.diff(n=2, dim=-2).abs()
        straight = (bends < 1e-5).float().mean()
        assert straight > 0.15  # enlarged: straight lines from one small pixel to the next
        far = change[..., :20, :10]
        assert far.abs().max() == 0  # nothing is added away from the hole

    def test_nan_under_the_mask_does_not_leak_into_training(self) -> None:
        image, mask = torch.rand(2, 3, 32, 32), square(32, 32, 2)
        model = GMCNN(self.config).train()
        hidden = image.masked_fill(mask > 0.5, torch.nan)
        assert torch.equal(model(hidden, mask), model(image, mask))

    def test_gradients_reach_every_weight_and_not_the_prior(self) -> None:
        image, mask = torch.rand(1, 3, 32, 32, requires_grad=True), square(32, 32)
        model = GMCNN(self.config).train()
        compose(image.detach(), model(image, mask), mask).mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        assert image.grad is None

    def test_autocast_keeps_the_prior_in_float32(self) -> None:
        image, mask = torch.rand(1, 3, 32, 32), square(32, 32)
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            prediction = self.silent()(image, mask)
        assert prediction.dtype == torch.float32
        torch.testing.assert_close(prediction, smooth_fill(image, mask), atol=1e-6, rtol=0)

    def test_it_runs_in_float64(self) -> None:
        image, mask = torch.rand(1, 3, 32, 32).double(), square(32, 32).double()
        with torch.no_grad():
            assert GMCNN(self.config).double().eval()(image, mask).dtype == torch.float64
