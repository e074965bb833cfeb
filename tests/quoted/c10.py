from __future__ import annotations

from typing import Any

from quoted import interval, results

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
    most = max(curves, key=lambda curve: max(curve["mean"]))["mean"]
    assert most[0] == max(most)  # "at the first measurement"
    assert sum(curve["mean"][-1] < curve["mean"][0] for curve in curves) >= 8  # not only one or two

    joined = curves[0]["step"].index(settings["warm_up"])
    assert all(curve["mean"][-1] < curve["mean"][joined] for curve in curves)
    added = {
        (name, period): interval([run[-1] - run[joined] for run in arm["curves"][period]["runs"]])
        for name, arm in found.items()
        for period in PERIODS
    }
    assert all(high < 0.55 for (_, period), (_, _, high) in added.items() if period == PERIODS[1])
    at_2 = {name: added[name, PERIODS[0]][2] for name in found}
    assert [name for name, high in at_2.items() if high > 1] == ["a2", "a2-report"]
    steps = sorted(-middle for middle, _, _ in added.values())
    others = [high for (name, _), (_, _, high) in added.items() if not name.startswith("a2")]
    assert max(others) < 1  # "all others end below 1 dB"
    whole = {
        period: {
            name: interval([run[-1] - run[0] for run in arm["curves"][period]["runs"]])
            for name, arm in found.items()
        }
        for period in PERIODS
    }
    grown = whole[PERIODS[0]]
    assert [name for name, (middle, _, _) in grown.items() if middle > 0] == ["a2-report"]
    ends = sorted((high, name) for name, (_, _, high) in grown.items())
    assert ends[0][1] == "base"
    rise = f"{ends[1][0]:.1f} to {ends[-1][0]:.1f} dB"
    slow = [(abs(middle), high) for middle, _, high in whole[PERIODS[1]].values()]

    published = [minus(found["a2"], found["se"], period) for period in PERIODS]
    moments = [moment for period in published for moment in period]
    assert len(moments) == 16 and all(low < 0 < high for _, low, high in moments)
    assert max(high for _, _, high in published[1]) < 2
    own = minus(found["a2-report"], found["se-report"], "checkerboard 4")
    assert len(own) == 8 and all(middle > 0 for middle, _, _ in own)
    assert sum(low > 0 for _, low, _ in own) == 3
    above, low, _ = minus(found["a2-report"], found["base"], "checkerboard 4")[-1]
    assert low > 0
    psnr = found["a2"]["final"]["psnr"]
    middles = [middle for middle, _, _ in own]
    return [
        f"--seeds {settings['seeds']} --steps {settings['steps']} \\ "
        f"--width {settings['width']} --precision {settings['precision']}",
        f"The highest mean of any network at any moment is {max(most):.1f} dB",
        f"No mean rises while the critics are on (-{steps[0]:.1f} to -{steps[-1]:.1f} dB at both",
        f"`a2` and `a2-report` reach {at_2['a2']:.1f} and {at_2['a2-report']:.1f} dB",
        f"intervals reach up to {max(max(curve['high']) for curve in curves):.1f} dB",
        "All sixteen intervals contain zero",
        f"at all eight moments, from {min(middles):.1f} to {max(middles):.1f} dB, and three of "
        "the eight intervals exclude zero",
        f"`a2-report` is also {above:.1f} dB above `base`",
        f"rises by {grown['a2-report'][0]:.1f} dB in `a2-report`. That",
        f"A rise of {ends[0][0]:.1f} dB is not excluded for `base`, and one of {rise}",
        f"all means change by {max(change for change, _ in slow):.1f} dB or less, and the upper "
        f"ends are {min(high for _, high in slow):.1f} to {max(high for _, high in slow):.1f} dB",
        f"In {settings['steps']} steps a rise is not shown for any of the five; for four of them "
        f"one of {rise} at period 2",
        f"a rise of {rise} is not excluded for four of them. While the critics are on, no mean "
        f"rises; {max(at_2.values()):.1f} dB is not excluded",
        f"`a2` in our table reaches {(psnr['high'] - psnr['low']) / 2:.1f} dB to either side",
        f"a hint of up to {max(middles):.0f} dB at period 4",
    ]


def quotes() -> list[str]:
    return upsampling() + attention()
