"""The explorable of chapter 11: its players are torch's Adams, its average is labkit's."""

from __future__ import annotations

import exploring
import numpy as np
import pytest
import torch
from browsing import needs_chromium
from exploring import press, run, said, with_node

from labkit.training.ema import ExponentialAverage

browser, visit = exploring.browser, exploring.visit


class Place(torch.nn.Module):
    """Where both players are, as weights that can be averaged."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        super().__init__()
        self.at = torch.nn.Parameter(torch.stack([x, y]).detach())


@with_node
@pytest.mark.parametrize(
    ("beta1", "beta2", "steps"), [(0.9, 0.999, 1), (0.5, 0.9, 3), (0.0, 0.5, 2)]
)
def test_a_game_is_torch_s_and_labkit_s(tmp_path, beta1, beta2, steps):
    settings = {"rate": 0.05, "noise": 0, "decay": 0.97, "beta1": beta1, "beta2": beta2}
    found = run(
        tmp_path,
        "game.mjs",
        "(() => { const game = new m.Game([1, -0.5]); return Array.from({ length: 60 }, () => {"
        "game.round(settings); return [game.x, game.y, ...game.average]; }); })()",
        settings=settings | {"criticSteps": steps},
    )
    x, y = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.0, -0.5))
    players = [torch.optim.Adam([w], lr=0.05, betas=(beta1, beta2)) for w in (x, y)]
    average = ExponentialAverage(Place(x, y), 0.97)
    for number, row in enumerate(found, start=1):
        x.grad = y.detach().clone()
        players[0].step()
        for _ in range(steps):
            y.grad = -x.detach().clone()
            players[1].step()
        average.update(Place(x, y), number)
        wanted = [x.item(), y.item(), *average.model.at.tolist()]
        assert np.allclose(row, wanted, atol=1e-9)


@needs_chromium
def test_game_by_mouse_and_by_keyboard(visit):
    def distances(text: str) -> list[float]:
        words = text.split()
        return [
            float(words[k + 1]) for k, word in enumerate(words) if word in ("balance", "average")
        ]

    page = visit("game")
    assert "Rounds 0 of 600 Distance from the balance 1.41" in said(page)
    assert "Rounds 3 of 600" in press(page, "step")

    def played() -> list[float]:
        page.get_by_role("button", name="play").click()
        page.wait_for_function("document.querySelector('dd').textContent.startsWith('600')")
        return distances(said(page))

    usual = played()
    page.get_by_role("button", name="reset").click()
    for name, value in {"β₁": "1", "β₂": "1"}.items():
        page.get_by_role("slider", name=name).fill(value)
    assert "gradient for about 2 steps and its square for 10." in said(page)
    short = played()
    assert usual[0] > 2 > 1 > short[0] and short[1] < short[0]  # as the chapter says of its own
    plane = page.locator("[role=application]")
    plane.focus()
    page.keyboard.press("ArrowRight")
    assert "Rounds 0 of 600 Distance from the balance 1.60" in said(page)  # from (1.25, 1)
    box = plane.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.9 * box["height"])
    assert "Rounds 0 of 600 Distance from the balance 2.65" in said(page)  # from (0, −2.65)
