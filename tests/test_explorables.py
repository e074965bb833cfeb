"""The explorables of the built pages: their arithmetic is labkit's, and readers can move them."""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import explorables
import matplotlib as mpl
import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from browsing import chromium, needs_chromium
from PIL import Image
from scipy import ndimage
from serve import served

from labkit.book import plotting
from labkit.book.widgets.painter import draw_stroke
from labkit.faces import RenderedFaces
from labkit.losses.confidence import confidence_weights, kernel_1d
from labkit.losses.id_mrf import relative_similarity
from labkit.nn.prior import TENSION, smooth_fill
from labkit.settings import ConfidenceConfig

BOOK = Path(__file__).resolve().parent.parent / "book"
FOLDER = BOOK / "_static" / "explorables"
NAMES = ("checkerboard", "confidence", "id-mrf", "surface")

with_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(tmp_path: Path, module: str, expression: str, **values: object) -> object:
    """The value of a JavaScript expression in which `m` is a module and `values` are defined."""
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    script = tmp_path / "script.mjs"
    script.write_text(
        f'import * as m from "{(FOLDER / module).as_uri()}";\n{given}'
        f"console.log(JSON.stringify({expression}));\n"
    )
    return json.loads(subprocess.check_output(["node", str(script)], text=True))


# --- the look ------------------------------------------------------------------------------------


@with_node
def test_the_colours_are_those_of_the_figures(tmp_path):
    found = run(tmp_path, "figure.mjs", "[m.CARD, m.INK, m.BLUE, m.ORANGE]")
    assert found == [plotting.CARD, plotting.INK, plotting.PALETTE[0], plotting.HOLE]
    values = np.linspace(0, 1, 101)
    heat = run(tmp_path, "figure.mjs", "values.map(m.heat)", values=values.tolist())
    wanted = mpl.colormaps[plotting.HEAT](values)[:, :3] * 255
    assert np.abs(np.array(heat) - wanted).max() < 6


@with_node
def test_ink_can_be_read_on_every_colour_of_the_explorables(tmp_path):
    """Contrast of at least 4.5 to 1, as WCAG 2 asks of text, on all that numbers stand on."""

    def luminance(colour: np.ndarray) -> np.ndarray:
        c = colour / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    values = np.linspace(-1, 1, 81).tolist()
    pairs = run(
        tmp_path,
        "figure.mjs",
        "values.map((v) => [m.signed(v), m.inkOn(m.signed(v))])",
        values=values,
    )
    for value, (colour, ink) in zip(values, pairs, strict=True):
        written = np.array([int(ink[k : k + 2], 16) for k in (1, 3, 5)])
        dark, light = sorted([luminance(np.array(colour)), luminance(written)])
        assert (light + 0.05) / (dark + 0.05) > 4.5, value


# --- chapter 10 ----------------------------------------------------------------------------------


