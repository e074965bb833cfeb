"""The command line: what it does, what it says, and the codes it exits with."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from PIL import Image, ImageCms

from labkit import __version__
from labkit.cli import _take_debug
from labkit.errors import InputError
from labkit.inpainting import inpaint
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.weights import load_generator, save_generator
from labkit.settings import Hardware, TrainConfig
from labkit.settings.base import leaves
from labkit.settings.configure import configure


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    channels = [rows * 3, columns * 2, 255 - rows - columns]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def hole(height: int = 48, width: int = 64) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[10:30, 20:36] = True
    return mask


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    Image.fromarray(array).save(path)
    return path


def load(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.array(opened.convert("RGB"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A picture, its mask, and where the result goes."""
    return (
        save(tmp_path / "in.png", picture()),
        save(tmp_path / "m.png", hole()),
        tmp_path / "o.png",
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "tiny.safetensors"
    save_generator(GMCNN(GeneratorConfig(width=2, initialisation="he")), path)
    return path


@pytest.fixture(autouse=True)
def no_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_DEBUG", raising=False)


# Help


@pytest.mark.parametrize(
    "command", [[], ["inpaint"], ["pairs"], ["evaluate"], ["train"], ["masks"]]
)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys; from labkit.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'skimage', 'cv2', 'lightning_fabric'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout and done.stderr == ""


def test_version_and_bare_call(capsys) -> None:
    assert run(capsys, "--version") == (0, f"labkit {__version__}\n", [])
    code, out, lines = run(capsys)
    assert code == 0 and lines == []
    assert all(command in out for command in ("inpaint", "evaluate", "train", "masks"))


def test_parsing_errors_take_one_line(capsys) -> None:
    assert "labkit inpaint --help" in fails(capsys, "inpaint")
    assert "--colour" in fails(capsys, "masks", "--colour", "red", "--out", "x")
    assert "frobnicate" in fails(capsys, "frobnicate")
    assert "--count" in fails(capsys, "masks", "--count", "many", "--out", "x")


# Inpaint


@pytest.mark.parametrize("method", ["telea", "ns", "biharmonic", "mean", "black"])
def test_inpaint_with_classical_methods(files, capsys, method: str) -> None:
    image, mask, out = files
    code, _, lines = run(capsys, "inpaint", image, mask, "-o", out, "--method", method)
    assert (code, lines) == (0, [])
    np.testing.assert_array_equal(load(out), inpaint(picture(), hole(), method))
    np.testing.assert_array_equal(load(out)[~hole()], picture()[~hole()])


def test_inpaint_with_weights_of_any_place(files, weights: Path, capsys) -> None:
    image, mask, out = files
    arguments = ["inpaint", image, mask, "-o", out, "--device", "cpu"]
    assert run(capsys, *arguments, "--weights", weights)[0] == 0
    expected = inpaint(picture(), hole(), generator=load_generator(weights))
    np.testing.assert_array_equal(load(out), expected)
    out.unlink()
    weights.rename(weights.parent / "generator.safetensors")  # a run's folder
    assert run(capsys, *arguments, "--weights", weights.parent)[0] == 0
    np.testing.assert_array_equal(load(out), expected)


def test_inverted_and_resized_masks(files, tmp_path: Path, capsys) -> None:
    image, _, out = files
    black = save(tmp_path / "black.png", ~hole())
    arguments = ["-o", out, "--method", "mean"]
    assert run(capsys, "inpaint", image, black, *arguments, "--invert-mask") == (0, "", [])
    np.testing.assert_array_equal(load(out), inpaint(picture(), hole(), "mean"))
    double = save(tmp_path / "double.png", hole().repeat(2, axis=0).repeat(2, axis=1))
    line = fails(capsys, "inpaint", image, double, *arguments)
    assert "128×96" in line and "64×48" in line and "--resize-mask" in line
    assert run(capsys, "inpaint", image, double, *arguments, "--resize-mask") == (0, "", [])
    np.testing.assert_array_equal(load(out), inpaint(picture(), hole(), "mean"))


def test_a_mask_that_looks_inverted_warns(files, tmp_path: Path, capsys) -> None:
    image, _, out = files
    mask = save(tmp_path / "inverted.png", ~hole(48, 64) | (np.arange(64) > 30)[None])
    code, _, lines = run(capsys, "inpaint", image, mask, "-o", out, "--method", "telea")
    assert code == 0 and out.exists()
    assert len(lines) == 1 and lines[0].startswith("labkit: warning: ")
    assert "inverted.png" in lines[0] and "invert it (--invert-mask)" in lines[0]
    save(mask, hole() & (np.arange(64) > 30)[None])
    arguments = ["inpaint", image, mask, "-o", out, "--method", "mean", "--invert-mask"]
    code, _, lines = run(capsys, *arguments)
    assert code == 0 and "was inverted on reading (--invert-mask)" in lines[0]


def test_nothing_missing_and_everything_missing(files, tmp_path: Path, capsys) -> None:
    image, _, out = files
    end = ["-o", out, "--method", "telea"]
    none = save(tmp_path / "none.png", hole().astype(np.uint8) * 100)
    code, _, (line,) = run(capsys, "inpaint", image, none, *end)
    assert code == 0 and line.startswith(f"labkit: warning: {none}: no pixel is missing")
    assert "nothing was filled; its brightest value is 100, and values above 127" in line
    np.testing.assert_array_equal(load(out), picture())
    light = save(tmp_path / "light.png", 255 - load(none)[..., 0])
    _, _, (line,) = run(capsys, "inpaint", image, light, *end, "--invert-mask")
    assert "its darkest value is 155, and --invert-mask takes up to 127" in line
    dot = save(tmp_path / "dot.png", np.arange(48 * 64 * 4).reshape(96, 128) == 128)
    _, _, (line,) = run(capsys, "inpaint", image, dot, *end, "--resize-mask")
    assert "dot.png: no pixel" in line and "its hole was lost when it was resized" in line
    every = save(tmp_path / "every.png", np.ones((48, 64), bool))
    line = fails(capsys, "inpaint", image, every, *end)
    assert "every.png: every pixel is missing" in line and "(--invert-mask)" in line


def test_pictures_that_cannot_be_read(files, tmp_path: Path, capsys) -> None:
    image, mask, out = files
    end = ["-o", out, "--method", "telea"]
    assert "gone.png: no such file" in fails(capsys, "inpaint", tmp_path / "gone.png", mask, *end)
    assert "gone.png: no such file" in fails(capsys, "inpaint", image, tmp_path / "gone.png", *end)
    text = tmp_path / "text.png"
    text.write_text("I am no picture")
    assert "text.png: not a picture" in fails(capsys, "inpaint", text, mask, *end)
    assert "text.png" in fails(capsys, "inpaint", image, text, *end)
    data = io.BytesIO()
    Image.fromarray(picture()).save(data, "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(data.getvalue()[: len(data.getvalue()) // 2])
    assert "cut.jpg: damaged picture" in fails(capsys, "inpaint", cut, mask, *end)
    assert not out.exists()


def test_rotated_and_grey_pictures_are_filled_upright(files, tmp_path: Path, capsys) -> None:
    _, mask, out = files
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn
    turned = tmp_path / "turned.png"
    Image.fromarray(np.rot90(picture())).save(turned, exif=exif)
    assert run(capsys, "inpaint", turned, mask, "-o", out, "--method", "telea")[0] == 0
    np.testing.assert_array_equal(load(out)[~hole()], picture()[~hole()])
    grey = save(tmp_path / "grey.png", picture()[..., 0])
    assert run(capsys, "inpaint", grey, mask, "-o", out, "--method", "telea")[0] == 0
    np.testing.assert_array_equal(load(out)[~hole()][:, 2], picture()[~hole()][:, 0])


def test_the_colour_profile_is_kept(tmp_path: Path, capsys) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "images").mkdir()
    image, mask = tmp_path / "images" / "a.png", save(tmp_path / "masks" / "a.png", hole())
    Image.fromarray(picture()).save(image, icc_profile=profile)
    one, several = tmp_path / "one.jpg", tmp_path / "several"
    assert run(capsys, "inpaint", image, mask, "-o", one, "--method", "mean")[0] == 0
    arguments = ["inpaint", image.parent, mask.parent, "-o", several, "--method", "mean"]
    assert run(capsys, *arguments)[0] == 0
    for path in (one, several / "a.png"):
        with Image.open(path) as filled:
            assert filled.info["icc_profile"] == profile, path


def test_methods_weights_and_devices_that_do_not_exist(files, weights, tmp_path, capsys) -> None:
    image, mask, out = files
    start = ["inpaint", image, mask, "-o", out]
    assert "choose from gmcnn, telea" in fails(capsys, *start, "--method", "magic")
    assert "packaged weights:" in fails(capsys, *start, "--weights", "nobody")
    line = fails(capsys, *start, "--method", "ns", "--weights", weights)
    assert f"--weights {weights} means nothing to --method ns; leave it out" in line
    assert "--device cpu" in fails(capsys, *start, "--method", "telea", "--device", "cpu")
    assert "auto, cpu" in fails(capsys, *start, "--weights", weights, "--device", "abacus")
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"\x00" * 100)
    assert "garbage.safetensors: not a readable" in fails(capsys, *start, "--weights", garbage)
    small = save(tmp_path / "small.png", picture(20, 40))
    small_mask = save(tmp_path / "small-mask.png", hole(20, 40))
    line = fails(capsys, "inpaint", small, small_mask, "-o", out, "--weights", weights)
    assert "40×20" in line and "at least 32" in line
    assert not out.exists()


