"""Generator weights on disk: safetensors of our own, and state dicts of the authors' release.

A weights file is one safetensors file, which holds numbers only; its header has the configuration
as JSON under ``config`` and what the writer adds. Chapter 14 reads the authors' layout: ``EB1`` to
``EB3``, the columns with kernels 7, 5 and 3, upsampling counted, and ``decoding_layers``.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from labkit.errors import InputError
from labkit.files import WEIGHTS, atomic_write, say_which
from labkit.nn.columns import COLUMN_DECODERS
from labkit.nn.generator import GMCNN
from labkit.nn.tensor_files import read_tensors
from labkit.settings import GeneratorConfig

PACKAGED = Path(__file__).parent.parent / "weights"
_FORMAT = "labkit-generator-1"
_REMEDY = "use a file written by `labkit train`, or a packaged name"
RELEASE_SUFFIXES = (".pth", ".pt")


def packaged_names() -> list[str]:
    """Names of the weights that come with the package, for `load_generator`.

    >>> packaged_names()
    ['celeba', 'celeba-sharp', 'faces']
    """
    return sorted(path.stem for path in PACKAGED.glob("*.safetensors"))


def weights_path(weights: str | os.PathLike[str]) -> Path:
    """The file of a packaged name, of a run's folder or of a path; the error lists the packaged.

    A name that is both is the packaged one, with a warning; as a path, "./celeba", it is the other.
    """
    if weights in packaged_names():
        say_which(str(weights), "the packaged weights")
        return PACKAGED / f"{weights}.safetensors"
    path = Path(weights)
    if path.is_dir() and (path / WEIGHTS).is_file():
        return path / WEIGHTS  # a run's folder
    if not path.is_file():
        raise InputError(
            f"{weights}: no such weights file",
            f"packaged weights: {', '.join(packaged_names()) or 'none'}",
        )
    return path


def save_generator(
    model: GMCNN,
    path: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write `model` to a safetensors file, atomically.

    Args:
        metadata: strings to keep in the header, such as training data, steps and terms.
        dtype: float16 halves the file; values are rounded to 11 bits.

    Raises:
        InputError: weights that are not finite, or a file that cannot be written.
    """
    state = {}
    for key, weights in model.state_dict().items():
        if not bool(weights.isfinite().all()):
            raise InputError(
                f"{path}: weights {key} are not finite", "the model has diverged; not saved"
            )
        state[key] = weights.detach().to("cpu", dtype).contiguous()
        if not bool(state[key].isfinite().all()):
            raise InputError(
                f"{path}: weights {key} are too large for {dtype}", "save them as float32"
            )
    header = {"format": _FORMAT, "config": json.dumps(model.config.to_dict()), **(metadata or {})}
    data = safetensors.torch.save(state, metadata=header)
    atomic_write(path, lambda file: file.write(data))


def read_metadata(weights: str | os.PathLike[str]) -> dict[str, str]:
    """The header of a weights file of this package: ``config`` and what its writer added.

    >>> read_metadata("faces")["terms"]
    'MIT'
    """
    return _read(weights_path(weights))[0]


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a weights file; its bytes are read here, as the library opens no file
    whose name is not UTF-8."""
    try:
        data = path.read_bytes()
        state = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except Exception as error:  # a damaged file can raise anything
        raise InputError(f"{path}: not a readable safetensors file ({error})", _REMEDY) from None
    if metadata.get("format") != _FORMAT:
        raise InputError(f"{path}: holds no generator of this package", _REMEDY)
    return metadata, state


def load_generator(weights: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> GMCNN:
    """A trained generator in evaluation mode, float32.

    Args:
        weights: a packaged name (`packaged_names`), a safetensors file, a training run's folder, or
            a .pth file in the layout of the authors' release.

    Raises:
        InputError: a missing or damaged file, or tensors that do not fit its own configuration.
    """
    path = weights_path(weights)
    if path.suffix in RELEASE_SUFFIXES:
        return load_authors(path).to(device)
    metadata, state = _read(path)
    try:
        model = GMCNN(GeneratorConfig(**json.loads(metadata["config"])))
    except (KeyError, TypeError, ValueError) as error:  # no JSON, or no such configuration
        raise InputError(f"{path}: unreadable generator configuration ({error})") from None
    _load(model, state, str(path))
    return model.eval().to(device)


def weights_hash(weights: str | os.PathLike[str]) -> str:
    """SHA-256 of the weights file, in hexadecimal."""
    return hashlib.sha256(weights_path(weights).read_bytes()).hexdigest()


def load_authors(path: str | os.PathLike[str]) -> GMCNN:
    """A generator in evaluation mode from a state dict of the authors' PyTorch release.

    The width is read from the tensors.

    Raises:
        InputError: not such a file; the message names the first keys or shapes that differ.
    """
    state = read_tensors(path)
    # Weights saved from nn.DataParallel carry this prefix.
    state = {key.removeprefix("module."): value for key, value in state.items()}
    first = state.get("EB1.0.weight")
    if first is None or first.ndim != 4:
        found = ", ".join(list(state)[:3]) or "nothing"
        raise InputError(
            f"{path}: no key EB1.0.weight", f"not the authors' layout; it holds {found} …"
        )
    model = GMCNN(GeneratorConfig(width=first.shape[0]))
    _load(model, state, str(path), dict(zip(authors_keys(), model.state_dict(), strict=True)))
    return model.eval()


def authors_keys() -> list[str]:
    """The release's state-dict keys in the order of ours."""
    keys = []
    for branch, kernel in enumerate((7, 5, 3), start=1):
        index = list(range(12))  # six encoder and six bottleneck convolutions
        after = enumerate(COLUMN_DECODERS[kernel], start=12)
        index += [i for i, step in after if not isinstance(step, str)]
        keys += [f"EB{branch}.{i}.{part}" for i in index for part in ("weight", "bias")]
    return keys + [f"decoding_layers.{i}.{part}" for i in (0, 1) for part in ("weight", "bias")]


def _load(
    model: GMCNN, state: dict[str, Tensor], name: str, keys: dict[str, str] | None = None
) -> None:
    """Give the model the tensors of a file called `name`; keys: the file's → the model's."""
    expected = model.state_dict()
    keys = keys or {key: key for key in expected}
    shapes = {key: value.shape for key, value in state.items()}
    differing = {
        "missing": [key for key in keys if key not in state],
        "unexpected": [key for key in state if key not in keys],
        "wrong shape": [
            f"{ours} {tuple(shapes[key])} for {tuple(expected[ours].shape)}"
            for key, ours in keys.items()
            if key in state and shapes[key] != expected[ours].shape
        ],
    }
    if any(differing.values()):
        what = ", ".join(f"{what}: {_first(names)}" for what, names in differing.items() if names)
        raise InputError(f"{name}: {what}", "the file is of another model or width")
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise InputError(f"{name}: holds NaN or infinite weights", "use another checkpoint")
    model.load_state_dict({ours: state[key].to(torch.float32) for key, ours in keys.items()})


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
