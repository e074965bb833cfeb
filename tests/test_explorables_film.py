"""The explorable of chapter 15: its film is the chapter's, and it can be stepped through."""

from __future__ import annotations

import explorables
import exploring
import numpy as np
from browsing import needs_chromium
from exploring import committed, pick, said

browser, visit = exploring.browser, exploring.visit


def test_the_film_is_the_committed_one() -> None:
    made, kept = explorables.film(), committed("film")
    assert {key: made[key] for key in ("side", "count")} == {"side": 96, "count": 12}
    assert made["clips"].keys() == kept["clips"].keys()
    for name in ("telea", "gmcnn", "carried", "truth"):
        for score in ("error", "flicker"):
            # a network's last digit may differ between processors
            assert np.allclose(made["clips"][name][score], kept["clips"][name][score], atol=0.15)
    assert kept["clips"]["truth"]["error"] == [0.0] * 12
    assert max(kept["clips"]["carried"]["error"]) < 0.1 < 20 < min(kept["clips"]["telea"]["error"])


@needs_chromium
def test_the_film_is_stepped_and_another_fill_is_chosen(visit):
    page = visit("film")
    first = "Frame 1 of 12 Error in the hole 29.4 grey levels Flicker to the next 20.9 grey levels"
    assert first in said(page)
    page.get_by_role("button", name="step").click()
    assert "Frame 2 of 12 Error in the hole 35.8 grey levels" in said(page)
    carried = "carried along, both ways"
    assert "Error in the hole 0.0 grey levels" in pick(page, "Shown", carried)
    place = "document.querySelector('.explorable-drawing svg svg').getAttribute('x')"
    assert page.evaluate(place) == "3"  # the frame moves, and the scene stands still
    page.get_by_text("hold the scene still").click()
    page.wait_for_function(f"{place} === '16.5'")
    page.get_by_role("button", name="reset").click()
    assert "Frame 1 of 12" in said(page)
