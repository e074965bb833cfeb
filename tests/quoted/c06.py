"""Chapter 6: the study of confidence weights, and the benchmark of the two passes."""

from __future__ import annotations

from itertools import pairwise

from quoted import notebook, results, spread_of_seeds

FACTS: dict[str, str] = {
    "4.30": "the 97.5 % point of Student's distribution with two degrees of freedom",
    "2.5": "4.30 divided by the root of 3",
    "5.6": "1.4 divided by a quarter",
}
RINGS = (1, 2, 4, 8, 16)


def quotes() -> list[str]:
    record = results("study-confidence")
    settings, arms = record["settings"], {arm["arm"]: arm for arm in record["arms"]}
    assert record["reference"] == "gaussian"
    assert list(arms) == ["gaussian", "laplacian", "released", "none"]
    steps, seen = settings["steps"], settings["steps"] * settings["batch"]
    assert settings["warm_up"] == steps  # without critics
    assert (settings["size"], settings["seeds"], settings["width"]) == (64, 3, 6)
    command = record["environment"]["command"].split(" --output")[0]
    (cell,) = (c.source for c in notebook("06").cells if "labkit study confidence" in c.source)
    assert command in " ".join(cell.replace("\\\n", " ").split())

    runs = {name: arm["final"]["psnr"]["runs"] for name, arm in arms.items()}
    gaps = {name: arm["differences"]["psnr"] for name, arm in arms.items() if name != "gaussian"}
    assert all(gap["low"] < 0 < gap["high"] for gap in gaps.values())
    alike = (gaps["laplacian"], gaps["released"])
    assert all(round(abs(gap["mean"]), 2) <= 0.01 for gap in alike)
    reach = max(abs(gap[end]) for gap in alike for end in ("low", "high"))
    assert round(reach, 1) == 0.4
    none = gaps["none"]
    outlier = min(runs["none"])
    assert arms["none"]["curves"]["psnr"]["runs"][1][-2] > outlier == runs["none"][1]  # it fell
    others = [abs(a - b) for a, b in zip(runs["none"], runs["gaussian"], strict=True)]
    assert max(others[0], others[2]) < 0.08 < others[1]
    late = [run[3:] for arm in arms.values() for run in arm["curves"]["psnr"]["runs"]]
    moves = [abs(b - a) for run in late for a, b in pairwise(run)]
    swing = sum(moves) / len(moves)
    assert swing > max(abs(gap["mean"]) for gap in gaps.values())
    ends = {name: arm["curves"]["psnr"]["mean"][-2:] for name, arm in arms.items()}
    assert [name for name, (one, last) in ends.items() if last <= one] == ["none"]

    error = {ring: arms["gaussian"]["final"][f"error at {ring}"]["mean"] for ring in RINGS}
    assert list(error.values()) == sorted(error.values())
    ring_gaps = {
        (name, ring): arms[name]["differences"][f"error at {ring}"]
        for name in gaps
        for ring in RINGS
    }
    assert len(ring_gaps) == 15
    assert all(gap["low"] < 0 < gap["high"] for gap in ring_gaps.values())
    edge, inside = ring_gaps["none", 1], ring_gaps["none", 8]

    timed = results("benchmark-confidence")["rows"]
    ratios = [row["ratio"] for row in timed]
    assert ratios == sorted(ratios) and ratios[-1] < 65 / 2

    table = results("table")["tables"]["128"]
    photographs = {
        d["method"]: -d["psnr"]["mean"] for d in table["differences"] if d["minus"] == "GMCNN"
    }
    psnr = {row["method"]: list(row.get("seeds", {}).values()) for row in table["rows"]}
    twice = [psnr[name] for name in ("GMCNN", "GMCNN + SE", "GMCNN + A²")]
    _, chance = spread_of_seeds(twice)
    laplacian, released = (photographs[f"GMCNN, {k} kernel"] for k in ("Laplacian", "released"))
    assert max(laplacian, released) < chance  # "two trainings … may differ by more"

    started = {arm["arm"]: arm for arm in results("study-confidence-prior")["arms"]}
    again = [arm["differences"]["psnr"] for name, arm in started.items() if name != "gaussian"]
    assert all(gap["low"] < 0 < gap["high"] for gap in again)
    bare = started["none"]["differences"]["psnr"]

    brackets = [f"[{gap['low']:.2f}, +{gap['high']:.2f}]" for gap in alike]
    return [
        f"without weights the mean is {bare['mean']:.2f} dB higher, and anything from "
        f"{-bare['low']:.2f} dB lower to {bare['high']:.2f} dB higher",
        f"the Laplacian is {laplacian:.2f} dB and the released kernel {released:.2f} dB behind",
        "All three intervals of the differences contain zero",
        "the mean difference is a hundredth of a decibel or less",
        f"For `none` it is {none['mean']:.2f} dB",
        f"which fell to {outlier:.2f} dB at the last measurement",
        "in the other two seeds `none` and `gaussian` are within 0.08 dB",
        f"in its second half by {swing:.2f} dB on average",
        f"from {error[1]:.1f} grey levels beside the known pixels to {error[16]:.1f} in the centre",
        "All fifteen intervals on the right contain zero",
        f"`none` is behind by {edge['mean']:.2f} grey levels",
        f"the interval goes from {edge['low']:.2f} to +{edge['high']:.2f}",
        f"it is behind by {inside['mean']:.2f}",
        f"(their intervals are {brackets[0]} and {brackets[1]})",
        f"differences from {none['low']:.2f} to +{none['high']:.2f} dB remain possible",
        f"moves the Gaussian's PSNR by {max(runs['gaussian']) - min(runs['gaussian']):.2f} dB",
        f"have {arms['gaussian']['parameters']:,} parameters, and saw {seen:,} faces",
        f"Its {record['minutes']:.0f} minutes of training",
        f"three seeds of {steps} steps cannot tell",
        f"the Laplacian and the box are within {reach:.1f} dB",
        f"no weights at all between {none['low']:.1f} and +{none['high']:.1f} dB",
    ]
