from __future__ import annotations

from quoted import printed, results

FACTS: dict[str, str] = {
    "25.70": "chaitanya2020report",  # which takes it from the paper
    "58.8": "per cent, the largest hole of the report's 200 masks, counted",
    "29.9": "per cent, their mean hole, counted",
    "48.13": "20 times the logarithm of 255",
    "52.94": "10 times the logarithm of 256 · 256 · 3",
    "101.07": "the sum of these two",
    "12.04": "10 times the logarithm of 16",
    "17.96": "30 less 12.04",
    "18.06": "10 times the logarithm of 64",
    "36.02": "17.96 and 18.06",
    "0.48": "27.78 less 27.30",
}


def quotes() -> list[str]:
    table = results("table1-256")["rows"]
    assert {row["pairs"] for row in table} == {200}
    rows = {row["method"]: row["psnr"]["mean"] for row in table}
    telea = f"{rows['telea']:.2f}"
    assert rows["telea"] > 23.65 and "29.67 23.65 the last" in printed("03")
    return [
        f"scores {telea} dB on the report's pairs, more than any of the nine averages",
        f'"below Telea\'s {telea}"',
    ]
