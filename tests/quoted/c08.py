"""Chapter 8: the benchmark of ID-MRF; tests/test_results.py ties its sentences on 512 pixels."""

from __future__ import annotations

from quoted import results

FACTS: dict[str, str] = {
    "19.6": "196 positions over 10 patches",
    "2.98": "the natural logarithm of 19.6",
    "5.28": "the natural logarithm of 196",
}


def quotes() -> list[str]:
    record = results("benchmarks")["id_mrf"]
    curve, last = record["curve"], record["curve"][-1]
    assert all(row[f"{way}_mib"] for row in curve for way in ("baseline", "dense", "streamed"))
    small = [row for row in curve if row["image_px"] <= 192]  # "dense is fastest"
    assert all(row["dense_s"] < min(row["baseline_s"], row["streamed_s"]) for row in small)
    assert all(row["streamed_s"] < row["dense_s"] for row in curve if row not in small)
    assert record["environment"]["cores"] == 2
    seconds = {15: "fifteen seconds"}[round(last["baseline_s"])]
    gigabytes = {7: "seven gigabytes"}[round(last["baseline_mib"] / 1024)]
    assert last["streamed_s"] < 3
    faster = {5: "five times"}[round(last["streamed_faster"])]
    return [
        f"At {last['image_px']} pixels the released way takes {seconds} and {gigabytes}",
        f"less than three seconds and {last['streamed_mib'] / 1024:.2f} gigabytes",
        f"at {last['image_px']} pixels {faster} as fast as the released way",
        "Up to 192 pixels there is no time to gain",
    ]
