"""Pictures that are scored do not train: leaks built on purpose, and what is said of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import fails
from field import encode, fill
from PIL import Image, ImageOps

from labkit.archive import list_files
from labkit.data import open_images
from labkit.data.exclusion import Excluded
from labkit.data.photos import PHOTOS, photo
from labkit.errors import InputError
from labkit.evaluation.pairs import Pairs, photographs
from labkit.files import PICTURES
from labkit.settings import DataConfig, Hardware, TrainConfig
from labkit.training.opening import left_out, open_data
from labkit.training.trainer import train

FACES = [Image.fromarray(face) for face in open_images("faces", 64, "train").batch(range(40))]
SCORED = 4  # the first of them are the test


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four faces with a mask each."""
    mask = Image.fromarray(np.eye(64, dtype=np.uint8) * 255)
    images = {f"images/t{k}.png": encode(face) for k, face in enumerate(FACES[:SCORED])}
    masks = {f"masks/t{k}.png": encode(mask) for k in range(SCORED)}
    return fill(tmp_path / "pairs", images | masks)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The other faces, which are clean."""
    files = {
        f"face-{k - SCORED:03}.png": encode(face) for k, face in enumerate(FACES) if k >= SCORED
    }
    return fill(tmp_path / "photos", files)


def config(photos: Path, *exclude: Path, **options: object) -> DataConfig:
    return DataConfig(images=(photos,), exclude=exclude, size=32, **options)


def names(photos: Path, *exclude: Path) -> list[str]:
    training, held_out = open_data(config(photos, *exclude))
    return sorted([*training.names, *held_out.names])


def leak(photos: Path, name: str, content: bytes) -> None:
    fill(photos, {name: content})


def refusal(photos: Path, pairs: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_data(config(photos, pairs))
    return str(caught.value)


def test_a_clean_set_is_used_whole(photos: Path, pairs: Path) -> None:
    assert names(photos, pairs) == names(photos) and len(names(photos)) == 36


@pytest.mark.parametrize("name", ["t1.png", "T1.JPG", "deep/er/t1.webp"])
def test_a_picture_of_the_same_name_is_left_out_unread(
    photos: Path, pairs: Path, name: str
) -> None:
    clean = names(photos)
    leak(photos, name, encode(FACES[20]))
    assert name in names(photos) and names(photos, pairs) == clean


def test_the_same_bytes_under_another_name_are_left_out(photos: Path, pairs: Path) -> None:
    clean = names(photos)
    leak(photos, "other.png", encode(FACES[2]))
    assert names(photos, pairs) == clean


@pytest.mark.parametrize(
    "copy",
    [
        encode(FACES[2].resize((32, 32), Image.Resampling.LANCZOS), "JPEG", quality=30),
        encode(FACES[2].resize((180, 180), Image.Resampling.BICUBIC), "JPEG", quality=80),
        encode(FACES[2].convert("L")),
        encode(ImageOps.mirror(FACES[2])),
        encode(ImageOps.expand(FACES[2], (20, 0), fill=(90, 120, 60))),
    ],
    ids=["small-jpeg", "large-jpeg", "grey", "mirrored", "wider"],
)
def test_a_near_copy_is_refused_and_both_files_are_named(
    photos: Path, pairs: Path, copy: bytes
) -> None:
    leak(photos, "deep/other.jpg", copy)
    said = refusal(photos, pairs)
    assert f"{photos / 'deep' / 'other.jpg'} of {pairs / 'images' / 't2.png'};" in said
    assert "remove them, or give both the same name" in said


def test_the_remedy_for_a_near_copy_helps(photos: Path, pairs: Path) -> None:
    clean = names(photos)
    leak(photos, "t2.jpg", encode(FACES[2].resize((48, 48)), "JPEG", quality=50))
    assert names(photos, pairs) == clean


def test_a_turned_jpeg_is_seen_as_it_is_shown(photos: Path, pairs: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter when it is shown
    lying = FACES[0].transpose(Image.Transpose.ROTATE_90)
    leak(photos, "phone.jpg", encode(lying, "JPEG", quality=90, exif=exif))
    assert "phone.jpg of " in refusal(photos, pairs)


def test_many_copies_are_counted(photos: Path, pairs: Path) -> None:
    for k in range(SCORED):
        leak(photos, f"copy{k}.jpg", encode(FACES[k], "JPEG", quality=60))
    assert "t2.png and 1 more;" in refusal(photos, pairs)


def test_different_pictures_are_no_copies(tmp_path: Path) -> None:
    faces = [Image.fromarray(f) for f in open_images("faces", 64, "val").batch(range(60))]
    both = {f"{k}.png": encode(picture) for k, picture in enumerate(FACES + faces)}
    both |= {f"{item.name}.png": encode(Image.fromarray(photo(item.name))) for item in PHOTOS[:3]}
    entries = list_files(fill(tmp_path, both), PICTURES)
    for odd in (0, 1):
        kept = Excluded(entries[odd::2]).without(entries[1 - odd :: 2], "here")
        assert len(kept) == len(entries[1 - odd :: 2])


def test_a_picture_of_one_colour_copies_nothing(tmp_path: Path) -> None:
    black, white = (encode(Image.new("RGB", (64, 64), colour)) for colour in ("black", "white"))
    entries = list_files(fill(tmp_path, {"a.png": black, "b.png": white}), PICTURES)
    assert Excluded(entries[:1]).without(entries[1:], "here") == entries[1:]


def test_a_set_that_is_excluded_whole_is_refused(photos: Path) -> None:
    said = refusal(photos, photos)
    assert said.startswith(f"{photos}, split 'train': all ") and "are excluded; train on" in said


def test_damaged_pictures_are_the_business_of_reading(photos: Path, pairs: Path) -> None:
    broken = encode(FACES[30])
    leak(photos, "broken.png", broken[: len(broken) // 2])
    assert "broken.png" in names(photos, pairs)
    (pairs / "images" / "t0.png").write_bytes(broken[: len(broken) // 2])
    assert f"{pairs / 'images' / 't0.png'}: damaged picture" in refusal(photos, pairs)


def test_the_masks_of_pairs_are_no_pictures_and_pairs_without_masks_are_all_pictures(
    photos: Path, pairs: Path
) -> None:
    images = [f"images/t{k}.png" for k in range(SCORED)]
    assert [entry.name for entry in photographs(pairs)] == images
    leak(photos, "other.png", encode(FACES[2]))
    for mask in (pairs / "masks").iterdir():
        mask.unlink()
    assert [entry.name for entry in photographs(pairs)] == images
    assert "other.png" not in names(photos, pairs)
    with pytest.raises(InputError, match="no mask for images/t0"):
        Pairs(pairs)  # to score on, they are not


def test_validation_pictures_are_kept_apart_too(photos: Path, pairs: Path, tmp_path: Path) -> None:
    own = fill(tmp_path / "own", {"t0.png": encode(FACES[30]), "v.png": encode(FACES[31])})
    data = config(photos, pairs, validation=(own,))
    training, validation = open_data(data)
    assert validation.names == ["v.png"] and training.describe()["excluded"] == 0
    line = f"excluded by {pairs}: 0 training and 1 validation pictures"
    assert left_out(data, training, validation) == [line]
    assert left_out(config(photos), training, validation) == []
    drawn = config(photos, pairs, validation=("faces",))
    assert open_data(drawn)[1].describe()["kind"] == "faces"


def test_what_cannot_be_excluded(capsys, tmp_path: Path, photos: Path, pairs: Path) -> None:
    def refused(*options: object) -> str:
        line = fails(capsys, "train", "--size", 32, "--out", tmp_path / "run", *options)
        assert not (tmp_path / "run").exists()
        return line

    manifest = fill(tmp_path, {"manifest.json": b"[]"}) / "manifest.json"
    assert "not a tar file" in refused("--data", photos, "--exclude", manifest)
    empty = fill(tmp_path / "empty", {"notes.txt": b""})
    assert "empty: holds no .png" in refused("--data", photos, "--exclude", empty)
    assert "gone.tar: no such" in refused("--data", photos, "--exclude", tmp_path / "gone.tar")
    assert "nothing can be left out of faces" in refused("--data", "faces", "--exclude", pairs)
    assert "pictures are excluded" in refused(
        "--data", photos, "--exclude", pairs, "--exclude", photos
    )


def test_a_run_says_what_it_left_out_and_goes_on_with_it(
    capsys, tmp_path: Path, photos: Path, pairs: Path
) -> None:
    for k in range(SCORED):
        leak(photos, f"t{k}.png", encode(FACES[k + 9]))
    run, cpu = tmp_path / "run", Hardware(accelerator="cpu", workers=0)
    small = TrainConfig(data=config(photos, pairs), steps=1, batch=2, validate_every=0)
    small = dataclasses.replace(small, generator=dataclasses.replace(small.generator, width=2))
    train(small, run, hardware=cpu)
    train(small, run, hardware=cpu, resume=True)
    said = capsys.readouterr().err
    assert said.count("excluded by") == 2
    counts = said.split(f"excluded by {pairs}: ")[2].split()
    assert int(counts[0]) + int(counts[3]) == SCORED
    saved = json.loads((run / "config.json").read_text())
    assert saved["data"]["exclude"] == [str(pairs)]
    del saved["data"]["exclude"]  # as a run of before there was one
    old = TrainConfig.from_dict(saved)
    assert old.data.exclude == () and old.differences(small) == ["data.exclude"]
