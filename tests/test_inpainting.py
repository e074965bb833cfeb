"""Filling one picture: every method keeps known pixels, any size works, bad input is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import inpainting
from labkit.classical import CLASSICAL, biharmonic
from labkit.data.photos import Photos
from labkit.errors import InputError
from labkit.evaluation.metrics import psnr
from labkit.inpainting import METHODS, inpaint
from labkit.nn.generator import GMCNN, GeneratorConfig


@pytest.fixture(scope="module")
def generator() -> GMCNN:
    return GMCNN(GeneratorConfig(width=2, initialisation="he")).eval()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramp(height: int, width: int) -> np.ndarray:
    """A picture that changes linearly from left to right: what a smooth fill must recover."""
    row = np.linspace(20, 220, width)
    return np.rint(np.broadcast_to(row[None, :, None], (height, width, 3))).astype(np.uint8)


def hole(height: int, width: int, top: int, left: int, tall: int, wide: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top : top + tall, left : left + wide] = True
    return mask


masks = st.tuples(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98), st.sampled_from([1, 3, 8]))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=12, deadline=None)
@given(drawn=masks)
def test_known_pixels_come_back_bit_for_bit(method: str, drawn: tuple[int, float, int]) -> None:
    seed, share, block = drawn
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(32, 48)), int(rng.integers(32, 48))
    small = rng.random((height // block + 1, width // block + 1)) < share
    mask = small.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
    mask[0, 0] = False
    image = noise(height, width, seed)
    before = image.copy(), mask.copy()
    model = GMCNN(GeneratorConfig(width=2)).eval() if method == "gmcnn" else None
    filled = inpaint(image, mask, method, generator=model)
    assert filled.dtype == np.uint8 and filled.shape == image.shape
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_under_the_mask_is_never_used(method: str, generator: GMCNN) -> None:
    mask = hole(40, 44, 10, 12, 15, 15)
    image = noise(40, 44)
    other = np.where(mask[..., None], 255 - image, image)
    model = generator if method == "gmcnn" else None
    np.testing.assert_array_equal(
        inpaint(image, mask, method, generator=model), inpaint(other, mask, method, generator=model)
    )


def test_mean_and_black_are_what_they_say() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0] = (10, 20, 30)
    image[1] = (11, 23, 31)
    mask = hole(4, 4, 2, 0, 2, 4)
    assert (
        inpaint(image, mask, "mean")[mask] == (10, 22, 30)
    ).all()  # 10.5, 21.5, 30.5: half to even
    assert (inpaint(image + 5, mask, "black")[mask] == 0).all()


@pytest.mark.parametrize("method", ["telea", "ns", "biharmonic"])
def test_smooth_methods_recover_a_linear_ramp(method: str) -> None:
    image, mask = ramp(48, 64), hole(48, 64, 16, 24, 12, 12)
    error = np.abs(inpaint(image, mask, method).astype(int) - image)[mask]
    mean_error = np.abs(inpaint(image, mask, "mean").astype(int) - image)[mask]
    assert error.mean() < 0.6 * mean_error.mean()
    if method == "biharmonic":  # a linear function solves Δ²u = 0 exactly
        assert error.max() <= 1


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (50, 54), (33, 47)])
def test_network_takes_any_size_from_32(size: tuple[int, int], generator: GMCNN) -> None:
    image, mask = noise(*size), hole(*size, 8, 8, 16, 16)
    filled = inpaint(image, mask, generator=generator)
    assert filled.shape == image.shape
    assert not np.array_equal(filled[mask], image[mask])


def test_network_fill_is_the_rounded_prediction(generator: GMCNN) -> None:
    image, mask = noise(36, 36), hole(36, 36, 4, 4, 20, 20)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        prediction = generator(tensor, torch.from_numpy(mask)[None, None].float())
    expected = ((prediction[0].permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(np.uint8)
    np.testing.assert_array_equal(inpaint(image, mask, generator=generator)[mask], expected[mask])


def test_a_grey_picture_gets_a_grey_fill(generator: GMCNN) -> None:
    mask = hole(36, 40, 4, 4, 20, 20)
    image = noise(36, 40)
    image[~mask] = image[~mask][:, :1]  # what lies under the mask may have colours
    filled = inpaint(image, mask, generator=generator)
    assert (filled == filled[..., :1]).all()
    coloured = inpainting.predict_grey_levels(generator, np.where(mask[..., None], 0, image), mask)
    assert np.abs(filled[..., 0] - coloured.mean(axis=2))[mask].max() <= 1
    image[0, 0] = (1, 2, 3)
    filled = inpaint(image, mask, generator=generator)
    assert (filled != filled[..., :1])[mask].any()


def test_nothing_missing_gives_the_image_back() -> None:
    image = noise(20, 20)
    for method in METHODS:  # without weights: none are needed
        filled = inpaint(image, np.zeros((20, 20), bool), method)
        np.testing.assert_array_equal(filled, image)
        assert filled is not image


@pytest.mark.parametrize(
    ("image", "mask", "method", "words"),
    [
        (noise(40, 40), np.ones((40, 40), bool), "telea", "no pixel known"),
        (noise(40, 40), hole(40, 41, 1, 1, 3, 3), "telea", "41×40 pixels and the image 40×40"),
        (noise(40, 40).astype(float), hole(40, 40, 1, 1, 3, 3), "telea", "uint8"),
        (noise(40, 40)[..., 0], hole(40, 40, 1, 1, 3, 3), "telea", r"\(H, W, 3\)"),
        (noise(40, 40), hole(40, 40, 1, 1, 3, 3).astype(np.uint8), "telea", "bool"),
        (noise(40, 40), hole(40, 40, 1, 1, 3, 3), "magic", "choose from gmcnn, telea"),
        (noise(31, 40), hole(31, 40, 1, 1, 3, 3), "gmcnn", "at least 32"),
    ],
)
def test_bad_arguments_are_named(image, mask, method, words, generator: GMCNN) -> None:
    with pytest.raises(InputError, match=words):
        inpaint(image, mask, method, generator=generator)


def test_biharmonic_is_solved_by_multigrid_where_a_sparse_system_would_be_too_large(
    monkeypatch,
) -> None:
    image = Photos(128, "test").batch([0])[0]
    mask = hole(128, 128, 20, 30, 40, 40)
    mask[90:100, 10:120] = True
    sparse = biharmonic(image, mask)
    monkeypatch.setattr("labkit.classical.SPARSE_LIMIT", 0)
    multigrid = biharmonic(image, mask)
    assert not np.array_equal(sparse, multigrid)  # another way was taken
    np.testing.assert_array_equal(multigrid[~mask], image[~mask])
    scores = [psnr(image, np.where(mask[..., None], fill, image)) for fill in (sparse, multigrid)]
    assert scores[1] == pytest.approx(scores[0], abs=0.2)  # dB


def test_methods_are_the_network_and_the_classical_ones() -> None:
    assert ("gmcnn", *CLASSICAL) == METHODS
