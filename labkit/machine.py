"""What a measurement or a training runs on: for the record, its arithmetic, its free memory.

Sources: PyTorch issues #86550 and #118499: bf16 on a processor that cannot multiply it is emulated,
and slower than float32.
"""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path


def machine() -> dict[str, object]:
    """Processor, cores, accelerator, versions and date, in values that JSON can hold."""
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def cpu_model() -> str:
    """The processor's name; `platform.processor` is empty on Linux."""
    return _said("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _said(file: str, *names: str) -> str:
    """What a file of Linux says behind a name and a colon, where it first stands; else nothing."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(names)), "")


# What multiplies bf16 on a CPU: its name, PyTorch's question, and Linux's flag where that lacks.
_CPU_BF16 = (
    ("AMX", "_is_amx_tile_supported", "amx_bf16"),
    ("AVX-512 bf16", "_is_avx512_bf16_supported", "avx512_bf16"),
)
_ARITHMETIC = {"32": "float32", "bf16": "bf16", "64": "float64"}


def fast_bf16(device: str = "cpu") -> str | None:
    """What multiplies bf16 fast on a device; None where nothing is known to, and float32 is faster.

    Args:
        device: "cpu", "cuda" or "mps".
    """
    import torch

    if device == "cuda":
        return "tensor cores" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if device != "cpu":
        return None
    for name, question, flag in _CPU_BF16:
        ask = getattr(torch.cpu, question, None)  # private: a version may be without
        if flag in _cpu_flags() if ask is None else ask():
            return name
    return None


def auto_precision(device: str) -> str:
    """The precision that trains fastest on a device, as `TrainConfig` names it: "bf16" or "32"."""
    return "bf16" if fast_bf16(device) else "32"


def arithmetic(device: str, precision: str) -> str:
    """One line that says where and in what arithmetic a training computes.

    Args:
        device: "cpu", "cuda" or "mps".
        precision: as in `TrainConfig`.
    """
    import torch

    names = {"cpu": cpu_model, "cuda": torch.cuda.get_device_name}
    where = names[device]() if device in names else device
    line = f"training on {where} in {_ARITHMETIC[precision]}"
    if precision != "bf16" or device not in ("cpu", "cuda"):
        return line
    if (fast := fast_bf16(device)) is not None:
        return f"{line} ({fast})"
    return f"{line}, emulated, slower than float32; begin the run with --precision 32"


def _cpu_flags() -> set[str]:
    """Linux's names of what the processor can do; none elsewhere."""
    return set(_said("/proc/cpuinfo", "flags", "Features").split())


_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes that can be taken without swapping, within a container's limit; None if unknown."""
    said = _said("/proc/meminfo", "MemAvailable")
    amounts = [1024 * int(said.split()[0])] if said else []
    if (left := _left_by_cgroup()) is not None:
        amounts.append(left)
    return min(amounts, default=None)


def _left_by_cgroup() -> int | None:
    """What version 2 control groups leave; version 1 and other systems give None."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(int(limit) - used, 0)
