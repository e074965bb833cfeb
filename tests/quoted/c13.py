from __future__ import annotations

from typing import Any

from quoted import results

FACTS: dict[str, str] = {
    "0.15": "the default of GeneratorConfig.tension, labkit.nn.prior.TENSION",
}


def quotes() -> list[str]:
    return [*curves(), *race(), *tension(), *scale(), *study(), *to_the_eye()]


def to_the_eye() -> list[str]:
    table = results("table1-256")
    scored = [row for row in table["rows"] if "lpips" in row]
    lpips = {row["method"]: row["lpips"]["mean"] for row in scored}
    shown = [d for d in table["differences"] if "lpips" in d]
    apart = {(d["method"], d["minus"]): d["lpips"] for d in shown}
    surface = apart["gmcnn celeba", "biharmonic"]
    plain = apart["gmcnn celeba-plain", "gmcnn celeba"]
    return [
        f"The surface alone has {lpips['biharmonic']:.3f}, `celeba-plain` from grey "
        f"{lpips['gmcnn celeba-plain']:.3f}, and the packaged `celeba` with its head start "
        f"{lpips['gmcnn celeba']:.3f}",
        f"ahead of the surface by {-surface['mean']:.3f} "
        f"({-surface['high']:.3f} to {-surface['low']:.3f})",
        f"and of `celeba-plain` by {plain['mean']:.3f} ({plain['low']:.3f} to {plain['high']:.3f})",
    ]


def curves() -> list[str]:
    found = results("head-start")["curves"]
    starts = {start["prior"]: start for start in found["starts"]}
    none, pyramid, plate = (starts[name] for name in ("none", "push-pull", "biharmonic"))
    end = {name: start["psnr"][-1] for name, start in starts.items()}
    assert end["none"] < found["telea"] < end["push-pull"] < end["biharmonic"]
    assert found["minutes"][-1] == 12  # "twelve minutes"
    gap = min(end["push-pull"] - end["none"], end["biharmonic"] - end["push-pull"])
    assert plate["alone"] == found["biharmonic"]
    return [
        f"The network that sees grey ends at {end['none']:.2f} dB",
        f"ends at {end['biharmonic']:.2f} dB, {end['biharmonic'] - end['none']:.2f} dB ahead, "
        f"although it saw {plate['pictures']:,} pictures instead of {none['pictures']:,}",
        f"Push–pull lies between, at {pyramid['psnr'][-1]:.2f} dB",
        f"smallest gap between two of the curves is {gap:.2f} dB at the end",
        f"{end['biharmonic'] - plate['alone']:.2f} dB over the biharmonic surface",
        f"ended {end['biharmonic'] - end['none']:.2f} dB apart",
    ]


def race() -> list[str]:
    runs = {run["start"]: run for run in results("speedrun")["records"] if run["standing"]}
    grey, pyramid, plate = (runs[name] for name in ("plain", "push-pull", "biharmonic"))
    assert grey["psnr"] < grey["telea"] < pyramid["psnr"] < plate["biharmonic"] < plate["psnr"]
    earlier = {start["prior"]: start for start in results("head-start")["curves"]["starts"]}
    for prior, run in (("none", grey), ("push-pull", pyramid), ("biharmonic", plate)):
        assert 3 * run["pictures"] < earlier[prior]["pictures"]
    return [
        f"once for at most {results('speedrun')['task']['minutes']:.0f} minutes",
        f"saw {plate['pictures']:,} pictures, the start from grey {grey['pictures']:,}",
        f"it ends {plate['psnr'] - grey['psnr']:.2f} dB ahead, and "
        f"{plate['psnr'] - plate['biharmonic']:.2f} dB above the surface alone",
    ]


def tension() -> list[str]:
    found = results("head-start")["tension"]
    for size in ("64", "128"):
        plate, film = found[size][0], found[size][found["tau"].index(None)]
        slight = found[size][found["tau"].index(0.2)]
        assert 0 < slight - plate < 0.1  # "less than 0.1 dB"
        assert film < plate
    return ["by less than 0.1 dB"]


def scale() -> list[str]:
    rows = {(row["trained"], row["picture"]): row for row in results("head-start")["scale"]["rows"]}
    for (trained, _), row in rows.items():
        assert max((value or 0, grid) for grid, value in row["grid"].items())[1] == str(trained)
    wide, narrow = rows[128, 256], rows[64, 256]
    direct, small = (wide["grid"][grid] - wide["prior"] for grid in ("256", "128"))
    assert narrow["grid"]["256"] < narrow["prior"] < narrow["grid"]["64"]
    return [
        f"gains {direct:.2f} dB over the prior on pictures of 256 px when it runs at their size, "
        f"and {small:.2f} dB when its correction is computed at 128 px",
        f"loses {narrow['prior'] - narrow['grid']['256']:.2f} dB in the first way "
        f"and gains {narrow['grid']['64'] - narrow['prior']:.2f} dB in the second",
    ]


NAMES = {
    "mean": "the mean colour",
    "push-pull": "push–pull",
    "harmonic": "the film",
    "biharmonic": "the plate",
}


def study() -> list[str]:
    """Sentences that say what the study found, whichever way it went."""
    found = results("study-prior")
    arms: dict[str, Any] = {arm["arm"]: arm for arm in found["arms"]}
    assert list(arms) == ["none", *NAMES] and found["reference"] == "none"
    settings = found["settings"]
    leads = {name: arms[name]["differences"]["psnr"] for name in NAMES}
    assert leads["push-pull"]["low"] < 0 < leads["mean"]["high"]  # "a gain is not shown"
    assert max(leads["mean"]["runs"]) < 0  # "in all three seeds"
    curve = {name: arms[name]["curves"]["psnr"] for name in arms}
    first, last = (curve["biharmonic"]["mean"][k] - curve["none"]["mean"][k] for k in (0, -1))
    steps = curve["none"]["step"]
    ends = [arm["final"]["psnr"]["runs"] for arm in arms.values()]
    apart = max(max(runs) - min(runs) for runs in ends)
    plate = leads["biharmonic"]
    return [
        f"labkit study prior --seeds {settings['seeds']} --steps {settings['steps']}"
        f" --width {settings['width']}",
        f"to {arms['none']['final']['psnr']['mean']:.2f} dB",
        f"the film is {_of(leads['harmonic'])} and the plate {_of(plate)}",
        f"For push–pull, {_of(leads['push-pull'], signed=True)}",
        f"for the mean colour, {_of(leads['mean'], signed=True)}",
        f"the plate is {first:.2f} dB ahead after {steps[0]} steps and {last:.2f} dB after "
        f"{steps[-1]}",
        f"ended up to {apart:.2f} dB apart",
        f"it is {_of(plate)} ahead of a start from grey".replace(" dB ahead (", " dB ("),
        f"still {_of(plate)} ahead of grey".replace(" dB ahead (", " dB ("),
        f"and ends {-leads['mean']['mean']:.2f} dB *behind* it "
        f"({leads['mean']['low']:.2f} to {leads['mean']['high']:.2f}), in all three seeds",
    ]


def _of(lead: dict[str, float], *, signed: bool = False) -> str:
    ends = f"({lead['low']:.2f} to {lead['high']:.2f})"
    middle = f"{lead['mean']:+.2f} dB" if signed else f"{lead['mean']:.2f} dB ahead"
    return f"{middle} {ends}".replace("-", "−")
