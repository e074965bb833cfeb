"""Filling a clip: what is copied, what is painted, and that known pixels stay."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest

from labkit.data.photos import photo
from labkit.errors import InputError
from labkit.evaluation.metrics import psnr
from labkit.inpainting import inpaint
from labkit.video.carry import blend, carry
from labkit.video.fill import fill_clip, inpaint_frames, result
from labkit.video.flow import sample, sources
from labkit.video.store import Store

telea = partial(inpaint, method="telea")


def panned(step: tuple[float, float], count: int, side: int = 96) -> np.ndarray:
    """A window that moves over a photograph: uint8 (T, side, side, 3)."""
    matrices = [
        np.float32([[1, 0, 150 + step[0] * t], [0, 1, 100 + step[1] * t]]) for t in range(count)
    ]
    how = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return np.stack(
        [cv2.warpAffine(photo("chelsea"), m, (side, side), flags=how) for m in matrices]
    )


def moving_hole(count: int, side: int = 96) -> np.ndarray:
    masks = np.zeros((count, side, side), bool)
    for t in range(count):
        masks[t, 36:60, 20 + 8 * t : 38 + 8 * t] = True
    return masks


def test_a_panned_picture_with_a_moving_hole_is_restored() -> None:
    truth, masks = panned((-2.3, 1.4), 6), moving_hole(6)
    hidden = np.where(masks[..., None], 0, truth).astype(np.uint8)
    filled, copied = inpaint_frames(hidden, masks, telea)
    assert (filled[~masks] == truth[~masks]).all()
    assert copied[masks].mean() > 0.95
    scores = [psnr(*pair) for pair in zip(truth, filled, strict=True)]
    alone = [psnr(a, telea(b, m)) for a, b, m in zip(truth, hidden, masks, strict=True)]
    assert min(scores) > 35
    assert np.mean(scores) > np.mean(alone) + 10
    again, _ = inpaint_frames(hidden, masks, telea)
    assert (again == filled).all()


def test_nothing_is_copied_where_nothing_moves() -> None:
    truth = panned((0, 0), 4)
    mask = moving_hole(1)[0]
    filled, copied = inpaint_frames(truth, mask, telea)
    assert not copied.any()
    for frame in filled:  # one painting, carried on
        assert (frame == telea(truth[0], mask)).all()


def test_what_one_frame_shows_is_not_painted() -> None:
    truth = panned((0, 0), 3)
    masks = np.broadcast_to(moving_hole(1)[0], (3, 96, 96)).copy()
    masks[0] = False

    def refuse(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        raise AssertionError("nothing is left to paint")

    filled, copied = inpaint_frames(np.where(masks[..., None], 0, truth), masks, refuse)
    assert (filled == truth).all()
    assert (copied == masks).all()


def test_a_lost_frame_is_taken_from_its_neighbours() -> None:
    truth = panned((0, 0), 3)
    masks = np.zeros((3, 96, 96), bool)
    masks[1] = True
    filled, _ = inpaint_frames(np.where(masks[..., None], 0, truth), masks, telea)
    assert (filled[1] == truth[1]).all()
    masks[2] = True  # and then from the only one there is
    filled, _ = inpaint_frames(np.where(masks[..., None], 0, truth), masks, telea)
    assert (filled == truth).all()


def test_nothing_is_carried_over_a_cut() -> None:
    one, other = panned((0, 0), 1)[0], np.ascontiguousarray(photo("coffee")[100:196, 300:396])
    mask = moving_hole(1)[0]
    forth, back = sources(telea(one, mask), mask, other, np.zeros_like(mask))
    assert np.isnan(forth).any(axis=1).mean() > 0.5
    assert back.shape == (0, 2)


def test_a_source_lies_where_the_camera_went() -> None:
    frames = panned((3, 1), 2)
    mask = moving_hole(1)[0]
    places, _ = sources(telea(frames[0], mask), mask, frames[1], np.zeros_like(mask))
    y, x = np.nonzero(mask)
    assert np.abs(places - np.stack([x - 3, y - 1], axis=1)).max() < 0.3


def test_sample_takes_any_number_of_places() -> None:
    ramp = np.tile(np.arange(50, dtype=np.float32), (40, 1))
    for count in (0, 1, 5000):
        x = np.linspace(0, 49, count).astype(np.float32)
        found = sample(ramp, np.stack([x, np.full_like(x, 7)], axis=1))
        assert found.shape == (count,)
        assert np.abs(found - x).max(initial=0) < 0.02  # OpenCV's tables have steps of 1/32


def test_carry_refuses_what_has_no_value() -> None:
    image, age = np.zeros((10, 10, 3), np.float32), np.zeros((10, 10), np.float32)
    age[:, 5:] = np.inf
    age[:, 2] = 4
    places = np.array([[2, 3], [4.75, 3], [7, 3], [np.nan, np.nan]], np.float32)
    assert carry(places, image, age)[1].tolist() == [5, np.inf, np.inf, np.inf]


def test_blend_knows_what_only_one_sweep_reached() -> None:
    inf = np.float32(np.inf)
    one = np.full((3, 3), 10, np.float32), np.array([2, inf, inf], np.float32)
    other = np.full((3, 3), 40, np.float32), np.array([inf, 3, inf], np.float32)
    values, age = blend(one, other)
    assert values[:2, 0].tolist() == [10, 40]
    assert age.tolist() == [2, 3, inf]


def test_a_filling_goes_on_where_it_stopped(tmp_path) -> None:
    frames, masks = panned((-2.3, 1.4), 4), moving_hole(4)

    def run(store: Store, stop: int = 10**9) -> list:
        left = stop

        def tick() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        fill_clip(store, zip(frames, masks, strict=True), 4, telea, tick)
        return [result(store, number) for number in range(4)]

    whole = run(Store())
    for stop in (2, 6, 10, 14, 18):
        with pytest.raises(KeyboardInterrupt):
            run(Store(tmp_path), stop)
    for (values, copied), (expected, where) in zip(run(Store(tmp_path)), whole, strict=True):
        assert (values == expected).all()
        assert (copied == where).all()


@pytest.mark.parametrize(
    ("frames", "masks", "said"),
    [
        (np.zeros((2, 20, 20), np.uint8), np.zeros((2, 20, 20), bool), "frames must be uint8"),
        (np.zeros((2, 20, 20, 3), np.uint8), np.zeros((3, 20, 20), bool), "masks must be bool"),
        (np.zeros((1, 20, 20, 3), np.uint8), np.zeros((20, 20), bool), "holds one frame"),
        (np.zeros((2, 8, 40, 3), np.uint8), np.zeros((8, 40), bool), "at least 32"),
        (np.zeros((2, 40, 40, 3), np.uint8), np.ones((40, 40), bool), "every pixel"),
    ],
)
def test_bad_clips_are_refused(frames: np.ndarray, masks: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        inpaint_frames(frames, masks, telea)
