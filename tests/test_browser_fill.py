"""The page that fills holes, in a real browser: right pixels, nothing sent, and every bad input
answered in words."""

from __future__ import annotations

import io
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import fill_reference
import models
import numpy as np
import pytest
import vendor
from browsing import chromium, drag, needs_chromium
from PIL import Image, PngImagePlugin
from scipy import ndimage
from serve import CHROMIUM, served
from telephone import display_p3

from labkit.data.photos import photo
from labkit.faces import RenderedFaces
from labkit.masks import read_mask

pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "_build" / "static"  # what `make html` fetches and exports is used again
FILL = ROOT / "book" / "_static" / "fill"
P3 = display_p3()  # it holds the second at which it was made
PLACE = "some/book/"  # under the address of the server

pytestmark = needs_chromium

# As on a page of the book, but for the handle that tests use.
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>fill</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="_static/fill/painter.css">
<link rel="stylesheet" href="_static/fill/fill.css">
<div class="fill-page" {data}><p>fallback</p></div>
<script type="module">
import {{ mountFillPage }} from "./_static/fill/page.mjs";
window.fill = await mountFillPage(document.querySelector(".fill-page"));
</script></html>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with two pages under a sub-path, and everything that they load."""
    trouble = vendor.fetch(STATIC / "vendor")
    if trouble:
        pytest.skip(f"no ONNX Runtime Web: {trouble}")
    models.write(STATIC / "fill", served=True)
    folder = tmp_path_factory.mktemp("site")
    static = folder / PLACE / "_static"
    shutil.copytree(STATIC / "vendor", static / "vendor")
    shutil.copytree(STATIC / "fill", static / "fill")
    shutil.copytree(FILL, static / "fill", dirs_exist_ok=True)
    (folder / PLACE / "index.html").write_text(PAGE.format(data=""))
    photographs = 'data-models="celeba-256" data-pictures="coffee face-2"'
    (folder / PLACE / "photographs.html").write_text(PAGE.format(data=photographs))
    several = 'data-models="faces-plain-64 faces-full-64 faces-se-64" data-pictures="face-2 face-3"'
    (folder / PLACE / "several.html").write_text(PAGE.format(data=several))
    (folder / PLACE / "other.html").write_text("<!doctype html><title>other</title>")
    return folder


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    with served(site) as root:
        yield root + PLACE


class Visit:
    """One page, what it asked the network for, and what went wrong on it."""

    def __init__(self, page, address: str, name: str = "") -> None:
        self.page = page
        self.asked: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(60_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(address + name)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_function("window.fill?.painter")

    def loaded(self, part: str) -> bool:
        return any(part in url for url in self.asked)

    def choose(self, data: bytes, name: str) -> None:
        """Open a picture of one's own."""
        given = {"name": name, "mimeType": "image/png", "buffer": data}
        self.page.locator(".fill-choices input[type=file]").set_input_files(given)

    def paint(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.get_by_role("button", name="Rectangle").click()
        drag(self.page, start, end)

    def press_fill(self) -> None:
        self.page.get_by_role("button", name="Fill", exact=True).click()

    def says(self, text: str) -> str:
        """Wait until the status holds the text; the whole status."""
        self.page.wait_for_function(
            "(text) => document.querySelector('.labkit-status').textContent.includes(text)",
            arg=text,
        )
        return self.page.locator(".labkit-status").inner_text()

    def mask(self) -> np.ndarray:
        height, width = self.page.evaluate("[fill.picture.height, fill.picture.width]")
        return (
            np.array(self.page.evaluate("Array.from(fill.painter.mask)"))
            .reshape(height, width)
            .astype(bool)
        )

    def result(self) -> np.ndarray:
        with self.page.expect_download() as download:
            self.page.get_by_text("Download the result").click()
        with Image.open(download.value.path()) as image:
            return np.asarray(image.convert("RGB"))


@pytest.fixture
def visit(browser, address) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    visit = Visit(page, address)
    yield visit
    assert visit.errors == []
    page.close()


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def python_fill(image: np.ndarray, mask: np.ndarray, name: str) -> np.ndarray:
    """The same by ONNX Runtime in Python."""
    network = models.started(STATIC / "fill" / "models" / f"{name}.onnx")
    return fill_reference.fill(image, mask, int(name.rpartition("-")[2]), network)


def test_a_face_is_filled_as_in_python_and_nothing_leaves_the_site(visit, address):
    face = RenderedFaces(64, "test").batch([17])[0]
    visit.choose(png(face), "face.png")
    visit.says("Paint over")
    assert visit.page.evaluate("fill.painter.method") == "celeba-256"  # most likely a photograph
    visit.page.locator(".labkit-bar select").select_option("faces-64")
    assert not visit.loaded("ort.") and not visit.loaded(".onnx")
    assert not visit.loaded("worker.mjs")
    visit.paint((0.2, 0.05), (0.8, 0.35))
    # The first touch fetches it.
    visit.page.wait_for_function("fill.networks.ready.has('faces-64')")
    assert visit.loaded("ort.wasm") and visit.loaded("faces-64.onnx")
    assert not visit.loaded("celeba")
    visit.press_fill()
    said = visit.says(" dB")
    mask, found = visit.mask(), visit.result()
    assert mask.sum() > 500 and np.array_equal(found[~mask], face[~mask])
    expected = python_fill(face, mask, "faces-64")
    # Sums of floats in another order; a difference that rounds the other way is one grey level.
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 0.001
    error = np.mean((found[mask].astype(float) - face[mask]) ** 2)
    assert f"{10 * np.log10(255**2 / error):.2f} dB" in said
    own = (address, "blob:", "data:")
    assert [url for url in visit.asked if not url.startswith(own)] == []


def test_a_photograph_of_any_shape_by_the_larger_network(browser, address):
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    visit = Visit(page, address, "photographs.html")
    options = page.locator(".labkit-bar select option").all_inner_texts()
    assert len(options) == 2 and "Diffusion" in options[1]  # the block names one network
    assert page.locator(".fill-choices > button").count() == 3
    image = photo("chelsea")[:200, :330]
    visit.choose(png(image), "cat.png")
    visit.says("Paint over")
    visit.paint((0.3, 0.3), (0.45, 0.6))
    visit.press_fill()
    visit.says(" dB")
    mask, found = visit.mask(), visit.result()
    assert np.array_equal(found[~mask], image[~mask])
    expected = python_fill(image, mask, "celeba-256")
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert visit.errors == []
    page.close()


def test_diffusion_needs_no_download_and_can_be_compared(visit):
    page = visit.page
    page.get_by_role("button", name="photograph of a cat").click()
    page.wait_for_function("fill.picture.name === 'chelsea'")
    page.locator(".labkit-bar select").select_option("diffusion")
    visit.press_fill()
    visit.says("Diffusion")
    visit.says(" dB")
    image = next(item for item in models.PICTURES if item.name == "chelsea").pixels()
    mask, found = visit.mask(), visit.result()
    assert np.array_equal(found[~mask], image[~mask])
    assert np.abs(found.astype(int) - fill_reference.diffuse(image, mask)).max() <= 1
    assert not visit.loaded("ort.") and not visit.loaded(".onnx")
    choices = page.locator(".fill-after select")
    assert choices.locator("option").all_inner_texts() == ["the hole", "the original"]
    choices.select_option("original")
    page.locator(".labkit-captions", has_text="the original").wait_for()
    # Another stroke makes it a fill of another hole.
    drag(page, (0.1, 0.1), (0.2, 0.1))
    assert page.locator(".fill-after").is_hidden() and not page.locator(".labkit-compare").count()


def test_the_same_hole_by_several_networks(browser, address):
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    visit = Visit(page, address, "several.html")
    choice = page.locator(".labkit-bar select")
    labels = dict(
        zip(
            choice.locator("option").evaluate_all("(all) => all.map((one) => one.value)"),
            choice.locator("option").all_inner_texts(),
            strict=True,
        )
    )
    labels.pop("diffusion")
    assert list(labels) == ["faces-plain-64", "faces-full-64", "faces-se-64"]
    image = next(item for item in models.PICTURES if item.name == "face-2").pixels()
    mask, fills = visit.mask(), []
    for name in labels:
        choice.select_option(name)
        visit.press_fill()
        page.wait_for_function("(name) => fill.fills.has(name) && !fill.busy", arg=name)
        found = visit.result()
        assert np.array_equal(found[~mask], image[~mask])
        assert np.abs(found.astype(int) - python_fill(image, mask, name)).max() <= 1
        assert all((found != other).any() for other in fills)
        fills.append(found)
    offered = page.locator(".fill-after select option").all_inner_texts()
    assert offered == ["the hole", "the original", *list(labels.values())[:-1]]
    page.locator(".fill-after select").select_option("faces-plain-64")
    page.locator(".labkit-captions", has_text=labels["faces-plain-64"]).wait_for()
    assert visit.errors == []
    page.close()


def test_before_the_first_touch_a_fill_is_shown_and_nothing_is_loaded(visit):
    visit.says("filled when the page was made")
    assert visit.page.locator(".labkit-compare").is_visible()
    assert not visit.loaded("ort.") and not visit.loaded(".onnx")
    about = visit.page.locator(".fill-about").inner_text()
    size = (STATIC / "fill" / "models" / "faces-64.onnx").stat().st_size
    assert f"{size / 1e6:.1f} MB of network" in about and "14.2 MB of runtime" in about
    listed = models.read(STATIC / "fill")["models"]
    assert all(entry["bytes"] <= 9e6 for entry in listed)  # one is loaded, when it is asked for
    assert sum(entry["bytes"] for entry in listed) <= 22e6
    binary = STATIC / "vendor" / "ort.wasm"
    assert binary.stat().st_size == vendor.RUNTIME_BYTES


def test_by_keyboard_alone(visit):
    page = visit.page

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    tab_to("button[aria-label='rendered face, glasses']")
    page.keyboard.press("Enter")
    page.wait_for_function("fill.picture.name === 'face-3'")
    tab_to("canvas")
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert visit.mask()[64, 64] and visit.mask()[64, 80] and not visit.mask()[100, 100]
    tab_to("button")  # round the page to its first button, and on to Fill
    tab_to(".labkit-fill")
    page.keyboard.press("Enter")
    visit.says(" dB")
    tab_to(".labkit-result input[type=range]")
    page.keyboard.press("ArrowRight")
    assert page.locator(".labkit-result input[type=range]").input_value() == "51"
    tab_to(".fill-after button")
    for control in page.locator(".fill-page button, .fill-page select, .fill-page input").all():
        labelled = control.evaluate("(c) => c.labels?.length || c.hidden")
        assert labelled or control.get_attribute("aria-label") or control.inner_text()
    assert page.locator(".labkit-status").get_attribute("aria-live") == "polite"


def test_by_finger_on_a_phone(browser, address):
    context = browser.new_context(
        viewport={"width": 360, "height": 740},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    visit = Visit(context.new_page(), address)
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Clear").tap()
    page.locator("canvas").scroll_into_view_if_needed()
    box = page.locator("canvas").bounding_box()
    assert box["width"] >= 250
    finger = context.new_cdp_session(page)
    places = [
        (box["x"] + part * box["width"], box["y"] + 0.3 * box["height"]) for part in (0.3, 0.6)
    ]
    # The finger rests before it is lifted: Chromium swallows a tap that follows a fling.
    moves = [("touchStart", 0), ("touchMove", 1), ("touchMove", 1), ("touchEnd", None)]
    for kind, at in moves:
        touches = [] if at is None else [{"x": places[at][0], "y": places[at][1]}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        page.wait_for_timeout(200)
    assert visit.mask()[38, 40:76].all()
    page.wait_for_function("fill.networks.ready.has('faces-64')")
    page.get_by_role("button", name="Fill", exact=True).tap()
    visit.says(" dB")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator(".fill-page button").all():
        assert control.bounding_box()["height"] >= 30
    assert visit.errors == []
    context.close()


# --- what can go wrong ---------------------------------------------------------------------------


def test_holes_of_nothing_and_of_everything(visit):
    visit.page.get_by_role("button", name="Clear").click()
    visit.press_fill()
    visit.says("There is no hole yet")
    visit.page.evaluate("fill.painter.setMask(fill.painter.mask.map(() => 1))")
    assert visit.mask().all()
    visit.press_fill()
    visit.says("Everything is missing")
    visit.page.get_by_role("button", name="Undo").click()
    assert not visit.mask().any()


def test_files_that_are_no_pictures(visit):
    before = visit.page.evaluate("fill.picture.name")
    visit.choose(b"These are words.", "words.png")
    visit.says("words.png is no picture")
    visit.choose(b"", "empty.png")
    visit.says("empty.png is no picture")
    visit.choose(png(np.zeros((64, 64, 3), dtype=np.uint8))[:60], "half.png")
    visit.says("half.png is no picture")
    assert visit.page.evaluate("fill.picture.name") == before
    visit.choose(png(np.full((3, 1, 3), 9, dtype=np.uint8)), "tiny.png")
    visit.says("Paint over")


def photograph(width: int, height: int) -> np.ndarray:
    """A smooth picture with grain, as large as one likes."""
    across, down = np.linspace(0, 6, width), np.linspace(0, 4, height)[:, None]
    waves = [np.sin(across + down), np.cos(2 * across - down), np.sin(across) * np.cos(down)]
    grain = np.random.default_rng(0).normal(0, 6, (height, width))
    return np.stack([np.clip(128 + 90 * wave + grain, 0, 255) for wave in waves], -1).astype("u1")


def test_a_photograph_of_24_megapixels_comes_back_whole(visit):
    upright = photograph(4000, 6000)
    # Turned as a camera stores it: orientation 6, which asks for a quarter turn clockwise.
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "labkit"
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", quality=92, exif=exif, icc_profile=P3, dpi=(300, 150))
    visit.page.set_default_timeout(120_000)
    visit.choose(buffer.getvalue(), "holiday.jpg")
    assert "saved at its 4000 × 6000 pixels" in visit.says("shown smaller")
    visit.page.locator(".labkit-bar select").select_option("celeba-256")
    visit.paint((0.5, 0.5), (0.6, 0.5667))  # 400 by 400 pixels
    visit.press_fill()
    visit.says(" dB")
    shown = visit.mask()
    assert shown.shape == (2048, 1365)
    with visit.page.expect_download() as download:
        visit.page.get_by_text("Download the result").click()
    with Image.open(download.value.path()) as result:
        found = np.asarray(result)
        assert result.info["icc_profile"] == P3
        assert result.getexif()[0x0112] == 1 and result.getexif()[0x010F] == "labkit"
        assert result.info["dpi"] == pytest.approx((150, 300), abs=0.1)
    with visit.page.expect_download() as download:
        visit.page.get_by_text("Download the mask").click()
    mask = read_mask(download.value.path(), size=(6000, 4000))
    assert 300 < np.ptp(np.nonzero(mask.any(0))) < 500 and np.ptp(np.nonzero(mask.any(1))) > 300
    with Image.open(io.BytesIO(buffer.getvalue())) as file:
        before = np.rot90(np.asarray(file), -1)
    assert found.shape == before.shape
    # Both decode with libjpeg-turbo.
    assert np.array_equal(found[~mask], before[~mask])
    error = np.abs(found[mask].astype(float) - before[mask]).mean()
    assert error < 12  # the grain alone has a mean of 6 times 0.8
    edge = ndimage.binary_dilation(mask) & ~mask
    inside = mask & ~ndimage.binary_erosion(mask)
    step = found[inside].astype(float).mean(0) - found[edge].astype(float).mean(0)
    assert np.abs(step).max() < 2  # no seam


def test_what_a_file_holds_beside_its_pixels(visit):
    def saved(data: bytes, name: str) -> Image.Image:
        visit.choose(data, name)
        visit.page.wait_for_function("(name) => fill.picture.label === name", arg=name)
        visit.page.locator(".labkit-bar select").select_option("diffusion")
        visit.paint((0.3, 0.3), (0.6, 0.6))
        visit.press_fill()
        visit.says(" dB")
        with visit.page.expect_download() as download:
            visit.page.get_by_text("Download the result").click()
        image = Image.open(download.value.path())
        image.load()
        return image

    picture = Image.fromarray(photo("chelsea")[:60, :90])
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "kept")
    text.add_itxt("XML:com.adobe.xmp", "<x/>")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", pnginfo=text, icc_profile=P3, dpi=(200, 200))
    found = saved(buffer.getvalue(), "text.png")
    assert found.info["Comment"] == "kept" and "XML:com.adobe.xmp" not in found.info
    assert found.info["icc_profile"] == P3 and round(found.info["dpi"][0]) == 200
    # EXIF with a thumbnail of what was there before.
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 1, "a cat"
    thumbnail = b"\xff\xd8 what was there before"
    block = with_thumbnail(exif.tobytes(), thumbnail)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=block)
    assert thumbnail in buffer.getvalue()
    found = saved(buffer.getvalue(), "exif.jpg")
    assert found.getexif()[0x010E] == "a cat" and thumbnail not in found.info["exif"]
    # A profile of grey levels says nothing of an RGB result; damaged EXIF is left out.
    grey = P3[:16] + b"GRAY" + P3[20:]
    buffer = io.BytesIO()
    picture.save(
        buffer, "WEBP", lossless=True, icc_profile=grey, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"
    )
    found = saved(buffer.getvalue(), "odd.webp")
    assert "icc_profile" not in found.info and "exif" not in found.info


def with_thumbnail(exif: bytes, thumbnail: bytes) -> bytes:
    """EXIF as Pillow writes it, little or big endian, with a second directory behind the first."""
    tiff = bytearray(exif[6:])
    order = "<" if tiff[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, first)
    struct.pack_into(order + "I", tiff, first + 2 + 12 * count, len(tiff))
    at = len(tiff) + 2 + 24 + 4
    tiff += struct.pack(order + "H", 2)
    tiff += struct.pack(order + "HHII", 0x0201, 4, 1, at)
    tiff += struct.pack(order + "HHII", 0x0202, 4, 1, len(thumbnail))
    return b"Exif\0\0" + bytes(tiff) + bytes(4) + thumbnail


def test_a_photograph_of_sixty_megapixels_is_made_smaller(visit):
    buffer = io.BytesIO()
    Image.new("RGB", (10_000, 6_000), (90, 120, 60)).save(buffer, "JPEG", quality=60)
    visit.choose(buffer.getvalue(), "holiday.jpg")
    said = visit.says("10000 × 6000 pixels")
    assert "filled and saved at 9129 × 5477" in said


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "arrived damaged: it has"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "arrived damaged: its hash"),
    ],
    ids=["truncated", "another hash"],
)
def test_a_damaged_network_is_refused_and_fetched_again(visit, damage, words):
    data = (STATIC / "fill" / "models" / "faces-64.onnx").read_bytes()
    network = re.compile(r"faces-64\.onnx")
    visit.page.route(network, lambda route: route.fulfill(body=damage(data)))
    visit.press_fill()
    visit.says(words)
    assert visit.page.locator(".fill-progress").is_hidden()
    visit.page.unroute(network)
    visit.press_fill()
    visit.says(" dB")


