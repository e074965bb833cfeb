"""Drawn masks: values, geometry, hole ratios, borders, seeds, settings."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import InputError
from labkit.masks import BINS, bin_index, free_form, hole_ratio, irregular, rectangle, sample_masks
from labkit.masks.free_form import draw_capsules
from labkit.settings import MaskConfig

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32)
sizes = st.tuples(st.integers(32, 80), st.integers(32, 80))
DRAWN = ("rectangle", "free-form", "irregular", "mixed")


@pytest.fixture(autouse=True)
def one_thread(repeatable: None) -> None:
    """Masks this small are drawn in less time than a busy machine takes to wake a second thread."""
    torch.set_num_threads(1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check_form(masks: torch.Tensor, n: int, size: tuple[int, int]) -> None:
    assert masks.shape == (n, 1, *size)
    assert masks.dtype == torch.float32
    assert set(masks.unique().tolist()) <= {0.0, 1.0}


# Hole ratio and bins


def test_hole_ratio_counts_pixels() -> None:
    mask = torch.zeros(2, 1, 4, 5)
    mask[0, 0, 1, :3] = 1
    mask[1] = 1
    ratio = hole_ratio(mask)
    assert ratio.shape == (2, 1)
    assert ratio.tolist() == [[0.15], [1.0]]
    assert float(hole_ratio(mask[0, 0].numpy().astype(bool))) == 0.15


def test_hole_ratio_is_exact_on_a_large_mask() -> None:
    mask = torch.zeros(1, 1, 1000, 1000)
    mask.view(-1)[:100_000] = 1
    assert hole_ratio(mask).item() == 0.1


@pytest.mark.parametrize("shape", [(5,), (1, 0, 5)])
def test_hole_ratio_refuses_what_is_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="must be"):
        hole_ratio(torch.zeros(shape))


def test_bins_are_open_below_and_closed_above() -> None:
    ratios = [0.0, 0.01, 0.0101, 0.1, 0.1001, 0.2, 0.3, 0.4, 0.5, 0.50001, 0.6, 0.60001, 1.0]
    assert bin_index(np.array(ratios)).tolist() == [-1, -1, 0, 0, 1, 1, 2, 3, 4, 5, 5, -1, -1]
    assert int(bin_index(0.25)) == 2


# Rectangles


@few
@given(seeds, sizes, st.integers(1, 16), st.integers(0, 8), st.data())
def test_a_rectangle_is_one_and_lies_between_the_margins(
    seed: int, size: tuple[int, int], low: int, margin: int, data: st.DataObject
) -> None:
    high = data.draw(st.integers(low, 16))
    jitter = data.draw(st.integers(0, low - 1))
    masks = rectangle(4, size, side=(low, high), margin=margin, jitter=jitter, rng=seeded(seed))
    check_form(masks, 4, size)
    for mask in masks[:, 0]:
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        assert mask[top:bottom, left:right].all()
        assert mask.sum() == (bottom - top) * (right - left)
        assert low - jitter <= bottom - top <= high and low - jitter <= right - left <= high
        assert top >= margin and left >= margin
        assert bottom <= size[0] - margin and right <= size[1] - margin


def test_the_default_rectangle_is_half_the_side() -> None:
    masks = rectangle(8, 256, rng=seeded(0))
    assert (masks.sum((1, 2, 3)) == 128**2).all()


def test_rectangles_reach_every_place_and_every_side() -> None:
    masks = rectangle(400, (12, 14), side=(2, 4), margin=1, jitter=1, rng=seeded(0))[:, 0]
    seen = masks.amax(0)
    assert seen[1:-1, 1:-1].all() and seen.sum() == 10 * 12
    heights = masks.amax(2).sum(1)
    widths = masks.amax(1).sum(1)
    assert set(heights.tolist()) == set(widths.tolist()) == {1.0, 2.0, 3.0, 4.0}
    assert (heights != widths).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 49}, "side 49 with margin 8 does not fit 64×64"),
        ({"side": (10, 60)}, "at most 48"),
        ({"margin": 40, "side": 4}, "smaller margin"),
        ({"side": 0}, "side 0"),
        ({"side": (9, 3)}, "low first"),
        ({"side": 8.5}, "side 8.5"),
        ({"side": 8, "jitter": 8}, "jitter 8"),
        ({"margin": -1}, "margin -1"),
        ({"n": 0}, "number of masks 0"),
        ({"size": (64, 64, 3)}, "mask size"),
        ({"size": 0}, "mask size 0"),
    ],
)
def test_impossible_rectangles_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        rectangle(**{"n": 1, "size": 64, "rng": seeded(0)} | arguments)


# Free-form strokes


def test_a_capsule_holds_the_pixels_within_its_radius() -> None:
    start, end = torch.tensor([[4.0, 5.0]]), torch.tensor([[12.0, 5.0]])
    drawn = draw_capsules(1, 11, 17, start, end, torch.tensor([3.0]), torch.tensor([0]))[0, 0]
    for row in range(11):
        for column in range(17):
            x, y = column + 0.5, row + 0.5
            distance = math.hypot(x - min(max(x, 4.0), 12.0), y - 5.0)
            assert drawn[row, column] == float(distance <= 3.0)


def test_capsules_go_to_their_own_mask_in_any_grouping(monkeypatch: pytest.MonkeyPatch) -> None:
    from labkit.masks import free_form as function  # the function shadows its module's name

    module = __import__(function.__module__, fromlist=["_PIXELS_AT_ONCE"])
    whole = free_form(2, (40, 56), rng=seeded(5))
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 1)
    assert torch.equal(free_form(2, (40, 56), rng=seeded(5)), whole)
    assert not torch.equal(whole[0], whole[1])


@few
@given(seeds, sizes, st.floats(1e-4, 0.3))
def test_strokes_leave_a_trace_and_never_more_than_their_length(
    seed: int, size: tuple[int, int], width: float
) -> None:
    masks = free_form(3, size, strokes=1, turns=(1, 3), width=width, rng=seeded(seed))
    check_form(masks, 3, size)
    missing = masks.sum((1, 2, 3))
    assert (missing >= 1).all()
    # Each of 3 capsules is at most a quarter diagonal long; a pixel's diagonal is added all round.
    radius = max(width * min(size) / 2, math.sqrt(0.5) + 1e-3) + math.sqrt(0.5)
    area = 3 * (2 * radius * math.hypot(*size) / 4 + math.pi * radius**2)
    assert (missing <= area).all()


def test_more_and_wider_strokes_take_more() -> None:
    def mean(**arguments: object) -> float:
        return hole_ratio(free_form(24, 48, rng=seeded(1), **arguments)).mean()

    assert mean(strokes=1) < mean(strokes=3) < mean(strokes=8)
    assert mean(width=0.02) < mean(width=0.1) < mean(width=0.3)


@pytest.mark.parametrize(
    "arguments", [{"strokes": 0}, {"strokes": (3, 1)}, {"turns": 0}, {"width": 0}, {"width": 1.5}]
)
def test_impossible_strokes_are_refused(arguments: dict) -> None:
    with pytest.raises(InputError, match=next(iter(arguments))):
        free_form(1, 64, rng=seeded(0), **arguments)


# Irregular masks


@few
@given(
    seeds,
    st.tuples(st.integers(16, 64), st.integers(16, 64)),
    st.integers(0, 5),
    st.booleans(),
)
def test_irregular_masks_keep_to_their_bin_and_border(
    seed: int, size: tuple[int, int], bin: int, border: bool
) -> None:
    masks = irregular(3, size, bin=bin, border=border, rng=seeded(seed))
    check_form(masks, 3, size)
    assert (bin_index(hole_ratio(masks)) == bin).all()
    rows, columns = (math.ceil(side * 50 / 512) for side in size)
    frame = masks.clone()
    frame[:, :, rows : size[0] - rows, columns : size[1] - columns] = 0
    touches = frame.sum((1, 2, 3)) > 0
    assert touches.all() if border else not touches.any()


def test_even_the_smallest_holes_reach_the_border_when_asked() -> None:
    masks = irregular(150, 48, bin=0, border=True, rng=seeded(0))
    assert (bin_index(hole_ratio(masks)) == 0).all()
    masks[:, :, 5:-5, 5:-5] = 0  # 50/512 of 48, rounded up
    assert (masks.sum((1, 2, 3)) > 0).all()


def test_irregular_masks_fill_all_bins_with_and_without_border() -> None:
    masks = irregular(180, 32, rng=seeded(3))
    counts = np.bincount(bin_index(hole_ratio(masks)).ravel(), minlength=6)
    assert counts.min() > 15
    masks[:, :, 4:-4, 4:-4] = 0
    assert 0.35 < (masks.sum((1, 2, 3)) > 0).float().mean() < 0.65


def test_hole_ratios_spread_over_their_bin() -> None:
    ratios = hole_ratio(irregular(100, 48, bin=2, rng=seeded(4)))
    low, high = BINS[2]
    assert ratios.min() < low + 0.01 and ratios.max() > high - 0.01


def test_irregular_holes_hang_together() -> None:
    """Noise thresholded pixel by pixel has a known neighbour at nearly every missing pixel."""
    masks = irregular(12, 128, bin=3, rng=seeded(0))
    eroded = -torch.nn.functional.max_pool2d(-masks, 3, stride=1, padding=1)
    assert (eroded.sum((1, 2, 3)) / masks.sum((1, 2, 3))).mean() > 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bin": 6}, "bin 6"),
        ({"bin": -1}, "bin -1"),
        ({"size": 15}, "15×15"),
        ({"bin": 1.5}, "bin"),
    ],
)
def test_impossible_irregular_masks_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        irregular(**{"n": 1, "size": 64, "rng": seeded(0)} | arguments)


# Any configuration


@pytest.mark.parametrize("kind", DRAWN)
def test_equal_seeds_give_equal_masks_and_others_do_not(kind: str) -> None:
    config = MaskConfig(kind=kind)
    torch.manual_seed(0)
    first = sample_masks(config, 5, (40, 48), seeded(7))
    check_form(first, 5, (40, 48))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert torch.equal(sample_masks(config, 5, (40, 48), seeded(7)), first)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is left alone
    assert not torch.equal(sample_masks(config, 5, (40, 48), seeded(8)), first)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_generator_goes_on_to_other_masks(kind: str) -> None:
    generator = seeded(0)
    first, second = (sample_masks(MaskConfig(kind=kind), 4, 48, generator) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_masks_lie_on_the_generators_device(kind: str) -> None:
    def draw() -> torch.Tensor:
        generator = torch.Generator("cuda").manual_seed(0)
        return sample_masks(MaskConfig(kind=kind), 4, 64, generator)

    assert draw().device.type == "cuda"
    assert torch.equal(draw(), draw())


def test_settings_reach_their_kind() -> None:
    config = MaskConfig(kind="rectangle", side=10, margin=0)
    assert (sample_masks(config, 4, 32, seeded(0)).sum((1, 2, 3)) == 100).all()
    config = MaskConfig(kind="irregular", bin=4, border=False)
    assert (bin_index(hole_ratio(sample_masks(config, 8, 32, seeded(0)))) == 4).all()
    thin = MaskConfig(kind="free-form", strokes=1, turns=1, width=0.02)
    wide = MaskConfig(kind="free-form", strokes=9, turns=9, width=0.2)
    assert hole_ratio(sample_masks(thin, 8, 64, seeded(0))).max() < 0.05
    assert hole_ratio(sample_masks(wide, 8, 64, seeded(0))).min() > 0.1


def test_mixed_masks_are_of_all_three_kinds() -> None:
    """A rectangle of side 4 has 16 pixels, a brush of width 0.9 most, the rest lie in the bin."""
    config = MaskConfig(kind="mixed", side=4, strokes=8, turns=12, width=0.9, bin=2, border=None)
    ratios = hole_ratio(sample_masks(config, 60, 32, seeded(0))).ravel()
    small, irregular_, large = ratios == 16 / 1024, bin_index(ratios) == 2, ratios > 0.6
    assert (small | irregular_ | large).all()
    assert min(small.sum(), irregular_.sum(), large.sum()) > 10


@pytest.mark.parametrize(
    "config",
    [
        MaskConfig(),
        MaskConfig(kind="files", path=("a", "b.tar"), invert=True, bin=3),
        MaskConfig(kind="rectangle", side=(8, 16), jitter=2),
        MaskConfig(kind="irregular", bin=0, border=False),
    ],
)
def test_a_configuration_survives_json(config: MaskConfig) -> None:
    again = MaskConfig(**json.loads(json.dumps(dataclasses.asdict(config))))
    assert again == config and hash(again) == hash(config)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "square"}, "kind 'square'"),
        ({"kind": "files"}, "need a path"),
        ({"kind": "files", "path": ()}, "need a path"),
        ({"kind": "mixed", "path": "masks"}, "take no path"),
        ({"bin": 6}, "bin 6"),
        ({"bin": True}, "bin True"),
        ({"border": "no"}, "border 'no'"),
        ({"invert": 1}, "invert 1"),
        ({"side": "64"}, "'64': must be"),
        ({"strokes": (0, 2)}, "strokes"),
        ({"turns": (4, 2)}, "turns"),
        ({"width": (0.2, 2.0)}, "width"),
        ({"margin": -2}, "margin"),
        ({"jitter": 0.5}, "jitter"),
    ],
)
def test_wrong_configurations_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MaskConfig(**arguments)
