#!/usr/bin/env python3
"""Write what explorables cannot compute in the page.

    tools/explorables.py

forehead.json is chapter 8's: a cat's forehead, its fill, and their cosines. It needs the features
of a network: the chapter's own, so that the page's counts are those that the chapter prints.
forehead-trained.json has the cosines by features of a trained network. face.json is the rendered
face of chapters 1, 4 and 13. choose.json is chapter 3's: photographs with a hole, filled four ways.
film.json is chapter 15's film. between.json is chapter 11's: fills by weights on the way through a
training.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from labkit.data.photos import photo
from labkit.evaluation.metrics import psnr, ssim
from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.files import write_text
from labkit.images import compose, png_bytes, to_tensor, to_uint8
from labkit.inpainting import inpaint
from labkit.losses.id_mrf import unit_vectors
from labkit.nn.features import Features
from labkit.nn.weights import load_generator
from labkit.video.fill import inpaint_frames

BOOK = Path(__file__).resolve().parent.parent / "book"
FOLDER = BOOK / "_static/explorables"
# Chapter 8's example.
NETWORK, LAYER, STRIDE = "random:0", "relu3_2", 4
HOLE = slice(36, 92)
# Cosines as 16-bit integers: the page then has them to 0.00002.
SCALE = 32767
# Chapter 13's example.
FACE, SIDE = 3, 64
# A trained network whose features are at hand without a download: the packaged generator, of which
# the column with kernel 3 looks closest.
TRAINED, COLUMN = "celeba", 2
# Chapter 3's: a picture's hole (rows, columns), where a photograph is cut, and the networks that
# fill it beside the classical methods.
CHOICES = {
    "face": (np.s_[30:66, 26:62], None, ("faces", "celeba")),
    "coffee": (np.s_[110:170, 70:150], np.s_[60:316, 150:406], ("celeba", "celeba-sharp")),
    "chelsea": (np.s_[70:130, 60:120], np.s_[20:276, 130:386], ("celeba", "celeba-sharp")),
    "astronaut": (np.s_[88:136, 84:148], np.s_[:256, 96:352], ("celeba", "celeba-sharp")),
}

# Chapter 11's: two trainings from the same weights, shares of the way from there to where each of
# them ended, and the faces that are shown, the first four of them the chapter's.
ENDS = {"without": "faces-mrf", "with": "faces-full"}
SHARES = (0, 25, 50, 75, 100, 150)  # per cent
EYES = (1, 3, 7, 10, 0, 2)

Extract = Callable[[np.ndarray], torch.Tensor]
"""A picture's feature maps, (1, C, 32, 32), float64."""


def drawn(picture: np.ndarray) -> torch.Tensor:
    """By the chapter's network with drawn weights."""
    return Features(NETWORK, [LAYER]).double()(to_tensor(picture[None]))[LAYER]


def trained(picture: np.ndarray) -> torch.Tensor:
    """By the encoder of one column of a trained generator, which is told that all is known."""
    image = to_tensor(picture[None])
    known = torch.zeros_like(image[:, :1])
    return load_generator(TRAINED).columns[COLUMN].encoder(torch.cat([image, known], 1)).double()


