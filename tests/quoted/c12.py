from __future__ import annotations

import json
from statistics import mean, stdev
from typing import Any

from labkit.nn.weights import read_metadata
from quoted import interval, results, spread_of_seeds

FACTS: dict[str, str] = {
    "1.45": "27.72 - 26.27, two of the averages stored in the report's notebook",
    "22.26": "28.28 - 6.02, the base's raw score on the true scale",
    "3.3": "25.58 - 22.26",
    "6.02": "20 log10 2, what data_range=2 adds to data_range=1",
}

PAPER, SE, A2 = 25.70, 27.78, 27.3  # the three rows of the report's table
STORED = (27.22, 27.47, 27.60, 27.72, 26.27, 27.42, 26.87, 27.79, 29.67)  # in its notebook
PLAIN = "gmcnn celeba-plain"  # the reproduction
TWICE = ["GMCNN", "GMCNN + SE", "GMCNN + A²"]


def rows(size: int) -> dict[str, Any]:
    return {row["method"]: row for row in results(f"table1-{size}")["rows"]}


def the_pairs() -> list[str]:
    found = rows(256)
    names = ("telea", "ns", "biharmonic", PLAIN)
    psnr = {name: found[name]["psnr"]["mean"] for name in names}
    telea, _, biharmonic, _ = psnr.values()
    assert {row["pairs"] for row in found.values()} == {200}
    bins = {name: [entry["psnr"] for entry in found[name]["by_hole_ratio"]] for name in names}
    behind = [a - b for a, b in zip(bins[PLAIN], bins["biharmonic"], strict=True)]
    pairs = [entry["pairs"] for entry in found["telea"]["by_hole_ratio"]]
    large_holes = sum(n * gain for n, gain in zip(pairs[4:], behind[4:], strict=True))
    assert 0.15 < large_holes / sum(pairs[4:]) < 0.25  # "a fifth of a decibel"
    both = {name: found[f"{name}, as reported"]["psnr"]["mean"] for name in names}
    range_of_2 = 6.02
    lost = {name: psnr[name] + range_of_2 - both[name] for name in names}
    assert max(lost[name] for name in names if name != PLAIN) < 0  # "and lose nothing"
    paired = {d["minus"]: d for d in results("table1-256")["differences"]
              if d["method"] == PLAIN}  # fmt: skip
    assert 0 < paired["telea"]["ssim"]["low"] < paired["telea"]["ssim"]["high"] < 0.005
    for measure in ("l1", "lpips"):
        assert paired["telea"][measure]["low"] < 0 < paired["telea"][measure]["high"]
    assert max(paired["biharmonic"][m]["high"] for m in ("psnr", "ssim", "lpips")) < 0
    assert 0 < paired["biharmonic"]["l1"]["low"] < 0.01  # "just barely"
    low, high = (paired["telea"]["psnr"][end] for end in ("low", "high"))
    last, *others = sorted(telea - value + range_of_2 for value in STORED)
    assert last < lost[PLAIN] < others[0]
    tried = {run["run"]: run for run in results("tried")["photographs"]}
    chain = [tried[name] for name in ("celeba-first", "wide-128", "celeba")]
    assert 3.9 < sum(run["minutes"] for run in chain) / 60 < 4.2  # "four hours"
    return [
        f"still stands {round(biharmonic, 2) - PAPER:.2f} dB above the paper's network",
        f"lies {last:.1f} dB below Telea's {telea:.2f} dB. For the other eight, {others[0]:.1f} to "
        f"{others[-1]:.1f} dB below",
        f"Telea has {telea + range_of_2:.2f} dB on these pairs",
        f"by {min(both.values()) - PAPER:.1f} dB or more",
        f"loses {lost[PLAIN]:.1f} dB by being scored raw",
        f"by {low:.2f} to {high:.2f} dB, and a slightly higher SSIM",
        f"A raw score cost `celeba-plain` {lost[PLAIN]:.1f} dB",
        f"is {-behind[2]:.2f} dB behind the biharmonic fill on",
    ]