def test_a_network_that_is_not_there(visit):
    runtime, network = re.compile(r"ort\.wasm"), re.compile(r"faces-64\.onnx")
    visit.page.route(runtime, lambda route: route.abort())
    visit.press_fill()
    visit.says("The runtime could not be fetched. Is the connection up?")
    visit.page.unroute(runtime)
    visit.page.route(network, lambda route: route.fulfill(status=404))
    visit.press_fill()
    visit.says("The network could not be fetched (HTTP 404)")
    visit.page.locator(".labkit-bar select").select_option("diffusion")
    visit.press_fill()
    visit.says(" dB")


def test_a_browser_without_webassembly(browser, address):
    page = browser.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    visit = Visit(page, address)
    visit.press_fill()
    visit.says("no WebAssembly")
    page.locator(".labkit-bar select").select_option("diffusion")
    visit.press_fill()
    visit.says(" dB")
    assert visit.errors == []
    page.close()


def test_a_browser_with_too_little_memory(browser, address):
    options = ["--no-sandbox", "--js-flags=--wasm-max-mem-pages=256"]
    small = browser.browser_type.launch(executable_path=CHROMIUM, args=options)
    visit = Visit(small.new_page(), address)
    visit.press_fill()
    words = "This browser has too little memory for the network. Diffusion works without it."
    assert visit.says("memory") == words
    visit.page.locator(".labkit-bar select").select_option("diffusion")
    visit.press_fill()
    visit.says(" dB")
    assert visit.errors == []
    small.close()


