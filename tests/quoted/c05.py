from __future__ import annotations

from quoted import results

FACTS: dict[str, str] = {}


def quotes() -> list[str]:
    study = results("study-bottleneck")
    arms = {arm["arm"]: arm for arm in study["arms"]}
    settings = study["settings"]
    plain, dense = (arms[name]["differences"] for name in ("plain", "dense"))
    assert min(arm["final"]["psnr"]["low"] for arm in arms.values()) > study["telea"] + 1
    for found in (plain["psnr"], dense["psnr"]):
        assert found["low"] < 0 < found["high"] and min(found["runs"]) < 0 < max(found["runs"])
    assert settings["seeds"] == 3 and settings["size"] == 64  # "three seeds", "at 64 pixels"
    room = max(abs(found["psnr"][end]) for found in (plain, dense) for end in ("low", "high"))

    centre = {
        side: [round(arm["final"][f"centre of {side}"]["mean"]) for arm in arms.values()]
        for side in (8, 40)
    }
    measures = [m for m in plain if "checkerboard" not in m]
    apart = {
        (name, m)
        for name, found in (("plain", plain), ("dense", dense))
        for m in measures
        if found[m]["low"] > 0 or found[m]["high"] < 0
    }
    assert apart == {
        ("plain", "error at 1"),
        *(("dense", f"centre of {side}") for side in (16, 24, 32)),
        ("dense", "psnr of 32"),
    }
    assert len(apart) == 5  # as the text says
    first = plain["error at 1"]
    means = [f"{-dense[f'centre of {side}']['mean']:.2f}" for side in (16, 24, 32)]
    return [
        f"with {settings['steps']} steps",
        f"Plain minus dilated is {_of(plain['psnr'])}",
        f"dense minus dilated {_of(dense['psnr'])}",
        f"leave room for differences of up to {room:.1f} dB, and three seeds cannot resolve",
        f"{min(centre[8])} to {max(centre[8])} grey levels in holes of 8 pixels, "
        f"and {min(centre[40])} to {max(centre[40])} in holes of 40",
        f"Of {2 * len(measures)} intervals five exclude zero",
        f"by {-first['mean']:.2f} grey levels in the first ring of pixels "
        f"(interval {first['low']:.2f} to {first['high']:.2f}, just clear of zero)",
        f"by {means[0]}, {means[1]} and {means[2]} grey levels, "
        f"and by {dense['psnr of 32']['mean']:.2f} dB",
        f"plain {_brief(plain['psnr'])}, dense {_brief(dense['psnr'])} against dilated",
    ]


def _of(found: dict[str, float]) -> str:
    """A mean with its interval, as the text says it."""
    low, high = found["low"], found["high"]
    words = "with an interval from" if found["mean"] > 0 else "from"
    return f"{found['mean']:.2f} dB, {words} {low:.2f} to {high:.2f}"


def _brief(found: dict[str, float]) -> str:
    return f"{found['mean']:.2f} dB ({found['low']:.2f} to {found['high']:.2f})"
