from __future__ import annotations

import json
from statistics import mean, stdev
from typing import Any

from labkit.nn.weights import load_generator, read_metadata
from quoted import interval, results, spread_of_seeds

FACTS: dict[str, str] = {
    "1.45": "27.72 - 26.27, two of the averages stored in the report's notebook",
    "6.02": "20 log10 2, what data_range=2 adds to data_range=1",
    "6.0": "the same, with one decimal",
}

PAPER, SE, A2 = 25.70, 27.78, 27.3  # the three rows of the report's table
STORED = (20.25, 23.65)  # lowest and highest average in its notebook, on the true scale
PLAIN, HEAD_START = "gmcnn celeba-plain", "gmcnn celeba"  # the reproduction; with a prior


def rows(size: int) -> dict[str, Any]:
    return {row["method"]: row for row in results(f"table1-{size}")["rows"]}


def the_table() -> list[str]:
    found, small = rows(256), rows(128)
    names = ("telea", "ns", "biharmonic", PLAIN)
    psnr = {name: found[name]["psnr"]["mean"] for name in names}
    telea, ns, biharmonic, ours = psnr.values()
    assert {row["pairs"] for row in found.values()} == {200}
    lead = round(biharmonic, 2) - PAPER

    bins = {name: [entry["psnr"] for entry in found[name]["by_hole_ratio"]] for name in names}
    pairs = [entry["pairs"] for entry in found["telea"]["by_hole_ratio"]]
    assert 5.5 < 200 / pairs[0] < 6.5  # "a sixth of them"
    assert all(abs(values[0] - 35) < 1.4 for values in bins.values())
    assert all(round(values[0] - values[-1]) in (16, 17, 18) for values in bins.values())
    gains = {
        name: [a - b for a, b in zip(bins[name], bins["telea"], strict=True)] for name in names
    }
    assert max(map(abs, gains["ns"])) < 0.1
    assert min(gains["biharmonic"][:5]) > 0.99
    smallest, *others = gains[PLAIN]
    behind = [a - b for a, b in zip(bins[PLAIN], bins["biharmonic"], strict=True)]
    assert 0 < smallest < min(others) and all(-0.1 < gain < 0 for gain in behind[3:5])
    ahead = [a > b for a, b in zip(bins[PLAIN], bins["biharmonic"], strict=True)]
    assert ahead == 5 * [False] + [True]
    at_128 = {name: small[name]["psnr"]["mean"] - small["telea"]["psnr"]["mean"] for name in names}
    assert 0 < at_128[PLAIN] < ours - telea
    assert at_128["biharmonic"] > biharmonic - telea

    intervals = [found[name]["psnr"] for name in names]
    assert all(0.8 < (i["high"] - i["low"]) / 2 < 1.0 for i in intervals)
    assert max(i["low"] for i in intervals) < min(i["high"] for i in intervals)

    middle = {name: values[2] for name, values in bins.items()}  # holes of 20 to 30 %
    assert all(middle[name] - psnr[name] > 0.5 for name in names)
    large_holes = sum(n * gain for n, gain in zip(pairs[4:], behind[4:], strict=True))
    assert 0.15 < large_holes / sum(pairs[4:]) < 0.25  # "a fifth of a decibel"
    both = {name: found[f"{name}, as reported"]["psnr"]["mean"] for name in names}
    gap = both["telea"] - both[PLAIN]
    assert ours > telea and gap > 1.5 and both[PLAIN] > SE
    for measure, first in (("ssim", "biharmonic"), ("l1", "biharmonic"), ("lpips", "telea")):
        order = sorted(names, key=lambda name: found[name][measure]["mean"])
        best = order[::-1] if measure == "ssim" else order
        assert best[:2] == [first, PLAIN]
    assert order[2] == "biharmonic" and biharmonic > ours > ns
    paired = {d["minus"]: d for d in results("table1-256")["differences"]
              if d["method"] == PLAIN}  # fmt: skip
    assert 0 < paired["telea"]["ssim"]["low"] < paired["telea"]["ssim"]["high"] < 0.005
    for measure in ("l1", "lpips"):
        assert paired["telea"][measure]["low"] < 0 < paired["telea"][measure]["high"]
    assert max(paired["biharmonic"][m]["high"] for m in ("psnr", "ssim", "lpips")) < 0
    assert 0 < paired["biharmonic"]["l1"]["low"] < 0.01  # "just barely"
    lead_low, lead_high = (paired["telea"]["psnr"][end] for end in ("low", "high"))
    lowest, highest = (telea - value for value in STORED)
    range_of_2 = 6.02
    warm = results("training-128")["runs"][0]["config"]
    tried = {run["run"]: run for run in results("tried")["photographs"]}
    chain = [tried[name] for name in ("celeba-first", "wide-128", "celeba")]
    assert [run["settings"].get("from_weights") for run in chain[1:]] == [
        "celeba-first",
        "wide-128",
    ]
    assert [run["settings"]["batch"] for run in chain] == [8, 4, 4]
    assert 3.9 < sum(run["minutes"] for run in chain) / 60 < 4.2  # "four hours"
    return [
        f"stands {lead:.2f} dB above the paper's network",
        f"Our own generator stands {ours - PAPER:.2f} dB above the paper's, after",
        f"lie {highest:.1f} to {lowest:.1f} dB below Telea's {telea:.2f} dB",
        f"its lead shrinks to {gains['biharmonic'][-1]:.1f} dB",
        f"The generator's lead of {ours - telea:.2f} dB over Telea",
        f"GMCNN of width {warm['generator']['width']}",
        f"at {warm['data']['size']} pixels on two CPU cores",
        f"{chain[0]['steps']:,} steps of eight crops",
        f"then {chain[1]['steps'] + chain[2]['steps']:,} of four crops that may be wider",
        f"by {smallest:.1f} dB in the smallest holes and by {min(others):.1f} to {max(others):.1f}",
        f"Telea has {telea + range_of_2:.2f} dB on these pairs",
        f"the network loses {ours + range_of_2 - both[PLAIN]:.1f} dB by being scored raw",
        f"has {both[PLAIN]:.2f} dB in the report's way, more than the {SE} of the",
        f"Telea's method has {both['telea']:.2f}.",
        f"between {lead_low:.2f} and {lead_high:.2f} dB. On these pairs our generator has",
        f"our generator's {ours:.2f} dB become {both[PLAIN]:.2f}, and Telea's {telea:.2f} "
        f"become {both['telea']:.2f}",
        f"is {middle['biharmonic'] - middle[PLAIN]:.2f} dB behind the biharmonic fill on",
        f"Telea {telea:.2f} dB, Navier–Stokes {ns:.2f}, our generator of width 16 {ours:.2f}, "
        f"biharmonic {biharmonic:.2f}",
    ]


