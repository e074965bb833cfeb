"""Features: torchvision's own numbers, frozen, no deeper than asked, and files that are refused."""

from __future__ import annotations

import io
import urllib.error
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision import models

from labkit.errors import InputError
from labkit.losses.id_mrf import default_layers
from labkit.nn.features import Features, feature_layers

NETWORKS = ("vgg19", "vgg16", "squeezenet1_1")
SEEDED = torch.Generator().manual_seed(11)
IMAGE = torch.rand(2, 3, 40, 48, generator=SEEDED) * 2 - 1
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)


def slim_state(network: str) -> dict[str, torch.Tensor]:
    """Random weights in torchvision's own keys, `features.` and all, made without a classifier."""
    with torch.device("meta"):
        body = getattr(models, network)(weights=None).features
    generator = torch.Generator().manual_seed(5)
    state = {}
    for key, value in body.state_dict().items():
        std = (2.0 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1
        state[f"features.{key}"] = torch.randn(value.shape, generator=generator) * std
    return state


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of random weights for each network."""
    folder = tmp_path_factory.mktemp("weights")
    for network in NETWORKS:
        torch.save(slim_state(network), folder / f"{network}.pth")
    return {network: folder / f"{network}.pth" for network in NETWORKS}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layer_equals_torchvisions_own(network: str, files: dict[str, Path]) -> None:
    names = feature_layers(network)
    with torch.device("meta"):
        theirs = getattr(models, network)(weights=None).features
    theirs = theirs.to_empty(device="cpu").eval()
    theirs.load_state_dict(
        {k.removeprefix("features."): v for k, v in torch.load(files[network]).items()}
    )
    ours = Features(network, names, weights=files[network])(IMAGE)
    assert list(ours) == names
    x = ((IMAGE + 1) / 2 - MEAN) / STD
    for name, module in zip(names, theirs, strict=True):
        x = module(x.clone())  # torchvision's ReLU overwrites what it is given
        scale = float(x.detach().abs().max())
        assert torch.allclose(ours[name], x, atol=1e-5 * scale, rtol=1e-5), name


def test_a_relu_leaves_a_convolution_that_was_asked_for() -> None:
    found = Features("random:0", ["conv2_1", "relu2_1"])(IMAGE)
    assert bool((found["conv2_1"] < 0).any())
    assert torch.equal(found["conv2_1"].relu(), found["relu2_1"])


def test_names_follow_the_networks() -> None:
    vgg19, vgg16 = feature_layers("vgg19"), feature_layers("vgg16")
    assert [n for n in vgg19 if n.startswith("conv3")] == [f"conv3_{i}" for i in (1, 2, 3, 4)]
    assert [n for n in vgg16 if n.startswith("conv3")] == [f"conv3_{i}" for i in (1, 2, 3)]
    assert len(vgg19) == 16 * 2 + 5 and len(vgg16) == 13 * 2 + 5
    assert " ".join(feature_layers("squeezenet1_1")) == (
        "conv1 relu1 pool1 fire2 fire3 pool3 fire4 fire5 pool5 fire6 fire7 fire8 fire9"
    )
    assert feature_layers("random:4") == vgg19


@pytest.mark.parametrize("network", NETWORKS)
def test_default_layers_lie_at_strides_4_and_8(network: str, files: dict[str, Path]) -> None:
    layers = default_layers(network)
    maps = list(
        Features(network, layers, weights=files[network])(torch.zeros(1, 3, 64, 64)).values()
    )
    # SqueezeNet's first convolution has no padding and loses a pixel.
    assert [64 / m.shape[-1] for m in maps] == pytest.approx([4, 8], rel=0.15)
    assert default_layers("random:1") == ("relu3_2", "relu4_2")


def test_the_order_is_the_one_asked_for() -> None:
    assert list(Features("random:0", ["relu2_1", "conv1_1"])(IMAGE)) == ["relu2_1", "conv1_1"]


def test_mean_only_does_not_divide() -> None:
    layers = ["conv1_1"]
    found = Features("random:0", layers, normalise="mean-only")
    expected = found.body[0]((IMAGE + 1) / 2 - MEAN)
    assert torch.allclose(found(IMAGE)["conv1_1"], expected, atol=1e-6)
    full = Features("random:0", layers)
    assert torch.allclose(
        full(IMAGE)["conv1_1"], full.body[0](((IMAGE + 1) / 2 - MEAN) / STD), atol=1e-5
    )


def test_the_projects_squeezenet_file_loads(shared: Path) -> None:
    path = shared / "weights" / "squeezenet1_1-features-imagenet.pth"
    features = Features("squeezenet1_1", ["fire9"], weights=path)
    first = torch.load(path, weights_only=True)["0.weight"]
    assert torch.equal(features.body[0].weight, first)
    assert features(IMAGE)["fire9"].shape[1] == 512


@pytest.mark.parametrize("layer", ["relu1_1", "pool1", "relu3_2"])
def test_nothing_deeper_is_built(layer: str) -> None:
    features = Features("random:0", [layer])
    assert len(features.body) == feature_layers("random:0").index(layer) + 1
    deepest = [m for m in features.modules() if isinstance(m, nn.Conv2d)]
    assert len(deepest) == {"relu1_1": 1, "pool1": 2, "relu3_2": 6}[layer]
    assert not any(p.is_meta for p in features.parameters())


def test_a_seed_decides_every_weight_and_touches_no_other_randomness() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again = Features("random:7", ["relu2_1"]), Features("random:7", ["relu2_1"])
    assert torch.equal(torch.get_rng_state(), before)
    other, deeper = Features("random:8", ["relu2_1"]), Features("random:7", ["relu3_1"])
    for ours, same, different, longer in zip(
        first.parameters(),
        again.parameters(),
        other.parameters(),
        deeper.parameters(),
        strict=False,
    ):
        assert torch.equal(ours, same) and torch.equal(ours, longer)
        assert ours.ndim == 1 or not torch.equal(ours, different)
    weight = first.body[2].weight  # 64 × 64 × 3 × 3: He's rule to within sampling error
    assert float(weight.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not any(bool(m.bias.any()) for m in first.body if isinstance(m, nn.Conv2d))


def test_frozen_yet_gradients_reach_the_image() -> None:
    features = Features("random:0", ["conv1_2", "relu2_1"])
    holder = nn.Sequential(features).train()
    assert not features.training and not any(m.training for m in features.modules())
    assert holder.training
    image = IMAGE.clone().requires_grad_()
    sum(map.square().mean() for map in features(image).values()).backward()
    assert bool((image.grad != 0).any()) and bool(image.grad.isfinite().all())
    assert all(p.grad is None and not p.requires_grad for p in features.parameters())


def test_gradient_in_float64_is_the_numerical_one() -> None:
    features = Features("random:0", ["conv1_1", "relu1_1", "pool1"]).double()
    image = IMAGE[:1, :, :4, :4].double().requires_grad_()
    picked = torch.rand(3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def mixture(x: torch.Tensor) -> torch.Tensor:
        return sum(w * m.tanh().sum() for w, m in zip(picked, features(x).values(), strict=True))

    assert torch.autograd.gradcheck(mixture, (image,))


def test_half_precision_under_autocast() -> None:
    features = Features("random:0", ["relu2_1"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = features(IMAGE)["relu2_1"]
    full = features(IMAGE)["relu2_1"]
    assert low.dtype == torch.bfloat16
    assert float((low.float() - full).norm() / full.norm()) < 0.02


@pytest.mark.parametrize(
    ("name", "layers", "options", "message"),
    [
        ("vgg19", ["conv6_1"], {}, r"vgg19 has no layer 'conv6_1'; choose from conv1_1, relu1_1"),
        (
            "squeezenet1_1",
            ["relu3_2"],
            {},
            r"no layer 'relu3_2'; choose from conv1, relu1, pool1, f",
        ),
        ("vgg19", [], {}, "no list of layers"),
        ("vgg19", "relu1_1", {}, "no list of layers: 'relu1_1'"),
        ("resnet50", ["conv1"], {}, r"network 'resnet50' is unknown; one of vgg19, vgg16, squeeze"),
        ("random:", ["relu1_1"], {}, "'random:' is unknown"),
        ("random:-1", ["relu1_1"], {}, "'random:-1' is unknown"),
        ("random:1", ["relu1_1"], {"weights": "w.pth"}, "takes no file"),
        ("vgg19", ["relu1_1"], {"weights": "nowhere.pth"}, "nowhere.pth: no such weights file"),
    ],
)
def test_wrong_requests_are_named(name, layers, options, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Features(name, layers, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["features.", ""])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_both_key_layouts_and_both_formats_load(tmp_path: Path, prefix: str, suffix: str) -> None:
    state = slim_state("squeezenet1_1")
    state = {prefix + k.removeprefix("features."): v.half() for k, v in state.items()}
    if prefix:
        state["classifier.1.weight"] = torch.zeros(10, 512, 1, 1).half()
    path = tmp_path / f"w{suffix}"
    safetensors.torch.save_file(state, path) if suffix == ".safetensors" else torch.save(
        state, path
    )
    features = Features("squeezenet1_1", ["fire2"], weights=path)
    assert features.body[0].weight.dtype == torch.float32
    assert torch.equal(features.body[0].weight, state[f"{prefix}0.weight"].float())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all, by any reading", None])
def test_unreadable_files_are_refused_in_one_line(tmp_path: Path, suffix, content) -> None:
    path = tmp_path / f"w{suffix}"
    if content is None:  # cut short
        whole = io.BytesIO()
        torch.save(slim_state("squeezenet1_1"), whole)
        content = whole.getvalue()[:4096]
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable file of tensors") as caught:
        Features("squeezenet1_1", ["fire2"], weights=path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


class Runs:
    """A pickle of it would call `print`."""

    def __reduce__(self):
        return print, ("this must not run",)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, capsys) -> None:
    torch.save({"0.weight": Runs()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="not a readable file of tensors"):
        Features("squeezenet1_1", ["fire2"], weights=tmp_path / "w.pth")
    assert "must not run" not in capsys.readouterr().out


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save({"state": {"0.weight": torch.zeros(1)}}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="not a state dict of tensors"):
        Features("squeezenet1_1", ["fire2"], weights=tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("network", "layer", "given"),
    [
        ("vgg19", "relu3_2", "vgg16"),
        ("vgg16", "relu4_2", "vgg19"),
        ("squeezenet1_1", "fire2", "vgg16"),
    ],
)
def test_weights_of_another_network_are_refused(network, layer, given, files) -> None:
    """Up to relu3_2, VGG16 and VGG19 have the same shapes: only what follows tells them apart."""
    with pytest.raises(InputError, match=f"{given}.pth.*the weights are of another network"):
        Features(network, [layer], weights=files[given])


def test_missing_and_infinite_weights_are_refused(tmp_path: Path) -> None:
    state = slim_state("squeezenet1_1")
    torch.save({k: v for k, v in state.items() if k != "features.0.bias"}, tmp_path / "less.pth")
    with pytest.raises(InputError, match=r"less\.pth: lacks 0\.bias"):
        Features("squeezenet1_1", ["fire2"], weights=tmp_path / "less.pth")
    state["features.0.bias"][3] = torch.inf
    torch.save(state, tmp_path / "inf.pth")
    with pytest.raises(InputError, match=r"inf\.pth: holds NaN or infinite"):
        Features("squeezenet1_1", ["fire2"], weights=tmp_path / "inf.pth")


# ------------------------------------------------------------------------------ the download


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub; a test that reaches the network fails."""

    def no_network(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    return tmp_path / "hub" / "checkpoints"


class Response(io.BytesIO):
    """What urlopen returns, as far as torch.hub looks at it."""

    def info(self):
        class Headers:
            @staticmethod
            def get_all(_: str) -> list[str]:
                return ["548000000"]

        return Headers()


def test_offline_is_said_in_one_line_with_what_to_do(cache: Path, monkeypatch) -> None:
    def offline(*_: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(InputError, match="vgg19 could not be downloaded") as caught:
        Features("vgg19", ["relu3_2"])
    assert "\n" not in str(caught.value)
    assert "local file" in caught.value.remedy and "random:<seed>" in caught.value.remedy
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"half a file"])
def test_a_download_cut_short_leaves_nothing(cache: Path, monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_: Response(content))
    with pytest.raises(InputError, match=r"vgg16 could not be downloaded \(invalid hash"):
        Features("vgg16", ["relu3_2"])
    assert list(cache.iterdir()) == []


def test_a_connection_that_breaks_leaves_nothing(cache: Path, monkeypatch) -> None:
    class Breaking(Response):
        def read(self, *_: object) -> bytes:
            raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(torch.hub, "urlopen", lambda *_: Breaking())
    with pytest.raises(InputError, match=r"could not be downloaded .*reset by peer"):
        Features("squeezenet1_1", ["fire2"])
    assert list(cache.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_named(cache: Path) -> None:
    cache.mkdir(parents=True)
    path = cache / Path(models.VGG19_Weights.DEFAULT.url).name
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match=f"{path}: not a readable file.*delete it"):
        Features("vgg19", ["relu3_2"])


def test_a_file_in_the_cache_is_used_without_asking_the_network(cache: Path) -> None:
    cache.mkdir(parents=True)
    state = slim_state("squeezenet1_1")
    torch.save(state, cache / Path(models.SqueezeNet1_1_Weights.DEFAULT.url).name)
    features = Features("squeezenet1_1", ["fire2"])
    assert torch.equal(features.body[0].weight, state["features.0.weight"])


def test_a_layer_is_checked_before_anything_is_downloaded(cache: Path) -> None:
    with pytest.raises(InputError, match="no layer 'relu9_9'"):
        Features("vgg19", ["relu9_9"])
