"""An exported generator fills as PyTorch does, and says what it is."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from labkit.cli import main  # noqa: E402
from labkit.data.photos import Photos  # noqa: E402
from labkit.errors import InputError  # noqa: E402
from labkit.export import export_onnx  # noqa: E402
from labkit.faces import RenderedFaces  # noqa: E402
from labkit.inpainting import inpaint  # noqa: E402
from labkit.nn.generator import GMCNN  # noqa: E402
from labkit.nn.weights import PACKAGED, load_generator, save_generator, weights_hash  # noqa: E402
from labkit.settings import GeneratorConfig  # noqa: E402


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return export_onnx("faces", 64, tmp_path_factory.mktemp("onnx") / "faces.onnx")


def run(path, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (filled,) = session.run(None, {"image": image[None], "mask": mask[None].astype(np.uint8)})
    return filled[0]


def hole(height: int, width: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mask = np.zeros((height, width), dtype=bool)
    top, left = generator.integers(0, height // 2), generator.integers(0, width // 2)
    mask[top : top + height // 3, left : left + width // 2] = True
    return mask


@pytest.mark.parametrize("source", [RenderedFaces(64, "test"), Photos(64, "test")])
def test_fills_as_pytorch_does(faces, source):
    generator = load_generator("faces")
    for seed, image in enumerate(source.batch(range(6))):
        mask = hole(64, 64, seed)
        found = run(faces, image, mask)
        expected = inpaint(image, mask, generator=generator)
        assert found.dtype == np.uint8
        assert np.array_equal(found[~mask], image[~mask])
        assert np.abs(found[mask].astype(int) - expected[mask]).max() <= 1
        assert np.abs(expected[mask].astype(int) - image[mask]).max() > 20  # something was filled


def test_a_grey_picture_is_filled_in_grey_whatever_the_hole_hides(faces):
    colour = Photos(64, "test").batch([0])[0]
    grey = np.repeat(colour.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    mask = hole(64, 64, 0)
    hidden = np.where(mask[..., None], colour, grey)  # colour under the mask alone
    filled = run(faces, hidden, mask)
    assert np.ptp(filled, axis=2).max() == 0
    expected = inpaint(grey, mask, generator=load_generator("faces"))
    assert np.abs(filled.astype(int) - expected).max() <= 1
    one = np.argwhere(~mask)[0]
    grey[tuple(one)] = (9, 10, 10)  # one known pixel with a hue
    assert np.ptp(run(faces, grey, mask)[mask], axis=1).max() > 0


def test_any_size_and_any_value_of_the_mask(tmp_path):
    path = export_onnx("faces", (50, 70), tmp_path / "wide.onnx")
    image = Photos(96, "test").batch([0])[0][:50, :70]
    mask = hole(50, 70, 1)
    expected = inpaint(image, mask, generator=load_generator("faces"))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for value in (1, 255):
        given = {"image": image[None], "mask": value * mask[None].astype(np.uint8)}
        (found,) = session.run(None, given)
        assert np.abs(found[0].astype(int) - expected).max() <= 1
    empty = np.zeros((1, 50, 70), dtype=np.uint8)
    (untouched,) = session.run(None, {"image": image[None], "mask": empty})
    assert np.array_equal(untouched[0], image)


def test_columns_can_be_switched_off(tmp_path):
    """With every gate open the network is the one that was trained; of a column whose gate is 0 the
    decoder gets two means, that of missing places and that of known ones."""
    path = export_onnx("faces", 64, tmp_path / "gated.onnx", gates=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator, mask = load_generator("faces"), hole(64, 64, 3)
    image = RenderedFaces(64, "test").batch([9])[0]
    given = {"image": image[None], "mask": mask[None].astype(np.uint8)}

    def gated(*gates: float) -> np.ndarray:
        return session.run(None, given | {"gates": np.array(gates, np.float32)})[0][0].astype(int)

    assert np.abs(gated(1, 1, 1) - inpaint(image, mask, generator=generator)).max() <= 1

    def flat(_: object, __: object, features: torch.Tensor) -> torch.Tensor:
        made = features.clone()
        for places in map(torch.from_numpy, (mask, ~mask)):
            made[..., places] = features[..., places].mean(dim=-1, keepdim=True)
        return made

    for off in range(3):
        handle = generator.columns[off].register_forward_hook(flat)
        expected = inpaint(image, mask, generator=generator)
        handle.remove()
        found = gated(*(float(k != off) for k in range(3)))
        assert np.abs(found - expected).max() <= 1
        assert np.abs(found - gated(1, 1, 1)).max() > 20


def test_says_what_it_is(faces):
    model = onnx.load(faces)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["weights_sha256"] == weights_hash("faces")
    assert about["size"] == "64x64" and about["terms"] == "MIT" and "rendered" in about["data"]
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"image": [1, 64, 64, 3], "mask": [1, 64, 64], "filled": [1, 64, 64, 3]}


def test_says_nothing_of_the_machine_that_exported_it(faces):
    data = faces.read_bytes()
    for trace in (b"site-packages", b".py", str(PACKAGED).encode()):
        assert trace not in data
    # Beside the weights lie the two thousand operations of a prior.
    assert len(data) < 1.15 * (PACKAGED / "faces.safetensors").stat().st_size


def test_half_precision_only_where_nothing_is_lost(faces, tmp_path):
    stored = {tensor.data_type for tensor in onnx.load(faces).graph.initializer if tensor.dims}
    assert onnx.TensorProto.FLOAT16 in stored  # the packaged weights are half precision
    model = GMCNN(GeneratorConfig(width=2, initialisation="he"))
    save_generator(model, tmp_path / "full.safetensors")
    path = export_onnx(tmp_path / "full.safetensors", 32, tmp_path / "full.onnx")
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert onnx.TensorProto.FLOAT16 not in kinds
    assert faces.stat().st_size < 7_500_000


@pytest.mark.parametrize(
    "options",
    [{"attention": "se", "reduction": 2}, {"attention": "a2"}, {"upsample": "transposed-3"},
     {"upsample": "subpixel"}, {"bottleneck": "dense", "dense_size": (32, 32)}],
)  # fmt: skip
def test_variants_export(options, tmp_path):
    model = GMCNN(GeneratorConfig(width=2, initialisation="he", **options)).eval()
    save_generator(model, tmp_path / "variant.safetensors")
    path = export_onnx(tmp_path / "variant.safetensors", 32, tmp_path / "variant.onnx")
    image, mask = Photos(32, "test").batch([1])[0], hole(32, 32, 2)
    expected = inpaint(image, mask, generator=model)
    assert np.abs(run(path, image, mask).astype(int) - expected).max() <= 1


def test_errors_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="16×16 is too small"):
        export_onnx("faces", 16, tmp_path / "x.onnx")
    with pytest.raises(InputError, match="packaged weights: celeba, celeba-sharp, faces"):
        export_onnx("nobody", 64, tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime is not installed.*labkit\[export\]"):
        export_onnx("faces", 64, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_on_the_command_line(tmp_path, capsys):
    out = tmp_path / "faces.onnx"
    assert main(["export", "onnx", "--weights", "faces", "--size", "48x64", "-o", str(out)]) == 0
    assert f"written to {out}" in capsys.readouterr().out
    assert onnx.load(out).graph.input[0].type.tensor_type.shape.dim[1].dim_value == 48
    assert main(["export", "onnx", "--size", "big", "-o", str(out)]) == 2
    assert "--size big is no size" in capsys.readouterr().err
    assert main(["export", "onnx", "--weights", "nobody", "-o", str(out)]) == 2
    assert "no such weights file" in capsys.readouterr().err
