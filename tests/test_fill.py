"""What the page that fills holes computes is what the same in Python computes, and its files are in
step with their list. JavaScript runs in node; tests/test_browser_fill.py visits the page."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import fill_reference
import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.evaluation.metrics import psnr
from labkit.images import read_image
from labkit.nn.generator import GMCNN
from labkit.nn.weights import save_generator
from labkit.settings import GeneratorConfig

FILL = Path(__file__).resolve().parent.parent / "book" / "_static" / "fill"
in_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def node(tmp_path: Path, module: str, code: str, given: object) -> object:
    """The value of `code`, a function body that sees `given` and the module's exports as `m`."""
    script = tmp_path / "run.mjs"
    script.write_text(
        f"import * as m from {json.dumps((FILL / module).as_uri())};\n"
        f"const given = {json.dumps(given)};\n"
        f"console.log(JSON.stringify(await (async () => {{ {code} }})()));\n"
    )
    return json.loads(subprocess.check_output(["node", str(script)], text=True))


def rgba(image: np.ndarray) -> list[int]:
    opaque = np.full((*image.shape[:2], 1), 255, dtype=np.uint8)
    return np.concatenate([image, opaque], axis=-1).ravel().tolist()


def blob(mask: np.ndarray, generator: np.random.Generator) -> None:
    height, width = mask.shape
    tall, wide = (int(generator.integers(1, max(2, side // 3))) for side in (height, width))
    top, left = generator.integers(height - tall + 1), generator.integers(width - wide + 1)
    mask[top : top + tall, left : left + wide] = True


def cases() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of many shapes, smaller and larger than a network, with one hole or several."""
    generator = np.random.default_rng(0)
    found = []
    for height, width, holes in [
        (32, 32, 1),
        (64, 64, 2),
        (9, 70, 3),
        (50, 20, 1),
        (7, 5, 1),
        (1, 40, 1),
        (150, 90, 6),
        (97, 131, 2),
    ]:
        image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        mask = np.zeros((height, width), dtype=bool)
        for _ in range(holes):
            blob(mask, generator)
        found.append((image, mask))
    dots = generator.random((80, 80)) < 0.3
    return [*found, (generator.integers(0, 256, (80, 80, 3), dtype=np.uint8), dots)]


@in_node
def test_pictures_are_cut_and_put_together_as_in_python(tmp_path):
    size = 32

    def network(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        seen.append((image, mask))
        return np.where(mask[..., None], image[::-1, ::-1] // 2 + 60, image)

    given = [
        {"pixels": rgba(image), "mask": mask.astype(int).ravel().tolist(), "shape": mask.shape}
        for image, mask in cases()
    ]
    code = """
      const size = 32;
      const answers = [];
      for (const { pixels, mask, shape: [height, width] } of given) {
        const seen = [];
        const network = (image, holes) => {
          seen.push([Array.from(image), Array.from(holes)]);
          const filled = Uint8Array.from(image);
          const last = size * size - 1;
          holes.forEach((missing, at) => {
            for (let c = 0; missing && c < 3; c++)
              filled[3 * at + c] = Math.floor(image[3 * (last - at) + c] / 2) + 60;
          });
          return filled;
        };
        const result = Uint8Array.from(pixels);
        const missing = Uint8Array.from(mask);
        await m.fillBySquares(network, size, result, missing, width, height, () => {});
        answers.push({ result: Array.from(result), seen });
      }
      return answers;"""
    answers = node(tmp_path, "region.mjs", code, given)
    several = 0
    for (image, mask), answer in zip(cases(), answers, strict=True):
        seen: list[tuple[np.ndarray, np.ndarray]] = []
        expected = fill_reference.fill(image, mask, size, network)
        found = np.array(answer["result"], dtype=np.uint8).reshape(*mask.shape, 4)
        assert np.array_equal(found[~mask][:, :3], image[~mask]) and (found[..., 3] == 255).all()
        assert np.abs(found[..., :3].astype(int) - expected).max() <= 1
        assert len(answer["seen"]) == len(seen)
        several += len(seen) > 1
        for (cut, holes), (expected_cut, expected_holes) in zip(answer["seen"], seen, strict=True):
            assert np.array_equal(np.array(holes).reshape(size, size) > 0, expected_holes)
            assert (
                np.abs(np.array(cut).reshape(size, size, 3) - expected_cut.astype(int)).max() <= 1
            )
    assert several >= 2


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    holes=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_plan_covers_the_hole_with_squares_inside_the_longer_side(height, width, holes, seed):
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(holes):
        blob(mask, np.random.default_rng([seed, holes]))
    covered = np.zeros_like(mask)
    for (left, top, right, bottom), x, y, side in fill_reference.plan(mask, 32):
        assert x <= left < right <= x + side and y <= top < bottom <= y + side
        assert side <= max(height, width)
        covered[top:bottom, left:right] = True
    assert covered[mask].all()


def test_far_holes_are_filled_one_by_one_and_near_ones_together():
    mask = np.zeros((400, 400), dtype=bool)
    mask[10:20, 10:20] = mask[380:390, 380:390] = True
    far = fill_reference.plan(mask, 64)
    assert [square[1:] for square in far] == [(0, 0, 64), (336, 336, 64)]
    mask[380:390, 380:390] = False
    mask[24:30, 24:30] = True
    assert [square[0] for square in fill_reference.plan(mask, 64)] == [(10, 10, 30, 30)]


def test_what_lies_under_the_hole_is_not_looked_at():
    for image, mask in cases():
        other = np.where(mask[..., None], 255 - image, image)
        seen: list[np.ndarray] = []

        def network(
            cut: np.ndarray, holes: np.ndarray, seen: list[np.ndarray] = seen
        ) -> np.ndarray:
            seen.append(np.where(holes[..., None], 0, cut))
            return cut

        assert np.array_equal(
            fill_reference.fill(image, mask, 32, network),
            fill_reference.fill(other, mask, 32, network),
        )
        half = len(seen) // 2
        assert all(np.array_equal(*pair) for pair in zip(seen[:half], seen[half:], strict=True))


@in_node
def test_diffusion_solves_laplace(tmp_path):
    generator = np.random.default_rng(1)
    wave = np.add.outer(np.arange(90), 2 * np.arange(110))
    smooth = np.stack([wave % 256, (3 * wave) % 256, 255 - wave % 256], axis=-1).astype(np.uint8)
    large = np.zeros((90, 110), dtype=bool)
    large[5:85, 8:100] = True
    corner = np.ones((20, 20), dtype=bool)
    corner[0, 0] = corner[19, 7] = False
    chosen = [*cases(), (smooth, large)]
    chosen.append((generator.integers(0, 256, (20, 20, 3), dtype=np.uint8), corner))
    given = [
        {"pixels": rgba(image), "mask": mask.astype(int).ravel().tolist(), "shape": mask.shape}
        for image, mask in chosen
    ]
    code = """return given.map(({ pixels, mask, shape: [height, width] }) => {
      const result = Uint8Array.from(pixels);
      m.diffuse(result, Uint8Array.from(mask), width, height);
      return Array.from(result);
    });"""
    for (image, mask), answer in zip(
        chosen, node(tmp_path, "diffusion.mjs", code, given), strict=True
    ):
        found = np.array(answer, dtype=np.uint8).reshape(*mask.shape, 4)[..., :3]
        assert np.array_equal(found[~mask], image[~mask])
        difference = np.abs(found.astype(int) - fill_reference.diffuse(image, mask))
        assert difference.max() <= 1 and (difference > 0).mean() < 0.05


@in_node
def test_the_score_is_that_of_the_hole(tmp_path):
    (image, mask), (other, _) = cases()[0], cases()[-1]
    other = other[: len(mask), : mask.shape[1]]
    given = {"a": rgba(image), "b": rgba(other), "mask": mask.astype(int).ravel().tolist()}
    code = "return ['b', 'a'].map((name) => m.holePsnr(given.a, given[name], given.mask))"
    found, same = node(tmp_path, "region.mjs", code, given)
    assert found == pytest.approx(psnr(image[mask][None], other[mask][None]))
    assert same is None  # infinity, in JSON


@in_node
def test_hashes_by_hand(tmp_path):
    generator = np.random.default_rng(2)
    texts = [generator.bytes(n) for n in (0, 1, 55, 56, 63, 64, 65, 119, 1000)]
    code = "return given.map((bytes) => m.sha256ByHand(Uint8Array.from(bytes)))"
    found = node(tmp_path, "sha256.mjs", code, [list(text) for text in texts])
    assert found == [hashlib.sha256(text).hexdigest() for text in texts]


# --- what is served ------------------------------------------------------------------------------


def test_every_picture_begins_with_a_hole_and_a_network_that_exists():
    names = [model.name for model in models.MODELS]
    assert len({picture.name for picture in models.PICTURES}) == len(models.PICTURES)
    for picture in models.PICTURES:
        assert picture.model in names, picture.name
        assert 0 < picture.mask().mean() < 0.5, picture.name
        assert picture.credit


def test_blocks_of_the_book_name_what_is_served():
    served = {
        "models": {model.name for model in models.MODELS},
        "pictures": {picture.name for picture in models.PICTURES},
    }
    named = {kind: set() for kind in served}
    block = re.compile(r'data-(models|pictures)=\\"([^\\"]*)')
    for path in (models.ROOT / "book").glob("*.ipynb"):
        for kind, value in block.findall(path.read_text(encoding="utf-8")):
            named[kind].update(value.split())
    assert named["models"] == served["models"]
    assert named["pictures"] <= served["pictures"] and len(named["pictures"]) > 3


def test_files_and_their_list_agree(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    save_generator(GMCNN(GeneratorConfig(width=2, initialisation="he")), tmp_path / "w.safetensors")
    tiny = models.Model(str(tmp_path / "w.safetensors"), 32, "tiny")
    picture = replace(models.PICTURES[0], model=tiny.name)
    folder = tmp_path / "static" / "fill"
    models.write(folder, True, [tiny], [picture])
    manifest = models.read(folder)
    (entry,) = manifest["models"]
    data = (folder / "models" / "w-32.onnx").read_bytes()
    assert entry["file"].startswith("models/w-32.onnx?") and entry["size"] == 32
    assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    (shown,) = manifest["pictures"]
    assert np.array_equal(read_image(folder / shown["file"]), picture.pixels())
    filled = read_image(folder / manifest["first"]["file"])
    changed = (filled != picture.pixels()).any(axis=-1)
    assert changed.any() and not changed[~picture.mask()].any()
    assert (folder / shown["thumbnail"]).is_file() and (folder / "painter.mjs").is_file()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr(models.export, "export_onnx", never)
    models.write(folder, True, [tiny], [picture])
    save_generator(GMCNN(GeneratorConfig(width=4, initialisation="he")), tiny.weights)
    with pytest.raises(AssertionError, match="nothing has changed"):
        models.write(folder, True, [tiny], [picture])
