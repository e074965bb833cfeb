"""The explorables that play, choose and switch, by mouse and by keyboard."""

from __future__ import annotations

import re

import exploring
from browsing import needs_chromium
from exploring import pick, point, press, said

browser, visit = exploring.browser, exploring.visit
pytestmark = needs_chromium


def number(text: str, name: str) -> float:
    """What stands behind a name in a readout."""
    return float(re.search(rf"{re.escape(name)} ([\d.,]+)", text)[1].replace(",", ""))


def test_relax_steps_plays_and_starts_again(visit):
    page = visit("relax")
    mean = number(said(page), "Mean error, grey levels")
    assert number(press(page, "step"), "Steps") == 3
    page.get_by_role("slider", name="steps at a time").fill("3")
    assert number(press(page, "step"), "Steps") == 33
    assert number(said(page), "Mean error, grey levels") < mean
    page.get_by_role("button", name="play").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("parseFloat(document.querySelector('dd').textContent) > 60")
    steps = number(press(page, "pause"), "Steps")
    page.wait_for_timeout(200)
    assert number(said(page), "Steps") == steps
    page.get_by_role("button", name="play").click()
    page.get_by_role("button", name="play").wait_for(timeout=60_000)  # it comes to rest
    assert number(said(page), "Mean error, grey levels") <= 0.1
    assert "Steps 0" in press(page, "reset")
    noise = number(pick(page, "To begin with", "noise"), "Largest error, grey levels")
    assert noise > 100
    assert number(press(page, "step"), "Largest error, grey levels") < noise / 2
    assert "halves in 24 steps: cos(π/13)" in pick(page, "Width of the hole", "12 px")
    assert "Steps 0" in said(page)


def test_readers_who_want_no_motion_get_a_picture_a_second(visit):
    page = visit("relax", reduced_motion="reduce")
    page.evaluate(
        """() => {
          window.pictures = 0;
          const seen = () => (window.pictures += 1);
          const readout = document.querySelector(".explorable-readout");
          new MutationObserver(seen).observe(readout, { childList: true });
        }"""
    )
    press(page, "play")
    page.wait_for_timeout(2500)
    text = press(page, "pause")
    assert page.evaluate("window.pictures") <= 3
    assert number(text, "Steps") >= 60  # and no slower than others


def test_dilations_by_slider_and_by_keyboard(visit):
    page = visit("dilations")
    assert "61 × 61 positions Positions reached 961 of 3,721: 25.8 %" in said(page)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")
    assert "Position (1, 0) from the middle. No path leads there: it is skipped." in said(page)
    page.keyboard.press("ArrowRight")
    assert "Position (2, 0) from the middle. 4 paths lead there." in said(page)  # 2, 4 − 2, …
    page.get_by_role("slider", name="layer 1").focus()
    page.keyboard.press("ArrowLeft")
    assert "59 × 59 positions" in said(page)
    assert page.get_by_role("group", name="Dilations").locator("input:checked").count() == 0
    assert "31 × 31 positions Positions reached 961 of 961: 100 %" in pick(
        page, "Dilations", "1 2 4 8"
    )
    assert page.get_by_role("slider", name="layer 4").get_attribute("aria-valuetext") == "8"
    assert "61 × 61 positions" in pick(page, "Kernel", "5")
    assert "Position (−30, −30) from the middle" in point(page, 0.005, 0.005)


def test_gan_is_played_and_stepped(visit):
    page = visit("gan")
    assert "Norm of the critic’s gradient none yet" in said(page)
    text = press(page, "step")
    assert "Steps of the generator 1 " in text and "none yet" not in text
    press(page, "play")
    page.wait_for_function("parseFloat(document.querySelector('dd').textContent) > 4")
    page.get_by_role("button", name="pause").click()
    assert "Steps of the generator 0 " in press(page, "reset")
    pick(page, "Loss", "hinge")
    slider = page.get_by_role("slider", name="critic steps")
    slider.fill("0")
    assert "hinge, 1 critic step for each step of the generator." in said(page)
    assert "Norm" not in said(page)
    before = said(page)
    assert press(page, "other weights") != before
    assert "of 9" in pick(page, "Data", "nine spots")


def test_names_and_scores_come_after_the_choice(visit):
    page = visit("choose")
    figure = page.locator(".explorable figure")
    shown = figure.inner_text()
    assert "PSNR" not in shown.partition("The same hole")[0] and "biharmonic" not in shown[:200]
    assert page.locator("svg text").all_text_contents() == ["A", "B", "C", "D"]
    group = page.get_by_role("group", name="The best looking is")
    group.locator("input").first.focus()
    page.keyboard.press("Space")
    assert "You choose A, network faces; PSNR chooses D, SSIM chooses A." in said(page)
    assert "Agreed with PSNR 0 of 1 Agreed with SSIM 1 of 1" in said(page)
    page.keyboard.press("ArrowRight")  # to look at another is no second vote
    assert "You choose B, telea" in said(page) and "Agreed with SSIM 1 of 1" in said(page)
    assert page.locator("table tbody tr").count() == 4
    assert "Picture 2 of 4: a cup of coffee" in press(page, "next picture")
    assert page.locator("table").count() == 0 and group.locator("input:checked").count() == 0


def test_columns_without_their_network(visit):
    """What can be seen is seen, and what cannot be fetched is said."""
    page = visit("columns")
    page.get_by_role("slider", name="side of the picture").fill("3")
    share = number(said(page), "3 × 3 sees, of the picture")
    page.locator("[role=application]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert number(said(page), "3 × 3 sees, of the picture") < share
    press(page, "fill")
    page.get_by_text("The runtime could not be fetched (HTTP 404)").wait_for()


def test_matches_by_trained_features(visit):
    page = visit("id-mrf")
    assert "Target patches matched 39 of 196" in said(page)
    pick(page, "Features", "trained weights (GMCNN)")
    page.locator(".explorable-readout", has_text="77 of 196").wait_for()
    assert "39 of 196" in pick(page, "Features", "drawn weights (VGG19)")
    page.route("**/forehead-trained.json", lambda route: route.fulfill(status=404))
    page.reload()
    page.wait_for_selector("[data-mounted] dd")
    pick(page, "Features", "trained weights (GMCNN)")
    page.get_by_text("forehead-trained.json could not be read").wait_for()
    assert "39 of 196" in said(page)