def cosines(extract: Extract, generated: np.ndarray, target: np.ndarray) -> torch.Tensor:
    """A row for each generated patch, a column for each target patch, (196, 196), float64."""
    inside = slice(HOLE.start // STRIDE, HOLE.stop // STRIDE)
    with torch.no_grad():
        features = [extract(picture) for picture in (generated, target)]
    maps = [feature[..., inside, inside] for feature in features]
    mean = maps[1].mean(dim=(2, 3), keepdim=True)
    v, s = (unit_vectors(x - mean)[0] for x in maps)
    return v @ s.T


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def forehead_pictures() -> dict[str, np.ndarray]:
    target = photo("chelsea")[8:136, 174:302]
    missing = np.zeros(target.shape[:2], bool)
    missing[HOLE, HOLE] = True
    return {"fill": inpaint(target, missing, method="telea"), "target": target}


def packed_cosines(extract: Extract) -> str:
    whole = cosines(extract, *forehead_pictures().values()).numpy()
    return base64_of(np.round(whole * SCALE).astype("<i2").tobytes())


def data_uri(picture: np.ndarray) -> str:
    return "data:image/png;base64," + base64_of(png_bytes(picture))


def forehead() -> dict[str, object]:
    """What chapter 8's page loads."""
    return {
        "about": "Chapter 8's example, written by tools/explorables.py. cosines: base64 of 16-bit "
        "integers, low byte first, a row for each patch of the fill.",
        "side": (HOLE.stop - HOLE.start) // STRIDE,
        "scale": SCALE,
        "cosines": packed_cosines(drawn),
        **{name: data_uri(picture[HOLE, HOLE]) for name, picture in forehead_pictures().items()},
    }


def forehead_trained() -> dict[str, object]:
    """What it loads besides, for a reader who asks for it."""
    return {
        "about": f"As forehead.json, by the encoder of the packaged network {TRAINED}, the column "
        "with kernel 3; written by tools/explorables.py.",
        "cosines": packed_cosines(trained),
    }


def face() -> dict[str, object]:
    """What chapter 13's page loads."""
    pixels = RenderedFaces(SIDE, "test").batch([FACE])[0]  # uint8 (64, 64, 3)
    return {
        "about": "Chapter 13's example, written by tools/explorables.py. pixels: base64 of bytes, "
        "red, green and blue of each pixel, row by row.",
        "side": SIDE,
        "pixels": base64_of(pixels.tobytes()),
    }


def choose() -> dict[str, object]:
    """What chapter 3's page loads."""
    generator = np.random.default_rng(0)
    rounds = []
    for name, (hole, crop, networks) in CHOICES.items():
        image = photo(name)[crop] if crop else RenderedFaces(128, "test").batch([9])[0]
        missing = np.zeros(image.shape[:2], bool)
        missing[hole] = True
        filled_by = {method: inpaint(image, missing, method) for method in ("telea", "biharmonic")}
        for weights in networks:
            network = load_generator(weights)
            filled_by[f"network {weights}"] = inpaint(image, missing, generator=network)
        fills = []
        for label, filled in filled_by.items():
            scores = {"psnr": round(psnr(image, filled), 2), "ssim": round(ssim(image, filled), 4)}
            fills.append({"name": label, "hole": data_uri(filled[hole]), **scores})
        grey = np.where(missing[..., None], np.uint8(128), image)
        rows, columns = hole
        rounds.append(
            {
                "name": name,
                "side": len(image),
                "box": [columns.start, rows.start, columns.stop, rows.stop],
                "picture": "data:image/jpeg;base64," + base64_of(jpeg_bytes(grey)),
                "truth": data_uri(image[hole]),
                "fills": [fills[k] for k in generator.permutation(len(fills))],
            }
        )
    return {
        "about": "Chapter 3's square pictures, each filled four ways, written by "
        "tools/explorables.py. Scores are those of the whole picture.",
        "rounds": rounds,
    }


def film() -> dict[str, object]:
    """What chapter 15's page loads: the chapter's own film, on one sheet a clip."""
    side, count, pan = 96, 12, (1, 3)
    halves = photo("astronaut").reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    scene = np.rint(halves).astype(np.uint8)  # (256, 256, 3)
    corners = [(8 + t * pan[0], 52 + t * pan[1]) for t in range(count)]
    frames = np.stack([scene[y : y + side, x : x + side] for y, x in corners])
    rows, columns = np.mgrid[:side, :side]
    holes = np.stack([np.hypot(rows - 37 - t, columns - 43) < 15 for t in range(count)])
    network = load_generator(BOOK / "results/celeba-plain.safetensors")
    pairs = list(zip(frames, holes, strict=True))
    each = {
        name: np.stack([inpaint(*pair, name, generator=network) for pair in pairs])
        for name in ("telea", "gmcnn")
    }
    clips: dict[str, dict[str, object]] = {}
    fills = each | {"carried": inpaint_frames(frames, holes)[0], "truth": frames}
    shown = {"hole": np.where(holes[..., None], np.uint8(128), frames)} | fills
    for name, clip in shown.items():
        clips[name] = {"sheet": sheet_uri(np.concatenate(list(clip), axis=1))}
        if name not in fills:
            continue
        apart = np.abs(clip.astype(int) - frames)
        wrong = [one[hole].mean() for one, hole in zip(apart, holes, strict=True)]
        moved = []
        for t in range(count - 1):
            now, after = np.s_[t, pan[0] :, pan[1] :], np.s_[t + 1, : -pan[0], : -pan[1]]
            both = holes[now] & holes[after]
            moved.append(np.abs(clip[after].astype(int) - clip[now])[both].mean())
        scores = {"error": wrong, "flicker": moved}
        clips[name] |= {key: np.round(values, 1).tolist() for key, values in scores.items()}
    return {
        "about": "Chapter 15's film, written by tools/explorables.py: the frames of a clip side by "
        "side, error and flicker in grey levels.",
        "side": side,
        "count": count,
        "pan": pan,
        "clips": clips,
    }


def between() -> dict[str, object]:
    """What chapter 11's page loads: its 64 faces with the eyes covered, filled by weights on the
    straight lines from those of stage one to those after 1,000 steps with and without critics."""
    source = RenderedFaces(64, "test")
    truth, eyes = source.batch(range(64)), face_regions(source.seeds(range(64)), 64)["eyes"]
    covered = np.stack([box_around(region, 3) for region in eyes])
    mask, target = torch.from_numpy(covered).float()[:, None], to_tensor(truth)

    def mean(values: np.ndarray, places: np.ndarray) -> float:
        each = (values.mean(axis=3) * places).sum(axis=(1, 2)) / places.sum(axis=(1, 2))
        return round(float(each.mean()), 2)

    def contrast(fill: np.ndarray) -> float:
        apart = np.abs(np.diff(fill.astype(float), axis=2))  # neighbours left and right
        return mean(apart, covered[:, :, 1:] & covered[:, :, :-1])

    network = load_generator(BOOK / "results/faces-plain.safetensors")
    start = {name: value.clone() for name, value in network.state_dict().items()}
    boxes = {k: ndimage.find_objects(covered[k].astype(int))[0] for k in EYES}
    ways = {}
    for way, name in ENDS.items():
        end = load_generator(BOOK / f"results/{name}.safetensors").state_dict()
        fills = []
        for share in SHARES:
            line = {key: start[key] + share / 100 * (end[key] - start[key]) for key in start}
            network.load_state_dict(line)
            with torch.no_grad():
                fills.append(to_uint8(compose(target, network(target, mask), mask)))
        ways[way] = {
            "error": [mean(np.abs(fill.astype(float) - truth), covered) for fill in fills],
            "contrast": [contrast(fill) for fill in fills],
            "sheets": [
                data_uri(np.concatenate([fill[k][boxes[k]] for fill in fills])) for k in EYES
            ],
        }
    faces = []
    for k, (rows, columns) in boxes.items():
        top = (rows.start + rows.stop) // 2 - 13
        place = [columns.start - 10, rows.start - top, columns.stop - 10, rows.stop - top]
        faces.append({"picture": data_uri(truth[k, top : top + 26, 10:54]), "box": place})
    return {
        "about": "Chapter 11's faces, written by tools/explorables.py: for shares of the way from "
        "the weights of stage one, error and difference of neighbours in grey levels.",
        "shares": SHARES,
        "truth": round(contrast(truth), 1),
        "faces": faces,
        "ways": ways,
    }


def jpeg_bytes(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=88)
    return buffer.getvalue()


def sheet_uri(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "webp", quality=88)
    return "data:image/webp;base64," + base64_of(buffer.getvalue())


def main() -> None:
    for write in (forehead, forehead_trained, face, choose, film, between):
        output = FOLDER / f"{write.__name__.replace('_', '-')}.json"
        write_text(output, json.dumps(write(), indent=1) + "\n")
        print(f"{output.name}: {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
