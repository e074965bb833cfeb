from __future__ import annotations

FACTS: dict[str, str] = {
    "9.5": "2 · 0.05 · 0.95, in per cent",
}


def quotes() -> list[str]:
    return []
