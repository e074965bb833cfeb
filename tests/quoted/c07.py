"""Chapter 7: all of its numbers are printed by its cells, or come from a formula."""

from __future__ import annotations

FACTS: dict[str, str] = {
    "1.7": "the root of 3, in thousandths a pixel of the side",
    "0.035": "the root of 3 times 0.001 times the root of 800, divided by 1.4",
}


def quotes() -> list[str]:
    return []
