from __future__ import annotations

from quoted import results

FACTS: dict[str, str] = {}

PAPER = 12_561_891  # parameters
LARGE, MIDDLE, SMALL, TOGETHER = "7×7 alone", "5×5 alone", "3×3 alone", "three columns"


def quotes() -> list[str]:
    study = results("columns")
    rows = {row["method"]: row for row in study["rows"]}
    (telea,) = (row for row in study["baselines"] if row["method"] == "telea")

    psnr = {name: row["psnr"]["mean"] for name, row in rows.items()}
    assert min(psnr.values()) > telea["psnr"] + 1.5
    assert max(psnr.values()) == psnr[MIDDLE]
    behind = psnr[MIDDLE] - psnr[SMALL]
    gain = {name: rows[name]["three_columns_gain_db"] for name in (LARGE, MIDDLE, SMALL)}
    assert gain[SMALL]["low"] > 0
    assert all(gain[name]["low"] < 0 < gain[name]["high"] for name in (LARGE, MIDDLE))
    five = gain[MIDDLE]
    assert abs(five["mean"]) < 0.01
    for size in ("parameters", "megaflop"):
        assert rows[SMALL][size] == max(row[size] for row in rows.values())
    assert min(scale for row in rows.values() for scale in row["quietest_column"]) > 0.5

    edge = {name: row["error_by_depth"][0] for name, row in rows.items()}
    deep = {name: row["error_by_depth"][-1] for name, row in rows.items()}
    assert (edge[SMALL]["from"], edge[SMALL]["to"]) == (1, 2)
    assert edge[SMALL]["high"] < min(edge[name]["low"] for name in rows if name != SMALL)
    assert edge[LARGE]["low"] > max(edge[name]["high"] for name in rows if name != LARGE)
    assert deep[SMALL]["low"] > max(deep[name]["high"] for name in rows if name != SMALL)
    less = {name: rows[name]["error_less_three_columns"] for name in (LARGE, MIDDLE, SMALL)}
    assert less[SMALL][0]["high"] < 0 < less[LARGE][0]["low"]  # the figure's bars
    assert all(place["low"] > 0 for place in less[SMALL][1:])
    assert all(place["low"] < 0 < place["high"] for place in less[MIDDLE])
    assert telea["depth 1"] < min(place["mean"] for place in edge.values())
    for name, near, far in ((SMALL, -0.9, 1.6), (LARGE, 0.5, 0.0)):  # the figure's description
        assert round(edge[name]["mean"] - edge[TOGETHER]["mean"], 1) == near
        assert round(deep[name]["mean"] - deep[TOGETHER]["mean"], 1) == far

    assert round(PAPER / rows[TOGETHER]["parameters"]) == 50
    return [
        f"All four are about two decibels ahead of Telea's method here, and within {behind:.1f} dB "
        "of each other",
        f"The 3×3 column is behind by those {behind:.1f} dB",
        f"Three columns minus 5×5 alone is {five['mean']:.2f} dB, with an interval "
        f"from {five['low']:.2f} to {five['high']:.2f}",
        "these data show no gain over a 5×5 column alone",
        "Here all columns of all runs ended alive",
        "At the edge of the hole the 3×3 column is the *best* of the four, "
        "and the 7×7 column the worst",
        "deep inside the 3×3 column is the worst, by about 1.6 grey levels. Its differences from "
        "three columns stay "
        "clear of zero in both places, as does that of 7×7 at the edge",
        "within two pixels of the edge none of the four is as good as Telea's method",
        "a fiftieth of the paper's parameters and was trained for "
        f"{study['environment']['steps']} steps",
        f"Three columns minus the best single column, 5×5, is {gain[MIDDLE]['mean']:.2f} dB "
        f"({gain[MIDDLE]['low']:.2f} to {gain[MIDDLE]['high']:.2f})".replace("-", "−"),
    ]
