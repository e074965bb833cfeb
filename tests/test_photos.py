"""Packaged photographs: found without a network, split by photograph, cropped repeatably."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest

from labkit.data import ImageSource, open_images, photos
from labkit.data.photos import PHOTOS, Photos, photo
from labkit.errors import InputError


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the photographs must come from the installed package")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    photos._load.cache_clear()


@pytest.mark.parametrize("item", PHOTOS, ids=lambda item: item.name)
def test_every_photograph_is_there_in_colour(item: photos.Photograph) -> None:
    picture = photo(item.name)
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    assert min(picture.shape[:2]) >= 300
    assert np.ptp(picture.astype(int), axis=2).max() > 60  # not a grey picture saved as colour
    assert item.credit and item.terms


def test_a_known_pixel_size() -> None:
    assert photo("astronaut").shape == (512, 512, 3)
    assert photo("chelsea").shape == (300, 451, 3)


def test_a_photograph_may_be_written_to() -> None:
    photo("coffee")[:] = 0
    assert photo("coffee").any()


def test_unknown_and_missing_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="unknown photograph 'lena'; choose one of astronaut, "):
        photo("lena")
    elsewhere = photos.Photograph("gone", "gone.png", "train", "nobody", "none")
    monkeypatch.setattr(photos, "PHOTOS", (elsewhere,))
    with pytest.raises(InputError, match=r"came without gone\.png"):
        photo("gone")


def test_no_photograph_is_in_both_splits() -> None:
    names = {split: {p.name for p in Photos(64, split).photographs} for split in ("train", "test")}
    assert names["train"] and names["test"] and not names["train"] & names["test"]
    assert names["train"] | names["test"] == {item.name for item in PHOTOS}


def test_crops_are_repeatable_and_differ() -> None:
    source = open_images("photos", 48, "test")
    assert isinstance(source, ImageSource)
    batch = source.batch([4, 0, 6, 4])
    assert batch.dtype == np.uint8 and batch.shape == (4, 48, 48, 3)
    assert np.array_equal(batch[0], batch[3])
    assert np.array_equal(batch[1:2], Photos(48, "test").batch([0]))
    assert not np.array_equal(batch[0], batch[2])  # the same photograph, another crop
    assert not np.array_equal(batch, Photos(48, "test", seed=1).batch([4, 0, 6, 4]))


def test_a_crop_is_part_of_its_photograph() -> None:
    """At scale 1 on the square astronaut the crop is the whole picture, area-averaged."""
    source = Photos(64, "test", scale=(1.0, 1.0))
    assert source.photographs[0].name == "astronaut"
    whole = photo("astronaut").reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(source.batch([0])[0] - whole).max() <= 0.51


def test_crops_larger_than_the_photograph_are_enlarged() -> None:
    assert Photos(600, "test", scale=(0.4, 0.4)).batch([1]).shape == (1, 600, 600, 3)


def test_describe_is_json() -> None:
    described = json.loads(json.dumps(Photos(32).describe()))
    assert described["kind"] == "photos" and described["split"] == "train"
    assert {item["name"] for item in described["photographs"]} == {
        "coffee", "hubble", "retina", "rocket",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "size 4"),
        ({"size": 64, "split": "val"}, "split 'val' is unknown; one of train, test"),
        ({"size": 64, "seed": -1}, "seed -1"),
        ({"size": 64, "scale": (0.9, 0.5)}, "scale"),
        ({"size": 64, "scale": (0.5, 1.5)}, "scale"),
    ],
)
def test_bad_settings(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Photos(**options)


def test_bad_index() -> None:
    with pytest.raises(InputError, match=r"index 200 is outside 0\.\.199"):
        Photos(64, "test").batch([200])
