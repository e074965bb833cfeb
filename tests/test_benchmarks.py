"""The benchmarks' baseline computes what the release computes, and every benchmark runs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import latency
import numpy as np
import pipeline
import pytest
import release
import torch
import training_step

from labkit.losses.id_mrf import id_mrf

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"

# The benchmark has the name of the function that it measures.
id_mrf_benchmark = importlib.import_module("id_mrf")


def maps(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    target = torch.randn(shape, generator=generator).relu()
    generated = 0.5 * target + torch.randn(shape, generator=generator).relu()
    return generated.requires_grad_(), target


@pytest.mark.parametrize("algorithm", ["dense", "streamed"])
@pytest.mark.parametrize("shape", [(2, 16, 9, 9), (1, 24, 5, 12)])
def test_the_baseline_is_the_packages_loss_summed(shape: tuple[int, ...], algorithm: str) -> None:
    generated, target = maps(*shape)
    expected = release.id_mrf(generated, target)
    (their_gradient,) = torch.autograd.grad(expected, generated)
    ours = id_mrf(generated, target, reduction="sum", algorithm=algorithm)
    (our_gradient,) = torch.autograd.grad(ours, generated)
    assert float(ours.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float((our_gradient - their_gradient).norm() / their_gradient.norm()) < 1e-4


@pytest.mark.parametrize("suffix", ["", "2"])
def test_the_baseline_reproduces_the_releases_numbers(suffix: str) -> None:
    path = ROOT / "tests" / "data" / "id_mrf.npz"
    if not path.is_file():
        path = ROOT.parent / "shared" / "golden" / "id_mrf.npz"
    if not path.is_file():
        pytest.skip("no recorded output of the release beside this checkout")
    golden = np.load(path)
    generated = torch.from_numpy(golden[f"gen{suffix}"]).requires_grad_()
    loss = release.id_mrf(generated, torch.from_numpy(golden[f"target{suffix}"]))
    loss.backward()
    recorded = golden["loss2" if suffix else "loss_sum_over_batch"]
    assert float(loss.detach()) == pytest.approx(float(recorded), rel=1e-6)
    expected = torch.from_numpy(golden[f"grad_gen{suffix}"])
    assert float((generated.grad - expected).norm() / expected.norm()) < 1e-5


def test_the_baseline_weighs_the_content_layer_twice() -> None:
    perception = release.Perception()
    images, others = (torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(2))
    ours, theirs = perception.vgg(images), perception.vgg(others)
    once = {name: release.id_mrf(ours[name], theirs[name]) for name in ("relu3_2", "relu4_2")}
    expected = once["relu3_2"] + 2 * once["relu4_2"]
    assert float(perception(images, others).detach()) == pytest.approx(float(expected.detach()))
    assert all(p.requires_grad for p in perception.parameters())
    assert list(ours)[-1] == "pool5"


def test_a_baseline_step_moves_generator_and_critics_only() -> None:
    step = release.ReleaseStep(32, "cpu", width=2, critic_width=2)
    before = {k: v.clone() for k, v in step_state(step).items()}
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., 8:20, 8:20] = 1
    assert bool(step(images, mask).isfinite())
    moved = {name for name, value in step_state(step).items() if not before[name].equal(value)}
    # A score's bias has no gradient while both hinges are active: −1 of real and +1 of filled.
    expected = {name for name in before if not name.startswith("perception")}
    assert moved == {name for name in expected if not name.endswith("9.bias")}
    # The release leaves VGG's parameters unfrozen: they gather gradients that nobody uses.
    first = step.perception.vgg.body[0].weight
    assert first.grad is not None and bool(first.grad.any())


def step_state(step: release.ReleaseStep) -> dict[str, torch.Tensor]:
    parts = ("generator", "critics", "perception")
    return {
        f"{part}.{name}": p for part in parts for name, p in getattr(step, part).named_parameters()
    }


def test_both_sides_of_the_training_step_compute_the_same_losses() -> None:
    baseline = release.ReleaseStep(32, "cpu", width=2, critic_width=2)
    ours = training_step.labkit_parts(32, "cpu", width=2, critic_width=2)
    images, mask = training_step.pictures(2, 32, "cpu")
    prediction = baseline.generator(images, mask)
    for theirs, same in zip(
        baseline.generator.parameters(), ours.networks.model.parameters(), strict=True
    ):
        assert torch.equal(theirs, same)
    loss, _ = ours.objective.generator(prediction, images, mask, None)
    weight = release.confidence_weights(mask, release.CONFIDENCE, direct=True)
    filled = prediction * mask + images * (1 - mask)
    expected = baseline.generator_loss(images, mask, weight, prediction, filled)
    judged = -sum(network(filled).mean() for network in baseline.critics.values())
    expected = expected - release.ADVERSARIAL * judged
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    views = ours.networks.critics.views(images, mask)
    assert all(torch.equal(seen, images) for seen, _ in views.values())
    sizes = [
        sum(p.numel() for p in critics.parameters())
        for critics in (baseline.critics, ours.networks.critics)
    ]
    assert sizes[0] == sizes[1]


def run(script: ModuleType, output: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What `python benchmarks/<script> --quick --output <output>` leaves in the file."""
    command = [script.__file__, "--quick", "--device", "cpu", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    script.main()
    return json.loads(output.read_text())


def check(section: dict, script: str) -> None:
    assert section["command"] == f"python benchmarks/{script} --quick --device cpu"
    assert {"cpu", "cores", "gpu", "python", "torch", "date", "threads", "device"} <= set(
        section["environment"]
    )


def test_id_mrf_writes_its_section_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "benchmarks.json"
    output.write_text(json.dumps({"other": {"kept": True}}))
    results = run(id_mrf_benchmark, output, monkeypatch)
    assert results["other"] == {"kept": True}
    check(results["id_mrf"], "id_mrf.py")
    standard = results["id_mrf"]["standard"]
    assert standard["peak_mib"]["baseline"] > 0 and standard["peak_mib"]["streamed"] > 0
    assert [row["features"] for row in standard["rows"]] == ["filled", "unrelated"]
    for row in (*standard["rows"], *results["id_mrf"]["curve"]):
        assert row["streamed_relative_difference"] < 1e-5
        assert min(row["baseline_s"], row["dense_s"], row["streamed_s"]) > 0
    assert list(tmp_path.iterdir()) == [output]


def test_the_training_step_writes_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = run(training_step, tmp_path / "benchmarks.json", monkeypatch)["training_step"]
    check(section, "training_step.py")
    rows = {row["variant"]: row for row in section["rows"]}
    assert {"baseline", "float32", "bf16", "bf16, window"} <= set(rows)
    assert rows["baseline"]["faster"] == 1.0
    assert rows["float32"]["tera_operations"] < rows["baseline"]["tera_operations"]
    assert rows["float32"]["peak_mib"] > 0
    for row in rows.values():
        assert row["seconds"] > 0 and row["faster"] > 0 and row["share_of_matrix_peak"] > 0
    assert sum(section["phases"].values()) == pytest.approx(1, abs=0.02)
    assert min(section["phases"].values()) >= 0
    assert sum(row["share"] for row in section["operators"]) == pytest.approx(1, abs=0.02)


def test_the_pipeline_writes_its_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = run(pipeline, tmp_path / "benchmarks.json", monkeypatch)["pipeline"]
    check(section, "pipeline.py")
    assert min(section["stages"].values()) > 0
    assert {row["workers"] for row in section["loaders"]} == {0, 1, 2}
    trace = section["trace"]
    assert 0 <= trace["share_of_time_waiting"] < 1
    assert len(trace["milliseconds_waiting_and_stepping"]) == 3


def test_latency_writes_its_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = run(latency, tmp_path / "benchmarks.json", monkeypatch)["latency"]
    check(section, "latency.py")
    (row,) = section["rows"]
    assert set(row["fill"]) == {"gmcnn celeba", "telea", "ns", "biharmonic"}
    assert min(row["fill"].values()) > 0 and row["command"] > row["fill"]["gmcnn celeba"]


def test_crops_writes_its_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sections = run(importlib.import_module("crops"), tmp_path / "crops.json", monkeypatch)
    assert set(sections) == {"photographs", "faces", "enlarged face"}
    for section in sections.values():
        check(section, "crops.py")
        for row in section["results"]:
            assert {"crops 0.25", "crops 2", "prior", "whole", "original"} <= set(row["ways"])
            for way in row["ways"].values():  # every way on the same one hole
                assert len(way["psnr"]) == len(way["seconds"]) == 1
                assert way["psnr"][0] > 10 and way["seconds"][0] > 0
