from __future__ import annotations

FACTS: dict[str, str] = {
    "1.5": "the middle of the pixels 4i to 4i + 3",
    "2.6": "the version of PyTorch in which weights_only=True became the default",
    "6.3": "chaitanya2020report",
    "6.02": "20 log10(2), which chapter 3 derives",
}


def quotes() -> list[str]:
    return []