@pytest.mark.parametrize("name", ["state.pt", "state.previous.pt"])
def test_a_checkpoint_is_not_taken_for_weights(files, pairs, tmp_path, capsys, name: str) -> None:
    image, mask, out = files
    state = tmp_path / "run" / name
    state.parent.mkdir()
    state.write_bytes(b"what a training goes on from")
    (state.parent / "config.json").write_text("{}")
    for command in (
        ["evaluate", "--pairs", pairs, "--out", tmp_path / "out"],
        ["inpaint", image, mask, "-o", out],
        ["export", "onnx", "-o", out],
    ):
        line = fails(capsys, *command, "--weights", state)
        assert f"{name}: is a checkpoint" in line and f"the run's folder, {state.parent}" in line


def test_weights_of_another_width(files, weights: Path, capsys) -> None:
    import safetensors.torch

    image, mask, out = files
    other = GMCNN(GeneratorConfig(width=4)).state_dict()
    with safetensors.safe_open(weights, "pt") as file:
        header = file.metadata()  # says width 2
    wrong = weights.parent / "wrong.safetensors"
    safetensors.torch.save_file({k: v.contiguous() for k, v in other.items()}, wrong, header)
    line = fails(capsys, "inpaint", image, mask, "-o", out, "--weights", wrong)
    assert "wrong.safetensors" in line and "width" in line