@with_node
@pytest.mark.parametrize("resized", [False, True])
def test_a_layer_s_answer_to_a_constant_is_torch_s(tmp_path, resized):
    kernels, strides = range(1, 7), range(1, 5)
    drawn = np.random.default_rng(0).normal(size=(6, 6))
    found = run(
        tmp_path,
        "checkerboard.mjs",
        """kernels.map((k) => strides.map((s) => {
          const weights = drawn.slice(0, k).map((row) => row.slice(0, k));
          const plane = m.planeAnswer(weights, s, resized);
          return [m.lineAnswer(weights[0], s, resized), plane, m.patternEnergy(plane)];
        }))""",
        kernels=list(kernels),
        strides=list(strides),
        drawn=drawn.tolist(),
        resized=resized,
    )
    for k in kernels:
        for s in strides:
            weight = torch.from_numpy(drawn[:k, :k].copy())[None, None]
            ones = torch.ones(1, 1, 24, 24, dtype=torch.float64)
            if resized:
                large = F.interpolate(ones, scale_factor=s, mode="nearest")
                across = F.conv2d(large, weight)[0, 0, :12, :12]
                along = F.conv1d(large[:, :, 0], weight[:, :, 0])[0, 0, :12]
            else:
                start = 12 * -(-k // 12) * s  # away from the border, and a whole period
                across = F.conv_transpose2d(ones, weight, stride=s)[0, 0]
                across = across[start : start + 12, start : start + 12]
                along = F.conv_transpose1d(ones[:, :, 0], weight[:, :, 0], stride=s)[0, 0]
                along = along[start : start + 12]
            line, plane, energy = found[k - 1][s - 1]
            assert np.allclose(line, along, atol=1e-12)
            assert np.allclose(plane, across, atol=1e-12)
            wanted = across.var(correction=0) / across.square().mean()
            assert abs(energy - wanted) < 1e-12


@with_node
def test_counts_are_those_that_the_chapter_prints(tmp_path):
    ones = "m.lineAnswer(Array(k).fill(1), s, false).slice(2, 12).join(' ')"
    found = run(
        tmp_path,
        "checkerboard.mjs",
        f"cases.map(([k, s]) => {ones})",
        cases=[[3, 2], [4, 2], [5, 2]],
    )
    printed = "".join(
        output.text
        for cell in nbformat.read(BOOK / "10-checkerboards.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    for (k, s), counts in zip([(3, 2), (4, 2), (5, 2)], found, strict=True):
        assert f"kernel {k}, stride {s}: {counts}" in printed


@with_node
def test_random_weights_leave_three_quarters_in_the_pattern(tmp_path):
    """With stride s, all but 1 / s² on average, for kernels that the stride divides."""
    energies = run(
        tmp_path,
        "checkerboard.mjs",
        """[[4, 2], [6, 3]].map(([k, s]) => {
          let sum = 0;
          for (let seed = 0; seed < 3000; seed++)
            sum += m.patternEnergy(m.planeAnswer(m.drawWeights(seed, k), s, false));
          return sum / 3000;
        })""",
    )
    assert np.allclose(energies, [3 / 4, 8 / 9], atol=0.01)
    nothing = run(tmp_path, "checkerboard.mjs", "m.patternEnergy([[0, 0], [0, 0]])")
    assert nothing is None


# --- chapter 6 -----------------------------------------------------------------------------------


def mask_of(tmp_path: Path, hole: str) -> np.ndarray:
    found = run(tmp_path, "confidence.mjs", f"Array.from(m.maskOf({hole}))")
    return np.array(found).reshape(256, 256)


@with_node
@pytest.mark.parametrize("kernel", ["gaussian", "laplacian", "released"])
def test_taps_are_labkit_s(tmp_path, kernel):
    for scale in (5.0, 40.0, 320.0):
        found = run(tmp_path, "confidence.mjs", f"Array.from(m.taps('{kernel}', {scale}))")
        wanted = kernel_1d(ConfidenceConfig(kernel=kernel, scale=scale))
        assert np.abs(np.array(found) - wanted.numpy()).max() < 1e-12


@with_node
@pytest.mark.parametrize(
    ("hole", "kernel", "scale"),
    [
        ("m.HOLES.square", "gaussian", 40),
        ("m.HOLES.border", "laplacian", 10),
        ("m.HOLES.strokes", "released", 40),
        ("{ corners: [1, 3, 256, 256] }", "gaussian", 80),
        ("{ corners: [0, 0, 256, 256] }", "released", 40),
    ],
)
def test_weights_are_labkit_s(tmp_path, hole, kernel, scale):
    found = run(
        tmp_path,
        "confidence.mjs",
        f"""(() => {{
          const maps = m.spread(m.maskOf({hole}), m.taps("{kernel}", {scale}));
          return [0, 1, 2, 3, 4].map(() => Array.from(maps.next().value));
        }})()""",
    )
    mask = torch.from_numpy(mask_of(tmp_path, hole)).double()[None, None]
    for iterations in (1, 2, 5):
        config = ConfidenceConfig(kernel=kernel, scale=float(scale), iterations=iterations)
        wanted = confidence_weights(mask, config)[0, 0].numpy()
        got = np.array(found[iterations - 1]).reshape(256, 256)
        assert np.abs(got - wanted).max() < 1e-11


@with_node
def test_strokes_are_the_painter_s_and_depth_is_the_distance_to_what_is_known(tmp_path):
    hole = run(tmp_path, "confidence.mjs", "m.HOLES.strokes")
    painted = np.zeros((256, 256), bool)
    for line in hole["lines"]:
        draw_stroke(painted, {"tool": "brush", "size": hole["width"], "points": line})
    mask = mask_of(tmp_path, "m.HOLES.strokes")
    assert np.array_equal(mask.astype(bool), painted)

    distance = ndimage.distance_transform_cdt(mask, metric="chessboard")
    places = [(x, y) for y in range(0, 256, 9) for x in range(0, 256, 9)]
    expression = "places.map(([x, y]) => m.depth(mask, x, y))"
    given = {"places": places, "mask": mask.flatten().tolist()}
    found = run(tmp_path, "confidence.mjs", expression, **given)
    wanted = [int(distance[y, x]) - 1 if mask[y, x] else None for x, y in places]
    assert found == wanted
    everything = "m.depth(m.maskOf({ corners: [0, 0, 256, 256] }), 9, 9)"
    assert run(tmp_path, "confidence.mjs", everything) is None


@with_node
def test_a_hole_is_moved_and_resized_within_the_picture(tmp_path):
    moved = "m.reshaped({ corners: [64, 64, 192, 192] }, 100, -8, 0).corners"
    assert run(tmp_path, "confidence.mjs", moved) == [128, 56, 256, 184]
    larger = "m.reshaped({ corners: [0, 64, 64, 192] }, 0, 0, 16).corners"
    assert run(tmp_path, "confidence.mjs", larger) == [0, 56, 72, 200]
    least = "m.reshaped({ corners: [10, 10, 18, 90] }, 0, 0, -16).corners"
    assert run(tmp_path, "confidence.mjs", least) == [10, 10, 18, 90]
    narrow = run(tmp_path, "confidence.mjs", "m.reshaped(m.HOLES.strokes, 100, 0, -90)")
    strokes = run(tmp_path, "confidence.mjs", "m.HOLES.strokes.lines.flat()")
    assert narrow["width"] == 4
    shift = np.concatenate(narrow["lines"]) - strokes
    assert (shift == [50, 0]).all()  # as far as the picture reaches, and in shape


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
    assert capsys.readouterr().out.count(" kB") == 2
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


# --- in the chapters -----------------------------------------------------------------------------


def test_every_explorable_has_its_place_and_says_what_it_shows():
    found = {}
    for path in sorted(BOOK.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for name, words in re.findall(
                r'<div class="explorable" data-explorable="([\w-]+)">(.+?)</div>', cell.source, re.S
            ):
                assert cell.cell_type == "markdown"
                assert "\n\n" not in words, "a blank line would end the HTML"
                assert len(re.sub(r"<[^>]+>", "", words)) > 150
                found[name] = path.stem[:2]
    assert found == {"checkerboard": "10", "confidence": "06", "id-mrf": "08", "surface": "13"}
    assert all((FOLDER / f"{name}.mjs").is_file() for name in found)


# --- in a browser --------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<main>{hosts}</main><script type="module" src="explorables.mjs"></script></html>"""
HOST = '<div class="explorable" data-explorable="{}"><p>Words instead.</p></div>'
Open = Callable[..., object]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser, tmp_path) -> Iterator[Open]:
    """Opens a page with one explorable, or with what is asked for; nothing may go wrong on it."""
    site = tmp_path / "site"
    shutil.copytree(FOLDER, site)
    errors: list[str] = []
    opened = []
    with served(site) as address:

        def visit(name: str = "", hosts: str = "", **options: object):
            (site / "index.html").write_text(PAGE.format(hosts=hosts or HOST.format(name)))
            options = {"viewport": {"width": 900, "height": 800}} | options
            page = browser.new_page(**options)
            opened.append(page)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            if not hosts:
                page.wait_for_selector("[data-mounted] dd")
            return page

        yield visit
        for page in opened:
            page.close()
    assert errors == []


def said(page) -> str:
    """All that the readout says, once it has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return " ".join(page.locator(".explorable-readout").inner_text().split())


def pick(page, group: str, option: str) -> str:
    page.get_by_role("group", name=group).get_by_text(option, exact=True).click()
    return said(page)


def point(page, x: float, y: float, act: str = "move") -> str:
    """Move to, or press and release at, a place of the drawing, in shares of its sides."""
    box = page.locator("[role=application]").bounding_box()
    getattr(page.mouse, act)(box["x"] + x * box["width"], box["y"] + y * box["height"])
    return said(page)


@needs_chromium
def test_checkerboard_by_mouse_and_by_keyboard(visit):
    page = visit("checkerboard")
    assert "Terms on a line 2 1 2 1 … Terms in the plane 1, 2 or 4" in said(page)
    assert "Energy in the pattern 19 %" in said(page)
    kernel = page.get_by_role("slider", name="kernel k")
    kernel.focus()
    page.keyboard.press("ArrowRight")
    assert "2 everywhere Terms in the plane 4 Energy in the pattern 0 %" in said(page)
    assert kernel.get_attribute("aria-valuetext") == "4"
    assert "Energy in the pattern 75 %" in pick(page, "Weights", "random")
    before = said(page)
    page.get_by_role("button", name="draw again").click()
    assert said(page) != before
    assert "Energy in the pattern 0 %" in pick(page, "Layer", "nearest + convolution")
    pick(page, "Layer", "transposed")
    pick(page, "Weights", "all one")
    kernel.fill("4")
    page.get_by_role("slider", name="stride s").fill("3")
    assert "2 1 1 1" in said(page)  # kernel 5, stride 4
    assert "Pixel 0 of the line gets w[0]" in point(page, 0.01, 0.5)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")
    assert "Pixel 1 of the line gets w[1]" in said(page)
    kernel.fill("0")  # kernel 1
    assert "Pixel 1 of the line gets nothing" in said(page)


@needs_chromium
def test_confidence_by_mouse_and_by_keyboard(visit):
    page = visit("confidence")
    assert "Mean weight in the hole 0.710" in said(page)  # as chapter 6 prints
    assert "63 deep: weight 0.448" in said(page)
    page.get_by_role("slider", name="iterations n").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert "Mean weight in the hole 0.462" in said(page)
    assert "weight 0.069" in said(page)
    assert "Mean weight in the hole 0.433" in pick(page, "Kernel g", "Laplacian")
    pick(page, "Kernel g", "released")
    assert page.get_by_role("slider", name="scale s").is_disabled()
    assert "is known, and has no weight" in point(page, 0.05, 0.05)
    page.locator("[role=application]").focus()
    square = said(page)
    for larger, smaller in ("+-", "]["):
        page.keyboard.press(larger)
        assert said(page) != square
        page.keyboard.press(smaller)
        assert said(page) == square
    for _ in range(9):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    assert "deep: weight" in said(page)  # the hole has come to the pointer

    point(page, 0.5, 0.5)
    page.mouse.down()
    point(page, 0.6, 0.7)
    page.mouse.up()
    missing = page.evaluate(
        """() => {
          const map = document.querySelector("canvas").getContext("2d");
          const { data } = map.getImageData(0, 0, 256, 256);
          let missing = 0;
          for (let k = 0; k < data.length; k += 4) missing += data[k] !== 226; // grey: known
          return missing;
        }"""
    )
    assert abs(missing - 0.1 * 0.2 * 256**2) < 120
    assert page.get_by_role("group", name="Hole").locator("input:checked").count() == 0
    assert said(page) == point(page, 0.6, 0.7)


@needs_chromium
def test_id_mrf_by_mouse_and_by_keyboard(visit):
    page = visit("id-mrf")
    assert "nearest neighbour Target patches matched 39 of 196" in said(page)
    assert "The most popular one 56 times" in said(page)
    assert "Patches of the fill with this match: 56" in said(page)
    assert "completeness Fill patches matched 58 of 196" in pick(
        page, "Who asks", "each target patch"
    )
    assert "ID-MRF Fill patches matched 62 of 196" in pick(page, "Near means", "large share R̄S")
    assert "Loss 3.26 = log N / K, with K = 7.5" in said(page)
    assert "Fill patch in row 1, column 1." in point(page, 0.01, 0.09)
    assert "Target patch in row 14, column 14." in point(page, 0.99, 0.92)
    point(page, 0.46, 0.09)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")  # over the edge
    assert "Target patch in row 1, column 1." in said(page)
    page.keyboard.press("ArrowDown")
    assert "Target patch in row 2, column 1." in said(page)


@needs_chromium
def test_surface_by_mouse_and_by_keyboard(visit):
    def apart(text: str) -> list[float]:
        """Mean and largest error, as the readout says them."""
        return [float(number) for number in re.findall(r"error, grey levels ([\d.]+)", text)]

    page = visit("surface")
    one_level = apart(said(page))
    assert "The film after 1 level, 4 sweeps on each; a hole of 24 pixels" in said(page)
    page.get_by_role("slider", name="levels").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    five_levels = apart(said(page))
    assert five_levels[0] < one_level[0] / 4 and five_levels[1] < one_level[1] / 4
    assert "Work, full sweeps 5.3" in said(page)
    assert apart(pick(page, "Surface", "plate"))[0] > five_levels[0]
    page.get_by_role("slider", name="sweeps").fill("9")
    assert apart(said(page))[1] < 0.1
    point(page, 0.99, 0.01)
    page.mouse.down()
    point(page, 0.98, 0.02)
    page.mouse.up()
    assert "a hole of 24 pixels from row 2, column 38." in said(page)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert "from row 4, column 36." in said(page)
    assert "a hole of 12 pixels from row 10, column 42." in pick(page, "Hole", "12 px")


@needs_chromium
@pytest.mark.parametrize("name", NAMES)
def test_on_a_phone(visit, name):
    page = visit(name, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator(".explorable-options span, button").all():
        assert control.bounding_box()["height"] >= 32
    before = said(page)
    drawing = page.locator("[role=application]")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    page.touchscreen.tap(box["x"] + 0.14 * box["width"], box["y"] + 0.7 * box["height"])
    assert said(page) != before


@needs_chromium
@pytest.mark.parametrize("name", NAMES)
def test_all_of_it_has_names_and_nothing_moves_by_itself(visit, name):
    page = visit(name)
    for control in page.locator("input, button, [role=application]").all():
        named = control.evaluate(
            "(c) => (c.ariaLabel ?? '') + (c.labels?.[0]?.textContent ?? '') + c.textContent"
        )
        assert named.strip()
    assert page.locator("[role=status]").count() == 1
    style = (FOLDER / "explorables.css").read_text(encoding="utf-8")
    assert "animation" not in style and "transition" not in style
    # Every control is reached by the Tab key, one stop for each group of options.
    stops = page.locator("fieldset, input[type=range], button, [role=application]").count()
    page.evaluate("document.body.focus()")
    seen = set()
    for _ in range(stops):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
    assert len(seen) == stops


@needs_chromium
def test_on_paper_there_are_no_controls(visit):
    hosts = '<div style="height: 9000px"></div>' + HOST.format("checkerboard")
    page = visit(hosts=hosts)
    assert page.locator("[data-mounted]").count() == 0  # far below the screen: not drawn yet
    page.wait_for_function("'mountNow' in document.querySelector('.explorable')")
    # Paper does not wait for a frame.
    cells = """() => {
      dispatchEvent(new Event("beforeprint"));
      return document.querySelectorAll("[data-mounted] .explorable-drawing rect").length;
    }"""
    assert page.evaluate(cells) > 100
    page.emulate_media(media="print")
    assert page.locator(".explorable-readout").is_visible()
    for control in page.locator("input[type=range], button, .explorable-note").all():
        assert control.is_hidden()
    settings = " ".join(page.locator(".explorable-controls").inner_text().split())
    assert settings == "Layer transposed kernel k 3 stride s 2 Weights all one"


@needs_chromium
def test_it_is_drawn_when_it_comes_near(visit):
    page = visit(hosts='<div style="height: 9000px"></div>' + HOST.format("id-mrf"))
    assert page.get_by_text("Words instead").count() == 1
    page.mouse.wheel(0, 8000)
    page.wait_for_selector("[data-mounted] dd")
    assert page.get_by_text("Words instead").count() == 0


@needs_chromium
def test_a_page_without_one_loads_nothing_and_a_missing_file_is_said(visit):
    asked: list[str] = []
    page = visit(hosts="<p>No figure here.</p>")
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert not {"explorables.css", "figure.mjs"} & set(asked)

    page = visit(hosts=HOST.format("unheard-of"))
    page.get_by_text("The figure could not be loaded").wait_for()
    assert page.get_by_text("Words instead").count() == 1


@needs_chromium
@pytest.mark.parametrize(
    ("chapter", "name"),
    [
        ("06-confidence", "confidence"),
        ("08-id-mrf", "id-mrf"),
        ("10-checkerboards", "checkerboard"),
        ("13-a-head-start", "surface"),
    ],
)
def test_in_the_built_book(browser, chapter, name):
    html = BOOK.parent / "_build" / "html"
    built = html / "book" / f"{chapter}.html"
    host = f'data-explorable="{name}"'
    if not built.is_file() or host not in built.read_text(encoding="utf-8"):
        pytest.skip("no built page with this explorable: run make html")
    page = browser.new_page(color_scheme="dark", viewport={"width": 1200, "height": 900})
    asked: list[str] = []
    with served(html) as address:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}book/{chapter}.html")
        page.locator(f"[{host}]").scroll_into_view_if_needed()
        page.locator(f"[{host}] dd").first.wait_for()
        assert page.locator(f"[{host}] figcaption").is_visible()
        own = [url for url in asked if "/explorables/" in url]
    assert {url.rsplit("/", 1)[-1].partition("?")[0] for url in own} >= {
        "explorables.mjs",
        "explorables.css",
        "figure.mjs",
        f"{name}.mjs",
    }
    assert all(url.startswith(address) for url in own)
    page.close()
