from __future__ import annotations

FACTS: dict[str, str] = {}


def quotes() -> list[str]:
    return []