def head_start_less(size: int, other: str) -> dict[str, tuple[float, float, float]]:
    """Mean, low and high of `celeba` less another row, in each measure."""
    for d in results(f"table1-{size}")["differences"]:
        pair = (d["method"], d["minus"])
        if set(pair) == {HEAD_START, other}:
            sign, low, high = (1, "low", "high") if pair[0] == HEAD_START else (-1, "high", "low")
            return {
                m: (sign * d[m]["mean"], sign * d[m][low], sign * d[m][high])
                for m in ("psnr", "ssim", "l1", "lpips")
            }
    raise KeyError(other)


def head_start() -> list[str]:
    found = rows(256)
    run, config = (json.loads(read_metadata("celeba")[key]) for key in ("run", "config"))
    warm = results("training-128")["runs"][0]["config"]["generator"]
    assert config["prior"] == "biharmonic" and config["width"] == warm["width"]
    parameters = sum(p.numel() for p in load_generator("celeba").parameters())
    crops = run["data"]["augmentation"]
    assert (crops["smallest_crop"], crops["largest_crop"], run["batch"]) == (0.5, 1.4, 8)
    assert run["objective"]["reconstruction"]["form"] == "psnr"
    classical = ("telea", "ns", "biharmonic")
    less = {size: {m: head_start_less(size, m) for m in (*classical, PLAIN)} for size in (256, 128)}
    for of_size in less.values():  # "with intervals that exclude zero", against all four
        assert all(of[m][1] > 0 for of in of_size.values() for m in ("psnr", "ssim"))
        assert all(of["l1"][2] < 0 for of in of_size.values())
    large, lower = less[256], less[128]
    perceived = {name: of["lpips"] for name, of in large.items()}
    assert all(high < 0 for name, (_, _, high) in perceived.items() if name != "telea")
    assert perceived["telea"][1] < 0 < perceived["telea"][2]
    assert all(of["lpips"][2] < 0 for of in lower.values())
    gains = [
        a["psnr"] - b["psnr"]
        for a, b in zip(
            *(found[m]["by_hole_ratio"] for m in (HEAD_START, "biharmonic")), strict=True
        )
    ]
    assert min(gains) > 0 and gains == sorted(gains)
    ours = found[HEAD_START]["psnr"]["mean"]
    reported = {m: found[f"{m}, as reported"]["psnr"]["mean"] for m in (HEAD_START, *classical)}
    apart = {m: reported[m] - found[m]["psnr"]["mean"] for m in reported}
    assert abs(apart[HEAD_START] - apart["biharmonic"]) < 0.1  # "as the biharmonic fill does"

    def said(of: dict[str, tuple[float, float, float]]) -> str:
        middle, low, high = of["psnr"]
        return f"{middle:.2f} dB ({low:.2f} to {high:.2f})"

    middle, low, high = (f"{value:+.3f}".replace("-", "−") for value in perceived["telea"])
    sharp = found["gmcnn celeba-sharp"]
    others = [row["lpips"]["mean"] for name, row in found.items() if "reported" not in name]
    assert sharp["lpips"]["mean"] == min(others)
    return [
        f"the same {parameters:,} parameters",
        f"the last {run['steps']:,} steps on the mean PSNR itself",
        f"`celeba` has {ours:.2f} dB on the report's pairs, {said(large['biharmonic'])} ahead of",
        f"It leads `celeba-plain` by {said(large[PLAIN])}",
        f"by {gains[0]:.2f} dB in the smallest holes, rising to {gains[-1]:.2f} dB in the largest",
        f"over Telea is not shown at 256 pixels: {middle}, {low} to {high}",
        f"It has {ours:.2f} dB on the same pairs, {said(large['biharmonic'])} ahead of",
        f"It gives up {ours - sharp['psnr']['mean']:.2f} dB and has the smallest LPIPS of all",
        f"its {ours:.2f} dB become {reported[HEAD_START]:.2f} in the report's way",
    ]