def head_start() -> list[str]:
    config = json.loads(read_metadata("celeba")["config"])
    warm = results("training-128")["runs"][0]["config"]["generator"]
    assert config["prior"] == "biharmonic" and config["width"] == warm["width"] == 16
    run = json.loads(read_metadata("celeba-sharp")["run"])
    return [f"the change that {run['steps']} steps with critics and ID-MRF had made"]


def the_seeds() -> list[str]:
    study = results("study-attention")
    settings, arms = study["settings"], {arm["arm"]: arm for arm in study["arms"]}
    runs = {name: arm["final"]["psnr"]["runs"] for name, arm in arms.items()}

    def apart(one: str, other: str) -> list[float]:
        return [a - b for a, b in zip(runs[one], runs[other], strict=True)]

    published = apart("se", "a2")
    assert 0.4 < published[0] < 0.6 and max(published[1:]) < 0
    against = {name: apart(name, "base") for name in runs if name != "base"}
    spans = {name: interval(values) for name, values in against.items()}
    assert all(low < 0 < high for _, low, high in spans.values())
    assert sum(low < -0.5 and high > 0.5 for _, low, high in spans.values()) == 3
    assert all(high < A2 - PAPER for _, _, high in spans.values())
    spread = {name: stdev(values) for name, values in against.items()}
    assert min(spread, key=spread.__getitem__) == "se-report"
    pooled = mean(value**2 for value in spread.values()) ** 0.5
    single = mean(stdev(values) ** 2 for values in runs.values()) ** 0.5
    assert round(pooled, 2) == round(SE - A2, 2)  # "By accident"
    differences = [
        entry
        for name, arm in arms.items()
        if name != "base"
        for entry in arm["differences"].values()
    ]
    assert sum(entry["low"] > 0 or entry["high"] < 0 for entry in differences) == 5
    assert min(arms["a2-report"]["differences"]["checkerboard 4"]["runs"]) > 0
    assert max(arms["se-report"]["differences"]["error at 1"]["runs"]) < 0
    return [
        f"faces of {settings['size']} pixels with square holes of 32, generators of width "
        f"{settings['width']}, {settings['steps']} steps",
        f"scored on {settings['pictures']} pictures of its own",
        f"put A² ahead, by {-published[1]:.2f} and {-published[2]:.2f} dB",
        rf"Pooled, $\sigma_\Delta$ is {pooled:.2f} dB",
        rf"a standard deviation $\sigma$ of {single:.2f} dB. How much does this add",
        f"has {len(arms['se']['differences'])} measures and four arms beside the base, hence "
        f"{len(differences)} intervals",
        f"Five, where chance alone would give {0.05 * len(differences):.1f}",
    ]