def test_what_cannot_be_written_is_said_before_the_fill(files, tmp_path, broken, capsys) -> None:
    image, mask, _ = files
    save(tmp_path / "images" / "a.png", picture())
    save(tmp_path / "masks" / "a.png", hole())
    broken(RuntimeError("it was filled"))
    end = ["--method", "mean"]
    line = fails(capsys, "inpaint", image, mask, "-o", tmp_path / "nosuffix", *end)
    assert "nosuffix: unknown picture format" in line
    start = ["inpaint", tmp_path / "images", tmp_path / "masks", "-o"]
    assert "cannot be written to" in fails(capsys, *start, image / "out", *end)
    for folder in ("images", "masks"):
        line = fails(capsys, *start, tmp_path / folder / ".." / folder, *end)
        assert "among their own inputs" in line


def test_results_that_cannot_be_written(files, tmp_path: Path, monkeypatch, capsys) -> None:
    image, mask, out = files
    end = ["--method", "mean"]
    assert "unknown picture format" in fails(
        capsys, "inpaint", image, mask, "-o", tmp_path / "out.xyz", *end
    )
    assert "its own input" in fails(capsys, "inpaint", image, mask, "-o", image, *end)
    np.testing.assert_array_equal(load(image), picture())
    out.write_bytes(b"the result of another day")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    line = fails(capsys, "inpaint", image, mask, "-o", out, *end)
    assert "o.png" in line and "No space left" in line
    assert out.read_bytes() == b"the result of another day"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.png", "m.png", "o.png"]


