"""Chapter 9: the study of attention, and what the report says of its own."""

from __future__ import annotations

from statistics import stdev

from quoted import results

FACTS: dict[str, str] = {
    "25.70": "wang2018gmcnn",
    "27.3": "chaitanya2020report",
    "27.78": "chaitanya2020report",
    "6.02": "20 log10 of 2, as chapter 3 shows",
    "0.48": "27.78 less 27.3",
    "16.8": "4,096 squared, in millions",
}
RINGS = (1, 2, 4, 8, 16)


def quotes() -> list[str]:
    study = results("study-attention")
    settings, arms = study["settings"], {arm["arm"]: arm for arm in study["arms"]}
    assert list(arms) == ["base", "se", "a2", "se-report", "a2-report"]
    assert study["reference"] == "base"
    assert (settings["size"], settings["width"], settings["seeds"]) == (64, 6, 3)
    gaps = {name: arm["differences"]["psnr"] for name, arm in arms.items() if name != "base"}
    assert all(gap["low"] < 0 < gap["high"] for gap in gaps.values())
    # "We cannot tell" of three, and that a gain of half a decibel remains possible; not of one.
    assert [name for name, gap in gaps.items() if gap["high"] < 0.5] == ["se-report"]
    assert gaps["se-report"]["high"] < 0.1
    assert gaps["se"]["low"] < -0.5

    runs = {name: arm["final"]["psnr"]["runs"] for name, arm in arms.items()}
    assert all(min(runs[name]) == runs[name][0] for name in ("a2", "a2-report"))
    spread = {name: stdev(values) for name, values in runs.items()}
    assert max(runs["a2"]) - min(runs["a2"]) > 0.5 and spread["a2"] > 0.3
    rings = {
        (name, ring): arms[name]["differences"][f"error at {ring}"]
        for name in gaps
        for ring in RINGS
    }
    assert len(rings) == 20
    starred = [key for key, gap in rings.items() if not gap["low"] <= 0 <= gap["high"]]
    assert starred == [("se-report", 1)]
    errors = [arms["base"]["final"][f"error at {ring}"]["mean"] for ring in RINGS]
    assert min(errors) == errors[0]

    items = {name: (gap["mean"], gap["low"], gap["high"]) for name, gap in gaps.items()}
    item = "*{}*: {:.2f} dB, between {:.2f} and +{:.2f}"
    means = {name: f"{gap['mean']:.2f}" for name, gap in gaps.items()}
    return [
        f"{settings['steps']} steps, rendered faces",
        f"has had {settings['steps']} steps",
        f"draw a face in {settings['steps']} steps",
        *(item.format(name, *values) for name, values in items.items()),
        "scores {:.2f}, {:.2f} and {:.2f} dB".format(*sorted(runs["a2"])),
        f"by {-rings['se-report', 1]['mean']:.1f} grey levels of {errors[0]:.0f}",
        "Of twenty intervals at 95 % one misses zero by chance",
        "The lower table has one star",
        f"beyond chance: {means['se']} dB for se, {means['a2']} for a2, "
        f"{means['se-report']} for se-report, {means['a2-report']} for a2-report",
        "all intervals with zero inside",
        "remains possible for three of the four",
    ]
