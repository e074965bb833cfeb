from __future__ import annotations

from quoted import printed, results

FACTS: dict[str, str] = {
    "25.70": "chaitanya2020report",  # which takes it from the paper
    "58.8": "per cent, the largest hole of the report's 200 masks, counted",
    "29.9": "per cent, their mean hole, counted",
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
