"""The explorables of chapters 8 and 13: their arithmetic is labkit's, their data the tool's."""

from __future__ import annotations

import base64
import functools
import io
import json
from collections.abc import Callable

import explorables
import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exploring import BOOK, FOLDER, run, with_node
from PIL import Image

from labkit.faces import RenderedFaces
from labkit.losses.id_mrf import relative_similarity
from labkit.nn.prior import TENSION, smooth_fill

# --- chapter 8 -----------------------------------------------------------------------------------


@functools.cache
def committed() -> tuple[dict[str, object], torch.Tensor]:
    """The committed example and its cosines, (196, 196)."""
    document = json.loads((FOLDER / "forehead.json").read_text(encoding="utf-8"))
    whole = np.frombuffer(base64.b64decode(document["cosines"]), "<i2").reshape(196, 196)
    return document, torch.from_numpy(whole / document["scale"])


def test_the_committed_example_is_what_the_tool_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(explorables, "FOLDER", tmp_path)
    explorables.main()
    assert capsys.readouterr().out.count(" kB") == 6
    output = tmp_path / "forehead.json"
    made, (kept, cosine) = json.loads(output.read_text(encoding="utf-8")), committed()
    assert made.keys() == kept.keys()
    assert {k: v for k, v in made.items() if isinstance(v, int)} == {"side": 14, "scale": 32767}
    whole = np.frombuffer(base64.b64decode(made["cosines"]), "<i2").reshape(196, 196)
    # Sums of floats differ in their last digits from machine to machine: one unit of rounding.
    assert np.abs(whole / 32767 - cosine.numpy()).max() < 1.5 / 32767
    for name in ("fill", "target"):
        pixels = []
        for document in (made, kept):
            data = base64.b64decode(document[name].removeprefix("data:image/png;base64,"))
            with Image.open(io.BytesIO(data)) as image:
                pixels.append(np.asarray(image).astype(int))
        assert pixels[0].shape == (56, 56, 3) and np.abs(pixels[0] - pixels[1]).max() <= 1

    documents = [json.loads((folder / "choose.json").read_text()) for folder in (tmp_path, FOLDER)]
    rounds = zip(*(document["rounds"] for document in documents), strict=True)
    for ours, theirs in rounds:
        for new, old in zip(ours["fills"], theirs["fills"], strict=True):
            assert new["name"] == old["name"]
            assert abs(new["psnr"] - old["psnr"]) < 0.03 and abs(new["ssim"] - old["ssim"]) < 0.001

    faces = [json.loads((folder / "face.json").read_text()) for folder in (tmp_path, FOLDER)]
    pixels = [np.frombuffer(base64.b64decode(face.pop("pixels")), np.uint8) for face in faces]
    assert faces[0] == faces[1] and np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(pixels[1], RenderedFaces(64, "test").batch([3]).flatten())


@with_node
def test_shares_are_labkit_s(tmp_path):
    document, cosine = committed()
    expression = """(() => {
      const { cosine, count } = m.decode(data);
      return [Array.from(cosine), Array.from(m.shares(cosine, count))];
    })()"""
    decoded, share = run(tmp_path, "id-mrf.mjs", expression, data=document)
    assert np.array_equal(decoded, cosine.flatten().numpy())
    # labkit's function wants unit vectors: these have the decoded numbers as their cosines.
    wanted = relative_similarity(cosine, torch.eye(196, dtype=torch.float64))
    assert np.abs(np.array(share).reshape(196, 196) - wanted.numpy()).max() < 1e-12


