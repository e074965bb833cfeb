"""Numbers quoted from result files are those of the files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from labkit.book.studies.table_picture import shown_pictures
from labkit.evaluation.methods import open_methods
from labkit.evaluation.pairs import Pairs
from labkit.evaluation.protocol import ProtocolConfig, evaluate
from labkit.evaluation.statistics import AS_REPORTED, student_interval, summarise
from labkit.images import read_image
from labkit.nn.weights import PACKAGED, read_metadata, weights_hash

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "book" / "results"
CARD = (PACKAGED / "README.md").read_text(encoding="utf-8").split("## `celeba`")[1]
SHARP = CARD.split("## `celeba-sharp`")[1].split("\n## ")[0]
NAMES = {
    "telea": "Telea's method",
    "ns": "Navier–Stokes",
    "biharmonic": "biharmonic",
}


def rows(size: int) -> dict[str, dict]:
    summary = json.loads((RESULTS / f"table1-{size}.json").read_text())
    assert summary["environment"]["weights"]["gmcnn celeba"] == weights_hash("celeba")
    assert summary["environment"]["size"] == size
    return {row["method"]: row for row in summary["rows"]}


@pytest.mark.parametrize("size", [128, 256])
def test_the_card_quotes_the_table(size: int) -> None:
    (line,) = [x for x in CARD.splitlines() if f"table1-{size}.json" in x]
    found = rows(size)
    assert f"| {found['gmcnn celeba']['psnr']['mean']:.2f} dB" in line
    for method, name in NAMES.items():
        assert f"{name} {found[method]['psnr']['mean']:.2f} dB" in line


def test_the_card_says_in_which_measures_the_network_leads() -> None:
    summary = json.loads((RESULTS / "table1-256.json").read_text())
    ours = [row for row in summary["differences"] if row["method"] == "gmcnn celeba"]
    rivals = {row["minus"]: row for row in ours if row["minus"] in NAMES}
    assert set(rivals) == set(NAMES)
    for rival in rivals.values():
        assert min(rival[m]["low"] for m in ("psnr", "ssim")) > 0 > rival["l1"]["high"]
    assert max(rival["lpips"]["high"] for rival in rivals.values()) < 0
    lead = rivals["biharmonic"]["psnr"]
    assert (
        f"{lead['low']:.2f} to {lead['high']:.2f} dB ahead of the biharmonic method in PSNR, and "
        "ahead of it and of Telea in PSNR, SSIM, L1 and LPIPS"
    ) in CARD


def test_the_card_of_the_sharp_network_quotes_the_table() -> None:
    found = rows(256)
    for name in ("gmcnn celeba-sharp", "gmcnn celeba", "telea"):
        psnr, lpips = (found[name][measure]["mean"] for measure in ("psnr", "lpips"))
        assert re.search(rf"{psnr:.2f} dB(, LPIPS| and) {lpips:.3f}", SHARP), name
    summary = json.loads((RESULTS / "table1-256.json").read_text())
    mine = [row for row in summary["differences"] if AS_REPORTED not in row["method"]]
    leads = {r["minus"]: r["lpips"] for r in mine if r["method"] == "gmcnn celeba-sharp"}
    leads |= {
        r["method"]: {"low": -r["lpips"]["high"], "high": -r["lpips"]["low"]}
        for r in mine
        if r["minus"] == "gmcnn celeba-sharp"
    }
    assert len(leads) == 7 and all(lead["high"] < 0 for lead in leads.values())
    telea = leads["telea"]
    assert f"{-telea['high']:.3f} to {-telea['low']:.3f} below Telea in LPIPS" in SHARP


def test_where_the_card_says_the_network_leads() -> None:
    found = rows(256)
    ours, theirs = (found[m]["by_hole_ratio"] for m in ("gmcnn celeba", "biharmonic"))
    ahead = [a["psnr"] > b["psnr"] for a, b in zip(ours, theirs, strict=True)]
    assert ahead == [True] * 6  # at every hole ratio


def test_the_readme_quotes_the_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = rows(256)
    for method, words in {
        "gmcnn celeba": "it scores {} dB",
        "telea": "Telea's method {} dB",
        "biharmonic": "the biharmonic one {} dB",
        "gmcnn celeba-plain": "which starts from grey, scores {} dB",
    }.items():
        assert words.format(f"{found[method]['psnr']['mean']:.2f}") in readme
    gain = found["gmcnn celeba"]["psnr"]["mean"] - found["gmcnn celeba-plain"]["psnr"]["mean"]
    assert f"is {gain:.2f} dB better on the 200 pairs" in readme


def test_chapter_3_quotes_telea_on_the_report_s_pairs() -> None:
    text = (ROOT / "book" / "03-measuring.ipynb").read_text(encoding="utf-8")
    telea = f"{rows(256)['telea']['psnr']['mean']:.2f}"
    assert f"scores {telea} dB on the report's pairs" in text
    assert f"below Telea's {telea}" in text


def test_chapter_8_quotes_the_benchmark() -> None:
    text = (ROOT / "book" / "08-id-mrf.ipynb").read_text(encoding="utf-8")
    record = json.loads((RESULTS / "benchmarks.json").read_text())["id_mrf"]
    last = record["curve"][-1]
    assert last["image_px"] == 512
    assert round(last["baseline_s"]) == 15 and 2 < last["streamed_s"] < 3
    assert round(last["baseline_mib"] / 1024) == 7 and round(last["streamed_mib"] / 1024, 2) == 0.15
    assert "takes fifteen seconds and seven gigabytes" in text
    assert "less than three seconds and 0.15 gigabytes" in text
    assert round(last["streamed_faster"]) == 5
    assert 45 < last["baseline_mib"] / last["streamed_mib"] < 55
    assert "five times as fast as the released way, with about a fiftieth of its memory" in text
    slow = [row["image_px"] for row in record["curve"] if row["dense_s"] < row["streamed_s"]]
    assert max(slow) == 192 and "Up to 192 pixels there is no time to gain" in text


def test_the_card_quotes_the_small_networks() -> None:
    full, faces = (
        json.loads(read_metadata(weights)["validation"])["psnr"]
        for weights in (RESULTS / "faces-full.safetensors", RESULTS / "faces-plain.safetensors")
    )
    assert f"validation {full:.2f} dB, less than the {faces:.2f} dB of `faces-plain`" in CARD


# --- the table of trained rows --------------------------------------------------------------------

TABLE = json.loads((RESULTS / "table.json").read_text())
EVALUATED = ("black", "mean", "telea", "ns", "biharmonic", "gmcnn celeba-plain")


@pytest.mark.parametrize("size", [128, 256])
def test_the_table_scores_what_is_evaluated_elsewhere_alike(size: int) -> None:
    table = {row["method"]: row for row in TABLE["tables"][str(size)]["rows"]}
    for method in EVALUATED:
        for name in (method, method + AS_REPORTED):
            for measure in ("psnr", "ssim", *(["lpips"] if name == method else [])):
                expected = rows(size)[name][measure]["mean"]
                assert table[name][measure]["mean"] == pytest.approx(expected, abs=0.01)


def test_rows_of_the_table_are_those_of_its_runs() -> None:
    runs = TABLE["runs"]
    assert runs and len({(run["row"], run["seed"]) for run in runs}) == len(runs)
    for run in runs:
        steps = list(map(int, run["validation"]))
        assert steps[-1] == TABLE["settings"]["steps"] >= 7000 and steps == sorted(steps)
    for size in ("128", "256"):
        table = {row["method"]: row for row in TABLE["tables"][size]["rows"]}
        assert set(table) >= {run["row"] for run in runs} | set(EVALUATED)
        for name in {run["row"] for run in runs}:
            seeds = table[name]["seeds"]
            assert list(seeds) == [str(run["seed"]) for run in runs if run["row"] == name]
            mean = sum(seeds.values()) / len(seeds)
            assert table[name]["psnr"]["mean"] == pytest.approx(mean, abs=1e-3)
            bins = table[name]["by_hole_ratio"]
            mean = sum(b["pairs"] * b["psnr"] for b in bins) / 200
            assert table[name]["psnr"]["mean"] == pytest.approx(mean, abs=1e-3)


def test_the_readme_says_what_the_report_s_attention_gains() -> None:
    differences = {
        (d["method"].removeprefix("GMCNN + "), d["minus"]): d["psnr"] | {"seeds": d.get("seeds")}
        for d in TABLE["tables"]["128"]["differences"]
    }

    def less_the_base(name: str, way: str = "") -> dict[str, float]:
        return differences[name + way, "GMCNN" + way]

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    se, a2 = (less_the_base(f"the report's {name}", ", as reported") for name in ("SE", "A²"))
    assert f"gain that way, {se['mean']:.2f} and {a2['mean']:.2f} dB" in readme
    assert (
        less_the_base("the report's SE")["low"] < 0 and less_the_base("the report's A²")["high"] < 0
    )
    published = [less_the_base(name, way) for name in ("SE", "A²") for way in ("", ", as reported")]
    assert max(difference["high"] for difference in published) < 0
    setting = TABLE["settings"]
    assert f"{setting['size']} px, width {setting['width']}, {setting['steps']:,} steps" in readme
    for name in ("SE", "A²"):
        within = list(differences[name, "GMCNN"]["seeds"].values())
        assert len(within) == 2 and student_interval(np.array(within))["high"] < 0.2
    assert "gain of 0.2 dB lies outside the intervals of two trainings for either" in readme
    (base,) = (
        row["psnr"]["mean"]
        for row in TABLE["tables"]["256"]["rows"]
        if row["method"] == "GMCNN, as reported"
    )
    assert f"at its 256 px, our base has {base:.2f} dB without attention" in readme


def test_the_table_s_picture_has_a_column_for_each_row() -> None:
    side = TABLE["settings"]["size"]
    columns = len({run["row"] for run in TABLE["runs"]}) + 2  # the hole and the truth
    picture = read_image(RESULTS / "table.png")
    assert picture.shape == (4 * side, columns * side, 3)
    images, masks = shown_pictures(side)
    truth = picture[:, -side:].reshape(images.shape)
    assert (truth == images).all()
    for k in range(1, columns - 1):
        filled = picture[:, k * side : (k + 1) * side].reshape(images.shape)
        assert (filled[masks == 0] == images[masks == 0]).all()


def test_the_packaged_weights_reproduce_their_row(shared: Path) -> None:
    pairs = Pairs(shared / "data" / "table1.tar")
    methods = open_methods([], ["celeba"])
    found = summarise(evaluate(pairs, methods, ProtocolConfig(size=256)).scores)
    expected = rows(256)["gmcnn celeba"]
    assert found[0]["psnr"]["mean"] == pytest.approx(expected["psnr"]["mean"], abs=0.01)
