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
def few_threads() -> None:
    """Two threads everywhere, so that sums come out the same on every machine."""
    import torch

    torch.set_num_threads(2)