def the_seeds() -> list[str]:
    study = results("study-attention")
    settings, arms = study["settings"], {arm["arm"]: arm for arm in study["arms"]}
    runs = {name: arm["final"]["psnr"]["runs"] for name, arm in arms.items()}

    def apart(one: str, other: str) -> list[float]:
        return [a - b for a, b in zip(runs[one], runs[other], strict=True)]

    published, own = apart("se", "a2"), apart("se-report", "a2-report")
    assert 0.4 < published[0] < 0.6 and max(published[1:]) < 0
    assert sum(value > SE - A2 for value in own) == 2 and abs(min(own) + SE - A2) < 0.05
    _, low, high = interval(published)
    assert -1 < low < -0.8 and 0.9 < high < 1.1

    against = {name: apart(name, "base") for name in runs if name != "base"}
    spans = {name: interval(values) for name, values in against.items()}
    assert all(low < 0 < high for _, low, high in spans.values())
    assert all(min(values) < 0 < max(values) for values in against.values())
    assert sum(low < -0.5 and high > 0.5 for _, low, high in spans.values()) == 3
    assert all(high < A2 - PAPER for _, _, high in spans.values())
    spread = {name: stdev(values) for name, values in against.items()}
    narrow = against["se-report"]
    assert max(narrow) - min(narrow) < 0.06 and narrow == min(against.values(), key=stdev)
    others = [value for name, value in spread.items() if name != "se-report"]
    assert min(others) > 9 * spread["se-report"]
    pooled = mean(value**2 for value in spread.values()) ** 0.5
    single = mean(stdev(values) ** 2 for values in runs.values()) ** 0.5

    differences = [
        (name, measure, entry)
        for name, arm in arms.items()
        if name != "base"
        for measure, entry in arm["differences"].items()
    ]
    outside = [item for item in differences if item[2]["low"] > 0 or item[2]["high"] < 0]
    assert len(outside) == 5
    checkers = arms["a2-report"]["differences"]["checkerboard 4"]
    assert min(checkers["runs"]) > 0
    edge = arms["se-report"]["differences"]["error at 1"]
    assert max(edge["runs"]) < 0
    kernels = {arm["arm"]: arm for arm in results("study-confidence")["arms"]}
    laplacian = kernels["laplacian"]["differences"]["psnr"]
    assert laplacian["low"] < 0 < laplacian["high"]
    return [
        f"generators of width {settings['width']}, {settings['steps']} steps, the last quarter",
        f"(scored on its own {settings['pictures']} pictures",
        f"has a standard deviation of {pooled:.2f} dB over seeds",
        f"(faces of {settings['size']} pixels, width {settings['width']}, {settings['steps']} "
        "steps, three seeds)",
        f"a standard deviation of {single:.2f} dB. How much does this add",
        f"has {len(arms['se']['differences'])} measures and four arms beside the base, hence "
        f"{len(differences)} intervals",
        f"Five, where chance alone would give {0.05 * len(differences):.1f}",
        f"Two more seeds: {published[1]:.2f} and {published[2]:.2f} dB",
        f"a spread of {spread['se']:.2f} to {pooled:.2f} dB over seeds",
    ]


