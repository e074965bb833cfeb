"""Fixtures shared by every test."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and golden values beside the checkout, where there is one."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("no ../shared beside this checkout: the test needs its data")
    return path


@pytest.fixture(autouse=True)
def repeatable() -> None:
    """Two threads and one seed, so that numbers come out the same at every run."""
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SqueezeNet's feature layers, with weights drawn from a seed."""
    import torch
    from safetensors.torch import save_file
    from torchvision.models import squeezenet1_1

    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, value in squeezenet1_1().features.state_dict().items():
        scale = 0.05 if value.ndim == 1 else (2 / value[0].numel()) ** 0.5
        state[key] = torch.randn(value.shape, generator=generator) * scale
    path = tmp_path_factory.mktemp("squeezenet") / "drawn.safetensors"
    save_file(state, path)
    return path
