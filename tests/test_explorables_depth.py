"""The explorable of chapter 2: its distances are SciPy's, and readers can paint in it."""

from __future__ import annotations

import exploring
import numpy as np
from browsing import needs_chromium
from exploring import pick, point, run, said, with_node
from scipy.ndimage import distance_transform_edt

from labkit.book.widgets.painter import draw_stroke

browser, visit = exploring.browser, exploring.visit
SIDE = 128


@with_node
def test_distances_are_scipy_s(tmp_path):
    rng = np.random.default_rng(0)
    masks = [rng.random((SIDE, SIDE)) < share for share in (0.02, 0.5, 0.98)]
    masks += [np.zeros((SIDE, SIDE), bool), np.indices((SIDE, SIDE)).sum(axis=0) < 90]
    given = [mask.astype(int).ravel().tolist() for mask in masks]
    expression = "masks.map((mask) => Array.from(m.distances(Uint8Array.from(mask))))"
    for mask, found in zip(masks, run(tmp_path, "depth.mjs", expression, masks=given), strict=True):
        wanted = distance_transform_edt(mask)
        assert np.allclose(np.reshape(found, mask.shape), wanted, atol=1e-12)
    assert run(tmp_path, "depth.mjs", "m.distances(new Uint8Array(16384).fill(1))[9] === Infinity")


@with_node
def test_the_scribble_is_the_chapter_s_and_the_others_miss_as_much(tmp_path):
    points = [(12 + 104 * (k // 2 % 2), 8 + 20 * ((k + 1) // 2)) for k in range(13)]
    scribble = np.zeros((SIDE, SIDE), bool)
    draw_stroke(scribble, {"tool": "brush", "size": 5, "points": points})
    kinds = ["scribble", "square", "squares", "empty"]
    masks = run(tmp_path, "depth.mjs", "kinds.map((k) => Array.from(m.begin(k)))", kinds=kinds)
    assert np.array_equal(np.reshape(masks[0], scribble.shape), scribble)
    assert [round(np.mean(mask), 2) for mask in masks] == [0.25, 0.25, 0.25, 0]
    square = np.reshape(masks[2], scribble.shape)  # 64 of 8 pixels, away from the border
    assert square[4:12, 4:12].all() and not square[:4].any() and not square[12:20].any()


@needs_chromium
def test_depth_by_mouse_and_by_keyboard(visit):
    page = visit("depth")
    assert "Missing 25.1 % Mean distance 2.0 px Largest distance 4.0 px" in said(page)
    assert "Missing 25.0 % Mean distance 11.2 px Largest distance 32.0 px" in pick(
        page, "Begin with", "square"
    )
    assert "Pixel (64, 64) is missing, at 32.0 px." in said(page)
    assert "Missing 25.0 % Mean distance 1.9 px" in pick(page, "Begin with", "64 squares")
    assert "Missing 0.0 % Mean distance – Largest distance –" in pick(page, "Begin with", "nothing")
    size = page.get_by_role("slider", name="width of the brush")
    size.fill("8")  # 91 pixels
    page.locator("[role=application]").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press(" ")
    assert "Missing 9.9 % Mean distance 15.4 px" in said(page)
    assert "that is what the question asks for" in said(page)
    assert page.get_by_role("group", name="Begin with").locator("input:checked").count() == 0

    pick(page, "Begin with", "square")
    pick(page, "Brush", "erase")
    size.fill("0")
    page.mouse.move(0, 0)
    point(page, 0.5, 0.1)
    page.mouse.down()
    point(page, 0.5, 0.9)
    page.mouse.up()
    assert "Missing 23.4 %" in said(page)  # a line of 3 pixels through its 64 rows
    assert "is known." in said(page)
