"""Weight files: a round trip, the authors' layout, and files that are refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from labkit.errors import InputError
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.weights import (
    authors_keys,
    load_authors,
    load_generator,
    packaged_names,
    read_metadata,
    save_generator,
    weights_hash,
)

CONFIG = GeneratorConfig(width=2, dilations=(2, 4, 8, 16))
GOLDEN = Path(__file__).parent / "data" / "generator_width2.npz"  # of the authors' PyTorch code
# Their layers in order; the numbers left out are those of upsampling layers.
AUTHORS_LAYERS = {
    "EB1": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    "EB2": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14),
    "EB3": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16, 17),
    "decoding_layers": (0, 1),
}
AUTHORS_KEYS = [
    f"{part}.{i}.{kind}"
    for part, numbers in AUTHORS_LAYERS.items()
    for i in numbers
    for kind in ("weight", "bias")
]


@pytest.fixture
def model() -> GMCNN:
    return GMCNN(CONFIG, rng=torch.Generator().manual_seed(3)).eval()


def test_a_round_trip_keeps_every_value(model, tmp_path) -> None:
    save_generator(model, tmp_path / "g.safetensors", {"steps": "12"})
    again = load_generator(tmp_path / "g.safetensors")
    assert again.config == CONFIG
    assert not again.training
    for (name, ours), theirs in zip(
        model.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    assert read_metadata(tmp_path / "g.safetensors")["steps"] == "12"


def test_float16_rounds_to_eleven_bits(model, tmp_path) -> None:
    save_generator(model, tmp_path / "g.safetensors", dtype=torch.float16)
    again = load_generator(tmp_path / "g.safetensors")
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert theirs.dtype == torch.float32
        assert torch.equal(ours.half().float(), theirs)


def test_the_hash_changes_with_the_weights(model, tmp_path) -> None:
    path = tmp_path / "g.safetensors"
    save_generator(model, path)
    before = weights_hash(path)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    save_generator(model, path)
    assert weights_hash(path) != before


def authors_state(model: GMCNN) -> dict[str, torch.Tensor]:
    return dict(zip(AUTHORS_KEYS, model.state_dict().values(), strict=True))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_authors_layout_loads(model, tmp_path, prefix: str) -> None:
    state = {prefix + key: value for key, value in authors_state(model).items()}
    torch.save(state, tmp_path / "authors.pth")
    again = load_authors(tmp_path / "authors.pth")
    assert again.config.width == 2
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_release_file_loads_wherever_weights_are_asked_for(model, tmp_path) -> None:
    torch.save(authors_state(model), tmp_path / "authors.pth")
    again = load_generator(tmp_path / "authors.pth")
    assert torch.equal(next(again.parameters()), next(model.parameters()))


def test_keys_are_those_of_the_authors_in_order() -> None:
    assert authors_keys() == AUTHORS_KEYS
    assert [*np.load(GOLDEN)] == [*AUTHORS_KEYS, "output"]


def test_the_authors_own_file_has_exactly_these_keys(shared) -> None:
    state = torch.load(shared / "golden" / "gmcnn_cnum4_authors.pth", weights_only=True)
    assert list(state) == AUTHORS_KEYS


def test_a_missing_and_an_extra_key_are_named(model, tmp_path) -> None:
    state = authors_state(model)
    state["EB9.0.weight"] = state.pop("EB2.13.weight")
    torch.save(state, tmp_path / "authors.pth")
    with pytest.raises(InputError, match=r"missing: EB2\.13\.weight.*unexpected: EB9\.0\.weight"):
        load_authors(tmp_path / "authors.pth")


def test_another_layout_is_named(tmp_path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"conv1\.weight"):
        load_authors(tmp_path / "other.pth")


def test_weights_of_another_width_are_refused(model, tmp_path) -> None:
    state = authors_state(model)
    state["EB1.0.weight"] = torch.zeros(4, 4, 7, 7)  # claims width 4; the rest says 2
    torch.save(state, tmp_path / "authors.pth")
    with pytest.raises(InputError, match=r"wrong shape: columns\.0\.encoder"):
        load_authors(tmp_path / "authors.pth")


def test_a_configuration_that_disagrees_with_the_tensors_is_refused(model, tmp_path) -> None:
    import safetensors.torch

    header = {"format": "labkit-generator-1", "config": json.dumps({"width": 4})}
    safetensors.torch.save_file(model.state_dict(), tmp_path / "g.safetensors", metadata=header)
    with pytest.raises(InputError, match=r"another model or width"):
        load_generator(tmp_path / "g.safetensors")
    header["config"] = json.dumps({"width": 4.0})
    safetensors.torch.save_file(model.state_dict(), tmp_path / "g.safetensors", metadata=header)
    with pytest.raises(InputError, match=r"unreadable generator configuration"):
        load_generator(tmp_path / "g.safetensors")


def test_a_state_dict_whose_keys_are_no_names_is_refused(model, tmp_path) -> None:
    torch.save(dict(enumerate(model.state_dict().values())), tmp_path / "numbered.pth")
    with pytest.raises(InputError, match=r"numbered\.pth: not a state dict of tensors"):
        load_authors(tmp_path / "numbered.pth")


def test_weights_too_large_for_half_precision_are_not_said_to_have_diverged(model, tmp_path):
    with torch.no_grad():
        next(model.parameters()).fill_(1e5)
    with pytest.raises(InputError, match=r"too large for torch\.float16; save them as float32"):
        save_generator(model, tmp_path / "g.safetensors", dtype=torch.float16)
    save_generator(model, tmp_path / "g.safetensors")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_pickle_is_never_executed(tmp_path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(), protocol=2))
    torch.save({"EB1.0.weight": Bomb()}, tmp_path / "torch.pth")
    for path in (tmp_path / name, tmp_path / "torch.pth"):
        with pytest.raises(InputError):
            load_authors(path)
        with pytest.raises(InputError):
            load_generator(path)


def test_a_truncated_file_is_refused(model, tmp_path) -> None:
    path = tmp_path / "g.safetensors"
    save_generator(model, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"safetensors"):
        load_generator(path)


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(model, tmp_path) -> None:
    path = tmp_path / "g.safetensors"
    save_generator(model, path)
    good = path.read_bytes()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match=r"columns\.0.*not finite"):
        save_generator(model, path)
    assert path.read_bytes() == good
    torch.save(authors_state(model), tmp_path / "authors.pth")
    with pytest.raises(InputError, match=r"NaN"):
        load_authors(tmp_path / "authors.pth")


def test_an_unknown_name_lists_the_packaged_ones() -> None:
    with pytest.raises(InputError, match=r"packaged weights") as caught:
        load_generator("no-such-weights")
    assert all(name in str(caught.value) for name in packaged_names())


def test_a_foreign_safetensors_file_is_refused(tmp_path) -> None:
    import safetensors.torch

    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"no generator"):
        load_generator(tmp_path / "a.safetensors")
