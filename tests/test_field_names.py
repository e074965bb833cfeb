"""Names, paths, encodings and permissions of the field."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from field import HOLE, METHOD, PICTURE, save, save_mask

from labkit.data import open_images
from labkit.data.folder import ImageFolder, is_validation
from labkit.data.unpack import unpack
from labkit.errors import InputError
from labkit.evaluation.pairs import match
from labkit.files import atomic_write, in_step, write_text
from labkit.images import read_image, write_image
from labkit.masks.collection import MaskFiles
from labkit.nn.weights import PACKAGED, weights_path
from labkit.settings.configure import mask_settings

LATIN = os.fsdecode(b"caf\xe9")  # a name that is not UTF-8
APART, TOGETHER = (unicodedata.normalize(form, "café") for form in ("NFD", "NFC"))
MAKEFILE = Path(__file__).resolve().parent.parent / "Makefile"


def test_a_name_that_is_not_utf8_is_one_like_others(tmp_path: Path, capsys) -> None:
    home = tmp_path / LATIN
    save(home / "p" / f"{LATIN}.jpg")
    save(home / "pairs" / f"{LATIN}.jpg")
    save_mask(home / "m" / f"{LATIN}.png")
    save_mask(home / "pairs" / f"{LATIN}.png")
    assert run(capsys, "inpaint", home / "p", home / "m", "-o", home / "o", *METHOD)[0] == 0
    assert os.listdir(os.fsencode(home / "o")) == [b"caf\xe9.png"]
    out = home / "scores"
    end = ("--size", 64, "--out", out, *METHOD)
    code, said, lines = run(capsys, "evaluate", "--pairs", home / "pairs", *end)
    assert (code, lines) == (0, []) and r"caf\udce9/scores" in said
    assert {path.name for path in out.iterdir()} == {
        *("summary.json", "report.html", "per-image.csv", "manifest.json", "contact-sheet.png")
    }
    (pair,) = json.loads((out / "manifest.json").read_text("utf-8"))
    assert pair["pair"] == LATIN
    assert len(ImageFolder(home / "p", 32, "all")) == 1
    assert len(MaskFiles(home / "m")) == 1


def test_a_text_keeps_what_is_not_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", json.dumps({LATIN: "é"}, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {LATIN: "é"}


def test_the_split_goes_by_the_name_as_it_looks() -> None:
    assert APART != TOGETHER
    sides = []
    for form in ("NFC", "NFD"):
        names = [unicodedata.normalize(form, f"é{number}.jpg") for number in range(300)]
        sides.append([is_validation(name, 0.3) for name in names])
    assert sides[0] == sides[1] and any(sides[0]) and not all(sides[0])


@pytest.mark.parametrize(
    ("picture", "mask"),
    [(f"{APART}.jpg", f"{TOGETHER}.png"), ("IMG_1.JPG", "img_1.PNG"), ("a.B.jpeg", "A.b.png")],
)
def test_names_that_look_the_same_go_together(tmp_path: Path, picture, mask, capsys) -> None:
    save(tmp_path / "p" / picture)
    save_mask(tmp_path / "m" / mask)
    out = tmp_path / "o"
    assert run(capsys, "inpaint", tmp_path / "p", tmp_path / "m", "-o", out, *METHOD)[0] == 0
    assert [path.name for path in out.iterdir()] == [Path(picture).stem + ".png"]
    for names in ([picture, mask], [f"Images/{picture}", f"masks/{mask}"]):
        assert list(match(names, "set").values()) == [tuple(names)]


def test_names_that_differ_in_capitals_alone_stay_apart() -> None:
    found = match(["a.jpg", "A.jpg", "a.png", "A.png"], "set")
    assert found == {"a": ("a.jpg", "a.png"), "A": ("A.jpg", "A.png")}
    assert in_step({"a": 1, "A": 1}, {"b": 2, "aA": 3}) == {"b": 2, "aA": 3}
    with pytest.raises(InputError, match="the same image twice"):
        match([f"{APART}.jpg", f"{TOGETHER}.jpg", f"{TOGETHER}.png"], "set")


def test_a_name_may_be_as_long_as_the_disk_takes(tmp_path: Path, capsys) -> None:
    picture, mask = save(tmp_path / "a.png"), save_mask(tmp_path / "m.png")
    start = ("inpaint", picture, mask, *METHOD, "-o")
    for length in (245, 255):
        assert run(capsys, *start, tmp_path / ("x" * (length - 4) + ".png"))[0] == 0
    line = fails(capsys, *start, tmp_path / ("x" * 252 + ".png"))
    assert "File name too long" in line
    with pytest.raises(InputError, match=r"File name too long\); use a shorter name"):
        atomic_write(tmp_path / ("x" * 256), lambda file: None)
    for command in (
        ("inpaint", tmp_path / ("x" * 300), mask, "-o", tmp_path / "o.png"),
        ("evaluate", "--pairs", tmp_path / ("x" * 300), "--out", tmp_path / "o"),
        ("inpaint", picture, mask, "-o", tmp_path / "o.png", "--weights", "x" * 300),
        ("train", "--resume", "--out", tmp_path / ("x" * 300)),
    ):
        assert "File name too long" in fails(capsys, *command)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(picture, "a.png")
    assert unpack(tmp_path / "a.zip", tmp_path / ("y" * 250), (".png",)) == 1
    assert not list(tmp_path.glob(".*"))


def test_no_picture_of_a_folder_is_passed_over(tmp_path: Path, capsys) -> None:
    photos, masks = tmp_path / "p", tmp_path / "m"
    data = save(photos / "a.jpg").read_bytes()
    (photos / "b.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    for other in ("c", "d.jfif", "e.JPG_large", "f.GIF", "g.jpe"):
        (photos / other).write_bytes(data)
    for other in ("notes.txt", "Thumbs.db", ".hidden.jpg"):
        (photos / other).write_bytes(b"words")
    for name in "abcdefg":
        save_mask(masks / f"{name}.png")
    out = tmp_path / "o"
    code, said, lines = run(capsys, "inpaint", photos, masks, "-o", out, *METHOD)
    assert code == 3 and said == "6 filled, 1 left out\n"
    assert (
        len([line for line in lines if "b.HEIC: not a picture that Pillow can read" in line]) == 1
    )
    assert sorted(path.stem for path in out.iterdir()) == list("acdefg")
    with pytest.warns(UserWarning, match=r"1 left out: b\.HEIC: not a picture"):
        assert ImageFolder(photos, 32, "all").names == ["a.jpg", "d.jfif", "f.GIF", "g.jpe"]
    with pytest.raises(InputError, match=r"no mask for b\.HEIC"):
        match(["a.jpg", "a.png", "b.HEIC"], "set")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_no_command_dies_of_a_character(tmp_path: Path, encoding: str) -> None:
    picture, mask = save(tmp_path / "é.png"), save_mask(tmp_path / "m.png")
    lines = [
        ["train", "--help"],
        ["inpaint", str(picture), str(mask), "-o", "λ.png", *METHOD],
        ["masks", "--out", "λ", "--count", "1", "--size", "64"],
    ]
    code = f"from labkit.cli import main\nfor line in {lines!r}:\n    assert main(line) == 0, line"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        cwd=tmp_path,
        capture_output=True,
        encoding=encoding,
    )
    assert done.returncode == 0, done.stderr
    assert r"written to \u03bb" in done.stdout
    assert (tmp_path / "λ.png").exists()


def test_permissions_are_a_courtesy(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    old = os.umask(0o027)
    try:
        for name in ("chmod", "fchmod"):
            monkeypatch.setattr(os, name, refuse)
        atomic_write(tmp_path / "a", lambda file: file.write(b"a"))
        write_image(tmp_path / "a.png", PICTURE)
        save_mask(tmp_path / "m.png", HOLE)
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640  # as of any new file
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PICTURE)


def test_a_folder_with_a_packaged_name_is_told_of(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "faces", "irregular", "celeba"):
        (tmp_path / name).mkdir()
    for number in range(40):
        save(tmp_path / "photos" / f"{number}.jpg")
    for name in ("photos", "faces"):
        with pytest.warns(UserWarning, match=rf"{name}: taken for the built-in set.*\./{name}"):
            assert open_images(name, 32).describe()["kind"] != "files"
    assert open_images("./photos", 32).describe()["kind"] == "files"
    with pytest.warns(UserWarning, match=r"irregular: taken for the kind .*\./irregular"):
        assert mask_settings(["irregular"])["data.masks.kind"] == "irregular"
    assert mask_settings(["./irregular"])["data.masks.kind"] == "files"
    with pytest.warns(UserWarning, match=r"celeba: taken for the packaged .*\./celeba"):
        assert weights_path("celeba").parent == PACKAGED
    (tmp_path / "celeba" / "generator.safetensors").write_bytes(b"")
    assert weights_path("./celeba") == Path("celeba/generator.safetensors")
    assert weights_path(Path("celeba")) == Path("celeba/generator.safetensors")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_makes_a_broken_environment_again(tmp_path: Path) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    broken = tmp_path / ".venv" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.touch()
    wanted = ["make", "-n", ".venv/.installed"]
    dry = [subprocess.run(wanted, cwd=tmp_path, capture_output=True, text=True).stdout]
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    dry.append(subprocess.run(wanted, cwd=tmp_path, capture_output=True, text=True).stdout)
    (tmp_path / ".venv" / "bin" / "pip").touch()
    dry.append(subprocess.run(wanted, cwd=tmp_path, capture_output=True, text=True).stdout)
    assert "-m venv .venv" in " ".join(dry[0].split()) and "--clear" not in dry[0]
    assert "-m venv --clear .venv" in dry[1]
    assert "venv .venv" not in dry[2] and "--clear" not in dry[2]
