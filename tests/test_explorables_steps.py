"""The explorables of chapters 1, 3, 4, 5, 7: their arithmetic is NumPy's, torch's, labkit's."""

from __future__ import annotations

import itertools

import explorables
import nbformat
import numpy as np
import pytest
import torch
from exploring import BOOK, committed, run, with_node

from labkit.evaluation.metrics import psnr, ssim
from labkit.faces import RenderedFaces
from labkit.images import to_tensor
from labkit.inpainting import inpaint
from labkit.nn.generator import receptive_field

# --- chapter 1 -----------------------------------------------------------------------------------


@with_node
def test_relaxing_is_the_chapter_s(tmp_path):
    names: dict[str, object] = {"np": np}
    for cell in nbformat.read(BOOK / "01-the-hole.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and cell.source.startswith("def relax"):
            exec(cell.source.partition("\n\n\n")[0], names)
    face = RenderedFaces(64, "test").batch([3])[0]
    hole = np.zeros((64, 64), bool)
    hole[20:44, 20:44] = True
    found = run(
        tmp_path,
        "relax.mjs",
        """(() => {
          const hole = m.squareHole(20, 20, 24);
          let now = m.begin(m.decode(face), hole, "mean");
          const first = now.map((plane) => Array.from(plane));
          for (let k = 0; k < 50; k++) now = m.relax(now, hole);
          return [first, now.map((plane) => Array.from(plane))];
        })()""",
        face=committed("face"),
    )
    start = np.where(hole[..., None], face[~hole].mean(axis=0), face)
    for planes, wanted in zip(found, (start, names["relax"](start, hole, 50)), strict=True):
        assert np.abs(np.array(planes).reshape(3, 64, 64).transpose(1, 2, 0) - wanted).max() < 1e-9


@with_node
def test_what_a_step_leaves_of_the_error_in_the_long_run(tmp_path):
    for width in (12, 24):
        before, after = run(
            tmp_path,
            "relax.mjs",
            f"""(() => {{
              const hole = m.squareHole(10, 10, {width});
              const zero = [new Float64Array(64 * 64)];
              let now = [zero[0].map((_, at) => (hole[at] ? 1 : 0))];
              for (let k = 0; k < 900; k++) now = m.relax(now, hole);
              return [now, m.relax(now, hole)].map((u) => m.distance(u, zero, hole).mean);
            }})()""",
        )
        assert abs(after / before - np.cos(np.pi / (width + 1))) < 1e-6
        assert run(tmp_path, "relax.mjs", f"m.factor({width})") == pytest.approx(after / before)


# --- chapter 3 -----------------------------------------------------------------------------------


def test_scores_and_fills_are_labkit_s():
    rounds = committed("choose")["rounds"]
    assert [each["name"] for each in rounds] == list(explorables.CHOICES)
    hole, crop, _ = explorables.CHOICES["coffee"]
    image = explorables.photo("coffee")[crop]
    missing = np.zeros(image.shape[:2], bool)
    missing[hole] = True
    filled = inpaint(image, missing, "telea")
    (telea,) = [f for f in rounds[1]["fills"] if f["name"] == "telea"]
    assert telea["psnr"] == round(psnr(image, filled), 2)
    assert telea["ssim"] == round(ssim(image, filled), 4)
    assert telea["hole"] == explorables.data_uri(filled[hole])
    assert rounds[1]["box"] == [hole[1].start, hole[0].start, hole[1].stop, hole[0].stop]
    orders = {tuple(f["name"] for f in each["fills"]) for each in rounds}
    assert len(orders) == len(rounds)  # no letter stands for a method


@with_node
def test_a_measure_prefers_the_best_and_its_equals(tmp_path):
    fills = [{"psnr": a, "ssim": b} for a, b in [(20.004, 0.9), (20.001, 0.95), (19, 0.95)]]
    found = run(
        tmp_path, "choose.mjs", "['psnr', 'ssim'].map((k) => m.preferred(fills, k))", fills=fills
    )
    assert found == [[0, 1], [1, 2]]


# --- chapter 4 -----------------------------------------------------------------------------------


@with_node
def test_fields_are_labkit_s_and_what_is_seen_is_counted(tmp_path):
    found = run(tmp_path, "columns.mjs", "[7, 5, 3].map(m.receptiveField)")
    assert found == [receptive_field(kernel) for kernel in (7, 5, 3)] == [853, 569, 285]
    for field, side, (x, y) in [(285, 512, (30, 500)), (285, 256, (128, 128)), (5, 9, (0, 8))]:
        covered = [
            sum(0 <= at - (field - 1) // 2 + k < side for k in range(field)) for at in (x, y)
        ]
        share = run(tmp_path, "columns.mjs", f"m.seen({field}, {side}, [{x}, {y}])")
        assert share == pytest.approx(covered[0] * covered[1] / side**2)


# --- chapter 5 -----------------------------------------------------------------------------------


@with_node
def test_ways_are_those_of_dilated_convolutions(tmp_path):
    for kernel, dilations in [
        (3, [2, 4, 8, 16]),
        (5, [1, 2, 5, 9]),
        (7, [4, 4, 4, 4]),
        (3, [1, 1, 1, 1]),
    ]:
        x = torch.zeros(1, 1, 401, dtype=torch.float64)
        x[..., 200] = 1
        for dilation in dilations:
            weight = torch.ones(1, 1, kernel, dtype=torch.float64)
            x = torch.nn.functional.conv1d(x, weight, dilation=dilation, padding="same")
        found = run(tmp_path, "dilations.mjs", f"m.ways({kernel}, {dilations})")
        radius = (kernel - 1) // 2 * sum(dilations)
        assert found == x[0, 0, 200 - radius : 201 + radius].tolist()


# --- chapter 7 -----------------------------------------------------------------------------------

NETWORK = """const random = m.randomNumbers(4);
  const network = m.makeNetwork([2, 7, 5, 1], random);
  const point = [0.3, -0.8];
"""


def as_torch(found: dict) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weights and biases of each layer, with gradients."""
    layers = []
    for (inputs, outputs), weight, bias in zip(
        itertools.pairwise(found["sizes"]), found["weights"], found["biases"], strict=True
    ):
        w, b = torch.tensor(weight, dtype=torch.float64), torch.tensor(bias, dtype=torch.float64)
        layers.append((w.view(outputs, inputs).requires_grad_(), b.requires_grad_()))
    return layers


def value(layers: list[tuple[torch.Tensor, torch.Tensor]], x: torch.Tensor) -> torch.Tensor:
    for weight, bias in layers[:-1]:
        x = torch.nn.functional.leaky_relu(weight @ x + bias, 0.2)
    return layers[-1][0] @ x + layers[-1][1]


@with_node
def test_gradients_by_hand_are_torch_s(tmp_path):
    """Of the output, and of the gradient penalty, which needs a second derivative."""
    found = run(
        tmp_path,
        "gan-nets.mjs",
        f"""(() => {{ {NETWORK}
          const plain = (list) => list.map((each) => Array.from(each));
          const pass = m.forward(network, point);
          const [output, penalty] = [m.zerosLike(network), m.zerosLike(network)];
          const below = m.backward(network, pass, [1], output);
          const said = m.penalty(network, point, 3, penalty);
          const parts = (g) => ({{ weights: plain(g.weights), biases: plain(g.biases) }});
          const whole = {{ sizes: network.sizes, ...parts(network) }};
          return {{ network: whole, value: pass.values.at(-1)[0], below: Array.from(below), said,
            output: parts(output), penalty: parts(penalty) }};
        }})()""",
    )
    layers = as_torch(found["network"])
    x = torch.tensor([0.3, -0.8], dtype=torch.float64, requires_grad=True)
    out = value(layers, x)
    assert found["value"] == pytest.approx(out.item())
    (steep,) = torch.autograd.grad(out, x, create_graph=True)
    assert np.allclose(found["below"], steep.detach())
    penalty = (steep.norm() - 1) ** 2
    assert found["said"] == pytest.approx({"norm": steep.norm().item(), "value": penalty.item()})
    for name, loss, times in (("output", out, 1), ("penalty", penalty, 3)):
        parameters = [each for layer in layers for each in layer]
        wanted = torch.autograd.grad(
            loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for k in range(len(layers)):
            assert np.allclose(found[name]["weights"][k], times * wanted[2 * k].flatten())
            assert np.allclose(found[name]["biases"][k], times * wanted[2 * k + 1])


@with_node
def test_adam_is_torch_s(tmp_path):
    found = run(
        tmp_path,
        "gan-nets.mjs",
        f"""(() => {{ {NETWORK}
          const before = network.weights.map((w) => Array.from(w));
          for (let k = 0; k < 4; k++) {{
            const gradient = m.zerosLike(network);
            m.backward(network, m.forward(network, point), [k - 1.5], gradient);
            m.descend(network, gradient, 0.01);
          }}
          const biases = [7, 5, 1].map((n, k) => Array.from(network.biases[k]));
          return [before, network.weights.map((w) => Array.from(w)), biases];
        }})()""",
    )
    fresh = run(
        tmp_path,
        "gan-nets.mjs",
        f"(() => {{ {NETWORK} return network.biases.map((b) => Array.from(b)); }})()",
    )
    layers = as_torch({"sizes": [2, 7, 5, 1], "weights": found[0], "biases": fresh})
    optimizer = torch.optim.Adam([p for layer in layers for p in layer], lr=0.01, betas=(0.5, 0.9))
    x = torch.tensor([0.3, -0.8], dtype=torch.float64)
    for k in range(4):
        optimizer.zero_grad()
        ((k - 1.5) * value(layers, x)).backward()
        optimizer.step()
    for k, (weight, bias) in enumerate(layers):
        assert np.allclose(found[1][k], weight.detach().flatten(), atol=1e-7)
        assert np.allclose(found[2][k], bias.detach(), atol=1e-7)


@with_node
def test_critic_steps_decide_between_all_spots_and_few(tmp_path):
    """What the caption invites to try: a critic of one step loses most of the spots."""
    expression = """[5, 1].map((critic) => {
      const game = new m.Game({ seed: 0 });
      for (let k = 0; k < 600; k++) game.step("wgan-gp", critic);
      return m.coverage(Array.from({ length: 200 }, () => game.fake()), game.places);
    })"""
    many, one = run(tmp_path, "gan-nets.mjs", expression)
    assert many["reached"] >= 7 and many["share"] > 0.3
    assert one["reached"] <= 3 and one["share"] < 0.2


# --- chapter 8 -----------------------------------------------------------------------------------


@with_node
def test_trained_features_are_the_packaged_encoder_s(tmp_path):
    document = committed("forehead-trained")
    expression = "Array.from(m.unpack(data.cosines, 32767))"
    found = np.array(run(tmp_path, "id-mrf.mjs", expression, data=document)).reshape(196, 196)
    fill, target = explorables.forehead_pictures().values()
    column = explorables.load_generator("celeba").columns[2]
    maps = []
    with torch.no_grad():
        for picture in (fill, target):
            image = to_tensor(picture[None])
            features = column.encoder(torch.cat([image, torch.zeros_like(image[:, :1])], dim=1))
            maps.append(features[0, :, 9:23, 9:23].flatten(1).double())
    mean = maps[1].mean(dim=1, keepdim=True)
    v, s = (x - mean for x in maps)
    wanted = torch.nn.functional.normalize(v, dim=0).T @ torch.nn.functional.normalize(s, dim=0)
    assert np.abs(found - wanted.numpy()).max() < 1e-4
    assert len(set(found.argmax(axis=1))) == 77  # as the page says of the nearest neighbours
