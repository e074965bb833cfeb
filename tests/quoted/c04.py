from __future__ import annotations

from quoted import results

FACTS: dict[str, str] = {}

PAPER = 12_561_891  # parameters


def quotes() -> list[str]:
    study = results("columns")
    rows = {row["method"]: row for row in study["rows"]}
    telea = next(row for row in study["baselines"] if row["method"] == "telea")
    psnr = {name: row["psnr"]["mean"] for name, row in rows.items()}
    edge, deep = (
        {name: row["error_by_depth"][place] for name, row in rows.items()} for place in (0, -1)
    )
    assert min(psnr.values()) > telea["psnr"] + 1.5
    behind = max(psnr.values()) - psnr["3×3 alone"]
    for size in ("parameters", "megaflop"):
        assert max(rows, key=lambda name: rows[name][size]) == "3×3 alone"
    gains = {name: row["three_columns_gain_db"] for name, row in rows.items() if "alone" in name}
    assert gains["3×3 alone"]["low"] > 0
    assert all(gains[f"{k}×{k} alone"]["low"] < 0 < gains[f"{k}×{k} alone"]["high"] for k in (5, 7))
    assert abs(gains["5×5 alone"]["mean"]) < 0.01 and max(psnr, key=lambda n: psnr[n]) == (
        "5×5 alone"
    )

    small, large = "3×3 alone", "7×7 alone"
    others = [name for name in rows if name != small]
    assert edge[small]["high"] < min(edge[name]["low"] for name in others)
    assert edge[large]["low"] > max(edge[name]["high"] for name in rows if name != large)
    assert deep[small]["low"] > max(deep[name]["high"] for name in others)
    assert edge[small]["from"] == 1 and edge[small]["to"] == 2
    assert telea["depth 1"] < min(place["mean"] for place in edge.values())
    assert min(min(row["quietest_column"]) for row in rows.values()) > 0.5

    small_model = rows["three columns"]["parameters"]
    steps = study["environment"]["steps"]
    assert round(PAPER / small_model) == 50
    return [
        f"All four are far ahead of Telea's method here, and within {behind:.1f} dB of each other",
        f"The 3×3 column is behind by those {behind:.1f} dB",
        "three columns are no better than a 5×5 column alone",
        "Here all columns of all runs ended alive",
        "At the edge of the hole the 3×3 column is the *best* of the four, "
        "and the 7×7 column the worst",
        "deep inside the 3×3 column is the worst by far. In both places the intervals are apart",
        "within two pixels of the edge none of the four is as good as Telea's method",
        f"a fiftieth of the paper's parameters and was trained for {steps} steps",
        "Three columns come within a hundredth of a decibel of the best single column, 5×5",
    ]
