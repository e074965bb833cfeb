"""What a machine can do with bf16, as far as a training asks for it."""

from __future__ import annotations

import pytest
import torch

from labkit import machine

QUESTIONS = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ((True, True), "AMX"),
        ((True, False), "AMX"),
        ((False, True), "AVX-512 bf16"),
        ((False, False), None),
    ],
)
def test_torch_is_asked_what_multiplies_bf16(monkeypatch, answers, found) -> None:
    monkeypatch.setattr(machine, "_cpu_flags", lambda: {"amx_bf16", "avx512_bf16"})
    for question, answer in zip(QUESTIONS, answers, strict=True):
        monkeypatch.setattr(torch.cpu, question, lambda answer=answer: answer, raising=False)
    assert machine.fast_bf16() == found
    assert machine.auto_precision("cpu") == ("bf16" if found else "32")


@pytest.mark.parametrize(
    ("flags", "found"),
    [({"amx_bf16"}, "AMX"), ({"avx2", "avx512_bf16"}, "AVX-512 bf16"), ({"avx2"}, None)],
)
def test_a_torch_that_cannot_be_asked_leaves_linux(monkeypatch, flags, found) -> None:
    for question in QUESTIONS:
        monkeypatch.delattr(torch.cpu, question, raising=False)
    monkeypatch.setattr(machine, "_cpu_flags", lambda: flags)
    assert machine.fast_bf16("cpu") == found


def test_flags_are_read_and_may_be_missing(monkeypatch, tmp_path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu avx2 amx_bf16\n\nflags\t\t: other\n")
    monkeypatch.setattr(machine, "Path", lambda _: info)
    assert {"avx2", "amx_bf16"} <= machine._cpu_flags()
    assert "other" not in machine._cpu_flags()
    info.unlink()
    assert machine._cpu_flags() == set()


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_is_asked_for_more_than_emulation(monkeypatch, native: bool) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    assert machine.auto_precision("cuda") == ("bf16" if native else "32")
    line = machine.arithmetic("cuda", "bf16")
    assert line.startswith("training on NVIDIA H200 in bf16")
    assert ("emulated" in line) != native
    assert machine.arithmetic("cuda", "32") == "training on NVIDIA H200 in float32"


def test_nothing_is_claimed_of_other_devices() -> None:
    assert machine.auto_precision("mps") == "32"
    assert machine.arithmetic("mps", "bf16") == "training on mps in bf16"


def test_emulation_comes_with_its_remedy(monkeypatch) -> None:
    monkeypatch.setattr(machine, "fast_bf16", lambda device: None)
    monkeypatch.setattr(machine, "cpu_model", lambda: "Some CPU")
    assert machine.arithmetic("cpu", "32") == "training on Some CPU in float32"
    assert machine.arithmetic("cpu", "64") == "training on Some CPU in float64"
    said = "training on Some CPU in bf16, emulated, slower than float32; "
    assert machine.arithmetic("cpu", "bf16") == said + "begin the run with --precision 32"
