"""Large pictures: every hole is cut out once, with its context, and filled at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import fails, run
from field import save, save_mask
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import inpainting
from labkit.classical import CLASSICAL
from labkit.crops import CELL, crops
from labkit.data.photos import photo
from labkit.errors import InputError
from labkit.images import read_image
from labkit.inpainting import inpaint
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.prior import smooth_fill
from labkit.nn.weights import save_generator


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def hole(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Boxes of top, left, height, width."""
    mask = np.zeros((height, width), bool)
    for top, left, tall, wide in boxes:
        mask[top : top + tall, left : left + wide] = True
    return mask


def network(prior: str = "biharmonic", size: int | None = 32, draw: str = "he") -> GMCNN:
    torch.manual_seed(0)
    config = GeneratorConfig(width=2, prior=prior, trained_size=size, initialisation=draw)
    return GMCNN(config).eval()


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks with a prior fill smaller pictures than usual crop by crop."""
    monkeypatch.setattr(inpainting, "WHOLE_SIDE_WITH_PRIOR", inpainting.WHOLE_SIDE)


boxes = st.tuples(st.floats(0, 0.98), st.floats(0, 0.98), st.integers(1, 90), st.integers(1, 90))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    drawn=st.lists(boxes, min_size=1, max_size=6),
    side=st.sampled_from([1, 32, 128]),
    context=st.sampled_from([0.0, 0.5, 2.0]),
)
def test_every_missing_pixel_is_in_one_crop_with_known_pixels_around(
    shape, drawn, side, context
) -> None:
    height, width = shape
    mask = hole(*shape, *((int(t * height), int(x * width), h, w) for t, x, h, w in drawn))
    taken = np.zeros(shape, int)
    for window, here in crops(mask, side=side, context=context):
        assert here.any() and here.shape == mask[window].shape
        taken[window] += here
        rows, columns = (np.flatnonzero(here.any(axis=axis)) for axis in (1, 0))
        for found, extent, length in zip((rows, columns), window, shape, strict=True):
            assert 0 <= extent.start < extent.stop <= length
            assert extent.stop - extent.start >= min(side, length)
            assert extent.start == 0 or found[0] >= CELL
            assert extent.stop == length or extent.stop - extent.start - 1 - found[-1] >= CELL
    np.testing.assert_array_equal(taken, mask.astype(int))


def test_a_crop_reaches_around_the_hole_as_far_as_the_picture_goes() -> None:
    ((window, _),) = crops(hole(400, 640, (160, 600, 96, 40)), 32, 0.5)
    assert window == (slice(112, 304), slice(552, 640))
    ((window, _),) = crops(hole(400, 640, (160, 632, 8, 8)), 128)
    assert window == (slice(100, 228), slice(512, 640))


def test_near_holes_share_a_crop_and_far_or_unlike_ones_do_not() -> None:
    near = hole(600, 600, (200, 200, 20, 20), (230, 240, 16, 16))
    assert len(list(crops(near, side=128, context=0.25))) == 1
    assert len(list(crops(near, context=0.25))) == 2
    far = hole(600, 600, (10, 10, 20, 20), (500, 500, 20, 20))
    assert len(list(crops(far, side=128))) == 2
    # Beside a hole of 200 pixels the crop is reduced, and the small one keeps its own scale.
    unlike = hole(900, 900, (300, 300, 200, 200), (520, 400, 16, 16))
    windows = [window for window, _ in crops(unlike, side=128, context=0.5)]
    assert [w[0].stop - w[0].start for w in windows] == [416, 128]
    assert list(crops(hole(50, 50))) == []


def test_specks_everywhere_share_crops() -> None:
    mask = np.zeros((512, 512), bool)
    mask[::32, ::32] = True  # 256 specks
    assert len(list(crops(mask, side=128))) <= 64


@pytest.mark.parametrize("side", [256, 400])
def test_small_pictures_are_filled_whole(side: int) -> None:
    image, mask = noise(side, side), hole(side, side, (20, 20, 60, 40))
    model = network(draw="he-all")
    filled = inpaint(image, mask, generator=model)
    whole = inpainting.predict_grey_levels(model, np.where(mask[..., None], 0, image), mask)
    np.testing.assert_array_equal(filled[mask], np.rint(whole[mask]).astype(np.uint8))


@pytest.mark.parametrize("method", ["telea", "ns", "biharmonic", "gmcnn"])
def test_a_large_picture_is_filled_crop_by_crop(method: str, monkeypatch, early) -> None:
    image = photo("retina")[:700, :900]
    mask = hole(700, 900, (30, 20, 40, 50), (400, 600, 30, 60), (690, 890, 10, 10))
    model = network() if method == "gmcnn" else None
    seen = []

    def watched(*given):
        seen.extend(found := list(crops(*given)))
        return found

    monkeypatch.setattr(inpainting, "crops", watched)
    filled = inpaint(image, mask, method, generator=model)
    assert len(seen) == 3 and max(max(part.shape) for _, part in seen) < 200
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    error = np.abs(filled[mask].astype(int) - image[mask]).mean()
    mean = np.abs(inpaint(image, mask, "mean")[mask].astype(int) - image[mask]).mean()
    assert error < 0.5 * mean
    if method in ("telea", "ns"):  # nothing further away has a say
        np.testing.assert_array_equal(filled[mask], CLASSICAL[method](image, mask)[mask])


def test_what_a_picture_shows_far_from_the_hole_has_no_say(early) -> None:
    image, mask = noise(700, 900), hole(700, 900, (300, 300, 40, 40))
    other = image.copy()
    other[:100] = 255 - other[:100]
    for method in ("telea", "biharmonic", "gmcnn"):
        model = network() if method == "gmcnn" else None
        fills = [inpaint(each, mask, method, generator=model)[mask] for each in (image, other)]
        np.testing.assert_array_equal(*fills)


@pytest.mark.parametrize("prior", ["none", "biharmonic"])
def test_a_network_that_adds_nothing_leaves_the_smooth_fill(prior: str, early) -> None:
    """Reduced or not, what is enlarged is only the difference from a smooth surface."""
    rows, columns = np.mgrid[:400, :500]
    ramp = np.stack([rows / 4, columns / 4, (rows + columns) / 8], axis=-1).astype(np.uint8)
    mask = hole(400, 500, (100, 120, 150, 130))
    model = network(prior)

    def nothing(start, _):  # the smooth fill itself, which a ramp continues exactly
        return start if prior != "none" else smooth_fill(start, _)

    model.paint = nothing
    filled = inpaint(ramp, mask, generator=model)
    assert np.abs(filled.astype(int) - ramp)[mask].max() <= 2


def test_no_seam_shows_where_a_reduced_fill_was_enlarged() -> None:
    image = np.full((600, 600, 3), 100, np.uint8)
    mask = hole(600, 600, (200, 200, 200, 200))
    model = network("none", size=64)
    model.paint = lambda start, _: torch.ones_like(start)  # white, and the picture is grey
    filled = inpaint(image, mask, generator=model).astype(int)
    steps = np.abs(np.diff(filled[300, :, 0]))
    assert filled[300, 300, 0] == 255
    assert steps.max() < 40  # of 155, in one step without it
    assert (filled[~mask] == 100).all()


def test_scale_says_at_which_size_the_network_works(monkeypatch, early) -> None:
    image, mask = noise(500, 500), hole(500, 500, (150, 150, 120, 120))
    model = network(size=64)
    sizes = []
    real = model.paint
    model.paint = lambda start, missing: (
        sizes.append(tuple(start.shape[-2:])) or real(start, missing)
    )
    fills = [inpaint(image, mask, generator=model, scale=s) for s in ("auto", "original", 96, 64)]
    (auto, _), (original, _), (given, _), _ = sizes
    assert (auto, given) == (64, 96) and original >= 120 * (1 + 2 * inpainting.CONTEXT) - 8
    np.testing.assert_array_equal(fills[0], fills[3])
    assert not np.array_equal(fills[0], fills[1])
    small = hole(500, 500, (150, 150, 16, 16))  # smaller than the trained size: nothing is lost
    sizes.clear()
    np.testing.assert_array_equal(
        inpaint(image, small, generator=model), inpaint(image, small, generator=model, scale=64)
    )
    assert sizes == [(64, 64), (64, 64)]


@pytest.mark.parametrize("scale", [16, 4096, "large", 64.0])
def test_a_scale_that_is_none_is_refused(scale) -> None:
    image, mask = noise(300, 300), hole(300, 300, (20, 20, 20, 20))
    with pytest.raises(InputError, match="scale"):
        inpaint(image, mask, generator=network(), scale=scale)


def test_the_command_takes_a_scale(tmp_path: Path, capsys, early) -> None:
    image, mask = noise(300, 320), hole(300, 320, (80, 80, 100, 100))
    model = network()
    start = ("inpaint", save(tmp_path / "a.png", image), save_mask(tmp_path / "m.png", mask))
    end = ("-o", tmp_path / "o.png", "--device", "cpu", "--weights", tmp_path / "w.safetensors")
    save_generator(model, end[-1])
    for said, scale in (("original", "original"), ("48", 48), ("auto", "auto")):
        assert run(capsys, *start, *end, "--scale", said) == (0, "", [])
        expected = inpaint(image, mask, generator=model, scale=scale)
        np.testing.assert_array_equal(read_image(tmp_path / "o.png"), expected)
    assert "32 to 1024 pixels" in fails(capsys, *start, *end, "--scale", "8")
    assert "auto, original" in fails(capsys, *start, *end, "--scale", "big")
    line = fails(capsys, *start, *end[:2], "--method", "telea", "--scale", "64")
    assert "--scale 64 means nothing to --method telea" in line