def the_rows() -> list[str]:
    found = results("table")
    seeds: dict[str, list[int]] = {}
    for run in found["runs"]:
        seeds.setdefault(run["row"], []).append(run["seed"])
    assert [name for name, of_row in seeds.items() if of_row == [0, 1]] == TWICE
    assert len(seeds) == 8 and all(seeds[name] == [0] for name in seeds if name not in TWICE)
    for (_, before), (_, last) in (list(run["validation"].items())[-2:] for run in found["runs"]):
        assert last > before  # "were still rising"
    small = {row["method"]: row for row in found["tables"]["128"]["rows"]}
    apart = {(d["method"], d["minus"]): d for d in found["tables"]["128"]["differences"]}
    cost = apart["GMCNN, all losses", "GMCNN"]
    assert cost["lpips"]["high"] < 0 < cost["l1"]["low"]
    assert max(cost["psnr"]["high"], cost["ssim"]["high"]) < 0

    rivals = [name for name in seeds if name != "GMCNN"]
    less = {name: apart[name, "GMCNN"]["psnr"] for name in rivals}
    raw = {name: apart[f"{name}, as reported", "GMCNN, as reported"]["psnr"] for name in rivals}
    shortcut, product = "GMCNN + the report's SE", "GMCNN + the report's A²"
    assert raw[product] == max(raw.values(), key=lambda difference: difference["mean"])
    assert less[product] == min(less.values(), key=lambda difference: difference["mean"])
    assert less[shortcut]["low"] < 0 < less[shortcut]["high"]
    means = [[small[name + way]["seeds"].values() for name in TWICE]
             for way in ("", ", as reported")]  # fmt: skip
    _, chance = zip(*map(spread_of_seeds, means), strict=True)
    assert max(entry["mean"] for entry in less.values()) < chance[0]
    assert min(raw[name]["mean"] for name in (shortcut, product)) > 4 * chance[1]
    within = [list(apart[name, "GMCNN"]["seeds"].values()) for name in TWICE[1:]]
    assert all(max(values) < 0 for values in within)
    steps = sorted(-value for values in within for value in values)
    ends = [interval(values)[2] for values in within]
    assert min(ends) > 0 and max(ends) < 0.2
    large = {(d["method"], d["minus"]): d for d in found["tables"]["256"]["differences"]}
    spans = [interval(list(large[name, "GMCNN"]["seeds"].values())) for name in TWICE[1:]]
    assert all(low < -0.5 and high > 0.5 for _, low, high in spans)
    wide = {row["method"]: row["psnr"]["mean"] for row in found["tables"]["256"]["rows"]}
    base = wide["GMCNN, as reported"]
    assert abs(base - SE) < 0.1  # "level with the report's best row"
    order = raw[product]["mean"] - raw[shortcut]["mean"]
    unlearned = {name: row["psnr"]["mean"] for name, row in small.items()}
    assert max(unlearned[name] for name in seeds) < unlearned["biharmonic"]
    return [
        f"at its 256 pixels, our base has {base:.2f} dB, level with the report's best row",
        f"our base has {base:.2f} dB without attention, and the report's best row {SE}",
        f"the report's SE is {SE - A2:.2f} dB above its A², ours {order:.2f} dB below",
        f"±{chance[0]:.2f} dB, within which the difference between the composited scores of two "
        "equal networks",
        f"report's SE is {raw[shortcut]['mean']:.2f} dB ahead of the base, "
        f"{raw[shortcut]['low']:.2f} to {raw[shortcut]['high']:.2f}",
        f"the difference is {less[shortcut]['mean']:+.2f} dB, and its interval covers zero",
        f"At 128 pixels it has {unlearned['GMCNN']:.2f} dB. Navier–Stokes, which learns nothing, "
        f"has {unlearned['ns']:.2f} dB and the biharmonic fill {unlearned['biharmonic']:.2f}",
        f"None of these rows reaches the biharmonic fill ({unlearned['biharmonic']:.2f}",
        f"it is {raw[product]['mean']:.2f} dB ahead of the base, and composited "
        f"{-less[product]['mean']:.2f} dB behind it ({-less[product]['high']:.2f} to "
        f"{-less[product]['low']:.2f})",
        f"two blocks, trained once each, gain {raw[shortcut]['mean']:.1f} and "
        f"{raw[product]['mean']:.1f} dB there",
        f"two blocks gain {raw[shortcut]['mean']:.2f} and {raw[product]['mean']:.2f} dB in its raw",
        f"gained {raw[shortcut]['mean']:.2f} and {raw[product]['mean']:.2f} dB in its raw score",
        f"The {-less[product]['mean']:.2f} dB by which its A² is behind",
        f"in both seeds, by {steps[0]:.2f} to {steps[-1]:.2f} dB",
        f"end at +{ends[0]:.2f} dB for SE and at +{ends[1]:.2f} dB for A²",
        f"PSNR is {-cost['psnr']['mean']:.2f} dB lower and LPIPS {-cost['lpips']['mean']:.3f} "
        "better",
    ]


def quotes() -> list[str]:
    return the_pairs() + head_start() + the_seeds() + the_rows()
