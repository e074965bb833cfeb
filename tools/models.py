"""What the page that fills holes is served: networks as ONNX files, pictures, and a list of both.

`tools/build.py` calls it. Everything is made from the packaged weights and from `labkit.data`;
nothing of it is committed. A network is exported again only when its weights or the code of the
export have changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import fill_reference
import numpy as np
import vendor

from labkit import export
from labkit.book.widgets.painter import Stroke, draw_stroke
from labkit.data.photos import PHOTOS, photo
from labkit.faces import RenderedFaces
from labkit.images import write_image
from labkit.nn.weights import read_metadata, weights_hash

ROOT = Path(__file__).resolve().parent.parent
PAGE_FILES = ROOT / "labkit" / "page"
THUMBNAIL = 72  # pixels


@dataclass(frozen=True)
class Model:
    """One network at one size.

    Attributes:
        weights: a packaged name, or a weights file under the checkout.
        size: side of the squares that it fills, in pixels.
        label: what a menu calls it.
        gates: whether its columns can be switched off.
    """

    weights: str
    size: int
    label: str
    gates: bool = False

    @property
    def name(self) -> str:
        return f"{Path(self.weights).stem}-{self.size}"


MODELS = (
    Model("faces", 64, "Network: rendered faces", gates=True),  # chapter 4 switches them
    Model("celeba", 256, "Network: photographs of faces"),
    # Chapter 12's: of the same width, trained on the same rendered faces; none has a prior.
    Model("book/results/faces-plain.safetensors", 64, "Network: reconstruction alone"),
    Model("book/results/faces-full.safetensors", 64, "Network: all losses"),
    Model("book/results/faces-se.safetensors", 64, "Network: squeeze-and-excitation"),
)


@dataclass(frozen=True)
class Picture:
    """One picture to choose, with a hole to begin with.

    Attributes:
        name: of its file.
        label: what it shows.
        model: name of the network that is offered first.
        strokes: the hole.
        face: which of the rendered faces of the split "test", or None for a photograph.
        crop: of the photograph.
    """

    name: str
    label: str
    model: str
    strokes: tuple[Stroke, ...]
    face: int | None = None
    crop: tuple[slice, slice] = (slice(None), slice(None))

    def pixels(self) -> np.ndarray:
        """uint8 (H, W, 3)."""
        if self.face is not None:
            return RenderedFaces(128, "test").batch([self.face])[0]
        return photo(self.name)[self.crop]

    def mask(self) -> np.ndarray:
        """bool (H, W), True = missing."""
        mask = np.zeros(self.pixels().shape[:2], dtype=bool)
        for stroke in self.strokes:
            draw_stroke(mask, stroke)
        return mask

    @property
    def credit(self) -> str:
        if self.face is not None:
            return "rendered by labkit"
        return next(f"{item.credit}; {item.terms}" for item in PHOTOS if item.name == self.name)


def brush(size: float, *points: tuple[float, float]) -> Stroke:
    return {"tool": "brush", "size": size, "points": points}


def rendered(number: int, label: str, face: int, *strokes: Stroke) -> Picture:
    return Picture(f"face-{number}", f"rendered face, {label}", "faces-64", strokes, face)


def photographed(name: str, what: str, crop: tuple[slice, slice], *strokes: Stroke) -> Picture:
    return Picture(name, f"photograph of {what}", "celeba-256", strokes, crop=crop)


PICTURES = (
    rendered(1, "curly hair", 27, brush(20, (40, 20), (96, 50))),
    rendered(2, "black hair", 33, brush(26, (44, 22), (64, 15), (88, 22))),
    rendered(3, "glasses", 9, brush(20, (40, 60), (92, 60))),
    rendered(4, "fair hair", 5, brush(22, (30, 52), (36, 88)), brush(14, (84, 58), (84, 58))),
    photographed(
        "astronaut", "an astronaut", np.s_[:256, 96:352], brush(26, (100, 104), (116, 102))
    ),
    photographed("chelsea", "a cat", np.s_[10:280, 40:400], brush(30, (150, 104), (166, 104))),
    photographed(
        "coffee", "a cup of coffee", np.s_[60:360, 120:520], brush(24, (190, 120), (240, 190))
    ),
)


def write(
    folder: Path,
    served: bool,
    networks: Sequence[Model] = MODELS,
    pictures: Sequence[Picture] = PICTURES,
) -> None:
    """Fill `folder`, static files' "fill", with networks, pictures, the painter and manifest.json.

    Args:
        folder: files of an earlier call that still hold are kept.
        served: whether ONNX Runtime Web comes from the book itself.
        networks: the one for the largest squares is offered first for a reader's own picture.
        pictures: the first is shown first, filled already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("painter.mjs", "painter.css"):
        shutil.copy(PAGE_FILES / name, folder)
    known = {entry["name"]: entry for entry in read(folder)["models"]}
    entries = [write_model(model, folder, known.get(model.name)) for model in networks]
    shown = [write_picture(picture, folder) for picture in pictures]
    first, file = pictures[0], "pictures/filled-first.png"
    model = next(model for model in networks if model.name == first.model)
    write_image(folder / file, filled(folder, first, model))
    manifest = {
        "runtime": vendor.runtime(served),
        "models": entries,
        "pictures": shown,
        "first": {"picture": first.name, "model": first.model, "file": file},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The list of what was written into a folder; of nothing where nothing was."""
    path = folder / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"models": []}


def write_model(model: Model, folder: Path, known: dict[str, Any] | None) -> dict[str, Any]:
    """Export a network, unless the one that is known already is the same; its entry in the list."""
    weights = model.weights if "/" not in model.weights else str(ROOT / model.weights)
    path = folder / "models" / f"{model.name}.onnx"
    path.parent.mkdir(exist_ok=True)
    made_from = _origin(weights, model)
    if known is None or known.get("made_from") != made_from or not path.is_file():
        print(f"  exporting {model.name} …", flush=True)
        export.export_onnx(weights, model.size, path, gates=model.gates)
    data = path.read_bytes()
    about = read_metadata(weights)
    digest = hashlib.sha256(data).hexdigest()
    return {
        "name": model.name,
        "label": model.label,
        "size": model.size,
        # With the hash in its address no cache hands out the file of an earlier build.
        "file": f"models/{path.name}?{digest[:12]}",
        "bytes": len(data),
        "sha256": digest,
        "data": about.get("data", ""),
        "terms": about.get("terms", ""),
        "made_from": made_from,
    }


def _origin(weights: str, model: Model) -> str:
    """Changes with the weights, and with the code that exports them."""
    package = Path(export.__file__).parent
    code = [package / "export.py", *sorted((package / "nn").glob("*.py"))]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in code]
    text = " ".join([weights_hash(weights), str(model.size), str(model.gates), *hashes])
    return hashlib.sha256(text.encode()).hexdigest()


def write_picture(picture: Picture, folder: Path) -> dict[str, Any]:
    """Write a picture and its thumbnail; its entry in the manifest."""
    pixels = picture.pixels()
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = pixels[top : top + side, left : left + side]
    small = cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    place = folder / "pictures"
    place.mkdir(exist_ok=True)
    write_image(place / f"{picture.name}.png", pixels)
    write_image(place / f"{picture.name}-small.jpg", small, quality=85)
    return {
        "name": picture.name,
        "label": picture.label,
        "model": picture.model,
        "file": f"pictures/{picture.name}.png",
        "thumbnail": f"pictures/{picture.name}-small.jpg",
        "strokes": picture.strokes,
        "credit": picture.credit,
    }


def filled(folder: Path, picture: Picture, model: Model) -> np.ndarray:
    """A picture's own hole filled as the page would do it."""
    network = started(folder / "models" / f"{model.name}.onnx")
    return fill_reference.fill(picture.pixels(), picture.mask(), model.size, network)


def started(path: Path) -> Callable[..., np.ndarray]:
    """An exported network, as the function (image, mask, gates) → filled image."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    gated = "gates" in [each.name for each in session.get_inputs()]

    def network(image: np.ndarray, mask: np.ndarray, gates: Sequence[float] = (1, 1, 1)):
        given = {"image": image[None], "mask": mask[None].astype(np.uint8)}
        if gated:
            given["gates"] = np.array(gates, np.float32)
        return session.run(None, given)[0][0]

    return network