# Folders


def test_a_folder_of_pictures(tmp_path: Path, capsys) -> None:
    for name in ("cat.jpg", "dog.png"):
        save(tmp_path / "images" / name, picture())
        save(tmp_path / "masks" / f"{name[:3]}.png", hole())
    (tmp_path / "images" / "notes.txt").write_text("passed over")
    arguments = ["inpaint", tmp_path / "images", tmp_path / "masks", "-o", tmp_path / "out"]
    code, _, lines = run(capsys, *arguments, "--method", "telea")
    assert (code, lines) == (0, [])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["cat.png", "dog.png"]
    cat = load(tmp_path / "images" / "cat.jpg")
    np.testing.assert_array_equal(load(tmp_path / "out" / "cat.png")[~hole()], cat[~hole()])


def test_a_folder_goes_on_past_what_fails_and_says_so(tmp_path: Path, capsys) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for name in ("a", "c", "z"):
        save(images / f"{name}.png", picture())
    (images / "b.png").write_text("no picture")
    save(images / "z.jpg", picture())
    for name in ("a", "b", "x", "z"):
        save(masks / f"{name}.png", hole())
    code, said, lines = run(
        capsys, "inpaint", images, masks, "-o", tmp_path / "out", "--method", "mean"
    )
    assert code == 3
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.png"]
    assert len(lines) == 4
    for part in ("x.png: no picture", "b.png: not a picture", "c.png: no mask", "twice"):
        assert sum(part in line for line in lines) == 1, part
    assert said == "1 filled, 4 left out\n"


def test_folders_that_do_not_go_together(files, tmp_path: Path, capsys) -> None:
    image, mask, _ = files
    images, masks = tmp_path / "images", tmp_path / "masks"
    save(images / "a.png", picture())
    save(masks / "b.png", hole())
    end = ["-o", tmp_path / "out", "--method", "mean"]
    assert "same name" in fails(capsys, "inpaint", images, masks, *end)
    assert "is a folder" in fails(capsys, "inpaint", images, mask, *end)
    assert "is a folder" in fails(capsys, "inpaint", image, masks, *end)
    save(masks / "a.png", hole())
    (tmp_path / "out").write_text("a file")
    assert "out: is a file" in fails(capsys, "inpaint", images, masks, *end)


# Evaluate


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for index in range(3):
        save(tmp_path / "pairs" / f"{index}.jpg", np.roll(picture(), index * 9, axis=1))
        save(tmp_path / "pairs" / f"{index}.png", hole())
    return tmp_path / "pairs"


