from __future__ import annotations

import json
from statistics import mean

import numpy as np

from quoted import BOOK, results

FACTS: dict[str, str] = {
    "0.4": "8 x 0.05, the release's batch times its weight of ID-MRF",
}


def photographs() -> list[str]:
    warm, sharp = results("training-128")["runs"]
    first, second = warm["config"], sharp["config"]
    assert first["batch"] == second["batch"] == 8
    assert second["objective"]["adversarial"]["kind"] == "hinge"
    assert second["objective"]["id_mrf"]["features"] == "squeezenet1_1"
    assert second["adversarial"]["critic_steps"] == 5 and second["ema"] > 0
    assert first["data"]["augmentation"]["smallest_crop"] < 1  # stage one saw crops, stage two none
    assert second["data"]["augmentation"]["smallest_crop"] == 1

    telea = warm["telea"]
    before, after = (run["validation"][-1]["psnr"] for run in (warm, sharp))
    assert 0.4 < before - telea < 0.6 and 0.2 < after - before < 0.3
    behind = [entry["step"] for entry in warm["validation"] if entry["psnr"] < telea]
    ahead = [entry["step"] for entry in warm["validation"] if entry["psnr"] > telea]
    assert max(behind) < min(ahead)
    for critic in ("critic_global", "critic_local"):
        assert 1 < mean(sharp["curves"][critic][-10:]) < 1.8  # neither undecided nor sure
    return [
        f"a generator of width {first['generator']['width']} at {first['data']['size']} pixels",
        f"Stage one took {first['steps']:,} steps of eight pictures",
        f"took {second['steps']} steps with hinge critics, five critic steps each",
        f"passes Telea between steps {max(behind):,} and {min(ahead):,} and ends half a decibel",
        "Stage two adds a quarter of a decibel",
        f"PSNR on {first['validation_images']} photographs that were held out",
        f"did not become sharp in {second['steps']} steps",
    ]


def control() -> list[str]:
    base, full = results("training-table")["runs"]
    assert base["config"]["seed"] == full["config"]["seed"]
    for name in ("generator", "data", "batch", "steps", "learning_rate"):
        assert base["config"][name] == full["config"][name]
    assert full["config"]["warm_up"] == 5000 and full["config"]["steps"] == 7000
    one, other = ({v["step"]: v["psnr"] for v in run["validation"]} for run in (base, full))
    telea = base["telea"]
    assert one[2500] < telea < min(one[3000], other[3000])
    assert abs(one[5000] - other[5000]) < 0.05
    seconds = full["seconds_per_step"]
    assert 3.5 < seconds["adversarial"] / seconds["warm-up"] < 4.5
    # "on two cores, in bf16", and the rate of the cores "differed by half"
    assert results("training-table")["environment"]["cores"] == 2
    assert base["config"]["precision"] == full["config"]["precision"] == "bf16"
    assert 1.4 < base["seconds_per_step"]["warm-up"] / seconds["warm-up"] < 1.6
    return [
        f"within 500 steps the validation score drops by {other[5000] - other[5500]:.2f} dB",
        f"won back that and {other[7000] - other[5000]:.1f} dB more",
        f"stays {one[7000] - other[7000]:.2f} dB below the base",
    ]


def attempts() -> list[str]:
    found = results("tried")
    runs = {run["run"]: run for run in found["photographs"] + found["faces"]}
    celeba, wide, last, base = (runs[n] for n in ("celeba-first", "wide-128", "celeba", "base-0"))
    for name in ("generator.width", "data.size"):
        assert celeba["settings"][name] == base["settings"][name]
    assert celeba["steps"] * celeba["settings"]["batch"] > base["steps"] * base["settings"]["batch"]
    assert base["settings"]["data.augmentation.smallest_crop"] == 1
    assert runs["faces-new"]["steps"] < 10_000 and runs["celeba-256"]["steps"] < 8_000
    for run in (wide, last):
        assert run["settings"]["data.augmentation.smallest_crop"] == 0.55
        assert run["settings"]["data.augmentation.largest_crop"] == 1.4
    assert [run["settings"]["from_weights"] for run in (wide, last)] == ["celeba-first", "wide-128"]
    apart = base["validation"] - celeba["validation"]
    return [
        f"ends at {celeba['validation']:.2f} dB in one run and at {base['validation']:.2f} dB in",
        f"cannot apportion the {apart:.2f} dB",
        f"and ended at {wide['validation']:.2f} and {last['validation']:.2f} dB",
        f"{base['validation'] - last['validation']:.2f} dB behind `base-0`",
        f"crops from {100 * celeba['settings']['data.augmentation.smallest_crop']:.0f} % of a",
    ]


def between() -> list[str]:
    path = BOOK / "_static" / "explorables" / "between.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    half, beyond = (found["shares"].index(share) for share in (50, 150))
    less, more = found["ways"]["without"], found["ways"]["with"]
    along = np.interp(less["contrast"], more["contrast"], more["error"])
    dearer = along - less["error"]  # at the same contrast
    assert (dearer >= 0).all()
    error, contrast = more["error"], more["contrast"]
    return [
        f"has a mean error of {error[half]:.1f} grey levels and a difference of neighbours of "
        f"{contrast[half]:.1f}, between those of its ends",
        f"at {found['shares'][beyond]} % to {error[beyond]:.1f} and to more than "
        f"{contrast[beyond]:.0f}",
        f"has the larger error, by up to {dearer.max():.1f} grey levels",
    ]


def quotes() -> list[str]:
    return photographs() + control() + attempts() + between()
