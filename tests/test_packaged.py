"""The packaged generators: small enough, described, and better than diffusion where it matters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.inpainting import DEFAULT_WEIGHTS, inpaint
from labkit.nn.generator import count_parameters
from labkit.nn.weights import PACKAGED, load_generator, packaged_names, read_metadata, weights_hash

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"
LIMITS = {"faces": 7_000_000, "celeba": 7_000_000, "celeba-sharp": 7_000_000}  # bytes
CARDS = (PACKAGED / "README.md").read_text(encoding="utf-8")


def test_the_packaged_weights_are_known_and_have_a_card() -> None:
    assert set(packaged_names()) <= set(LIMITS)
    assert DEFAULT_WEIGHTS in packaged_names()
    assert set(re.findall(r"^## `([\w-]+)`", CARDS, flags=re.MULTILINE)) == set(packaged_names())


@pytest.mark.parametrize("name", packaged_names())
def test_a_card_says_what_the_header_says(name: str) -> None:
    card = CARDS.split(f"## `{name}`")[1].split("\n## ")[0]
    header = read_metadata(name)
    scores = json.loads(header["validation"])
    assert f"{int(header['steps']):,} steps" in card
    assert f"{scores['psnr']:.2f} dB" in card and f"{scores['telea']:.2f} dB" in card
    assert f"{count_parameters(load_generator(name)):,} parameters" in card
    assert header["terms"].split(" (")[0] in card


@pytest.mark.parametrize("name", packaged_names())
def test_a_packaged_file_is_small_and_says_what_it_is(name: str) -> None:
    path = PACKAGED / f"{name}.safetensors"
    assert path.stat().st_size <= LIMITS[name]
    header = read_metadata(name)
    assert header["data"] and header["terms"]
    assert int(header["steps"]) <= json.loads(header["run"])["steps"]  # it may have been stopped
    assert load_generator(name).config.prior == "biharmonic"
    assert "/" not in header["run"], "the header must not name folders of the machine that trained"
    if name.startswith("celeba"):
        assert "non-commercial" in header["terms"]


def test_the_result_file_is_of_these_weights() -> None:
    result = json.loads((RESULTS / "faces.json").read_text())
    assert result["environment"]["weights"]["gmcnn faces"] == weights_hash("faces")
    assert result["training"]["validation"] == json.loads(read_metadata("faces")["validation"])
    by_method = {row["method"]: row["psnr"]["mean"] for row in result["rows"]}
    assert by_method["gmcnn faces"] > by_method["telea"] + 1
    for region in ("eyes", "mouth"):
        errors, detail = (result["regions"][what][region] for what in ("errors", "detail"))
        assert errors["gmcnn faces"]["mean"] < errors["telea"]["mean"]
        assert errors["gmcnn faces"]["high"] < errors["biharmonic"]["low"]
        assert detail["gmcnn faces"] > 1.5 * detail["gmcnn faces-plain"]
    assert result["regions"]["detail"]["eyes"]["gmcnn faces"] > 0.6


@pytest.mark.parametrize("region", ["eyes", "mouth"])
def test_whole_features_are_filled_in_the_right_place(region: str) -> None:
    faces = RenderedFaces(64, split="test")
    indices = range(300, 324)  # the result file scores the first 200
    images = faces.batch(indices)
    regions = face_regions(faces.seeds(indices), 64)[region]
    generator = load_generator("faces")
    errors: dict[str, list[float]] = {"gmcnn": [], "biharmonic": []}
    for image, where in zip(images, regions, strict=True):
        mask = box_around(where, 2)
        for method, found in errors.items():
            fill = inpaint(image, mask, method, generator=generator)
            found.append(np.abs(fill.astype(float) - image)[where].mean())
    gmcnn, smooth = np.array(errors["gmcnn"]), np.array(errors["biharmonic"])
    assert gmcnn.mean() < 0.9 * smooth.mean()
    assert (gmcnn < smooth).mean() > 0.6


def test_a_fill_does_not_depend_on_what_lies_under_the_hole() -> None:
    image = RenderedFaces(64, split="test").batch([5])[0]
    mask = np.zeros((64, 64), bool)
    mask[20:44, 16:50] = True
    other = np.where(mask[..., None], np.uint8(255) - image, image)
    generator = load_generator("faces")
    with torch.no_grad():
        np.testing.assert_array_equal(
            inpaint(image, mask, generator=generator), inpaint(other, mask, generator=generator)
        )