def test_the_page_is_left_during_a_fill_and_found_again(visit, address):
    visit.page.evaluate("void fill.fill('faces-64')")
    visit.page.goto(address + "other.html")
    visit.page.go_back()
    visit.ready()
    visit.press_fill()
    visit.says(" dB")


def test_another_picture_is_chosen_during_a_fill(visit):
    visit.page.evaluate("void fill.fill('faces-64'); void fill.choose(fill.pictures[1])")
    visit.page.wait_for_function("fill.picture.name === 'face-2' && !fill.busy")
    assert visit.page.locator(".labkit-compare").count() == 0  # the old fill is not shown on it
    visit.press_fill()
    visit.says(" dB")
    assert visit.result().shape == (128, 128, 3)


# --- the built book ------------------------------------------------------------------------------

HTML = ROOT / "_build" / "html"


@pytest.mark.skipif(
    not (HTML / "_static" / "fill" / "manifest.json").is_file()
    or not (HTML / "_static" / "vendor" / "ort.mjs").is_file(),
    reason="no built pages that serve their own scripts: run make html where npm is installed",
)
def test_the_home_page_fills_a_hole(browser, tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "book").symlink_to(HTML, target_is_directory=True)
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(60_000)
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
    with served(tmp_path) as address:
        page.goto(f"{address}{PLACE}book/intro.html")
        page.locator(".fill-page .labkit-compare").wait_for()
        box = page.locator(".fill-page canvas").bounding_box()
        assert box["y"] + box["height"] < 1000  # within the first screen
        assert not any("ort." in url or ".onnx" in url for url in asked)
        drag(page, (0.4, 0.2), (0.6, 0.2), ".fill-page canvas")
        page.locator(".fill-page .labkit-fill").click()
        page.locator(".fill-page .labkit-status", has_text=" dB").wait_for()
        page.goto(f"{address}{PLACE}book/glossary.html")
        own = (f"{address}{PLACE}", "data:", "blob:")
        assert [url for url in asked if not url.startswith(own)] == []
    assert [error for error in errors if "/fill/" in error] == []  # the theme has some of its own
    page.close()
