from __future__ import annotations

from statistics import mean

from quoted import results

FACTS: dict[str, str] = {
    "0.4": "8 x 0.05, the release's batch times its weight of ID-MRF",
}


def quotes() -> list[str]:
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
