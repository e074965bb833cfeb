"""Rendered faces: repeatable, alike at every size, varied, features where they are said to be."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.data import ImageSource, open_images
from labkit.errors import InputError
from labkit.faces import RenderedFaces, box_around, face_regions, render_faces
from labkit.faces.geometry import cover, locate, stroke
from labkit.faces.traits import Draws, draw_traits

SEEDS = np.arange(48)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return render_faces(SEEDS, 64)


@pytest.fixture(scope="module")
def regions() -> dict[str, np.ndarray]:
    return face_regions(SEEDS, 64)


def test_uint8_rgb_that_uses_its_range(faces: np.ndarray) -> None:
    assert faces.dtype == np.uint8 and faces.shape == (48, 64, 64, 3)
    assert faces.min() < 20 and faces.max() > 235
    assert np.mean(faces == 255) < 0.02  # skin and sky are not burnt out


@pytest.mark.parametrize("size", [32, 47, 64, 256])
def test_every_size_has_its_shape(size: int) -> None:
    assert render_faces([5], size).shape == (1, size, size, 3)


def test_no_seeds_give_no_faces() -> None:
    assert render_faces([], 64).shape == (0, 64, 64, 3)
    assert RenderedFaces(64).batch([]).shape == (0, 64, 64, 3)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=12))
def test_a_face_depends_on_its_seed_alone(seeds: list[int]) -> None:
    together = render_faces(seeds, 32)
    alone = np.concatenate([render_faces([seed], 32) for seed in seeds])
    assert np.array_equal(together, alone)


def test_known_draws() -> None:
    """SplitMix64 of seed 0 starts with 0xE220A8397B1DCDAF; the key of seed 0 is that very word."""
    assert Draws(np.array([0]))._key[0] == 0xE220A8397B1DCDAF


def test_draws_are_even_and_independent() -> None:
    draws = Draws(np.arange(20000))
    first, second = draws.uniform()[:, 0], draws.uniform()[:, 0]
    assert np.histogram(first, 10, (0, 1))[0].min() > 1800  # 2000 expected, deviation 42
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.03  # neighbouring seeds
    bell = draws.bell(2.0, 0.5)
    assert abs(bell.mean() - 2.0) < 0.02 and abs(bell.std() - 0.5) < 0.02


def test_the_same_face_at_two_sizes(faces: np.ndarray) -> None:
    large = render_faces(SEEDS, 128).astype(float)
    halved = large.reshape(48, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    difference = np.abs(halved - faces).mean(axis=(1, 2, 3))
    other = np.abs(np.roll(halved, 1, axis=0) - faces).mean(axis=(1, 2, 3))
    assert difference.max() < 2.0  # grey levels
    assert other.min() > 10.0  # what two different faces differ by


def test_regions_agree_between_sizes(regions: dict[str, np.ndarray]) -> None:
    large = face_regions(SEEDS, 128)
    for name, small in regions.items():
        halved = large[name].reshape(48, 64, 2, 64, 2).mean(axis=(2, 4)) > 0.5
        overlap = (halved & small).sum() / (halved | small).sum()
        assert overlap > 0.85, name


def test_splits_and_seeds_share_no_face() -> None:
    blocks = []
    for split, seed in itertools.product(("train", "val", "test"), (0, 1, 7)):
        source = RenderedFaces(32, split, seed)
        ends = source.seeds([0, len(source) - 1])
        blocks.append((int(ends[0]), int(ends[1])))
    blocks.sort()
    assert all(low[1] < high[0] for low, high in itertools.pairwise(blocks))


def test_the_source_renders_its_own_seeds() -> None:
    source = open_images("faces", 32, "val", seed=3)
    assert isinstance(source, ImageSource) and len(source) == 1000
    assert np.array_equal(source.batch([9, 2]), render_faces(source.seeds([9, 2]), 32))
    assert not np.array_equal(source.batch([9]), RenderedFaces(32, "test", 3).batch([9]))
    assert source.describe() == {
        "kind": "faces", "split": "val", "size": 32, "seed": 3, "count": 1000,
    }  # fmt: skip


def test_features_move_about(regions: dict[str, np.ndarray]) -> None:
    """A fixed guess of where the eyes are must be wrong often enough to be useless."""
    down, across = np.mgrid[:64, :64]
    for name in ("eyes", "mouth"):
        weight = regions[name] / regions[name].sum(axis=(1, 2), keepdims=True)
        assert (weight * across).sum(axis=(1, 2)).std() > 2.0, name  # pixels of 64
        assert (weight * down).sum(axis=(1, 2)).std() > 1.2, name
    assert regions["eyes"].any(axis=0).sum() > 4 * regions["eyes"].sum(axis=(1, 2)).mean()


def test_faces_vary_in_every_region(faces: np.ndarray, regions: dict[str, np.ndarray]) -> None:
    values = faces.astype(float)
    for name, inside in regions.items():
        means = np.stack([values[i][inside[i]].mean(axis=0) for i in range(len(values))])
        assert means.std(axis=0).min() > 12, name
    assert values.std(axis=0).min() > 12  # no pixel of the picture is the same in all faces


def test_eye_regions_hold_white_and_pupil() -> None:
    """Each eye holds far brighter and darker pixels than the cheek under it; glasses left out."""
    seeds = np.arange(200)
    bare = seeds[draw_traits(seeds).glasses[:, 0] == 0][:40]
    grey = render_faces(bare, 128).astype(float).mean(axis=3)
    eyes, cheeks = [], []
    for picture, region in zip(grey, face_regions(bare, 128)["eyes"], strict=True):
        columns = np.flatnonzero(region.any(axis=0))
        gaps = np.flatnonzero(np.diff(columns) > 1)
        assert len(gaps) == 1, "two separate eyes"
        middle = columns[gaps[0]] + 1
        for half in (slice(None, middle), slice(middle, None)):
            one = np.zeros_like(region)
            one[:, half] = region[:, half]
            eyes.append(np.ptp(picture[one]))
            cheeks.append(np.ptp(picture[np.roll(one, 13, axis=0)]))
    assert np.median(eyes) > 120
    assert np.median(eyes) > 2 * np.median(cheeks)
    assert np.mean(np.array(eyes) > cheeks) > 0.9


def test_mouth_regions_hold_the_lips() -> None:
    """Closed lips are redder than the chin under them, open mouths hold teeth and dark."""
    seeds = np.arange(300)
    traits = draw_traits(seeds)
    shaven = seeds[(traits.beard[:, 0] == 0) & (traits.gape[:, 0] == 0)][:60]
    regions = face_regions(shaven, 64)["mouth"]
    pictures = render_faces(shaven, 64).astype(float)
    redness = pictures[..., 0] / (pictures.sum(axis=3) + 1)
    lips = np.array([r[m].mean() for r, m in zip(redness, regions, strict=True)])
    chins = np.array([r[m].mean() for r, m in zip(redness, np.roll(regions, 6, 1), strict=True)])
    assert np.mean(lips > chins) > 0.9

    wide = seeds[traits.gape[:, 0] > 0.2][:30]
    pictures = render_faces(wide, 64).astype(float).mean(axis=3)
    spans = [np.ptp(p[m]) for p, m in zip(pictures, face_regions(wide, 64)["mouth"], strict=True)]
    assert np.median(spans) > 100


def test_regions_are_apart_and_inside(regions: dict[str, np.ndarray]) -> None:
    assert set(regions) == {"eyes", "nose", "mouth"}
    assert not (regions["eyes"] & regions["mouth"]).any()
    share = {name: region.mean(axis=(1, 2)) for name, region in regions.items()}
    assert share["eyes"].min() > 0.005 and share["eyes"].max() < 0.06
    assert share["mouth"].min() > 0.003 and share["mouth"].max() < 0.06


def test_yaw_moves_features_but_not_the_outline() -> None:
    from dataclasses import replace

    traits = draw_traits(np.array([1]))
    still = locate(replace(traits, yaw=np.zeros_like(traits.yaw)), 64)
    turned = locate(replace(traits, yaw=np.full_like(traits.yaw, 0.3)), 64)
    assert np.array_equal(still.head, turned.head)
    inside = still.head < -0.2
    assert np.all(turned.u[inside] < still.u[inside])  # a place on the face is seen further right


def test_edges_and_lines_are_antialiased() -> None:
    pixel = np.float32(0.1)
    assert cover(np.array([-1.0, 0.0, 1.0]), pixel).tolist() == [1.0, 0.5, 0.0]
    offsets = np.linspace(-2, 2, 401, dtype=np.float32)
    thin, wide = stroke(offsets, 0.02, pixel).sum(), stroke(offsets, 0.02, pixel / 100).sum()
    assert thin == pytest.approx(wide, rel=0.01)  # a thin line keeps its ink


@pytest.mark.parametrize("size", [0, 31, 257, 64.0, "64", True, None])
def test_bad_sizes(size: object) -> None:
    for call in (lambda: render_faces([0], size), lambda: RenderedFaces(size)):
        with pytest.raises(InputError, match=r"size .* 32 to 256"):
            call()


def test_bad_splits_seeds_and_indices() -> None:
    with pytest.raises(InputError, match=r"split .all. is unknown; one of train, val, test"):
        RenderedFaces(64, "all")
    for seed in (-1, 2**40, 0.5, True):
        with pytest.raises(InputError, match="seed"):
            RenderedFaces(64, seed=seed)
    source = RenderedFaces(64, "val")
    for indices, message in (
        ([0, 1000], "index 1000 is outside 0..999"),
        ([-1], "index -1"),
        ([0.5], "whole numbers"),
        (3, "whole numbers"),
    ):
        with pytest.raises(InputError, match=message):
            source.batch(indices)
    with pytest.raises(InputError, match="seeds must lie between"):
        render_faces([-1], 64)
    with pytest.raises(InputError, match="seeds must be"):
        render_faces([[1]], 64)


def test_rendering_needs_no_torch() -> None:
    import subprocess

    code = "import sys; from labkit.data import open_images; open_images('faces', 32).batch([0]); "
    code += "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(
    top=st.integers(2, 15),
    left=st.integers(2, 14),
    margin=st.integers(0, 9),
    border=st.integers(0, 2),
)
def test_the_box_around_a_region(top: int, left: int, margin: int, border: int) -> None:
    region = np.zeros((20, 18), bool)
    region[top : top + 3, left : left + 2] = True
    mask = box_around(region, margin, border=border)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    assert mask[np.ix_(rows, columns)].all() and mask.sum() == len(rows) * len(columns)
    assert rows[0] == max(top - margin, border)
    assert rows[-1] == min(top + 2 + margin, 19 - border)
    assert columns[0] == max(left - margin, border)
    assert columns[-1] == min(left + 1 + margin, 17 - border)
