"""No explorable has a serious fault of accessibility, as far as axe-core can tell.

On the pages of the book they are drawn only where a reader comes near, after that check.
"""

from __future__ import annotations

import exploring
import pytest
import test_accessibility
from browsing import needs_chromium
from exploring import PLACES

axe, browser, visit = test_accessibility.axe, exploring.browser, exploring.visit
ACTS = {
    "choose": lambda page: exploring.pick(page, "The best looking is", "B"),
    "gan": lambda page: exploring.press(page, "step"),
}


@needs_chromium
@pytest.mark.parametrize("size", [test_accessibility.WIDE, test_accessibility.PHONE])
@pytest.mark.parametrize("name", list(PLACES))
def test_explorable_has_no_serious_fault(visit, axe, name, size):
    page = visit(name, viewport=size, reduced_motion="reduce")
    ACTS.get(name, lambda page: None)(page)
    page.evaluate(axe)
    page.evaluate("document.title = 'x'; document.querySelector('main').ariaLabel = 'x'")
    assert test_accessibility.faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
