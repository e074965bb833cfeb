"""From a folder of photographs to a table without a leak: pairs are made, excluded and scored."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from PIL import Image

from labkit.archive import list_files
from labkit.data import open_images
from labkit.errors import InputError
from labkit.evaluation.make_pairs import make_pairs
from labkit.evaluation.pairs import Pairs
from labkit.files import PICTURES
from labkit.images import write_image
from labkit.masks.files import read_mask, write_mask
from labkit.masks.ratio import bin_index, hole_ratio

RATIOS = (0.005, 0.05, 0.07, 0.15, 0.25, 0.35, 0.45, 0.55, 0.8)  # two of bin 0, two of none


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered faces as files, of which the held-out twentieth is not empty."""
    folder = tmp_path_factory.mktemp("photos")
    for k, face in enumerate(open_images("faces", 64, "train").batch(range(48))):
        write_image(folder / f"{k // 16}" / f"face-{k:03}.png", face)
    return folder


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bar for each ratio, from the top down."""
    folder = tmp_path_factory.mktemp("masks")
    for k, ratio in enumerate(RATIOS):
        write_mask(folder / f"{k}.png", np.arange(200)[:, None].repeat(200, 1) < 200 * ratio)
    return folder


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_pairs_hold_the_original_files_and_spread_the_masks(
    tmp_path: Path, photos: Path, masks: Path
) -> None:
    counts = make_pairs(photos, masks, tmp_path / "p.tar", count=14)
    assert counts == [4, 2, 2, 2, 2, 2]  # seven masks twice, two of them in the first bin
    pairs = Pairs(tmp_path / "p.tar")
    assert len(pairs) == 14
    originals = {entry.base_name: entry for entry in list_files(photos, PICTURES)}
    used = []
    for k in range(14):
        pair = pairs.read(k)
        original = originals[pair.manifest["image"]].read()
        assert hashlib.sha256(original).hexdigest() == pair.manifest["image_sha256"]
        assert pair.mask.shape == (64, 64)
        used.append(pair.mask.mean())
    assert np.bincount(bin_index(np.array(used)), minlength=6).tolist() == counts
    assert sorted(np.unique(used, return_counts=True)[1]) == [2] * 7


def test_the_first_pairs_take_each_bin_in_turn(tmp_path: Path, photos: Path, masks: Path) -> None:
    assert make_pairs(photos, masks, tmp_path / "6.tar", count=6) == [1] * 6
    assert make_pairs(photos, masks, tmp_path / "8.tar", count=8) == [3, 1, 1, 1, 1, 1]


def test_the_seed_and_the_files_decide_every_byte(
    tmp_path: Path, photos: Path, masks: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_pairs(photos, masks, tmp_path / f"{name}.tar", count=6, seed=seed)
    assert sha(tmp_path / "a.tar") == sha(tmp_path / "b.tar") != sha(tmp_path / "c.tar")
    with tarfile.open(photos.parent / "photos.tar", "w") as archive:
        archive.add(photos, "set")
    make_pairs(photos.parent / "photos.tar", masks, tmp_path / "d.tar", count=6)
    assert sha(tmp_path / "a.tar") == sha(tmp_path / "d.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        about = {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in archive}
    assert about == {(0, 0, 0, "", 0o644)}


def test_a_size_cuts_squares_and_a_mask_is_stretched_to_its_picture(
    tmp_path: Path, masks: Path
) -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = (np.arange(40) * 6)[:, None, None]  # the central square is a ramp
    write_image(tmp_path / "in" / "wide.jpg", wide, quality=100)
    make_pairs(tmp_path / "in", masks, tmp_path / "whole.tar", count=1)
    make_pairs(tmp_path / "in", masks, tmp_path / "cut.tar", count=1, size=80)
    whole, cut = (Pairs(tmp_path / name).read(0) for name in ("whole.tar", "cut.tar"))
    assert whole.image.shape[:2] == whole.mask.shape == (40, 120)
    assert cut.image.shape[:2] == cut.mask.shape == (80, 80)
    assert (whole.manifest["image"], cut.manifest["image"]) == ("wide.jpg", "wide.png")
    assert np.abs(cut.image[2:-2, 40].mean(1) - np.arange(6, 234, 3)[:76]).max() < 5
    for pair in (whole, cut):
        assert hole_ratio(pair.mask) == pytest.approx(0.05, abs=0.03)
        assert (pair.mask == pair.mask[:, :1]).all()


def test_masks_of_the_other_polarity(tmp_path: Path, photos: Path, masks: Path) -> None:
    for k in range(9):
        write_mask(tmp_path / "inverted" / f"{k}.png", ~read_mask(masks / f"{k}.png"))
    made = [tmp_path / "plain.tar", tmp_path / "inverted.tar"]
    make_pairs(photos, masks, made[0], count=6)
    make_pairs(photos, tmp_path / "inverted", made[1], count=6, invert=True)
    assert sha(made[0]) == sha(made[1])


def test_unusable_pictures_and_second_ones_of_a_name_are_passed_over(
    tmp_path: Path, masks: Path
) -> None:
    face = open_images("faces", 64, "train").batch([0])[0]
    for name in ("a/one.png", "b/ONE.png", "b/two.png"):
        write_image(tmp_path / "in" / name, face)
    write_image(tmp_path / "in" / "tiny.png", face[:20])
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="picture left out: .*(broken|tiny)") as warned:
        make_pairs(tmp_path / "in", masks, tmp_path / "p.tar", count=2)
        with pytest.raises(InputError, match=r"2 usable pictures .*ask for at most 2"):
            make_pairs(tmp_path / "in", masks, tmp_path / "more.tar", count=3)
    assert {str(w.message).split("/in/")[1].split(":")[0] for w in warned} == {
        "broken.png",
        "tiny.png",
    }
    assert len(Pairs(tmp_path / "p.tar")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "p.tar"]


def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    tmp_path: Path, capsys, photos: Path, masks: Path
) -> None:
    (tmp_path / "there.tar").write_bytes(b"a set of before")
    write_mask(tmp_path / "large" / "0.png", read_mask(masks / "8.png"))
    empty = tmp_path / "empty"
    empty.mkdir()
    for pictures, holes, out, options, says in (
        (photos, masks, "there.tar", [], "there.tar: is there already"),
        (photos, masks, "pairs.zip", [], "use a name that ends in .tar"),
        (photos, masks, "new.tar", ["--count", 0], "count 0"),
        (photos, masks, "new.tar", ["--seed", -1], "seed -1"),
        (photos, masks, "new.tar", ["--size", 16], "size 16"),
        (photos, masks, "new.tar", ["--count", 49], "ask for at most 48"),
        (photos, tmp_path / "large", "new.tar", [], "none of the 1 masks has a hole ratio above"),
        (photos, empty, "new.tar", [], "empty: holds no .png"),
        (empty, masks, "new.tar", [], "empty: holds no .png"),
    ):
        assert says in fails(capsys, "pairs", pictures, holes, "--out", tmp_path / out, *options)
        assert not (tmp_path / "new.tar").exists()
    assert (tmp_path / "there.tar").read_bytes() == b"a set of before"


def test_the_recipe_from_folders_to_scores(
    tmp_path: Path, capsys, photos: Path, masks: Path
) -> None:
    pairs, out = tmp_path / "pairs.tar", tmp_path / "run"
    code, said, _ = run(capsys, "pairs", photos, masks, "--out", pairs, "--count", 12)
    assert code == 0 and "by hole ratio 0.01–0.1: 3, 0.1–0.2: 2," in said
    assert said.splitlines()[-1] == f"keep them out of a training with --exclude {pairs}"

    training = ["train", "--preset", "report", "--data", photos, "--exclude", pairs, "--size", 64]
    training += ["--width", 2, "--steps", 10, "--warm-up", 10, "--validation-images", 2]
    training += ["--validate-every", 0, "--device", "cpu", "--workers", 0, "--out", out]
    code, _, lines = run(capsys, *training)
    assert code == 0
    left = next(line for line in lines if line.startswith("excluded by"))
    trained, validated = map(int, re.findall(r"(\d+) (?:training|validation)", left))
    assert trained + validated == 12 and trained > 0

    scores = tmp_path / "scores"
    arguments = ["evaluate", "--pairs", pairs, "--weights", out, "--method", "telea", "--size", 64]
    code, said, _ = run(capsys, *arguments, "--device", "cpu", "--out", scores)
    assert code == 0 and str(scores) in said
    rows = json.loads((scores / "summary.json").read_text())["rows"]
    assert [row["pairs"] for row in rows] == [12, 12]
    scored = {pair["image"] for pair in json.loads((scores / "manifest.json").read_text())}
    assert len(scored) == 12 and scored < {
        entry.base_name for entry in list_files(photos, PICTURES)
    }

    # The same training with a scored picture under another name is refused.
    leaked = tmp_path / "leaked"
    leaked.mkdir()
    one = Image.fromarray(Pairs(pairs).read(0).image)
    one.resize((50, 50)).save(leaked / "found.jpg", quality=60)
    again = [*training[:-1], tmp_path / "other", "--data", leaked]
    assert f"{leaked / 'found.jpg'} of {pairs}: images/" in fails(capsys, *again)
    assert not (tmp_path / "other").exists()
