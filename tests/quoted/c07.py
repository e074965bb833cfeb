"""Chapter 7: its numbers are printed by its cells, come from a formula, or from critics.json."""

from __future__ import annotations

from quoted import results

FACTS: dict[str, str] = {
    "1.7": "the root of 3, in thousandths a pixel of the side",
    "0.035": "the root of 3 times 0.001 times the root of 800, divided by 1.4",
}


def quotes() -> list[str]:
    first, *rows = results("critics")["rows"]
    assert first["weight"] == 0
    best = min(rows, key=lambda row: row["lpips less"]["mean"])
    by = f"{-best['lpips less']['mean']:.4f}"
    widest = -min(row["lpips less"]["low"] for row in rows)
    low, high = (100 * end for end in rows[-1]["eyes"]["detail less"])
    last = rows[-1]["lpips less"]
    assert last["low"] < 0 < last["high"]
    assert all(row["lpips less"]["high"] < 0 for row in rows[:-1])
    return [
        f"lowered LPIPS by at most {by} in the mean, from {first['lpips']:.3f} (the widest "
        f"interval reaches {widest:.4f})",
        f"LPIPS is lower, which is better, by at most {by}, at {best['weight']} (over pictures",
        f"is {rows[-1]['eyes']['detail']:.0%}, after {first['eyes']['detail']:.0%} at 0, which is "
        f"{low:.0f} to {high:.0f} points more".replace("%", " %"),
    ]