def the_rows() -> list[str]:
    found = results("table")
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in found["runs"]:
        runs.setdefault(run["row"], []).append(run)
    seeds = {name: [run["seed"] for run in of_row] for name, of_row in runs.items()}
    twice = [name for name, of_row in seeds.items() if of_row == [0, 1]]
    assert twice == ["GMCNN", "GMCNN + SE", "GMCNN + A²"]  # "two trainings of the base, SE and A²"
    assert len(seeds) == 8 and all(seeds[name] == [0] for name in seeds if name not in twice)
    for (_, before), (_, last) in (list(run["validation"].items())[-2:] for run in found["runs"]):
        assert last > before  # "were still rising"
    validated = mean(list(run["validation"].values())[-1] for run in runs["GMCNN"])
    telea_validated = results("training-table")["runs"][0]["telea"]
    small = {row["method"]: row for row in found["tables"]["128"]["rows"]}
    base, full, telea, biharmonic = (
        small[name] for name in ("GMCNN", "GMCNN, all losses", "telea", "biharmonic")
    )
    means = {row["method"]: row["psnr"]["mean"] for row in small.values()}
    assert means["telea"] < means["GMCNN"] < means[PLAIN] < means["biharmonic"]
    apart = {(d["method"], d["minus"]): d for d in found["tables"]["128"]["differences"]}
    lead = apart["GMCNN", "telea"]
    assert lead["ssim"]["high"] < 0 < lead["lpips"]["low"]
    assert 0 <= lead["l1"]["low"] < 0.01  # "barely"
    behind = apart["GMCNN", "biharmonic"]
    assert behind["psnr"]["high"] < 0 and behind["ssim"]["high"] < 0
    assert behind["l1"]["low"] > 0 and behind["lpips"]["low"] > 0
    cost = apart["GMCNN, all losses", "GMCNN"]
    assert cost["lpips"]["high"] < 0
    gain = -cost["lpips"]["mean"]
    loss = -cost["psnr"]["mean"]
    listed = results("tried")
    tried = {run["run"]: run for run in listed["faces"]}
    (celeba,) = [run for run in listed["photographs"] if run["run"] == "celeba"]
    large = {row["method"]: row["psnr"]["mean"] for row in found["tables"]["256"]["rows"]}
    wide = {row["method"]: row["seeds"] for row in found["tables"]["256"]["rows"] if "seeds" in row}
    at_256 = spread_of_seeds([wide[name].values() for name in twice])[1]
    assert 0 < large["GMCNN"] - large["GMCNN + the report's A²"] < at_256
    reported = small["GMCNN, as reported"]["psnr"]["mean"]
    assert 0.4 < reported - SE < 0.6
    pixels = (base["psnr"]["mean"], telea["psnr"]["mean"], biharmonic["psnr"]["mean"])
    assert pixels[0] > full["psnr"]["mean"]

    rivals = [name for name in runs if name != "GMCNN"]
    less = {name: apart[name, "GMCNN"]["psnr"] for name in rivals}
    raw = {name: apart[f"{name}, as reported", "GMCNN, as reported"]["psnr"] for name in rivals}
    shortcut = "GMCNN + the report's SE"
    product = "GMCNN + the report's A²"
    laplacian = "GMCNN, Laplacian kernel"
    assert raw[product] == max(raw.values(), key=lambda difference: difference["mean"])
    assert less[product] == min(less.values(), key=lambda difference: difference["mean"])
    assert less[shortcut]["low"] < 0 < less[shortcut]["high"]
    assert max(less["GMCNN + SE"]["high"], less["GMCNN + A²"]["high"]) < 0
    assert max(less[name]["mean"] for name in rivals) < 0.1  # "not ahead"
    assert less[laplacian]["low"] < 0 < less[laplacian]["high"]
    boxed = less["GMCNN, released kernel"]
    means_of_seeds = [[small[name + way]["seeds"].values() for name in twice]
                      for way in ("", ", as reported")]  # fmt: skip
    sigma, chance = zip(*map(spread_of_seeds, means_of_seeds), strict=True)
    assert less[product]["mean"] < -chance[0] and min(
        raw[name]["mean"] for name in (shortcut, product)
    ) > 4 * chance[1]  # fmt: skip
    level = [less[name]["mean"] for name in rivals if name not in (*twice, product)]
    assert len(level) == 4 and max(map(abs, level)) < chance[0]
    within = [list(apart[name, "GMCNN"]["seeds"].values()) for name in twice[1:]]
    assert all(max(values) < 0 for values in within)
    steps = sorted(-value for values in within for value in values)
    ends = [interval(values)[2] for values in within]
    assert min(ends) > 0 and max(ends) < 0.2
    miniature = [arm["final"]["psnr"]["runs"] for arm in results("study-attention")["arms"]]
    assert 7 < spread_of_seeds(miniature)[0] / sigma[0] < 13  # "a tenth"
    furthest = max(abs(difference["mean"]) for difference in less.values())
    by_ratio = [
        [entry["psnr"] for entry in small[f"{name}, as reported"]["by_hole_ratio"]]
        for name in (shortcut, "GMCNN")
    ]
    gains = [a - b for a, b in zip(*by_ratio, strict=True)]
    assert gains == sorted(gains, reverse=True)
    score = small[f"{shortcut}, as reported"]["psnr"]["mean"]
    return [
        f"its SE is {raw[shortcut]['mean']:.2f} dB ahead of the base, "
        f"{raw[shortcut]['low']:.2f} to {raw[shortcut]['high']:.2f}",
        f"a difference is not shown: {less[shortcut]['mean']:+.2f} dB, and the interval covers",
        f"by {gains[0]:.1f} dB where less than a tenth is missing, by {gains[-1]:.1f} dB above",
        f"Its raw {score:.2f} dB are {score - SE:.1f} dB more than the report's best",
        f"no row is further from the base than {furthest:.2f} dB",
        f"SE by {-less['GMCNN + SE']['mean']:.2f} and A² by {-less['GMCNN + A²']['mean']:.2f} dB",
        f"the released kernel is {-boxed['mean']:.2f} dB behind",
        f"larger, its {large['GMCNN'] - large[product]:.2f} dB lie inside",
        f"by $\\sigma$ = {sigma[0]:.2f} dB",
        f"differ by up to {chance[0]:.2f} dB, composited",
        f"in both seeds, by {steps[0]:.2f} to {steps[-1]:.2f} dB",
        f"end at +{ends[0]:.2f} dB for SE and at +{ends[1]:.2f} dB for A²",
        f"it is {raw[product]['mean']:.2f} dB ahead of the base, and composited "
        f"{-less[product]['mean']:.2f} dB behind it ({-less[product]['high']:.2f} to "
        f"{-less[product]['low']:.2f})",
        f"by {raw[shortcut]['mean']:.1f} and {raw[product]['mean']:.1f} dB: its own",
        f"gained {raw[shortcut]['mean']:.2f} and {raw[product]['mean']:.2f} dB in its raw score",
        f"was {validated - telea_validated:.2f} dB ahead of Telea ({validated:.2f} against "
        f"{telea_validated:.2f} dB)",
        f"{pixels[0] - pixels[1]:.2f} dB of that are left",
        f"leads Telea by {lead['psnr']['low']:.2f} to {lead['psnr']['high']:.2f} dB",
        f"has lost {loss:.2f} dB, and the interval of {-cost['psnr']['high']:.2f} to "
        f"{-cost['psnr']['low']:.2f}",
        f"by {gain:.3f} of {base['lpips']['mean']:.3f}",
        f"the base has {pixels[0]:.2f} dB on the report's pairs. With all losses, one run each, it "
        f"is {loss:.2f} dB less, and LPIPS is {gain:.3f} better",
        f"it is {large[PLAIN] - large['GMCNN']:.2f} dB behind `celeba-plain`, and "
        f"{large['telea'] - large['GMCNN']:.2f} behind Telea",
        f"is {means[PLAIN] - means['GMCNN']:.2f} dB ahead of the base here and "
        f"{validated - celeba['validation']:.2f} dB behind it on the validation pictures",
        f"our base has {reported:.2f} dB, and would lead",
        f"score is {tried['faces-full']['validation']:.2f} dB, and that of the first "
        f"{tried['faces']['validation']:.2f}",
    ]


def quotes() -> list[str]:
    return the_table() + head_start() + the_seeds() + the_rows()