@with_node
def test_the_four_rules_are_the_chapter_s(tmp_path):
    document, cosine = committed()
    expression = """(() => {
      const example = m.decode(data);
      const share = m.shares(example.cosine, example.count);
      return ["fill", "target"].flatMap((who) => ["distance", "share"].map((near) => {
        const rule = m.judge(example, share, who, near);
        const { answers, strengths } = rule;
        return { ...rule, answers: Array.from(answers), strengths: Array.from(strengths) };
      }));
    })()"""
    rules = {r["name"]: r for r in run(tmp_path, "id-mrf.mjs", expression, data=document)}
    share = relative_similarity(cosine, torch.eye(196, dtype=torch.float64))
    wanted = {  # matrix, the axis of those that answer, loss
        "nearest neighbour": (cosine, 1, ((1 - cosine) / 2).amin(dim=1).mean()),
        "relative neighbour": (share, 1, -share.amax(dim=1).mean().log()),
        "completeness": (cosine, 0, ((1 - cosine) / 2).amin(dim=0).mean()),
        "ID-MRF": (share, 0, -share.amax(dim=0).mean().log()),
    }
    assert rules.keys() == wanted.keys()
    for name, (matrix, axis, loss) in wanted.items():
        assert rules[name]["answers"] == matrix.argmax(dim=axis).tolist()
        assert abs(rules[name]["loss"] - loss.item()) < 1e-12
        strength = share.amax(dim=axis) if matrix is share else torch.ones(196)
        assert np.allclose(rules[name]["strengths"], strength, atol=1e-12)

    # And with the numbers that the chapter prints.
    votes = np.bincount(rules["nearest neighbour"]["answers"])
    assert ((votes > 0).sum(), votes.max()) == (39, 56)
    assert len(set(rules["ID-MRF"]["answers"])) == 62
    assert round(196 * np.exp(-rules["ID-MRF"]["loss"]), 1) == 7.5


# --- chapter 13 ----------------------------------------------------------------------------------


@functools.cache
def chapter_s_fill() -> Callable[..., torch.Tensor]:
    """The function `fill` as chapter 13 defines it."""
    names: dict[str, object] = {"torch": torch, "F": F}
    for cell in nbformat.read(BOOK / "13-a-head-start.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and cell.source.startswith(("def laplacian", "def dot")):
            exec(cell.source, names)
    return names["fill"]


def face_with_hole(row: int, column: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The example in grey levels, (1, 3, 64, 64), and its hole."""
    pixels = RenderedFaces(64, "test").batch([3])[0]
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    mask[..., row : row + width, column : column + width] = 1
    return torch.from_numpy(pixels).double().permute(2, 0, 1)[None], mask


@with_node
@pytest.mark.parametrize(("name", "s", "t"), [("film", 0, 1), ("plate", 1, 4 * TENSION)])
def test_the_surface_is_the_chapter_s(tmp_path, name, s, t):
    cases = [(20, 22, 24, 4, 1), (20, 22, 24, 8, 5), (2, 2, 12, 16, 3), (30, 30, 32, 1, 4)]
    found = run(
        tmp_path,
        "surface.mjs",
        """cases.map(([row, column, width, sweeps, levels]) =>
          m.fillPicture(m.decode(face), m.squareHole(row, column, width), name, sweeps, levels)
            .map((plane) => Array.from(plane)))""",
        cases=cases,
        name=name,
        face=json.loads((FOLDER / "face.json").read_text()),
    )
    for (row, column, width, sweeps, levels), planes in zip(cases, found, strict=True):
        image, mask = face_with_hole(row, column, width)
        wanted = chapter_s_fill()(image * (1 - mask), 1 - mask, s, t, sweeps, levels)
        assert np.abs(np.array(planes).reshape(3, 64, 64) - wanted[0].numpy()).max() < 1e-6


@with_node
def test_the_settled_surface_is_labkit_s(tmp_path):
    image, mask = face_with_hole(16, 16, 32)
    expression = """m.fillPicture(m.decode(face), m.squareHole(16, 16, 32), name, 2000, 5)
      .map((plane) => Array.from(plane))"""
    face = json.loads((FOLDER / "face.json").read_text())
    for name, kind in (("film", "harmonic"), ("plate", "biharmonic")):
        found = np.array(run(tmp_path, "surface.mjs", expression, face=face, name=name))
        wanted = (smooth_fill(image / 127.5 - 1, mask, kind, cycles=40)[0].numpy() + 1) * 127.5
        assert np.abs(found.reshape(3, 64, 64).clip(0, 255) - wanted).max() < 0.01


@with_node
def test_work_and_distance_of_a_surface(tmp_path):
    assert run(tmp_path, "surface.mjs", "[m.work(16, 1), m.work(16, 3)]") == [16, 21]
    expression = "m.distance([[1, 2, 9]], [[4, 2, 0]], [1, 1, 0])"
    assert run(tmp_path, "surface.mjs", expression) == {"mean": 1.5, "largest": 3}