def test_evaluate_writes_its_report(pairs: Path, weights: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    code, text, lines = run(
        capsys, "evaluate", "--pairs", pairs, "--method", "mean", "--method", "telea",
        "--weights", weights, "--size", 64, "--out", out, "--as-reported", "--device", "cpu",
    )  # fmt: skip
    assert (code, lines) == (0, [])
    summary = json.loads((out / "summary.json").read_text())
    labels = ["mean", "mean, as reported", "telea", "telea, as reported"]
    labels += ["gmcnn tiny", "gmcnn tiny, as reported"]
    assert sorted(row["method"] for row in summary["rows"]) == sorted(labels)
    for label in labels:
        assert label in text
    assert list(summary["environment"]["weights"]) == ["gmcnn tiny"]
    assert summary["environment"]["size"] == 64
    assert summary["environment"]["command"].startswith(f"labkit evaluate --pairs {pairs} ")
    found = {path.name for path in out.iterdir()}
    files = {"summary.json", "per-image.csv", "manifest.json", "contact-sheet.png", "report.html"}
    assert found == files


def test_evaluate_says_what_is_wrong(pairs: Path, tmp_path: Path, capsys) -> None:
    end = ["--out", tmp_path / "out", "--method", "mean"]
    assert "nowhere" in fails(capsys, "evaluate", "--pairs", tmp_path / "nowhere", *end)
    assert "size 8: must be" in fails(capsys, "evaluate", "--pairs", pairs, *end, "--size", 8)
    assert "seed -1: must be" in fails(capsys, "evaluate", "--pairs", pairs, *end, "--seed", -1)
    (pairs / "1.png").unlink()
    assert "no mask for 1.jpg" in fails(capsys, "evaluate", "--pairs", pairs, *end)
    assert not (tmp_path / "out").exists()


def test_evaluate_looks_at_its_folder_before_it_scores(
    pairs, tmp_path, monkeypatch, capsys
) -> None:
    def scored(*_: object, **__: object) -> None:
        raise RuntimeError("it was scored")

    monkeypatch.setattr("labkit.evaluation.protocol.evaluate", scored)
    start = ["evaluate", "--pairs", pairs, "--method", "mean", "--out"]
    (tmp_path / "file").write_text("a file")
    assert "file: is a file" in fails(capsys, *start, tmp_path / "file")
    assert "cannot be written to" in fails(capsys, *start, tmp_path / "file" / "out")
    for out in (pairs, pairs / "results"):
        assert f"--out {out}: lies inside --pairs {pairs}" in fails(capsys, *start, out)
    assert sorted(path.suffix for path in pairs.iterdir()) == [".jpg"] * 3 + [".png"] * 3


# Masks


def test_masks_writes_a_set_and_its_sheet(tmp_path: Path, capsys) -> None:
    start = ["masks", "--kind", "irregular", "--count", 5, "--size", 64, "--seed", 3]
    code, text, lines = run(capsys, *start, "--bin", 2, "--out", tmp_path / "set")
    assert (code, lines) == (0, [])
    assert "5 masks" in text
    found = sorted((tmp_path / "set").iterdir())
    assert [p.name for p in found] == [f"{i:05}.png" for i in range(5)]
    for path in found:
        values = load(path)
        assert set(np.unique(values)) == {0, 255}
        assert 0.2 <= (values > 127).mean() <= 0.3
    assert load(tmp_path / "set-sheet.png").shape[1] > 5 * 90
    # The same seed begins with the same masks, however many are asked for.
    fewer = [*start, "--count", 2, "--bin", 2, "--out", tmp_path / "two"]
    assert run(capsys, *fewer)[0] == 0
    np.testing.assert_array_equal(load(tmp_path / "two" / "00001.png"), load(found[1]))


def test_masks_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    out = tmp_path / "set"
    assert "choose from rectangle" in fails(capsys, "masks", "--kind", "star", "--out", out)
    assert "--bin" in fails(capsys, "masks", "--kind", "rectangle", "--bin", 1, "--out", out)
    assert "--count 0" in fails(capsys, "masks", "--count", 0, "--out", out)
    assert "9" in fails(capsys, "masks", "--bin", 9, "--out", out)
    line = fails(capsys, "masks", "--kind", "rectangle", "--size", 16, "--out", out)
    assert "--size 16: " in line and line.endswith("; use a larger --size")
    save(out / "other.png", hole())
    assert "is not empty" in fails(capsys, "masks", "--out", out)


# Train

CONFIDENCE = "objective.reconstruction.confidence"


def test_every_option_of_train_is_a_setting_with_its_sentence_and_default(capsys) -> None:
    shown = " ".join(run(capsys, "train", "--help")[1].replace("│", " ").split())
    count = 0
    for name, field in (leaves(TrainConfig) | leaves(Hardware)).items():
        assert field.description, name  # shown in help, in book/cli.md and in the reference
        for option in (text for text in field.metadata if isinstance(text, str)):
            count += 1
            assert option.split("/")[0] in shown, name
            assert " ".join(field.description.split())[:40] in shown.replace("- ", "-"), name
            if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
                assert f"({field.default})" in shown, name
    assert count >= 45


def test_options_become_settings() -> None:
    given = {"steps": 7, "generator.width": 4, "data.images": ["a", "b"]}
    given |= {"data.masks.kind": ["rectangle"], f"{CONFIDENCE}.kernel": "laplacian"}
    config = configure(TrainConfig(seed=9), given)
    assert (config.steps, config.generator.width, config.seed) == (7, 4, 9)
    assert config.data.images == ("a", "b") and config.data.masks.kind == "rectangle"
    assert config.objective.reconstruction.confidence.kernel == "laplacian"
    alike = configure(config, {f"{CONFIDENCE}.kernel": "none"})
    assert alike.objective.reconstruction.confidence is None and alike.steps == 7
    again = configure(alike, {f"{CONFIDENCE}.kernel": "released"})
    assert again.objective.reconstruction.confidence.kernel == "released"
    files = configure(config, {"data.masks.kind": ["some/folder", "more.tar"]})
    assert (files.data.masks.kind, files.data.masks.paths) == ("files", ("some/folder", "more.tar"))
    assert configure(files, {"data.masks.kind": ["irregular"]}).data.masks.path is None
    with pytest.raises(InputError, match="name one kind"):
        configure(files, {"data.masks.kind": ["irregular", "some/folder"]})


TINY = ["--size", 32, "--width", 2, "--batch", 2, "--workers", 0, "--device", "cpu"]
TINY += ["--masks", "rectangle", "--validate-every", 0, "--confidence", "none"]


def test_train_and_resume(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    assert run(capsys, "train", *TINY, "--steps", 2, "--out", out)[0] == 0
    assert (out / "generator.safetensors").exists()
    assert json.loads((out / "config.json").read_text())["generator"]["width"] == 2
    assert "--resume" in fails(capsys, "train", *TINY, "--steps", 2, "--out", out)
    # Without a setting: the run's own are taken from its folder.
    code, text, _ = run(capsys, "train", "--resume", "--out", out, "--device", "cpu")
    assert code == 0 and "generator.safetensors" in text
    line = fails(capsys, "train", "--resume", "--out", out, "--width", 4, "--device", "cpu")
    assert "generator.width" in line


def test_train_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    end = ["--out", tmp_path / "run", "--device", "cpu"]
    assert "precision '16'" in fails(capsys, "train", *end, "--precision", 16)
    assert "run: holds no run" in fails(capsys, "train", *end, "--resume")
    assert "width 3" in fails(capsys, "train", *end, "--width", 3)
    assert "nowhere" in fails(capsys, "train", *end, "--data", tmp_path / "nowhere")


# What nobody foresaw


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch):
    """Make the inpainting raise what it is given."""

    def breaks(error: BaseException) -> None:
        def raises(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("labkit.inpainting.inpaint", raises)

    return breaks


def test_a_defect_takes_one_line_and_code_1(files, broken, capsys) -> None:
    image, mask, out = files
    broken(RuntimeError("the first line\nand a second"))
    code, _, lines = run(capsys, "inpaint", image, mask, "-o", out, "--method", "ns")
    assert code == 1
    assert lines == [
        "labkit: error: unexpected RuntimeError: the first line; run again with --debug"
    ]


@pytest.mark.parametrize("how", ["before", "after", "environment"])
def test_debug_shows_the_traceback(files, broken, capsys, monkeypatch, how: str) -> None:
    image, mask, out = files
    broken(RuntimeError("broken"))
    arguments = ["inpaint", image, mask, "-o", out, "--method", "ns"]
    if how == "environment":
        monkeypatch.setenv("LABKIT_DEBUG", "1")
    else:
        arguments.insert(0 if how == "before" else len(arguments), "--debug")
    code, _, lines = run(capsys, *arguments)
    assert code == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("labkit: error: unexpected RuntimeError: broken")


def test_debug_shows_where_an_input_error_came_from(capsys, tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    code, _, lines = run(capsys, "inpaint", gone, gone, "-o", gone, "--debug")
    assert code == 2 and "Traceback (most recent call last):" in lines


def test_ctrl_c_takes_one_line_and_code_130(files, broken, capsys) -> None:
    image, mask, out = files
    broken(KeyboardInterrupt())
    code, _, lines = run(capsys, "inpaint", image, mask, "-o", out, "--method", "ns")
    assert code == 130
    assert lines == ["labkit: interrupted"]
    assert not out.exists()


def test_debug_behind_two_dashes_is_a_file_name() -> None:
    assert _take_debug(["a", "--debug", "--", "--debug"]) == (["a", "--", "--debug"], True)
    assert _take_debug(["a", "--", "--debug"]) == (["a", "--", "--debug"], False)
