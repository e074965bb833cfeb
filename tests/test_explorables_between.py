"""The second explorable of chapter 11: its ends are the chapter's networks, and it can be moved."""

from __future__ import annotations

import explorables
import exploring
import numpy as np
from browsing import needs_chromium
from exploring import committed, pick, said
from quoted import printed

browser, visit = exploring.browser, exploring.visit


def test_the_fills_are_the_committed_ones_and_the_ends_are_the_chapter_s() -> None:
    made, kept = explorables.between(), committed("between")
    assert made["ways"].keys() == kept["ways"].keys()
    assert [face["box"] for face in made["faces"]] == [face["box"] for face in kept["faces"]]
    shares = kept["shares"]
    assert list(made["shares"]) == shares
    text = printed("11")
    for way, ends in {"without": "control", "with": "stage two"}.items():
        made_here, found = made["ways"][way], kept["ways"][way]
        for score in ("error", "contrast"):  # a network's last digit may differ between processors
            assert np.allclose(made_here[score], found[score], atol=0.05)
        for share, name in ((0, "stage one"), (100, ends)):
            at = shares.index(share)
            error, contrast = found["error"][at], found["contrast"][at]
            row = f"{name:10} mean error {error:4.1f} grey levels, difference of neighbours "
            assert " ".join(f"{row}{contrast:4.1f}".split()) in " ".join(text.split())
        assert (np.diff(found["contrast"]) > 0).all()
    # at the same contrast the way with critics has the larger error, as far as the other way goes
    less, more = kept["ways"]["without"], kept["ways"]["with"]
    along = np.interp(less["contrast"], more["contrast"], more["error"])
    assert (along - less["error"] >= 0).all()


@needs_chromium
def test_the_way_is_walked_with_and_without_critics(visit):
    page = visit("between")
    start = "Mean error 18.4 grey levels Difference of neighbours 6.2 grey levels"
    assert f"{start} The same of the truth 16.0 grey levels The weights of" in said(page)
    shares = page.get_by_role("slider", name="share of the way")
    shares.fill("4")
    assert "The weights after 1,000 more steps with critics." in said(page)
    assert "Mean error 18.6" in pick(page, "Trained on", "without critics")
    shares.focus()
    page.keyboard.press("ArrowRight")
    assert "Weights 50 % beyond those after 1,000 more steps without critics." in said(page)
    sheet = "document.querySelector('.explorable-drawing svg svg image').getAttribute('href')"
    before = page.evaluate(sheet)
    pick(page, "Face", "4")
    assert page.evaluate(sheet) != before
