from __future__ import annotations

import re
from typing import Any

from quoted import interval, printed, results

FACTS: dict[str, str] = {
    "1.28": "256 / 200, the resizing in the exercise",
    "0.64": "half of 1.28, in cycles per new pixel",
    "0.36": "1 - 0.64, the frequency that 0.64 is folded to",
}

PERIODS = ("checkerboard 2", "checkerboard 4")


def arms(study: str) -> dict[str, Any]:
    return {arm["arm"]: arm for arm in results(f"study-{study}")["arms"]}


def minus(one: Any, other: Any, measure: str) -> list[tuple[float, float, float]]:
    """Interval of the difference of two arms, seed by seed, at every moment."""
    runs = (arm["curves"][measure]["runs"] for arm in (one, other))
    seeds = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(*runs, strict=True)]
    return [interval(list(moment)) for moment in zip(*seeds, strict=True)]


def upsampling() -> list[str]:
    study, found = results("study-upsampling"), arms("upsampling")
    settings = study["settings"]
    assert settings["seeds"] == 3 and settings["warm_up"] == settings["steps"]
    at_2, at_4 = ({name: arm["final"][p]["mean"] for name, arm in found.items()} for p in PERIODS)
    four, three = at_2["transposed-4"], at_2["transposed-3"]
    assert max(at_2, key=at_2.get) == max(at_4, key=at_4.get) == "transposed-3"
    assert round(at_4["transposed-4"]) == round(at_4["transposed-3"]) == 8
    calm = [at[name] for at in (at_2, at_4) for name in ("bilinear", "released")]
    assert max(map(abs, calm)) < 1.05
    assert max(abs(at_4[name]) for name in ("nearest", "subpixel")) < 0.5
    assert found["nearest"]["final"]["checkerboard 2"]["low"] < 0
    assert found["subpixel"]["final"]["checkerboard 2"]["low"] > 0

    for measure in (*PERIODS, "psnr"):  # kernel 3 and kernel 4
        _, low, high = minus(found["transposed-3"], found["transposed-4"], measure)[-1]
        assert low < 0 < high
    released = found["released"]["final"]["checkerboard 2"]
    loss, low, high = minus(found["transposed-3"], found["released"], "psnr")[-1]
    assert low < 0 < high
    return [
        f"labkit study upsampling --seeds {settings['seeds']} --steps {settings['steps']}"
        f" --width {settings['width']} --precision {settings['precision']}",
        f"averaged over {settings['pictures']} pictures",
        f"After {settings['steps']} steps they still score {four:.1f} and {three:.1f} dB at "
        "period 2 and about 8 dB at period 4",
        f"at {at_2['nearest']:.0f} and {at_2['subpixel']:.0f} dB (the interval of nearest "
        "includes zero), and near zero at period 4",
        f"{-loss:.1f} dB below the released one, with an interval from {low:.1f} to {high:.1f}.",
        f"its interval, {released['low']:.1f} to {released['high']:.1f} dB, would allow",
        f"the latter with an interval up to {released['high']:.1f} dB at period 2",
        f"nearest and sub-pixel score {at_2['nearest']:.0f} and {at_2['subpixel']:.0f} dB",
        f"about {(four + three) / 2:.0f} dB are left at period 2",
        f"which ended at {four:.1f} and {three:.1f} dB",
    ]


def attention() -> list[str]:
    study, found = results("study-attention"), arms("attention")
    settings = study["settings"]
    with_critics = settings["steps"] - settings["warm_up"]
    assert 4 * with_critics == settings["steps"]  # "the last quarter"
    curves = [arm["curves"][period] for arm in found.values() for period in PERIODS]
    most = max(max(curve["mean"]) for curve in curves)
    joined = curves[0]["step"].index(settings["warm_up"])
    grown = {
        (first, period, name): interval(
            [run[-1] - run[first] for run in arm["curves"][period]["runs"]]
        )
        for first in (0, joined)
        for period in PERIODS
        for name, arm in found.items()
    }
    assert all(low < 0.05 for _, low, _ in grown.values())  # "not shown for any network"
    at_2 = [grown[0, PERIODS[0], name] for name in found]
    assert max(high for _, _, high in at_2) == max(high for _, _, high in grown.values())
    wide = sorted((high - low) / 2 for _, low, high in at_2)[1:]
    rise = f"{max(high for _, _, high in at_2):.1f} dB"

    published = [minus(found["a2"], found["se"], period) for period in PERIODS]
    moments = [moment for period in published for moment in period]
    assert len(moments) == 16 and all(low < 0 < high for _, low, high in moments)
    assert max(high for _, _, high in published[1]) < 2
    own = minus(found["a2-report"], found["se-report"], "checkerboard 4")
    assert len(own) == 8 and all(middle > 0 for middle, _, _ in own)
    assert sum(low > 0 for _, low, _ in own) == 3
    psnr = found["a2"]["final"]["psnr"]
    middles = [middle for middle, _, _ in own]
    return [
        f"--seeds {settings['seeds']} --steps {settings['steps']} \\ "
        f"--width {settings['width']} --precision {settings['precision']}",
        f"The highest mean of any network at any moment is {most:.1f} dB",
        f"intervals reach up to {max(max(curve['high']) for curve in curves):.1f} dB",
        "All sixteen intervals contain zero",
        "at all eight moments, and three of the eight intervals exclude zero",
        f"of four networks reach about {wide[0]:.0f} to {wide[-1]:.0f} dB to either side",
        f"is not shown for any network; from the first to the last, one of up to {rise}",
        f"in {settings['steps']} steps a rise of the pattern",
        f"one of up to {rise} at period 2 is not excluded",
        f"`a2` in our table reaches {(psnr['high'] - psnr['low']) / 2:.1f} dB to either side",
        f"a hint of up to {max(middles):.0f} dB at period 4",
    ]


def fresh() -> list[str]:
    """Untrained generators, which no file records: what the cell prints."""
    row = r"transposed-\d 2 px ([\d.]+) \([^)]*\) 4 px ([\d.]+) "
    rows = re.findall(row, printed("10"))
    assert len(rows) == 2
    at_2, at_4 = ([round(float(value)) for value in column] for column in zip(*rows, strict=True))
    return [
        f"and they stand out by {min(at_4)} to {max(at_4)} dB",
        f"Fresh generators: {min(at_2 + at_4)} to {max(at_2 + at_4)} dB with transposed",
    ]


def quotes() -> list[str]:
    return fresh() + upsampling() + attention()
